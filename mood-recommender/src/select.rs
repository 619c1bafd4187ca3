//! From the best songs to a list that people would keep.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::catalog::Catalog;
use crate::feature::AUDIO;
use crate::index::{Index, artist_fingerprint, similarity, work_fingerprint};
use crate::options::Options;
use crate::search::{self, Scored, Sieve};
use crate::strategy::Part;
use crate::taste::Taste;

/// A chosen song.
#[derive(Debug, Clone)]
pub(crate) struct Pick {
    /// Its part of the list.
    pub(crate) part: usize,
    /// Its place in the group of the part's target.
    pub(crate) at: usize,
    pub(crate) score: f32,
    /// The score with what shuffling added to it.
    rank: f32,
    pub(crate) sound: [f32; AUDIO],
}

/// A list in the making.
pub(crate) struct Selection<'a> {
    catalog: &'a Catalog,
    index: &'a Index,
    options: &'a Options,
    parts: &'a [Part],
    taste: Option<&'a Taste>,
    sieve: Sieve<'a>,
    picks: Vec<Pick>,
    used: Used,
}

/// A song of the pool with its marginal relevance, as far as it is known.
struct Candidate {
    /// The marginal relevance given the first `compared` picks: an upper bound on that given all picks.
    value: f32,
    /// The part of the value that stays.
    relevance: f32,
    /// The similarity to the most similar of these picks.
    alike: f32,
    compared: usize,
    place: usize,
    pick: Pick,
}

/// By value; the first among equals is the greatest.
impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.total_cmp(&other.value).then(other.place.cmp(&self.place))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

/// What the picks have used up.
#[derive(Clone, Default)]
struct Used {
    songs_of_artist: HashMap<u64, usize>,
    works: HashSet<u64>,
}

/// The pool to choose from holds this many songs for each one wanted, and at least `POOL_MIN`.
const POOL_PER_PICK: usize = 8;
const POOL_MIN: usize = 64;
/// Maximum number of songs of a list that are compared with each other. The time grows with the square of this number.
const MOST_DIVERSE: usize = 1000;

impl<'a> Selection<'a> {
    pub(crate) fn new(
        catalog: &'a Catalog,
        index: &'a Index,
        options: &'a Options,
        parts: &'a [Part],
        taste: Option<&'a Taste>,
    ) -> Self {
        let (picks, used) = (Vec::new(), Used::default());
        Selection { catalog, index, options, parts, taste, sieve: Sieve::new(options), picks, used }
    }

    /// Chooses `count` songs, from each part in proportion to its share. If a part has too few songs, the other
    /// parts fill its places.
    pub(crate) fn choose(mut self, count: usize) -> Vec<Pick> {
        let shares: Vec<f64> = self.parts.iter().map(|part| part.share).collect();
        for (part, places) in apportion(&shares, count).into_iter().enumerate() {
            self.draw(part, places);
        }
        for part in 0..self.parts.len() {
            self.draw(part, count - self.picks.len());
        }
        // Stable: equal ranks stay in the order of choice.
        self.picks.sort_by(|a, b| b.rank.total_cmp(&a.rank));
        self.picks
    }

    /// Adds up to `wanted` songs of one part.
    fn draw(&mut self, part: usize, wanted: usize) {
        if wanted == 0 {
            return;
        }
        let mut size = wanted.saturating_mul(POOL_PER_PICK).max(POOL_MIN) + self.picks.len();
        loop {
            let pool = self.pool(part, size);
            let all = pool.len() < size;
            let (picks, used) = self.pick(pool, wanted);
            if picks.len() == wanted || all {
                self.picks.extend(picks);
                self.used = used;
                return;
            }
            size = size.saturating_mul(4);
        }
    }

    /// The best songs of a part, the best first, with their random shift.
    fn pool(&self, part: usize, size: usize) -> Vec<Pick> {
        let Part { target, share, weights, .. } = &self.parts[part];
        let (index, songs) = (self.index, self.catalog.songs());
        let group = index.group(*target);
        let best = search::best(
            group,
            songs,
            weights,
            self.taste.map(|taste| (taste, &index.scale)),
            &self.sieve,
            size,
        );
        let mut shift = self.options.shuffle.map(|shuffle| {
            let mut random = ChaCha8Rng::seed_from_u64(shuffle.seed);
            random.set_stream(*target as u64);
            move || random.random::<f32>() * shuffle.tolerance
        });
        best.into_iter()
            .map(|Scored { score: fit, at }| {
                let (score, at) = (fit * *share as f32, at as usize);
                let rank = score + shift.as_mut().map_or(0.0, |shift| shift());
                Pick { part, at, score, rank, sound: group.sound(at, &index.scale) }
            })
            .collect()
    }

