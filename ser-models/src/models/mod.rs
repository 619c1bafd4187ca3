//! Architectures: each file one model.
//!
//! An [`Architecture`] is what a checkpoint records and a trainer is given; [`Architecture::build`] makes the
//! [`Model`], which is one thing to trainer, checkpoints and recogniser whatever its layers are.

mod batch;
mod cnn_1d;
mod front;
mod input;
mod resize;
mod summary;

pub use batch::Batch;
pub use cnn_1d::{BlockLayer, Cnn1d, Cnn1dConfig, ConvBlock};
pub use input::{ClipInput, InputError, ModelInput};
pub use summary::{Summary, SummaryRow};

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
}

impl Architecture {
    /// The names of all kinds of network.
    pub const KINDS: [&'static str; 1] = ["cnn-1d"];

    /// The names that [`Architecture::named`] knows.
    pub const NAMES: [&'static str; 2] = ["cnn-1d", "cnn-1d-issa"];

    /// A ready configuration by its name, one of [`Architecture::NAMES`].
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "cnn-1d" => Some(Self::Cnn1d(Cnn1dConfig::default())),
            "cnn-1d-issa" => Some(Self::Cnn1d(Cnn1dConfig::issa())),
            _ => None,
        }
    }

    /// The name of the kind of network, e.g. `cnn-1d`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Cnn1d(_) => "cnn-1d",
        }
    }

    /// The network with initial weights from `seed`, in `f32` on the CPU.
    ///
    /// # Errors
    /// [`LayerError::Setting`] or [`LayerError::TooShort`] if the sizes don't fit together, or for less than two classes.
    pub fn build(&self, classes: usize, seed: u64) -> Result<Box<dyn Model>, LayerError> {
        self.build_with(classes, Parameters::new(seed, DType::F32, &Device::Cpu))
    }

    /// The network with its tensors made in `parameters`.
    pub(crate) fn build_with(
        &self,
        classes: usize,
        parameters: Parameters,
    ) -> Result<Box<dyn Model>, LayerError> {
        Ok(match self {
            Self::Cnn1d(config) => Box::new(Cnn1d::with_parameters(config, classes, parameters)?),
        })
    }

    /// What one input of the network is.
    pub fn input(&self) -> ModelInput {
        match self {
            Self::Cnn1d(config) => ModelInput::Vector { features: config.features },
        }
    }
}

impl From<Cnn1dConfig> for Architecture {
    fn from(config: Cnn1dConfig) -> Self {
        Self::Cnn1d(config)
    }
}
