//! Layers on Candle tensors, with proved gradients.
//!
//! Shapes are PyTorch's: a batch of images is [batch, channels, height, width], of vectors [batch, features], of sequences
//! [batch, channels, length] for convolutions and [batch, time, features] for recurrent layers, since these read whole
//! frames one after another; [`TimeSteps`] goes from the one to the other. On the CPU, recurrence, convolution, pooling,
//! batch normalisation, dropout and ReLU are Candle operations of this crate with their
//! own gradients, in `f32` and `f64`; each is checked by finite differences and against PyTorch's values. On other
//! devices they are compositions of Candle operations; these pass the same checks on the CPU, but have not been run on
//! a GPU.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use ser_models::Generator;
//! use ser_models::layers::{Conv1d, Conv1dConfig, Layer, Mode, Padding};
//! use ser_models::Parameters;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut parameters = Parameters::new(0, DType::F32, &Device::Cpu);
//! let config = Conv1dConfig { stride: 2, padding: Padding::Same, ..Conv1dConfig::new(16, 5) };
//! let conv = Conv1d::new(1, config, &mut parameters.scope("conv"))?;
//!
//! let x = Tensor::ones((8, 1, 193), DType::F32, &Device::Cpu)?;
//! let y = conv.forward(&x, &mut Mode::Training(&mut Generator::new(1)))?;
//! assert_eq!(y.dims(), [8, 16, 97]);
//! let gradients = y.sqr()?.mean_all()?.backward()?;
//! assert!(gradients.get(parameters.get("conv.weight").unwrap().var()).is_some());
//! # Ok(())
//! # }
//! ```

mod attention;
mod batch_norm;
mod conv1d;
mod conv2d;
mod convolution;
mod dense;
mod dropout;
mod error;
mod flatten;
mod frames;
mod fused;
mod gate;
#[cfg(test)]
pub(crate) mod gradient_check;
mod gradients;
mod init;
mod kernels;
mod loss;
mod lstm;
mod padding;
mod pool;
mod recurrent;
mod relu;
mod sequential;
mod simple_rnn;
mod stack;
mod time_steps;
mod unfold;

pub use attention::AttentionPool;
pub use batch_norm::{BatchNorm, BatchNormConfig};
pub use conv1d::{Conv1d, Conv1dConfig};
pub use conv2d::{Conv2d, Conv2dConfig};
pub use dense::Dense;
pub use dropout::{Dropout, SpatialDropout};
pub use error::LayerError;
pub use flatten::Flatten;
pub(crate) use frames::{keep_frames, mean_of_frames, turn_frames};
pub(crate) use gate::gate;
pub use gradients::backward;
pub use init::Init;
pub use loss::{CrossEntropy, softmax};
pub use lstm::{Lstm, LstmConfig};
pub use padding::Padding;
pub use pool::{AvgPool, AvgPool1d, AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool, MaxPool1d, MaxPool2d};
pub use recurrent::States;
pub use relu::Relu;
pub use sequential::{NamedLayer, Sequential};
pub use simple_rnn::{SimpleRnn, SimpleRnnConfig};
pub use time_steps::TimeSteps;

use crate::generator::Generator;
use candle_core::{Tensor, Var};

/// Whether a layer learns or answers.
#[derive(Debug)]
pub enum Mode<'a> {
    /// Dropout is off, batch normalisation uses its running statistics, and no gradient reaches the parameters, so that
    /// nothing is kept for a backward pass.
    Inference,
    /// Dropout draws its masks from the generator, batch normalisation uses and records the batch's statistics.
    Training(&'a mut Generator),
}

impl Mode<'_> {
    /// Whether this is training.
    pub fn is_training(&self) -> bool {
        matches!(self, Self::Training(_))
    }

    /// A parameter's tensor: followed by gradients in training only.
    pub fn tensor(&self, var: &Var) -> Tensor {
        if self.is_training() { var.as_tensor().clone() } else { var.as_detached_tensor() }
    }
}

/// One layer: a tensor in, a tensor out, the first axis of both being the batch.
pub trait Layer: std::any::Any + std::fmt::Debug + Send + Sync {
    /// Applies the layer.
    ///
    /// # Errors
    /// If the input's shape is not one that the layer takes.
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor, LayerError>;

    /// The shape that comes out for a shape that goes in, both without the batch axis.
    ///
    /// # Errors
    /// If the layer does not take this shape.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError>;

    /// What the layer is called in summaries, e.g. `Conv1d`.
    fn kind(&self) -> &'static str;

    /// The layer's own tensors; empty for layers that learn nothing.
    fn vars(&self) -> Vec<&Var> {
        Vec::new()
    }
}

/// The layer's output shape for `x`, without the batch axis: checks the input by the layer's own rule.
pub(crate) fn checked_shape(layer: &dyn Layer, x: &Tensor) -> Result<Vec<usize>, LayerError> {
    match x.dims() {
        [] | [0, ..] => Err(LayerError::EmptyBatch { layer: layer.kind(), given: x.dims().to_vec() }),
        [_, rest @ ..] => layer.output_shape(rest),
    }
}
