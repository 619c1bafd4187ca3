//! A small network over the outputs of Whisper's encoder (`whisper-head`).

use super::blocks::with_head;
use crate::input::ModelInput;
use crate::json::is_default;
use crate::layers::{AttentionPool, Init, LayerError, LayerMixture, Sequential};
use crate::parameters::Parameters;
use crate::setting::Settings;
use serde::{Deserialize, Serialize};

/// Sizes of `whisper-head`.
///
/// The network reads only the outputs of a pretrained encoder. The outputs of the encoder's convolutions and of its first blocks are mixed
/// with trained weights, pooled over time and passed through dense layers.
///
/// | layer | output shape | parameters |
/// | --- | --- | --- |
/// | input: mean and deviation over time of the convolutions and of 4 blocks, 512 features each | \[5120\] | |
/// | learned mixture of the 5 | \[1024\] | 5 |
/// | dropout 0.4, dense, 192 units, ReLU | \[192\] | 196,800 |
/// | dropout 0.4, dense | \[classes\] | 772 for 4 classes |
///
/// With [`HeadPooling::Attentive`] the input is all frames, and the mixture is pooled by attention. With [`HeadLayers::Concatenation`] the
/// dense layers read all 5,120 statistics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhisperHeadConfig {
    /// Number of encoder blocks whose outputs are read, 1 or more; the output of the convolutions is read too.
    pub blocks: usize,
    /// Features of the encoder's frames: 512 in Whisper base.
    pub width: usize,
    /// Digest of the encoder's file ([`WhisperEncoder::digest`](crate::encoder::WhisperEncoder::digest)): a recogniser refuses any other
    /// encoder. If empty, any encoder of these sizes is accepted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub encoder: String,
    /// Combination of the outputs of the layers.
    #[serde(skip_serializing_if = "is_default")]
    pub layers: HeadLayers,
    /// Number of outputs to skip before the mixture, below `blocks` + 1: 0 includes the output of the convolutions, 2 begins with that of
    /// the second block.
    #[serde(skip_serializing_if = "is_default")]
    pub skipped: usize,
    /// Pooling of frames into one vector.
    pub pooling: HeadPooling,
    /// Dropout before each dense layer, 0 or more and below 1.
    pub dropout: f64,
    /// Units of dense layers with ReLU before the last one, which has one unit for each class; none makes the head linear.
    pub dense: Vec<usize>,
    /// Initial weights.
    pub init: Init,
}

/// Pooling of the encoder's frames into one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HeadPooling {
    /// Mean and standard deviation over time, taken before training.
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
    /// Side by side: the dense layers weight each feature of each layer. Reads the means and deviations of all outputs, so `skipped` must
    /// be 0 and `pooling` [`HeadPooling::Statistics`].
    Concatenation,
}

impl Default for WhisperHeadConfig {
    fn default() -> Self {
        Self {
            blocks: 4,
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
        let frames = match self.pooling {
            HeadPooling::Statistics | HeadPooling::Means => None,
            HeadPooling::Attentive { frames, .. } => Some(frames),
        };
        ModelInput::Encoded { layers: self.blocks.saturating_add(1), width: self.width, frames }
    }
}

/// The mixture, pooling where frames are read, and dense layers.
pub(super) fn network(
    config: &WhisperHeadConfig,
    classes: usize,
    parameters: &Parameters,
) -> Result<Sequential, LayerError> {
    let init = config.init;
    Settings("whisper-head").one_or_more([("blocks", config.blocks), ("width", config.width)])?;
    let mut net = Sequential::new(config.input().shape());
    if config.layers == HeadLayers::Concatenation {
        if config.skipped != 0 || config.pooling != HeadPooling::Statistics {
            let given = format!("{} and {:?}", config.skipped, config.pooling);
            let rule = "must be mixture unless skipped is 0 and pooling is statistics";
            return Err(LayerError::setting("whisper-head", "layers", rule, given));
        }
        return with_head(net, &config.dense, config.dropout, classes, init, parameters);
    }
    let parts = if config.pooling == HeadPooling::Means { 2 } else { 1 };
    let scope = parameters.scope("layer_mixture_1");
    net.push(
        "layer_mixture",
        LayerMixture::new(config.blocks.saturating_add(1), config.skipped, parts, &scope)?,
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
