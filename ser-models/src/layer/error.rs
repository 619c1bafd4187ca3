//! Errors of layers.

use crate::kernels::TooShort;
use crate::parameters::ParameterError;
use crate::setting::{SettingError, Settings};

/// Errors of building and applying a layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A setting is out of its range, or the layer cannot take padded examples with its settings.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The input does not have the layer's input shape.
    #[error("{layer}: each example must have shape {expected}, got {given:?}")]
    InputShape {
        /// The layer, by its kind, or by its name for a Candle module.
        layer: String,
        /// The expected shape, without the batch axis.
        expected: String,
        /// The shape given, without the batch axis.
        given: Vec<usize>,
    },
    /// The output of a Candle module has another shape than was declared.
    #[error("{layer}: each example that comes out must have shape {expected:?}, got {given:?}")]
    OutputShape {
        /// The layer, by its name.
        layer: String,
        /// The declared shape, without the batch axis.
        expected: Vec<usize>,
        /// The shape found, without the batch axis.
        given: Vec<usize>,
    },
    /// The input holds no example.
    #[error("{layer}: the input must be a batch of 1 or more examples, got shape {given:?}")]
    EmptyBatch {
        /// The layer, by its kind.
        layer: &'static str,
        /// The input's shape.
        given: Vec<usize>,
    },
    /// The input is too short for the layer's window.
    #[error("{layer}: the input must have as many steps as the window spans, {window}, got {length}")]
    TooShort {
        /// The layer, by its kind.
        layer: &'static str,
        /// Steps that the window reaches over.
        window: usize,
        /// Steps of the input.
        length: usize,
    },
    /// The clips' lengths don't fit the batch.
    #[error("{layer}: lengths must be 1 to {frames} frames for each of {batch} examples, got {given}")]
    Lengths {
        /// The layer, by its kind.
        layer: &'static str,
        /// Frames of each clip with its padding.
        frames: usize,
        /// Clips in the batch.
        batch: usize,
        /// The value given.
        given: String,
    },
    /// Batch normalisation cannot train on a single example.
    #[error("BatchNorm: the batch must have 2 or more examples in training, got 1")]
    BatchOfOne,
    /// A label is not one of the classes.
    #[error("CrossEntropy: labels must be below the number of classes, {classes}, got {label}")]
    Label {
        /// The label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// The tensors are not of an element type that layers take.
    #[error("layer: element type must be F32, or F64 with the cargo feature f64, got {given:?}")]
    ElementType {
        /// The type given.
        given: candle_core::DType,
    },
    /// A backward pass was requested, but the forward pass was inference.
    #[error("backward pass: mode of its forward pass must be training, got inference")]
    NoBackward,
    /// A tensor of the layer could not be made.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// An operation on tensors failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl LayerError {
    /// The error of an input with another shape than the layer's.
    pub(crate) fn input_shape(
        layer: impl Into<String>,
        expected: impl Into<String>,
        given: impl Into<Vec<usize>>,
    ) -> Self {
        Self::InputShape { layer: layer.into(), expected: expected.into(), given: given.into() }
    }

    /// The error of an input that is shorter than a layer's window.
    pub(crate) fn too_short(layer: &'static str, TooShort { window, length }: TooShort) -> Self {
        Self::TooShort { layer, window, length }
    }

    /// The error of a setting that breaks a rule.
    pub(crate) fn setting(
        layer: &str,
        setting: &'static str,
        rule: impl Into<String>,
        given: impl ToString,
    ) -> Self {
        Self::Setting(Settings(layer).error(setting, rule, given))
    }
}
