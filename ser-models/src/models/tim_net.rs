//! Dilated convolutions in both directions of time (`tim-net`).

use super::framed::{Built, Network};
use super::frames::{Frames, head};
use super::summary::SummaryRow;
use super::{Batch, ModelInput};
use crate::layers::{
    BatchNormConfig, Conv1dConfig, Init, Layer, LayerError, Mode, Padding, Sequential, gate, mean_of_frames,
    turn_frames,
};
use crate::parameters::Parameters;
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};

/// Most blocks: the last one's kernel then reaches over 2³¹ frames.
const MAX_BLOCKS: usize = 32;

/// Sizes of `tim-net`.
///
/// The default has those of Ye et al. (ICASSP 2023): 39 MFCC of five seconds at 22,050 Hz; for each direction of time a
/// convolution of 1, then eight temporal-aware blocks with dilations 1, 2, …, 128.
///
/// | layer | output shape | parameters |
/// | --- | --- | --- |
/// | input | [39, 215] | |
/// | for each direction: projection (a convolution of 1) | [39, 215] | 1,560 |
/// | for each direction and block: twice a causal convolution of 2, batch normalisation, ReLU, spatial dropout 0.1; the sigmoid of that times the block's input | [39, 215] | 6,474 |
/// | after each block: both directions added, mean over time | \[39\] | |
/// | sum of the eight means with learnt weights | \[39\] | 8 |
/// | dense | \[classes\] | 160 for 4 classes |
///
/// 106,872 parameters for 4 classes, running statistics counted. Each clip is reversed, and its means are taken, over its own
/// frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimNetConfig {
    /// Features of each frame.
    pub rows: usize,
    /// Frames of the input after padding; 215 are five seconds at 22,050 Hz.
    pub frames: usize,
    /// Channels of every convolution.
    pub filters: usize,
    /// Taps of every causal convolution.
    pub kernel_size: usize,
    /// Blocks of each direction, 1 to 32; the dilation doubles from each to the next.
    pub blocks: usize,
    /// Spatial dropout in the blocks, 0 or more and below 1.
    pub spatial_dropout: f64,
    /// Dropout before each dense layer, 0 or more and below 1.
    pub dropout: f64,
    /// Units of dense layers with ReLU before the last one, which has one unit for each class.
    pub dense: Vec<usize>,
    /// Settings of every batch normalisation.
    pub batch_norm: BatchNormConfig,
    /// Initial weights of convolutions and dense layers.
    pub init: Init,
}

impl Default for TimNetConfig {
    fn default() -> Self {
        Self {
            rows: 39,
            frames: 215,
            filters: 39,
            kernel_size: 2,
            blocks: 8,
            spatial_dropout: 0.1,
            dropout: 0.0,
            dense: Vec::new(),
            batch_norm: BatchNormConfig::default(),
            init: Init::GlorotUniform,
        }
    }
}

impl TimNetConfig {
    pub(crate) fn input(&self) -> ModelInput {
        ModelInput::Sequence { rows: self.rows, frames: self.frames }
    }
}

/// Temporal-aware blocks over the clip and over the clip backward, their means over time weighted by how far each block sees.
#[derive(Debug)]
pub(super) struct TimNet {
    directions: [Direction; 2],
    /// How much each pair of blocks counts, [1, blocks].
    weight: Var,
    head: Sequential,
}

#[derive(Debug)]
struct Direction {
    projection: Sequential,
    /// What gates each block's input, with its name.
    blocks: Vec<(String, Sequential)>,
}

impl Direction {
    fn new(name: &str, config: &TimNetConfig, parameters: &mut Parameters) -> Result<Self, LayerError> {
        let init = config.init;
        let mut projection = Sequential::named(name, [config.rows, config.frames]);
        projection.conv1d(Conv1dConfig { init, ..Conv1dConfig::new(config.filters, 1) }, parameters)?;
        let block = |number: usize| {
            let name = format!("{name}.block_{}", number + 1);
            let mut net = Sequential::named(&name, projection.output_shape());
            for _ in 0..2 {
                let convolution = Conv1dConfig {
                    dilation: 1 << number,
                    padding: Padding::Causal,
                    init,
                    ..Conv1dConfig::new(config.filters, config.kernel_size)
                };
                net.conv1d(convolution, parameters)?;
                net.batch_norm(config.batch_norm, parameters)?;
                net.relu()?;
                if config.spatial_dropout != 0.0 {
                    net.spatial_dropout(config.spatial_dropout)?;
                }
            }
            Ok((name, net))
        };
        let blocks = (0..config.blocks).map(block).collect::<Result<_, LayerError>>()?;
        Ok(Self { projection, blocks })
    }

