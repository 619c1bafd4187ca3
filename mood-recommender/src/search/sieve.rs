//! Filters of songs.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use crate::feature::SongFeature;
use crate::index::{Group, artist_fingerprint, key_fingerprint};
use crate::options::{Filter, Options};
use crate::song::Song;

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

    /// Sets the scores of songs that do not pass to −∞, as far as the columns show it. The columns are clamped to 0 to 1, so
    /// this may let too many songs pass, but never too few.
    #[inline(always)]
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

    /// The number of keys of songs that are left out.
    pub(crate) fn excluded(&self) -> usize {
        self.keys.len()
    }

    /// Whether any song passes.
    pub(crate) fn is_open(&self) -> bool {
        self.keys.is_empty()
            && self.artists.is_empty()
            && self.filter.years.is_none()
            && self.ranges().next().is_none()
    }

    /// Whether a song passes. That takes longer than [`Sieve::sink`], since the song lies elsewhere in memory.
    pub(crate) fn passes(&self, song: &Song) -> bool {
        let year = || song.release_date.map(|date| date.year());
        (self.keys.is_empty() || !self.keys.contains(&key_fingerprint(&song.key())))
            && (self.artists.is_empty() || !self.artists.contains(&artist_fingerprint(&song.artist)))
            && self
                .ranges()
                .all(|(feature, range)| song.feature(feature).is_some_and(|value| range.contains(&value)))
            && self.filter.years.as_ref().is_none_or(|years| year().is_some_and(|year| years.contains(&year)))
    }

    fn ranges(&self) -> impl Iterator<Item = (SongFeature, &RangeInclusive<f32>)> {
        let ranges =
            [(SongFeature::Popularity, &self.filter.popularity), (SongFeature::Tempo, &self.filter.tempo)];
        ranges.into_iter().filter_map(|(feature, range)| Some((feature, range.as_ref()?)))
    }
}

#[inline(always)]
fn sink_outside<T: PartialOrd + Copy>(column: &[T], first: T, last: T, scores: &mut [f32]) {
    for (score, &value) in scores.iter_mut().zip(column) {
        // An assignment under a condition would become a masked store, which takes long on some processors.
        *score += if (value >= first) & (value <= last) { 0.0 } else { f32::NEG_INFINITY };
    }
}
