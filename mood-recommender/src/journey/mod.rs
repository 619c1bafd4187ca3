//! Playlists that lead from one mood to another, after the iso principle (Altshuler, *A psychiatrist's experience with music as a
//! therapeutic agent*, 1948).
//!
//! The straight way from the listener's point to the target is divided by one waypoint a song. A
//! shortest-path search takes one song near each waypoint such that every song is nearer to the target than
//! the one before. Distances from the waypoints, uneven steps and detours cost. Several limits to the length of steps are tried, and
//! of the playlists without a step longer than twice the mean step, the cheapest wins. Where none has as many songs as asked, fewer
//! are tried.

mod path;
mod way;

use std::collections::{HashMap, HashSet};

use pulp::{Arch, Simd, WithSimd};

use crate::catalog::Catalog;
use crate::feature::SongFeature;
use crate::index::{Group, Index, artist_fingerprint, work_fingerprint};
use crate::mood::Mood;
use crate::options::Options;
use crate::point::Point;
use crate::reading::Reading;
use crate::recommendation::Recommendation;
use crate::search::{BLOCK, Bar, SPAN, Scored, Sieve, TopK, reaching};
use crate::song::Song;
use crate::threads::{cores_for, in_states};
use path::{Along, path};
use way::{Way, Waypoints};

/// Songs kept along each part of the way, and at least this many in all where the catalogue has them.
const POOL_PER_WAYPOINT: usize = 64;
const POOL_MIN: usize = 1024;

pub(crate) fn plan<'a>(
    catalog: &'a Catalog,
    index: &Index,
    reading: &Reading,
    target: Point,
    options: &Options,
    count: usize,
) -> Vec<Recommendation<'a>> {
    let (way, count) = (Way::new(reading, target), count.min(MOST_SONGS));
    let mut pool = pool(catalog, index, way, options, count);
    let mut length = count.min(pool.len());
    while let Some(path) = longest(&Along::new(&pool, way), length) {
        length = path.len();
        // One artist at a time for the lists that people make.
        let artists = artists_with_too_many(&path, options.max_per_artist, (length / 20).max(1));
        if artists.is_empty() {
            return explain(&path, way);
        }
        // These artists keep their first songs on the path. Their other songs leave the pool, so that the loop ends soon.
        let most = options.max_per_artist.unwrap_or(usize::MAX);
        let mut kept: HashMap<u64, Vec<*const Song>> =
            artists.into_iter().map(|artist| (artist, Vec::new())).collect();
        for stop in &path {
            if let Some(kept) = kept.get_mut(&artist_fingerprint(&stop.song.artist))
                && kept.len() < most
            {
                kept.push(stop.song);
            }
        }
        pool.retain(|stop| {
            let kept = kept.get(&artist_fingerprint(&stop.song.artist));
            kept.is_none_or(|kept| kept.iter().any(|song| std::ptr::eq(*song, stop.song)))
        });
    }
    Vec::new()
}

/// The best playlist of `most` songs, or of nearly as many as the pool allows.
fn longest<'a>(along: &Along<'_, 'a>, most: usize) -> Option<Vec<Stop<'a>>> {
    if most == 0 {
        return None;
    }
    let mut found = path(along, most);
    let (mut too_many, mut fits) = (most, found.as_ref().map_or(0, Vec::len));
    while too_many - fits > (too_many / 20).max(1) {
        // One fewer for the lists that people make; long ones are found by halves.
        let length = if too_many <= 20 { too_many - 1 } else { fits.midpoint(too_many) };
        match path(along, length) {
            Some(path) => (fits, found) = (length, Some(path)),
            None => too_many = length,
        }
    }
    found
}

/// Maximum number of songs of a journey: days of music. The steps of a longer one would be inaudible, and the search would take long.
const MOST_SONGS: usize = 1000;

/// A song as a place to stop at.
#[derive(Clone, Copy)]
struct Stop<'a> {
    song: &'a Song,
    point: Point,
    /// The distance from there to the target.
    left: f32,
}

/// The minimum number of songs for a search on all cores. For fewer songs, starting the threads takes longer than it saves.
const MANY: usize = 1 << 17;

/// The features that make a song's point.
const PLANE: [SongFeature; 2] = [SongFeature::Valence, SongFeature::Energy];

/// Computes how close the songs of a block are to their nearest waypoints; −∞ for songs that the columns show not to pass.
/// Compiled for each instruction set.
struct Block<'a> {
    waypoints: &'a Waypoints,
    sieve: &'a Sieve<'a>,
    group: &'a Group,
    start: usize,
    closeness: &'a mut [f32],
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Block { waypoints, sieve, group, start, closeness } = self;
        waypoints.closeness(PLANE.map(|feature| &group.columns[feature as usize][start..]), closeness);
        sieve.sink(group, start, closeness);
    }
}

