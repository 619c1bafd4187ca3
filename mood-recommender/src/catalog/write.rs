//! CSV out.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process;

use super::Catalog;
use crate::feature::Feature;
use crate::song::Song;

/// The columns of `data_moods.csv`, in its order.
const COLUMNS: [(&str, Column); 19] = [
    ("name", Column::Text(|song| song.name.clone())),
    ("album", Column::Text(|song| song.album.clone())),
    ("artist", Column::Text(|song| song.artist.clone())),
    ("id", Column::Text(|song| song.id.clone())),
    ("release_date", Column::Text(|song| cell(song.release_date))),
    ("popularity", Column::Feature(Feature::Popularity)),
    ("length", Column::Text(|song| cell(song.length))),
    ("danceability", Column::Feature(Feature::Danceability)),
    ("acousticness", Column::Feature(Feature::Acousticness)),
    ("energy", Column::Feature(Feature::Energy)),
    ("instrumentalness", Column::Feature(Feature::Instrumentalness)),
    ("liveness", Column::Feature(Feature::Liveness)),
    ("valence", Column::Feature(Feature::Valence)),
    ("loudness", Column::Feature(Feature::Loudness)),
    ("speechiness", Column::Feature(Feature::Speechiness)),
    ("tempo", Column::Feature(Feature::Tempo)),
    ("key", Column::Text(|song| cell(song.key))),
    ("time_signature", Column::Text(|song| cell(song.time_signature))),
    ("mood", Column::Text(|song| cell(song.mood))),
];

enum Column {
    Text(fn(&Song) -> String),
    Feature(Feature),
}

/// Whether a CSV column of this name holds a field of [`Song`].
pub(super) fn is_own_column(column: &str) -> bool {
    COLUMNS.iter().any(|(name, _)| name.eq_ignore_ascii_case(column.trim()))
}

fn cell(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

pub(super) fn write(catalog: &Catalog, writer: impl Write) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(writer);
    let names = COLUMNS.iter().map(|(name, _)| *name);
    rows.write_record(names.chain(catalog.extra_columns.iter().map(AsRef::as_ref)))?;
    for song in &catalog.songs {
        for (_, column) in &COLUMNS {
            match column {
                Column::Text(text) => rows.write_field(text(song))?,
                Column::Feature(feature) => rows.write_field(song.feature(*feature).to_string())?,
            }
        }
        for name in &catalog.extra_columns {
            rows.write_field(song.extra.get(name).map_or("", String::as_str))?;
        }
        rows.write_record(None::<&[u8]>)?;
    }
    rows.flush()
}

/// Writes beside the file, then renames, so that the file is never half written.
pub(super) fn save(catalog: &Catalog, path: &Path) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.part", process::id()));
    let part = path.with_file_name(name);
    let written = OpenOptions::new().write(true).create(true).truncate(true).open(&part).and_then(|file| {
        let mut writer = BufWriter::new(file);
        write(catalog, &mut writer)?;
        writer.flush()?;
        writer.get_ref().sync_all()
    });
    let saved = written.and_then(|()| fs::rename(&part, path));
    if saved.is_err() {
        // The first error is the one to tell; a part that cannot be removed either adds nothing to it.
        _ = fs::remove_file(&part);
    }
    saved
}
