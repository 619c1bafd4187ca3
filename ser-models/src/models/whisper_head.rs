//! A small network over the outputs of Whisper's encoder (`whisper-head`).

use super::blocks::with_head;
use crate::encoder::HEAD;
use crate::input::ModelInput;
use crate::json::is_default;
use crate::layers::{
    AttentionPool, BlockOutputs, Init, LayerError, LayerMixture, Sequential, Standardization, StatisticsPool,
    TransformerBlock,
};
use crate::parameters::Parameters;
use crate::setting::Settings;
use serde::{Deserialize, Serialize};

/// Sizes of `whisper-head`.
///
/// The network reads only outputs of a pretrained encoder. The outputs of the encoder's convolutions and of its first blocks are mixed with
/// trained weights, pooled over time and passed through dense layers.
///
/// | layer | output shape | parameters |
/// | --- | --- | --- |
/// | input: mean and deviation over time of the convolutions and of 4 blocks, 512 features each | \[5120\] | |
/// | learned mixture of the 5 | \[1024\] | 5 |
/// | dropout 0.4, dense, 192 units, ReLU | \[192\] | 196,800 |
/// | dropout 0.4, dense | \[classes\] | 772 for 4 classes |
///
/// With [`HeadPooling::Attentive`] the inputs are frames of the outputs to be mixed, and the mixture is pooled by attention. With
/// [`HeadLayers::Concatenation`] the dense layers read all 5,120 statistics.
///
/// With [`WhisperHeadConfig::tuned`] blocks the input is frames: those of the mixed outputs below these blocks, and of the first block's
/// input. The network runs its own copies of the blocks ([`TransformerBlock`]), pools all outputs over time (with
/// [`HeadPooling::Attentive`] the mixture is pooled later) and normalises them. Such a network begins as a trained head without
/// ([`Checkpoint::with_tuned_blocks`](crate::Checkpoint::with_tuned_blocks)).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhisperHeadConfig {
    /// Number of encoder blocks whose outputs are read, 1 or more. The output of the convolutions is read too.
    pub blocks: usize,
    /// The last of these blocks if they are part of the network and trained with it. `None` trains the head alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuned: Option<TunedBlocks>,
    /// Features of the encoder's frames: 512 in Whisper base; a multiple of 64 where blocks are tuned.
    pub width: usize,
    /// Digest of the encoder's file ([`WhisperEncoder::digest`](crate::encoder::WhisperEncoder::digest)). Recognisers reject any other
    /// encoder. If empty, any encoder of these sizes is accepted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub encoder: String,
    /// Combination of the outputs of the layers.
    #[serde(skip_serializing_if = "is_default")]
    pub layers: HeadLayers,
    /// Number of outputs to skip before the mixture, at most `blocks`. 0 includes the output of the convolutions, 2 begins with that of the
    /// second block.
    #[serde(skip_serializing_if = "is_default")]
    pub skipped: usize,
    /// Pooling of frames into one vector.
    pub pooling: HeadPooling,
    /// Dropout before each dense layer, 0 or more and below 1.
    pub dropout: f64,
    /// Units of dense layers with ReLU before the last one, which has one unit for each class. Without such layers the head is linear.
    pub dense: Vec<usize>,
    /// Initial weights.
    pub init: Init,
}

/// Blocks of an encoder that are part of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TunedBlocks {
    /// Number of the blocks, from 1 to that of all blocks that the head reads.
    pub blocks: usize,
    /// Units of each block's hidden layer: 2,048 in Whisper base.
    pub hidden: usize,
    /// Frames of the input after padding, 1 or more; 150 are three seconds. With [`HeadPooling::Attentive`] it must be its `frames`.
    pub frames: usize,
}

/// One block of Whisper base, for three seconds.
impl Default for TunedBlocks {
    fn default() -> Self {
        Self { blocks: 1, hidden: 2048, frames: 150 }
    }
}

/// Pooling of the encoder's frames into one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HeadPooling {
    /// Mean and standard deviation over time. They are taken once before training; with [tuned](WhisperHeadConfig::tuned) blocks the
    /// network takes them in each pass.
    Statistics,
    /// The mean over time alone. Deviations improve answers for corpora in the training part and worsen them for other corpora.
    Means,
    /// Mean and deviation weighted by attention ([`AttentionPool::with_deviations`]).
    Attentive {
        /// Units of the attention.
        units: usize,
        /// Frames of the input after padding; 150 are three seconds.
        frames: usize,
    },
}

