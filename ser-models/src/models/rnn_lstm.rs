//! Recurrent layers over a mel image (`rnn-lstm`).

use super::blocks::with_head;
use crate::input::ModelInput;
use crate::layers::{Init, LayerError, LstmConfig, Sequential, SimpleRnnConfig, States};
use crate::parameters::Parameters;
use serde::{Deserialize, Serialize};

/// Sizes of `rnn-lstm`.
///
/// The default has the layers of the student report that this project reimplements (§5.6): a SimpleRNN and an LSTM over the mel spectrogram
/// resized to 128 × 128, then dense layers. Time, the image's width, is the sequence axis. The report gives no sizes.
///
/// | layer | output shape | parameters |
/// | --- | --- | --- |
/// | input: 128 bands, 128 columns | [128, 128] | |
/// | time before bands | [128, 128] | |
/// | SimpleRNN of 128, all states | [128, 128] | 32,896 |
/// | LSTM of 64, last state | \[64\] | 49,408 |
/// | dropout 0.2, dense, ReLU | \[64\] | 4,160 |
/// | dropout 0.2, dense | \[classes\] | 260 for 4 classes |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RnnLstmConfig {
    /// Bands of the image after resizing.
    pub rows: usize,
    /// Columns of the image after resizing.
    pub frames: usize,
    /// Units of the SimpleRNN.
    pub rnn_units: usize,
    /// Units of the LSTM.
    pub lstm_units: usize,
    /// Dropout before each dense layer, 0 or more and below 1.
    pub dropout: f64,
    /// Units of dense layers with ReLU before the last one, which has one unit for each class.
    pub dense: Vec<usize>,
    /// Initial weights of dense layers and of the recurrent layers' inputs.
    pub init: Init,
}

impl Default for RnnLstmConfig {
    fn default() -> Self {
        Self {
            rows: 128,
            frames: 128,
            rnn_units: 128,
            lstm_units: 64,
            dropout: 0.2,
            dense: vec![64],
            init: Init::GlorotUniform,
        }
    }
}

impl RnnLstmConfig {
    /// The sizes for comparisons of this crate with PyTorch: the default without dropout.
    pub fn benchmark() -> Self {
        Self { dropout: 0.0, ..Self::default() }
    }

    pub(crate) fn input(&self) -> ModelInput {
        ModelInput::Image { rows: self.rows, frames: self.frames }
    }
}

/// Builds a SimpleRNN, an LSTM and dense layers over the columns of an image.
pub(super) fn network(
    config: &RnnLstmConfig,
    classes: usize,
    parameters: &Parameters,
) -> Result<Sequential, LayerError> {
    let init = config.init;
    let mut net = Sequential::new([config.rows, config.frames]);
    net.time_first()?;
    let rnn = SimpleRnnConfig { states: States::Sequence, init, ..SimpleRnnConfig::new(config.rnn_units) };
    net.simple_rnn(rnn, parameters)?;
    net.lstm(LstmConfig { init, ..LstmConfig::new(config.lstm_units) }, parameters)?;
    with_head(net, &config.dense, config.dropout, classes, init, parameters)
}

#[cfg(test)]
mod tests {
    use super::super::Architecture;
    use super::*;

    #[test]
    fn the_default_has_the_documented_shapes_and_parameters() {
        let summary = Architecture::from(RnnLstmConfig::default()).build(4, 0).unwrap().summary();
        let row = |name: &str| {
            let row = summary.rows.iter().find(|row| row.name == name).unwrap();
            (row.output_shape.clone(), row.parameters)
        };
        assert_eq!(row("simple_rnn_1"), (vec![128, 128], 32_896));
        assert_eq!(row("lstm_1"), (vec![64], 49_408));
        assert_eq!(row("head.dense_1"), (vec![64], 4_160));
        assert_eq!(row("head.dense_2"), (vec![4], 260));
        assert_eq!(summary.trainable, 32_896 + 49_408 + 4_160 + 260);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let refused = |config: RnnLstmConfig| {
            Architecture::from(config).build(3, 0).map(|_| ()).unwrap_err().to_string()
        };
        assert!(refused(RnnLstmConfig { rnn_units: 0, ..Default::default() }).contains("SimpleRnn"));
        assert!(refused(RnnLstmConfig { frames: 0, ..Default::default() }).contains("got 0"));
    }
}
