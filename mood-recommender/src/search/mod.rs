//! The best songs of one group, found in one pass over its columns without sorting them.

mod fit;
mod liking;
mod sieve;
mod top;

use pulp::{Arch, Simd, WithSimd};

use crate::feature::FEATURES;
use crate::index::{Group, Scale};
use crate::song::Song;
use crate::taste::Taste;
use crate::threads::{cores_for, in_states};

use liking::{Liking, Workspace};
pub(crate) use sieve::Sieve;
pub(crate) use top::{Bar, Scored, TopK};

/// Songs at a time: their scores stay in the nearest cache while the columns pass by.
pub(crate) const BLOCK: usize = 2048;
/// Songs that a thread takes at a time.
pub(crate) const SPAN: usize = 8 * BLOCK;

/// The songs of a block that reach the bar, by their places in the block, with their scores.
pub(crate) fn reaching(scores: &[f32], bar: f32) -> impl Iterator<Item = (usize, f32)> {
    /// Songs that are compared with the bar together. Most groups have none that reaches it.
    const FEW: usize = 16;
    let few = scores.chunks(FEW).enumerate();
    let few = few.filter(move |(_, scores)| scores.iter().fold(false, |any, score| any | (*score >= bar)));
    few.flat_map(|(few, scores)| (few * FEW..).zip(scores.iter().copied()))
        .filter(move |(_, score)| *score >= bar)
}

/// What songs are scored by.
struct Scan<'a> {
    group: &'a Group,
    weights: &'a [f32; FEATURES],
    sieve: &'a Sieve<'a>,
    liking: Option<&'a Liking<'a>>,
}

/// The scores of one block, compiled for each instruction set; −∞ for songs that do not pass, as far as columns tell, and for
/// parts in which taste leaves every song below the bar.
struct Block<'a, 'b> {
    scan: &'a Scan<'b>,
    start: usize,
    bar: f32,
    scores: &'a mut [f32],
    workspace: &'a mut Workspace,
}

impl WithSimd for Block<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Block { scan, start, bar, scores, workspace } = self;
        fit::fit(scan.group, start, scan.weights, scores);
        scan.sieve.sink(scan.group, start, scores);
        if let Some(liking) = scan.liking {
            liking.mix_into(simd, start, bar, scores, workspace);
        }
    }
}

/// The `k` best songs that pass, by their places in the group, the best first.
pub(crate) fn best(
    group: &Group,
    songs: &[Song],
    weights: &[f32; FEATURES],
    taste: Option<(&Taste, &Scale)>,
    sieve: &Sieve<'_>,
    k: usize,
) -> Vec<Scored> {
    let liking = taste.map(|(taste, scale)| Liking::new(group, taste, scale));
    let scan = Scan { group, weights, sieve, liking: liking.as_ref() };
    // To look at a song itself takes as long as to score many by their columns, so only the best are looked at.
    let mut size = k.saturating_add(sieve.excluded().min(k));
    loop {
        let best = scan.best(size);
        let all = best.len() < size;
        let passes = |song: &Scored| sieve.passes(&songs[group.songs[song.at as usize] as usize]);
        let passing: Vec<Scored> = best.into_iter().filter(passes).take(k).collect();
        if passing.len() == k || all {
            return passing;
        }
        size = size.saturating_mul(4);
    }
}

