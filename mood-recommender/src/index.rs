//! The catalogue laid out for fast answers: one group a mood, one column a feature.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::catalog::Catalog;
use crate::feature::{AUDIO, FEATURES, SongFeature};
use crate::mood::Mood;
use crate::names::{composed, folded};
use crate::song::Song;
use crate::threads::{cores_for, in_order};

/// One group for each mood, then one for songs without any.
const GROUPS: usize = Mood::ALL.len() + 1;
/// Songs that a thread lays out at a time.
const CHUNK: usize = 1 << 13;

#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) groups: [Group; GROUPS],
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
    /// What decides among songs with equal scores: see [`tie`].
    pub(crate) ties: Vec<u64>,
    ranks: [Ranks; FEATURES],
}

impl Index {
    pub(crate) fn new(catalog: &Catalog) -> Self {
        let (songs, cores) = (catalog.songs(), cores_for(catalog.songs().len()));
        let (mut groups, mut moments): ([Group; GROUPS], Moments) = Default::default();
        let chunks = (0_u32..).step_by(CHUNK).zip(songs.chunks(CHUNK));
        in_order(
            cores,
            chunks,
            |(first, songs)| lay_out(first, songs),
            |(next, more)| {
                groups.iter_mut().zip(&next).for_each(|(group, next)| group.append(next));
                moments.append(&more);
            },
        );
        let scale = moments.scale();
        in_order(cores, groups.iter_mut(), |group| group.complete(&scale), |()| ());
        Index { groups, scale }
    }

    pub(crate) fn group(&self, mood: Mood) -> &Group {
        &self.groups[mood as usize]
    }

    /// The group of the song at a place of all groups, one behind the other, and the song's place in it.
    pub(crate) fn placed(&self, mut at: usize) -> (&Group, usize) {
        let [groups @ .., last] = &self.groups;
        for group in groups {
            match at.checked_sub(group.songs.len()) {
                Some(behind) => at = behind,
                None => return (group, at),
            }
        }
        (last, at)
    }
}

/// The groups of some songs, of which the first is at `first` in the catalogue, and their moments.
fn lay_out(first: u32, songs: &[Song]) -> ([Group; GROUPS], Moments) {
    let (mut groups, mut moments): ([Group; GROUPS], Moments) = Default::default();
    for (at, song) in (first..).zip(songs) {
        let group = &mut groups[song.mood.map_or(Mood::ALL.len(), |mood| mood as usize)];
        group.songs.push(at);
        group.years.push(song.release_date.map_or(0, |date| date.year()));
        group.ties.push(tie(song));
        for feature in SongFeature::ALL {
            let unit = song.feature(feature).map_or(f32::NAN, |value| feature.unit(value));
            group.columns[feature as usize].push(unit);
        }
    }
    for group in &groups {
        group.columns.iter().enumerate().for_each(|(at, column)| moments.add_column(at, column));
    }
    (groups, moments)
}

impl Group {
    fn append(&mut self, next: &Group) {
        self.songs.extend_from_slice(&next.songs);
        self.years.extend_from_slice(&next.years);
        self.ties.extend_from_slice(&next.ties);
        self.columns.iter_mut().zip(&next.columns).for_each(|(column, next)| column.extend_from_slice(next));
    }

    /// Computes `complete`, `ranks` and `squares` from the columns.
    fn complete(&mut self, scale: &Scale) {
        self.songs.shrink_to_fit();
        self.years.shrink_to_fit();
        self.ties.shrink_to_fit();
        for (feature, column) in self.columns.iter_mut().enumerate() {
            column.shrink_to_fit();
            self.complete[feature] = column.iter().all(|value| !value.is_nan());
            self.ranks[feature] = Ranks::new(column);
        }
        let square = |at| self.sound(at, scale).iter().map(|value| value * value).sum();
        self.squares = (0..self.songs.len()).map(square).collect();
    }

    /// The song's audio features in standard deviations of the catalogue. A missing feature is replaced by the catalogue's mean,
    /// so that it counts neither for nor against similarity.
    pub(crate) fn sound(&self, at: usize, scale: &Scale) -> [f32; AUDIO] {
        std::array::from_fn(|feature| {
            scale.known(feature, self.columns[feature][at]) / scale.deviations[feature]
        })
    }

    /// The percentage, rounded down, of songs below `unit` (above it for `below == false`), among the group's songs that have the
    /// feature.
    pub(crate) fn percent(&self, feature: SongFeature, unit: f32, below: bool) -> usize {
        self.ranks[feature as usize].percent(unit, below)
    }
}

/// The mean and spread of each audio feature over the whole catalogue, on its scale of 0 to 1.
#[derive(Debug)]
pub(crate) struct Scale {
    pub(crate) means: [f32; AUDIO],
    /// Standard deviations; 1 where all songs have the same value.
    pub(crate) deviations: [f32; AUDIO],
}

impl Scale {
    /// The value of an audio feature on its scale of 0 to 1, or the mean where it is NaN.
    pub(crate) fn known(&self, feature: usize, unit: f32) -> f32 {
        if unit.is_nan() { self.means[feature] } else { unit }
    }
}

