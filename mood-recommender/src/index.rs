//! The catalogue laid out for fast answers: one group a mood, one column a feature.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::catalog::Catalog;
use crate::feature::{FEATURES, Feature};
use crate::mood::Mood;
use crate::song::Song;

const AUDIO: usize = Feature::AUDIO.len();

/// One group for each mood, then one for songs without any.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) groups: [Group; Mood::ALL.len() + 1],
    pub(crate) scale: Scale,
}

/// The songs of one mood in the catalogue's order, column by column.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Places in the catalogue; 32 bits number more songs than memory holds.
    pub(crate) songs: Vec<u32>,
    /// The features on their scale of 0 to 1.
    pub(crate) columns: [Vec<f32>; FEATURES],
    /// The squared length of each sound in standard deviations.
    pub(crate) squares: Vec<f32>,
    /// Years of release, 0 where unknown.
    pub(crate) years: Vec<u16>,
    /// Fingerprints of the key, the artist, and artist with name: equal ones are taken for equal texts, which
    /// among a million texts goes wrong once in tens of millions of catalogues.
    pub(crate) keys: Vec<u64>,
    pub(crate) artists: Vec<u64>,
    pub(crate) works: Vec<u64>,
    ranks: [Ranks; FEATURES],
}

impl Index {
    pub(crate) fn new(catalog: &Catalog) -> Self {
        let mut groups: [Group; Mood::ALL.len() + 1] = Default::default();
        for (at, song) in (0_u32..).zip(catalog.songs()) {
            groups[song.mood.map_or(Mood::ALL.len(), |mood| mood as usize)].push(at, song);
        }
        for group in &mut groups {
            group.ranks = std::array::from_fn(|feature| Ranks::new(&group.columns[feature]));
        }
        let scale = Scale::new(&groups, catalog.songs().len());
        for group in &mut groups {
            let square = |at| group.sound(at, &scale).iter().map(|value| value * value).sum();
            group.squares = (0..group.songs.len()).map(square).collect();
        }
        Index { groups, scale }
    }

    pub(crate) fn group(&self, mood: Mood) -> &Group {
        &self.groups[mood as usize]
    }
}

impl Group {
    fn push(&mut self, at: u32, song: &Song) {
        self.songs.push(at);
        for feature in Feature::ALL {
            self.columns[feature as usize].push(feature.unit(song.feature(feature)));
        }
        self.years.push(song.release_date.map_or(0, |date| date.year()));
        self.keys.push(key_fingerprint(&song.key()));
        self.artists.push(artist_fingerprint(&song.artist));
        self.works.push(work_fingerprint(song));
    }

    /// The song's sound in standard deviations of the catalogue.
    pub(crate) fn sound(&self, at: usize, scale: &Scale) -> [f32; AUDIO] {
        std::array::from_fn(|feature| self.columns[feature][at] / scale.deviations[feature])
    }

    /// The part of the group that has less of the feature (or more, for `below == false`) than `unit`,
    /// rounded down.
    pub(crate) fn percent(&self, feature: Feature, unit: f32, below: bool) -> usize {
        self.ranks[feature as usize].percent(unit, below)
    }
}

/// The spread of each audio feature over the whole catalogue, on its scale of 0 to 1.
#[derive(Debug)]
pub(crate) struct Scale {
    /// Standard deviations; 1 where all songs are alike.
    pub(crate) deviations: [f32; AUDIO],
}

impl Scale {
    fn new(groups: &[Group], songs: usize) -> Self {
        let deviations = std::array::from_fn(|feature| {
            let values =
                || groups.iter().flat_map(|group| &group.columns[feature]).map(|&value| f64::from(value));
            let mean = values().sum::<f64>() / songs as f64;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / songs as f64;
            if variance > 1e-12 { variance.sqrt() as f32 } else { 1.0 }
        });
        Scale { deviations }
    }
}

/// How alike two songs sound, from 0 (apart) to 1 (the same): 1 / (1 + d²), with d² the mean squared
/// difference in standard deviations.
pub(crate) fn similarity(a: &[f32; AUDIO], b: &[f32; AUDIO]) -> f32 {
    likeness(a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum())
}

/// [`similarity`] from the sum of the squared differences.
pub(crate) fn likeness(squares: f32) -> f32 {
    1.0 / (1.0 + squares / AUDIO as f32)
}

/// How many songs have how much of a feature, counted in thousandths of its scale.
#[derive(Debug, Default)]
struct Ranks {
    /// Songs in this bin or a lower one.
    up_to: Vec<u32>,
}

impl Ranks {
    const BINS: usize = 1000;

    fn new(column: &[f32]) -> Self {
        let mut up_to = vec![0; Self::BINS];
        for &value in column {
            up_to[Self::bin(value)] += 1;
        }
        let mut sum = 0;
        for count in &mut up_to {
            sum += *count;
            *count = sum;
        }
        Ranks { up_to }
    }

    fn bin(unit: f32) -> usize {
        ((unit * Self::BINS as f32) as usize).min(Self::BINS - 1)
    }

    fn percent(&self, unit: f32, below: bool) -> usize {
        let all = self.up_to[Self::BINS - 1] as usize;
        let bin = Self::bin(unit);
        let songs = match (below, bin) {
            (true, 0) => 0,
            (true, _) => self.up_to[bin - 1] as usize,
            (false, _) => all - self.up_to[bin] as usize,
        };
        songs * 100 / all.max(1)
    }
}

/// The fingerprint of a song's key.
pub(crate) fn key_fingerprint(key: &str) -> u64 {
    fingerprint(key)
}

/// The fingerprint of an artist, whose case does not matter.
pub(crate) fn artist_fingerprint(artist: &str) -> u64 {
    fingerprint(artist.trim().to_lowercase())
}

/// The fingerprint of a song whatever its id: of artist and name, whose case does not matter.
pub(crate) fn work_fingerprint(song: &Song) -> u64 {
    fingerprint((song.artist.trim().to_lowercase(), song.name.trim().to_lowercase()))
}

fn fingerprint(text: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn songs_lie_in_the_group_of_their_mood_with_all_their_columns() {
        let catalog = Catalog::starter();
        let index = Index::new(&catalog);
        let mut seen = 0;
        for group in &index.groups {
            for (at, &song) in group.songs.iter().enumerate() {
                let song = &catalog.songs()[song as usize];
                assert!(std::ptr::eq(index.group(song.mood.unwrap()), group));
                assert_eq!(group.columns[Feature::Tempo as usize][at], song.tempo / 250.0);
                assert_eq!(group.years[at], song.release_date.unwrap().year());
                assert_eq!(
                    group.artists[at],
                    artist_fingerprint(&format!(" {} ", song.artist.to_uppercase()))
                );
                seen += 1;
            }
        }
        assert_eq!(seen, 22);
    }

    #[test]
    fn ranks_count_the_songs_on_either_side() {
        let ranks = Ranks::new(&[0.0, 0.25, 0.5, 1.0]);
        assert_eq!(ranks.percent(0.5, true), 50);
        assert_eq!(ranks.percent(0.5, false), 25);
        assert_eq!(ranks.percent(0.0, true), 0);
        assert_eq!(ranks.percent(1.0, true), 75);
        assert_eq!(ranks.percent(1.0, false), 0);
    }

    #[test]
    fn similarity_is_one_for_the_same_and_falls_with_distance() {
        let here = [0.5; AUDIO];
        assert_eq!(similarity(&here, &here), 1.0);
        assert_eq!(similarity(&here, &[1.5; AUDIO]), 0.5);
        assert!(similarity(&here, &[3.0; AUDIO]) < 0.2);
    }
}
