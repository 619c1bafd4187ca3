//! A catalogue song by song: every song is checked on its way in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::cell::{KEYS, id};
use super::column::{KEYS_RULE, TEXT_RULE, is_own};
use super::error::Fault;
use super::{Catalog, CatalogError, Duplicate};
use crate::feature::SongFeature;
use crate::names::composed;
use crate::song::Song;

/// Builds a [`Catalog`] from songs of any source.
#[derive(Debug, Default)]
pub struct CatalogBuilder {
    catalog: Catalog,
    rows: usize,
    ids: Ids,
}

impl CatalogBuilder {
    /// Adds a song.
    ///
    /// Trims the song's texts, removes its empty extra cells, clears [`Song::mood_estimated`] if it has no mood, and composes letters of
    /// name, album, artist and id (Unicode NFC). An id that is a Spotify address is reduced to the id in it. A song whose id is already in
    /// the catalogue is left out and listed in [`Catalog::duplicates`].
    ///
    /// # Errors
    /// [`CatalogError::Value`] when the name or artist is empty, a feature lies outside [`SongFeature::range`] or is not a
    /// number, the key is not from −1 to 11, or the name of an extra column is empty, untrimmed or taken by another column. The
    /// builder is then unchanged.
    pub fn push(&mut self, mut song: Song) -> Result<&mut Self, CatalogError> {
        trim(&mut song);
        let known = self.catalog.extra_columns.len();
        if let Err(fault) = self.learn_columns(&song).and_then(|()| check(&song)) {
            self.catalog.extra_columns.truncate(known);
            return Err(fault.at(self.rows + 1, None));
        }
        self.rows += 1;
        if self.ids.is_new(Ids::fingerprint(&song.id), &song, self.rows, &mut self.catalog.duplicates) {
            self.catalog.songs.push(song);
        }
        Ok(self)
    }

    /// The catalogue of all songs so far.
    pub fn build(self) -> Catalog {
        self.catalog
    }

    /// Records new extra columns. Their names must be distinct in one header, because reading trims headers and ignores their
    /// spelling.
    fn learn_columns(&mut self, song: &Song) -> Result<(), Fault> {
        for (column, _) in song.extra.iter() {
            let columns = &mut self.catalog.extra_columns;
            match columns.iter().find(|known| known.eq_ignore_ascii_case(column)) {
                Some(known) if known == column => {}
                None if !column.trim().is_empty() && !is_own(column) && column.trim() == &**column => {
                    columns.push(Arc::clone(column));
                }
                _ => {
                    let rule = "trimmed names that differ from each other and from the names of a song's own columns";
                    return Err(Fault::new("extra", rule, column));
                }
            }
        }
        Ok(())
    }
}

/// The ids of a catalogue as fingerprints of 64 bits. Of catalogues with a million songs, one in tens of millions has two texts
/// with the same fingerprint.
#[derive(Debug, Default)]
pub(super) struct Ids {
    rows: HashMap<u64, usize, BuildHasherDefault<Fingerprint>>,
}

impl Ids {
    pub(super) fn with_capacity(songs: usize) -> Self {
        Ids { rows: HashMap::with_capacity_and_hasher(songs, BuildHasherDefault::default()) }
    }

    /// The fingerprint of an id; none of an empty one.
    pub(super) fn fingerprint(id: &str) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        (!id.is_empty()).then(|| hasher.finish())
    }

    /// Notes a song's id with its fingerprint. If it came before, the song joins the duplicates.
    pub(super) fn is_new(
        &mut self,
        fingerprint: Option<u64>,
        song: &Song,
        row: usize,
        duplicates: &mut Vec<Duplicate>,
    ) -> bool {
        let Some(fingerprint) = fingerprint else { return true };
        match self.rows.entry(fingerprint) {
            Entry::Occupied(first) => {
                duplicates.push(Duplicate { id: song.id.to_string(), row, first_row: *first.get() });
                false
            }
            Entry::Vacant(free) => {
                free.insert(row);
                true
            }
        }
    }
}

/// A fingerprint is its own hash.
#[derive(Debug, Default)]
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, &byte| hash.rotate_left(8) ^ u64::from(byte));
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

/// Takes away the blanks around texts and composes their letters, as reading does.
fn trim(song: &mut Song) {
    for text in [&mut song.name, &mut song.album, &mut song.artist, &mut song.id] {
        let kept = composed(text.trim());
        if *kept != **text {
            *text = kept.into();
        }
    }
    if id(&song.id).len() < song.id.len() {
        song.id = id(&song.id).into();
    }
    song.path = song.path.take().map(|path| Box::<str>::from(path.trim())).filter(|path| !path.is_empty());
    song.mood_estimated &= song.mood.is_some();
    song.extra.trim();
}

/// The rules that every song of a catalogue keeps.
pub(super) fn check(song: &Song) -> Result<(), Fault> {
    for (column, text) in [("name", &song.name), ("artist", &song.artist)] {
        if text.trim().is_empty() {
            return Err(Fault::new(column, TEXT_RULE, text));
        }
    }
    if let Some(key) = song.key
        && !KEYS.contains(&key)
    {
        return Err(Fault::new("key", KEYS_RULE, &key.to_string()));
    }
    for feature in SongFeature::ALL {
        let range = feature.range();
        if let Some(value) = song.feature(feature)
            && !range.contains(&value)
        {
            let rule = format!("a number from {} to {}", range.start(), range.end());
            return Err(Fault::new(feature.as_str(), &rule, &value.to_string()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CatalogFormat;

    fn song(name: &str, id: &str) -> Song {
        Song { name: name.into(), artist: "Somebody".into(), id: id.into(), ..Song::default() }
    }

    #[test]
    fn a_song_with_a_figure_that_is_none_is_refused_by_name() {
        let mut builder = Catalog::builder();
        builder.push(song("First", "1")).unwrap();
        for (feature, bad) in [
            (SongFeature::Energy, f32::NAN),
            (SongFeature::Loudness, f32::NEG_INFINITY),
            (SongFeature::Popularity, 101.0),
        ] {
            let mut song = song("Second", "2");
            *song.feature_mut(feature) = Some(bad);
            let message = builder.push(song).unwrap_err().to_string();
            assert!(message.starts_with(&format!("row 2: {feature} must be a number from ")), "{message}");
            assert!(message.ends_with(&format!("got \"{bad}\"")), "{message}");
        }
        assert!(builder.push(song("", "2")).unwrap_err().to_string().contains("name must be"));
        let mut doubled = song("Second", "2");
        doubled.extra.insert("Energy", "0.5");
        assert!(builder.push(doubled).unwrap_err().to_string().ends_with("got \"Energy\""));
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
            song.extra.insert(column, " x ");
            song
        };
        let mut builder = Catalog::builder();
        builder.push(with(" A ", "genre")).unwrap();
        for taken in ["Genre", "genre ", "Valence", "Track Name"] {
            assert!(builder.push(with("B", taken)).is_err(), "{taken}");
        }
        builder.push(with("C", "label")).unwrap();
        let catalog = builder.build();
        assert_eq!((catalog.songs()[0].name.as_str(), &catalog.songs()[0].extra["genre"]), ("A", "x"));
        let mut bytes = Vec::new();
        catalog.write_to(&mut bytes, CatalogFormat::Csv).unwrap();
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
