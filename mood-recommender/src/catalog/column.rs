//! The columns that hold a song's own fields: their names, what they are called elsewhere, how cells are read and
//! written. Reader and writer use this one table.

use std::ops::RangeInclusive;

use compact_str::{CompactString, ToCompactString, format_compact};

use super::error::Fault;
use crate::date::{InvalidDate, ReleaseDate};
use crate::feature::Feature;
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
    Feature(Feature),
}

/// A column with its name in files that this crate writes, and the names in other files, as [`plain`] makes them.
pub(super) struct Own {
    pub(super) column: Column,
    pub(super) name: &'static str,
    /// The better name first: of two columns that could hold a field, it takes the one with the better name.
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
    own(Column::Feature(Feature::Popularity), "popularity", &["trackpopularity", "songpopularity"]),
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
    own(Column::Feature(Feature::Danceability), "danceability", &[]),
    own(Column::Feature(Feature::Acousticness), "acousticness", &[]),
    own(Column::Feature(Feature::Energy), "energy", &[]),
    own(Column::Feature(Feature::Instrumentalness), "instrumentalness", &[]),
    own(Column::Feature(Feature::Liveness), "liveness", &[]),
    own(Column::Feature(Feature::Valence), "valence", &["audiovalence"]),
    own(Column::Feature(Feature::Loudness), "loudness", &["loudnessdb"]),
    own(Column::Feature(Feature::Speechiness), "speechiness", &[]),
    own(Column::Feature(Feature::Tempo), "tempo", &["bpm", "tempobpm"]),
    own(Column::Key, "key", &["audiokey"]),
    own(Column::TimeSignature, "time_signature", &[]),
    own(Column::Mood, "mood", &[]),
    own(Column::MoodEstimated, "mood_estimated", &[]),
    own(Column::Path, "path", &["file", "filename", "filepath"]),
];

impl Own {
    /// How well a header names the column: 0 best, none not at all.
    pub(super) fn rank(&self, header: &str) -> Option<usize> {
        let header = plain(header);
        if header == plain(self.name) {
            return Some(0);
        }
        self.aliases.iter().position(|alias| *alias == header).map(|at| at + 1)
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

pub(super) const KEYS: RangeInclusive<i8> = -1..=11;
pub(super) const KEYS_RULE: &str = "a whole number from -1 to 11, or a note as C# or Db";
const NUMBER_RULE: &str = "a number";
const LENGTH_RULE: &str = "a length in milliseconds or seconds, or as 3:45";
const BEATS_RULE: &str = "a whole number from 0 to 255, or a time signature as 4/4";

/// A length before its unit is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Length {
    Unknown,
    Milliseconds(f64),
    /// In the unit that the whole column has.
    Number(f64),
}

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
            Column::Name => song.name = cell.into(),
            Column::Album => song.album = cell.into(),
            Column::Artist => song.artist = cell.into(),
            Column::Id => song.id = id(cell).into(),
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

pub(super) const TEXT_RULE: &str = "a text";

/// A finite number with a point or a comma before its decimals. A `%` behind it is ignored: the column's range tells its
/// scale.
fn number(cell: &str) -> Option<f64> {
    let parse = |text: &str| text.parse::<f64>().ok();
    let number = parse(cell).or_else(|| {
        let text = cell.trim_end_matches('%').trim_end();
        match text.split_once(',') {
            Some((whole, decimals)) => parse(&format_compact!("{whole}.{decimals}")),
            _ => parse(text),
        }
    })?;
    number.is_finite().then_some(number)
}

/// A whole number, which spreadsheets may have written as `4.0`.
fn whole<T: TryFrom<i64>>(text: &str) -> Option<T> {
    let digits = text
        .split_once('.')
        .map_or(text, |(digits, zeros)| if zeros.bytes().all(|byte| byte == b'0') { digits } else { text });
    T::try_from(digits.parse().ok()?).ok()
}

/// A number, or hours, minutes and seconds as `1:02:03` and `3:45.5`.
fn length(cell: &str) -> Option<Length> {
    if !cell.contains(':') {
        return number(cell).filter(|number| *number >= 0.0).map(Length::Number);
    }
    let mut seconds = 0.0;
    for (at, part) in cell.rsplit(':').enumerate() {
        let part = number(part).filter(|part| (0.0..60.0).contains(part) || (at > 0 && *part >= 0.0))?;
        seconds += part * [1.0, 60.0, 3600.0].get(at)?;
    }
    Some(Length::Milliseconds(seconds * 1000.0))
}

/// `0000` is Spotify's mark for an unknown date.
fn release_date(cell: &str) -> Option<Option<ReleaseDate>> {
    if cell == "0000" {
        return Some(None);
    }
    let year = || whole::<u16>(cell).and_then(|year| format_compact!("{year:04}").parse().ok());
    cell.parse().ok().or_else(year).map(Some)
}

/// The number of a pitch class, or its note with or without a mode: `C#`, `Db`, `A minor`, `F♯/G♭`.
fn key(cell: &str) -> Option<i8> {
    if let Some(number) = whole::<i8>(cell) {
        return KEYS.contains(&number).then_some(number);
    }
    let note = cell.split(['/', ' ']).next()?;
    let mut letters = note.chars();
    let tone = match letters.next()?.to_ascii_uppercase() {
        'C' => 0,
        'D' => 2,
        'E' => 4,
        'F' => 5,
        'G' => 7,
        'A' => 9,
        'B' => 11,
        _ => return None,
    };
    match (letters.next(), letters.next()) {
        (None | Some('m'), None) => Some(tone),
        (Some('#' | '♯'), None | Some('m')) => Some((tone + 1) % 12),
        (Some('b' | '♭'), None | Some('m')) => Some((tone + 11) % 12),
        _ => None,
    }
}

fn truth(cell: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| word.eq_ignore_ascii_case(cell));
    if is(["true", "yes", "1"]) { Some(true) } else { is(["false", "no", "0"]).then_some(false) }
}

