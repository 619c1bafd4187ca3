//! The rows of JSON: an array of objects, one object a line, or what Spotify's and ReccoBeats' services answer.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::error::{CatalogError, excerpt};
use super::rows::Batch;

/// The fields of an object, by their places among the headers, and its line where it has its own.
type Row = (Vec<(usize, String)>, Option<u64>);

/// A table of JSON objects.
#[derive(Default)]
pub(super) struct Objects {
    /// The names of all fields, in the order in which they first come.
    pub(super) headers: Vec<String>,
    rows: Vec<Row>,
    places: HashMap<String, usize>,
    /// Rows that are no JSON, counted from 1, and their text. They have no fields.
    pub(super) bad: Vec<(usize, String)>,
}

/// Whether a text can only be JSON.
pub(super) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// Reads all values. With `skip_bad`, a line that is no JSON becomes a bad row, and the next line that begins an object goes on.
pub(super) fn read(text: &str, skip_bad: bool) -> Result<Objects, CatalogError> {
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
            return Err(CatalogError::Json { line: before + error.line(), column: error.column(), error });
        }
        objects.rows.push((Vec::new(), Some(line)));
        objects.bad.push((objects.rows.len(), excerpt(bad)));
        let Some(next) = next else { return Ok(objects) };
        line += rest[at..next].matches('\n').count() as u64;
        start += next;
    }
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
    /// Takes values up to the first that is no JSON, and returns where that begins. `line` counts along.
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

    fn push(&mut self, value: Value, line: Option<u64>) {
        let mut cells = Vec::new();
        // Anything but an object has no fields, so that it is refused for lack of a name.
        if let Value::Object(object) = value {
            self.fields(object, &mut cells);
        }
        self.rows.push((cells, line));
    }

    /// The scalars of an object, and what matters of its inner ones. The first value of a field counts.
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

    fn field(&mut self, name: String, text: String, cells: &mut Vec<(usize, String)>) {
        let next = self.headers.len();
        // Headers differ in more than blanks and case.
        let place = *self.places.entry(name.trim().to_lowercase()).or_insert(next);
        if place == next {
            self.headers.push(name);
        }
        if !text.is_empty() && cells.iter().all(|(other, _)| *other != place) {
            cells.push((place, text));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn batches(self) -> impl Iterator<Item = Batch> {
        let mut rows = self.rows.into_iter().peekable();
        let width = self.headers.len();
        std::iter::from_fn(move || {
            rows.peek()?;
            let mut batch = Batch::default();
            while !batch.is_full() {
                let Some((mut cells, line)) = rows.next() else { break };
                cells.sort_by_key(|(place, _)| *place);
                let mut filled = cells.iter().peekable();
                let texts = (0..width)
                    .map(|place| filled.next_if(|(at, _)| *at == place).map_or("", |(_, text)| text));
                batch.push(texts, line);
            }
            Some(batch)
        })
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
