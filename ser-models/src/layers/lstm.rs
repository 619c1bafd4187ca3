//! Long short-term memory.

use super::recurrent::{Direction, States, check_frames, check_sequences, lengths_of};
use super::{Dropout, Init};
use crate::kernels::Cell;
use crate::layer::{Backward, Forward, Layer, LayerError, Mode, Padded, chain};
use crate::parameters::Scope;
use crate::setting::Settings;
use candle_core::{D, Tensor, Var};
use serde::{Deserialize, Serialize};

/// Settings of an [`Lstm`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LstmConfig {
    /// Units of each layer in each direction, 1 or more.
    pub units: usize,
    /// Number of stacked layers, 1 or more.
    pub layers: usize,
    /// Whether each layer also reads every clip backward; its output is then twice as wide, forward first.
    pub bidirectional: bool,
    /// Dropout between one layer and the next, 0 or more and below 1.
    pub dropout: f64,
    /// The output of the last layer.
    pub states: States,
    /// Initial weights of the input; those of the state are orthogonal.
    pub init: Init,
    /// Initial bias of the forget gates; the other biases start at zero.
    pub forget_bias: f64,
}

impl LstmConfig {
    /// One layer in one direction, its last state, Glorot uniform weights, forget bias 1 (Keras's default).
    pub fn new(units: usize) -> Self {
        Self {
            units,
            layers: 1,
            bidirectional: false,
            dropout: 0.0,
            states: States::Last,
            init: Init::GlorotUniform,
            forget_bias: 1.0,
        }
    }
}

/// Long short-term memory (Hochreiter and Schmidhuber, *Long short-term memory*, 1997; with the forget gate of Gers, Schmidhuber and Cummins,
/// *Learning to forget: continual prediction with LSTM*, 2000), one or more layers, in one or both directions. With i, f, g, o the four parts
/// of `weight · [x_t, h_(t−1)] + bias`:
///
/// `c_t = σ(f) · c_(t−1) + σ(i) · tanh(g)`, `h_t = σ(o) · tanh(c_t)`, `h` and `c` zero before the first frame.
///
/// Input [batch, time, inputs], PyTorch's `batch_first` and Keras's only order. Output by [`States`]. Each clip is read over
/// its valid frames only, backward from the last of them, as in PyTorch's packed sequences.
#[derive(Debug)]
pub struct Lstm {
    /// The directions of each layer.
    layers: Vec<Vec<Direction>>,
    dropout: Dropout,
    inputs: usize,
    config: LstmConfig,
}

impl Lstm {
    /// Makes for each layer n, counted from 0, `l{n}.weight` of shape (4 · units, inputs + units) and `l{n}.bias` of shape (4 · units), and
    /// for the backward direction `l{n}_reverse.weight` and `l{n}_reverse.bias`. `inputs` of a later layer is the width of the output
    /// before it: units, or 2 · units in both directions. The gates are in PyTorch's order i, f, g, o. A row of the weight is PyTorch's row
    /// of `weight_ih` followed by that of `weight_hh`, and the bias is the sum of PyTorch's two.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0, the dropout is out of its range, or the forget bias is not finite;
    /// [`LayerError::Parameter`] if a tensor cannot be made, e.g. because its name is taken.
    pub fn new(inputs: usize, config: LstmConfig, scope: &Scope<'_>) -> Result<Self, LayerError> {
        Settings("Lstm").one_or_more([
            ("inputs", inputs),
            ("units", config.units),
            ("layers", config.layers),
        ])?;
        let dropout = Dropout::new(config.dropout)?;
        if !config.forget_bias.is_finite() {
            return Err(LayerError::setting("Lstm", "forget_bias", "finite", config.forget_bias));
        }
        let directions: &[(bool, &str)] =
            if config.bidirectional { &[(false, ""), (true, "_reverse")] } else { &[(false, "")] };
        let mut layers = Vec::new();
        let mut width = inputs;
        for layer in 0..config.layers {
            let mut direction = |(reverse, suffix): &(bool, &str)| {
                let scope = &scope.scope(&format!("l{layer}{suffix}"));
                let sizes = (width, config.units);
                Direction::new(Cell::Lstm, sizes, config.init, config.forget_bias, *reverse, scope)
            };
            layers.push(directions.iter().map(&mut direction).collect::<Result<Vec<_>, _>>()?);
            width = config.units.saturating_mul(directions.len());
        }
        Ok(Self { layers, dropout, inputs, config })
    }
}

/// Runs one layer in all its directions, and concatenates their outputs.
fn directions(
    layer: &[Direction],
    x: &Padded,
    states: States,
    mode: &Mode<'_>,
) -> Result<(Tensor, Option<Backward>), LayerError> {
    let done: Vec<_> =
        layer.iter().map(|direction| direction.forward(x, states, mode)).collect::<Result<_, _>>()?;
    let (outputs, backwards): (Vec<Tensor>, Vec<Option<Backward>>) = done.into_iter().unzip();
    let y = Tensor::cat(&outputs, D::Minus1)?;
    let Some(backwards) = backwards.into_iter().collect::<Option<Vec<_>>>() else { return Ok((y, None)) };
    let backward: Backward = Box::new(move |dy, input_wanted, gradients| {
        let width = dy.dim(D::Minus1)? / backwards.len();
        let mut sum: Option<Tensor> = None;
        for (number, backward) in backwards.into_iter().enumerate() {
            let dy = dy.narrow(D::Minus1, number * width, width)?;
            let dx = backward(&dy, input_wanted, gradients)?;
            sum = match (sum, dx) {
                (Some(sum), Some(dx)) => Some((sum + dx)?),
                (sum, dx) => sum.or(dx),
            };
        }
        Ok(sum)
    });
    Ok((y, Some(backward)))
}