/// Combination of the outputs of the encoder's layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HeadLayers {
    /// A mean with trained weights ([`LayerMixture`]).
    #[default]
    Mixture,
    /// Concatenation: the dense layers weight each feature of each layer. Reads the means and deviations of all outputs, so `skipped` must
    /// be 0 and `pooling` [`HeadPooling::Statistics`].
    Concatenation,
}

impl Default for WhisperHeadConfig {
    fn default() -> Self {
        Self {
            blocks: 4,
            tuned: None,
            width: 512,
            encoder: String::new(),
            layers: HeadLayers::Mixture,
            skipped: 0,
            pooling: HeadPooling::Statistics,
            dropout: 0.4,
            dense: vec![192],
            init: Init::GlorotUniform,
        }
    }
}

impl WhisperHeadConfig {
    pub(crate) fn input(&self) -> ModelInput {
        let frames = match (self.tuned, self.pooling) {
            (Some(tuned), _) => tuned.frames,
            (None, HeadPooling::Attentive { frames, .. }) => frames,
            (None, HeadPooling::Statistics | HeadPooling::Means) => {
                return ModelInput::Encoded { layers: self.blocks.saturating_add(1), width: self.width };
            }
        };
        let skipped = self.skipped_outputs();
        let layers = self.encoder_blocks().saturating_add(1) - skipped;
        ModelInput::EncodedFrames { skipped, layers, width: self.width, frames }
    }

    /// Number of the encoder's blocks that are not part of the network.
    pub(crate) fn encoder_blocks(&self) -> usize {
        self.blocks.saturating_sub(self.tuned.map_or(0, |tuned| tuned.blocks))
    }

    /// Number of encoder outputs before the first one in the input. An input of statistics has all outputs. An input of frames begins with
    /// the first output that is mixed, or with the input of the first tuned block if that comes earlier.
    pub(crate) fn skipped_outputs(&self) -> usize {
        match (self.tuned, self.pooling) {
            (None, HeadPooling::Statistics | HeadPooling::Means) => 0,
            _ => self.skipped.min(self.encoder_blocks()),
        }
    }

    /// Number of features of each output after pooling.
    pub(crate) fn features_of_output(&self) -> usize {
        let attentive = matches!(self.pooling, HeadPooling::Attentive { .. });
        if attentive { self.width } else { self.width.saturating_mul(2) }
    }

    fn check(&self) -> Result<(), LayerError> {
        let settings = Settings("whisper-head");
        settings.one_or_more([("blocks", self.blocks), ("width", self.width)])?;
        let Some(TunedBlocks { blocks, hidden, frames }) = self.tuned else { return Ok(()) };
        settings.one_or_more([
            ("tuned.blocks", blocks),
            ("tuned.hidden", hidden),
            ("tuned.frames", frames),
        ])?;
        let rule = format!("at most blocks, {}", self.blocks);
        settings.require(blocks <= self.blocks, "tuned.blocks", rule, blocks)?;
        let rule = "a multiple of 64 where blocks are tuned";
        settings.require(self.width.is_multiple_of(HEAD), "width", rule, self.width)?;
        if let HeadPooling::Attentive { frames: pooled, .. } = self.pooling {
            let rule = format!("those of the pooling, {pooled}");
            settings.require(pooled == frames, "tuned.frames", rule, frames)?;
        }
        Ok(())
    }
}

/// Builds the tuned blocks, and the pooling and normalisation of their outputs.
fn tuned_outputs(
    config: &WhisperHeadConfig,
    tuned: TunedBlocks,
    parameters: &Parameters,
) -> Result<Sequential, LayerError> {
    let WhisperHeadConfig { width, init, .. } = *config;
    let mut net = Sequential::new(config.input().shape());
    let block = |number: usize| {
        let scope = parameters.scope(format!("transformer_block_{number}"));
        TransformerBlock::new(width, width / HEAD, tuned.hidden, init, &scope)
    };
    let blocks = (1..=tuned.blocks).map(block).collect::<Result<_, _>>()?;
    let layers = config.encoder_blocks().saturating_add(1) - config.skipped_outputs();
    net.push("transformer_blocks", BlockOutputs::new(blocks, layers, width))?;
    if !matches!(config.pooling, HeadPooling::Attentive { .. }) {
        net.push("statistics_pool", StatisticsPool::new(width))?;
    }
    let features = layers.saturating_add(tuned.blocks).saturating_mul(config.features_of_output());
    let scope = parameters.scope("standardization_1");
    net.push("standardization", Standardization::new(features, &scope)?)?;
    Ok(net)
}

