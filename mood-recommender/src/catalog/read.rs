//! From a file's bytes to songs: text, rows, songs, units, then the rules that every song keeps.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::builder::{Ids, check};
use super::column::Length;
use super::error::{CatalogError, Fault};
use super::json;
use super::layout::Layout;
use super::options::ReadOptions;
use super::rows::Batch;
use super::scale::{Ranges, Units};
use super::table::Table;
use super::text;
use super::{Catalog, Skipped};
use crate::feature::Feature;
use crate::song::Song;
use crate::threads::in_shares;

pub(super) fn read(bytes: &[u8], options: &ReadOptions) -> Result<Catalog, CatalogError> {
    let (text, note) = text::decode(bytes);
    let mut notes: Vec<String> = note.into_iter().collect();
    if json::is_json(&text) {
        let mut objects = json::read(&text, options.skip_bad)?;
        let bad = std::mem::take(&mut objects.bad);
        if objects.is_empty() {
            return Ok(Catalog { notes, ..Catalog::default() });
        }
        let headers: Vec<&str> = objects.headers.iter().map(String::as_str).collect();
        let layout = Layout::find(&headers, options)?;
        let mut rows = songs(&layout, &mut objects.batches().map(Ok))?;
        for (place, fault) in &mut rows.faults {
            if let Ok(at) = bad.binary_search_by_key(&place.row, |(row, _)| *row) {
                *fault = Fault::new("line", "a JSON object", &bad[at].1);
            }
        }
        return finish(&layout, rows, notes, options);
    }
    let mut table = Table::new(&text)?;
    notes.extend(table.note());
    let headers: Vec<&str> = table.headers.iter().map(String::as_str).collect();
    let layout = Layout::find(&headers, options)?;
    let rows = songs(&layout, &mut std::iter::from_fn(|| table.next_batch().transpose()))?;
    finish(&layout, rows, notes, options)
}

/// What was read of all rows so far, or of one batch.
#[derive(Default)]
struct Rows {
    songs: Vec<Song>,
    /// The row, the line and the length of each song.
    places: Vec<Place>,
    lengths: Vec<Length>,
    ids: Vec<Option<u64>>,
    faults: Vec<(Place, Fault)>,
    ranges: Ranges,
    /// Rows so far, those with faults too.
    count: usize,
}

#[derive(Clone, Copy)]
struct Place {
    row: usize,
    line: Option<u64>,
}

impl Rows {
    fn of_batch(layout: &Layout, batch: &Batch) -> Self {
        let mut rows = Rows { count: batch.len(), ..Rows::default() };
        rows.songs.reserve_exact(batch.len());
        for row in 0..batch.len() {
            let place = Place { row: row + 1, line: batch.line(row) };
            let read = match batch.cells(row) {
                given if given == layout.width => layout.song(|at| batch.cell(row, at)),
                given => Err(Fault::Cells { expected: layout.width, given }),
            };
            match read {
                Ok((song, length)) => {
                    for feature in Feature::ALL {
                        if let Some(value) = song.feature(feature) {
                            rows.ranges.add_feature(feature, value);
                        }
                    }
                    rows.ranges.add_length(length);
                    rows.ids.push(Ids::fingerprint(&song.id));
                    rows.songs.push(song);
                    rows.lengths.push(length);
                    rows.places.push(place);
                }
                Err(fault) => rows.faults.push((place, fault)),
            }
        }
        rows
    }

    fn append(&mut self, next: Rows) {
        let behind = |place: Place| Place { row: place.row + self.count, ..place };
        self.places.extend(next.places.into_iter().map(behind));
        self.faults.extend(next.faults.into_iter().map(|(place, fault)| (behind(place), fault)));
        self.songs.extend(next.songs);
        self.lengths.extend(next.lengths);
        self.ids.extend(next.ids);
        self.ranges.merge(&next.ranges);
        self.count += next.count;
    }
}

