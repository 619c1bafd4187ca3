//! Why there is no list.

use crate::feature::Feature;
use crate::mood::Mood;

/// Why there is no list.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecommendError {
    /// The catalogue has no songs.
    #[error("a catalogue to recommend from must have at least one song")]
    EmptyCatalog,
    /// A weight is not a finite number.
    #[error("the weight of {feature} for {mood} must be a finite number, given {given}")]
    Weight {
        /// The listener's mood.
        mood: Mood,
        /// The feature.
        feature: Feature,
        /// Its weight.
        given: f64,
    },
    /// The weights for a mood say nothing.
    #[error("the weights for {mood} cannot all be 0")]
    ZeroWeights {
        /// The listener's mood.
        mood: Mood,
    },
    /// An option lies outside its range.
    #[error("{option} must be {expected}, given {given}")]
    Option {
        /// The option.
        option: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        given: String,
    },
}
