//! Rows of a summary.

/// One line of a model's summary.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryRow {
    /// The layer's name, with which its parameters' names begin.
    pub name: String,
    /// The layer's kind, e.g. `Conv1d`.
    pub kind: &'static str,
    /// The output shape, without the batch axis.
    pub output_shape: Vec<usize>,
    /// The number of elements of its weights and statistics together.
    pub parameters: usize,
}
