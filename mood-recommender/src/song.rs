//! One song of a catalogue.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::date::ReleaseDate;
use crate::feature::Feature;
use crate::mood::Mood;

/// A song with its figures, as Spotify's Web API names and scales them.
///
/// Fill in what you have and leave the rest to [`Song::default`], which is empty texts, zeros and `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Song {
    /// The title.
    pub name: String,
    /// The album.
    pub album: String,
    /// The artist, or the artists as one text.
    pub artist: String,
    /// An id that no other song of the catalogue has, or an empty text.
    pub id: String,
    /// When it came out.
    pub release_date: Option<ReleaseDate>,
    /// See [`Feature::Popularity`].
    pub popularity: f32,
    /// The length in milliseconds.
    pub length: Option<u32>,
    /// See [`Feature::Danceability`].
    pub danceability: f32,
    /// See [`Feature::Acousticness`].
    pub acousticness: f32,
    /// See [`Feature::Energy`].
    pub energy: f32,
    /// See [`Feature::Instrumentalness`].
    pub instrumentalness: f32,
    /// See [`Feature::Liveness`].
    pub liveness: f32,
    /// See [`Feature::Valence`].
    pub valence: f32,
    /// See [`Feature::Loudness`].
    pub loudness: f32,
    /// See [`Feature::Speechiness`].
    pub speechiness: f32,
    /// See [`Feature::Tempo`].
    pub tempo: f32,
    /// The key: 0 is C, 1 is C sharp, up to 11; −1 where none was found.
    pub key: Option<i8>,
    /// The number of beats in a bar.
    pub time_signature: Option<u8>,
    /// The mood, where it is known; [`Catalog::assign_moods`](crate::Catalog::assign_moods) fills it in.
    pub mood: Option<Mood>,
    /// The cells of columns that this crate does not know, by the column's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<Arc<str>, String>,
}

impl Song {
    /// The value of a feature, in its own unit.
    pub fn feature(&self, feature: Feature) -> f32 {
        match feature {
            Feature::Valence => self.valence,
            Feature::Energy => self.energy,
            Feature::Acousticness => self.acousticness,
            Feature::Danceability => self.danceability,
            Feature::Instrumentalness => self.instrumentalness,
            Feature::Liveness => self.liveness,
            Feature::Loudness => self.loudness,
            Feature::Speechiness => self.speechiness,
            Feature::Tempo => self.tempo,
            Feature::Popularity => self.popularity,
        }
    }

    pub(crate) fn feature_mut(&mut self, feature: Feature) -> &mut f32 {
        match feature {
            Feature::Valence => &mut self.valence,
            Feature::Energy => &mut self.energy,
            Feature::Acousticness => &mut self.acousticness,
            Feature::Danceability => &mut self.danceability,
            Feature::Instrumentalness => &mut self.instrumentalness,
            Feature::Liveness => &mut self.liveness,
            Feature::Loudness => &mut self.loudness,
            Feature::Speechiness => &mut self.speechiness,
            Feature::Tempo => &mut self.tempo,
            Feature::Popularity => &mut self.popularity,
        }
    }

    /// What exclusions and profiles know the song by: its id, or `artist – name` where it has none.
    pub fn key(&self) -> Cow<'_, str> {
        if self.id.is_empty() {
            Cow::Owned(format!("{} – {}", self.artist, self.name))
        } else {
            Cow::Borrowed(&self.id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_reads_the_field_that_it_writes() {
        let mut song = Song::default();
        for (value, feature) in (1_u8..).zip(Feature::ALL) {
            *song.feature_mut(feature) = f32::from(value);
        }
        for (value, feature) in (1_u8..).zip(Feature::ALL) {
            assert_eq!(song.feature(feature), f32::from(value), "{feature}");
            assert_eq!(serde_json::to_value(&song).unwrap()[feature.as_str()], f32::from(value));
        }
    }

    #[test]
    fn the_key_is_the_id_or_artist_and_name() {
        let mut song = Song { name: "Africa".into(), artist: "TOTO".into(), ..Song::default() };
        assert_eq!(song.key(), "TOTO – Africa");
        song.id = "2374".into();
        assert_eq!(song.key(), "2374");
    }

    #[test]
    fn json_reads_back_and_may_leave_things_out() {
        let mut song: Song =
            serde_json::from_str(r#"{"name":"Africa","valence":0.7,"mood":"happy"}"#).unwrap();
        song.extra.insert("genre".into(), "rock".into());
        assert_eq!(song.mood, Some(Mood::Happy));
        let text = serde_json::to_string(&song).unwrap();
        assert_eq!(serde_json::from_str::<Song>(&text).unwrap(), song);
    }
}
