//! Inputs of models: inputs made of a clip's features, sets of them, and their normalisation.

mod dataset;
mod ear;
mod model_input;
mod normalization;
mod resize;

pub(crate) use dataset::Audio;
pub use dataset::{Dataset, DatasetError};
pub use ear::{Ear, EarError};
pub use model_input::{InputError, ModelInput};
pub use normalization::Normalization;

/// Frames of an input of this shape: its last axis, or 1 for a vector.
pub(crate) fn frames_of(shape: &[usize]) -> usize {
    if shape.len() > 1 { shape[shape.len() - 1] } else { 1 }
}
