//! The JSON answer of `recommend_songs --json` and of the web demo.

use std::collections::BTreeMap;

use mood_recommender::{Recommendation, Song};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ser_models::Recognition;
use serde::{Deserialize, Serialize};

/// A mood with its probabilities and the songs that suit it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The most probable mood.
    pub mood: String,
    /// Every mood with its probability; they sum to 1.
    pub probabilities: BTreeMap<String, f32>,
    /// Whether the mood is sure.
    pub confident: bool,
    /// The songs, the best first.
    pub songs: Vec<SongItem>,
}

/// A song of an [`Answer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SongItem {
    /// What likes, dislikes and exclusions know it by.
    pub key: String,
    /// The title.
    pub name: String,
    /// The artist.
    pub artist: String,
    /// Where to listen to it: the track's page where its id is known, else a search.
    pub link: String,
    /// How well it suits, 0 to 1.
    pub score: f32,
    /// Why it was chosen.
    pub reason: String,
}

impl Answer {
    /// Puts together what was recognised and what is recommended.
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
    /// Of a recommendation.
    pub fn new(recommendation: &Recommendation<'_>) -> Self {
        let song = recommendation.song;
        Self {
            key: song.key().into_owned(),
            name: song.name.clone(),
            artist: song.artist.clone(),
            link: link(song),
            score: recommendation.score,
            reason: recommendation.reason.clone(),
        }
    }
}

/// Spotify's page of a song, whose ids are 22 letters and digits, or a search for it there.
fn link(song: &Song) -> String {
    if song.id.len() == 22 && song.id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return format!("https://open.spotify.com/track/{}", song.id);
    }
    let words = format!("{} {}", song.artist, song.name);
    format!("https://open.spotify.com/search/{}", utf8_percent_encode(words.trim(), NON_ALPHANUMERIC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_track_is_opened_and_others_are_searched() {
        let mut song = Song { name: "99 Luftballons".into(), artist: "Nena & Co".into(), ..Song::default() };
        assert_eq!(link(&song), "https://open.spotify.com/search/Nena%20%26%20Co%2099%20Luftballons");
        song.id = "../../../elsewhere?a=b".into();
        assert!(link(&song).starts_with("https://open.spotify.com/search/"));
        song.id = "2374M0fQpWi3dLnB54qaLX".into();
        assert_eq!(link(&song), "https://open.spotify.com/track/2374M0fQpWi3dLnB54qaLX");
    }
}
