//! Two-dimensional convolutions over a log-mel spectrogram with attention over time (`cnn-attention`).

use super::framed::{Built, Network};
use super::frames::{Frames, head};
use super::image_blocks::{ImageBlock, convolutions, frames_for_pooling};
use super::summary::SummaryRow;
use super::{Batch, ModelInput};
use crate::layers::{AttentionPool, BatchNormConfig, Init, Layer, LayerError, Mode, Sequential, TimeSteps};
use crate::parameters::Parameters;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// Sizes of `cnn-attention`.
///
/// Not one of the report's: a small network for voices that it never heard. Four convolutions look for shapes in a mel
/// spectrogram wherever they lie; attention over time then decides which moments count.
///
/// | layer | output shape | parameters |
/// | --- | --- | --- |
/// | input | [64, 130] | |
/// | convolution, 16 filters of 3 × 3, batch normalisation, ReLU, pooling by 2 × 2 | [16, 32, 65] | 224 |
/// | convolution, 32 filters of 3 × 3, the same | [32, 16, 32] | 4,768 |
/// | convolution, 64 filters of 3 × 3, the same | [64, 8, 16] | 18,752 |
/// | convolution, 96 filters of 3 × 3, the same with pooling by 2 × 1 | [96, 4, 16] | 55,776 |
/// | flattened for each time step | [16, 384] | |
/// | attention of 64 units over the clip's own frames | \[384\] | 24,704 |
/// | dropout 0.3, dense | \[classes\] | 1,540 for 4 classes |
///
/// Running statistics are counted among the parameters. The default features are mel powers; normalisation takes their
/// logarithm. Neither a convolution nor the attention sees padding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CnnAttentionConfig {
    /// Mel bands.
    pub rows: usize,
    /// Frames of the input after padding; 130 are three seconds at 22,050 Hz.
    pub frames: usize,
    /// The convolutions, each with what follows it.
    pub blocks: Vec<ImageBlock>,
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
        let block = |filters, frames| ImageBlock {
            pool_size: [2, frames],
            dropout: 0.0,
            ..ImageBlock::new(filters, true)
        };
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

/// Two-dimensional convolutions over frequency and time, then attention over time and dense layers.
#[derive(Debug)]
pub(super) struct CnnAttention {
    convolutions: Sequential,
    attention: AttentionPool,
    head: Sequential,
    /// Frames that pooling needs.
    least: usize,
}

impl CnnAttention {
    const NAME: &'static str = "cnn-attention";

    pub(super) fn build(
        config: &CnnAttentionConfig,
        classes: usize,
        parameters: &mut Parameters,
    ) -> Result<Built, LayerError> {
        let (init, shape) = (config.init, [1, config.rows, config.frames]);
        let net = convolutions(shape, &config.blocks, config.batch_norm, init, parameters)?;
        let steps = TimeSteps.output_shape(net.output_shape())?;
        let scope = &mut parameters.scope("attention_1");
        let attention = AttentionPool::new(steps[1], config.attention_units, init, scope)?;
        let head = head(steps[1], &config.dense, config.dropout, classes, init, parameters)?;
        let mut rows = SummaryRow::chain(&net);
        rows.push(SummaryRow::of("time_steps_1", &TimeSteps, net.output_shape())?);
        rows.push(SummaryRow::of("attention_1", &attention, &steps)?);
        rows.extend(SummaryRow::chain(&head));
        let least = frames_for_pooling(&config.blocks);
        Ok((Box::new(Self { convolutions: net, attention, head, least }), rows))
    }
}

impl Network for CnnAttention {
    fn forward(&self, batch: &Batch, input: &[usize], mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        let mut frames = Frames::new(Self::NAME, batch, input, self.least)?;
        frames.x = frames.x.unsqueeze(1)?;
        let frames = frames.through(&self.convolutions, mode)?;
        let steps = TimeSteps.forward(&frames.x, mode)?;
        let pooled = self.attention.forward_masked(&steps, frames.lengths(), mode)?;
        self.head.forward(&pooled, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Model;
    use super::super::framed::Framed;
    use super::*;

    #[test]
    fn the_default_has_the_documented_shapes_and_parameters() {
        let summary = Framed::seeded(CnnAttentionConfig::default(), 4, 0).unwrap().summary();
        let row = |name: &str| {
            let row = summary.rows.iter().find(|row| row.name == name).unwrap();
            (row.output_shape.clone(), row.parameters)
        };
        assert_eq!(row("max_pool2d_1").0, [16, 32, 65]);
        assert_eq!(row("max_pool2d_4").0, [96, 4, 16]);
        assert_eq!(row("conv2d_4").1 + row("batch_norm_4").1, 55_776);
        assert_eq!(row("time_steps_1").0, [16, 384]);
        assert_eq!(row("attention_1"), (vec![384], 24_704));
        assert_eq!(row("head.dense_1"), (vec![4], 1_540));
        assert_eq!(summary.statistics, 2 * (16 + 32 + 64 + 96));
        let all = 224 + 4_768 + 18_752 + 55_776 + 24_704 + 1_540;
        assert_eq!(summary.trainable + summary.statistics, all);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let refused = |config| Framed::seeded(config, 3, 0).map(|_| ()).unwrap_err().to_string();
        let default = CnnAttentionConfig::default;
        assert!(refused(CnnAttentionConfig { rows: 8, ..default() }).contains("only 1"));
        assert!(refused(CnnAttentionConfig { attention_units: 0, ..default() }).contains("AttentionPool"));
    }
}
