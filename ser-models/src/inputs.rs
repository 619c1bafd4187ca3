//! Normalised inputs, ready for a model.

use crate::models::Batch;
use crate::training::Normalization;
use candle_core::{Device, Result as CandleResult, Tensor};
use ndarray::ArrayD;

/// Normalised inputs in row-major order, with the real frames of each where inputs are padded.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    pub(crate) values: Vec<f32>,
    pub(crate) frames: Option<Vec<usize>>,
    /// The shape of one input.
    pub(crate) shape: Vec<usize>,
}

impl Inputs {
    /// Of inputs [clips, …].
    pub(crate) fn new(inputs: &ArrayD<f32>, frames: Option<&[usize]>, normalization: &Normalization) -> Self {
        let mut values: Vec<f32> = inputs.iter().copied().collect();
        let shape = inputs.shape().get(1..).unwrap_or_default().to_vec();
        normalization.apply(&mut values, frames_of(&shape), frames);
        Self { values, frames: frames.map(<[usize]>::to_vec), shape }
    }

    /// How many numbers one input has.
    pub(crate) fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many inputs there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.size().max(1)
    }

    /// The inputs at these places, in this order.
    pub(crate) fn select(&self, places: &[usize]) -> Self {
        let size = self.size();
        let mut values = Vec::with_capacity(places.len() * size);
        places.iter().for_each(|at| values.extend_from_slice(&self.values[at * size..][..size]));
        let frames = self.frames.as_ref().map(|frames| places.iter().map(|at| frames[*at]).collect());
        Self { values, frames, shape: self.shape.clone() }
    }

    /// Several of one shape, one after the other.
    pub(crate) fn concat(parts: Vec<Self>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut all = parts.next()?;
        for part in parts {
            all.values.extend(part.values);
            all.frames.iter_mut().for_each(|frames| frames.extend(part.frames.iter().flatten()));
        }
        Some(all)
    }

    /// All of them as one batch.
    pub(crate) fn into_batch(self) -> CandleResult<Batch> {
        let mut dims = vec![self.len()];
        dims.extend(&self.shape);
        Ok(Batch { values: Tensor::from_vec(self.values, dims, &Device::Cpu)?, lengths: self.frames })
    }
}

/// Frames of an input of this shape: its last axis, or 1 for a vector.
pub(crate) fn frames_of(shape: &[usize]) -> usize {
    if shape.len() > 1 { shape[shape.len() - 1] } else { 1 }
}
