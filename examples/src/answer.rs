//! The JSON answer of `recommend_songs --json` and of the web demo.

use std::collections::BTreeMap;

use mood_recommender::Recommendation;
use ser_models::Recognition;
use serde::{Deserialize, Serialize};

/// A mood with its probabilities and the songs that suit it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The most probable mood.
    pub mood: String,
    /// The probability of each mood. The probabilities sum to 1.
    pub probabilities: BTreeMap<String, f32>,
    /// Whether the probability of the most probable mood is at least the model's confidence threshold.
    pub confident: bool,
    /// The songs, best first.
    pub songs: Vec<SongItem>,
}

/// A song of an [`Answer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SongItem {
    /// Key that names the song in likes, dislikes and exclusions.
    pub key: String,
    /// The title.
    pub name: String,
    /// The artist.
    pub artist: String,
    /// Address of a page that plays the song: the track's page if its id is known, otherwise a search.
    pub link: String,
    /// Whether the song's mood was estimated from its sound.
    pub mood_estimated: bool,
    /// Score from 0 to 1.
    pub score: f32,
    /// Reason for the choice.
    pub reason: String,
}

impl Answer {
    /// Combines a recognition and its recommended songs.
    pub fn new(recognition: &Recognition, songs: &[Recommendation<'_>]) -> Self {
        Self {
            mood: recognition.label.clone(),
            probabilities: recognition.probabilities.iter().cloned().collect(),
            confident: recognition.confident,
            songs: songs.iter().map(SongItem::new).collect(),
        }
    }
}

impl SongItem {
    /// Copies the song, score and reason of a recommendation.
    pub fn new(recommendation: &Recommendation<'_>) -> Self {
        let song = recommendation.song;
        Self {
            key: song.key().into_owned(),
            name: song.name.to_string(),
            artist: song.artist.to_string(),
            link: song.link(),
            mood_estimated: song.mood_estimated,
            score: recommendation.score,
            reason: recommendation.reason.clone(),
        }
    }
}
