//! Options for reading a catalogue.

use super::column::{COLUMNS, Own};
use super::error::{CatalogError, excerpt};

/// Settings of reading a catalogue. The default finds columns by their usual names and refuses a file with a bad row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Places in [`COLUMNS`] with the headers that name them.
    pub(super) headers: Vec<(usize, String)>,
    pub(super) skip_bad: bool,
}

impl ReadOptions {
    /// Reads `column`, which has the name of a field of [`Song`](crate::Song), from the file's column with this header, even if
    /// the file has other columns that match. A column of the file with that very name is then an extra one, and `(unused)` is added
    /// to its name.
    ///
    /// # Errors
    /// [`CatalogError::UnknownColumn`] when songs have no such column.
    pub fn column(mut self, column: &str, header: &str) -> Result<Self, CatalogError> {
        let Some(place) = COLUMNS.iter().position(|own| own.name.eq_ignore_ascii_case(column.trim())) else {
            let known = COLUMNS.iter().map(|own: &Own| own.name).collect();
            return Err(CatalogError::UnknownColumn { known, given: excerpt(column) });
        };
        self.headers.retain(|(other, _)| *other != place);
        self.headers.push((place, header.trim().to_owned()));
        Ok(self)
    }

    /// Leaves out rows that cannot be read, and lists them in [`Catalog::skipped`](crate::Catalog::skipped). Invalid JSON within an array
    /// remains an error, because its rows cannot be told apart.
    #[must_use]
    pub fn skip_bad(mut self, skip_bad: bool) -> Self {
        self.skip_bad = skip_bad;
        self
    }
}
