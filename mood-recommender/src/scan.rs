//! The best songs of one group, found in one pass over its columns without sorting them.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::thread;

use crate::feature::{FEATURES, Feature};
use crate::index::{AUDIO, Group, Scale, artist_fingerprint, key_fingerprint, likeness};
use crate::options::{Filter, Options};
use crate::song::Song;
use crate::taste::{Centre, Kinds, Taste};

/// Songs at a time: their scores stay in the nearest cache while the columns pass by.
pub(crate) const BLOCK: usize = 2048;

/// The `k` best songs that pass, as (score, place in the group), the best first and the earlier first among
/// equals.
pub(crate) fn best(
    group: &Group,
    songs: &[Song],
    weights: &[f32; FEATURES],
    taste: Option<(&Taste, &Scale)>,
    sieve: &Sieve<'_>,
    k: usize,
) -> Vec<(f32, usize)> {
    let scan = |from: usize, to: usize| {
        let mut top = TopK::new(k);
        let mut block = [0.0; BLOCK];
        for start in (from..to).step_by(BLOCK) {
            let scores = &mut block[..BLOCK.min(to - start)];
            fit(group, start, weights, scores);
            sieve.sink(group, start, scores);
            if let Some((taste, scale)) = taste {
                blend(group, start, taste, scale, scores);
            }
            for (at, &score) in (start..).zip(scores.iter()) {
                if top.would_take(score) && sieve.passes(group, at, songs) {
                    top.push(score, at);
                }
            }
        }
        top.into_sorted()
    };
    let all = group.songs.len();
    // Half a million comparisons take longer than a thread needs to begin.
    let threads = match taste {
        Some(_) if all >= 1 << 16 => thread::available_parallelism().map_or(1, usize::from).min(all >> 15),
        _ => 1,
    };
    if threads == 1 {
        return scan(0, all);
    }
    let share = all.div_ceil(threads).next_multiple_of(BLOCK);
    let mut best: Vec<(f32, usize)> = thread::scope(|scope| {
        let scan = &scan;
        let parts =
            (0..all).step_by(share).map(|from| scope.spawn(move || scan(from, all.min(from + share))));
        let parts: Vec<_> = parts.collect();
        // A panic of a thread goes on in this one.
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    best.sort_unstable_by(better_first);
    best.truncate(k);
    best
}

/// The weighted mean of the features, each counted as its distance from the worse end of its scale. A song is judged by the
/// features that it has; without any it has 0.
fn fit(group: &Group, start: usize, weights: &[f32; FEATURES], scores: &mut [f32]) {
    let weighed = || group.columns.iter().zip(weights).enumerate().filter(|(_, (_, weight))| **weight != 0.0);
    if weighed().all(|(feature, _)| group.complete[feature]) {
        scores.fill(weights.iter().filter(|&&weight| weight < 0.0).map(|weight| -weight).sum());
        for (_, (column, &weight)) in weighed() {
            for (score, value) in scores.iter_mut().zip(&column[start..]) {
                *score += weight * value;
            }
        }
    } else {
        let total: f32 = weights.iter().map(|weight| weight.abs()).sum();
        let mut known = [0.0; BLOCK];
        scores.fill(0.0);
        for (_, (column, &weight)) in weighed() {
            for ((score, known), value) in scores.iter_mut().zip(&mut known).zip(&column[start..]) {
                let gain = weight * value + f32::max(-weight, 0.0);
                *score += if value.is_nan() { 0.0 } else { gain };
                *known += if value.is_nan() { 0.0 } else { weight.abs() };
            }
        }
        for (score, known) in scores.iter_mut().zip(&known) {
            *score *= if *known > 0.0 { total / known } else { 0.0 };
        }
    }
    for score in scores {
        *score = score.clamp(0.0, 1.0);
    }
}

/// Songs at a time of [`blend`]: their sounds stay in the nearest cache.
const PART: usize = 256;

/// The audio features of some songs on their scale of 0 to 1, column by column.
type Sounds = [[f32; PART]; AUDIO];

/// Mixes the listener's taste into the scores: 0.5 says nothing, 1 is like a kind of songs that was liked.
fn blend(group: &Group, start: usize, taste: &Taste, scale: &Scale, scores: &mut [f32]) {
    let (mut sounds, mut squares) = ([[0.0; PART]; AUDIO], [0.0; PART]);
    for (part, scores) in scores.chunks_mut(PART).enumerate() {
        let start = start + part * PART;
        for (feature, sounds) in sounds.iter_mut().enumerate() {
            let column = &group.columns[feature][start..];
            if group.complete[feature] && column.len() >= PART {
                sounds.copy_from_slice(&column[..PART]);
            } else {
                let known = |(sound, value): (&mut f32, &f32)| *sound = scale.known(feature, *value);
                sounds.iter_mut().zip(column).for_each(known);
            }
        }
        squares.iter_mut().zip(&group.squares[start..]).for_each(|(square, value)| *square = *value);
        let (mut pulls, mut disliked) = ([0.0; PART], [0.0; PART]);
        pull(&sounds, &squares, &taste.liked, &mut pulls);
        pull(&sounds, &squares, &taste.disliked, &mut disliked);
        pulls.iter_mut().zip(disliked).for_each(|(pull, disliked)| *pull -= disliked);
        for (score, pull) in scores.iter_mut().zip(pulls) {
            // Not by the difference of both: that of −∞ is no number.
            *score = (1.0 - taste.weight) * *score + taste.weight * (0.5 + 0.5 * pull);
        }
    }
}

/// How alike songs are to the nearest of some kinds, 0 to 1; 0 without kinds.
fn pull(sounds: &Sounds, squares: &[f32; PART], kinds: &Kinds, pulls: &mut [f32; PART]) {
    if kinds.centres.is_empty() {
        return;
    }
    // |a − b|² = |a|² − 2 a·b + |b|². With all columns side by side, a song's sum stays in a register.
    let mut least = [f32::INFINITY; PART];
    for Centre { factors, squares: of_kind, .. } in &kinds.centres {
        for at in 0..PART {
            let mut product = 0.0;
            for feature in 0..AUDIO {
                product += factors[feature] * sounds[feature][at];
            }
            let distance = squares[at] - 2.0 * product + of_kind;
            // `f32::min` would also look for NaN.
            least[at] = if distance < least[at] { distance } else { least[at] };
        }
    }
    for (pull, least) in pulls.iter_mut().zip(least) {
        *pull = likeness(if least > 0.0 { least } else { 0.0 });
    }
}

/// Keeps the best `k` of what it is shown: gathers twice as many, then cuts the worse half in linear time.
pub(crate) struct TopK {
    k: usize,
    /// What a song must beat, −∞ at first; an equal one comes later and stands behind.
    bar: f32,
    kept: Vec<(f32, usize)>,
}

impl TopK {
    pub(crate) fn new(k: usize) -> Self {
        TopK { k, bar: if k == 0 { f32::INFINITY } else { f32::NEG_INFINITY }, kept: Vec::new() }
    }

    pub(crate) fn would_take(&self, score: f32) -> bool {
        score > self.bar
    }

    pub(crate) fn push(&mut self, score: f32, at: usize) {
        self.kept.push((score, at));
        if self.kept.len() / 2 >= self.k {
            let (_, last, _) = self.kept.select_nth_unstable_by(self.k - 1, better_first);
            self.bar = last.0;
            self.kept.truncate(self.k);
        }
    }

    pub(crate) fn into_sorted(mut self) -> Vec<(f32, usize)> {
        self.kept.sort_unstable_by(better_first);
        self.kept.truncate(self.k);
        self.kept
    }
}

fn better_first(a: &(f32, usize), b: &(f32, usize)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// What songs must pass, from filter and profile.
pub(crate) struct Sieve<'a> {
    filter: &'a Filter,
    keys: HashSet<u64>,
    artists: HashSet<u64>,
}

impl<'a> Sieve<'a> {
    pub(crate) fn new(options: &'a Options) -> Self {
        let filter = &options.filter;
        let keys = filter.exclude_songs.iter().chain(options.profile.disliked().keys());
        Sieve {
            filter,
            keys: keys.map(|key| key_fingerprint(key)).collect(),
            artists: filter.exclude_artists.iter().map(|artist| artist_fingerprint(artist)).collect(),
        }
    }

    /// Sets the scores of songs that do not pass to −∞, as far as columns tell: the scale of 0 to 1 cuts off
    /// its ends, so it may let too many through, but never too few.
    pub(crate) fn sink(&self, group: &Group, start: usize, scores: &mut [f32]) {
        if let Some(years) = &self.filter.years {
            // Year 0 stands for an unknown one, so that it is below every first year.
            let (first, last) = (*years.start().max(&1), *years.end());
            sink_outside(&group.years[start..], first, last, scores);
        }
        for (feature, range) in self.ranges() {
            let (first, last) = (feature.unit(*range.start()), feature.unit(*range.end()));
            sink_outside(&group.columns[feature as usize][start..], first, last, scores);
        }
    }

    /// Whether a song that was not sunk passes the rest, which lies elsewhere in memory.
    pub(crate) fn passes(&self, group: &Group, at: usize, songs: &[Song]) -> bool {
        let song = &songs[group.songs[at] as usize];
        (self.keys.is_empty() || !self.keys.contains(&key_fingerprint(&song.key())))
            && (self.artists.is_empty() || !self.artists.contains(&artist_fingerprint(&song.artist)))
            && self
                .ranges()
                .all(|(feature, range)| song.feature(feature).is_some_and(|value| range.contains(&value)))
    }

    fn ranges(&self) -> impl Iterator<Item = (Feature, &RangeInclusive<f32>)> {
        let ranges = [(Feature::Popularity, &self.filter.popularity), (Feature::Tempo, &self.filter.tempo)];
        ranges.into_iter().filter_map(|(feature, range)| Some((feature, range.as_ref()?)))
    }
}

fn sink_outside<T: PartialOrd + Copy>(column: &[T], first: T, last: T, scores: &mut [f32]) {
    for (score, &value) in scores.iter_mut().zip(column) {
        *score = if (value >= first) & (value <= last) { *score } else { f32::NEG_INFINITY };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_k_agrees_with_sorting_everything() {
        let scores: Vec<f32> =
            (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) % 997) as f32 / 997.0).collect();
        let mut sorted: Vec<(f32, usize)> = scores.iter().copied().zip(0..).collect();
        sorted.sort_by(better_first);
        for k in [0, 1, 2, 7, 64, 4999, 5000, 9999] {
            let mut top = TopK::new(k);
            for (at, &score) in scores.iter().enumerate() {
                if top.would_take(score) {
                    top.push(score, at);
                }
            }
            assert_eq!(top.into_sorted(), sorted[..k.min(5000)], "k = {k}");
        }
    }
}
