//! Playlists that lead from one mood to another, after the iso principle.
//!
//! The straight way from the listener's point to the target is divided by one waypoint a song. A
//! shortest-path search takes one song near each waypoint such that every song is nearer to the target than
//! the one before, and every step is at least *m* and less than 2 *m* long. Since the mean step is then at
//! least *m*, no step is longer than twice the mean. Several *m* are tried and the playlist that keeps
//! closest to its waypoints wins; where no *m* allows as many songs as asked, fewer are tried.

use std::collections::{HashMap, HashSet};

use crate::catalog::Catalog;
use crate::feature::Feature;
use crate::index::{Index, artist_fingerprint, work_fingerprint};
use crate::mood::Mood;
use crate::options::Options;
use crate::point::Point;
use crate::reading::Reading;
use crate::recommendation::Recommendation;
use crate::scan::{BLOCK, Sieve, TopK};
use crate::song::Song;

/// Songs kept along each part of the way, and at least this many in all where the catalogue has them.
const POOL_PER_WAYPOINT: usize = 64;
const POOL_MIN: usize = 1024;
/// Songs of the pool that may stand for a waypoint: the search takes time with their square.
const CANDIDATES: usize = 48;
/// A step's greatest length in multiples of its least, short of 2 by more than rounding.
const STRETCH: f32 = 1.98;
/// The least lengths that are tried, in multiples of the straight way's step, and outright for short ways.
const RELATIVE_STEPS: [f32; 8] = [0.55, 0.7, 0.85, 1.0, 1.3, 1.7, 2.2, 3.0];
const ABSOLUTE_STEPS: [f32; 4] = [0.01, 0.03, 0.08, 0.2];
/// How much nearer the next song must be, so that rounding does not decide.
const NEARER: f32 = 1e-5;
/// The first and the last song stand for the listener's mood and for the target, which must not drift.
const END_WEIGHT: f32 = 4.0;
/// What it costs that the first or last song has another mood by name: as much as 0.1 of distance there.
const ANOTHER_MOOD: f32 = END_WEIGHT * 0.1 * 0.1;

pub(crate) fn plan<'a>(
    catalog: &'a Catalog,
    index: &Index,
    reading: &Reading,
    target: Point,
    options: &Options,
    count: usize,
) -> Vec<Recommendation<'a>> {
    let way = Way::new(reading, target);
    let mut pool = pool(catalog, index, way, options, count);
    let mut length = count.min(pool.len());
    while length > 0 {
        let Some(path) = path(&pool, way, length) else {
            // One fewer for the lists that people make, larger leaps for what no catalogue may hold.
            length -= (length / 20).max(1);
            continue;
        };
        let Some(artist) = artist_with_too_many(&path, options.max_per_artist) else {
            return explain(&path, way);
        };
        // The artist keeps the first songs of the path; all others make room, so that this ends soon.
        let songs =
            path.iter().map(|stop| stop.song).filter(|song| artist_fingerprint(&song.artist) == artist);
        let kept: Vec<&Song> = songs.take(options.max_per_artist.unwrap_or(usize::MAX)).collect();
        pool.retain(|stop| {
            artist_fingerprint(&stop.song.artist) != artist
                || kept.iter().any(|song| std::ptr::eq(*song, stop.song))
        });
    }
    Vec::new()
}

/// The straight way.
#[derive(Clone, Copy)]
struct Way {
    start: Point,
    /// The likeliest mood of the listener.
    start_mood: Option<Mood>,
    target: Point,
    /// The mood that the target stands for, if any.
    target_mood: Option<Mood>,
}

impl Way {
    fn new(reading: &Reading, target: Point) -> Self {
        let mean = |coordinate: fn(Point) -> f32| {
            let terms = reading
                .possible()
                .map(|(mood, probability)| probability * f64::from(coordinate(mood.point())));
            terms.sum::<f64>() as f32
        };
        let start = Point { valence: mean(|point| point.valence), energy: mean(|point| point.energy) };
        let likeliest = reading.possible().reduce(|best, next| if next.1 > best.1 { next } else { best });
        let target_mood = Mood::ALL.into_iter().find(|mood| mood.point() == target);
        Way { start, start_mood: likeliest.map(|(mood, _)| mood), target, target_mood }
    }

    fn length(self) -> f32 {
        self.start.distance(self.target)
    }

