//! Tables of clips.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use encoding_rs::Encoding;

/// A table of clips: CSV with commas or semicolons, or TSV, in UTF-8, or in UTF-16 with a byte order mark.
///
/// | column | other names | holds |
/// | --- | --- | --- |
/// | `path` | `file`, `filename` | the recording, below the table's folder or absolute |
/// | `label` | `emotion`, `mood`, `class` | the emotion or mood: a word that a [`LabelMap`](crate::LabelMap) knows |
/// | `speaker` | `actor` | optional: who speaks |
/// | `corpus` | | optional: where it comes from; otherwise the table's name |
/// | `language` | `lang` | optional: ISO 639-1 |
/// | `start`, `end` | | optional: the part of the recording in seconds, `end` after `start`; with semicolons, decimals may have a comma |
///
/// The first row names the columns, in any order and case; other columns are ignored.
///
/// ```
/// use ser_data::Manifest;
///
/// let table = "path;label;start;end\ninterview.wav;happy;1,5;4\ninterview.wav;sad;61;\n";
/// let manifest = Manifest::parse("clips.csv", table.as_bytes())?;
/// assert_eq!(manifest.rows[0].start.unwrap().as_secs_f64(), 1.5);
/// assert_eq!((manifest.rows[1].row, &*manifest.rows[1].label), (3, "sad"));
/// # Ok::<(), ser_data::ManifestError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    /// The rows that can be used, in their order. Two may name one recording: [`Clips`](crate::Clips) compares them.
    pub rows: Vec<ManifestRow>,
    /// The rows that cannot be used.
    pub bad: Vec<BadRow>,
}

/// A row of a [`Manifest`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestRow {
    /// Its line in the table, from 1.
    pub row: u64,
    /// The recording, as it is written there.
    pub path: String,
    /// The label, as written in the table.
    pub label: String,
    /// Who speaks.
    pub speaker: Option<String>,
    /// Name of its corpus.
    pub corpus: Option<String>,
    /// The language.
    pub language: Option<String>,
    /// Start of the clip, from the recording's start; `None` is the recording's start.
    pub start: Option<Duration>,
    /// End of the clip, from the recording's start; `None` is the recording's end.
    pub end: Option<Duration>,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{manifest}: row {row}: {column} must be {expected}, got {value:?}")]
#[non_exhaustive]
pub struct BadRow {
    /// The table.
    pub manifest: String,
    /// Its line in the table, from 1.
    pub row: u64,
    /// The column.
    pub column: &'static str,
    /// The rule.
    pub expected: String,
    /// The value.
    pub value: String,
}

/// A table that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It cannot be opened.
    #[error("{}: cannot be read: {cause}", path.display())]
    Io {
        /// The table.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: std::io::Error,
    },
    /// It is not UTF-8.
    #[error("{file}: row {row}: text must be UTF-8, got other bytes (save the table as UTF-8)")]
    Encoding {
        /// The table.
        file: String,
        /// The line, from 1.
        row: u64,
    },
    /// Its first row doesn't name the columns that are needed.
    #[error(
        "{file}: row 1: columns must be path (or file) and label (or emotion, mood, class), with speaker, corpus, language, start and end if known, got {found:?}"
    )]
    Columns {
        /// The table.
        file: String,
        /// The first row.
        found: String,
    },
    /// It is not valid CSV.
    #[error("{file}: {cause}")]
    Csv {
        /// The table.
        file: String,
        /// The error and its place.
        #[source]
        cause: csv::Error,
    },
}

/// Columns, by their place in a row.
struct Columns {
    path: usize,
    label: usize,
    speaker: Option<usize>,
    corpus: Option<usize>,
    language: Option<usize>,
    start: Option<usize>,
    end: Option<usize>,
    count: usize,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Option<Self> {
        let names: Vec<String> = header.iter().map(|name| name.trim().to_lowercase()).collect();
        let place =
            |known: &[&str]| known.iter().find_map(|known| names.iter().position(|name| name == known));
        Some(Self {
            path: place(&["path", "file", "filename"])?,
            label: place(&["label", "emotion", "mood", "class"])?,
            speaker: place(&["speaker", "actor"]),
            corpus: place(&["corpus"]),
            language: place(&["language", "lang"]),
            start: place(&["start"]),
            end: place(&["end"]),
            count: names.len(),
        })
    }
}