/// Reads the batches on all cores.
fn songs(
    layout: &Layout,
    batches: &mut dyn Iterator<Item = Result<Batch, CatalogError>>,
) -> Result<Rows, CatalogError> {
    let mut all = Rows::default();
    let Some(first) = batches.next().transpose()? else { return Ok(all) };
    let Some(second) = batches.next().transpose()? else {
        all.append(Rows::of_batch(layout, &first));
        return Ok(all);
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    // A few batches wait in line: no thread is idle, and memory holds few texts beside the songs.
    let (send, receive) = sync_channel::<(usize, Batch)>(2 * workers);
    let receive = Mutex::new(receive);
    let ordered = Mutex::new(Ordered { next: 0, early: BTreeMap::new(), rows: all });
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((at, batch)) = next(&receive) {
                    let rows = Rows::of_batch(layout, &batch);
                    ordered.lock().unwrap_or_else(PoisonError::into_inner).add(at, rows);
                }
            });
        }
        let waiting = [Ok(first), Ok(second)].into_iter().chain(batches).enumerate();
        for (at, batch) in waiting {
            // The receiver lives as long as this function.
            _ = send.send((at, batch?));
        }
        drop(send);
        Ok::<(), CatalogError>(())
    })?;
    Ok(ordered.into_inner().unwrap_or_else(PoisonError::into_inner).rows)
}

fn next(receive: &Mutex<Receiver<(usize, Batch)>>) -> Option<(usize, Batch)> {
    receive.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Puts batches that threads finish in any order back in order.
struct Ordered {
    next: usize,
    early: BTreeMap<usize, Rows>,
    rows: Rows,
}

impl Ordered {
    fn add(&mut self, at: usize, rows: Rows) {
        self.early.insert(at, rows);
        while let Some(rows) = self.early.remove(&self.next) {
            self.rows.append(rows);
            self.next += 1;
        }
    }
}

/// Applies units, then the rules of a catalogue. The first bad row ends it, unless bad rows are skipped.
fn finish(
    layout: &Layout,
    rows: Rows,
    mut notes: Vec<String>,
    options: &ReadOptions,
) -> Result<Catalog, CatalogError> {
    let ranges = if layout.is_own { &Ranges::default() } else { &rows.ranges };
    let units = ranges.units(layout.length_unit);
    notes.extend(units.notes());
    let Rows { mut songs, places, lengths, ids, mut faults, .. } = rows;
    let bad = check_all(&units, &mut songs, &lengths);
    faults.extend(bad.iter().map(|(at, fault)| (places[*at], fault.clone())));
    faults.sort_by_key(|(place, _)| place.row);
    if !options.skip_bad && !faults.is_empty() {
        let (place, fault) = faults.swap_remove(0);
        return Err(fault.at(place.row, place.line));
    }
    let (mut at, mut bad) = (0, bad.into_iter().map(|(at, _)| at).peekable());
    let (mut known, mut duplicates) = (Ids::with_capacity(songs.len()), Vec::new());
    songs.retain(|song| {
        at += 1;
        bad.next_if(|bad| *bad == at - 1).is_none()
            && known.is_new(ids[at - 1], song, places[at - 1].row, &mut duplicates)
    });
    songs.shrink_to_fit();
    let skipped = faults
        .into_iter()
        .map(|(Place { row, line }, fault)| Skipped { row, line, reason: fault.at(row, line).to_string() })
        .collect();
    Ok(Catalog { songs, extra_columns: layout.extra_columns(), duplicates, skipped, notes })
}

/// Brings all songs to their units and checks them. Returns the places of those at fault, in order.
fn check_all(units: &Units, songs: &mut [Song], lengths: &[Length]) -> Vec<(usize, Fault)> {
    let faults = in_shares(songs, |first, songs| {
        let songs = songs.iter_mut().zip(&lengths[first..]).enumerate();
        let faults = songs.filter_map(|(at, (song, length))| {
            let fault = apply(units, song, *length).and_then(|()| check(song)).err()?;
            Some((first + at, fault))
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
    for feature in units.percents() {
        if let Some(value) = song.feature_mut(feature) {
            *value /= 100.0;
        }
    }
    if units.is_popularity_of_one {
        song.popularity = song.popularity.map(|popularity| popularity * 100.0);
    }
    Ok(())
}
