//! A catalogue song by song: every song is checked on its way in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::write::is_own_column;
use super::{Catalog, CatalogError, Duplicate};
use crate::feature::Feature;
use crate::song::Song;

/// Builds a [`Catalog`] from songs of any source.
#[derive(Debug, Default)]
pub struct CatalogBuilder {
    catalog: Catalog,
    rows: usize,
    row_of_id: HashMap<String, usize>,
}

impl CatalogBuilder {
    /// Adds a song.
    ///
    /// Blanks around its texts are taken away. A song whose id came before is left out and stands in
    /// [`Catalog::duplicates`].
    ///
    /// # Errors
    /// [`CatalogError::Value`] when the name or artist is empty, or a feature lies outside [`Feature::range`]
    /// or is not a number, the key is none, or the name of an extra column is taken. The builder stays as it
    /// was.
    pub fn push(&mut self, mut song: Song) -> Result<&mut Self, CatalogError> {
        trim(&mut song);
        let known = self.catalog.extra_columns.len();
        if let Err(fault) = self.learn_columns(&song).and_then(|()| check(&song)) {
            self.catalog.extra_columns.truncate(known);
            return Err(fault.at(self.next_row(), None));
        }
        self.add(song);
        Ok(self)
    }

    /// The catalogue of all songs so far.
    pub fn build(self) -> Catalog {
        self.catalog
    }

    pub(super) fn with_extra_columns(extra_columns: Vec<Arc<str>>) -> Self {
        let catalog = Catalog { extra_columns, ..Catalog::default() };
        CatalogBuilder { catalog, ..CatalogBuilder::default() }
    }

    /// Notes extra columns that are new. One header must hold all their names, which reading trims and takes
    /// in any case.
    fn learn_columns(&mut self, song: &Song) -> Result<(), Fault> {
        for column in song.extra.keys() {
            let columns = &mut self.catalog.extra_columns;
            match columns.iter().find(|known| known.eq_ignore_ascii_case(column)) {
                Some(known) if known == column => {}
                None if !is_own_column(column) && column.trim() == &**column => {
                    columns.push(Arc::clone(column))
                }
                _ => {
                    let expected =
                        "trimmed names that differ from each other and from a song's own columns in any case";
                    return Err(Fault {
                        column: "extra".into(),
                        expected: expected.into(),
                        given: column.to_string(),
                    });
                }
            }
        }
        Ok(())
    }

    pub(super) fn next_row(&self) -> usize {
        self.rows + 1
    }

    /// Adds a checked song whose extra columns are known.
    pub(super) fn add(&mut self, song: Song) {
        self.rows += 1;
        if !song.id.is_empty() {
            match self.row_of_id.entry(song.id.clone()) {
                Entry::Occupied(first) => {
                    let duplicate = Duplicate { id: song.id, row: self.rows, first_row: *first.get() };
                    self.catalog.duplicates.push(duplicate);
                    return;
                }
                Entry::Vacant(free) => _ = free.insert(self.rows),
            }
        }
        self.catalog.songs.push(song);
    }
}

/// What is wrong with one value, before it is known where it stands.
pub(super) struct Fault {
    pub(super) column: String,
    pub(super) expected: String,
    pub(super) given: String,
}

impl Fault {
    pub(super) fn at(self, row: usize, line: Option<u64>) -> CatalogError {
        let Fault { column, expected, given } = self;
        CatalogError::Value { row, line, column, expected, given }
    }
}

pub(super) const KEYS: RangeInclusive<i8> = -1..=11;
pub(super) const KEYS_EXPECTED: &str = "a whole number from -1 to 11";

/// Takes away the blanks around texts, as reading does.
fn trim(song: &mut Song) {
    let own = [&mut song.name, &mut song.album, &mut song.artist, &mut song.id];
    for text in own.into_iter().chain(song.extra.values_mut()) {
        let trimmed = text.trim();
        if trimmed.len() < text.len() {
            *text = trimmed.to_owned();
        }
    }
}

