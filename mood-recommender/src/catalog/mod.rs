//! A catalogue of songs: where it comes from and where it is kept.

mod builder;
mod error;
mod read;
mod write;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

pub use builder::CatalogBuilder;
pub use error::CatalogError;

use crate::song::Song;

/// Songs in the order of their source, each id once, every figure finite and in its range.
///
/// # CSV
/// The first row is a header that names the columns in any order and any case. `name`, `artist` and the ten
/// of [`Feature::ALL`](crate::Feature::ALL) are needed; `album`, `id`, `release_date`, `length`, `key`,
/// `time_signature` and `mood` may be missing or empty; any other column is kept in [`Song::extra`]. Cells
/// are separated by commas and quoted with `"`; the text is UTF-8 with or without a byte order mark. Release
/// dates have the forms of [`ReleaseDate`](crate::ReleaseDate); `0000`, Spotify's mark for an unknown date,
/// is read as none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    pub(crate) songs: Vec<Song>,
    extra_columns: Vec<Arc<str>>,
    duplicates: Vec<Duplicate>,
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

impl Catalog {
    /// Reads a CSV file.
    ///
    /// # Errors
    /// [`CatalogError::File`], which names the file and holds one of the other variants.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CatalogError> {
        let path = path.as_ref();
        File::open(path)
            .map_err(CatalogError::from)
            .and_then(|file| read::read(BufReader::new(file)))
            .map_err(|error| CatalogError::File { path: path.into(), error: Box::new(error) })
    }

    /// Reads CSV from a reader, which is buffered inside.
    ///
    /// # Errors
    /// [`CatalogError`], with row, line and column where a cell is at fault.
    pub fn from_reader(reader: impl Read) -> Result<Self, CatalogError> {
        read::read(reader)
    }

    /// Reads CSV from memory.
    ///
    /// # Errors
    /// As [`Catalog::from_reader`].
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, CatalogError> {
        read::read(bytes.as_ref())
    }

    /// An empty catalogue to fill song by song.
    pub fn builder() -> CatalogBuilder {
        CatalogBuilder::default()
    }

    /// Twenty-two songs to begin with, bundled in the crate: the rows of `data_moods.csv` that the report
    /// *Speech Emotion Recognition with Music Recommendation* prints in its Figure 2, with its figures. Their
    /// ids are empty.
    pub fn starter() -> Self {
        read::read(include_bytes!("starter.csv").as_slice()).expect("a test reads the bundled catalogue")
    }

    /// The songs, in the order of their source.
    pub fn songs(&self) -> &[Song] {
        &self.songs
    }

    /// The rows that were left out because their id came before.
    pub fn duplicates(&self) -> &[Duplicate] {
        &self.duplicates
    }

    /// Writes CSV to a file: [`Catalog::open`] reads the same songs back.
    ///
    /// The file appears whole or not at all; one that exists is replaced.
    ///
    /// # Errors
    /// [`CatalogError::File`] with the [`CatalogError::Io`] that writing met.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CatalogError> {
        let path = path.as_ref();
        write::save(self, path)
            .map_err(|error| CatalogError::File { path: path.into(), error: Box::new(error.into()) })
    }

    /// Writes CSV to a writer: the columns of `data_moods.csv`, then the extra ones.
    ///
    /// # Errors
    /// What the writer returns.
    pub fn write_to(&self, writer: impl Write) -> io::Result<()> {
        write::write(self, writer)
    }
}
