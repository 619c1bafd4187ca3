//! The playlist that keeps closest to the waypoints: a shortest-path search through one song near each.

use super::Stop;
use super::way::Way;
use crate::search::TopK;
#[cfg(test)]
use crate::song::Song;

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
/// What a step's squared length costs: steps of like length on a straight way cost least.
const STEP_WEIGHT: f32 = 0.5;
/// What it costs that the first or last song has another mood by name: as much as 0.1 of distance there.
const ANOTHER_MOOD: f32 = END_WEIGHT * 0.1 * 0.1;

/// The best playlist of exactly `length` songs.
pub(super) fn path<'a>(pool: &[Stop<'a>], way: Way, length: usize) -> Option<Vec<Stop<'a>>> {
    let along = Along::new(pool, way);
    let mut layers: Vec<Vec<Candidate<'a>>> = Vec::with_capacity(length);
    for at in 0..length {
        // Between the ends of a way that leads nowhere, all waypoints are one.
        let is_same = at > 1 && at + 1 < length && way.length() == 0.0;
        layers.push(if is_same { layers[1].clone() } else { along.candidates(at, length) });
    }
    let step = way.length() / (length.max(2) - 1) as f32;
    let least = RELATIVE_STEPS.into_iter().map(|factor| factor * step).chain(ABSOLUTE_STEPS);
    let found = least.filter_map(|least| search(&layers, least));
    let (_, stops) = found.reduce(|best, next| if next.0 < best.0 { next } else { best })?;
    Some(stops)
}

/// A song that may stand for a waypoint, and how badly it does.
#[derive(Clone)]
struct Candidate<'a> {
    stop: Stop<'a>,
    cost: f32,
}

/// The pool by how far along the way its songs stand, so that a waypoint looks only at those around it.
struct Along<'p, 'a> {
    pool: &'p [Stop<'a>],
    way: Way,
    /// How far along each song stands, with its place in the pool.
    songs: Vec<(f32, usize)>,
}

impl<'p, 'a> Along<'p, 'a> {
    fn new(pool: &'p [Stop<'a>], way: Way) -> Self {
        let mut songs: Vec<(f32, usize)> =
            pool.iter().enumerate().map(|(place, stop)| (way.along(stop.point), place)).collect();
        songs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        Along { pool, way, songs }
    }

    /// The songs that cost least at waypoint `at` of `length`; of equals, the first of the pool.
    fn candidates(&self, at: usize, length: usize) -> Vec<Candidate<'a>> {
        let Along { pool, way, songs } = self;
        let waypoint = way.point(at, length);
        let mood = match at {
            0 => way.start_mood,
            _ if at + 1 == length => way.target_mood,
            _ => None,
        };
        let weight = if at == 0 || at + 1 == length { END_WEIGHT } else { 1.0 };
        let closeness = |place: usize| {
            let Stop { song, point, .. } = &pool[place];
            let another = mood.is_some() && song.mood != mood;
            -(weight * point.squared_distance(waypoint) + if another { ANOTHER_MOOD } else { 0.0 })
        };
        let here = way.along(waypoint);
        let gap = |song: &(f32, usize)| (song.0 - here).abs();
        let middle = songs.partition_point(|song| song.0 < here);
        let (mut low, mut high) = (middle, middle);
        let (mut nearest, mut found) = (TopK::new(CANDIDATES), Vec::new());
        loop {
            let before = low.checked_sub(1).map_or(f32::INFINITY, |low| gap(&songs[low]));
            let behind = songs.get(high).map_or(f32::INFINITY, gap);
            let gap = before.min(behind);
            // No song is nearer than its place along the way, but for rounding.
            if gap.is_infinite() || 1e-6 - (1.0 - 1e-3) * weight * gap * gap < nearest.bar() {
                break;
            }
            let at = if before < behind { low - 1 } else { high };
            (low, high) = if before < behind { (low - 1, high) } else { (low, high + 1) };
            let place = songs[at].1;
            let closeness = closeness(place);
            // Songs do not come in the pool's order, which decides among equals.
            if closeness >= nearest.bar() {
                found.push((closeness, place));
                nearest.push(closeness, place);
            }
        }
        found.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        found.truncate(CANDIDATES);
        let candidate = |(closeness, place): (f32, usize)| Candidate { stop: pool[place], cost: -closeness };
        found.into_iter().map(candidate).collect()
    }
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
                let so_far = so_far + STEP_WEIGHT * step;
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

/// Compares the candidates of all waypoints with those that a look at the whole pool finds.
#[cfg(test)]
pub(super) fn check_candidates(pool: &[Stop<'_>], way: Way, length: usize) {
    let along = Along::new(pool, way);
    for at in 0..length {
        let (waypoint, is_last) = (way.point(at, length), at + 1 == length);
        let mood = if at == 0 { way.start_mood } else { way.target_mood.filter(|_| is_last) };
        let weight = if at == 0 || is_last { END_WEIGHT } else { 1.0 };
        let cost = |stop: &Stop<'_>| {
            let another = mood.is_some() && stop.song.mood != mood;
            weight * stop.point.squared_distance(waypoint) + if another { ANOTHER_MOOD } else { 0.0 }
        };
        let mut all: Vec<(f32, &Song)> = pool.iter().map(|stop| (cost(stop), stop.song)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all.truncate(CANDIDATES);
        let found = along.candidates(at, length);
        assert_eq!(found.len(), all.len());
        for (found, (cost, song)) in found.iter().zip(all) {
            assert!(found.cost == cost && std::ptr::eq(found.stop.song, song), "waypoint {at} of {length}");
        }
    }
}