/// The number of songs with each feature, and the sums of it and of its squares in whole steps of [`Moments::STEP`]: whole numbers
/// add up to the same in any order.
#[derive(Default)]
struct Moments {
    songs: [u128; FEATURES],
    sums: [u128; FEATURES],
    squares: [u128; FEATURES],
}

impl Moments {
    /// The distance between neighbouring `f32` values just below 1.
    const STEP: f64 = 1.0 / (1 << 24) as f64;

    fn add_column(&mut self, feature: usize, column: &[f32]) {
        for column in column.chunks(CHUNK) {
            // The squares of a chunk sum to at most 2¹³ · 2⁴⁸ = 2⁶¹, which fits in 64 bits.
            let (mut songs, mut sum, mut squares) = (0, 0, 0);
            for value in column.iter().filter(|value| !value.is_nan()) {
                let steps = (f64::from(*value) / Self::STEP + 0.5) as u64;
                songs += 1;
                sum += steps;
                squares += steps * steps;
            }
            self.songs[feature] += songs;
            self.sums[feature] += u128::from(sum);
            self.squares[feature] += u128::from(squares);
        }
    }

    fn append(&mut self, next: &Moments) {
        for feature in 0..FEATURES {
            self.songs[feature] += next.songs[feature];
            self.sums[feature] += next.sums[feature];
            self.squares[feature] += next.squares[feature];
        }
    }

    fn scale(&self) -> Scale {
        let deviation = |at: usize| {
            let (songs, sum) = (self.songs[at], self.sums[at]);
            let variance = (songs * self.squares[at] - sum * sum) as f64 / (songs.max(1) as f64).powi(2);
            let deviation = variance.sqrt() * Self::STEP;
            if deviation > 1e-6 { deviation as f32 } else { 1.0 }
        };
        let mean = |at: usize| (self.sums[at] as f64 / self.songs[at].max(1) as f64 * Self::STEP) as f32;
        Scale { means: std::array::from_fn(mean), deviations: std::array::from_fn(deviation) }
    }
}

/// How alike two songs sound, from 0 (apart) to 1 (the same): 1 / (1 + d²), with d² the mean squared
/// difference in standard deviations.
pub(crate) fn similarity(a: &[f32; AUDIO], b: &[f32; AUDIO]) -> f32 {
    likeness(a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum())
}

/// [`similarity`] from the sum of the squared differences.
#[inline(always)]
pub(crate) fn likeness(squares: f32) -> f32 {
    1.0 / (1.0 + squares / AUDIO as f32)
}

/// Cumulative histogram of a feature, in thousandths of its scale.
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

/// The fingerprint of a song's key. Equal fingerprints are taken for equal texts. With a million texts, this is wrong in one of
/// tens of millions of catalogues.
pub(crate) fn key_fingerprint(key: &str) -> u64 {
    fingerprint(composed(key))
}

/// The fingerprint of an artist.
pub(crate) fn artist_fingerprint(artist: &str) -> u64 {
    fingerprint(folded(artist))
}

/// The fingerprint of a song's artist and name. It does not depend on the id.
pub(crate) fn work_fingerprint(song: &Song) -> u64 {
    fingerprint((folded(&song.artist), folded(&song.name)))
}

/// A number that decides among songs with equal scores. It is made of what the song holds, so that no list depends on the order of
/// rows, and prefers no letter of the alphabet. Songs with the same number differ in nothing that is listed.
fn tie(song: &Song) -> u64 {
    if !song.id.is_empty() {
        return fingerprint(&song.id);
    }
    let features = SongFeature::ALL.map(|feature| song.feature(feature).map(f32::to_bits));
    let names = (&song.artist, &song.name, &song.album, &song.path);
    let figures =
        (song.release_date, song.duration_ms, song.key, song.time_signature, song.mood, song.mood_estimated);
    fingerprint((names, features, figures, song.extra.iter().collect::<Vec<_>>()))
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
                assert_eq!(group.columns[SongFeature::Tempo as usize][at], song.tempo.unwrap() / 250.0);
                assert_eq!(group.years[at], song.release_date.unwrap().year());
                let (placed, place) = index.placed(seen);
                assert!(std::ptr::eq(placed, group) && place == at);
                seen += 1;
            }
        }
        assert_eq!(seen, 22);
    }

    #[test]
    fn moments_are_those_of_all_columns_together() {
        let of = |columns: &[&[f32]]| {
            let mut moments = Moments::default();
            for column in columns {
                let mut more = Moments::default();
                more.add_column(0, column);
                moments.append(&more);
            }
            let scale = moments.scale();
            (scale.means[0], scale.deviations[0])
        };
        // numpy 2.4.6: np.mean and np.std of [0.1, 0.4, 0.7, 0.2, 0.9] in f64.
        let (mean, deviation) = of(&[&[0.1, f32::NAN, 0.4], &[], &[f32::NAN], &[0.7, 0.2, 0.9]]);
        assert!((mean - 0.46).abs() < 1e-7 && (deviation - 0.300_666).abs() < 1e-6, "{mean} {deviation}");
        // Equal songs do not spread, however many they are.
        assert_eq!(of(&[&[0.7; 1000][..]; 100]), (0.7, 1.0));
        assert_eq!(of(&[]), (0.0, 1.0));
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