    /// Up to `wanted` songs of the pool by maximal marginal relevance, and what is used up with them.
    fn pick(&self, mut pool: Vec<Pick>, wanted: usize) -> (Vec<Pick>, Used) {
        let mut used = self.used.clone();
        let mut picks: Vec<Pick> = Vec::new();
        pool.sort_by(|a, b| b.rank.total_cmp(&a.rank));
        if self.options.diversity == 0.0 {
            for candidate in pool {
                if picks.len() == wanted {
                    break;
                }
                if self.take(&candidate, &mut used) {
                    picks.push(candidate);
                }
            }
            return (picks, used);
        }
        let diversity = self.options.diversity;
        let mut sounds: Vec<[f32; AUDIO]> = self.picks.iter().map(|pick| pick.sound).collect();
        let open = |(place, pick): (usize, Pick)| {
            let relevance = (1.0 - diversity) * (pick.rank / self.parts[pick.part].share as f32);
            Candidate { value: relevance, relevance, alike: 0.0, compared: 0, place, pick }
        };
        let mut pool: BinaryHeap<Candidate> = pool.into_iter().enumerate().map(open).collect();
        while picks.len() < wanted
            && sounds.len() < MOST_DIVERSE
            && let Some(mut best) = pool.pop()
        {
            // Further picks only lower a value. So an up-to-date value that exceeds the others' outdated values is the best.
            if best.compared < sounds.len() {
                let alike = sounds[best.compared..].iter().map(|sound| similarity(sound, &best.pick.sound));
                best.alike = alike.fold(best.alike, f32::max);
                best.compared = sounds.len();
                best.value = best.relevance - diversity * best.alike;
                pool.push(best);
            } else if self.take(&best.pick, &mut used) {
                sounds.push(best.pick.sound);
                picks.push(best.pick);
            }
        }
        let mut rest = if picks.len() < wanted { pool.into_vec() } else { Vec::new() };
        rest.sort_unstable_by_key(|candidate| candidate.place);
        for Candidate { pick, .. } in rest {
            if picks.len() < wanted && self.take(&pick, &mut used) {
                picks.push(pick);
            }
        }
        (picks, used)
    }

    /// Marks a song as used, unless it is in the list already or its artist has no place left.
    fn take(&self, candidate: &Pick, used: &mut Used) -> bool {
        let group = self.index.group(self.parts[candidate.part].target);
        let song = &self.catalog.songs()[group.songs[candidate.at] as usize];
        let songs_of_artist = used.songs_of_artist.entry(artist_fingerprint(&song.artist)).or_default();
        if self.options.max_per_artist.is_some_and(|most| *songs_of_artist >= most)
            || !used.works.insert(work_fingerprint(song))
        {
            return false;
        }
        *songs_of_artist += 1;
        true
    }
}

/// Places in proportion to shares, by the largest remainder.
fn apportion(shares: &[f64], count: usize) -> Vec<usize> {
    let total: f64 = shares.iter().sum();
    let exact: Vec<f64> = shares.iter().map(|share| share / total * count as f64).collect();
    let mut places: Vec<usize> = exact.iter().map(|exact| exact.floor() as usize).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    let mut left = count.saturating_sub(places.iter().sum());
    for part in order {
        if left > 0 {
            places[part] += 1;
            left -= 1;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mood, Song, strategy};
    use proptest::prelude::*;

    /// Maximal marginal relevance as it is defined: every candidate is compared with every pick each time.
    fn all_compared(selection: &Selection<'_>, mut pool: Vec<Pick>, wanted: usize) -> Vec<usize> {
        let (mut used, mut picks) = (Used::default(), Vec::<Pick>::new());
        pool.sort_by(|a, b| b.rank.total_cmp(&a.rank));
        let diversity = selection.options.diversity;
        while picks.len() < wanted && !pool.is_empty() {
            let value = |candidate: &Pick| {
                let alike =
                    picks.iter().map(|pick| similarity(&pick.sound, &candidate.sound)).fold(0.0, f32::max);
                let relevance = candidate.rank / selection.parts[candidate.part].share as f32;
                (1.0 - diversity) * relevance - diversity * alike
            };
            let best = (0..pool.len())
                .reduce(|best, next| if value(&pool[next]) > value(&pool[best]) { next } else { best });
            let candidate = pool.remove(best.unwrap());
            if selection.take(&candidate, &mut used) {
                picks.push(candidate);
            }
        }
        picks.iter().map(|pick| pick.at).collect()
    }

    proptest! {
        #[test]
        fn picks_are_those_of_all_compared(
            sounds in proptest::collection::vec((0..5_u8, 0..5_u8, 0..9_u8), 1..60),
            diversity in 0.01_f32..=1.0, wanted in 1..40_usize,
        ) {
            let mut builder = Catalog::builder();
            for (at, (valence, energy, artist)) in sounds.into_iter().enumerate() {
                let [valence, energy] = [valence, energy].map(|step| Some(f32::from(step) / 4.0));
                let (name, artist) = (format!("{at}").into(), format!("{artist}").into());
                let mood = Some(Mood::Happy);
                builder.push(Song { name, artist, valence, energy, mood, ..Song::default() }).unwrap();
            }
            let catalog = builder.build();
            let index = Index::new(&catalog);
            let options = Options { diversity, ..Options::default() };
            let parts = strategy::parts(&options.strategy, &Mood::Sad.into()).unwrap();
            let selection = Selection::new(&catalog, &index, &options, &parts, None);
            let pool = selection.pool(0, 100);
            let expected = all_compared(&selection, pool.clone(), wanted);
            let (picks, _) = selection.pick(pool, wanted);
            prop_assert_eq!(picks.iter().map(|pick| pick.at).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn places_go_by_the_largest_remainder() {
        assert_eq!(apportion(&[1.0], 10), [10]);
        assert_eq!(apportion(&[0.62, 0.3, 0.08], 10), [6, 3, 1]);
        assert_eq!(apportion(&[0.97, 0.03], 10), [10, 0]);
        assert_eq!(apportion(&[0.5, 0.5], 5), [3, 2]);
        assert_eq!(apportion(&[0.3, 0.1], 4), [3, 1]);
        assert_eq!(apportion(&[0.6, 0.4], 0), [0, 0]);
        assert_eq!(apportion(&[], 3), [0; 0]);
    }
}