    /// The place of waypoint `at` of `count`.
    fn point(self, at: usize, count: usize) -> Point {
        let part = if count > 1 { at as f32 / (count - 1) as f32 } else { 0.0 };
        Point {
            valence: self.start.valence + part * (self.target.valence - self.start.valence),
            energy: self.start.energy + part * (self.target.energy - self.start.energy),
        }
    }

    /// Finds the nearest of `count` waypoints to each of some points, and how close it is: the squared distance below 0, −∞ of a
    /// point without a place.
    fn nearest(self, count: usize, points: [&[f32]; 2], places: &mut [i32], closeness: &mut [f32]) {
        let last = (count - 1) as f32;
        let (x, y) = (self.target.valence - self.start.valence, self.target.energy - self.start.energy);
        let (step_x, step_y) = (x / last.max(1.0), y / last.max(1.0));
        // From a place relative to the start to the number of the waypoint.
        let per_length = last / (x * x + y * y).max(f32::MIN_POSITIVE);
        let found = places.iter_mut().zip(closeness).zip(points[0].iter().zip(points[1]));
        for ((place, closeness), (valence, energy)) in found {
            let (from_x, from_y) = (valence - self.start.valence, energy - self.start.energy);
            let along = (from_x * x + from_y * y) * per_length;
            *place = (along.clamp(0.0, last) + 0.5) as i32;
            let (away_x, away_y) = (from_x - *place as f32 * step_x, from_y - *place as f32 * step_y);
            let distance = away_x * away_x + away_y * away_y;
            *closeness = if distance.is_nan() { f32::NEG_INFINITY } else { -distance };
        }
    }
}

/// A song as a place to stop at.
#[derive(Clone, Copy)]
struct Stop<'a> {
    song: &'a Song,
    point: Point,
    /// The distance from there to the target.
    left: f32,
}

/// The songs closest to the way, spread over its length: one pass over the catalogue.
fn pool<'a>(catalog: &'a Catalog, index: &Index, way: Way, options: &Options, count: usize) -> Vec<Stop<'a>> {
    let (songs, sieve) = (catalog.songs(), Sieve::new(options));
    let kept = POOL_PER_WAYPOINT.max(POOL_MIN / count.max(1));
    let mut nearest: Vec<TopK> = (0..count).map(|_| TopK::new(kept)).collect();
    let moods = Mood::ALL.into_iter().map(Some).chain([None]);
    for (group, mood) in index.groups.iter().zip(moods) {
        if !options.filter.allows(mood) || count == 0 {
            continue;
        }
        let (valences, energies) =
            (&group.columns[Feature::Valence as usize], &group.columns[Feature::Energy as usize]);
        let (mut closeness, mut places) = ([0.0; BLOCK], [0; BLOCK]);
        for start in (0..group.songs.len()).step_by(BLOCK) {
            let closeness = &mut closeness[..BLOCK.min(group.songs.len() - start)];
            way.nearest(count, [&valences[start..], &energies[start..]], &mut places, closeness);
            sieve.sink(group, start, closeness);
            for (at, (&closeness, &place)) in closeness.iter().zip(&places).enumerate() {
                let nearest = &mut nearest[place as usize];
                if nearest.would_take(closeness) && sieve.passes(group, start + at, songs) {
                    nearest.push(closeness, group.songs[start + at] as usize);
                }
            }
        }
    }
    let mut works = HashSet::new();
    let found = nearest.into_iter().flat_map(TopK::into_sorted).map(|(_, at)| &songs[at]);
    found
        .filter(|song| works.insert(work_fingerprint(song)))
        .filter_map(|song| {
            let point = Point { valence: song.valence?, energy: song.energy? };
            Some(Stop { song, point, left: point.distance(way.target) })
        })
        .collect()
}

/// The best playlist of exactly `length` songs.
fn path<'a>(pool: &[Stop<'a>], way: Way, length: usize) -> Option<Vec<Stop<'a>>> {
    let layers: Vec<Vec<Candidate<'a>>> = (0..length).map(|at| candidates(pool, way, at, length)).collect();
    let step = way.length() / (length.max(2) - 1) as f32;
    let least = RELATIVE_STEPS.into_iter().map(|factor| factor * step).chain(ABSOLUTE_STEPS);
    let found = least.filter_map(|least| search(&layers, least));
    let (_, stops) = found.reduce(|best, next| if next.0 < best.0 { next } else { best })?;
    Some(stops)
}

