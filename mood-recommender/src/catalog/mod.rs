//! A catalogue of songs: where it comes from and where it is kept.

mod builder;
mod cell;
mod column;
mod error;
mod json;
mod layout;
mod options;
mod read;
mod scale;
mod table;
mod text;
mod write;

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

pub use builder::CatalogBuilder;
pub use error::CatalogError;
pub use options::ReadOptions;
pub use write::CatalogFormat;

use crate::output::write_file;
use crate::song::Song;

/// Songs in the order of their source. Each id occurs once, and every known figure is finite and within its range.
///
/// # Files
/// CSV, with a header that names the columns in any order, and JSON: an array of objects, one object a line, or the answers of Spotify's
/// Web API and of ReccoBeats. A file needs the columns `name`, `artist` and at least one of the nine audio features. It may have the
/// columns of the other features, `album`, `id`, `release_date`, `popularity`, `length`, `key`, `time_signature`, `mood`, `mood_estimated`
/// and `path`. Any other column is kept in [`Song::extra`].
///
/// Of JSON, arrays of texts or of objects with a `name` become one text; other arrays are left out. The fields of the nested objects
/// `track`, `audio_features`, `features` and `extra` are read as the song's own, of `album` the name and the release date; other nested
/// objects are left out.
///
/// A song needs a name and an artist; its other cells may be empty. A song that has none of a strategy's features scores 0 before the
/// listener's taste is mixed in, and one without valence or energy is in no journey.
///
/// Headers are read in any spelling (`Track Name`, `track_name`, `trackName`) and under the names that exports give them:
/// `track_name`, `artists`, `duration_ms` of Kaggle's data sets, `Artist Name(s)`, `Track URI` of Exportify and more;
/// [`ReadOptions::column`] sets others. Lists of artists become one text. If two columns could hold one field, the column with
/// the preferred name does, and the other is kept in [`Song::extra`].
///
/// The reader recognises UTF-8, UTF-16 and older encodings; cells separated by commas, semicolons, tabs or bars; features from 0 to 100 and
/// popularity from 0 to 1; lengths in milliseconds, in seconds, in minutes (if the header says so) or as `3:45`. [`Catalog::notes`] reports
/// all but UTF-8, commas and the units of [`Song`]. A file with all columns that [`Catalog::save`] always writes, under these names, has
/// this crate's units, and no unit is converted. The decimal separator may be a comma. Release dates have the forms of
/// [`ReleaseDate`](crate::ReleaseDate); `0000`, Spotify's mark for an unknown date, is read as `None`.
///
/// Catalogues are equal when their songs are.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub(crate) songs: Vec<Song>,
    extra_columns: Vec<Arc<str>>,
    duplicates: Vec<Duplicate>,
    skipped: Vec<SkippedRow>,
    notes: Vec<String>,
}

impl PartialEq for Catalog {
    fn eq(&self, other: &Self) -> bool {
        self.songs == other.songs
    }
}

/// A row that was left out because its id came before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Duplicate {
    /// The id that both rows have.
    pub id: String,
    /// The row that was left out; the first song's is 1.
    pub row: usize,
    /// The row that was kept.
    pub first_row: usize,
}

/// A row that was left out because it could not be read: see [`ReadOptions::skip_bad`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedRow {
    /// The row; the first song's is 1.
    pub row: usize,
    /// The line on which it begins, where the format has lines.
    pub line: Option<u64>,
    /// The text of the [`CatalogError`] that is returned for this row without [`ReadOptions::skip_bad`].
    pub reason: String,
}

impl Catalog {
    /// Reads a CSV or JSON file.
    ///
    /// # Errors
    /// [`CatalogError::Read`] if the file cannot be read; [`CatalogError::File`], which names the file and holds the reason, for its
    /// content.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CatalogError> {
        Catalog::open_with(path, &ReadOptions::default())
    }

    /// Reads a CSV or JSON file with options.
    ///
    /// # Errors
    /// As [`Catalog::open`].
    pub fn open_with(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self, CatalogError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| CatalogError::Read { path: path.into(), error })?;
        read::read(&bytes, options)
            .map_err(|error| CatalogError::File { path: path.into(), error: Box::new(error) })
    }

    /// Reads CSV or JSON from a reader to its end.
    ///
    /// # Errors
    /// [`CatalogError::Io`] if the reader fails; [`CatalogError::MissingColumns`] or [`CatalogError::DuplicateColumn`] for the header;
    /// [`CatalogError::Json`] for invalid JSON; [`CatalogError::Cells`] or [`CatalogError::Value`] for the first bad row, unless
    /// [`ReadOptions::skip_bad`] is set.
    pub fn from_reader(mut reader: impl Read, options: &ReadOptions) -> Result<Self, CatalogError> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        read::read(&bytes, options)
    }

    /// Reads CSV or JSON from memory.
    ///
    /// # Errors
    /// As [`Catalog::from_reader`].
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, CatalogError> {
        read::read(bytes.as_ref(), &ReadOptions::default())
    }

    /// An empty catalogue to fill song by song.
    pub fn builder() -> CatalogBuilder {
        CatalogBuilder::default()
    }

    /// Twenty-two songs to begin with, bundled in the crate: the rows of `data_moods.csv` that Figure 2 of the report prints
    /// ([`Strategy::Balance`](crate::Strategy::Balance) names it), with its figures. Their ids are empty.
    #[expect(clippy::missing_panics_doc, reason = "a test reads the bundled catalogue")]
    pub fn starter() -> Self {
        Catalog::from_bytes(include_bytes!("starter.csv")).expect("a test reads the bundled catalogue")
    }

    /// The songs, in the order of their source.
    pub fn songs(&self) -> &[Song] {
        &self.songs
    }

    /// The rows that were left out because their id came before.
    pub fn duplicates(&self) -> &[Duplicate] {
        &self.duplicates
    }

    /// The rows that were left out because they could not be read.
    pub fn skipped(&self) -> &[SkippedRow] {
        &self.skipped
    }

    /// The properties of the file that the reader recognised, one sentence each: an encoding other than UTF-8, a separator other than a
    /// comma, units that were converted, bytes that are not UTF-8. Empty for a catalogue of a builder.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Writes a file: [`Catalog::open`] reads the same songs back, except from the empty file that a catalogue without songs makes as
    /// `.jsonl` or `.ndjson`. The name's extension decides the format: `.json`, `.jsonl` or `.ndjson`, else CSV.
    ///
    /// A regular file holds its old content or the new content, never a part. A symbolic link is followed; a device or a
    /// pipe is written to.
    ///
    /// # Errors
    /// [`CatalogError::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CatalogError> {
        let path = path.as_ref();
        write_file(path, |writer| self.write_to(writer, CatalogFormat::of_path(path)))
            .map_err(|error| CatalogError::Write { path: path.into(), error })
    }

    /// Writes to a writer.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn write_to(&self, writer: impl Write, format: CatalogFormat) -> io::Result<()> {
        write::write(self, writer, format)
    }
}
