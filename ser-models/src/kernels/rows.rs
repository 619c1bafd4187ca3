//! Rows to multiply, and the processing of their products.

/// Rows of `depth` elements in a slice; the next one begins `stride` elements later. Rows may overlap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
}

/// The processing of a product.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Finish {
    /// Whether the product is added to the present values of the output.
    pub(crate) add: bool,
    /// Whether GELU, in its exact form, is applied to the sum.
    pub(crate) gelu: bool,
}
