//! Recurrent layers with attention over time (`attention-lstm`).

use super::blocks::with_head;
use crate::input::ModelInput;
use crate::layers::{BatchNormConfig, Conv1dConfig, Init, LayerError, LstmConfig, Sequential, States};
use crate::parameters::Parameters;
use serde::{Deserialize, Serialize};

/// Sizes of `attention-lstm`.
///
/// The student report that this project reimplements ([`Preset`](crate::training::Preset) has its title) names attention over LSTM states
/// as future work. The default has the structure of ResLSTM-SA (Krasnoproshin and Vashkevich, *Speech emotion recognition using
/// attention-based LSTM network with residual connection*, arXiv:2606.03359, 2026), the best published model that was found for RAVDESS
/// with unseen speakers and training from scratch: a first LSTM with a residual connection and batch normalisation, a second LSTM, and
/// attention over its states. Here both LSTMs are bidirectional, and all features of a frame are first projected to a common width.
///
/// | layer | output shape | parameters |
/// | --- | --- | --- |
/// | input | [193, 130] | |
/// | projection to 64 (a convolution of 1) | [64, 130] | 12,416 |
/// | time before features | [130, 64] | |
/// | bidirectional LSTM of 32, added to its input | [130, 64] | 24,832 |
/// | batch normalisation of each frame, features before time | [64, 130] | 256 |
/// | bidirectional LSTM of 32, all states | [130, 64] | 24,832 |
/// | attention of 32 units over the valid frames | \[64\] | 2,112 |
/// | batch normalisation | \[64\] | 256 |
/// | dropout 0.3, dense | \[classes\] | 260 for 4 classes |
///
/// Running statistics are counted among the parameters. Padding is neither read nor attended to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionLstmConfig {
    /// Features of each frame: all five together, or MFCC alone.
    pub rows: usize,
    /// Frames of the input after padding; 130 are three seconds at 22,050 Hz.
    pub frames: usize,
    /// Units of each LSTM in each direction. The projection has as many units as all directions together.
    pub lstm_units: usize,
    /// Whether the LSTM layers read both forward and backward.
    pub bidirectional: bool,
    /// Units of the attention.
    pub attention_units: usize,
    /// Dropout before each dense layer, 0 or more and below 1.
    pub dropout: f64,
    /// Units of dense layers with ReLU before the last one, which has one unit for each class.
    pub dense: Vec<usize>,
    /// Settings of every batch normalisation.
    pub batch_norm: BatchNormConfig,
    /// Initial weights except those of the recurrence.
    pub init: Init,
}

impl Default for AttentionLstmConfig {
    fn default() -> Self {
        Self {
            rows: 193,
            frames: 130,
            lstm_units: 32,
            bidirectional: true,
            attention_units: 32,
            dropout: 0.3,
            dense: Vec::new(),
            batch_norm: BatchNormConfig::default(),
            init: Init::GlorotUniform,
        }
    }
}

impl AttentionLstmConfig {
    pub(crate) fn input(&self) -> ModelInput {
        ModelInput::Sequence { rows: self.rows, frames: self.frames }
    }
}

/// Builds two LSTM layers, the first with a residual connection, then attention over time and dense layers.
pub(super) fn network(
    config: &AttentionLstmConfig,
    classes: usize,
    parameters: &Parameters,
) -> Result<Sequential, LayerError> {
    let (init, batch_norm) = (config.init, config.batch_norm);
    let width = config.lstm_units.saturating_mul(1 + usize::from(config.bidirectional));
    let lstm = LstmConfig {
        bidirectional: config.bidirectional,
        states: States::Sequence,
        init,
        ..LstmConfig::new(config.lstm_units)
    };
    let mut net = Sequential::new([config.rows, config.frames]);
    net.conv1d(Conv1dConfig { init, ..Conv1dConfig::new(width, 1) }, parameters)?;
    net.time_first()?;
    net.residual_lstm(lstm, parameters)?;
    // Batch normalisation expects features before time.
    net.time_first()?;
    net.batch_norm(batch_norm, parameters)?;
    net.time_first()?;
    net.lstm(lstm, parameters)?;
    net.attention(config.attention_units, init, parameters)?;
    net.batch_norm(batch_norm, parameters)?;
    with_head(net, &config.dense, config.dropout, classes, init, parameters)
}

#[cfg(test)]
mod tests {
    use super::super::Architecture;
    use super::*;

    #[test]
    fn the_default_has_the_documented_shapes_and_parameters() {
        let summary = Architecture::from(AttentionLstmConfig::default()).build(4, 0).unwrap().summary();
        let row = |name: &str| {
            let row = summary.rows.iter().find(|row| row.name == name).unwrap();
            (row.output_shape.clone(), row.parameters)
        };
        assert_eq!(row("conv1d_1"), (vec![64, 130], 12_416));
        assert_eq!(row("lstm_1"), (vec![130, 64], 24_832));
        assert_eq!(row("batch_norm_1"), (vec![64, 130], 256));
        assert_eq!(row("lstm_2"), (vec![130, 64], 24_832));
        assert_eq!(row("attention_1"), (vec![64], 2_112));
        assert_eq!(row("head.dense_1"), (vec![4], 260));
        assert_eq!(summary.trainable, 12_416 + 2 * 24_832 + 2 * 128 + 2_112 + 260);
        assert_eq!(summary.statistics, 256);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let refused = |config: AttentionLstmConfig| {
            Architecture::from(config).build(3, 0).map(|_| ()).unwrap_err().to_string()
        };
        assert!(refused(AttentionLstmConfig { lstm_units: 0, ..Default::default() }).contains("filters"));
        let config = AttentionLstmConfig { attention_units: 0, ..Default::default() };
        assert!(refused(config).contains("AttentionPool"));
    }
}
