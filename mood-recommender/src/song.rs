//! One song of a catalogue.

use std::borrow::Cow;

use compact_str::CompactString;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::date::ReleaseDate;
use crate::extra::Extra;
use crate::feature::SongFeature;
use crate::mood::Mood;
use crate::names::composed;
use crate::number::finite_option;

/// A song with its figures, as Spotify's Web API names and scales them.
///
/// Fill in what is known and leave the rest to [`Song::default`]: empty texts and `None`. Short texts lie in the
/// song itself ([`CompactString`]); `"text".into()` and `format!(…).into()` make them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Song {
    /// The title.
    pub name: CompactString,
    /// The album.
    pub album: CompactString,
    /// The artist, or the artists as one text.
    pub artist: CompactString,
    /// An id that no other song of the catalogue has, or an empty text.
    pub id: CompactString,
    /// When it came out.
    pub release_date: Option<ReleaseDate>,
    /// See [`SongFeature::Popularity`].
    #[serde(deserialize_with = "finite_option")]
    pub popularity: Option<f32>,
    /// The length in milliseconds.
    pub duration_ms: Option<u32>,
    /// See [`SongFeature::Danceability`].
    #[serde(deserialize_with = "finite_option")]
    pub danceability: Option<f32>,
    /// See [`SongFeature::Acousticness`].
    #[serde(deserialize_with = "finite_option")]
    pub acousticness: Option<f32>,
    /// See [`SongFeature::Energy`].
    #[serde(deserialize_with = "finite_option")]
    pub energy: Option<f32>,
    /// See [`SongFeature::Instrumentalness`].
    #[serde(deserialize_with = "finite_option")]
    pub instrumentalness: Option<f32>,
    /// See [`SongFeature::Liveness`].
    #[serde(deserialize_with = "finite_option")]
    pub liveness: Option<f32>,
    /// See [`SongFeature::Valence`].
    #[serde(deserialize_with = "finite_option")]
    pub valence: Option<f32>,
    /// See [`SongFeature::Loudness`].
    #[serde(deserialize_with = "finite_option")]
    pub loudness: Option<f32>,
    /// See [`SongFeature::Speechiness`].
    #[serde(deserialize_with = "finite_option")]
    pub speechiness: Option<f32>,
    /// See [`SongFeature::Tempo`].
    #[serde(deserialize_with = "finite_option")]
    pub tempo: Option<f32>,
    /// The key: 0 is C, 1 is C sharp, up to 11; −1 where none was found.
    pub key: Option<i8>,
    /// The number of beats in a bar.
    pub time_signature: Option<u8>,
    /// The mood, where it is known or estimated.
    pub mood: Option<Mood>,
    /// Whether the mood was estimated from the sound: see [`Catalog::estimate_moods`](crate::Catalog::estimate_moods)
    /// and [`Catalog::assign_moods`](crate::Catalog::assign_moods).
    #[serde(skip_serializing_if = "is_false")]
    pub mood_estimated: bool,
    /// The file that holds the song, or its address, as the catalogue has it: a relative path is mostly relative to the catalogue's
    /// folder, see [`Playlist::resolve_paths`](crate::Playlist::resolve_paths).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Box<str>>,
    /// The cells of columns that this crate does not know, by the column's name. Empty cells are left out.
    #[serde(skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Song {
    /// The value of a feature in its own unit; `None` where it is unknown.
    pub fn feature(&self, feature: SongFeature) -> Option<f32> {
        match feature {
            SongFeature::Valence => self.valence,
            SongFeature::Energy => self.energy,
            SongFeature::Acousticness => self.acousticness,
            SongFeature::Danceability => self.danceability,
            SongFeature::Instrumentalness => self.instrumentalness,
            SongFeature::Liveness => self.liveness,
            SongFeature::Loudness => self.loudness,
            SongFeature::Speechiness => self.speechiness,
            SongFeature::Tempo => self.tempo,
            SongFeature::Popularity => self.popularity,
        }
    }

    pub(crate) fn feature_mut(&mut self, feature: SongFeature) -> &mut Option<f32> {
        match feature {
            SongFeature::Valence => &mut self.valence,
            SongFeature::Energy => &mut self.energy,
            SongFeature::Acousticness => &mut self.acousticness,
            SongFeature::Danceability => &mut self.danceability,
            SongFeature::Instrumentalness => &mut self.instrumentalness,
            SongFeature::Liveness => &mut self.liveness,
            SongFeature::Loudness => &mut self.loudness,
            SongFeature::Speechiness => &mut self.speechiness,
            SongFeature::Tempo => &mut self.tempo,
            SongFeature::Popularity => &mut self.popularity,
        }
    }

    /// The key that identifies the song in exclusions and profiles: its id, or `artist – name` if it has no id. Letters with accents
    /// are in Unicode's composed form, as in catalogues. Songs without an id whose artists and names differ can have the same key if
    /// these hold ` – ` themselves.
    pub fn key(&self) -> Cow<'_, str> {
        if self.id.is_empty() {
            Cow::Owned(composed(&format!("{} – {}", self.artist, self.name)).into_owned())
        } else {
            composed(&self.id)
        }
    }

    /// A page that plays the song: the `http` or `https` address in its column `url`, `link` or `href` if it has one, Spotify's page if its
    /// id is one of Spotify (22 letters and digits), else a search on Spotify for artist and title.
    pub fn link(&self) -> String {
        let addresses =
            ["url", "link", "href"].into_iter().filter_map(|column| self.extra.get_any_case(column));
        let is_page = |address: &&str| {
            (address.starts_with("https://") || address.starts_with("http://"))
                && address.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if let Some(address) = addresses.into_iter().find(is_page) {
            return address.to_owned();
        }
        if self.id.len() == 22 && self.id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return format!("https://open.spotify.com/track/{}", self.id);
        }
        let words = format!("{} {}", self.artist, self.name);
        format!("https://open.spotify.com/search/{}", utf8_percent_encode(words.trim(), NON_ALPHANUMERIC))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_reads_the_field_that_it_writes() {
        let mut song = Song::default();
        for (value, feature) in (1_u8..).zip(SongFeature::ALL) {
            *song.feature_mut(feature) = Some(f32::from(value));
        }
        for (value, feature) in (1_u8..).zip(SongFeature::ALL) {
            assert_eq!(song.feature(feature), Some(f32::from(value)), "{feature}");
            assert_eq!(serde_json::to_value(&song).unwrap()[feature.as_str()], f32::from(value));
        }
    }

    #[test]
    fn the_key_is_the_id_or_artist_and_name() {
        let mut song = Song { name: "Africa".into(), artist: "TOTO".into(), ..Song::default() };
        assert_eq!(song.key(), "TOTO – Africa");
        song.id = "2374".into();
        assert_eq!(song.key(), "2374");
        let parts = Song { name: "Deja\u{300} vu".into(), ..Song::default() };
        let composed = Song { name: "Dej\u{e0} vu".into(), ..Song::default() };
        assert_eq!(parts.key(), composed.key());
    }

    #[test]
    fn json_reads_back_and_may_leave_things_out() {
        let mut song: Song =
            serde_json::from_str(r#"{"name":"Africa","valence":0.7,"mood":"happy"}"#).unwrap();
        song.extra.insert("genre", "rock");
        assert_eq!(song.mood, Some(Mood::Happy));
        let text = serde_json::to_string(&song).unwrap();
        assert_eq!(serde_json::from_str::<Song>(&text).unwrap(), song);
    }

    #[test]
    fn a_song_without_lists_takes_224_bytes_at_most() {
        assert!(size_of::<Song>() <= 224, "{}", size_of::<Song>());
    }

    #[test]
    fn a_known_track_is_opened_and_others_are_searched() {
        let mut song = Song { name: "99 Luftballons".into(), artist: "Nena & Co".into(), ..Song::default() };
        assert_eq!(song.link(), "https://open.spotify.com/search/Nena%20%26%20Co%2099%20Luftballons");
        song.id = "../../../elsewhere?a=b".into();
        assert!(song.link().starts_with("https://open.spotify.com/search/"));
        song.id = "2374M0fQpWi3dLnB54qaLX".into();
        assert_eq!(song.link(), "https://open.spotify.com/track/2374M0fQpWi3dLnB54qaLX");
        song.extra.insert("URL", "javascript:alert(1)");
        assert_eq!(song.link(), "https://open.spotify.com/track/2374M0fQpWi3dLnB54qaLX");
        song.extra.insert("URL", "https://www.example.org/song");
        assert_eq!(song.link(), "https://www.example.org/song");
    }
}