    /// What each block gives, in order, [batch, filters, time] each.
    fn forward(
        &self,
        x: &Tensor,
        lengths: Option<&[usize]>,
        mode: &mut Mode<'_>,
    ) -> Result<Vec<Tensor>, LayerError> {
        // A causal convolution sees no padding behind a clip; batch normalisation in training does.
        let lengths = lengths.filter(|_| mode.is_training()).map(<[usize]>::to_vec);
        let mut x = self.projection.forward(x, mode)?;
        let mut outputs = Vec::with_capacity(self.blocks.len());
        for (_, block) in &self.blocks {
            let frames = Frames { x: x.clone(), lengths: lengths.clone() };
            x = gate(&x, &frames.through(block, mode)?.x)?;
            outputs.push(x.clone());
        }
        Ok(outputs)
    }
}

impl TimNet {
    const NAME: &'static str = "tim-net";

    pub(super) fn build(
        config: &TimNetConfig,
        classes: usize,
        parameters: &mut Parameters,
    ) -> Result<Built, LayerError> {
        if !(1..=MAX_BLOCKS).contains(&config.blocks) {
            return Err(LayerError::setting("tim-net", "blocks", "must be 1 to 32", config.blocks));
        }
        let forward = Direction::new("forward", config, parameters)?;
        let backward = Direction::new("backward", config, parameters)?;
        let weight = parameters.scope("fusion").weight("weight", &[1, config.blocks], Init::Ones)?;
        let head = head(config.filters, &config.dense, config.dropout, classes, config.init, parameters)?;
        let mut rows = Vec::new();
        for direction in [&forward, &backward] {
            rows.extend(SummaryRow::chain(&direction.projection));
            rows.extend(direction.blocks.iter().map(|(name, block)| SummaryRow::block(name, "Block", block)));
        }
        rows.push(SummaryRow {
            name: "fusion".to_owned(),
            kind: "WeightedSum",
            output_shape: vec![config.filters],
            parameters: config.blocks,
        });
        rows.extend(SummaryRow::chain(&head));
        let directions = [forward, backward];
        Ok((Box::new(Self { directions, weight, head }), rows))
    }
}

impl Network for TimNet {
    fn forward(&self, batch: &Batch, input: &[usize], mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        let frames = Frames::new(Self::NAME, batch, input, 1)?;
        let [forward, in_reverse] = &self.directions;
        let forward = forward.forward(&frames.x, frames.lengths(), mode)?;
        let turned = turn_frames(&frames.x, frames.lengths())?;
        let backward = in_reverse.forward(&turned, frames.lengths(), mode)?;
        let mut means = Vec::with_capacity(forward.len());
        for (forward, backward) in forward.into_iter().zip(backward) {
            // The mean of the sum does not ask which frames meet each other.
            means.push(mean_of_frames(&(forward + backward)?, frames.lengths())?);
        }
        let means = Tensor::stack(&means, 2)?;
        let (batch, filters, blocks) = means.dims3()?;
        let weight = mode.tensor(&self.weight).t()?;
        let fused = means.reshape((batch * filters, blocks))?.matmul(&weight)?.reshape((batch, filters))?;
        self.head.forward(&fused, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Model;
    use super::super::framed::Framed;
    use super::*;

    #[test]
    fn the_default_has_the_documented_shapes_and_parameters() {
        let summary = Framed::seeded(TimNetConfig::default(), 4, 0).unwrap().summary();
        let starting = |start: &str| -> usize {
            summary.rows.iter().filter(|row| row.name.starts_with(start)).map(|row| row.parameters).sum()
        };
        for direction in ["forward", "backward"] {
            assert_eq!(starting(&format!("{direction}.conv1d_1")), 1_560);
            assert_eq!(starting(&format!("{direction}.block_8")), 6_474);
        }
        assert_eq!([starting("fusion"), starting("head")], [8, 160]);
        assert_eq!(summary.trainable + summary.statistics, 106_872);
        assert_eq!(summary.statistics, 2 * 16 * 2 * 39);
        assert_eq!(summary.rows.len(), 2 * 9 + 2);
        assert!(summary.rows.iter().all(|row| row.output_shape[0] == 39 || row.name.starts_with("head")));
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let refused = |config| Framed::seeded(config, 3, 0).map(|_| ()).unwrap_err().to_string();
        for blocks in [0, 33] {
            assert!(refused(TimNetConfig { blocks, ..Default::default() }).contains("must be 1 to 32"));
        }
        assert!(refused(TimNetConfig { filters: 0, ..Default::default() }).contains("filters"));
    }
}
