//! The catalogue laid out for fast answers: one group a mood, one column a feature.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::catalog::Catalog;
use crate::feature::{FEATURES, Feature};
use crate::mood::Mood;
use crate::song::Song;

pub(crate) const AUDIO: usize = Feature::AUDIO.len();

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
    /// The features on their scale of 0 to 1; NaN where a song lacks one.
    pub(crate) columns: [Vec<f32>; FEATURES],
    /// Whether every song has the feature.
    pub(crate) complete: [bool; FEATURES],
    /// The squared length of each sound in standard deviations.
    pub(crate) squares: Vec<f32>,
    /// Years of release, 0 where unknown.
    pub(crate) years: Vec<u16>,
    ranks: [Ranks; FEATURES],
}

impl Index {
    pub(crate) fn new(catalog: &Catalog) -> Self {
        let mut groups: [Group; Mood::ALL.len() + 1] = Default::default();
        for (at, song) in (0_u32..).zip(catalog.songs()) {
            groups[song.mood.map_or(Mood::ALL.len(), |mood| mood as usize)].songs.push(at);
        }
        side_by_side(&mut groups, |group| group.fill(catalog.songs()));
        let scale = Scale::new(&groups);
        side_by_side(&mut groups, |group| {
            let square = |at| group.sound(at, &scale).iter().map(|value| value * value).sum();
            group.squares = (0..group.songs.len()).map(square).collect();
        });
        Index { groups, scale }
    }

    pub(crate) fn group(&self, mood: Mood) -> &Group {
        &self.groups[mood as usize]
    }
}

impl Group {
    /// Lays out the columns of the group's songs.
    fn fill(&mut self, songs: &[Song]) {
        self.songs.shrink_to_fit();
        self.years.reserve_exact(self.songs.len());
        self.columns.iter_mut().for_each(|column| column.reserve_exact(self.songs.len()));
        for &at in &self.songs {
            let song = &songs[at as usize];
            for feature in Feature::ALL {
                let value = song.feature(feature).map_or(f32::NAN, |value| feature.unit(value));
                self.columns[feature as usize].push(value);
            }
            self.years.push(song.release_date.map_or(0, |date| date.year()));
        }
        for (feature, column) in self.columns.iter().enumerate() {
            self.complete[feature] = column.iter().all(|value| !value.is_nan());
            self.ranks[feature] = Ranks::new(column);
        }
    }

    /// The song's sound in standard deviations of the catalogue. What the song lacks is at the catalogue's mean, so that it
    /// counts neither for nor against a likeness.
    pub(crate) fn sound(&self, at: usize, scale: &Scale) -> [f32; AUDIO] {
        std::array::from_fn(|feature| {
            scale.known(feature, self.columns[feature][at]) / scale.deviations[feature]
        })
    }

    /// The part of the group's songs with the feature that has less of the feature (or more, for `below == false`) than `unit`,
    /// rounded down.
    pub(crate) fn percent(&self, feature: Feature, unit: f32, below: bool) -> usize {
        self.ranks[feature as usize].percent(unit, below)
    }
}

/// Does the same for every group, on all cores where there are many songs.
fn side_by_side(groups: &mut [Group], work: impl Fn(&mut Group) + Sync) {
    let songs: usize = groups.iter().map(|group| group.songs.len()).sum();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    if songs < 1 << 16 || threads == 1 {
        return groups.iter_mut().for_each(work);
    }
    // The largest first, so that no thread begins one when the others are done.
    let mut groups: Vec<&mut Group> = groups.iter_mut().collect();
    groups.sort_by_key(|group| group.songs.len());
    let waiting = Mutex::new(groups);
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(group) = next() {
                    work(group);
                }
            });
        }
    });
}

/// The mean and spread of each audio feature over the whole catalogue, on its scale of 0 to 1.
#[derive(Debug)]
pub(crate) struct Scale {
    pub(crate) means: [f32; AUDIO],
    /// Standard deviations; 1 where all songs are alike.
    pub(crate) deviations: [f32; AUDIO],
}

impl Scale {
    fn new(groups: &[Group]) -> Self {
        let (mut means, mut deviations) = ([0.0; AUDIO], [1.0; AUDIO]);
        for feature in 0..AUDIO {
            let values = || {
                let values = groups.iter().flat_map(|group| &group.columns[feature]);
                values.filter(|value| !value.is_nan()).map(|&value| f64::from(value))
            };
            let songs = values().count().max(1) as f64;
            let mean = values().sum::<f64>() / songs;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / songs;
            means[feature] = mean as f32;
            if variance > 1e-12 {
                deviations[feature] = variance.sqrt() as f32;
            }
        }
        Scale { means, deviations }
    }

    /// The value of an audio feature on its scale of 0 to 1, or the mean where it is NaN.
    pub(crate) fn known(&self, feature: usize, unit: f32) -> f32 {
        if unit.is_nan() { self.means[feature] } else { unit }
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
        for &value in column.iter().filter(|value| !value.is_nan()) {
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

/// The fingerprint of a song's key. Equal fingerprints are taken for equal texts, which among a million texts goes wrong
/// once in tens of millions of catalogues.
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
                assert_eq!(group.columns[Feature::Tempo as usize][at], song.tempo.unwrap() / 250.0);
                assert_eq!(group.years[at], song.release_date.unwrap().year());
                seen += 1;
            }
        }
        assert_eq!(seen, 22);
    }

    #[test]
    fn ranks_count_the_songs_on_either_side() {
        let ranks = Ranks::new(&[0.0, 0.25, f32::NAN, 0.5, 1.0]);
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
