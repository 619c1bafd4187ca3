//! Plain loops over CPU slices, which the layers use: in `f32`, and in `f64` for gradient checks.
//!
//! Results have the same bits for any number of cores. The split of a sum into partial sums depends on the shapes alone, and these are
//! added in a fixed order. The number of threads may decide which rows or clips one thread processes if no sum runs over several of them.

mod activations;
mod attention;
mod batched_conv1d;
mod conv_shape;
mod convolution;
mod direct_conv1d;
mod direct_conv2d;
mod elementwise;
mod epilogue;
mod frozen_matrix;
mod frozen_values;
mod functions;
mod im2col;
mod integer_matrix;
mod layer_norm;
mod mask;
mod matmul;
mod norm;
mod packed_matrix;
mod parallel;
mod pool;
mod real;
mod recurrence;
mod rows;
mod statistics;
mod sums;
mod taps;
mod transformer;
mod vectorized;
mod window;
mod winograd;

pub(crate) use activations::{gated, gated_backward, gelu, gelu_backward, tanh};
pub(crate) use attention::Attention;
pub(crate) use conv_shape::ConvShape;
pub(crate) use convolution::{convolve, convolve_backward};
pub(crate) use elementwise::{map, map2};
pub(crate) use epilogue::{Epilogue, PoolFirst, Step};
pub(crate) use frozen_matrix::FrozenMatrix;
pub(crate) use frozen_values::FrozenValues;
pub(crate) use layer_norm::LayerNorm;
pub(crate) use mask::keep_mask;
pub(crate) use matmul::{Matrix, matmul, matmul_parallel};
pub(crate) use norm::{Norm, Statistics, Valid};
pub(crate) use parallel::ForEachItem;
pub(crate) use pool::PoolShape;
pub(crate) use real::Real;
pub(crate) use recurrence::{Cell, Recurrence};
pub(crate) use rows::{Finish, Rows};
pub(crate) use statistics::{STATISTICS_EPS, statistics};
pub(crate) use sums::{add_to_rows, column_sums, softmax, softmax_gradient, sum, sum_pairs};
pub(crate) use transformer::{Frames, layer_norm, self_attention};
pub(crate) use vectorized::vectorized;
pub use window::Padding;
pub(crate) use window::{Placed, TooShort, Window};
