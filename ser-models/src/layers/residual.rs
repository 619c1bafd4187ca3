//! Residual connection.

use crate::layer::{Backward, Forward, Layer, LayerError, Mode, Padded};
use candle_core::Var;

/// A layer whose input is added to its output: `y = x + layer(x)` (He et al., *Deep residual learning for image recognition*, 2016). The
/// layer must keep its input's shape; else [`Layer::output_shape`] is [`LayerError::InputShape`].
#[derive(Debug)]
pub struct Residual(Box<dyn Layer>);

impl Residual {
    /// A residual connection around `layer`.
    pub fn new(layer: impl Layer + 'static) -> Self {
        Self(Box::new(layer))
    }
}

impl Layer for Residual {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        let (inner, backward) = self.0.forward(x, mode)?.into_parts();
        let output = inner.with_values((x.values() + inner.values())?);
        let with_input = |backward: Backward| -> Backward {
            Box::new(move |dy, input_wanted, gradients| {
                let dx = backward(dy, input_wanted, gradients)?;
                Ok(dx.map(|dx| dx + dy).transpose()?)
            })
        };
        Ok(Forward::from_parts(output, backward.map(with_input)))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        let output = self.0.output_shape(input)?;
        if output != input {
            let expected = format!("{output:?}, that of the output, for a residual connection");
            return Err(LayerError::input_shape(self.0.kind(), expected, input));
        }
        Ok(output)
    }

    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn weights(&self) -> Vec<&Var> {
        self.0.weights()
    }

    fn statistics(&self) -> Vec<&Var> {
        self.0.statistics()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::layers::gradient_check::{check_layer, variable};
    use crate::layers::{Lstm, LstmConfig, States};
    use candle_core::DType;

    #[test]
    fn gradients_are_correct_with_and_without_padding() {
        let parameters = Parameters::new(3, DType::F64);
        let config = LstmConfig { states: States::Sequence, ..LstmConfig::new(3) };
        let residual = Residual::new(Lstm::new(3, config, &parameters.scope("lstm")).unwrap());
        for lengths in [None, Some(&[5, 2][..])] {
            check_layer("residual", &residual, &variable(&[2, 5, 3], 4), lengths);
        }
        assert_eq!(residual.output_shape(&[5, 3]).unwrap(), [5, 3]);
        let other = Residual::new(Lstm::new(2, config, &parameters.scope("other")).unwrap());
        assert!(other.output_shape(&[5, 2]).is_err());
    }
}
