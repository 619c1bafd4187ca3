//! The columns that hold a song's own fields: their names, what they are called elsewhere, how cells are read and
//! written. Reader and writer use this one table.

use compact_str::{CompactString, ToCompactString};

use super::cell::{Length, id, key, length, number, release_date, truth, whole};
use super::error::Fault;
use crate::date::InvalidDate;
use crate::feature::SongFeature;
use crate::names::composed;
use crate::song::Song;

/// A field of [`Song`] that a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    Album,
    Artist,
    Id,
    ReleaseDate,
    Length,
    Key,
    TimeSignature,
    Mood,
    MoodEstimated,
    Path,
    Feature(SongFeature),
}

/// A column with its name in files that this crate writes, and the names in other files, as [`plain`] makes them.
pub(super) struct Own {
    pub(super) column: Column,
    pub(super) name: &'static str,
    /// Other names, the preferred one first. If two columns could hold a field, it is read from the column with the preferred name.
    aliases: &'static [&'static str],
}

const fn own(column: Column, name: &'static str, aliases: &'static [&'static str]) -> Own {
    Own { column, name, aliases }
}

/// The columns of `data_moods.csv` in its order, then those that are written only where a song uses them.
///
/// The aliases come from the files in use: Kaggle's `maharshipandya/-spotify-tracks-dataset` (114k),
/// `yamaerenay/spotify-dataset-…-600k-tracks` and its 160k predecessor, `rodolfofigueroa/spotify-12m-songs`, exports
/// of Exportify, and the JSON of Spotify's Web API and of ReccoBeats.
pub(super) const COLUMNS: [Own; 21] = [
    own(Column::Name, "name", &["trackname", "tracktitle", "title", "songname", "song", "track"]),
    own(Column::Album, "album", &["albumname", "trackalbumname", "albumtitle"]),
    own(
        Column::Artist,
        "artist",
        &["artists", "artistnames", "artistname", "artistsname", "trackartist", "trackartists", "performer"],
    ),
    own(
        Column::Id,
        "id",
        &[
            "trackid",
            "spotifyid",
            "spotifytrackid",
            "trackuri",
            "spotifyuri",
            "spotifytrackuri",
            "uri",
            "songid",
        ],
    ),
    own(
        Column::ReleaseDate,
        "release_date",
        &["albumreleasedate", "trackalbumreleasedate", "releaseyear", "year"],
    ),
    own(Column::Feature(SongFeature::Popularity), "popularity", &["trackpopularity", "songpopularity"]),
    own(
        Column::Length,
        "duration_ms",
        &[
            "length",
            "trackdurationms",
            "duration",
            "trackduration",
            "songdurationms",
            "lengthms",
            "durations",
            "durationsec",
            "durationseconds",
            "lengths",
            "lengthseconds",
            "durationmin",
            "durationminutes",
        ],
    ),
    own(Column::Feature(SongFeature::Danceability), "danceability", &[]),
    own(Column::Feature(SongFeature::Acousticness), "acousticness", &[]),
    own(Column::Feature(SongFeature::Energy), "energy", &[]),
    own(Column::Feature(SongFeature::Instrumentalness), "instrumentalness", &[]),
    own(Column::Feature(SongFeature::Liveness), "liveness", &[]),
    own(Column::Feature(SongFeature::Valence), "valence", &["audiovalence"]),
    own(Column::Feature(SongFeature::Loudness), "loudness", &["loudnessdb"]),
    own(Column::Feature(SongFeature::Speechiness), "speechiness", &[]),
    own(Column::Feature(SongFeature::Tempo), "tempo", &["bpm", "tempobpm"]),
    own(Column::Key, "key", &["audiokey"]),
    own(Column::TimeSignature, "time_signature", &[]),
    own(Column::Mood, "mood", &[]),
    own(Column::MoodEstimated, "mood_estimated", &[]),
    own(Column::Path, "path", &["file", "filename", "filepath"]),
];

impl Own {
    /// How well a header names the column: 0 best, none not at all. One header at most has rank 0.
    pub(super) fn rank(&self, header: &str) -> Option<usize> {
        if self.is_written_as(header) {
            return Some(0);
        }
        let header = plain(header);
        if header == plain(self.name) {
            return Some(1);
        }
        self.aliases.iter().position(|alias| *alias == header).map(|at| at + 2)
    }

    /// Whether a header is the name that this crate writes. The headers of a table differ in more than case.
    pub(super) fn is_written_as(&self, header: &str) -> bool {
        self.name.eq_ignore_ascii_case(header)
    }

    /// Whether it is written only where a song uses it.
    pub(super) fn is_rare(&self) -> bool {
        matches!(self.column, Column::MoodEstimated | Column::Path)
    }
}

/// A header reduced to what all its spellings share: `Artist Name(s)`, `artist_names` and `artistNames` are the same.
pub(super) fn plain(header: &str) -> String {
    header.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a header may be taken for a song's own column.
pub(super) fn is_own(header: &str) -> bool {
    COLUMNS.iter().any(|own| own.rank(header).is_some())
}

pub(super) const TEXT_RULE: &str = "a text";
pub(super) const KEYS_RULE: &str = "a whole number from -1 to 11, or a note as C# or Db";
const NUMBER_RULE: &str = "a number";
const LENGTH_RULE: &str = "a length in milliseconds or seconds, or as 3:45";
const BEATS_RULE: &str = "a whole number from 0 to 255, or a time signature as 4/4";

impl Column {
    /// The text of a song's field in a file.
    pub(super) fn cell(self, song: &Song) -> CompactString {
        fn of(value: Option<impl ToCompactString>) -> CompactString {
            value.map_or_else(CompactString::default, |value| value.to_compact_string())
        }
        match self {
            Column::Name => song.name.clone(),
            Column::Album => song.album.clone(),
            Column::Artist => song.artist.clone(),
            Column::Id => song.id.clone(),
            Column::ReleaseDate => of(song.release_date),
            Column::Length => of(song.duration_ms),
            Column::Key => of(song.key),
            Column::TimeSignature => of(song.time_signature),
            Column::Mood => of(song.mood),
            Column::MoodEstimated => if song.mood_estimated { "true" } else { "" }.into(),
            Column::Path => song.path.as_deref().unwrap_or_default().into(),
            Column::Feature(feature) => of(song.feature(feature)),
        }
    }

    /// Reads a cell, blanks around it taken away, into the song's field. Features keep the scale of the file; a length
    /// is returned, since its unit may depend on the whole column.
    pub(super) fn fill(self, song: &mut Song, cell: &str) -> Result<Length, Fault> {
        let refuse = |name: &str, rule: &str| Fault::new(name, rule, cell);
        if cell.is_empty() {
            return match self {
                Column::Name => Err(refuse("name", TEXT_RULE)),
                Column::Artist => Err(refuse("artist", TEXT_RULE)),
                _ => Ok(Length::Unknown),
            };
        }
        match self {
            Column::Name => song.name = composed(cell).into(),
            Column::Album => song.album = composed(cell).into(),
            Column::Artist => song.artist = composed(cell).into(),
            Column::Id => song.id = composed(id(cell)).into(),
            Column::Path => song.path = Some(cell.into()),
            Column::ReleaseDate => {
                song.release_date =
                    release_date(cell).ok_or_else(|| refuse("release_date", InvalidDate::EXPECTED))?;
            }
            Column::Key => song.key = Some(key(cell).ok_or_else(|| refuse("key", KEYS_RULE))?),
            Column::TimeSignature => {
                let beats = whole(cell).or_else(|| whole(cell.split_once('/')?.0));
                song.time_signature = Some(beats.ok_or_else(|| refuse("time_signature", BEATS_RULE))?);
            }
            Column::Mood => {
                song.mood = Some(cell.parse().map_err(|_| refuse("mood", "Calm, Happy, Sad or Energetic"))?);
            }
            Column::MoodEstimated => {
                song.mood_estimated = truth(cell).ok_or_else(|| refuse("mood_estimated", "true or false"))?;
            }
            Column::Length => {
                return length(cell).ok_or_else(|| refuse("duration_ms", LENGTH_RULE));
            }
            Column::Feature(feature) => {
                let value = number(cell).ok_or_else(|| refuse(feature.as_str(), NUMBER_RULE))?;
                *song.feature_mut(feature) = Some(value as f32);
            }
        }
        Ok(Length::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_names_one_column_at_most() {
        for (at, own) in COLUMNS.iter().enumerate() {
            for name in own.aliases.iter().chain([&own.name]) {
                assert!(COLUMNS[at + 1..].iter().all(|other| other.rank(name).is_none()), "{name}");
                assert_eq!(plain(&plain(name)), plain(name));
            }
            assert!(own.aliases.iter().all(|alias| plain(alias) == *alias), "{}", own.name);
        }
        assert!(
            is_own(" Artist Name(s) ") && is_own("durationMs") && is_own("Track URI") && !is_own("genre")
        );
    }
}
