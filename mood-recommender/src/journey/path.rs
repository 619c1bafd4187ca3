//! The playlist that keeps closest to the waypoints: a shortest-path search through one song near each.

use super::Stop;
use super::way::Way;
use crate::search::TopK;

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
