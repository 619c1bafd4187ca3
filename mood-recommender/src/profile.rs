//! What a listener liked and disliked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::feature::Feature;
use crate::song::Song;

const AUDIO: usize = Feature::AUDIO.len();

/// A listener's likes and dislikes, which shift the lists made with it. Keep it with serde.
///
/// Songs that sound like the mean of the liked ones rise, those that sound like the mean of the disliked ones
/// fall, the more songs were judged the stronger: with *n* judged songs, taste makes up *n* / (2 *n* + 8) of
/// a score, half of it at most. A disliked song is not recommended again; a liked one may be.
///
/// It holds the songs' keys and sound, so it needs no catalogue and works across catalogues.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    liked: Sounds,
    disliked: Sounds,
}

/// The audio features of songs by the songs' keys.
pub(crate) type Sounds = BTreeMap<String, [f32; AUDIO]>;

impl Profile {
    /// Notes that the listener likes a song, whatever was noted before.
    pub fn like(&mut self, song: &Song) {
        self.forget(song);
        self.liked.insert(song.key().into_owned(), sound(song));
    }

    /// Notes that the listener dislikes a song, whatever was noted before.
    pub fn dislike(&mut self, song: &Song) {
        self.forget(song);
        self.disliked.insert(song.key().into_owned(), sound(song));
    }

    /// Takes back what was noted for a song.
    pub fn forget(&mut self, song: &Song) {
        let key = song.key();
        self.liked.remove(key.as_ref());
        self.disliked.remove(key.as_ref());
    }

    pub(crate) fn liked(&self) -> &Sounds {
        &self.liked
    }

    pub(crate) fn disliked(&self) -> &Sounds {
        &self.disliked
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.liked.values().chain(self.disliked.values()).flatten().all(|value| value.is_finite())
    }
}

fn sound(song: &Song) -> [f32; AUDIO] {
    std::array::from_fn(|at| song.feature(Feature::AUDIO[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_song_counts() {
        let song = Song { name: "Africa".into(), artist: "TOTO".into(), ..Song::default() };
        let mut profile = Profile::default();
        profile.like(&song);
        profile.dislike(&song);
        assert_eq!(profile.disliked().keys().collect::<Vec<_>>(), ["TOTO – Africa"]);
        assert!(profile.liked.is_empty());
        profile.forget(&song);
        assert_eq!(profile, Profile::default());
    }

    #[test]
    fn a_profile_reads_back_from_json() {
        let mut profile = Profile::default();
        profile.like(&Song { name: "A".into(), artist: "B".into(), energy: 0.3, ..Song::default() });
        profile.dislike(&Song { id: "x".into(), tempo: 120.1, ..Song::default() });
        let text = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), profile);
    }
}
