//! A convolution or a batch normalisation with the steps after it, forward and backward.

use crate::kernels::{ConvShape, Epilogue, Norm, Real, Statistics, Valid, convolve, convolve_backward};
use crate::layer::{LayerError, NormParameters, elements};
use crate::memory::Memory;
use candle_core::Var;

/// A convolution or a batch normalisation, and the steps after it.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) kind: Kind,
    pub(super) weight: Var,
    pub(super) bias: Var,
    pub(super) epilogue: Epilogue,
    pub(super) memory: Memory,
    /// Channels of the output of an example, and elements of each channel.
    pub(super) channels: usize,
    pub(super) plane: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Convolution(ConvShape),
    /// Batch normalisation in training, with the valid columns of each example and the columns of a row.
    Norm {
        parameters: NormParameters,
        valid: Option<(Vec<usize>, usize)>,
    },
}

impl Stage {
    /// Writes the output, and its argmax if there is room for it. Returns the statistics of a normalisation.
    pub(super) fn forward<T: Real>(
        &self,
        batch: usize,
        x: &[T],
        y: &mut [T],
        argmax: &mut [u8],
    ) -> Result<Option<Statistics>, LayerError> {
        let (weight, bias) = (elements(&self.weight)?, elements(&self.bias)?);
        let (weight, bias) = (weight.slice()?, bias.slice()?);
        match &self.kind {
            Kind::Convolution(shape) => {
                convolve(shape, [x, weight, bias], &self.epilogue, y, argmax);
                Ok(None)
            }
            Kind::Norm { parameters, valid } => {
                let valid = valid.as_ref().map(|(lengths, width)| Valid { lengths, width: *width });
                let statistics = Statistics::of(x, batch, parameters.channels, valid);
                self.norm(batch, parameters, &statistics, valid).forward(x, weight, bias, y, argmax);
                Ok(Some(statistics))
            }
        }
    }

    fn norm<'a>(
        &'a self,
        batch: usize,
        parameters: &NormParameters,
        statistics: &'a Statistics,
        valid: Option<Valid<'a>>,
    ) -> Norm<'a> {
        let (channels, eps) = (parameters.channels, parameters.eps);
        Norm { batch, channels, eps, statistics, epilogue: &self.epilogue, valid, memory: &self.memory }
    }

    /// Returns the gradients for weight and bias from `dy`, the gradient for the output. If `dx` exists, the gradient for `x` is written to
    /// it.
    pub(super) fn backward<T: Real>(
        &self,
        batch: usize,
        x: &[T],
        statistics: Option<&Statistics>,
        argmax: &[u8],
        dy: &[T],
        dx: Option<&mut [T]>,
    ) -> Result<(Vec<T>, Vec<T>), LayerError> {
        let weight = elements(&self.weight)?;
        let weight = weight.slice()?;
        match (&self.kind, statistics) {
            (Kind::Norm { parameters, valid }, Some(statistics)) => {
                let valid = valid.as_ref().map(|(lengths, width)| Valid { lengths, width: *width });
                let norm = self.norm(batch, parameters, statistics, valid);
                let mut unwanted = self.memory.buffer(if dx.is_some() { 0 } else { x.len() });
                Ok(norm.backward(x, weight, argmax, dy, dx.unwrap_or(&mut unwanted)))
            }
            (Kind::Convolution(shape), _) => {
                Ok(convolve_backward(shape, [x, weight], &self.epilogue, argmax, dy, dx))
            }
            (Kind::Norm { .. }, None) => Err(LayerError::NoBackward),
        }
    }
}