/// Builds the mixture, the pooling if the network reads frames, and dense layers.
pub(super) fn network(
    config: &WhisperHeadConfig,
    classes: usize,
    parameters: &Parameters,
) -> Result<Sequential, LayerError> {
    let init = config.init;
    config.check()?;
    let mut net = match config.tuned {
        Some(tuned) => tuned_outputs(config, tuned, parameters)?,
        None => Sequential::new(config.input().shape()),
    };
    let unread = config.skipped_outputs();
    if config.layers == HeadLayers::Concatenation {
        if config.skipped != 0 || config.pooling != HeadPooling::Statistics {
            let given = format!("{} and {:?}", config.skipped, config.pooling);
            let rule = "mixture unless skipped is 0 and pooling is statistics";
            return Err(LayerError::setting("whisper-head", "layers", rule, given));
        }
        return with_head(net, &config.dense, config.dropout, classes, init, parameters);
    }
    let parts = if config.pooling == HeadPooling::Means { 2 } else { 1 };
    let scope = parameters.scope("layer_mixture_1");
    net.push(
        "layer_mixture",
        LayerMixture::new(config.blocks.saturating_add(1) - unread, config.skipped - unread, parts, &scope)?,
    )?;
    if let HeadPooling::Attentive { units, .. } = config.pooling {
        net.time_first()?;
        let pool = AttentionPool::new(config.width, units, init, &parameters.scope("attention_1"))?;
        net.push("attention", pool.with_deviations())?;
    }
    with_head(net, &config.dense, config.dropout, classes, init, parameters)
}

#[cfg(test)]
mod tests {
    use super::super::Architecture;
    use super::*;

    #[test]
    fn the_default_has_the_documented_shapes_and_parameters() {
        let summary = Architecture::from(WhisperHeadConfig::default()).build(4, 0).unwrap().summary();
        let row = |name: &str| {
            let row = summary.rows.iter().find(|row| row.name == name).unwrap();
            (row.output_shape.clone(), row.parameters)
        };
        assert_eq!(row("layer_mixture_1"), (vec![1024], 5));
        assert_eq!(row("head.dense_1"), (vec![192], 196_800));
        assert_eq!(row("head.dense_2"), (vec![4], 772));
        assert_eq!(summary.trainable, 5 + 196_800 + 772);
    }

    #[test]
    fn frames_are_pooled_by_attention() {
        let pooling = HeadPooling::Attentive { units: 16, frames: 30 };
        let config = WhisperHeadConfig { blocks: 2, width: 8, pooling, dense: vec![], ..Default::default() };
        assert_eq!(config.input().shape(), [24, 30]);
        let last = WhisperHeadConfig { skipped: 2, ..config.clone() };
        assert_eq!(
            last.input(),
            ModelInput::EncodedFrames { skipped: 2, layers: 1, width: 8, frames: 30 },
            "only outputs that are mixed"
        );
        let mixture = &Architecture::from(last).build(3, 0).unwrap().summary().rows[0];
        assert_eq!((&mixture.output_shape[..], mixture.parameters), (&[8, 30][..], 1));
        let summary = Architecture::from(config).build(3, 0).unwrap().summary();
        let shapes: Vec<&[usize]> = summary.rows.iter().map(|row| &row.output_shape[..]).collect();
        assert_eq!(shapes, [&[8, 30][..], &[30, 8], &[16], &[16], &[3]]);
    }

    #[test]
    fn means_of_the_last_blocks_are_mixed() {
        let config = WhisperHeadConfig { skipped: 2, pooling: HeadPooling::Means, ..Default::default() };
        assert_eq!(config.input().shape(), [5120]);
        let summary = Architecture::from(config).build(8, 0).unwrap().summary();
        let shapes: Vec<(&[usize], usize)> =
            summary.rows.iter().map(|row| (&row.output_shape[..], row.parameters)).collect();
        assert_eq!(shapes[0], (&[512][..], 3));
        assert_eq!(summary.trainable, 3 + 512 * 192 + 192 + 192 * 8 + 8);
    }

