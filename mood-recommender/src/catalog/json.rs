//! The rows of JSON: an array of objects, one object per line, or a response of Spotify's or ReccoBeats' API.

use std::collections::HashMap;

use memchr::{memchr_iter, memmem};
use serde_json::{Map, Value};

use super::error::{CatalogError, excerpt};
use crate::threads::{cores_for, in_order};

/// An object as a row of a table.
#[derive(Default)]
pub(super) struct Row {
    /// The fields, sorted by their places among the headers.
    cells: Vec<(usize, String)>,
    /// Its line, where it has its own.
    pub(super) line: Option<u64>,
    /// The text of what is no JSON.
    pub(super) bad: Option<String>,
}

impl Row {
    /// The field at a place among the headers; empty where the object lacks it.
    pub(super) fn cell(&self, place: usize) -> &str {
        let found = self.cells.binary_search_by_key(&place, |(place, _)| *place);
        found.map_or("", |at| &self.cells[at].1)
    }
}

/// A table of JSON objects.
#[derive(Default)]
pub(super) struct Objects {
    /// The names of all fields, in the order in which they first come.
    pub(super) headers: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// The places of headers in the spellings that came, and in lower case: they differ in more than blanks and case.
    places: HashMap<String, usize>,
}

/// Whether a text can only be JSON.
pub(super) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// Bytes of JSON Lines that are read at a time.
const CHUNK: usize = 1 << 18;
/// Bytes of an object, about.
const OBJECT: usize = 400;

/// Reads all values. With `skip_bad`, a line that is not valid JSON becomes a bad row, and reading resumes at the next line that
/// begins an object.
pub(super) fn read(text: &str, skip_bad: bool) -> Result<Objects, CatalogError> {
    if let Some(objects) = lines(text, CHUNK) {
        return Ok(objects);
    }
    let mut objects = Objects::default();
    // The rest of the text begins at `start`, in line `line` of the file.
    let (mut start, mut line) = (0, 1);
    loop {
        let rest = &text[start..];
        let Err((error, at)) = objects.push_all(rest, &mut line) else { return Ok(objects) };
        let bad = rest[at..].lines().next().unwrap_or_default();
        let next = rest[at..].find("\n{").map(|next| at + next + 1);
        // An array that cannot be read is one error, not a bad row.
        if !skip_bad || bad.starts_with('[') {
            let before = text[..start].matches('\n').count();
            let (line, column) = (before + error.line(), error.column());
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or_default().to_owned();
            return Err(CatalogError::Json { line, column, reason });
        }
        objects.rows.push(Row { line: Some(line), bad: Some(excerpt(bad)), ..Row::default() });
        let Some(next) = next else { return Ok(objects) };
        line += rest[at..next].matches('\n').count() as u64;
        start += next;
    }
}

/// Reads JSON Lines on all cores. `None` if the text is a single chunk, or if a chunk is not valid JSON by itself.
fn lines(text: &str, size: usize) -> Option<Objects> {
    let mut rest = text;
    let mut chunks = std::iter::from_fn(|| {
        let wanted = size.min(rest.len());
        // Inside of values, no line begins so.
        let end = memmem::find(&rest.as_bytes()[wanted..], b"\n{").map_or(rest.len(), |end| wanted + end + 1);
        let (chunk, behind) = rest.split_at(end);
        rest = behind;
        (!chunk.is_empty()).then_some(chunk)
    });
    let first = chunks.next().filter(|first| first.len() < text.len())?;
    let (mut all, mut before) = (Some(Objects::default()), 0);
    let of_chunk = |chunk: &str| {
        let mut objects = Objects::default();
        let read = objects.push_all(chunk, &mut 1);
        (read.is_ok().then_some(objects), memchr_iter(b'\n', chunk.as_bytes()).count() as u64)
    };
    in_order(
        cores_for(text.len() / OBJECT),
        [first].into_iter().chain(chunks),
        of_chunk,
        |(objects, lines)| {
            all = all.take().zip(objects).map(|(all, objects)| all.joined(objects, before));
            before += lines;
        },
    );
    all
}

/// The list that a value is or holds; the value itself where it is one song.
fn list_of(value: Value) -> Result<Vec<Value>, Value> {
    const LISTS: [&str; 7] = ["tracks", "items", "content", "audio_features", "songs", "data", "results"];
    match value {
        Value::Array(list) => Ok(list),
        Value::Object(mut object) => {
            for name in LISTS {
                match object.remove(name) {
                    Some(Value::Array(list)) => return Ok(list),
                    Some(inner @ Value::Object(_)) => match list_of(inner) {
                        Ok(list) => return Ok(list),
                        Err(inner) => _ = object.insert(name.to_owned(), inner),
                    },
                    Some(other) => _ = object.insert(name.to_owned(), other),
                    None => {}
                }
            }
            Err(Value::Object(object))
        }
        other => Err(other),
    }
}