impl Layer for Lstm {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        check_sequences("Lstm", x, self.inputs)?;
        let mut x = x.clone();
        let mut backwards = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let is_last = number + 1 == self.layers.len();
            let states = if is_last { self.config.states } else { States::Sequence };
            let (y, backward) = directions(layer, &x, states, mode)?;
            backwards.extend(backward.map(|backward| (backward, true)));
            x = Padded::of(y, lengths_of(&x, states));
            if !is_last {
                let (dropped, backward) = self.dropout.forward(&x, mode)?.into_parts();
                backwards.extend(backward.map(|backward| (backward, false)));
                x = dropped;
            }
        }
        Ok(Forward::of(mode.is_training(), x, chain(backwards)))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        check_frames("Lstm", input, self.inputs)?;
        let width = self.config.units * (1 + usize::from(self.config.bidirectional));
        Ok(match self.config.states {
            States::Last => vec![width],
            States::Sequence => vec![input[0], width],
        })
    }

    fn kind(&self) -> &'static str {
        "Lstm"
    }

    fn weights(&self) -> Vec<&Var> {
        self.layers.iter().flatten().flat_map(|direction| [&direction.weight, &direction.bias]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::layers::gradient_check::{check_layer, variable};
    use candle_core::{DType, Device};

    #[test]
    fn gradients_are_correct_through_layers_directions_and_dropout() {
        for (layers, bidirectional) in [(2, true), (2, false), (1, true)] {
            check_gradients(LstmConfig { layers, bidirectional, dropout: 0.3, ..LstmConfig::new(3) });
        }
    }

    fn check_gradients(config: LstmConfig) {
        for states in [States::Last, States::Sequence] {
            for lengths in [None, Some(&[4, 2, 6][..])] {
                let parameters = Parameters::new(3, DType::F64);
                let config = LstmConfig { states, ..config };
                let lstm = Lstm::new(2, config, &parameters.scope("lstm")).unwrap();
                check_layer("lstm", &lstm, &variable(&[3, 6, 2], 4), lengths);
            }
        }
    }

    #[test]
    fn parameters_begin_as_documented() {
        let parameters = Parameters::new(3, DType::F64);
        let config = LstmConfig { layers: 2, bidirectional: true, ..LstmConfig::new(5) };
        let lstm = Lstm::new(3, config, &parameters.scope("lstm")).unwrap();
        let names: Vec<String> = parameters.iter().map(|p| p.name().to_owned()).collect();
        assert_eq!(names[..3], ["lstm.l0.weight", "lstm.l0.bias", "lstm.l0_reverse.weight"]);
        assert_eq!(lstm.weights()[0].dims(), [20, 8]);
        assert_eq!(lstm.weights()[4].dims(), [20, 15]);
        let bias = lstm.weights()[1].to_vec1::<f64>().unwrap();
        assert!(bias.iter().enumerate().all(|(i, b)| *b == f64::from(u8::from((5..10).contains(&i)))));
        let state = lstm.weights()[0].narrow(1, 3, 5).unwrap();
        let product = state.t().unwrap().matmul(&state.contiguous().unwrap()).unwrap();
        let error = (product - Tensor::eye(5, DType::F64, &Device::Cpu).unwrap()).unwrap();
        assert!(error.abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap() < 1e-12);
        assert_eq!(lstm.output_shape(&[7, 3]).unwrap(), [10]);
    }

    #[test]
    fn settings_out_of_range_and_wrong_inputs_are_refused() {
        let parameters = Parameters::new(0, DType::F32);
        let refused = |inputs, config| {
            Lstm::new(inputs, config, &parameters.scope("x")).map(|_| ()).unwrap_err().to_string()
        };
        assert_eq!(refused(0, LstmConfig::new(2)), "Lstm: inputs must be 1 or more, got 0");
        assert!(refused(2, LstmConfig::new(0)).contains("units"));
        assert!(refused(2, LstmConfig { layers: 0, ..LstmConfig::new(2) }).contains("layers"));
        assert!(refused(2, LstmConfig { dropout: 1.0, ..LstmConfig::new(2) }).contains("Dropout"));
        let lstm = Lstm::new(2, LstmConfig::new(3), &parameters.scope("lstm")).unwrap();
        let shape = |dims: &[usize]| {
            let x = Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
            lstm.forward(&x.into(), &mut Mode::Inference).unwrap_err().to_string()
        };
        assert!(shape(&[2, 5, 3]).contains("[time, 2]"));
        assert!(shape(&[2, 0, 2]).contains("got 0"));
        assert!(shape(&[0, 5, 2]).contains("batch"));
    }
}
