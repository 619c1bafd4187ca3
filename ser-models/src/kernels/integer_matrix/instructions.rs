//! The processor instructions that the loops use.

use pulp::NullaryFnOnce;
use pulp::bytemuck::Pod;
use std::fmt::Debug;

/// Instructions for integer products.
pub(super) trait Instructions: Copy + Debug + Send + Sync + 'static {
    /// Sums, or the weights of the same number of columns.
    type Register: Pod;
    /// Weights in memory: [`Self::DEPTH`] bytes for each column.
    type Packed: Pod + Debug + Send + Sync;
    /// An element of a row.
    type Element: Pod;
    /// Number of a row's elements that are multiplied at once: those that fit into a `u32`.
    const DEPTH: usize = size_of::<u32>() / size_of::<Self::Element>();
    /// Number of rows whose sums, two registers each, fit into the processor's registers.
    const ROWS: usize;
    /// The number that was added to the elements of rows: 128 if the instructions need unsigned elements, else 0.
    const SHIFT: i32;

    /// Returns `None` if the processor does not have the instructions.
    fn new() -> Option<Self>;

    /// Calls code compiled for these instructions.
    fn vectorize(self, product: impl NullaryFnOnce<Output = ()>);

    /// Returns an element from `shifted`, whose last eight bits are the rounded number plus 128.
    fn element(shifted: u32) -> Self::Element;

    /// Converts the weights for [`Self::dot`].
    fn unpack(self, weights: Self::Packed) -> Self::Register;

    /// Adds the products of [`Self::DEPTH`] elements and the weights of each column to the column's sum.
    fn dot(self, sums: Self::Register, x: u32, weights: Self::Register) -> Self::Register;
}