impl Scan<'_> {
    /// The `k` best songs, as far as columns tell whether they pass, the best first.
    fn best(&self, k: usize) -> Vec<Scored> {
        let (all, arch, bar) = (self.group.songs.len(), Arch::new(), Bar::new());
        let tie = |at: u32| self.group.ties[at as usize];
        let begin = || (TopK::new(k, &bar, tie), [0.0; BLOCK], Workspace::new());
        let search = |(top, block, workspace): &mut (TopK<'_, _>, [f32; BLOCK], Workspace), from: usize| {
            let to = all.min(from + SPAN);
            for start in (from..to).step_by(BLOCK) {
                let (bar, scores) = (top.bar(), &mut block[..BLOCK.min(to - start)]);
                arch.dispatch(Block {
                    scan: self,
                    start,
                    bar,
                    scores: &mut *scores,
                    workspace: &mut *workspace,
                });
                for (at, score) in reaching(scores, bar) {
                    let song = Scored { score, at: (start + at) as u32 };
                    if top.would_take(song) {
                        top.push(song);
                    }
                }
            }
        };
        // Half a million comparisons take longer than a thread needs to begin.
        let cores = if self.liking.is_some() && all >= 1 << 16 { cores_for(all) } else { 1 };
        let found = in_states(cores, (0..all).step_by(SPAN), begin, search).into_iter().map(|(top, ..)| top);
        let joined = found.reduce(|mut top, other| {
            top.join(other);
            top
        });
        joined.map_or_else(Vec::new, TopK::into_sorted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::feature::{AUDIO, SongFeature};
    use crate::index::{Index, likeness};
    use crate::mood::Mood;
    use crate::options::{Filter, Options};
    use crate::profile::Profile;
    use crate::taste::Kinds;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Happy songs with coarse figures, so that scores are often equal. Some lack some figures.
    fn catalog(songs: usize, missing: f32, seed: u64) -> Catalog {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut builder = Catalog::builder();
        for at in 0..songs {
            let (name, artist) = (format!("Song {at}").into(), format!("Artist {}", at % 50).into());
            let mut song = Song { name, artist, mood: Some(Mood::Happy), ..Song::default() };
            for feature in SongFeature::ALL {
                let range = feature.range();
                let unit = (random.random::<f32>() * 20.0).floor() / 20.0;
                let value =
                    range.start().max(-60.0) + unit * (range.end().min(200.0) - range.start().max(-60.0));
                if random.random::<f32>() >= missing {
                    *song.feature_mut(feature) = Some(value.clamp(*range.start(), *range.end()));
                }
            }
            builder.push(song).unwrap();
        }
        builder.build()
    }

    /// The score of one song, feature by feature.
    fn score(group: &Group, at: usize, weights: &[f32; FEATURES], taste: Option<(&Taste, &Scale)>) -> f32 {
        let mut score = [0.0];
        fit::fit(group, at, weights, &mut score);
        let Some((taste, scale)) = taste else {
            return score[0];
        };
        let pull = |kinds: &Kinds| {
            let distance = |centre: &crate::taste::Centre| {
                let known = |feature: usize| scale.known(feature, group.columns[feature][at]);
                (0..AUDIO).fold(group.squares[at] + centre.offset, |sum, feature| {
                    centre.factors[feature].mul_add(known(feature), sum)
                })
            };
            let distances = kinds.centres.iter().map(distance);
            distances.reduce(f32::min).map_or(0.0, |least| likeness(least.max(0.0)))
        };
        let pull = pull(&taste.liked) - pull(&taste.disliked);
        (1.0 - taste.weight) * score[0] + taste.weight * (0.5 + 0.5 * pull)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn the_best_are_those_of_all_songs_scored_one_by_one(
            songs in 1..6000_usize, missing in prop_oneof![Just(0.0_f32), 0.0_f32..0.5], seed: u64,
            signs in proptest::collection::vec(-1_i8..=1, FEATURES), judged in proptest::collection::vec((0..6000_usize, any::<bool>()), 0..9),
            popularity in proptest::option::of(0.0_f32..60.0), k in 1..200_usize,
            excluded in (0..50_usize, proptest::collection::vec(0..6000_usize, 0..50)),
        ) {
            let catalog = catalog(songs, missing, seed);
            let (songs, index) = (catalog.songs(), Index::new(&catalog));
            let group = index.group(Mood::Happy);
            let mut weights = [0.0; FEATURES];
            let size = signs.iter().filter(|sign| **sign != 0).count().max(1) as f32;
            weights.iter_mut().zip(signs).for_each(|(weight, sign)| *weight = f32::from(sign) / size);
            let mut profile = Profile::default();
            for (at, is_liked) in judged {
                let song = &songs[at % songs.len()];
                if is_liked { profile.like(song) } else { profile.dislike(song) }
            }
            let (artists, keys) = excluded;
            let filter = Filter {
                popularity: popularity.map(|least| least..=least + 30.0),
                exclude_artists: (0..artists).map(|at| format!("Artist {at}")).collect(),
                exclude_songs: keys.into_iter().map(|at| songs[at % songs.len()].key().into_owned()).collect(),
                ..Filter::default()
            };
            let options = Options { filter, profile, ..Options::default() };
            let taste = Taste::new(&options.profile, &index.scale);
            let taste = taste.as_ref().map(|taste| (taste, &index.scale));
            let sieve = Sieve::new(&options);
            let mut expected: Vec<Scored> = (0..songs.len())
                .filter(|at| sieve.passes(&songs[*at]))
                .map(|at| Scored { score: score(group, at, &weights, taste), at: at as u32 })
                .collect();
            expected.sort_by(|a, b| top::better_first(a, b, |at| group.ties[at as usize]));
            expected.truncate(k);
            prop_assert_eq!(best(group, songs, &weights, taste, &sieve, k), expected);
        }
    }
}
