//! Errors of sets of examples.

/// Errors of a set of examples.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// There are no examples, or the examples have no elements.
    #[error("dataset: examples must be 1 or more, got 0")]
    Empty,
    /// A list with one entry for each clip has the wrong length.
    #[error("dataset: {what} must be as many as clips, {clips}, got {given}")]
    Count {
        /// Name of the list, such as `labels`.
        what: &'static str,
        /// Number of clips in the set.
        clips: usize,
        /// Number of entries given.
        given: usize,
    },
    /// A clip does not have as many values as the input's shape, or its values are not contiguous `f32`.
    #[error("input {clip}: numbers must be {}, as shape {shape:?} holds, got {given}", shape.iter().product::<usize>())]
    InputSize {
        /// The clip, counted from 0.
        clip: usize,
        /// The input's shape.
        shape: Vec<usize>,
        /// Number of values in the clip.
        given: usize,
    },
    /// A clip has no valid frames, or more than its input has.
    #[error("clip {id}: valid frames must be 1 to {most}, got {given}")]
    Frames {
        /// The clip.
        id: String,
        /// Frames of the input.
        most: usize,
        /// Frames given.
        given: usize,
    },
    /// A clip's soft labels are not probabilities.
    #[error("clip {id}: soft labels must be {classes} probabilities with the sum 1, got {given:?}")]
    SoftLabels {
        /// The clip.
        id: String,
        /// The number of classes.
        classes: usize,
        /// The row given.
        given: Vec<f32>,
    },
    /// A clip has no samples, or one that is NaN or infinite.
    #[error("clip {id}: samples must be 1 or more finite numbers, got {given}")]
    Audio {
        /// The clip.
        id: String,
        /// `none`, or the first sample that is not finite and its index, counted from 0.
        given: String,
    },
    /// Clips are prepared at one sample rate, and features taken at another.
    #[error("features: sample_rate must be the preparation's, {preparation} Hz, got {features} Hz")]
    SampleRates {
        /// The preparation's rate in Hz.
        preparation: u32,
        /// The features' rate in Hz.
        features: u32,
    },
    /// A label is not one of the classes.
    #[error("clip {id}: label must be below the number of classes, {classes}, got {label}")]
    Label {
        /// The clip.
        id: String,
        /// Its label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// Two classes have one name.
    #[error("dataset: names of classes must differ, got {name:?} twice")]
    LabelName {
        /// The name.
        name: String,
    },
    /// Two clips have one id.
    #[error("dataset: ids of clips must differ, got {id} twice")]
    Id {
        /// The id.
        id: String,
    },
    /// Two sets that are to be one do not fit together.
    #[error("dataset: {what} must be those of the other set, {expected}, got {given}")]
    Other {
        /// What differs, such as `classes`.
        what: &'static str,
        /// That of the first set.
        expected: String,
        /// That of the second set.
        given: String,
    },
    /// A number is NaN or infinite.
    #[error("clip {id}: element {element} of the input must be finite, got {given}")]
    NotFinite {
        /// The clip.
        id: String,
        /// Position in the input, in row-major order.
        element: usize,
        /// The number.
        given: f32,
    },
    /// An index does not exist.
    #[error("dataset: index must be below the number of clips, {clips}, got {index}")]
    Index {
        /// Examples in the set.
        clips: usize,
        /// The index asked for, counted from 0.
        index: usize,
    },
}