/// The id in a Spotify address: `spotify:track:ID` or `https://open.spotify.com/track/ID?…`.
pub(super) fn id(cell: &str) -> &str {
    let prefixes = ["spotify:track:", "https://open.spotify.com/track/", "http://open.spotify.com/track/"];
    let mut id = cell.trim();
    while let Some(rest) = prefixes.iter().find_map(|prefix| id.strip_prefix(prefix)) {
        id = rest.split(['?', '#']).next().unwrap_or_default().trim();
    }
    id
}

/// The artists of a list as one text: `['A', "B's"]`, Python's form, and `A;B`.
pub(super) fn artists(cell: &str) -> CompactString {
    if let Some(list) = cell.strip_prefix('[').and_then(|cell| cell.strip_suffix(']'))
        && let Some(names) = quoted(list)
    {
        return names.join(", ").into();
    }
    if cell.contains(';') {
        return cell
            .split(';')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
            .into();
    }
    cell.into()
}

/// The texts of a list in single or double quotes; none where it is something else.
fn quoted(list: &str) -> Option<Vec<String>> {
    let (mut names, mut letters) = (Vec::new(), list.trim().chars().peekable());
    while let Some(quote) = letters.next() {
        if !matches!(quote, '\'' | '"') {
            return None;
        }
        let mut name = String::new();
        loop {
            match letters.next()? {
                '\\' => name.push(letters.next()?),
                letter if letter == quote => break,
                letter => name.push(letter),
            }
        }
        names.push(name.trim().to_owned());
        while letters.next_if(|letter| matches!(letter, ',' | ' ')).is_some() {}
    }
    names.retain(|name| !name.is_empty());
    (!names.is_empty()).then_some(names)
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

    #[test]
    fn lengths_keys_and_ids_have_the_forms_in_use() {
        assert_eq!(length("1:02:03"), Some(Length::Milliseconds(3_723_000.0)));
        assert_eq!(length("3:45,5"), Some(Length::Milliseconds(225_500.0)));
        assert_eq!(length("75:10"), Some(Length::Milliseconds(4_510_000.0)));
        assert_eq!(length("3:75"), None);
        assert_eq!(length("-3"), None);
        assert_eq!(length("0:1:2:3"), None);
        for (cell, expected) in [
            ("5", Some(5)),
            ("-1", Some(-1)),
            ("12", None),
            ("C", Some(0)),
            ("c#", Some(1)),
            ("Db", Some(1)),
            ("Am", Some(9)),
            ("F♯/G♭", Some(6)),
            ("Cb", Some(11)),
            ("B#", Some(0)),
            ("A minor", Some(9)),
            ("H", None),
        ] {
            assert_eq!(key(cell), expected, "{cell}");
        }
        assert_eq!(id("spotify:track:2374M0fQpWi3dLnB54qaLX"), "2374M0fQpWi3dLnB54qaLX");
        assert_eq!(id("https://open.spotify.com/track/2374?si=1"), "2374");
        assert_eq!(id("plain"), "plain");
    }

    #[test]
    fn lists_of_artists_become_one_text() {
        for (cell, expected) in [
            ("['Sergei Rachmaninoff', 'James Levine']", "Sergei Rachmaninoff, James Levine"),
            (r#"["Destiny's Child", 'AC\'DC']"#, "Destiny's Child, AC'DC"),
            ("Ingrid Michaelson;ZAYN", "Ingrid Michaelson, ZAYN"),
            ("Tyler, The Creator", "Tyler, The Creator"),
            ("[spunge]", "[spunge]"),
            ("['open", "['open"),
            ("[]", "[]"),
        ] {
            assert_eq!(artists(cell), expected);
        }
    }
}
