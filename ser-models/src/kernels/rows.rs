//! Rows to multiply, and the processing of their products.

/// Rows of `depth` elements in a slice; the next one begins `stride` elements later. Rows may overlap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
}

/// What becomes of a product.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Finish {
    /// It is added to what is there.
    pub(crate) add: bool,
    /// The sum goes through GELU, in its exact form.
    pub(crate) gelu: bool,
}
