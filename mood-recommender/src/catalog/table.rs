//! The rows of CSV in any dialect.

use csv::StringRecord;
use memchr::memchr;

use super::error::CatalogError;
use super::layout::Layout;
use crate::formula::unmark_formula;

/// What stands between cells, the likeliest first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// CSV whose separator is known and whose header was read.
pub(super) struct Table<'t> {
    text: &'t str,
    /// Where the header ends.
    body: usize,
    pub(super) headers: Vec<String>,
    pub(super) separator: u8,
}

impl<'t> Table<'t> {
    pub(super) fn new(text: &'t str) -> Result<Self, CatalogError> {
        let (declared, start) = declared_separator(text);
        let separators = declared.as_ref().map_or(&SEPARATORS[..], std::slice::from_ref);
        let mut best: Option<(usize, Self)> = None;
        for &separator in separators {
            let mut rows = rows(&text[start..], separator);
            let mut header = StringRecord::new();
            rows.read_record(&mut header).map_err(|error| CatalogError::Io(error.into()))?;
            let headers: Vec<String> =
                header.iter().map(|name| unmark_formula(name.trim()).to_owned()).collect();
            let known = Layout::known(&headers.iter().map(String::as_str).collect::<Vec<_>>());
            if best.as_ref().is_none_or(|(most, _)| known > *most) {
                let body = start + rows.position().byte() as usize;
                best = Some((known, Table { text, body, headers, separator }));
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

    /// All rows in chunks of whole rows, about `size` bytes each.
    pub(super) fn chunks(&self, size: usize) -> Chunks<'t> {
        let Table { text, body, separator, .. } = *self;
        Chunks { text, start: body, separator, size, opening: None }
    }

    /// Numbers the lines in which rows begin, for rows in their order.
    pub(super) fn lines(&self) -> impl FnMut(usize) -> u64 {
        let (text, mut counted, mut line) = (self.text, 0, 1);
        move |at| {
            // Empty lines before a row belong to it.
            let row = text.len() - text[at..].trim_start_matches(['\r', '\n']).len();
            line += memchr::memchr_iter(b'\n', &text.as_bytes()[counted..row]).count() as u64;
            counted = row;
            line
        }
    }
}

/// Accepts rows of any length. This crate reports a wrong length itself, with the number of the row.
fn rows(text: &str, separator: u8) -> csv::Reader<&[u8]> {
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(separator).from_reader(text.as_bytes())
}

/// Excel's first line `sep=;`, and where the rest begins.
fn declared_separator(text: &str) -> (Option<u8>, usize) {
    let declared = || {
        let (separator, rest) = text.strip_prefix("sep=")?.split_at_checked(1)?;
        let rest = rest.strip_prefix('\r').unwrap_or(rest).strip_prefix('\n')?;
        Some((Some(separator.as_bytes()[0]), text.len() - rest.len()))
    };
    declared().unwrap_or((None, 0))
}

/// Cuts a text between rows, for threads to read side by side.
pub(super) struct Chunks<'t> {
    text: &'t str,
    /// Where the next chunk begins.
    start: usize,
    separator: u8,
    size: usize,
    /// The next quote that opens a cell, if it was looked for; the text's length where there is none.
    opening: Option<usize>,
}

impl<'t> Iterator for Chunks<'t> {
    type Item = Chunk<'t>;

    fn next(&mut self) -> Option<Chunk<'t>> {
        let (bytes, start) = (self.text.as_bytes(), self.start);
        if start >= bytes.len() {
            return None;
        }
        let wanted = bytes.len().min(start + self.size);
        let mut outside = start;
        let end = loop {
            // Up to the next quoted cell, every line ends a row.
            let opening = self.opening(outside);
            let from = wanted.max(outside).min(opening);
            if let Some(end) = memchr(b'\n', &bytes[from..opening]) {
                break from + end + 1;
            }
            if opening == bytes.len() {
                break opening;
            }
            outside = self.behind_closing(opening + 1);
        };
        self.start = end;
        // A reader drops a byte order mark at its start, where a text may have that letter: it starts with the line end before it.
        let start = start - 1;
        Some(Chunk { rows: rows(&self.text[start..end], self.separator), start })
    }
}

impl Chunks<'_> {
    /// The next quote from `from` on that opens a cell. As for `csv`, it must be the cell's first byte.
    fn opening(&mut self, from: usize) -> usize {
        let bytes = self.text.as_bytes();
        if let Some(opening) = self.opening.filter(|opening| *opening >= from) {
            return opening;
        }
        // `at` is at least 1, because the header precedes the rows.
        let opens = |at: usize| matches!(bytes[at - 1], b'\n' | b'\r') || bytes[at - 1] == self.separator;
        let quotes = memchr::memchr_iter(b'"', &bytes[from..]).map(|at| from + at);
        let opening = quotes.into_iter().find(|at| opens(*at)).unwrap_or(bytes.len());
        self.opening = Some(opening);
        opening
    }

    /// The end of the quoted cell whose content begins at `at`. Two quotes are one of the content.
    fn behind_closing(&self, mut at: usize) -> usize {
        let bytes = self.text.as_bytes();
        while let Some(quote) = memchr(b'"', &bytes[at..]) {
            at += quote + 1;
            if bytes.get(at) != Some(&b'"') {
                return at;
            }
            at += 1;
        }
        bytes.len()
    }
}

/// Some rows of a table.
pub(super) struct Chunk<'t> {
    rows: csv::Reader<&'t [u8]>,
    start: usize,
}

impl Chunk<'_> {
    /// Reads the next row and returns its place in the text; none at the end.
    pub(super) fn next(&mut self, row: &mut StringRecord) -> Result<Option<usize>, CatalogError> {
        let place = self.start + self.rows.position().byte() as usize;
        let found = self.rows.read_record(row).map_err(|error| CatalogError::Io(error.into()))?;
        Ok(found.then_some(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(mut rows: csv::Reader<&[u8]>) -> Vec<StringRecord> {
        rows.records().map(Result::unwrap).collect()
    }

    proptest! {
        #[test]
        fn chunks_hold_the_same_rows_as_the_text(body in "[a,;\"\r\né\u{feff}]{0,60}", size in 1..20_usize) {
            let text = format!("name,artist,energy\n{body}");
            let table = Table::new(&text).unwrap();
            let (mut row, mut found) = (StringRecord::new(), Vec::new());
            for mut chunk in table.chunks(size) {
                while let Some(place) = chunk.next(&mut row).unwrap() {
                    // From its place on, the text begins with the row.
                    prop_assert_eq!(&read(rows(&format!("\n{}", &text[place..]), b','))[0], &row);
                    found.push(row.clone());
                }
            }
            prop_assert_eq!(found, &read(rows(&text, b','))[1..]);
        }
    }

    #[test]
    fn lines_are_counted_in_every_dialect() {
        let text = "sep=;\r\nname;artist;energy\r\n\r\nA;\"B\r\nC\";0\r\nD;E;1\r\n";
        let table = Table::new(text).unwrap();
        assert_eq!((table.separator, table.headers.len()), (b';', 3));
        let (mut lines, mut row) = (table.lines(), StringRecord::new());
        let mut chunk = table.chunks(1000).next().unwrap();
        let mut next = || chunk.next(&mut row).unwrap().map(&mut lines);
        assert_eq!([next(), next(), next()], [Some(4), Some(6), None]);
    }
}