/// The songs closest to the way, spread over its length: one pass over the catalogue.
fn pool<'a>(catalog: &'a Catalog, index: &Index, way: Way, options: &Options, count: usize) -> Vec<Stop<'a>> {
    let (songs, sieve, arch) = (catalog.songs(), Sieve::new(options), Arch::new());
    let is_open = sieve.is_open();
    let kept = POOL_PER_WAYPOINT.max(POOL_MIN / count.max(1));
    let (waypoints, bars) = (way.waypoints(count), (0..count).map(|_| Bar::new()).collect::<Vec<_>>());
    let placed = |at: u32| index.placed(at as usize);
    let tie = |at: u32| {
        let (group, at) = placed(at);
        group.ties[at]
    };
    let begin = || (bars.iter().map(|bar| TopK::new(kept, bar, tie)).collect::<Vec<_>>(), [0.0; BLOCK]);
    let search = |(nearest, closeness): &mut (Vec<TopK<'_, _>>, [f32; BLOCK]),
                  span: (&Group, usize, usize)| {
        let (group, first, from) = span;
        let to = group.songs.len().min(from + SPAN);
        for start in (from..to).step_by(BLOCK) {
            let closeness = &mut closeness[..BLOCK.min(to - start)];
            arch.dispatch(Block {
                waypoints: &waypoints,
                sieve: &sieve,
                group,
                start,
                closeness: &mut *closeness,
            });
            // Nearly all songs are further from their waypoint than the songs already kept for any. They are skipped here.
            let loosest = nearest.iter().map(TopK::bar).fold(f32::INFINITY, f32::min);
            for (at, score) in reaching(closeness, loosest) {
                let at = start + at;
                let [valence, energy] = PLANE.map(|feature| group.columns[feature as usize][at]);
                let nearest = &mut nearest[waypoints.nearest(Point { valence, energy }) as usize];
                let song = Scored { score, at: (first + at) as u32 };
                if nearest.would_take(song) && (is_open || sieve.passes(&songs[group.songs[at] as usize])) {
                    nearest.push(song);
                }
            }
        }
    };
    let moods = Mood::ALL.into_iter().map(Some).chain([None]);
    let firsts =
        index.groups.iter().scan(0, |next, group| Some(std::mem::replace(next, *next + group.songs.len())));
    let groups = index
        .groups
        .iter()
        .zip(firsts)
        .zip(moods)
        .filter(|(_, mood)| count > 0 && options.filter.allows(*mood));
    let spans = groups.flat_map(|((group, first), _)| {
        (0..group.songs.len()).step_by(SPAN).map(move |from| (group, first, from))
    });
    let cores = if songs.len() < MANY { 1 } else { cores_for(songs.len()) };
    let found = in_states(cores, spans, begin, search).into_iter().map(|(nearest, _)| nearest);
    let nearest = found.reduce(|mut nearest, others| {
        nearest.iter_mut().zip(others).for_each(|(nearest, other)| nearest.join(other));
        nearest
    });
    let found = nearest.unwrap_or_default().into_iter().flat_map(TopK::into_sorted);
    let mut works = HashSet::new();
    let found = found.map(|Scored { at, .. }| {
        let (group, at) = placed(at);
        &songs[group.songs[at] as usize]
    });
    found
        .filter(|song| works.insert(work_fingerprint(song)))
        .filter_map(|song| {
            let point = Point { valence: song.valence?, energy: song.energy? };
            Some(Stop { song, point, left: point.distance(way.target) })
        })
        .collect()
}

/// The fingerprints of the first `count` artists who have more songs than allowed.
fn artists_with_too_many(path: &[Stop<'_>], most: Option<usize>, count: usize) -> Vec<u64> {
    let Some(most) = most else { return Vec::new() };
    let mut songs_of_artist: HashMap<u64, usize> = HashMap::new();
    let artists = path.iter().map(|stop| artist_fingerprint(&stop.song.artist));
    let too_many = artists.filter(|artist| {
        let songs = songs_of_artist.entry(*artist).or_default();
        *songs += 1;
        *songs == most.saturating_add(1)
    });
    too_many.take(count).collect()
}

fn explain<'a>(path: &[Stop<'a>], way: Way) -> Vec<Recommendation<'a>> {
    let mut before: Option<&Stop<'_>> = None;
    let mut list = Vec::with_capacity(path.len());
    for (at, stop) in path.iter().enumerate() {
        let away = stop.point.distance(way.point(at, path.len()));
        let Point { valence, energy } = stop.point;
        let (words, left) = match before {
            None => (beginning(stop, way), String::new()),
            Some(before) if at + 1 == path.len() => (ending(before, stop, way), String::new()),
            Some(before) => (
                format!("{} than the song before", change(before, stop)),
                format!(", {:.2} to go", stop.left),
            ),
        };
        let reason = format!(
            "song {} of {}: {words} (valence {valence:.2}, energy {energy:.2}{left})",
            at + 1,
            path.len()
        );
        list.push(Recommendation { song: stop.song, score: (1.0 - away).max(0.0), reason });
        before = Some(stop);
    }
    list
}

/// A song at less than this distance from the start or the target counts as being there.
const NEAR: f32 = 0.1;

