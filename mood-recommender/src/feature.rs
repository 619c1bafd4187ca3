//! The numerical features of a song that scoring, filtering and learning use.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// A figure of a song: one of Spotify's nine audio features, or its popularity.
///
/// The names, also in serialised weights, are those of the columns of `data_moods.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SongFeature {
    /// Musical positiveness, 0 to 1.
    Valence,
    /// Intensity and activity, 0 to 1.
    Energy,
    /// Confidence that the song is acoustic, 0 to 1.
    Acousticness,
    /// Suitability for dancing, 0 to 1.
    Danceability,
    /// Confidence that the song has no vocals, 0 to 1.
    Instrumentalness,
    /// Confidence that an audience is audible, 0 to 1.
    Liveness,
    /// The mean level in dB relative to full scale; most songs lie between −60 and 0.
    Loudness,
    /// Share of spoken words, 0 to 1.
    Speechiness,
    /// The tempo in beats per minute; 0 where none was found.
    Tempo,
    /// Popularity by streams, 0 to 100.
    Popularity,
}

pub(crate) const FEATURES: usize = SongFeature::ALL.len();
/// How many of them describe the sound.
pub(crate) const AUDIO: usize = SongFeature::AUDIO.len();

impl SongFeature {
    /// All ten: the nine audio features, then popularity.
    pub const ALL: [SongFeature; 10] = [
        SongFeature::Valence,
        SongFeature::Energy,
        SongFeature::Acousticness,
        SongFeature::Danceability,
        SongFeature::Instrumentalness,
        SongFeature::Liveness,
        SongFeature::Loudness,
        SongFeature::Speechiness,
        SongFeature::Tempo,
        SongFeature::Popularity,
    ];

    /// The nine that describe the sound, without popularity.
    pub(crate) const AUDIO: &'static [SongFeature] = SongFeature::ALL.split_at(FEATURES - 1).0;

    /// The name, which is also the column's in a CSV file: `"valence"`.
    pub fn as_str(self) -> &'static str {
        match self {
            SongFeature::Valence => "valence",
            SongFeature::Energy => "energy",
            SongFeature::Acousticness => "acousticness",
            SongFeature::Danceability => "danceability",
            SongFeature::Instrumentalness => "instrumentalness",
            SongFeature::Liveness => "liveness",
            SongFeature::Loudness => "loudness",
            SongFeature::Speechiness => "speechiness",
            SongFeature::Tempo => "tempo",
            SongFeature::Popularity => "popularity",
        }
    }

    /// The values that a catalogue accepts: loudness −200 to 50 dB, tempo 0 to 1,000 beats per minute, popularity 0 to 100, all others
    /// 0 to 1.
    pub fn range(self) -> RangeInclusive<f32> {
        match self {
            SongFeature::Loudness => -200.0..=50.0,
            SongFeature::Tempo => 0.0..=1000.0,
            SongFeature::Popularity => 0.0..=100.0,
            _ => 0.0..=1.0,
        }
    }

    /// The value on the scale of 0 to 1 that scores use: loudness from −60 to 0 dB, tempo from 0 to 250 beats
    /// per minute, popularity from 0 to 100, the others as they are; values outside are clamped.
    pub(crate) fn unit(self, value: f32) -> f32 {
        let scaled = match self {
            SongFeature::Loudness => (value + 60.0) / 60.0,
            SongFeature::Tempo => value / 250.0,
            SongFeature::Popularity => value / 100.0,
            _ => value,
        };
        scaled.clamp(0.0, 1.0)
    }
}

impl fmt::Display for SongFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_lie_in_their_own_order_in_all() {
        assert!(SongFeature::ALL.iter().enumerate().all(|(at, &feature)| feature as usize == at));
        assert!(!SongFeature::AUDIO.contains(&SongFeature::Popularity));
    }

    #[test]
    fn every_range_maps_to_zero_to_one() {
        for feature in SongFeature::ALL {
            let range = feature.range();
            assert_eq!(feature.unit(*range.start()), 0.0, "{feature}");
            assert_eq!(feature.unit(*range.end()), 1.0, "{feature}");
        }
        assert_eq!(SongFeature::Loudness.unit(-15.0), 0.75);
        assert_eq!(SongFeature::Tempo.unit(125.0), 0.5);
    }

    #[test]
    fn serialised_names_are_the_columns() {
        for feature in SongFeature::ALL {
            assert_eq!(serde_json::to_value(feature).unwrap(), feature.as_str());
        }
    }
}