    #[test]
    fn a_linear_head_reads_all_statistics() {
        let config =
            WhisperHeadConfig { layers: HeadLayers::Concatenation, dense: vec![], ..Default::default() };
        let summary = Architecture::from(config.clone()).build(8, 0).unwrap().summary();
        assert_eq!(summary.trainable, 5120 * 8 + 8);
        for (skipped, pooling) in [(1, HeadPooling::Statistics), (0, HeadPooling::Means)] {
            let config = WhisperHeadConfig { skipped, pooling, ..config.clone() };
            let error = Architecture::from(config).build(8, 0).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with("whisper-head: layers must be mixture unless"), "{error}");
        }
        let written = serde_json::to_string(&config).unwrap();
        assert!(written.contains(r#""layers":"concatenation""#));
        assert_eq!(serde_json::from_str::<WhisperHeadConfig>(&written).unwrap(), config);
        assert!(!serde_json::to_string(&WhisperHeadConfig::default()).unwrap().contains("layers"));
    }

    #[test]
    fn tuned_blocks_follow_the_frames_that_they_read() {
        let tuned = Some(TunedBlocks { hidden: 96, frames: 30, ..Default::default() });
        let config = WhisperHeadConfig {
            tuned,
            width: 128,
            skipped: 2,
            pooling: HeadPooling::Means,
            dense: vec![],
            ..Default::default()
        };
        // The input has outputs 2 and 3. Output 4 is that of the tuned block.
        let input = ModelInput::EncodedFrames { skipped: 2, layers: 2, width: 128, frames: 30 };
        assert_eq!(config.input(), input);
        let summary = Architecture::from(config.clone()).build(8, 0).unwrap().summary();
        let rows: Vec<(&[usize], usize)> =
            summary.rows.iter().map(|row| (&row.output_shape[..], row.parameters)).collect();
        let block = 4 * 128 * 128 + 3 * 128 + 2 * 96 * 128 + 96 + 128 + 4 * 128;
        assert_eq!(rows[..3], [(&[384, 30][..], block), (&[768], 0), (&[768], 3 * 768)]);
        assert_eq!(rows[3], (&[128][..], 3));
        assert_eq!((summary.trainable, summary.statistics), (block + 3 + 128 * 8 + 8, 3 * 768));
        let written = serde_json::to_string(&config).unwrap();
        assert!(written.contains(r#""tuned":{"blocks":1,"hidden":96,"frames":30}"#), "{written}");
        assert_eq!(serde_json::from_str::<WhisperHeadConfig>(&written).unwrap(), config);
        assert!(!serde_json::to_string(&WhisperHeadConfig::default()).unwrap().contains("tuned"));

        let refused = |tuned: TunedBlocks, width, pooling| {
            let config = WhisperHeadConfig { tuned: Some(tuned), width, pooling, ..config.clone() };
            Architecture::from(config).build(3, 0).map(|_| ()).unwrap_err().to_string()
        };
        let (means, default) = (HeadPooling::Means, TunedBlocks::default);
        let error = refused(TunedBlocks { blocks: 5, ..default() }, 128, means);
        assert_eq!(error, "whisper-head: tuned.blocks must be at most blocks, 4, got 5");
        let error = refused(default(), 100, means);
        assert_eq!(error, "whisper-head: width must be a multiple of 64 where blocks are tuned, got 100");
        let error = refused(default(), 128, HeadPooling::Attentive { units: 4, frames: 20 });
        assert_eq!(error, "whisper-head: tuned.frames must be those of the pooling, 20, got 150");
        let error = refused(TunedBlocks { frames: 0, ..default() }, 128, means);
        assert_eq!(error, "whisper-head: tuned.frames must be 1 or more, got 0");
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let refused = |config: WhisperHeadConfig| {
            Architecture::from(config).build(3, 0).map(|_| ()).unwrap_err().to_string()
        };
        let default = WhisperHeadConfig::default;
        assert!(refused(WhisperHeadConfig { blocks: 0, ..default() }).contains("blocks must be 1 or more"));
        assert!(
            refused(WhisperHeadConfig { skipped: 5, ..default() }).contains("must be more than are skipped")
        );
        assert!(refused(WhisperHeadConfig { width: 0, ..default() }).contains("width must be 1 or more"));
        assert!(refused(WhisperHeadConfig { dropout: 1.0, ..default() }).contains("rate must be"));
    }
}