impl Manifest {
    /// Reads a table. Does not check whether its recordings exist.
    ///
    /// # Errors
    /// [`ManifestError`] names the table; rows that cannot be used are in [`Manifest::bad`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ManifestError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|cause| ManifestError::Io { path: path.into(), cause })?;
        Self::parse(&path.display().to_string(), &bytes)
    }

    /// Reads a table's bytes; `file` names it in errors.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, ManifestError> {
        let text = decoded(file, bytes)?;
        let (delimiter, columns) = columns(file, &text)?;
        let mut reader = reader(&text, delimiter);
        let mut line = lines(&text);
        let mut manifest = Self { rows: Vec::new(), bad: Vec::new() };
        for record in reader.records().skip(1) {
            let record = record.map_err(|cause| ManifestError::Csv { file: file.to_owned(), cause })?;
            let line = line(record.position().map_or(0, csv::Position::byte) as usize);
            let row = Row { file, line, record: &record, columns: &columns, comma: delimiter == b';' };
            match row.read() {
                Ok(row) => manifest.rows.push(row),
                Err(bad) => manifest.bad.push(bad),
            }
        }
        Ok(manifest)
    }
}

fn decoded(file: &str, bytes: &[u8]) -> Result<String, ManifestError> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, damaged) = encoding.decode_without_bom_handling(&bytes[mark..]);
        if !damaged {
            return Ok(text.into_owned());
        }
    }
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|e| {
        let before = &bytes[..e.valid_up_to()];
        let row = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
        ManifestError::Encoding { file: file.to_owned(), row }
    })
}

/// What separates the columns, and where they are.
fn columns(file: &str, text: &str) -> Result<(u8, Columns), ManifestError> {
    for delimiter in *b",;\t" {
        let mut header = csv::StringRecord::new();
        // What is wrong with the first row shows when all are read.
        if reader(text, delimiter).read_record(&mut header).is_ok()
            && let Some(columns) = Columns::of(&header)
        {
            return Ok((delimiter, columns));
        }
    }
    let first = text.lines().next().unwrap_or_default();
    let found = first.chars().take(80).collect();
    Err(ManifestError::Columns { file: file.to_owned(), found })
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
}

/// Numbers the lines in which rows begin, for rows in their order. The reader's own count lags after empty lines and CR LF.
fn lines(text: &str) -> impl FnMut(usize) -> u64 {
    let (mut counted, mut line) = (0, 1);
    move |at| {
        // Line ends before a row belong to it.
        let row = text.len() - text[at..].trim_start_matches(['\r', '\n']).len();
        line += text[counted..row].bytes().filter(|byte| *byte == b'\n').count() as u64;
        counted = row;
        line
    }
}

/// A row while it is read.
struct Row<'a> {
    file: &'a str,
    line: u64,
    record: &'a csv::StringRecord,
    columns: &'a Columns,
    /// Whether decimals may have a comma.
    comma: bool,
}

impl Row<'_> {
    fn read(&self) -> Result<ManifestRow, BadRow> {
        let Self { record, columns, .. } = self;
        if record.len() > columns.count {
            let rule = format!("of {} columns (values with the separator need quotes)", columns.count);
            return Err(self.bad("row", rule, record.len()));
        }
        if let Some(long) = record.iter().find(|value| value.contains(['\n', '\r'])) {
            return Err(self.bad(
                "row",
                "one line (a quote is open)".into(),
                long.lines().next().unwrap_or(""),
            ));
        }
        let optional = |at: Option<usize>| at.and_then(|at| self.value(at)).map(str::to_owned);
        let (start, end) = (self.seconds("start", columns.start)?, self.seconds("end", columns.end)?);
        if let Some(end) = end
            && end <= start.unwrap_or_default()
        {
            let rule = format!("later than start, {} s", start.unwrap_or_default().as_secs_f64());
            return Err(self.bad("end", rule, end.as_secs_f64()));
        }
        Ok(ManifestRow {
            row: self.line,
            path: self.needed("path", columns.path)?,
            label: self.needed("label", columns.label)?,
            speaker: optional(columns.speaker),
            corpus: optional(columns.corpus),
            language: optional(columns.language),
            start,
            end,
        })
    }

    fn value(&self, at: usize) -> Option<&str> {
        self.record.get(at).filter(|value| !value.is_empty())
    }

    fn needed(&self, column: &'static str, at: usize) -> Result<String, BadRow> {
        let value = self.value(at).map(str::to_owned);
        value.ok_or_else(|| self.bad(column, "given".into(), ""))
    }

    fn seconds(&self, column: &'static str, at: Option<usize>) -> Result<Option<Duration>, BadRow> {
        let Some(value) = at.and_then(|at| self.value(at)) else { return Ok(None) };
        let number = if self.comma { value.replace(',', ".") } else { value.to_owned() };
        let seconds = number.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match seconds {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(self.bad(column, "seconds of 0 or more".into(), value)),
        }
    }

    fn bad(&self, column: &'static str, expected: String, value: impl fmt::Display) -> BadRow {
        BadRow { manifest: self.file.into(), row: self.line, column, expected, value: value.to_string() }
    }
}