/// The rules that every song of a catalogue keeps.
fn check(song: &Song) -> Result<(), Fault> {
    check_text("name", &song.name)?;
    check_text("artist", &song.artist)?;
    if let Some(key) = song.key
        && !KEYS.contains(&key)
    {
        return Err(Fault { column: "key".into(), expected: KEYS_EXPECTED.into(), given: key.to_string() });
    }
    for feature in Feature::ALL {
        let value = song.feature(feature);
        check_feature(feature, value).map_err(|fault| Fault { given: value.to_string(), ..fault })?;
    }
    Ok(())
}

pub(super) fn check_text(column: &str, text: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(Fault { column: column.into(), expected: "a text".into(), given: text.into() });
    }
    Ok(())
}

/// Refuses what lies outside the feature's range; `given` is left to the caller.
pub(super) fn check_feature(feature: Feature, value: f32) -> Result<(), Fault> {
    let range = feature.range();
    if range.contains(&value) {
        return Ok(());
    }
    let expected = format!("a number from {} to {}", range.start(), range.end());
    Err(Fault { column: feature.to_string(), expected, given: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn song(name: &str, id: &str) -> Song {
        Song { name: name.into(), artist: "Somebody".into(), id: id.into(), ..Song::default() }
    }

    #[test]
    fn a_song_with_a_figure_that_is_none_is_refused_by_name() {
        let mut builder = Catalog::builder();
        builder.push(song("First", "1")).unwrap();
        for (feature, bad) in [
            (Feature::Energy, f32::NAN),
            (Feature::Loudness, f32::NEG_INFINITY),
            (Feature::Popularity, 101.0),
        ] {
            let mut song = song("Second", "2");
            *song.feature_mut(feature) = bad;
            let message = builder.push(song).unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("row 2, column \"{feature}\": expected a number")),
                "{message}"
            );
            assert!(message.ends_with(&format!("given \"{bad}\"")), "{message}");
        }
        assert!(builder.push(song("", "2")).unwrap_err().to_string().contains("\"name\""));
        let mut doubled = song("Second", "2");
        doubled.extra.insert("Energy".into(), "0.5".into());
        assert!(builder.push(doubled).unwrap_err().to_string().ends_with("given \"Energy\""));
        assert!(
            builder
                .push(Song { key: Some(12), ..song("Second", "2") })
                .unwrap_err()
                .to_string()
                .contains("key")
        );
        assert_eq!(builder.build().songs().len(), 1);
    }

    #[test]
    fn extra_columns_have_one_spelling_and_texts_no_blanks_around() {
        let with = |name: &str, column: &str| {
            let mut song = song(name, "");
            song.extra.insert(column.into(), " x ".into());
            song
        };
        let mut builder = Catalog::builder();
        builder.push(with(" A ", "genre")).unwrap();
        for taken in ["Genre", "genre ", "Valence"] {
            assert!(builder.push(with("B", taken)).is_err(), "{taken}");
        }
        builder.push(with("C", "label")).unwrap();
        let catalog = builder.build();
        assert_eq!(
            (catalog.songs()[0].name.as_str(), catalog.songs()[0].extra["genre"].as_str()),
            ("A", "x")
        );
        let mut bytes = Vec::new();
        catalog.write_to(&mut bytes).unwrap();
        let header = "tempo,key,time_signature,mood,genre,label\n";
        assert!(String::from_utf8(bytes).unwrap().contains(header));
    }

    #[test]
    fn ids_that_come_twice_are_left_out_and_reported_but_empty_ones_are_not() {
        let mut builder = Catalog::builder();
        for (name, id) in [("A", "x"), ("B", ""), ("C", ""), ("D", "x"), ("E", "y")] {
            builder.push(song(name, id)).unwrap();
        }
        let catalog = builder.build();
        let names: Vec<&str> = catalog.songs().iter().map(|song| song.name.as_str()).collect();
        assert_eq!(names, ["A", "B", "C", "E"]);
        assert_eq!(catalog.duplicates(), [Duplicate { id: "x".into(), row: 4, first_row: 1 }]);
    }
}
