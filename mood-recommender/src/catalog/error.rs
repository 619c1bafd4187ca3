//! What can be wrong with a catalogue, and where.

use std::io;
use std::path::PathBuf;

/// Why a catalogue could not be read, built, learned from or saved.
///
/// Rows count the songs from 1, the header not among them; lines count the lines of the file from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The file at `path` is at fault; `error` says how.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<CatalogError>,
    },
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The header lacks a column that every catalogue needs.
    #[error("the header must have a column {column:?}, given {given:?}")]
    MissingColumn {
        /// The column's name.
        column: &'static str,
        /// The header as it was read.
        given: Vec<String>,
    },
    /// The header names a column twice.
    #[error("the header must name a column once, given {column:?} twice")]
    DuplicateColumn {
        /// The column's name.
        column: String,
    },
    /// A row has more or fewer cells than the header.
    #[error("row {row} (line {line}): expected {expected} cells as in the header, given {given}")]
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
    /// A cell, or a field of a song, holds what it must not.
    #[error("row {row}{}, column {column:?}: expected {expected}, given {given:?}", on_line(*line))]
    Value {
        /// The row, or the number of the song for a builder.
        row: usize,
        /// The line on which the row begins; none for a builder.
        line: Option<u64>,
        /// The column or field.
        column: String,
        /// What it may hold.
        expected: String,
        /// What it holds.
        given: String,
    },
    /// No song has a mood, so that there is nothing to learn from.
    #[error("at least one song must have a mood to learn from")]
    NoLabelledSongs,
}

fn on_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line})"))
}
