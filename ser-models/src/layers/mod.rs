//! Layers with verified gradients, each with an explicit forward and backward pass.
//!
//! Shapes are PyTorch's: a batch of images is [batch, channels, height, width], of vectors [batch, features], of sequences
//! [batch, channels, length] for convolutions and [batch, time, features] for recurrent layers, since these read whole
//! frames one after another; [`TimeFirst`] converts between the two. A batch is a [`Padded`]: a tensor, with the valid frames of each
//! example where some are padded.
//!
//! [`Layer::forward`] gives the output and, in training, the backward pass that belongs to it ([`Forward`]). A [`Sequential`]
//! runs the backward passes of its layers in reverse; no graph is built. Every backward pass of this crate is checked by
//! finite differences, and all but that of dropout also against PyTorch's values, alone or within a network.
//!
//! ```
//! use candle_core::backprop::GradStore;
//! use candle_core::{DType, Device, Tensor};
//! use ser_models::{Generator, Parameters};
//! use ser_models::layers::{Conv1d, Conv1dConfig, Layer, Mode};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let parameters = Parameters::new(0, DType::F32);
//! let config = Conv1dConfig { stride: 2, ..Conv1dConfig::new(16, 5) };
//! let conv = Conv1d::new(1, config, &parameters.scope("conv"))?;
//!
//! let x = Tensor::ones((8, 1, 193), DType::F32, &Device::Cpu)?;
//! let pass = conv.forward(&x.into(), &mut Mode::Training(&mut Generator::new(1)))?;
//! assert_eq!(pass.output().dims(), [8, 16, 97]);
//! let mut gradients = GradStore::default();
//! let dy = pass.output().values().ones_like()?; // the gradient for the output
//! let dx = pass.backward(&dy, &mut gradients)?;
//! assert_eq!(dx.dims(), [8, 1, 193]);
//! assert!(gradients.get(parameters.get("conv.weight").unwrap().var()).is_some());
//! # Ok(())
//! # }
//! ```
//!
//! # With candle-nn
//!
//! Layers of `candle-nn` and of this crate can be mixed. [`Parameters::var_builder`](crate::Parameters::var_builder) makes the tensors of
//! Candle's layers, and [`Sequential::module`] adds any `ModuleT` to a network. Conversely, most of this crate's layers are `Module` or
//! `ModuleT` themselves, and [`Seeded`] makes the others a `ModuleT` ([`Lstm`], [`Residual`], [`Dropout`], [`Sequential`]). All can be made
//! from a `VarBuilder` `vb` by [`Scope::from`](crate::Scope)`(vb.pp("dense"))`, and [`in_graph`] makes any of them one operation of
//! Candle's graph.
//!
//! These parts of `candle-nn` 0.11.1 are not used, because of measured defects: `conv1d` and `max_pool2d` have wrong gradients on the CPU;
//! the fused softmax and layer norm have none; dropout and initial values cannot be seeded; the LSTM repeats the input's product at every
//! step and reads forward only.

mod attention;
mod batch_norm;
mod block_outputs;
mod candle;
mod conv;
mod dense;
mod dropout;
mod flatten;
mod fused;
#[cfg(test)]
pub(crate) mod gradient_check;
mod layer_mixture;
mod loss;
mod lstm;
mod pool;
mod recurrent;
#[cfg(test)]
pub(crate) mod reference;
mod relu;
mod residual;
mod sequential;
mod simple_rnn;
mod standardization;
mod statistics_pool;
mod time_first;
mod transformer_block;
mod windows;

pub use crate::init::Init;
pub use crate::kernels::Padding;
pub use crate::layer::{Forward, Fusion, Layer, LayerError, Mode, Padded, SummaryRow, add_gradient};
pub use attention::AttentionPool;
pub use batch_norm::{BatchNorm, BatchNormConfig};
pub(crate) use block_outputs::BlockOutputs;
pub use candle::{CandleModule, Seeded, in_graph};
pub use conv::{Conv, Conv1d, Conv1dConfig, Conv2d, Conv2dConfig};
pub use dense::Dense;
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use layer_mixture::LayerMixture;
pub(crate) use loss::one_hot;
pub use loss::{CrossEntropy, softmax};
pub use lstm::{Lstm, LstmConfig};
pub use pool::{AvgPool, AvgPool1d, AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool, MaxPool1d, MaxPool2d};
pub use recurrent::States;
pub use relu::Relu;
pub use residual::Residual;
pub use sequential::Sequential;
pub use simple_rnn::{SimpleRnn, SimpleRnnConfig};
pub(crate) use standardization::Standardization;
pub(crate) use statistics_pool::StatisticsPool;
pub use time_first::TimeFirst;
pub use transformer_block::TransformerBlock;
