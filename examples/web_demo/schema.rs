//! OpenAPI descriptions of types that know no OpenAPI.
//!
//! The answer is a type of the examples' library, so that the first example compiles without it. A test of the running server compares
//! both.

// Only their derived descriptions are used.
#![allow(dead_code)]

use utoipa::ToSchema;

/// A mood.
#[derive(ToSchema)]
#[schema(as = Mood)]
pub(crate) enum MoodName {
    Calm,
    Happy,
    Sad,
    Energetic,
}

/// The probability of each mood. One that is left out is 0.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Probabilities {
    #[schema(minimum = 0)]
    #[serde(rename = "Calm")]
    calm: Option<f32>,
    #[schema(minimum = 0)]
    #[serde(rename = "Happy")]
    happy: Option<f32>,
    #[schema(minimum = 0)]
    #[serde(rename = "Sad")]
    sad: Option<f32>,
    #[schema(minimum = 0)]
    #[serde(rename = "Energetic")]
    energetic: Option<f32>,
}

/// A recording's bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(crate) struct Clip(Vec<u8>);

/// A form with a recording.
#[derive(ToSchema)]
pub(crate) struct ClipForm {
    /// The recording's bytes. The field may have any name; the first that has a file name is taken.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// A mood with its probabilities and the songs that suit it.
#[derive(ToSchema)]
#[schema(as = Answer)]
pub(crate) struct AnswerSchema {
    /// The most probable mood.
    mood: MoodName,
    /// Every mood with its probability; they sum to 1.
    probabilities: Probabilities,
    /// Whether the mood is sure.
    confident: bool,
    /// The songs, the best first.
    songs: Vec<SongSchema>,
}

/// A recommended song.
#[derive(ToSchema)]
#[schema(as = SongItem)]
pub(crate) struct SongSchema {
    /// The song's key, for likes, dislikes and exclusions.
    key: String,
    /// The title.
    name: String,
    /// The artist.
    artist: String,
    /// A page to listen to it: the track's where its id is known, else a search.
    link: String,
    /// Whether the song's mood was estimated from its sound.
    mood_estimated: bool,
    /// How well it suits, 0 to 1.
    score: f32,
    /// Why it was chosen.
    reason: String,
}
