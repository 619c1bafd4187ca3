//! A song of a list, with score and reason.

use serde::Serialize;

use crate::song::Song;

/// A song of a list.
///
/// Serialised, it is one object: the song's fields, with its extra columns in the object `extra`, then `score` and `reason`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation<'a> {
    /// The song.
    #[serde(flatten)]
    pub song: &'a Song,
    /// Score from 0 to 1: the weighted mean of the strategy's features ([`Aim::weights`](crate::Aim::weights)), mixed with the listener's
    /// taste if a profile is given, times the probability of the moods that lead to the song. In a journey: 1 minus the distance in the
    /// valence–energy plane from the song to its waypoint, at least 0.
    pub score: f32,
    /// The reason for the choice, in words and numbers.
    pub reason: String,
}
