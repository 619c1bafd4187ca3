//! What a listener liked and disliked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::index::{Scale, likeness, similarity};
use crate::{Feature, Song};

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
    liked: BTreeMap<String, [f32; AUDIO]>,
    disliked: BTreeMap<String, [f32; AUDIO]>,
}

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

    /// The keys of the disliked songs.
    pub(crate) fn disliked(&self) -> impl Iterator<Item = &str> {
        self.disliked.keys().map(String::as_str)
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.liked.values().chain(self.disliked.values()).flatten().all(|value| value.is_finite())
    }

    pub(crate) fn taste(&self, scale: &Scale) -> Option<Taste> {
        let judged = self.liked.len() + self.disliked.len();
        (judged > 0).then(|| Taste {
            liked: Centre::new(&self.liked, scale),
            disliked: Centre::new(&self.disliked, scale),
            weight: judged as f32 / (2 * judged + 8) as f32,
        })
    }
}

fn sound(song: &Song) -> [f32; AUDIO] {
    std::array::from_fn(|at| song.feature(Feature::AUDIO[at]))
}

/// A profile, ready to judge the songs of one index.
#[derive(Debug)]
pub(crate) struct Taste {
    pub(crate) liked: Centre,
    pub(crate) disliked: Centre,
    /// How much of a score taste makes up, 0 to 1.
    pub(crate) weight: f32,
}

/// The mean sound of some songs.
#[derive(Debug, Default)]
pub(crate) struct Centre {
    /// In standard deviations of the catalogue.
    sound: [f32; AUDIO],
    /// The same for values on the scale of 0 to 1.
    pub(crate) factors: [f32; AUDIO],
    squares: f32,
    /// 1, or 0 where there are no songs.
    strength: f32,
}

impl Centre {
    fn new(songs: &BTreeMap<String, [f32; AUDIO]>, scale: &Scale) -> Self {
        if songs.is_empty() {
            return Centre::default();
        }
        let sound: [f32; AUDIO] = std::array::from_fn(|at| {
            let units = songs.values().map(|sound| f64::from(Feature::AUDIO[at].unit(sound[at])));
            (units.sum::<f64>() / songs.len() as f64) as f32 / scale.deviations[at]
        });
        let factors = std::array::from_fn(|at| sound[at] / scale.deviations[at]);
        let squares = sound.iter().map(|value| value * value).sum();
        Centre { sound, factors, squares, strength: 1.0 }
    }

    /// How alike a song is, 0 to 1, from its squared length and its product with [`Centre::factors`].
    pub(crate) fn pull(&self, squares: f32, product: f32) -> f32 {
        self.strength * likeness((squares - 2.0 * product + self.squares).max(0.0))
    }

    /// How alike a song is, 0 to 1, from its sound.
    pub(crate) fn similarity(&self, sound: &[f32; AUDIO]) -> f32 {
        self.strength * similarity(&self.sound, sound)
    }
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
        assert_eq!(profile.disliked().collect::<Vec<_>>(), ["TOTO – Africa"]);
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
