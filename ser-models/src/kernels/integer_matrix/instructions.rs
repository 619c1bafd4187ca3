//! What the loops need of a processor's instructions.

use pulp::NullaryFnOnce;
use pulp::bytemuck::Pod;
use std::fmt::Debug;

/// Instructions that multiply whole numbers.
pub(super) trait Instructions: Copy + Debug + Send + Sync + 'static {
    /// Sums, or the weights of as many columns.
    type Register: Pod;
    /// Weights as they lie in memory: [`Self::DEPTH`] bytes for each column.
    type Packed: Pod + Debug + Send + Sync;
    /// An element of a row.
    type Element: Pod;
    /// Elements of a row that are multiplied at once: as many as a `u32` holds.
    const DEPTH: usize = size_of::<u32>() / size_of::<Self::Element>();
    /// Rows whose sums, two registers of each, fit the processor's registers.
    const ROWS: usize;
    /// What rows have been shifted by.
    const SHIFT: i32;

    /// Where the processor has them.
    fn new() -> Option<Self>;

    /// Calls what is compiled for them.
    fn vectorize(self, product: impl NullaryFnOnce<Output = ()>);

    /// An element, of the last eight bits of which 128 is to be subtracted.
    fn element(shifted: u32) -> Self::Element;

    /// The weights, as [`Self::dot`] takes them.
    fn unpack(self, weights: Self::Packed) -> Self::Register;

    /// Adds the products of [`Self::DEPTH`] elements and the weights of each column to its sum.
    fn dot(self, sums: Self::Register, x: u32, weights: Self::Register) -> Self::Register;
}
