//! The best songs of one group, found in one pass over its columns without sorting them.

use std::collections::HashSet;

use crate::feature::FEATURES;
use crate::index::{Group, Scale, artist_fingerprint, key_fingerprint};
use crate::profile::Taste;
use crate::{Feature, Filter, Options, Song};

/// Songs at a time: their scores and columns stay in the nearest cache.
const BLOCK: usize = 1024;

/// The `k` best songs that pass, as (score, place in the group), the best first and the earlier first among equals.
pub(crate) fn best(
    group: &Group,
    catalog: &[Song],
    weights: &[f32; FEATURES],
    taste: Option<&Taste>,
    scale: &Scale,
    sieve: &Sieve<'_>,
    k: usize,
) -> Vec<(f32, usize)> {
    let mut top = TopK::new(k);
    let mut block = [0.0; BLOCK];
    for start in (0..group.songs.len()).step_by(BLOCK) {
        let end = group.songs.len().min(start + BLOCK);
        let scores = &mut block[..end - start];
        fit(group, start, weights, scores);
        if let Some(taste) = taste {
            blend(group, start, taste, scale, scores);
        }
        for (at, &score) in (start..).zip(scores.iter()) {
            if top.would_take(score) && sieve.passes(group, at, catalog) {
                top.push(score, at);
            }
        }
    }
    top.into_sorted()
}

/// The weighted mean of the features, each counted as its distance from the worse end of its scale.
fn fit(group: &Group, start: usize, weights: &[f32; FEATURES], scores: &mut [f32]) {
    scores.fill(weights.iter().filter(|&&weight| weight < 0.0).map(|weight| -weight).sum());
    for (column, &weight) in group.columns.iter().zip(weights).filter(|&(_, &weight)| weight != 0.0) {
        for (score, value) in scores.iter_mut().zip(&column[start..]) {
            *score += weight * value;
        }
    }
    for score in scores {
        *score = score.clamp(0.0, 1.0);
    }
}

fn blend(group: &Group, start: usize, taste: &Taste, scale: &Scale, scores: &mut [f32]) {
    let mut judged = [0.5; BLOCK];
    for (centre, sign) in [(&taste.liked, 0.5), (&taste.disliked, -0.5)] {
        let Some(centre) = centre else { continue };
        let mut squares = [0.0; BLOCK];
        for ((column, centre), deviation) in group.columns.iter().zip(centre).zip(scale.deviations) {
            let inverse = 1.0 / deviation;
            for (square, value) in squares.iter_mut().zip(&column[start..]) {
                let difference = value * inverse - centre;
                *square += difference * difference;
            }
        }
        for (judged, square) in judged.iter_mut().zip(squares) {
            *judged += sign / (1.0 + square / Feature::AUDIO.len() as f32);
        }
    }
    for (score, judged) in scores.iter_mut().zip(judged) {
        *score += taste.weight * (judged - *score);
    }
}

/// Keeps the best `k` of what it is shown: gathers twice as many, then cuts the worse half in linear time.
pub(crate) struct TopK {
    k: usize,
    /// What a song must beat; an equal one comes later and stands behind.
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
        let keys = filter.exclude_songs.iter().map(String::as_str).chain(options.profile.disliked());
        Sieve {
            filter,
            keys: keys.map(key_fingerprint).collect(),
            artists: filter.exclude_artists.iter().map(|artist| artist_fingerprint(artist)).collect(),
        }
    }

    /// Cheap columns first; the song itself, elsewhere in memory, last.
    pub(crate) fn passes(&self, group: &Group, at: usize, catalog: &[Song]) -> bool {
        let within = |feature: Feature| {
            let Some(range) = self.range(feature) else { return true };
            let unit = group.columns[feature as usize][at];
            // The scale of 0 to 1 cuts off its ends, so it may let too much through, but never too little.
            unit >= feature.unit(*range.start())
                && unit <= feature.unit(*range.end())
                && range.contains(&catalog[group.songs[at] as usize].feature(feature))
        };
        self.filter.years.as_ref().is_none_or(|years| group.years[at] > 0 && years.contains(&group.years[at]))
            && !self.keys.contains(&group.keys[at])
            && !self.artists.contains(&group.artists[at])
            && within(Feature::Popularity)
            && within(Feature::Tempo)
    }

    fn range(&self, feature: Feature) -> Option<&std::ops::RangeInclusive<f32>> {
        match feature {
            Feature::Popularity => self.filter.popularity.as_ref(),
            Feature::Tempo => self.filter.tempo.as_ref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_k_agrees_with_sorting_everything() {
        let scores: Vec<f32> = (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) % 97) as f32).collect();
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
