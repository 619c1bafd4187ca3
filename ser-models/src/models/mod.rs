//! Architectures: each file one model.
//!
//! An [`Architecture`] is what a checkpoint records and a trainer is given; [`Architecture::build`] makes the
//! [`Model`], which is one thing to trainer, checkpoints and recogniser whatever its layers are. To add an architecture: a
//! file here with its sizes (`…Config`) and a function `network` that adds its layers to a [`Sequential`], and a variant of
//! [`Architecture`].

mod attention_lstm;
mod blocks;
mod cnn_1d;
mod cnn_attention;
mod cnn_lstm;
mod ensemble;
mod front;
mod hybrid;
mod model;
mod rnn_lstm;
mod summary;
mod tim_net;
mod whisper_head;

pub use attention_lstm::AttentionLstmConfig;
pub use blocks::{BlockLayer, ConvBlock};
pub use cnn_1d::Cnn1dConfig;
pub use cnn_attention::CnnAttentionConfig;
pub use cnn_lstm::CnnLstmConfig;
pub use ensemble::EnsembleConfig;
pub use hybrid::HybridConfig;
pub use model::Model;
pub use rnn_lstm::RnnLstmConfig;
pub use summary::Summary;
pub use tim_net::TimNetConfig;
pub use whisper_head::{HeadPooling, WhisperHeadConfig};

pub use crate::input::{InputError, ModelInput};
use crate::layers::{LayerError, Sequential};
use crate::parameters::Parameters;
use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};

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
    /// A learned mixture of what Whisper's encoder heard, and dense layers.
    WhisperHead(WhisperHeadConfig),
    /// Several networks that answer together.
    Ensemble(EnsembleConfig),
}

impl Architecture {
    /// The names of all kinds of network.
    pub const KINDS: [&'static str; 9] = [
        "cnn-1d",
        "cnn-lstm",
        "hybrid",
        "rnn-lstm",
        "attention-lstm",
        "tim-net",
        "cnn-attention",
        "whisper-head",
        "ensemble",
    ];

    /// The names that [`Architecture::named`] knows: each kind that can be trained in its default sizes, and other ready sizes.
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
        "whisper-head",
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
            "whisper-head" => WhisperHeadConfig::default().into(),
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
            Self::WhisperHead(_) => "whisper-head",
            Self::Ensemble(_) => "ensemble",
        }
    }

    /// The network with initial weights from `seed`, in `f32` on the CPU.
    ///
    /// # Errors
    /// [`LayerError::Setting`] or [`LayerError::TooShort`] if the sizes don't fit together, or for less than two classes.
    pub fn build(&self, classes: usize, seed: u64) -> Result<Model, LayerError> {
        self.build_with(classes, Parameters::new(seed, DType::F32, &Device::Cpu))
    }

    /// The network with its tensors made in `parameters`, which decide on seed and element type.
    ///
    /// # Errors
    /// As [`Architecture::build`].
    pub fn build_with(&self, classes: usize, parameters: Parameters) -> Result<Model, LayerError> {
        Model::new(self, classes, parameters)
    }

    /// The layers of one network, made in `parameters`.
    fn network(&self, classes: usize, parameters: &Parameters) -> Result<Sequential, LayerError> {
        match self {
            Self::Cnn1d(config) => cnn_1d::network(config, classes, parameters),
            Self::CnnLstm(config) => cnn_lstm::network(config, classes, parameters),
            Self::Hybrid(config) => hybrid::network(config, classes, parameters),
            Self::RnnLstm(config) => rnn_lstm::network(config, classes, parameters),
            Self::AttentionLstm(config) => attention_lstm::network(config, classes, parameters),
            Self::TimNet(config) => tim_net::network(config, classes, parameters),
            Self::CnnAttention(config) => cnn_attention::network(config, classes, parameters),
            Self::WhisperHead(config) => whisper_head::network(config, classes, parameters),
            Self::Ensemble(_) => {
                Err(LayerError::setting("ensemble", "network", "must be no ensemble", "ensemble"))
            }
        }
    }

    /// How many networks answer: 1 for all but an ensemble.
    pub fn members(&self) -> usize {
        match self {
            Self::Ensemble(config) => config.count(),
            _ => 1,
        }
    }

    /// The network that the first member of an ensemble is; all others themselves.
    pub fn member(&self) -> &Self {
        match self {
            Self::Ensemble(config) => &config.network,
            single => single,
        }
    }

    /// Digest of the encoder whose outputs the network reads, empty where any of its sizes will do; `None` for a network that reads
    /// features.
    pub fn encoder(&self) -> Option<&str> {
        match self.member() {
            Self::WhisperHead(config) => Some(&config.encoder),
            _ => None,
        }
    }

    /// How many of the encoder's blocks such a network reads; `None` for a network that reads features.
    pub fn encoder_blocks(&self) -> Option<usize> {
        match self.member() {
            Self::WhisperHead(config) => Some(config.blocks),
            _ => None,
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
            Self::WhisperHead(config) => config.input(),
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
    AttentionLstm AttentionLstmConfig, TimNet TimNetConfig, CnnAttention CnnAttentionConfig, WhisperHead WhisperHeadConfig,
    Ensemble EnsembleConfig
);
