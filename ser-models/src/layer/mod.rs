//! The basis of all layers: the trait `Layer`, its input and its output.

mod definition;
mod elements;
mod error;
mod forward;
mod fusion;
mod padded;
mod summary;

pub(crate) use definition::checked_shape;
pub use definition::{Layer, Mode};
pub(crate) use elements::{elements, for_element_type, into_storage, tensor};
pub use error::LayerError;
pub(crate) use forward::{Backward, chain};
pub use forward::{Forward, add_gradient};
pub use fusion::Fusion;
pub(crate) use fusion::{ConvolutionParameters, FusionKind, NormParameters};
pub use padded::Padded;
pub use summary::SummaryRow;
