//! The best songs of one group, found in one pass over its columns without sorting them.

mod fit;
mod liking;
mod sieve;
mod top;

use std::thread;

use pulp::{Arch, Simd, WithSimd};

use crate::feature::FEATURES;
use crate::index::{Group, Scale};
use crate::song::Song;
use crate::taste::Taste;
use crate::threads::cores_for;

use liking::{Liking, Workspace};
pub(crate) use sieve::Sieve;
pub(crate) use top::TopK;

/// Songs at a time: their scores stay in the nearest cache while the columns pass by.
const BLOCK: usize = 2048;

/// Songs that are compared together with the worst of the best so far.
const FEW: usize = 16;

/// What songs are scored by.
struct Scan<'a> {
    group: &'a Group,
    weights: &'a [f32; FEATURES],
    sieve: &'a Sieve<'a>,
    liking: Option<&'a Liking<'a>>,
    workspace: Workspace,
}

/// The scores of one block, compiled for each instruction set; −∞ for songs that do not pass, as far as columns tell.
struct Block<'a, 'b> {
    scan: &'a mut Scan<'b>,
    start: usize,
    scores: &'a mut [f32],
}

impl WithSimd for Block<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Block { scan, start, scores } = self;
        fit::fit(scan.group, start, scan.weights, scores);
        scan.sieve.sink(scan.group, start, scores);
        if let Some(liking) = scan.liking {
            liking.mix_into(start, scores, &mut scan.workspace);
        }
    }
}

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
    let liking = taste.map(|(taste, scale)| Liking::new(group, taste, scale));
    let scan = |from: usize, to: usize| {
        let mut scan = Scan { group, weights, sieve, liking: liking.as_ref(), workspace: Workspace::new() };
        let passes = |at: usize| sieve.passes(&songs[group.songs[at] as usize]);
        let mut top = TopK::new(k);
        let mut block = [0.0; BLOCK];
        let arch = Arch::new();
        for start in (from..to).step_by(BLOCK) {
            let scores = &mut block[..BLOCK.min(to - start)];
            arch.dispatch(Block { scan: &mut scan, start, scores });
            for (few, scores) in scores.chunks(FEW).enumerate() {
                // Most are worse than the worst of the best so far; together they are told so faster.
                let bar = top.bar();
                if scores.iter().fold(false, |any, score| any | (*score > bar)) {
                    for (at, &score) in (start + few * FEW..).zip(scores) {
                        if top.would_take(score) && passes(at) {
                            top.push(score, at);
                        }
                    }
                }
            }
        }
        top
    };
    let all = group.songs.len();
    // Half a million comparisons take longer than a thread needs to begin.
    let threads = if liking.is_some() && all >= 1 << 16 { cores_for(all) } else { 1 };
    let share = all.div_ceil(threads).next_multiple_of(BLOCK).max(BLOCK);
    let best = thread::scope(|scope| {
        let scan = &scan;
        let others: Vec<_> = (share..all)
            .step_by(share)
            .map(|from| scope.spawn(move || scan(from, all.min(from + share))))
            .collect();
        let mut best = scan(0, all.min(share));
        for other in others {
            // A panic of a thread goes on in this one.
            best.join(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        best
    });
    best.into_sorted()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::feature::{AUDIO, Feature};
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
            for feature in Feature::ALL {
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
        let Some((taste, scale)) = taste else { return score[0] };
        let pull = |kinds: &Kinds| {
            let distance = |centre: &crate::taste::Centre| {
                let known = |feature: usize| scale.known(feature, group.columns[feature][at]);
                let product =
                    (0..AUDIO).fold(0.0, |sum, feature| sum + centre.factors[feature] * known(feature));
                group.squares[at] - 2.0 * product + centre.offset
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
            let filter = Filter { popularity: popularity.map(|least| least..=least + 30.0), ..Filter::default() };
            let options = Options { filter, profile, ..Options::default() };
            let taste = Taste::new(&options.profile, &index.scale);
            let taste = taste.as_ref().map(|taste| (taste, &index.scale));
            let sieve = Sieve::new(&options);
            let mut expected: Vec<(f32, usize)> = (0..songs.len())
                .filter(|at| sieve.passes(&songs[*at]))
                .map(|at| (score(group, at, &weights, taste), at))
                .collect();
            expected.sort_by(top::better_first);
            expected.truncate(k);
            prop_assert_eq!(best(group, songs, &weights, taste, &sieve, k), expected);
        }
    }
}
