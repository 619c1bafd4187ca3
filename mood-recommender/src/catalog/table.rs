//! The rows of CSV in any dialect.

use csv::StringRecord;

use super::error::CatalogError;
use super::layout::Layout;
use super::rows::Batch;

/// What stands between cells, the likeliest first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// CSV whose separator is known and whose header was read.
pub(super) struct Table<'t> {
    rows: csv::Reader<&'t [u8]>,
    pub(super) headers: Vec<String>,
    pub(super) separator: u8,
    /// How many lines late `csv` counts.
    late: u64,
    /// Lines before the header.
    before: u64,
}

impl<'t> Table<'t> {
    pub(super) fn new(text: &'t str) -> Result<Self, CatalogError> {
        let (told, text) = told_separator(text);
        let separators = told.as_ref().map_or(&SEPARATORS[..], std::slice::from_ref);
        let mut best: Option<(usize, Self)> = None;
        for &separator in separators {
            // Flexible, since rows of a wrong length get an error of ours that names the row.
            let mut rows =
                csv::ReaderBuilder::new().flexible(true).delimiter(separator).from_reader(text.as_bytes());
            let header = rows.byte_headers().map_err(|error| CatalogError::Io(error.into()))?;
            let headers: Vec<String> =
                header.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
            // csv counts a line where it reads its `\n`. Of `\r\n` that is one row late, which the header shows.
            let breaks = header.iter().flatten().filter(|byte| **byte == b'\n').count() as u64;
            let late = u64::from(rows.position().line() == 1 + breaks);
            let known = Layout::known(&headers.iter().map(String::as_str).collect::<Vec<_>>());
            if best.as_ref().is_none_or(|(most, _)| known > *most) {
                let before = u64::from(told.is_some());
                best = Some((known, Table { rows, headers, separator, late, before }));
            }
        }
        best.map(|(_, table)| table)
            .ok_or_else(|| CatalogError::MissingColumns { missing: Vec::new(), given: Vec::new() })
    }

    pub(super) fn note(&self) -> Option<String> {
        let name = match self.separator {
            b',' => return None,
            b'\t' => "tabs".to_owned(),
            other => format!("{:?}", char::from(other)),
        };
        Some(format!("cells are separated by {name}"))
    }

    /// The next rows; none at the end.
    pub(super) fn next_batch(&mut self) -> Result<Option<Batch>, CatalogError> {
        let (mut batch, mut record) = (Batch::default(), StringRecord::new());
        while !batch.is_full()
            && self.rows.read_record(&mut record).map_err(|error| CatalogError::Io(error.into()))?
        {
            let line = record.position().map_or(0, csv::Position::line) + self.late + self.before;
            // Spreadsheets end rows with separators of columns that were deleted.
            let empty = record.iter().rev().take_while(|cell| cell.is_empty()).count();
            let cells = record.len() - empty.min(record.len().saturating_sub(self.headers.len()));
            batch.push(record.iter().take(cells), Some(line));
        }
        Ok((batch.len() > 0).then_some(batch))
    }
}

/// Excel's first line `sep=;`.
fn told_separator(text: &str) -> (Option<u8>, &str) {
    let Some(rest) = text.strip_prefix("sep=") else { return (None, text) };
    let Some((separator, rest)) = rest.split_at_checked(1) else { return (None, text) };
    let rest = rest.strip_prefix('\r').unwrap_or(rest);
    match rest.strip_prefix('\n') {
        Some(rest) => (Some(separator.as_bytes()[0]), rest),
        None => (None, text),
    }
}
