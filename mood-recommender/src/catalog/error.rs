//! Errors of catalogues, with their places.

use std::io;
use std::path::PathBuf;

use crate::feature::SongFeature;

/// Errors of reading, building, learning from and saving a catalogue.
///
/// Rows count the songs from 1, the header not among them; lines count the lines of the file from 1. Values of files are cut to 60
/// characters; the headers in [`CatalogError::MissingColumns`] are whole, and only its text cuts them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The content of the file at `path` is at fault; `error` says how.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        error: Box<CatalogError>,
    },
    /// The file at `path` cannot be read.
    #[error("{}: cannot be read: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// The file at `path` cannot be written.
    #[error("{}: cannot be written: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// A reader failed.
    #[error("catalogue: cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The header, or every JSON object, lacks what each catalogue needs.
    #[error("header: columns must include {}, got {}", needs(missing), list(given))]
    MissingColumns {
        /// The missing columns, including those requested with [`ReadOptions::column`](crate::ReadOptions::column).
        missing: Vec<String>,
        /// The header as it was read.
        given: Vec<String>,
    },
    /// The header names a column twice.
    #[error("header: names must differ, got {column:?} twice")]
    DuplicateColumn {
        /// The column's name.
        column: String,
    },
    /// [`ReadOptions::column`](crate::ReadOptions::column) was called with the name of a column that songs do not have.
    #[error("options: column must be one of {}, got {given:?}", known.join(", "))]
    UnknownColumn {
        /// The columns that songs have.
        known: Vec<&'static str>,
        /// The column's name.
        given: String,
    },
    /// A row has fewer cells than the header, or more that are not empty cells at its end.
    #[error("row {row} (line {line}): cells must be {expected}, as many as in the header, got {given}")]
    Cells {
        /// The row.
        row: usize,
        /// The line on which the row begins.
        line: u64,
        /// The number of cells in the header.
        expected: usize,
        /// The number of cells in the row.
        given: usize,
    },
    /// A cell, or a field of a song, has an invalid value.
    #[error("row {row}{}: {column} must be {expected}, got {given:?}", on_line(*line))]
    Value {
        /// The row, or the number of the song for a builder.
        row: usize,
        /// The line on which the row begins; none for a builder and for JSON arrays.
        line: Option<u64>,
        /// The column or field.
        column: String,
        /// The valid values.
        expected: String,
        /// The value found.
        given: String,
    },
    /// The text begins like JSON but is not valid JSON.
    #[error("line {line}, column {column}: JSON must be valid: {reason}")]
    Json {
        /// The line.
        line: usize,
        /// The byte of the line at which the parser stopped, from 1, in UTF-8; 0 if it stopped before the first byte.
        column: usize,
        /// The parser's message, without its line and column: these count from where the parser began, which may be after skipped rows.
        reason: String,
    },
    /// No song has a mood, so that there is nothing to learn from.
    #[error("catalogue: songs with a mood to learn from must be 1 or more, got 0")]
    NoLabelledSongs,
}

/// What is wrong with one value, before it is known where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    Value { column: Box<str>, rule: Box<str>, given: Box<str> },
    Cells { expected: usize, given: usize },
}

impl Fault {
    pub(super) fn new(column: &str, rule: &str, given: &str) -> Self {
        Fault::Value { column: column.into(), rule: rule.into(), given: excerpt(given).into() }
    }

    pub(super) fn at(self, row: usize, line: Option<u64>) -> CatalogError {
        match self {
            Fault::Value { column, rule, given } => CatalogError::Value {
                row,
                line,
                column: column.into(),
                expected: rule.into(),
                given: given.into(),
            },
            Fault::Cells { expected, given } => {
                CatalogError::Cells { row, line: line.unwrap_or_default(), expected, given }
            }
        }
    }
}

/// The beginning of a text that came from outside.
pub(super) fn excerpt(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn needs(missing: &[String]) -> String {
    let (features, columns): (Vec<&String>, Vec<&String>) =
        missing.iter().partition(|column| **column == any_feature());
    let named: Vec<String> = columns.iter().map(|column| format!("{column:?}")).collect();
    let named = (!named.is_empty()).then(|| named.join(", "));
    named.into_iter().chain(features.into_iter().cloned()).collect::<Vec<_>>().join(", and ")
}

/// The entry for audio features in the list of missing columns: a catalogue needs any one of them.
pub(super) fn any_feature() -> String {
    let names: Vec<&str> = SongFeature::AUDIO.iter().map(|feature| feature.as_str()).collect();
    format!("one of {}", names.join(", "))
}

fn list(names: &[String]) -> String {
    const MOST: usize = 30;
    let mut names_shown: Vec<String> =
        names.iter().take(MOST).map(|name| format!("{:?}", excerpt(name))).collect();
    if names.len() > MOST {
        names_shown.push(format!("and {} more", names.len() - MOST));
    }
    if names_shown.is_empty() { "nothing".into() } else { names_shown.join(", ") }
}

fn on_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line})"))
}
