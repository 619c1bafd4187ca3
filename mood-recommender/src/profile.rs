//! A listener's likes and dislikes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::feature::{AUDIO, SongFeature};
use crate::song::Song;

/// A listener's likes and dislikes, which influence recommendations. Use serde to store it.
///
/// Songs that are similar to liked songs get a higher score, songs that are similar to disliked songs a lower one. With *n* judged songs,
/// taste makes up *n* / (*n* + 2) of a score. The liked songs and the disliked songs are each grouped into up to four clusters by k-means;
/// larger clusters weigh more. A song with the [`Song::key`] of a disliked one is not recommended; the same title under another id may be.
/// A liked song may be recommended again.
///
/// It holds the songs' keys and sound, so it needs no catalogue and works across catalogues. Serialised, it has a `version`, 1, and about
/// 100 bytes of JSON for each judged song. Deserialising fails for another version, another list of features, an unknown field or a number
/// that is not finite.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct Profile {
    liked: Sounds,
    disliked: Sounds,
}

/// The nine audio features of songs by the songs' keys; `None` where one is unknown.
pub(crate) type Sounds = BTreeMap<String, [Option<f32>; AUDIO]>;

/// A profile as it is serialised.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    /// The features that the numbers of a song stand for.
    features: Vec<SongFeature>,
    liked: Sounds,
    disliked: Sounds,
}

const VERSION: u32 = 1;

impl From<Profile> for Stored {
    fn from(Profile { liked, disliked }: Profile) -> Self {
        Stored { version: VERSION, features: SongFeature::AUDIO.to_vec(), liked, disliked }
    }
}

impl TryFrom<Stored> for Profile {
    type Error = String;

    fn try_from(Stored { version, features, liked, disliked }: Stored) -> Result<Self, String> {
        if version != VERSION {
            return Err(format!("profile: version must be {VERSION}, got {version}"));
        }
        if features != SongFeature::AUDIO {
            return Err(format!("profile: features must be {:?}, got {features:?}", SongFeature::AUDIO));
        }
        let mut numbers = liked.values().chain(disliked.values()).flatten().flatten();
        if let Some(number) = numbers.find(|number| !number.is_finite()) {
            return Err(format!("profile: features of songs must be finite, got {number}"));
        }
        Ok(Profile { liked, disliked })
    }
}

impl Profile {
    /// Records that the listener likes a song, in place of an earlier judgement.
    ///
    /// [`Recommender::recommend`](crate::Recommender::recommend) refuses a profile that has a song with a feature that is not finite.
    pub fn like(&mut self, song: &Song) {
        self.forget(song);
        self.liked.insert(song.key().into_owned(), sound(song));
    }

    /// Records that the listener dislikes a song, in place of an earlier judgement. The features must be finite, as for [`Profile::like`].
    pub fn dislike(&mut self, song: &Song) {
        self.forget(song);
        self.disliked.insert(song.key().into_owned(), sound(song));
    }

    /// Removes the like or dislike of a song.
    pub fn forget(&mut self, song: &Song) {
        self.forget_key(&song.key());
    }

    /// Removes the like or dislike of the song with this [`Song::key`]. Returns whether there was one.
    pub fn forget_key(&mut self, key: &str) -> bool {
        self.liked.remove(key).is_some() | self.disliked.remove(key).is_some()
    }

    /// The keys of the songs that the listener likes.
    pub fn liked_keys(&self) -> impl Iterator<Item = &str> {
        self.liked.keys().map(String::as_str)
    }

    /// The keys of the songs that the listener dislikes.
    pub fn disliked_keys(&self) -> impl Iterator<Item = &str> {
        self.disliked.keys().map(String::as_str)
    }

    pub(crate) fn liked(&self) -> &Sounds {
        &self.liked
    }

    pub(crate) fn disliked(&self) -> &Sounds {
        &self.disliked
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.liked.values().chain(self.disliked.values()).flatten().flatten().all(|value| value.is_finite())
    }
}

fn sound(song: &Song) -> [Option<f32>; AUDIO] {
    std::array::from_fn(|at| song.feature(SongFeature::AUDIO[at]))
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
        assert_eq!(profile.disliked_keys().collect::<Vec<_>>(), ["TOTO – Africa"]);
        assert_eq!(profile.liked_keys().count(), 0);
        assert!(profile.forget_key("TOTO – Africa") && !profile.forget_key("TOTO – Africa"));
        assert_eq!(profile, Profile::default());
    }

    #[test]
    fn a_profile_reads_back_from_json_of_its_version() {
        let mut profile = Profile::default();
        profile.like(&Song { name: "A".into(), artist: "B".into(), energy: Some(0.3), ..Song::default() });
        profile.dislike(&Song { id: "x".into(), tempo: Some(120.1), ..Song::default() });
        let text = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), profile);
        let newer =
            serde_json::from_str::<Profile>(&text.replace("\"version\":1", "\"version\":2")).unwrap_err();
        assert!(newer.to_string().starts_with("profile: version must be 1, got 2"), "{newer}");
        let other = text.replace("\"energy\"", "\"popularity\"");
        assert!(
            serde_json::from_str::<Profile>(&other).unwrap_err().to_string().contains("features must be")
        );
    }
}
