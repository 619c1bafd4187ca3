//! The trait of layers.

use super::{Forward, Fusion, LayerError, Padded, SummaryRow};
use crate::generator::Generator;
use candle_core::Var;
use std::fmt::Debug;

/// Whether a forward pass is for training or for inference.
#[derive(Debug)]
pub enum Mode<'a> {
    /// Dropout is off, batch normalisation uses its running statistics, and nothing is kept for a backward pass.
    Inference,
    /// Dropout draws its masks from the generator, batch normalisation uses and records the batch's statistics, and the
    /// result can be passed [backward](Forward::backward).
    Training(&'a mut Generator),
}

impl Mode<'_> {
    /// Whether this is training.
    pub fn is_training(&self) -> bool {
        matches!(self, Self::Training(_))
    }
}

/// One layer: a batch in, a batch out, in CPU memory, of `f32` (or `f64`, with the cargo feature of that name).
pub trait Layer: Debug + Send + Sync {
    /// The forward pass: the output, and in training what the backward pass needs.
    ///
    /// # Errors
    /// [`LayerError::InputShape`], [`LayerError::TooShort`], [`LayerError::EmptyBatch`], [`LayerError::Lengths`] or
    /// [`LayerError::ElementType`] if the layer does not take the input; [`LayerError::Setting`] if it cannot take padded examples;
    /// [`LayerError::BatchOfOne`] for batch normalisation in training.
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError>;

    /// Returns the output shape for an input shape, both without the batch axis.
    ///
    /// # Errors
    /// If the layer does not accept this shape.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError>;

    /// Name of the layer's kind in summaries and errors, e.g. `Conv1d`.
    fn kind(&self) -> &'static str;

    /// The tensors that training updates by gradients; empty for layers without any.
    fn weights(&self) -> Vec<&Var> {
        Vec::new()
    }

    /// The tensors that training only records, such as running statistics.
    fn statistics(&self) -> Vec<&Var> {
        Vec::new()
    }

    /// The rows of the layer in a model's summary, with this name and output shape: one for the layer itself, or one for each inner layer.
    fn summary(&self, name: &str, output_shape: &[usize]) -> Vec<SummaryRow> {
        let tensors = self.weights().into_iter().chain(self.statistics());
        let parameters = tensors.map(|tensor| tensor.elem_count()).sum();
        vec![SummaryRow {
            name: name.to_owned(),
            kind: self.kind(),
            output_shape: output_shape.to_vec(),
            parameters,
        }]
    }

    /// The layer's part in a computation together with its neighbours in a [`Sequential`](crate::layers::Sequential). Layers of other
    /// crates are computed on their own.
    #[doc(hidden)]
    fn fusion(&self) -> Fusion<'_> {
        Fusion::default()
    }
}

/// Returns the layer's output shape for `x`, without the batch axis. Checks the input by the layer's own rule.
pub(crate) fn checked_shape(layer: &dyn Layer, x: &Padded) -> Result<Vec<usize>, LayerError> {
    match x.dims() {
        [] | [0, ..] => Err(LayerError::EmptyBatch { layer: layer.kind(), given: x.dims().to_vec() }),
        [_, rest @ ..] => layer.output_shape(rest),
    }
}
