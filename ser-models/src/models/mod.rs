//! Architectures: each file one model.
//!
//! An [`Architecture`] is what a checkpoint records and a trainer is given; [`Architecture::build`] makes the
//! [`Model`], which is one thing to trainer, checkpoints and recogniser whatever its layers are.

mod attention_lstm;
mod batch;
mod cnn_1d;
mod cnn_attention;
mod cnn_lstm;
mod ensemble;
mod framed;
mod frames;
mod front;
mod hybrid;
mod image_blocks;
mod input;
mod resize;
mod rnn_lstm;
mod summary;
mod tim_net;

pub use attention_lstm::AttentionLstmConfig;
pub use batch::Batch;
pub use cnn_1d::{BlockLayer, Cnn1dConfig, ConvBlock};
pub use cnn_attention::CnnAttentionConfig;
pub use cnn_lstm::CnnLstmConfig;
pub use ensemble::EnsembleConfig;
pub use hybrid::HybridConfig;
pub use image_blocks::ImageBlock;
pub use input::{ClipInput, InputError, ModelInput};
pub use rnn_lstm::RnnLstmConfig;
pub use summary::{Summary, SummaryRow};
pub use tim_net::TimNetConfig;

use attention_lstm::AttentionLstm;
use cnn_1d::Cnn1d;
use cnn_attention::CnnAttention;
use cnn_lstm::CnnLstm;
use ensemble::Ensemble;
use framed::{Built, Framed};
use hybrid::Hybrid;
use rnn_lstm::RnnLstm;
use tim_net::TimNet;

use crate::layers::{LayerError, Mode};
use crate::parameters::Parameters;
use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

/// A network that tells classes apart.
pub trait Model: std::fmt::Debug + Send + Sync {
    /// Logits [batch, classes] for a batch of inputs [batch, …], each of [`Model::input`]'s shape. Models that read clips frame
    /// by frame mind how many of the frames are real; the others don't look at the lengths.
    ///
    /// # Errors
    /// [`LayerError::InputShape`] for any other shape, [`LayerError::Setting`] for lengths that don't fit it, [`LayerError::BatchOfOne`] where batch normalisation would learn
    /// from one example.
    fn forward(&self, batch: &Batch, mode: &mut Mode<'_>) -> Result<Tensor, LayerError>;

    /// How many networks answer. One that is several gives in training the logits of every member for every input that the member is
    /// given, [members · batch, classes], those of the first member first.
    fn members(&self) -> usize {
        1
    }

    /// How many batches it takes at once in training, one after the other as one: as many as members, where each member is given its
    /// own, or 1.
    fn batches(&self) -> usize {
        1
    }

    /// All weights and statistics, named, in a fixed order.
    fn parameters(&self) -> &Parameters;

    /// What one input is.
    fn input(&self) -> ModelInput;

    /// How many classes it tells apart.
    fn classes(&self) -> usize;

    /// The layers with their output shapes and parameters, as Keras prints them.
    fn summary(&self) -> Summary;
}

/// A kind of network with its sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Architecture {
    /// One-dimensional convolutions over a feature vector.
    #[serde(rename = "cnn-1d")]
    Cnn1d(Cnn1dConfig),
    /// Two-dimensional convolutions over MFCC or several features, then an LSTM.
    CnnLstm(CnnLstmConfig),
    /// One-dimensional convolutions over all features of every frame, then LSTM layers.
    Hybrid(HybridConfig),
    /// A SimpleRNN and an LSTM over a mel image.
    RnnLstm(RnnLstmConfig),
    /// LSTM layers with attention over time.
    AttentionLstm(AttentionLstmConfig),
    /// Dilated convolutions in both directions of time.
    TimNet(TimNetConfig),
    /// Two-dimensional convolutions over a mel spectrogram with attention over time.
    CnnAttention(CnnAttentionConfig),
    /// Several networks that answer together.
    Ensemble(EnsembleConfig),
}

impl Architecture {
    /// The names of all kinds of network.
    pub const KINDS: [&'static str; 8] = [
        "cnn-1d",
        "cnn-lstm",
        "hybrid",
        "rnn-lstm",
        "attention-lstm",
        "tim-net",
        "cnn-attention",
        "ensemble",
    ];

    /// The names that [`Architecture::named`] knows: each kind in its default sizes, and other ready sizes.
    pub const NAMES: [&'static str; 13] = [
        "cnn-1d",
        "cnn-1d-issa",
        "cnn-lstm",
        "cnn-lstm-bn",
        "cnn-lstm-benchmark",
        "cnn-lstm-bn-benchmark",
        "hybrid",
        "rnn-lstm",
        "rnn-lstm-benchmark",
        "attention-lstm",
        "tim-net",
        "cnn-attention",
        "ensemble",
    ];

