//! One-dimensional convolutions over frames, then recurrent layers (`hybrid`).

use super::blocks::{BlockLayer, ConvBlock, add_blocks, with_head};
use crate::input::ModelInput;
use crate::layers::{BatchNormConfig, Init, LayerError, LstmConfig, Sequential};
use crate::parameters::Parameters;
use serde::{Deserialize, Serialize};

/// Sizes of `hybrid`.
///
/// The default has the layers of the student report that this project reimplements (§5.5): three convolutions over time on all five
/// features of every frame, two LSTM layers, dense layers. The report gives no sizes; the comparison with PyTorch uses these sizes too.
///
/// | layer | output shape | parameters |
/// | --- | --- | --- |
/// | input | [193, 130] | |
/// | convolution, 128 filters of 5, ReLU, batch normalisation, dropout 0.2, pooling by 2 | [128, 65] | 124,160 |
/// | convolution, 128 filters of 5, the same | [128, 32] | 82,560 |
/// | convolution, 128 filters of 5, the same without pooling | [128, 32] | 82,560 |
/// | time before features | [32, 128] | |
/// | two LSTM layers of 128, dropout 0.3 between them, last state | \[128\] | 263,168 |
/// | dense, ReLU | \[64\] | 8,256 |
/// | dense | \[classes\] | 260 for 4 classes |
///
/// Running statistics are counted among the parameters. The state of a padded clip is read at its last valid frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HybridConfig {
    /// Features of each frame.
    pub rows: usize,
    /// Frames of the input after padding; 130 are three seconds at 22,050 Hz.
    pub frames: usize,
    /// The convolutions, each with the layers after it.
    pub blocks: Vec<ConvBlock>,
    /// Units of each LSTM layer.
    pub lstm_units: usize,
    /// Number of LSTM layers.
    pub lstm_layers: usize,
    /// Dropout between LSTM layers, 0 or more and below 1.
    pub lstm_dropout: f64,
    /// Dropout before each dense layer, 0 or more and below 1.
    pub dropout: f64,
    /// Units of dense layers with ReLU before the last one, which has one unit for each class.
    pub dense: Vec<usize>,
    /// Settings of every batch normalisation.
    pub batch_norm: BatchNormConfig,
    /// Initial weights of convolutions, dense layers, and the LSTM's input.
    pub init: Init,
}

impl Default for HybridConfig {
    fn default() -> Self {
        use BlockLayer::{BatchNorm, Dropout, MaxPool, Relu};
        let block = |then: &[BlockLayer]| ConvBlock { filters: 128, kernel_size: 5, then: then.to_vec() };
        let pooled = block(&[Relu, BatchNorm, Dropout(0.2), MaxPool(2)]);
        Self {
            rows: 193,
            frames: 130,
            blocks: vec![pooled.clone(), pooled, block(&[Relu, BatchNorm, Dropout(0.2)])],
            lstm_units: 128,
            lstm_layers: 2,
            lstm_dropout: 0.3,
            dropout: 0.0,
            dense: vec![64],
            batch_norm: BatchNormConfig::default(),
            init: Init::GlorotUniform,
        }
    }
}

impl HybridConfig {
    pub(crate) fn input(&self) -> ModelInput {
        ModelInput::Sequence { rows: self.rows, frames: self.frames }
    }
}

/// Builds convolutions over time, then LSTM layers and dense layers.
pub(super) fn network(
    config: &HybridConfig,
    classes: usize,
    parameters: &Parameters,
) -> Result<Sequential, LayerError> {
    let init = config.init;
    let mut net = Sequential::new([config.rows, config.frames]);
    add_blocks(&mut net, &config.blocks, config.batch_norm, init, parameters)?;
    net.time_first()?;
    let lstm = LstmConfig {
        layers: config.lstm_layers,
        dropout: config.lstm_dropout,
        init,
        ..LstmConfig::new(config.lstm_units)
    };
    net.lstm(lstm, parameters)?;
    with_head(net, &config.dense, config.dropout, classes, init, parameters)
}

#[cfg(test)]
mod tests {
    use super::super::Architecture;
    use super::*;

    #[test]
    fn the_default_has_the_documented_shapes_and_parameters() {
        let summary = Architecture::from(HybridConfig::default()).build(4, 0).unwrap().summary();
        let row = |name: &str| summary.rows.iter().find(|row| row.name == name).unwrap();
        let block =
            |n: usize| row(&format!("conv1d_{n}")).parameters + row(&format!("batch_norm_{n}")).parameters;
        assert_eq!([block(1), block(2), block(3)], [124_160, 82_560, 82_560]);
        assert_eq!(row("max_pool1d_1").output_shape, [128, 65]);
        assert_eq!(row("dropout_3").output_shape, [128, 32]);
        assert_eq!(row("time_first_1").output_shape, [32, 128]);
        assert_eq!((row("lstm_1").output_shape.clone(), row("lstm_1").parameters), (vec![128], 263_168));
        assert_eq!([row("head.dense_1").parameters, row("head.dense_2").parameters], [8_256, 260]);
        assert_eq!(summary.statistics, 2 * 3 * 128);
        let all = summary.rows.iter().map(|row| row.parameters).sum::<usize>();
        assert_eq!(summary.trainable + summary.statistics, all);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let refused = |config: HybridConfig| {
            Architecture::from(config).build(3, 0).map(|_| ()).unwrap_err().to_string()
        };
        assert!(refused(HybridConfig { frames: 3, ..Default::default() }).contains("MaxPool1d"));
        assert!(refused(HybridConfig { lstm_layers: 0, ..Default::default() }).contains("layers"));
        assert!(refused(HybridConfig { lstm_dropout: 1.0, ..Default::default() }).contains("Dropout"));
        assert!(refused(HybridConfig { rows: 0, ..Default::default() }).contains("in_channels"));
    }
}
