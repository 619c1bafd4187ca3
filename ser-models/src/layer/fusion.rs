//! Fusion of layers.
//!
//! If layers are computed one by one, every activation is written to memory and read again. A convolution or a batch normalisation can be
//! computed with the layers after it on one channel of one example at a time, while its values are in the cache. Such a group of layers is
//! a stage. Each layer declares here which part of a stage it can be; [`Sequential`](crate::layers::Sequential) forms the stages.

use crate::kernels::{Statistics, Window};
use crate::memory::Memory;
use candle_core::{DType, Device, Result as CandleResult, Tensor, Var};

/// A layer's part in a stage of layers that are computed together; by default none. Opaque outside this crate.
#[derive(Debug, Default)]
pub struct Fusion<'a>(pub(crate) FusionKind<'a>);

#[derive(Debug, Default)]
pub(crate) enum FusionKind<'a> {
    /// The layer is computed on its own.
    #[default]
    Alone,
    /// A convolution, which begins a stage.
    Convolution(&'a ConvolutionParameters),
    /// Batch normalisation. In training it begins a stage; in inference it is a step of the stage before it.
    Norm(&'a NormParameters),
    /// ReLU.
    Relu,
    /// Max pooling with a window over each axis but the channels.
    MaxPool(&'a [Window]),
    /// Dropout of single elements, or of whole channels.
    Dropout { rate: f64, channels: bool },
    /// A layer that only changes the shape.
    Flatten,
}

/// A convolution over as many axes as there are windows, 1 or 2, with a bias.
#[derive(Debug, Clone)]
pub(crate) struct ConvolutionParameters {
    /// [filters, in_channels, kernel, …].
    pub(crate) weight: Var,
    /// \[filters\].
    pub(crate) bias: Var,
    pub(crate) in_channels: usize,
    pub(crate) filters: usize,
    pub(crate) windows: Vec<Window>,
    pub(crate) memory: Memory,
}

/// Batch normalisation: all tensors have the shape \[channels\].
#[derive(Debug, Clone)]
pub(crate) struct NormParameters {
    pub(crate) weight: Var,
    pub(crate) bias: Var,
    pub(crate) running_mean: Var,
    pub(crate) running_var: Var,
    pub(crate) channels: usize,
    pub(crate) momentum: f64,
    pub(crate) eps: f64,
    pub(crate) memory: Memory,
}

impl NormParameters {
    /// Returns factor and summand of each channel in inference.
    pub(crate) fn affine(&self) -> CandleResult<Vec<(f64, f64)>> {
        let values = |var: &Var| var.as_detached_tensor().to_dtype(DType::F64)?.to_vec1::<f64>();
        let (weight, bias) = (values(&self.weight)?, values(&self.bias)?);
        let (mean, variance) = (values(&self.running_mean)?, values(&self.running_var)?);
        let channels = weight.iter().zip(&bias).zip(mean.iter().zip(&variance));
        let pair = |((weight, bias), (mean, variance)): ((&f64, &f64), (&f64, &f64))| {
            let scale = weight / (variance + self.eps).sqrt();
            (scale, bias - mean * scale)
        };
        Ok(channels.map(pair).collect())
    }

    /// Moves the running statistics towards those of a batch, the running variance towards the batch's unbiased one, as in PyTorch.
    pub(crate) fn record(&self, Statistics { mean, variance, n }: &Statistics) -> CandleResult<()> {
        let unbiased: Vec<f64> = variance.iter().map(|variance| variance * (n / (n - 1.0))).collect();
        for (running, batch) in [(&self.running_mean, mean), (&self.running_var, &unbiased)] {
            let batch = Tensor::new(&batch[..], &Device::Cpu)?.to_dtype(running.dtype())?;
            let kept = (running.as_detached_tensor() * (1.0 - self.momentum))?;
            running.set(&(kept + (batch * self.momentum)?)?)?;
        }
        Ok(())
    }
}
