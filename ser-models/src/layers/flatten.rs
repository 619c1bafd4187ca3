//! From any shape to a vector.

use super::{Layer, LayerError, Mode};
use candle_core::Tensor;

/// Makes one vector of each example: [batch, a, b, …] becomes [batch, a · b · …].
#[derive(Debug, Clone, Copy)]
pub struct Flatten;

impl Layer for Flatten {
    fn forward(&self, x: &Tensor, _mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        if x.rank() < 2 {
            return Err(LayerError::EmptyBatch { layer: "Flatten", given: x.dims().to_vec() });
        }
        Ok(x.flatten_from(1)?)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        Ok(vec![input.iter().fold(1, |product: usize, size| product.saturating_mul(*size))])
    }

    fn kind(&self) -> &'static str {
        "Flatten"
    }
}
