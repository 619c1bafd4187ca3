//! What can go wrong in a layer.

use crate::weights::WeightsError;

/// Why a layer could not be built or applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A setting is out of its range.
    #[error("{layer}: {setting} {rule}, {given} was given")]
    Setting {
        /// The layer, by its kind or name.
        layer: String,
        /// The setting.
        setting: &'static str,
        /// What holds for the setting.
        rule: &'static str,
        /// What was given.
        given: String,
    },
    /// The input does not have the shape that the layer takes.
    #[error("{layer}: each example must have shape {expected}, {given:?} was given")]
    InputShape {
        /// The layer, by its kind.
        layer: &'static str,
        /// What it takes, without the batch axis.
        expected: String,
        /// What was given, without the batch axis.
        given: Vec<usize>,
    },
    /// The input holds no example.
    #[error("{layer}: the input must be a batch of 1 or more examples, its shape is {given:?}")]
    EmptyBatch {
        /// The layer, by its kind.
        layer: &'static str,
        /// The input's shape.
        given: Vec<usize>,
    },
    /// The input is too short for the layer's window.
    #[error("{layer}: the window reaches over {window} steps, the input has only {length}")]
    TooShort {
        /// The layer, by its kind.
        layer: &'static str,
        /// Steps that the window reaches over.
        window: usize,
        /// Steps of the input.
        length: usize,
    },
    /// The clips' lengths don't fit the batch.
    #[error("{layer}: there must be a length of 1 to {frames} frames for each of {batch} clips, {given}")]
    Lengths {
        /// The layer, by its kind.
        layer: &'static str,
        /// Frames of each clip with its padding.
        frames: usize,
        /// Clips in the batch.
        batch: usize,
        /// What was given.
        given: String,
    },
    /// Batch normalisation was asked to learn from a single example.
    #[error("BatchNorm: training needs a batch of 2 or more examples, 1 was given")]
    BatchOfOne,
    /// A label is not one of the classes.
    #[error("a label must be below the number of classes, {classes}: {label} was given")]
    Label {
        /// The label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A given tensor does not fit the layer.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// An operation on tensors failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl LayerError {
    /// A setting that breaks a rule.
    pub(crate) fn setting(
        layer: &str,
        setting: &'static str,
        rule: &'static str,
        given: impl ToString,
    ) -> Self {
        Self::Setting { layer: layer.to_owned(), setting, rule, given: given.to_string() }
    }
}
