//! RAVDESS: what its file names say.

mod fields;
mod name;

pub use fields::{Intensity, Modality, Sex, Statement, VocalChannel};
pub use name::RavdessName;