impl Objects {
    /// Adds the values up to the first invalid one and returns the offset of that value. `line` counts the lines that were read.
    fn push_all(&mut self, text: &str, line: &mut u64) -> Result<(), (serde_json::Error, usize)> {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let mut counted = 0;
        loop {
            // A value begins behind the blanks that follow the one before.
            let blanks = text[counted..].find(|letter: char| !letter.is_whitespace()).unwrap_or(0);
            *line += text[counted..counted + blanks].matches('\n').count() as u64;
            counted += blanks;
            let Some(value) = values.next() else { return Ok(()) };
            match list_of(value.map_err(|error| (error, counted))?) {
                Ok(list) => list.into_iter().for_each(|value| self.push(value, None)),
                Err(value) => self.push(value, Some(*line)),
            }
            let end = values.byte_offset();
            *line += text[counted..end].matches('\n').count() as u64;
            counted = end;
        }
    }

    /// Appends the objects of the next chunk, which begins after `lines` lines.
    fn joined(mut self, next: Objects, lines: u64) -> Self {
        let places: Vec<usize> = next.headers.into_iter().map(|name| self.place(name)).collect();
        let is_same = places.iter().copied().eq(0..places.len());
        self.rows.extend(next.rows.into_iter().map(|mut row| {
            row.line = row.line.map(|line| line + lines);
            if !is_same {
                row.cells.iter_mut().for_each(|(place, _)| *place = places[*place]);
                row.cells.sort_unstable_by_key(|(place, _)| *place);
            }
            row
        }));
        self
    }

    fn push(&mut self, value: Value, line: Option<u64>) {
        let mut cells = Vec::new();
        // A value that is not an object becomes a row without fields. The row is refused later because it has no name.
        if let Value::Object(object) = value {
            self.fields(object, &mut cells);
        }
        cells.sort_unstable_by_key(|(place, _)| *place);
        self.rows.push(Row { cells, line, bad: None });
    }

    /// Collects the scalars of an object and the relevant fields of nested objects. If a field occurs twice, its first value is kept.
    fn fields(&mut self, object: Map<String, Value>, cells: &mut Vec<(usize, String)>) {
        let mut inner = Vec::new();
        for (name, value) in object {
            match value {
                Value::Null => self.field(name, String::new(), cells),
                Value::String(text) => self.field(name, text, cells),
                Value::Bool(_) | Value::Number(_) => self.field(name, value.to_string(), cells),
                Value::Array(list) => {
                    if let Some(text) = names(&list) {
                        self.field(name, text, cells);
                    }
                }
                Value::Object(object) => inner.push((name, object)),
            }
        }
        for (name, mut object) in inner {
            match name.as_str() {
                "track" | "audio_features" | "audioFeatures" | "features" | "extra" => {
                    self.fields(object, cells)
                }
                "album" => {
                    for (field, name) in [("name", "album"), ("release_date", "release_date")] {
                        if let Some(Value::String(text)) = object.remove(field) {
                            self.field(name.to_owned(), text, cells);
                        }
                    }
                }
                // Addresses and identifiers elsewhere.
                _ => {}
            }
        }
    }

    /// The place of a field's name among the headers.
    fn place(&mut self, name: String) -> usize {
        if let Some(place) = self.places.get(&name) {
            return *place;
        }
        let next = self.headers.len();
        let place = *self.places.entry(name.trim().to_ascii_lowercase()).or_insert(next);
        self.places.insert(name.clone(), place);
        if place == next {
            self.headers.push(name);
        }
        place
    }

    fn field(&mut self, name: String, text: String, cells: &mut Vec<(usize, String)>) {
        let place = self.place(name);
        if !text.is_empty() && cells.iter().all(|(other, _)| *other != place) {
            cells.push((place, text));
        }
    }
}

/// The names in a list of texts or of objects with a `name`, as artists are given.
fn names(list: &[Value]) -> Option<String> {
    let name = |value: &Value| match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Object(object) => Some(object.get("name")?.as_str()?.trim().to_owned()),
        _ => None,
    };
    let names: Vec<String> = list.iter().map(name).collect::<Option<_>>()?;
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_read_in_parts_are_those_read_at_once(
            lines in proptest::collection::vec(("[ \n]{0,2}", "[aBé ]{1,2}", "[bAé{}\\\\n]{1,3}", 0..9_u8), 0..8), size in 1..60_usize,
        ) {
            let line = |(blanks, a, b, number): &(String, String, String, u8)| {
                let value = serde_json::json!({ a: number, b: { "name": b }, "name": b, "list": [{ "name": a }] });
                format!("{blanks}{value}\n")
            };
            let text: String = lines.iter().map(line).collect();
            let mut expected = Objects::default();
            expected.push_all(&text, &mut 1).unwrap();
            if let Some(found) = super::lines(&text, size) {
                let rows = |objects: &Objects| {
                    let cells = |row: &Row| (0..objects.headers.len()).map(|at| row.cell(at).to_owned()).collect::<Vec<_>>();
                    objects.rows.iter().map(|row| (cells(row), row.line)).collect::<Vec<_>>()
                };
                prop_assert_eq!(&found.headers, &expected.headers);
                prop_assert_eq!(rows(&found), rows(&expected));
            }
        }
    }

    #[test]
    fn text_that_is_not_lines_is_not_cut() {
        let pretty = "{\n \"items\": [\n  {\"name\": \"A\"}\n ]\n}\n";
        assert!(lines(pretty, 4).is_none());
        assert!(lines("{\"a\":1}\n{oops\n{\"a\":2}\n", 4).is_none());
        assert_eq!(lines("{\"a\":1}\n{\"b\":2}\n", 4).map(|objects| objects.rows.len()), Some(2));
    }
}
