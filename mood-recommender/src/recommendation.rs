//! A song of a list, with score and reason.

use serde::Serialize;

use crate::song::Song;

/// A song of a list.
///
/// Serialised, it is one flat object: the song's fields, `score` and `reason`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation<'a> {
    /// The song.
    #[serde(flatten)]
    pub song: &'a Song,
    /// Score from 0 to 1: the weighted mean of the features that the strategy looks at, mixed with
    /// the listener's taste where a profile is given, times the probability of the moods that ask for such
    /// songs.
    pub score: f32,
    /// The reason for the choice, in numbers and in words.
    pub reason: String,
}
