//! Plain loops over CPU slices, in `f32` and `f64`, on which the layers' operations stand.
//!
//! Work is always split by shape, never by the number of threads, and partial sums are added in a fixed order: a
//! result has the same bits however many cores there are.

mod activations;
mod buffers;
mod chain;
mod conv;
mod direct;
mod elementwise;
mod mask;
mod matmul;
mod norm;
mod operation;
mod panels;
mod pool;
mod real;
mod recurrence;
mod sequence;
mod sums;

pub(crate) use activations::{gated, gated_back};
pub(crate) use buffers::{Buffer, Pooled};
pub(crate) use chain::{Act, Chain};
pub(crate) use conv::ConvShape;
pub(crate) use elementwise::{map, map2};
pub(crate) use mask::kept;
pub(crate) use matmul::{Matrix, matmul, matmul_parallel};
pub(crate) use norm::{Norm, Statistics};
pub(crate) use operation::{Gradients, Operation, Scaling, all_slices, apply1, apply2, apply3, scale};
pub(crate) use pool::PoolShape;
pub(crate) use real::Real;
pub(crate) use recurrence::{Cell, Recurrence, Saved};
pub(crate) use sums::{sum, sum_pairs};

/// Runs a loop compiled for the best instruction set of this processor.
#[inline(always)]
pub(crate) fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}
