//! Two-dimensional convolutions over a log-mel spectrogram with attention over time (`cnn-attention`).

use super::blocks::{ConvBlock, add_blocks, with_head};
use crate::input::ModelInput;
use crate::layers::{BatchNormConfig, Init, LayerError, Sequential};
use crate::parameters::Parameters;
use serde::{Deserialize, Serialize};

/// Sizes of `cnn-attention`.
///
/// A small network for unseen speakers. Four convolutions detect patterns at any position of a mel spectrogram. Attention over time then
/// weights the frames.
///
/// | layer | output shape | parameters |
/// | --- | --- | --- |
/// | input | [64, 130] | |
/// | convolution, 16 filters of 3 × 3, batch normalisation, ReLU, pooling by 2 × 2 | [16, 32, 65] | 224 |
/// | convolution, 32 filters of 3 × 3, the same | [32, 16, 32] | 4,768 |
/// | convolution, 64 filters of 3 × 3, the same | [64, 8, 16] | 18,752 |
/// | convolution, 96 filters of 3 × 3, the same with pooling by 2 × 1 | [96, 4, 16] | 55,776 |
/// | flattened for each time step | [16, 384] | |
/// | attention of 64 units over the valid frames | \[384\] | 24,704 |
/// | dropout 0.3, dense | \[classes\] | 1,540 for 4 classes |
///
/// Running statistics are counted among the parameters. The default features are mel powers; normalisation takes their
/// logarithm where they are skewed, if [`TrainingConfig::log_skewed`](crate::training::TrainingConfig::log_skewed) is on. Neither a convolution nor the attention sees padding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CnnAttentionConfig {
    /// Mel bands.
    pub rows: usize,
    /// Frames of the input after padding; 130 are three seconds at 22,050 Hz.
    pub frames: usize,
    /// The convolutions, each with the layers after it.
    pub blocks: Vec<ConvBlock<[usize; 2]>>,
    /// Units of the attention.
    pub attention_units: usize,
    /// Dropout before each dense layer, 0 or more and below 1.
    pub dropout: f64,
    /// Units of dense layers with ReLU before the last one, which has one unit for each class.
    pub dense: Vec<usize>,
    /// Settings of every batch normalisation.
    pub batch_norm: BatchNormConfig,
    /// Initial weights.
    pub init: Init,
}

impl Default for CnnAttentionConfig {
    fn default() -> Self {
        let block = |filters, frames| ConvBlock::image(filters, true, [2, frames], 0.0);
        Self {
            rows: 64,
            frames: 130,
            blocks: vec![block(16, 2), block(32, 2), block(64, 2), block(96, 1)],
            attention_units: 64,
            dropout: 0.3,
            dense: Vec::new(),
            batch_norm: BatchNormConfig::default(),
            init: Init::GlorotUniform,
        }
    }
}

impl CnnAttentionConfig {
    pub(crate) fn input(&self) -> ModelInput {
        ModelInput::Sequence { rows: self.rows, frames: self.frames }
    }
}

/// Builds convolutions over frequency and time, then attention over time and dense layers.
pub(super) fn network(
    config: &CnnAttentionConfig,
    classes: usize,
    parameters: &Parameters,
) -> Result<Sequential, LayerError> {
    let init = config.init;
    let mut net = Sequential::new([1, config.rows, config.frames]);
    add_blocks(&mut net, &config.blocks, config.batch_norm, init, parameters)?;
    net.time_first()?;
    net.attention(config.attention_units, init, parameters)?;
    with_head(net, &config.dense, config.dropout, classes, init, parameters)
}

#[cfg(test)]
mod tests {
    use super::super::Architecture;
    use super::*;

    #[test]
    fn the_default_has_the_documented_shapes_and_parameters() {
        let summary = Architecture::from(CnnAttentionConfig::default()).build(4, 0).unwrap().summary();
        let row = |name: &str| {
            let row = summary.rows.iter().find(|row| row.name == name).unwrap();
            (row.output_shape.clone(), row.parameters)
        };
        assert_eq!(row("max_pool2d_1").0, [16, 32, 65]);
        assert_eq!(row("max_pool2d_4").0, [96, 4, 16]);
        assert_eq!(row("conv2d_4").1 + row("batch_norm_4").1, 55_776);
        assert_eq!(row("time_first_1").0, [16, 384]);
        assert_eq!(row("attention_1"), (vec![384], 24_704));
        assert_eq!(row("head.dense_1"), (vec![4], 1_540));
        assert_eq!(summary.statistics, 2 * (16 + 32 + 64 + 96));
        let all = 224 + 4_768 + 18_752 + 55_776 + 24_704 + 1_540;
        assert_eq!(summary.trainable + summary.statistics, all);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let refused = |config: CnnAttentionConfig| {
            Architecture::from(config).build(3, 0).map(|_| ()).unwrap_err().to_string()
        };
        let default = CnnAttentionConfig::default;
        assert!(refused(CnnAttentionConfig { rows: 8, ..default() }).contains("got 1"));
        assert!(refused(CnnAttentionConfig { attention_units: 0, ..default() }).contains("AttentionPool"));
    }
}
