//! From a file's bytes to songs: text, rows, songs, units, then the rules that every song keeps.

use csv::StringRecord;

use super::builder::{Ids, check};
use super::cell::Length;
use super::error::{CatalogError, Fault};
use super::json::{self, Row};
use super::layout::Layout;
use super::options::ReadOptions;
use super::scale::{Ranges, Units};
use super::table::{Chunk, Table};
use super::text;
use super::{Catalog, SkippedRow};
use crate::feature::SongFeature;
use crate::formula::unmark_formula;
use crate::song::Song;
use crate::threads::{cores_for, in_order, in_shares};

/// Bytes of CSV that are read at a time: the songs stay in a core's own cache until they are joined.
const CHUNK: usize = 1 << 18;
/// Bytes of a row, about.
const ROW: usize = 100;
/// JSON objects that are read at a time.
const OBJECTS: usize = 1 << 11;

pub(super) fn read(bytes: &[u8], options: &ReadOptions) -> Result<Catalog, CatalogError> {
    let (text, note) = text::decode(bytes);
    let mut notes: Vec<String> = note.into_iter().collect();
    if json::is_json(&text) {
        let objects = json::read(&text, options.skip_bad)?;
        if objects.rows.is_empty() {
            return Ok(Catalog { notes, ..Catalog::default() });
        }
        let layout = Layout::find(&references(&objects.headers), options)?;
        let mut all = Rows::default();
        let chunks = objects.rows.chunks(OBJECTS).enumerate();
        let of_chunk = |(at, rows): (usize, &[Row])| Rows::of_objects(&layout, at * OBJECTS, rows);
        in_order(cores_for(objects.rows.len()), chunks, of_chunk, |rows| all.append(rows));
        return all.finish(&layout, notes, options, |at| objects.rows[at].line);
    }
    let table = Table::new(&text)?;
    notes.extend(table.note());
    let layout = Layout::find(&references(&table.headers), options)?;
    let mut all = Ok(Rows::default());
    let of_chunk = |chunk| Rows::of_chunk(&layout, chunk);
    in_order(cores_for(text.len() / ROW), table.chunks(CHUNK), of_chunk, |rows| match (&mut all, rows) {
        (Ok(all), Ok(rows)) => all.append(rows),
        (Ok(_), Err(error)) => all = Err(error),
        (Err(_), _) => {}
    });
    let mut lines = table.lines();
    all?.finish(&layout, notes, options, |at| Some(lines(at)))
}

fn references(headers: &[String]) -> Vec<&str> {
    headers.iter().map(String::as_str).collect()
}

/// What was read of some rows.
#[derive(Default)]
struct Rows {
    songs: Vec<Song>,
    /// What else is known of each song.
    origins: Vec<Origin>,
    faults: Vec<(Place, Fault)>,
    ranges: Ranges,
    /// Rows so far, those with faults too.
    count: usize,
}

/// Where a row stands.
#[derive(Clone, Copy)]
struct Place {
    /// Its number among the rows, from 0.
    row: usize,
    /// Its place in the file, from which its line can be told.
    at: usize,
}

struct Origin {
    place: Place,
    length: Length,
    id: Option<u64>,
}

impl Rows {
    fn of_chunk(layout: &Layout, mut chunk: Chunk<'_>) -> Result<Self, CatalogError> {
        let (mut rows, mut row) = (Rows::default(), StringRecord::new());
        while let Some(at) = chunk.next(&mut row)? {
            // Spreadsheets end rows with separators of columns that were deleted.
            let behind = row.len().saturating_sub(layout.width);
            let empty = row.iter().rev().take(behind).take_while(|cell| cell.is_empty()).count();
            let read = match row.len() - empty {
                given if given == layout.width => layout.song(|at| trimmed(&row[at])),
                given => Err(Fault::Cells { expected: layout.width, given }),
            };
            rows.push(at, read);
        }
        Ok(rows)
    }

    fn of_objects(layout: &Layout, first: usize, objects: &[Row]) -> Self {
        let mut rows = Rows::default();
        for (row, at) in objects.iter().zip(first..) {
            rows.push(
                at,
                match &row.bad {
                    None => layout.song(|at| row.cell(at).trim()),
                    Some(text) => Err(Fault::new("line", "a JSON object", text)),
                },
            );
        }
        rows
    }

