//! Maps the columns of a table to fields.

use std::sync::Arc;

use super::cell::{Length, artists};
use super::column::{COLUMNS, Column, Own, TEXT_RULE, is_own, plain};
use super::error::{CatalogError, Fault, any_feature, excerpt};
use super::options::ReadOptions;
use super::scale::LengthUnit;
use crate::extra::Extra;
use crate::song::Song;

/// What the columns of a table hold.
pub(super) struct Layout {
    columns: Vec<Place>,
    /// The names of unknown columns, sorted, and where these stand.
    extra: Arc<[Arc<str>]>,
    extra_at: Vec<usize>,
    /// The number of cells of a row.
    pub(super) width: usize,
    /// The unit of lengths, where the header tells.
    pub(super) length_unit: Option<LengthUnit>,
    /// Whether it has all columns that this crate writes, under their names: then it has their units, too.
    pub(super) is_own: bool,
}

/// A song's own column and where it stands.
struct Place {
    column: Column,
    at: usize,
    /// Whether its cells are lists of artists.
    is_list: bool,
}

impl Layout {
    /// Finds a song's own columns among the headers.
    pub(super) fn find(headers: &[&str], options: &ReadOptions) -> Result<Self, CatalogError> {
        let mut names: Vec<String> = Vec::with_capacity(headers.len());
        for (at, header) in headers.iter().enumerate() {
            let name = match header.trim() {
                "" => format!("column {}", at + 1),
                name => name.to_owned(),
            };
            if names.iter().any(|earlier| earlier.eq_ignore_ascii_case(&name)) {
                return Err(CatalogError::DuplicateColumn { column: excerpt(&name) });
            }
            names.push(name);
        }
        let mut places: Vec<Option<usize>> = vec![None; COLUMNS.len()];
        let mut missing = Vec::new();
        for (own, header) in &options.headers {
            places[*own] = names.iter().position(|name| name.eq_ignore_ascii_case(header));
            if places[*own].is_none() {
                missing.push(header.clone());
            }
        }
        for (own, place) in COLUMNS.iter().zip(0..) {
            if places[place].is_none() {
                let free = names.iter().enumerate().filter(|(at, _)| !places.contains(&Some(*at)));
                let ranked = free.filter_map(|(at, name)| Some((own.rank(name)?, at)));
                places[place] = ranked.min().map(|(_, at)| at);
            }
        }
        let found = || COLUMNS.iter().zip(&places).filter_map(|(own, place)| Some((own, (*place)?)));
        let has = |column| found().any(|(own, _)| own.column == column);
        missing.extend(
            [(Column::Name, "name"), (Column::Artist, "artist")]
                .into_iter()
                .filter(|&(column, _)| !has(column))
                .map(|(_, name)| name.to_owned()),
        );
        if !found().any(|(own, _)| is_audio(own)) {
            missing.push(any_feature());
        }
        if !missing.is_empty() {
            return Err(CatalogError::MissingColumns { missing, given: names });
        }
        let columns: Vec<Place> = found()
            .map(|(own, at)| Place {
                column: own.column,
                at,
                is_list: own.column == Column::Artist && plain(&names[at]).ends_with('s'),
            })
            .collect();
        let length = columns.iter().find(|place| place.column == Column::Length);
        let length_unit = length.and_then(|place| LengthUnit::of_header(&names[place.at]));
        let mut extra: Vec<(Arc<str>, usize)> = (0..names.len())
            .filter(|at| columns.iter().all(|place| place.at != *at))
            .map(|at| (extra_name(&names, at).into(), at))
            .collect();
        extra.sort();
        let (extra, extra_at): (Vec<_>, Vec<_>) = extra.into_iter().unzip();
        let is_own = COLUMNS.iter().all(|own| own.is_rare() || names.iter().any(|name| name == own.name));
        Ok(Layout { columns, extra: extra.into(), extra_at, width: headers.len(), length_unit, is_own })
    }

    /// How many of the headers name columns of songs.
    pub(super) fn known(headers: &[&str]) -> usize {
        headers.iter().filter(|header| is_own(header)).count()
    }

    /// The names of unknown columns, in the order of the table.
    pub(super) fn extra_columns(&self) -> Vec<Arc<str>> {
        let mut extra: Vec<_> = self.extra.iter().zip(&self.extra_at).collect();
        extra.sort_by_key(|(_, at)| *at);
        extra.into_iter().map(|(name, _)| Arc::clone(name)).collect()
    }

    /// A song from the cells of a row, with the length as [`Column::fill`] reads it. Features keep the file's scale.
    pub(super) fn song<'r>(&self, cell: impl Fn(usize) -> &'r str) -> Result<(Song, Length), Fault> {
        let (mut song, mut length) = (Song::default(), Length::Unknown);
        for Place { column, at, is_list } in &self.columns {
            let text = cell(*at);
            let read = column.fill(&mut song, text)?;
            if *column == Column::Length {
                length = read;
            }
            if *is_list {
                song.artist = artists(text);
                if song.artist.is_empty() {
                    return Err(Fault::new("artist", TEXT_RULE, text));
                }
            }
        }
        song.extra = Extra::new(&self.extra, self.extra_at.iter().map(|at| cell(*at)));
        Ok((song, length))
    }
}

/// The name of an unknown column. Where options read the field of that name from elsewhere, it gets another one, because the catalogue
/// writes the field under it.
fn extra_name(names: &[String], at: usize) -> String {
    let mut name = names[at].clone();
    if COLUMNS.iter().any(|own| own.is_written_as(&name)) {
        while names.iter().any(|taken| taken.eq_ignore_ascii_case(&name)) {
            name.push_str(" (unused)");
        }
    }
    name
}

fn is_audio(own: &Own) -> bool {
    matches!(own.column, Column::Feature(feature) if crate::feature::SongFeature::AUDIO.contains(&feature))
}