fn beginning(stop: &Stop<'_>, way: Way) -> String {
    let mood = way.start_mood.map_or("", Mood::as_str);
    match stop.point.distance(way.start) < NEAR {
        true => format!("begins where you are, {mood}"),
        false => format!("begins as near to your mood, {mood}, as a path from here allows"),
    }
}

fn ending(before: &Stop<'_>, stop: &Stop<'_>, way: Way) -> String {
    let name = way.target_mood.map_or("the target", Mood::as_str);
    match stop.left < NEAR {
        true => format!("{}, arrives at {name}", change(before, stop)),
        false => format!("{}, as near to {name} as a path from there allows", change(before, stop)),
    }
}

/// How a song differs from the one before, in words.
fn change(before: &Stop<'_>, stop: &Stop<'_>) -> String {
    // A change of less than 0.01 is inaudible. It is mentioned only if no change is larger.
    let (valence, energy) =
        (stop.point.valence - before.point.valence, stop.point.energy - before.point.energy);
    let least = valence.abs().max(energy.abs()).min(0.01);
    let words = [(valence, "happier", "gloomier"), (energy, "livelier", "calmer")];
    let words = words.into_iter().filter(|(change, ..)| change.abs() >= least);
    let words: Vec<&str> = words.map(|(change, more, less)| if change > 0.0 { more } else { less }).collect();
    words.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Songs on a coarse grid of places, so that distances are often equal; some have none.
    fn catalog(songs: usize, seed: u64) -> Catalog {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut builder = Catalog::builder();
        for at in 0..songs {
            let mut unit = || {
                Some(random.random::<f32>())
                    .filter(|unit| *unit > 0.02)
                    .map(|unit| (unit * 50.0).floor() / 50.0)
            };
            let (name, artist) = (format!("Song {at}").into(), "A".into());
            let (valence, energy, popularity) = (unit(), unit(), unit().map(|unit| unit * 100.0));
            let mood = Some(Mood::ALL[at * 7 % 4]).filter(|_| at % 9 > 0);
            builder
                .push(Song { name, artist, valence, energy, popularity, mood, ..Song::default() })
                .unwrap();
        }
        builder.build()
    }

    /// The pool without a bound: every song that passes is compared with its waypoint.
    fn all_compared(index: &Index, songs: &[Song], way: Way, options: &Options, count: usize) -> Vec<u32> {
        let sieve = Sieve::new(options);
        let mut found: Vec<Vec<(f32, u64, u32)>> = vec![Vec::new(); count];
        for group in &index.groups {
            for (at, &song) in group.songs.iter().enumerate() {
                let [valence, energy] = PLANE.map(|feature| group.columns[feature as usize][at]);
                if sieve.passes(&songs[song as usize]) && !valence.is_nan() && !energy.is_nan() {
                    let (waypoints, mut score) = (way.waypoints(count), [0.0]);
                    waypoints.closeness([&[valence], &[energy]], &mut score);
                    let place = waypoints.nearest(Point { valence, energy }) as usize;
                    found[place].push((score[0], group.ties[at], song));
                }
            }
        }
        for songs in &mut found {
            songs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            songs.truncate(POOL_PER_WAYPOINT.max(POOL_MIN / count));
        }
        found.into_iter().flatten().map(|song| song.2).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_pool_is_that_of_all_songs_compared(
            songs in 1..8000_usize, seed: u64, from in 0..4_usize, to in 0..4_usize, count in 1..30_usize,
            popularity in proptest::option::of(0.0_f32..60.0),
        ) {
            let (catalog, way) = (catalog(songs, seed), Way::new(&Mood::ALL[from].into(), Mood::ALL[to].point()));
            let index = Index::new(&catalog);
            let popularity = popularity.map(|least| least..=least + 30.0);
            let filter = crate::Filter { popularity, ..Default::default() };
            let options = Options { filter, ..Options::default() };
            let pool = pool(&catalog, &index, way, &options, count);
            let place = |stop: &Stop<'_>| catalog.songs().iter().position(|song| std::ptr::eq(song, stop.song));
            let pool: Vec<_> = pool.iter().filter_map(place).map(|at| at as u32).collect();
            prop_assert_eq!(pool, all_compared(&index, catalog.songs(), way, &options, count));
        }

        #[test]
        fn candidates_are_those_of_the_whole_pool(
            songs in 1..3000_usize, seed: u64, from in 0..4_usize, to in 0..4_usize, length in 1..30_usize,
        ) {
            let (catalog, way) = (catalog(songs, seed), Way::new(&Mood::ALL[from].into(), Mood::ALL[to].point()));
            let pool = pool(&catalog, &Index::new(&catalog), way, &Options::default(), length);
            path::check_candidates(&pool, way, length);
        }
    }

    #[test]
    fn more_songs_than_any_way_has_give_a_journey() {
        let strategy = crate::Strategy::journey_to(Mood::Happy);
        let options = Options { strategy, count: 100_000, max_per_artist: None, ..Options::default() };
        let recommender = crate::Recommender::new(catalog(5000, 1)).unwrap();
        for mood in [Mood::Sad, Mood::Happy] {
            assert!(recommender.recommend(mood, &options).unwrap().len() > 1);
        }
    }
}
