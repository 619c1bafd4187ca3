//! The plain recurrent layer.

use super::Init;
use super::recurrent::{Direction, States, check_frames, check_sequences, lengths_of};
use crate::kernels::Cell;
use crate::layer::{Forward, Layer, LayerError, Mode, Padded};
use crate::parameters::Scope;
use crate::setting::Settings;
use candle_core::Var;
use serde::{Deserialize, Serialize};

/// Settings of a [`SimpleRnn`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimpleRnnConfig {
    /// Units, 1 or more.
    pub units: usize,
    /// The output.
    pub states: States,
    /// Initial weights of the input; those of the state are orthogonal.
    pub init: Init,
}

impl SimpleRnnConfig {
    /// The last state, Glorot uniform weights.
    pub fn new(units: usize) -> Self {
        Self { units, states: States::Last, init: Init::GlorotUniform }
    }
}

/// The plain recurrent layer (Elman, *Finding structure in time*, 1990), Keras's `SimpleRNN` and PyTorch's `RNN`: `h_t = tanh(weight · [x_t,
/// h_(t−1)] + bias)`, h zero before the first frame.
///
/// Input [batch, time, inputs], output by [`States`]. Padded clips are read over their valid frames only.
#[derive(Debug)]
pub struct SimpleRnn {
    direction: Direction,
    inputs: usize,
    config: SimpleRnnConfig,
}

impl SimpleRnn {
    /// Makes `weight` of shape (units, inputs + units), PyTorch's `weight_ih` and `weight_hh` side by side, and `bias` of
    /// shape (units), which starts at zero and is the sum of PyTorch's two.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0;
    /// [`LayerError::Parameter`] if a tensor cannot be made, e.g. because its name is taken.
    pub fn new(inputs: usize, config: SimpleRnnConfig, scope: &Scope<'_>) -> Result<Self, LayerError> {
        Settings("SimpleRnn").one_or_more([("inputs", inputs), ("units", config.units)])?;
        let direction = Direction::new(Cell::Tanh, (inputs, config.units), config.init, 0.0, false, scope)?;
        Ok(Self { direction, inputs, config })
    }
}

impl Layer for SimpleRnn {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        check_sequences("SimpleRnn", x, self.inputs)?;
        let states = self.config.states;
        let (y, backward) = self.direction.forward(x, states, mode)?;
        let output = Padded::of(y, lengths_of(x, states));
        Ok(Forward::from_parts(output, backward))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        check_frames("SimpleRnn", input, self.inputs)?;
        Ok(match self.config.states {
            States::Last => vec![self.config.units],
            States::Sequence => vec![input[0], self.config.units],
        })
    }

    fn kind(&self) -> &'static str {
        "SimpleRnn"
    }

    fn weights(&self) -> Vec<&Var> {
        vec![&self.direction.weight, &self.direction.bias]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::layers::gradient_check::{answer, padded};
    use candle_core::{DType, Device, Tensor};

    #[test]
    fn shapes_follow_the_output_and_bad_sizes_are_refused() {
        let parameters = Parameters::new(0, DType::F32);
        assert!(SimpleRnn::new(0, SimpleRnnConfig::new(2), &parameters.scope("a")).is_err());
        assert!(SimpleRnn::new(2, SimpleRnnConfig::new(0), &parameters.scope("a")).is_err());
        for (states, expected) in [(States::Last, vec![4]), (States::Sequence, vec![6, 4])] {
            let config = SimpleRnnConfig { states, ..SimpleRnnConfig::new(4) };
            let rnn = SimpleRnn::new(3, config, &parameters.scope(format!("{states:?}"))).unwrap();
            assert_eq!(rnn.output_shape(&[6, 3]).unwrap(), expected);
            let x = Tensor::ones((2, 6, 3), DType::F32, &Device::Cpu).unwrap();
            let y = answer(&rnn, padded(&x, Some(&[6, 1])));
            assert_eq!(y.dims()[1..], expected);
            assert!(rnn.forward(&Padded::of(x, Some(vec![6, 7])), &mut Mode::Inference).is_err());
        }
    }
}
