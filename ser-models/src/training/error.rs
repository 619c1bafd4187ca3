//! What can go wrong in training.

use crate::checkpoint::CheckpointError;
use crate::layers::LayerError;
use crate::models::InputError;
use crate::weights::WeightsError;
use ser_features::{ConfigError, SignalError};
use std::path::PathBuf;

/// Why a set of examples cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// There are no examples.
    #[error("the set is empty: 1 or more examples are needed")]
    Empty,
    /// Inputs, labels and ids are not equally many.
    #[error(
        "there must be one label and one id for each input: {inputs} inputs, {labels} labels, {ids} ids given"
    )]
    Lengths {
        /// Inputs given.
        inputs: usize,
        /// Labels given.
        labels: usize,
        /// Ids given.
        ids: usize,
    },
    /// A clip is not of the input's shape.
    #[error("input {clip}: {given} numbers were given, shape {shape:?} has {}", shape.iter().product::<usize>())]
    InputSize {
        /// The clip, counted from 0.
        clip: usize,
        /// The input's shape.
        shape: Vec<usize>,
        /// How many numbers the clip has.
        given: usize,
    },
    /// Clips and their numbers of frames are not equally many.
    #[error("there must be a number of frames for each clip: {given} for {clips} clips were given")]
    FramesGiven {
        /// Clips in the set.
        clips: usize,
        /// Numbers given.
        given: usize,
    },
    /// A clip's own frames are none, or more than its input has.
    #[error("clip {id}: its own frames must be 1 or more and at most {most}: {given} was given")]
    Frames {
        /// The clip.
        id: String,
        /// Frames of the input.
        most: usize,
        /// Frames given.
        given: usize,
    },
    /// Clips and their samples are not equally many.
    #[error("there must be samples for each clip: {given} for {clips} clips were given")]
    AudioGiven {
        /// Clips in the set.
        clips: usize,
        /// Clips given as samples.
        given: usize,
    },
    /// A clip has no samples, or one that is NaN or infinite.
    #[error("clip {id}: its samples must be finite, and 1 or more")]
    Audio {
        /// The clip.
        id: String,
    },
    /// Clips are prepared at one sample rate, and features taken at another.
    #[error(
        "clips are prepared at {preparation} Hz and features expect {features} Hz; both must be the same"
    )]
    SampleRates {
        /// The preparation's rate in Hz.
        preparation: u32,
        /// The features' rate in Hz.
        features: u32,
    },
    /// A label is not one of the classes.
    #[error("clip {id}: the label must be below the number of classes, {classes}: {label} was given")]
    Label {
        /// The clip.
        id: String,
        /// Its label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// Two classes have one name.
    #[error("each class must have a name of its own: {name:?} was given twice")]
    LabelName {
        /// The name.
        name: String,
    },
    /// Two clips have one id.
    #[error("each clip must have an id of its own: {id} was given twice")]
    Id {
        /// The id.
        id: String,
    },
    /// A number is NaN or infinite.
    #[error("clip {id}: element {element} of its input must be finite")]
    NotFinite {
        /// The clip.
        id: String,
        /// Position in the input, in row-major order.
        element: usize,
    },
    /// An index does not exist.
    #[error("there are {clips} clips, number {index} was asked for")]
    Index {
        /// Examples in the set.
        clips: usize,
        /// The index asked for, counted from 0.
        index: usize,
    },
}

/// Why training could not begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// A setting is out of its range.
    #[error("{setting} {rule}, {given} was given")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What holds for it.
        rule: &'static str,
        /// What was given.
        given: String,
    },
    /// A class has no example to learn from.
    #[error("every class must have examples in the training part: {label:?} has none")]
    ClassWithoutExamples {
        /// The class.
        label: String,
    },
    /// Training and validation part name different classes.
    #[error("training and validation part must name the same classes: {training:?} and {validation:?} given")]
    LabelsDiffer {
        /// The training part's classes.
        training: Vec<String>,
        /// The validation part's classes.
        validation: Vec<String>,
    },
    /// A clip is in the training and in the validation part.
    #[error("no clip may be in both training and validation part: {id} is")]
    Overlap {
        /// The clip.
        id: String,
    },
    /// The examples do not have the shape that the model takes.
    #[error("{part} part: inputs must have shape {expected:?}, {given:?} was given")]
    InputShape {
        /// `training` or `validation`.
        part: &'static str,
        /// What the model takes.
        expected: Vec<usize>,
        /// What the set holds.
        given: Vec<usize>,
    },
    /// The loss, a weight, a statistic or an average of one is NaN or infinite.
    #[error("epoch {epoch}, {place}: {what} is {value}; a lower learning rate or gradient clipping may help")]
    NotFinite {
        /// The epoch, counted from 1.
        epoch: usize,
        /// Where in the epoch.
        place: String,
        /// What is not finite: the loss, or a value of a tensor by its name.
        what: String,
        /// NaN or infinite.
        value: f64,
    },
    /// A step failed.
    #[error("epoch {epoch}, {place}: {cause}")]
    Failed {
        /// The epoch, counted from 1.
        epoch: usize,
        /// Where in the epoch.
        place: String,
        /// Why.
        cause: Box<TrainingError>,
    },
    /// No features could be taken of a clip that was changed as sound.
    #[error("clip {id}: {cause}")]
    Audio {
        /// The clip.
        id: String,
        /// Why.
        cause: SignalError,
    },
    /// The features of the clips do not give the model's input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A setting of the features is out of its range.
    #[error(transparent)]
    Features(#[from] ConfigError),
    /// Nothing has been learnt yet, so there is nothing to make a checkpoint of.
    #[error("no epoch has ended yet: there is nothing to save")]
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

/// Why a training state could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file could not be written or read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: std::io::Error,
    },
    /// The file is no training state, or a damaged one.
    #[error("{}: no training state, or a damaged one: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file has a format that this version does not know.
    #[error("{}: this training state has format {given}, format {expected} was expected: another version wrote it", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        given: u64,
        /// The format that is read.
        expected: u64,
    },
    /// The state belongs to a run with other settings or other data.
    #[error("{}: the state is of another run: {what} is {given} there and {expected} here", path.display())]
    AnotherRun {
        /// The file.
        path: PathBuf,
        /// What differs: the first setting that does, by its name.
        what: String,
        /// This run's.
        expected: String,
        /// The file's.
        given: String,
    },
    /// A tensor of the state does not fit.
    #[error("{}: {cause}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: WeightsError,
    },
}
