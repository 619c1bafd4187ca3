//! Inputs of models: their computation from a clip's features, data sets of them, and their normalisation.

mod clip_encoder;
mod dataset;
mod model_input;
mod normalization;
mod resize;

pub use clip_encoder::{ClipEncoder, ClipEncoderError};
pub(crate) use dataset::Audio;
pub use dataset::{Dataset, DatasetError};
pub use model_input::{InputError, ModelInput};
pub use normalization::Normalization;

/// Returns the number of frames of an input of this shape: its last axis, or 1 for a vector.
pub(crate) fn frames_of(shape: &[usize]) -> usize {
    if shape.len() > 1 { shape[shape.len() - 1] } else { 1 }
}
