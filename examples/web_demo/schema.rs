//! The OpenAPI description of the answer that `recommend_songs --json` prints too.
//!
//! The answer itself is a type of the examples' library, which knows no OpenAPI, so that the first example compiles without it. A
//! test of the running server compares both.

// Only their derived descriptions are used.
#![allow(dead_code)]

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// A mood with its probabilities and the songs that suit it.
#[derive(ToSchema)]
#[schema(as = Answer)]
pub(crate) struct AnswerSchema {
    /// The most probable mood.
    mood: String,
    /// Every mood with its probability; they sum to 1.
    probabilities: BTreeMap<String, f32>,
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
