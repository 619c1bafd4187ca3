//! Writes catalogues as CSV and JSON.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use serde::ser::{SerializeMap, Serializer};

use super::Catalog;
use super::column::{COLUMNS, Column, Own};
use crate::formula::mark_formula;
use crate::song::Song;

/// Format of a written catalogue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CatalogFormat {
    /// The columns of `data_moods.csv`, its `length` as `duration_ms`, then `mood_estimated` and `path` where a song has them, then the extra ones.
    /// Cells that a spreadsheet would run as formulas get an apostrophe before them, which reading takes away.
    #[default]
    Csv,
    /// An array with an object for each song, whose fields are the same columns.
    Json,
    /// An object on each line.
    JsonLines,
}

impl CatalogFormat {
    /// The format that a file's extension names: `.json`, `.jsonl` or `.ndjson`, else CSV.
    pub fn of_path(path: impl AsRef<Path>) -> Self {
        match path.as_ref().extension().map(|extension| extension.to_ascii_lowercase()) {
            Some(extension) if extension == "json" => CatalogFormat::Json,
            Some(extension) if extension == "jsonl" || extension == "ndjson" => CatalogFormat::JsonLines,
            _ => CatalogFormat::Csv,
        }
    }
}

pub(super) fn write(catalog: &Catalog, mut writer: impl Write, format: CatalogFormat) -> io::Result<()> {
    let columns = columns(catalog);
    match format {
        CatalogFormat::Csv => csv(catalog, &columns, writer),
        CatalogFormat::JsonLines => {
            for song in &catalog.songs {
                object(song, &columns, &mut serde_json::Serializer::new(&mut writer))?;
                writer.write_all(b"\n")?;
            }
            writer.flush()
        }
        CatalogFormat::Json => {
            writer.write_all(b"[")?;
            for (at, song) in catalog.songs.iter().enumerate() {
                writer.write_all(if at == 0 { b"\n" } else { b",\n" })?;
                object(song, &columns, &mut serde_json::Serializer::new(&mut writer))?;
            }
            writer.write_all(b"\n]\n")?;
            writer.flush()
        }
    }
}

/// The columns of songs' own fields to write. A rare column is also written if an extra column has one of its names. Otherwise
/// reading would take the extra column for it.
fn columns(catalog: &Catalog) -> Vec<&'static Own> {
    let is_used = |own: &Own| {
        catalog.extra_columns.iter().any(|name| own.rank(name).is_some())
            || catalog.songs.iter().any(|song| !own.column.cell(song).is_empty())
    };
    COLUMNS.iter().filter(|own| !own.is_rare() || is_used(own)).collect()
}

fn csv(catalog: &Catalog, columns: &[&Own], writer: impl Write) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(writer);
    let names = columns.iter().map(|own| own.name);
    let extra = catalog.extra_columns.iter().map(|name| mark_formula(name));
    rows.write_record(names.map(Cow::Borrowed).chain(extra).map(Cow::into_owned))?;
    for song in &catalog.songs {
        for own in columns {
            rows.write_field(&*mark_formula(&own.column.cell(song)))?;
        }
        for name in &catalog.extra_columns {
            rows.write_field(&*mark_formula(song.extra.get(name).unwrap_or_default()))?;
        }
        rows.write_record(None::<&[u8]>)?;
    }
    rows.flush()
}

fn object<W: Write>(song: &Song, columns: &[&Own], json: &mut serde_json::Serializer<W>) -> io::Result<()> {
    let mut map = json.serialize_map(None)?;
    for own in columns {
        match own.column {
            Column::Feature(feature) => map.serialize_entry(own.name, &song.feature(feature))?,
            Column::Length => map.serialize_entry(own.name, &song.duration_ms)?,
            Column::Key => map.serialize_entry(own.name, &song.key)?,
            Column::TimeSignature => map.serialize_entry(own.name, &song.time_signature)?,
            Column::MoodEstimated => map.serialize_entry(own.name, &song.mood_estimated)?,
            column => {
                let cell = column.cell(song);
                map.serialize_entry(own.name, &(!cell.is_empty()).then_some(cell))?;
            }
        }
    }
    for (name, cell) in song.extra.iter() {
        map.serialize_entry(name.as_ref(), cell)?;
    }
    map.end()?;
    Ok(())
}
