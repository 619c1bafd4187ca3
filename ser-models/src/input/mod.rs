//! What goes into a model: inputs made of a clip's features, sets of them, and their normalisation.

mod dataset;
mod ear;
mod model_input;
mod normalization;
mod resize;

use crate::layer::Padded;
use candle_core::{Device, Result as CandleResult, Tensor};
use ndarray::ArrayD;

pub(crate) use dataset::Audio;
pub use dataset::{Dataset, DatasetError};
pub use ear::{Ear, EarError};
pub use model_input::{InputError, ModelInput};
pub use normalization::Normalization;

/// An array [clips, …] as a batch, with the valid frames of each clip where some are padded.
pub(crate) fn batch_of(inputs: &ArrayD<f32>, frames: Option<&[usize]>) -> CandleResult<Padded> {
    let values =
        Tensor::from_vec(inputs.iter().copied().collect::<Vec<f32>>(), inputs.shape(), &Device::Cpu)?;
    Ok(Padded::of(values, frames.map(<[usize]>::to_vec)))
}

/// Frames of an input of this shape: its last axis, or 1 for a vector.
pub(crate) fn frames_of(shape: &[usize]) -> usize {
    if shape.len() > 1 { shape[shape.len() - 1] } else { 1 }
}
