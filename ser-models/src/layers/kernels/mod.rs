//! Plain loops over CPU slices, in `f32` and `f64`, on which the layers' operations stand.
//!
//! Work is always split by shape, never by the number of threads, and partial sums are added in a fixed order: a
//! result has the same bits however many cores there are.

mod conv1d;
mod elementwise;
mod matmul;
mod real;
mod sums;

pub(crate) use conv1d::ConvShape;
pub(crate) use elementwise::{map, map2};
pub(crate) use matmul::{Matrix, matmul, matmul_parallel};
pub(crate) use real::{Real, contiguous_slice, with_slice};
pub(crate) use sums::{sum, sum_pairs};
