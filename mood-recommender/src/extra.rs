//! What a catalogue holds beside a song's own columns.

use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use compact_str::CompactString;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The cells of a song's unknown columns by their names, sorted by name.
///
/// Names are shared between songs and short cells lie side by side: a map would take ten times the memory.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Extra {
    cells: Vec<(Arc<str>, CompactString)>,
}

impl Extra {
    /// The cell of a column.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.place(column).ok().map(|at| self.cells[at].1.as_str())
    }

    /// Sets the cell of a column. An empty text removes it.
    pub fn insert(&mut self, column: impl Into<Arc<str>>, cell: impl Into<CompactString>) {
        let (column, cell) = (column.into(), cell.into());
        match self.place(&column) {
            Ok(at) if cell.is_empty() => _ = self.cells.remove(at),
            Ok(at) => self.cells[at].1 = cell,
            Err(_) if cell.is_empty() => {}
            Err(at) => {
                // Exactly: most songs of a catalogue have as many cells as it has columns.
                self.cells.reserve_exact(1);
                self.cells.insert(at, (column, cell));
            }
        }
    }

    /// The columns with their cells, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &str)> {
        self.cells.iter().map(|(column, cell)| (column, cell.as_str()))
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Of cells that are not empty, whose columns are sorted and differ.
    pub(crate) fn from_sorted(cells: Vec<(Arc<str>, CompactString)>) -> Self {
        debug_assert!(cells.is_sorted_by(|a, b| a.0 < b.0));
        Extra { cells }
    }

    pub(crate) fn get_any_case(&self, column: &str) -> Option<&str> {
        self.iter().find(|(name, _)| name.eq_ignore_ascii_case(column)).map(|(_, cell)| cell)
    }

    /// Takes away the blanks around cells, and then those that are empty.
    pub(crate) fn trim(&mut self) {
        for (_, cell) in &mut self.cells {
            if cell.trim().len() < cell.len() {
                *cell = cell.trim().into();
            }
        }
        self.cells.retain(|(_, cell)| !cell.is_empty());
    }

    fn place(&self, column: &str) -> Result<usize, usize> {
        self.cells.binary_search_by(|(name, _)| (**name).cmp(column))
    }
}

impl Index<&str> for Extra {
    type Output = str;

    /// # Panics
    /// Where the song has no such cell; [`Extra::get`] does not.
    fn index(&self, column: &str) -> &str {
        self.get(column).unwrap_or_else(|| panic!("there is no cell {column:?}"))
    }
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Extra {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.cells.len()))?;
        for (column, cell) in self.iter() {
            map.serialize_entry(column.as_ref(), cell)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Extra {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Cells;
        impl<'de> Visitor<'de> for Cells {
            type Value = Extra;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Extra, A::Error> {
                let mut extra = Extra::default();
                while let Some((column, cell)) = map.next_entry::<String, CompactString>()? {
                    extra.insert(column, cell);
                }
                Ok(extra)
            }
        }
        deserializer.deserialize_map(Cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_replaced_and_removed_by_their_names() {
        let mut extra = Extra::default();
        for (column, cell) in [("label", "x"), ("genre", "rock"), ("label", "y"), ("note", "")] {
            extra.insert(column, cell);
        }
        assert_eq!(
            extra.iter().map(|(name, cell)| (&**name, cell)).collect::<Vec<_>>(),
            [("genre", "rock"), ("label", "y")]
        );
        assert_eq!(
            (&extra["genre"], extra.get("Genre"), extra.get_any_case("Genre")),
            ("rock", None, Some("rock"))
        );
        extra.insert("genre", "");
        extra.insert("label", " ");
        extra.trim();
        assert!(extra.is_empty());
    }
}
