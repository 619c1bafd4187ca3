//! Errors of training.

use crate::checkpoint::CheckpointError;
use crate::files::FileError;
use crate::input::InputError;
use crate::layers::LayerError;
use crate::setting::SettingError;
use ser_features::{ConfigError, SignalError};

/// Errors of training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// A setting is out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A class has no training example.
    #[error("training part: examples of class {label:?} must be 1 or more, got 0")]
    ClassWithoutExamples {
        /// The class.
        label: String,
    },
    /// Training and validation part name different classes.
    #[error("validation part: classes must be the training part's, {training:?}, got {validation:?}")]
    LabelsDiffer {
        /// The training part's classes.
        training: Vec<String>,
        /// The validation part's classes.
        validation: Vec<String>,
    },
    /// The training part has other classes than the checkpoint to begin from.
    #[error(
        "training part: classes must be those of the checkpoint to begin from, {expected:?}, got {given:?}"
    )]
    OtherLabels {
        /// The checkpoint's classes.
        expected: Vec<String>,
        /// The training part's classes.
        given: Vec<String>,
    },
    /// A clip of the validation part was in the training part of the checkpoint to begin from.
    #[error("validation part: clips must not have trained the checkpoint to begin from, got {id}")]
    Known {
        /// The clip.
        id: String,
    },
    /// A clip is in the training and in the validation part.
    #[error("validation part: clips must not be in the training part, got {id}")]
    Overlap {
        /// The clip.
        id: String,
    },
    /// The examples do not have the model's input shape.
    #[error("{part} part: inputs must have shape {expected:?}, got {given:?}")]
    InputShape {
        /// `training` or `validation`.
        part: &'static str,
        /// The model's input shape.
        expected: Vec<usize>,
        /// The shape of the set's examples.
        given: Vec<usize>,
    },
    /// The loss, a weight, a statistic, a moving average or a value of the optimiser is NaN or infinite.
    #[error(
        "epoch {epoch}, {place}: {what} must be finite, got {value} (a lower learning_rate or clip_norm may help)"
    )]
    NotFinite {
        /// The epoch, counted from 1.
        epoch: usize,
        /// Place in the epoch: `batch 3 of 40`, or `validation`.
        place: String,
        /// The value that is not finite: the loss, or a tensor's name.
        what: String,
        /// NaN or infinite.
        value: f64,
    },
    /// A step failed.
    #[error("epoch {epoch}, {place}: {cause}")]
    Failed {
        /// The epoch, counted from 1.
        epoch: usize,
        /// Place in the epoch: `batch 3 of 40`, or `validation`.
        place: String,
        /// The reason.
        #[source]
        cause: Box<TrainingError>,
    },
    /// No features could be extracted from an augmented clip.
    #[error("clip {id}: {cause}")]
    Audio {
        /// The clip.
        id: String,
        /// The reason.
        #[source]
        cause: SignalError,
    },
    /// The features of the clips do not give the model's input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A setting of the features is out of its range.
    #[error(transparent)]
    Features(#[from] ConfigError),
    /// No epoch has ended, so there are no weights for a checkpoint.
    #[error("training: whole epochs must be 1 or more for a checkpoint, got 0")]
    NoEpoch,
    /// A layer failed.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The file for resuming could not be written or read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The checkpoint's parts contradict each other.
    #[error(transparent)]
    Checkpoint(Box<CheckpointError>),
    /// An operation on tensors failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl From<CheckpointError> for TrainingError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(Box::new(error))
    }
}

/// Errors of writing and reading a training state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file could not be written or read, or is damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// The state belongs to another run: the version of this crate, seed, architecture, settings, data or the checkpoint that it began from
    /// differ.
    #[error("{file}: {what} must be this run's, {expected}, got {given}: the state is of another run")]
    AnotherRun {
        /// The file.
        file: String,
        /// Name of the first setting that differs.
        what: String,
        /// The value of this run.
        expected: String,
        /// The value of the run in the file.
        given: String,
    },
}
