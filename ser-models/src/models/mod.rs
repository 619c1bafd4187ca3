//! Architectures: kinds of network with their sizes.
//!
//! A checkpoint records an [`Architecture`], and a trainer takes one. [`Architecture::build`] makes the [`Model`]. Trainers, checkpoints
//! and recognisers use the model without knowledge of its layers. CONTRIBUTING.md says how to add an architecture.

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
pub use whisper_head::{HeadLayers, HeadPooling, TunedBlocks, WhisperHeadConfig};

pub use crate::input::{InputError, ModelInput};
use crate::layers::{LayerError, Sequential};
use crate::parameters::Parameters;
use candle_core::DType;
use serde::{Deserialize, Serialize};

/// Defines [`Architecture`] from two tables. `kinds` has a row for each kind of network: variant, configuration, name, and the module with
/// its function `network`. `ready` maps names to ready configurations.
macro_rules! architectures {
    (
        kinds { $($(#[$about:meta])* $kind:ident($config:ident), $name:literal, $module:ident;)* }
        ready { $($ready:literal => $sizes:expr;)* }
    ) => {
        /// A kind of network with its sizes.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name")]
        #[non_exhaustive]
        pub enum Architecture {
            $($(#[$about])* #[serde(rename = $name)] $kind($config),)*
        }

        impl Architecture {
            /// The names of all kinds of network.
            pub const KINDS: [&'static str; [$($name),*].len()] = [$($name),*];

            /// The names that [`Architecture::named`] accepts: each kind that can be trained, in its default sizes, and other ready
            /// configurations.
            pub const NAMES: [&'static str; [$($ready),*].len()] = [$($ready),*];

            /// Returns a ready configuration by its name, one of [`Architecture::NAMES`]. Names that end in `-benchmark` have the sizes for
            /// comparisons of this crate with PyTorch, and so have `cnn-1d-issa` and `hybrid`.
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($ready => Some($sizes.into()),)*
                    _ => None,
                }
            }

            /// The name of the kind of network, one of [`Architecture::KINDS`].
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $name,)*
                }
            }

            /// Kind and shape of one input of the network.
            pub fn input(&self) -> ModelInput {
                match self {
                    $(Self::$kind(config) => config.input(),)*
                }
            }

            /// Builds the layers of one network, with their tensors in `parameters`.
            fn network(&self, classes: usize, parameters: &Parameters) -> Result<Sequential, LayerError> {
                match self {
                    $(Self::$kind(config) => $module::network(config, classes, parameters),)*
                }
            }
        }

        $(impl From<$config> for Architecture {
            fn from(config: $config) -> Self {
                Self::$kind(config)
            }
        })*
    };
}

architectures! {
    kinds {
        /// One-dimensional convolutions over a feature vector.
        Cnn1d(Cnn1dConfig), "cnn-1d", cnn_1d;
        /// Two-dimensional convolutions over MFCC or several features, then an LSTM.
        CnnLstm(CnnLstmConfig), "cnn-lstm", cnn_lstm;
        /// One-dimensional convolutions over all features of every frame, then LSTM layers.
        Hybrid(HybridConfig), "hybrid", hybrid;
        /// A SimpleRNN and an LSTM over a mel image.
        RnnLstm(RnnLstmConfig), "rnn-lstm", rnn_lstm;
        /// LSTM layers with attention over time.
        AttentionLstm(AttentionLstmConfig), "attention-lstm", attention_lstm;
        /// Dilated convolutions, forward and backward in time.
        TimNet(TimNetConfig), "tim-net", tim_net;
        /// Two-dimensional convolutions over a mel spectrogram with attention over time.
        CnnAttention(CnnAttentionConfig), "cnn-attention", cnn_attention;
        /// A learned mixture of the outputs of Whisper's encoder, and dense layers.
        WhisperHead(WhisperHeadConfig), "whisper-head", whisper_head;
        /// Several networks with averaged probabilities.
        Ensemble(EnsembleConfig), "ensemble", ensemble;
    }
    ready {
        "cnn-1d" => Cnn1dConfig::default();
        "cnn-1d-issa" => Cnn1dConfig::issa();
        "cnn-lstm" => CnnLstmConfig::default();
        "cnn-lstm-bn" => CnnLstmConfig::batch_normalized();
        "cnn-lstm-benchmark" => CnnLstmConfig::benchmark(false);
        "cnn-lstm-bn-benchmark" => CnnLstmConfig::benchmark(true);
        "hybrid" => HybridConfig::default();
        "rnn-lstm" => RnnLstmConfig::default();
        "rnn-lstm-benchmark" => RnnLstmConfig::benchmark();
        "attention-lstm" => AttentionLstmConfig::default();
        "tim-net" => TimNetConfig::default();
        "cnn-attention" => CnnAttentionConfig::default();
        "whisper-head" => WhisperHeadConfig::default();
    }
}

impl Architecture {
    /// Builds the network with initial weights from `seed`, in `f32` on the CPU.
    ///
    /// # Errors
    /// [`LayerError::Setting`] or [`LayerError::TooShort`] if the sizes don't fit together, or there are fewer than two classes;
    /// [`LayerError::Parameter`] if there would be too many tensors, or too large ones.
    pub fn build(&self, classes: usize, seed: u64) -> Result<Model, LayerError> {
        self.build_with(classes, Parameters::new(seed, DType::F32))
    }

    /// Builds the network with its tensors in `parameters`, which determine seed and element type.
    ///
    /// # Errors
    /// As [`Architecture::build`]; [`LayerError::Parameter`] also if `parameters` has a tensor with the name of a new one.
    pub fn build_with(&self, classes: usize, parameters: Parameters) -> Result<Model, LayerError> {
        Model::new(self, classes, parameters)
    }

    /// Returns the architecture of an ensemble's first member, or any other architecture itself.
    pub fn member(&self) -> &Self {
        match self {
            Self::Ensemble(config) => &config.network,
            single => single,
        }
    }

    /// Digest of the encoder whose outputs the network reads. It is empty if any encoder of the same sizes is accepted, and `None` for a
    /// network that reads features.
    pub fn encoder(&self) -> Option<&str> {
        match self.member() {
            Self::WhisperHead(config) => Some(&config.encoder),
            _ => None,
        }
    }

    /// Number of encoder blocks that the network reads, without those that are part of it. `None` for a network that reads features.
    pub fn encoder_blocks(&self) -> Option<usize> {
        match self.member() {
            Self::WhisperHead(config) => Some(config.encoder_blocks()),
            _ => None,
        }
    }
}
