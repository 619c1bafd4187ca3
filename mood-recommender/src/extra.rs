//! Extra columns of a catalogue.

use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The cells of a song's unknown columns by their names, sorted by name.
///
/// Songs of one file share the names, and a song's cells lie side by side: a song without any takes eight bytes.
#[derive(Clone, Default)]
pub struct Extra {
    cells: Option<Box<Cells>>,
}

#[derive(Clone)]
struct Cells {
    /// Sorted. A song may lack some of them: their cells are empty.
    columns: Arc<[Arc<str>]>,
    /// For each cell its length and its text. The length is stored in groups of seven bits, the lowest first. The eighth bit is set if more
    /// groups follow.
    bytes: Box<[u8]>,
}

impl Extra {
    /// The cell of a column.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.iter().find(|(name, _)| ***name == *column).map(|(_, cell)| cell)
    }

    /// Sets the cell of a column. An empty text removes it.
    pub fn insert(&mut self, column: impl Into<Arc<str>>, cell: impl AsRef<str>) {
        let (column, cell) = (column.into(), cell.as_ref());
        let mut cells: Vec<(Arc<str>, &str)> = self
            .iter()
            .filter(|(name, _)| **name != column)
            .map(|(name, cell)| (Arc::clone(name), cell))
            .collect();
        let at = cells.partition_point(|(name, _)| *name < column);
        cells.insert(at, (column, cell));
        *self = Extra::from_cells(&cells);
    }

    /// The columns with their cells, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &str)> {
        let mut rest = self.cells.as_ref().map_or(&[][..], |cells| &cells.bytes);
        let columns = self.cells.iter().flat_map(|cells| cells.columns.iter());
        let all = columns.map(move |column| {
            let cell = take_cell(&mut rest);
            // Every cell was a text when it was written.
            (column, str::from_utf8(cell).unwrap_or_default())
        });
        all.filter(|(_, cell)| !cell.is_empty())
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.cells.is_none()
    }

    /// Creates it from one cell, possibly empty, for each column. The columns must be sorted and distinct.
    pub(crate) fn new<'c>(columns: &Arc<[Arc<str>]>, cells: impl Iterator<Item = &'c str> + Clone) -> Self {
        debug_assert!(columns.is_sorted_by(|a, b| a < b));
        if cells.clone().all(str::is_empty) {
            return Extra::default();
        }
        let length = cells.clone().map(|cell| cell.len() + length_bytes(cell.len())).sum();
        let mut bytes = Vec::with_capacity(length);
        for cell in cells {
            let mut left = cell.len();
            while left > 0x7f {
                bytes.push(left as u8 | 0x80);
                left >>= 7;
            }
            bytes.push(left as u8);
            bytes.extend_from_slice(cell.as_bytes());
        }
        let cells = Cells { columns: Arc::clone(columns), bytes: bytes.into_boxed_slice() };
        Extra { cells: Some(Box::new(cells)) }
    }

    fn from_cells(cells: &[(Arc<str>, &str)]) -> Self {
        let filled = || cells.iter().filter(|(_, cell)| !cell.is_empty());
        let columns: Vec<Arc<str>> = filled().map(|(column, _)| Arc::clone(column)).collect();
        Extra::new(&columns.into(), filled().map(|(_, cell)| *cell))
    }

    pub(crate) fn get_any_case(&self, column: &str) -> Option<&str> {
        self.iter().find(|(name, _)| name.eq_ignore_ascii_case(column)).map(|(_, cell)| cell)
    }

    /// Takes away the blanks around cells, and then those that are empty.
    pub(crate) fn trim(&mut self) {
        if self.iter().any(|(_, cell)| cell.trim().len() < cell.len()) {
            let cells: Vec<_> = self.iter().map(|(column, cell)| (Arc::clone(column), cell.trim())).collect();
            *self = Extra::from_cells(&cells);
        }
    }
}

/// Bytes that a length takes.
fn length_bytes(length: usize) -> usize {
    (usize::BITS - length.leading_zeros()).div_ceil(7).max(1) as usize
}

/// Removes the next cell from `bytes` and returns it.
fn take_cell<'b>(bytes: &mut &'b [u8]) -> &'b [u8] {
    let (mut length, mut shift) = (0, 0);
    while let Some((&byte, rest)) = bytes.split_first() {
        *bytes = rest;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (cell, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    cell
}

impl PartialEq for Extra {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Extra {}

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
        let mut map = serializer.serialize_map(Some(self.iter().count()))?;
        for (column, cell) in self.iter() {
            map.serialize_entry(column.as_ref(), cell)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Extra {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Extra;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Extra, A::Error> {
                let mut extra = Extra::default();
                while let Some((column, cell)) = map.next_entry::<String, String>()? {
                    extra.insert(column, cell);
                }
                Ok(extra)
            }
        }
        deserializer.deserialize_map(Texts)
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
        assert_eq!(
            extra,
            [("genre", "rock"), ("label", "y")].into_iter().fold(Extra::default(), |mut extra, (n, c)| {
                extra.insert(n, c);
                extra
            })
        );
        extra.insert("genre", "");
        extra.insert("label", " ");
        extra.trim();
        assert!(extra.is_empty());
    }

    #[test]
    fn cells_of_any_length_are_kept_and_songs_share_the_names_of_columns() {
        let columns: Arc<[Arc<str>]> = ["a", "b", "c", "d"].map(Arc::from).into();
        for length in [0, 1, 127, 128, 16_383, 16_384, 100_000] {
            let long = "é".repeat(length / 2) + &"x".repeat(length % 2);
            let cells = ["", long.as_str(), "", "z"];
            let extra = Extra::new(&columns, cells.iter().copied());
            assert_eq!((extra.get("a"), &extra["d"]), (None, "z"));
            assert_eq!(extra.get("b").unwrap_or_default(), long);
            let text = serde_json::to_string(&extra).unwrap();
            assert_eq!(serde_json::from_str::<Extra>(&text).unwrap(), extra);
        }
        assert!(Extra::new(&columns, [""; 4].into_iter()).is_empty());
    }
}
