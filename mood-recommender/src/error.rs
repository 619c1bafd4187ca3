//! Errors of recommendations.

use crate::feature::SongFeature;
use crate::mood::Mood;

/// Errors of recommendations.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecommendError {
    /// The catalogue has no songs.
    #[error("catalogue: songs must be 1 or more, got 0")]
    EmptyCatalog,
    /// A weight is not a finite number.
    #[error("weights for {mood}: {feature} must be a finite number, got {given}")]
    Weight {
        /// The listener's mood.
        mood: Mood,
        /// The feature.
        feature: SongFeature,
        /// Its weight.
        given: f64,
    },
    /// All weights for a mood are 0.
    #[error("weights for {mood}: the number of values other than 0 must be 1 or more, got 0")]
    ZeroWeights {
        /// The listener's mood.
        mood: Mood,
    },
    /// An option lies outside its range.
    #[error("options: {option} must be {expected}, got {given}")]
    Option {
        /// The option.
        option: &'static str,
        /// The valid values.
        expected: &'static str,
        /// The value given.
        given: String,
    },
}