    /// A ready configuration by its name, one of [`Architecture::NAMES`]. Those that end in `-benchmark` have the sizes by which
    /// this crate is compared with PyTorch; `cnn-1d-issa` and `hybrid` have them too.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "cnn-1d" => Cnn1dConfig::default().into(),
            "cnn-1d-issa" => Cnn1dConfig::issa().into(),
            "cnn-lstm" => CnnLstmConfig::default().into(),
            "cnn-lstm-bn" => CnnLstmConfig::batch_normalized().into(),
            "cnn-lstm-benchmark" => CnnLstmConfig::benchmark(false).into(),
            "cnn-lstm-bn-benchmark" => CnnLstmConfig::benchmark(true).into(),
            "hybrid" => HybridConfig::default().into(),
            "rnn-lstm" => RnnLstmConfig::default().into(),
            "rnn-lstm-benchmark" => RnnLstmConfig::benchmark().into(),
            "attention-lstm" => AttentionLstmConfig::default().into(),
            "tim-net" => TimNetConfig::default().into(),
            "cnn-attention" => CnnAttentionConfig::default().into(),
            "ensemble" => EnsembleConfig::default().into(),
            _ => return None,
        })
    }

    /// The name of the kind of network, one of [`Architecture::KINDS`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Cnn1d(_) => "cnn-1d",
            Self::CnnLstm(_) => "cnn-lstm",
            Self::Hybrid(_) => "hybrid",
            Self::RnnLstm(_) => "rnn-lstm",
            Self::AttentionLstm(_) => "attention-lstm",
            Self::TimNet(_) => "tim-net",
            Self::CnnAttention(_) => "cnn-attention",
            Self::Ensemble(_) => "ensemble",
        }
    }

    /// The network with initial weights from `seed`, in `f32` on the CPU.
    ///
    /// # Errors
    /// [`LayerError::Setting`] or [`LayerError::TooShort`] if the sizes don't fit together, or for less than two classes.
    pub fn build(&self, classes: usize, seed: u64) -> Result<Box<dyn Model>, LayerError> {
        self.build_with(classes, Parameters::new(seed, DType::F32, &Device::Cpu))
    }

    /// The network with its tensors made in `parameters`, which decide on seed, element type and device.
    ///
    /// # Errors
    /// As [`Architecture::build`].
    pub fn build_with(&self, classes: usize, parameters: Parameters) -> Result<Box<dyn Model>, LayerError> {
        Ok(Box::new(Framed::new(self, classes, parameters)?))
    }

    /// The layers, made in `parameters`.
    fn network(&self, classes: usize, parameters: &mut Parameters) -> Result<Built, LayerError> {
        match self {
            Self::Cnn1d(config) => Cnn1d::build(config, classes, parameters),
            Self::CnnLstm(config) => CnnLstm::build(config, classes, parameters),
            Self::Hybrid(config) => Hybrid::build(config, classes, parameters),
            Self::RnnLstm(config) => RnnLstm::build(config, classes, parameters),
            Self::AttentionLstm(config) => AttentionLstm::build(config, classes, parameters),
            Self::TimNet(config) => TimNet::build(config, classes, parameters),
            Self::CnnAttention(config) => CnnAttention::build(config, classes, parameters),
            Self::Ensemble(config) => Ensemble::build(config, classes, parameters),
        }
    }

    /// How many networks answer: 1 for all but an ensemble.
    pub fn members(&self) -> usize {
        match self {
            Self::Ensemble(config) => config.members,
            _ => 1,
        }
    }

    /// How many batches the network takes at once in training: 1, but for an ensemble with
    /// [`own_batches`](EnsembleConfig::own_batches).
    pub fn batches(&self) -> usize {
        match self {
            Self::Ensemble(config) if config.own_batches => config.members,
            _ => 1,
        }
    }

    /// How much each network's answer counts: 1 for all but an ensemble. It must have been built before: one that cannot be may have
    /// any number of members.
    pub(crate) fn member_weights(&self) -> Vec<f64> {
        match self {
            Self::Ensemble(config) => config.member_weights(),
            _ => vec![1.0],
        }
    }

    /// The network that every member of an ensemble is; all others themselves.
    pub fn member(&self) -> &Self {
        match self {
            Self::Ensemble(config) => &config.network,
            single => single,
        }
    }

    /// What one input of the network is.
    pub fn input(&self) -> ModelInput {
        match self {
            Self::Cnn1d(config) => ModelInput::Vector { features: config.features },
            Self::CnnLstm(config) => config.input(),
            Self::Hybrid(config) => config.input(),
            Self::RnnLstm(config) => config.input(),
            Self::AttentionLstm(config) => config.input(),
            Self::TimNet(config) => config.input(),
            Self::CnnAttention(config) => config.input(),
            // One that holds another cannot be built.
            Self::Ensemble(config) => config.network.input(),
        }
    }
}

macro_rules! from {
    ($($kind:ident $config:ident),*) => {$(
        impl From<$config> for Architecture {
            fn from(config: $config) -> Self {
                Self::$kind(config)
            }
        }
    )*};
}

from!(
    Cnn1d Cnn1dConfig, CnnLstm CnnLstmConfig, Hybrid HybridConfig, RnnLstm RnnLstmConfig,
    AttentionLstm AttentionLstmConfig, TimNet TimNetConfig, CnnAttention CnnAttentionConfig,
    Ensemble EnsembleConfig
);
