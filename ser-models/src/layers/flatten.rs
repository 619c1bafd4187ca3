//! Flattening of examples to vectors.

use crate::layer::{Forward, Fusion, FusionKind, Layer, LayerError, Mode, Padded};

/// Makes one vector of each example: [batch, a, b, …] becomes [batch, a · b · …]. A batch with valid lengths is refused
/// ([`LayerError::Setting`]), even if no example is padded, because the next layer would read the padding.
#[derive(Debug, Clone, Copy)]
pub struct Flatten;

impl Layer for Flatten {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        if x.dims().len() < 2 {
            return Err(LayerError::EmptyBatch { layer: "Flatten", given: x.dims().to_vec() });
        }
        if x.lengths().is_some() {
            let rule = "without padding (pool them over time, or read them with a recurrent layer)";
            return Err(LayerError::setting("Flatten", "examples", rule, "padded ones"));
        }
        let y = x.values().flatten_from(1)?;
        let dims = x.dims().to_vec();
        Ok(Forward::of(mode.is_training(), y, move |dy, _, _| Ok(Some(dy.reshape(dims)?))))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        Ok(vec![input.iter().fold(1, |product: usize, size| product.saturating_mul(*size))])
    }

    fn kind(&self) -> &'static str {
        "Flatten"
    }

    fn fusion(&self) -> Fusion<'_> {
        Fusion(FusionKind::Flatten)
    }
}