    fn push(&mut self, at: usize, read: Result<(Song, Length), Fault>) {
        let place = Place { row: self.count, at };
        self.count += 1;
        match read {
            Ok((song, length)) => {
                for feature in SongFeature::ALL {
                    if let Some(value) = song.feature(feature) {
                        self.ranges.add_feature(feature, value);
                    }
                }
                self.ranges.add_length(length);
                self.origins.push(Origin { place, length, id: Ids::fingerprint(&song.id) });
                self.songs.push(song);
            }
            Err(fault) => self.faults.push((place, fault)),
        }
    }

    fn append(&mut self, next: Rows) {
        let behind = |place: Place| Place { row: place.row + self.count, ..place };
        let origins = next.origins.into_iter();
        self.origins.extend(origins.map(|origin| Origin { place: behind(origin.place), ..origin }));
        self.faults.extend(next.faults.into_iter().map(|(place, fault)| (behind(place), fault)));
        self.songs.extend(next.songs);
        self.ranges.merge(&next.ranges);
        self.count += next.count;
    }

    /// Converts units, then checks the rules of a catalogue. Returns an error at the first bad row unless bad rows are skipped.
    /// `line` maps the offset of a row to its line. It is called in the order of the rows.
    fn finish(
        self,
        layout: &Layout,
        mut notes: Vec<String>,
        options: &ReadOptions,
        mut line: impl FnMut(usize) -> Option<u64>,
    ) -> Result<Catalog, CatalogError> {
        let Rows { mut songs, origins, mut faults, ranges, .. } = self;
        let recognised = if layout.is_own { &Ranges::default() } else { &ranges };
        let units = recognised.units(layout.length_unit);
        notes.extend(units.notes());
        let bad = convert(&units, &mut songs, &origins, !units.are_allowed(&ranges));
        faults.extend(bad.iter().map(|(at, fault)| (origins[*at].place, fault.clone())));
        faults.sort_by_key(|(place, _)| place.row);
        if !options.skip_bad && !faults.is_empty() {
            let (Place { row, at }, fault) = faults.swap_remove(0);
            return Err(fault.at(row + 1, line(at)));
        }
        let mut bad = bad.into_iter().map(|(at, _)| at).peekable();
        let (mut known, mut duplicates) = (Ids::with_capacity(songs.len()), Vec::new());
        let mut places = origins.iter().enumerate();
        songs.retain(|song| {
            let Some((at, Origin { place, id, .. })) = places.next() else { return true };
            bad.next_if_eq(&at).is_none() && known.is_new(*id, song, place.row + 1, &mut duplicates)
        });
        songs.shrink_to_fit();
        let skipped = |(Place { row, at }, fault): (Place, Fault)| {
            let (row, line) = (row + 1, line(at));
            SkippedRow { row, line, reason: fault.at(row, line).to_string() }
        };
        let skipped = faults.into_iter().map(skipped).collect();
        Ok(Catalog { songs, extra_columns: layout.extra_columns(), duplicates, skipped, notes })
    }
}

/// A cell without the blanks around it and without a spreadsheet's mark of text.
fn trimmed(cell: &str) -> &str {
    unmark_formula(match cell.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => cell,
        _ => cell.trim(),
    })
}

/// Converts all songs to their units and, with `is_checked`, checks them. Returns the positions of the invalid songs, in order, with
/// their faults.
fn convert(units: &Units, songs: &mut [Song], origins: &[Origin], is_checked: bool) -> Vec<(usize, Fault)> {
    let faults = in_shares(songs, |first, songs| {
        let songs = songs.iter_mut().zip(&origins[first..]).enumerate();
        let faults = songs.filter_map(|(at, (song, origin))| {
            let kept = apply(units, song, origin.length);
            let kept = if is_checked { kept.and_then(|()| check(song)) } else { kept };
            Some((first + at, kept.err()?))
        });
        faults.collect::<Vec<_>>()
    });
    faults.concat()
}

fn apply(units: &Units, song: &mut Song, length: Length) -> Result<(), Fault> {
    if let Some(milliseconds) = units.length(length) {
        let milliseconds = milliseconds.round();
        if milliseconds > f64::from(u32::MAX) {
            let rule = "at most 4294967295 milliseconds";
            return Err(Fault::new("duration_ms", rule, &milliseconds.to_string()));
        }
        song.duration_ms = Some(milliseconds as u32);
    }
    for feature in SongFeature::ALL {
        if let Some(value) = song.feature_mut(feature) {
            *value = units.feature(feature, *value);
        }
    }
    Ok(())
}
