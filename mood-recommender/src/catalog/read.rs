//! CSV in.

use std::io::Read;
use std::str;
use std::sync::Arc;

use csv::ByteRecord;

use super::builder::{CatalogBuilder, Fault, KEYS, KEYS_EXPECTED, check_feature, check_text};
use super::{Catalog, CatalogError};
use crate::date::{InvalidDate, ReleaseDate};
use crate::feature::{FEATURES, Feature};
use crate::mood::Mood;
use crate::song::Song;

pub(super) fn read(reader: impl Read) -> Result<Catalog, CatalogError> {
    // Flexible, since rows of a wrong length get an error of ours that names the row.
    let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
    let header = rows.byte_headers().map_err(io_error)?;
    let columns = Columns::find(header)?;
    // csv counts a line where it reads its `\n`. Of `\r\n` that is one row late, which the header shows.
    let breaks_in_cells = header.iter().flatten().filter(|byte| **byte == b'\n').count() as u64;
    let late = u64::from(rows.position().line() == 1 + breaks_in_cells);
    let mut builder =
        CatalogBuilder::with_extra_columns(columns.extra.iter().map(|(_, name)| name.clone()).collect());
    let mut record = ByteRecord::new();
    while rows.read_byte_record(&mut record).map_err(io_error)? {
        let row = builder.next_row();
        let line = record.position().map_or(0, csv::Position::line) + late;
        if record.len() != columns.count {
            return Err(CatalogError::Cells { row, line, expected: columns.count, given: record.len() });
        }
        builder.add(columns.song(&record).map_err(|fault| fault.at(row, Some(line)))?);
    }
    Ok(builder.build())
}

/// With byte records and flexible lengths, reading is all that can fail.
fn io_error(error: csv::Error) -> CatalogError {
    CatalogError::Io(error.into())
}

/// Where each column stands.
struct Columns {
    count: usize,
    name: usize,
    artist: usize,
    features: [usize; FEATURES],
    album: Option<usize>,
    id: Option<usize>,
    release_date: Option<usize>,
    length: Option<usize>,
    key: Option<usize>,
    time_signature: Option<usize>,
    mood: Option<usize>,
    extra: Vec<(usize, Arc<str>)>,
}

impl Columns {
    fn find(header: &ByteRecord) -> Result<Self, CatalogError> {
        let mut names: Vec<Option<String>> =
            header.iter().map(|cell| Some(String::from_utf8_lossy(cell).trim().to_owned())).collect();
        let given: Vec<String> = names.iter().flatten().cloned().collect();
        for (at, name) in given.iter().enumerate() {
            if given[..at].iter().any(|earlier| earlier.eq_ignore_ascii_case(name)) {
                return Err(CatalogError::DuplicateColumn { column: name.clone() });
            }
        }
        let mut take = |wanted: &str| {
            let at = names
                .iter()
                .position(|name| name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(wanted)))?;
            names[at] = None;
            Some(at)
        };
        let mut need =
            |column| take(column).ok_or_else(|| CatalogError::MissingColumn { column, given: given.clone() });
        let (name, artist) = (need("name")?, need("artist")?);
        let mut features = [0; FEATURES];
        for feature in Feature::ALL {
            features[feature as usize] = need(feature.as_str())?;
        }
        Ok(Columns {
            count: header.len(),
            name,
            artist,
            features,
            album: take("album"),
            id: take("id"),
            release_date: take("release_date"),
            length: take("length"),
            key: take("key"),
            time_signature: take("time_signature"),
            mood: take("mood"),
            extra: names.into_iter().enumerate().filter_map(|(at, name)| Some((at, name?.into()))).collect(),
        })
    }

    fn song(&self, record: &ByteRecord) -> Result<Song, Fault> {
        let needed = |at, column: &str| {
            let text = text(record, Some(at), column)?;
            check_text(column, text)?;
            Ok(text.to_owned())
        };
        let optional = |at, column: &str| text(record, at, column).map(str::to_owned);
        let mut song = Song {
            name: needed(self.name, "name")?,
            artist: needed(self.artist, "artist")?,
            album: optional(self.album, "album")?,
            id: optional(self.id, "id")?,
            release_date: parsed(
                record,
                self.release_date,
                "release_date",
                InvalidDate::EXPECTED,
                release_date,
            )?
            .flatten(),
            length: parsed(record, self.length, "length", "milliseconds as a whole number", whole)?,
            key: parsed(record, self.key, "key", KEYS_EXPECTED, |text| {
                whole(text).filter(|key| KEYS.contains(key))
            })?,
            time_signature: parsed(record, self.time_signature, "time_signature", "a whole number", whole)?,
            mood: parsed(record, self.mood, "mood", "Calm, Happy, Sad or Energetic", |text| {
                text.parse::<Mood>().ok()
            })?,
            ..Song::default()
        };
        for feature in Feature::ALL {
            let column = feature.as_str();
            let text = text(record, Some(self.features[feature as usize]), column)?;
            // What is no number at all is outside every range, as NaN is.
            let value = text.parse().unwrap_or(f32::NAN);
            check_feature(feature, value).map_err(|fault| Fault { given: text.to_owned(), ..fault })?;
            *song.feature_mut(feature) = value;
        }
        for (at, name) in &self.extra {
            song.extra.insert(Arc::clone(name), text(record, Some(*at), name)?.to_owned());
        }
        Ok(song)
    }
}

/// A cell without the blanks around it; empty where the column is missing.
fn text<'r>(record: &'r ByteRecord, at: Option<usize>, column: &str) -> Result<&'r str, Fault> {
    let cell = at.and_then(|at| record.get(at)).unwrap_or_default();
    str::from_utf8(cell).map(str::trim).map_err(|_| Fault {
        column: column.into(),
        expected: "UTF-8".into(),
        given: String::from_utf8_lossy(cell).into_owned(),
    })
}

/// A cell that may be missing or empty, but holds nothing wrong.
fn parsed<T>(
    record: &ByteRecord,
    at: Option<usize>,
    column: &str,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    let text = text(record, at, column)?;
    if text.is_empty() {
        return Ok(None);
    }
    match parse(text) {
        Some(value) => Ok(Some(value)),
        None => Err(Fault { column: column.into(), expected: expected.into(), given: text.into() }),
    }
}

fn release_date(text: &str) -> Option<Option<ReleaseDate>> {
    if text == "0000" { Some(None) } else { text.parse().ok().map(Some) }
}

/// A whole number, which spreadsheets may have written as `4.0`.
fn whole<T: TryFrom<i64>>(text: &str) -> Option<T> {
    let digits = text
        .split_once('.')
        .map_or(text, |(digits, zeros)| if zeros.bytes().all(|byte| byte == b'0') { digits } else { text });
    T::try_from(digits.parse().ok()?).ok()
}