/// A song that may stand for a waypoint, and how badly it does.
struct Candidate<'a> {
    stop: Stop<'a>,
    cost: f32,
}

fn candidates<'a>(pool: &[Stop<'a>], way: Way, at: usize, length: usize) -> Vec<Candidate<'a>> {
    let waypoint = way.point(at, length);
    let mood = match at {
        0 => way.start_mood,
        _ if at + 1 == length => way.target_mood,
        _ => None,
    };
    let weight = if at == 0 || at + 1 == length { END_WEIGHT } else { 1.0 };
    let mut nearest = TopK::new(CANDIDATES);
    for (place, stop) in pool.iter().enumerate() {
        let another = mood.is_some() && stop.song.mood != mood;
        let cost = weight * stop.point.squared_distance(waypoint) + if another { ANOTHER_MOOD } else { 0.0 };
        if nearest.would_take(-cost) {
            nearest.push(-cost, place);
        }
    }
    let candidate = |(closeness, place): (f32, usize)| Candidate { stop: pool[place], cost: -closeness };
    nearest.into_sorted().into_iter().map(candidate).collect()
}

/// The cheapest path with one song a layer whose steps are `least` to `STRETCH * least` long, with its cost.
fn search<'a>(layers: &[Vec<Candidate<'a>>], least: f32) -> Option<(f32, Vec<Stop<'a>>)> {
    let (shortest, longest) = (least.powi(2), (STRETCH * least).powi(2));
    let mut costs: Vec<f32> = layers.first()?.iter().map(|candidate| candidate.cost).collect();
    let mut origins: Vec<Vec<usize>> = Vec::new();
    for pair in layers.windows(2) {
        let (mut next_costs, mut from) = (Vec::new(), Vec::new());
        for Candidate { stop: next, cost } in &pair[1] {
            let (mut best, mut origin) = (f32::INFINITY, 0);
            for (at, (Candidate { stop, .. }, &so_far)) in pair[0].iter().zip(&costs).enumerate() {
                let step = stop.point.squared_distance(next.point);
                let allowed = (step >= shortest) & (step <= longest) & (stop.left > next.left + NEARER);
                if allowed & (so_far < best) {
                    (best, origin) = (so_far, at);
                }
            }
            next_costs.push(best + cost);
            from.push(origin);
        }
        if next_costs.iter().all(|cost| cost.is_infinite()) {
            return None;
        }
        costs = next_costs;
        origins.push(from);
    }
    let (mut at, &cost) = costs.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1))?;
    let mut stops = Vec::with_capacity(layers.len());
    for (layer, candidates) in layers.iter().enumerate().rev() {
        stops.push(candidates[at].stop);
        if layer > 0 {
            at = origins[layer - 1][at];
        }
    }
    stops.reverse();
    Some((cost, stops))
}

/// The fingerprint of an artist who has more songs than allowed.
fn artist_with_too_many(path: &[Stop<'_>], most: Option<usize>) -> Option<u64> {
    let mut songs_of_artist: HashMap<u64, usize> = HashMap::new();
    path.iter().map(|stop| artist_fingerprint(&stop.song.artist)).find(|artist| {
        let songs = songs_of_artist.entry(*artist).or_default();
        *songs += 1;
        most.is_some_and(|most| *songs > most)
    })
}

fn explain<'a>(path: &[Stop<'a>], way: Way) -> Vec<Recommendation<'a>> {
    let name = way.target_mood.map_or("the target", Mood::as_str);
    let mut before: Option<&Stop<'_>> = None;
    let mut list = Vec::with_capacity(path.len());
    for (at, stop) in path.iter().enumerate() {
        let away = stop.point.distance(way.point(at, path.len()));
        let words = match before {
            None => format!("begins {:.2} from the listener's mood", stop.point.distance(way.start)),
            Some(before) => {
                format!("{:.2} nearer to {name}, {:.2} to go", before.left - stop.left, stop.left)
            }
        };
        let Point { valence, energy } = stop.point;
        let reason =
            format!("valence {valence:.2}, energy {energy:.2}: song {} of {}, {words}", at + 1, path.len());
        list.push(Recommendation { song: stop.song, score: (1.0 - away).max(0.0), reason });
        before = Some(stop);
    }
    list
}
