//! The playlist that leads from waypoint to waypoint at the least cost: a shortest-path search through one song near each.
//! The weights were chosen on `data_moods.csv`: see the journeys of `evaluate_songs`.

use pulp::{Arch, Simd, WithSimd};

use super::Stop;
use super::way::Way;
use crate::search::{Bar, Scored, TopK};
#[cfg(test)]
use crate::song::Song;

/// Songs of the pool that may stand for a waypoint: the search takes time with their square.
const CANDIDATES: usize = 48;
/// A step's greatest length in multiples of the mean step, short of 2 by more than rounding.
const STRETCH: f32 = 1.98;
/// Steps of any length up to these are tried, in multiples of the straight way's step.
const LONGEST_STEPS: [f32; 11] = [1.1, 1.2, 1.35, 1.5, 1.7, 1.9, 2.4, 3.2, 4.5, 6.5, 10.0];
/// Steps from each of these lengths to just below twice the length are tried too. None of them exceeds twice the mean step. The lengths
/// are multiples of the straight line's step and, for short lines, absolute.
const LEAST_STEPS: [f32; 8] = [0.55, 0.7, 0.85, 1.0, 1.3, 1.7, 2.2, 3.0];
const ABSOLUTE_STEPS: [f32; 4] = [0.01, 0.03, 0.08, 0.2];
/// How much nearer the next song must be, so that rounding does not decide.
const NEARER: f32 = 1e-5;
/// The first and the last song stand for the listener's mood and for the target, which must not drift.
const END_WEIGHT: f32 = 4.0;
/// Weight of a step's squared length. Steps of equal length cost least.
const STEP_WEIGHT: f32 = 0.3;
/// Weight of the length by which the path from song to song exceeds its progress along the straight line.
const DETOUR_WEIGHT: f32 = 0.12;
/// Weight of the longest step of a playlist, measured in mean steps.
const LEAP_WEIGHT: f32 = 0.05;
/// What it costs that the first or last song has another mood by name: as much as 0.1 of distance there.
const ANOTHER_MOOD: f32 = END_WEIGHT * 0.1 * 0.1;

/// The best playlist of exactly `length` songs.
pub(super) fn path<'a>(along: &Along<'_, 'a>, length: usize) -> Option<Vec<Stop<'a>>> {
    let way = along.way;
    let mut layers: Vec<Layer> = Vec::with_capacity(length);
    for at in 0..length {
        // If start and target coincide, all waypoints between the first and the last are the same.
        let is_same = at > 1 && at + 1 < length && way.length() == 0.0;
        layers.push(if is_same { layers[1].clone() } else { along.layer(at, length) });
    }
    let step = way.length() / (length.max(2) - 1) as f32;
    let up_to = LONGEST_STEPS.into_iter().map(|factor| Steps { shortest: 0.0, longest: factor * step });
    let least = LEAST_STEPS.into_iter().map(|factor| factor * step).chain(ABSOLUTE_STEPS);
    let limits: Vec<Steps> =
        up_to.chain(least.map(|least| Steps { shortest: least, longest: STRETCH * least })).collect();
    let found = Arch::new().dispatch(Search { layers: &layers, limits: &limits });
    let stops = |places: &[usize]| places.iter().map(|place| along.pool[*place]).collect::<Vec<_>>();
    let paths = found.iter().map(|(cost, places)| (*cost, stops(places)));
    let even = paths.filter_map(|(cost, stops)| {
        let leap = leap(&stops);
        (leap <= STRETCH).then_some((cost + LEAP_WEIGHT * leap, stops))
    });
    let (_, stops) = even.reduce(|best, next| if next.0 < best.0 { next } else { best })?;
    Some(stops)
}

/// The longest step in multiples of the mean step; 0 without steps.
fn leap(stops: &[Stop<'_>]) -> f32 {
    let steps = || stops.windows(2).map(|pair| pair[0].point.distance(pair[1].point));
    let (sum, longest) = (steps().sum::<f32>(), steps().fold(0.0, f32::max));
    longest * steps().count() as f32 / sum.max(f32::MIN_POSITIVE)
}

/// How long steps may be.
struct Steps {
    shortest: f32,
    longest: f32,
}

/// The songs that may stand for a waypoint, the cheapest first, column by column. The columns' unused
/// entries allow no step.
#[derive(Clone)]
struct Layer {
    /// Places in the pool.
    places: Vec<usize>,
    valences: [f32; CANDIDATES],
    energies: [f32; CANDIDATES],
    /// The distances to the target.
    left: [f32; CANDIDATES],
    /// The cost of each song at the waypoint.
    costs: [f32; CANDIDATES],
}

/// The pool, sorted by position along the straight line, so that only the songs around a waypoint are examined.
pub(super) struct Along<'p, 'a> {
    pool: &'p [Stop<'a>],
    way: Way,
    /// How far along each song stands, with its place in the pool.
    songs: Vec<(f32, u32)>,
}

impl<'p, 'a> Along<'p, 'a> {
    pub(super) fn new(pool: &'p [Stop<'a>], way: Way) -> Self {
        let mut songs: Vec<(f32, u32)> = pool.iter().map(|stop| way.along(stop.point)).zip(0..).collect();
        songs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        Along { pool, way, songs }
    }

    fn layer(&self, at: usize, length: usize) -> Layer {
        let empty = [0.0; CANDIDATES];
        let mut layer = Layer {
            places: Vec::with_capacity(CANDIDATES),
            valences: empty,
            energies: empty,
            left: [f32::NEG_INFINITY; CANDIDATES],
            costs: [f32::INFINITY; CANDIDATES],
        };
        for (row, Scored { score, at: place }) in self.candidates(at, length).into_iter().enumerate() {
            let Stop { point, left, .. } = self.pool[place as usize];
            // Subtracts the progress along the straight line from the path's length, so that only the detour costs.
            let ends = self.way.along(point)
                * (f32::from(u8::from(at == 0)) - f32::from(u8::from(at + 1 == length)));
            layer.places.push(place as usize);
            (layer.valences[row], layer.energies[row], layer.left[row]) = (point.valence, point.energy, left);
            layer.costs[row] = DETOUR_WEIGHT * ends - score;
        }
        layer
    }

    /// The songs that cost least at waypoint `at` of `length`, with their costs below 0; of equals, the first of the pool.
    fn candidates(&self, at: usize, length: usize) -> Vec<Scored> {
        let Along { pool, way, songs } = self;
        let waypoint = way.point(at, length);
        let mood = match at {
            0 => way.start_mood,
            _ if at + 1 == length => way.target_mood,
            _ => None,
        };
        let weight = if at == 0 || at + 1 == length { END_WEIGHT } else { 1.0 };
        let closeness = |place: u32| {
            let Stop { song, point, .. } = &pool[place as usize];
            let another = mood.is_some() && song.mood != mood;
            -(weight * point.squared_distance(waypoint) + if another { ANOTHER_MOOD } else { 0.0 })
        };
        let here = way.along(waypoint);
        let gap = |song: &(f32, u32)| (song.0 - here).abs();
        let middle = songs.partition_point(|song| song.0 < here);
        let (mut low, mut high) = (middle, middle);
        let bar = Bar::new();
        let mut nearest = TopK::new(CANDIDATES, &bar, u64::from);
        loop {
            let before = low.checked_sub(1).map_or(f32::INFINITY, |low| gap(&songs[low]));
            let behind = songs.get(high).map_or(f32::INFINITY, gap);
            let gap = before.min(behind);
            // A song's distance is at least its distance along the line, except for rounding.
            if gap.is_infinite() || 1e-6 - (1.0 - 1e-3) * weight * gap * gap < nearest.bar() {
                return nearest.into_sorted();
            }
            let next = if before < behind { low - 1 } else { high };
            (low, high) = if before < behind { (low - 1, high) } else { (low, high + 1) };
            let place = songs[next].1;
            let song = Scored { score: closeness(place), at: place };
            if nearest.would_take(song) {
                nearest.push(song);
            }
        }
    }
}

/// Finds for each limit of the steps the cheapest path with one song per layer. Returns the cost of each path that exists and its
/// songs' places in the pool. Compiled for each instruction set.
struct Search<'s> {
    layers: &'s [Layer],
    limits: &'s [Steps],
}

impl WithSimd for Search<'_> {
    type Output = Vec<(f32, Vec<usize>)>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Search { layers, limits } = self;
        let Some((first, last)) = layers.first().zip(layers.last()) else {
            return Vec::new();
        };
        // The least costs of the paths to each song: one row a limit, one table a layer.
        let mut tables = vec![vec![first.costs; limits.len()]];
        for pair in layers.windows(2) {
            let before = &tables[tables.len() - 1];
            let mut costs = vec![[f32::INFINITY; CANDIDATES]; limits.len()];
            for next in 0..pair[1].places.len() {
                let steps = From::new(&pair[0], &pair[1], next);
                for ((limit, before), costs) in limits.iter().zip(before).zip(&mut costs) {
                    costs[next] = pair[1].costs[next] + least(&steps.totals(before, limit));
                }
            }
            tables.push(costs);
        }
        let paths = limits.iter().enumerate().filter_map(|(at, limit)| {
            let costs = &tables[layers.len() - 1][at];
            let cost = least(costs);
            let mut row = costs.iter().position(|other| *other == cost && cost.is_finite())?;
            let mut places = vec![last.places[row]];
            for (layer, pair) in layers.windows(2).enumerate().rev() {
                let totals = From::new(&pair[0], &pair[1], row).totals(&tables[layer][at], limit);
                let cost = least(&totals);
                row = totals.iter().position(|total| *total == cost)?;
                places.push(pair[0].places[row]);
            }
            places.reverse();
            Some((cost, places))
        });
        paths.collect()
    }
}

/// The steps to one song from all songs of the layer before.
struct From {
    /// The squared lengths, infinite for steps that do not lead nearer to the target.
    squares: [f32; CANDIDATES],
    costs: [f32; CANDIDATES],
}

impl From {
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "with one index for all columns the loop is vectorised")]
    fn new(before: &Layer, after: &Layer, next: usize) -> Self {
        let (valence, energy, left) = (after.valences[next], after.energies[next], after.left[next] + NEARER);
        let mut steps = From { squares: [0.0; CANDIDATES], costs: [0.0; CANDIDATES] };
        for at in 0..CANDIDATES {
            let (x, y) = (before.valences[at] - valence, before.energies[at] - energy);
            let square = x * x + y * y;
            steps.squares[at] = if before.left[at] > left { square } else { f32::INFINITY };
            steps.costs[at] = STEP_WEIGHT * square + DETOUR_WEIGHT * square.sqrt();
        }
        steps
    }

    /// The costs of paths that take a step, from those of the paths before; infinite where a limit forbids it.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "with one index for all columns the loop is vectorised")]
    fn totals(&self, before: &[f32; CANDIDATES], limit: &Steps) -> [f32; CANDIDATES] {
        let (shortest, longest) = (limit.shortest * limit.shortest, limit.longest * limit.longest);
        let mut totals = [0.0; CANDIDATES];
        for at in 0..CANDIDATES {
            let allowed = (self.squares[at] >= shortest) & (self.squares[at] <= longest);
            totals[at] = if allowed { before[at] + self.costs[at] } else { f32::INFINITY };
        }
        totals
    }
}

/// The least of some costs, of which none is NaN.
#[inline(always)]
fn least(costs: &[f32; CANDIDATES]) -> f32 {
    const LANES: usize = 16;
    let mut least = [f32::INFINITY; LANES];
    for costs in costs.as_chunks::<LANES>().0 {
        for (least, cost) in least.iter_mut().zip(costs) {
            *least = if *cost < *least { *cost } else { *least };
        }
    }
    least.into_iter().fold(f32::INFINITY, f32::min)
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
            let same = std::ptr::eq(pool[found.at as usize].song, song);
            assert!(-found.score == cost && same, "waypoint {at} of {length}");
        }
    }
}
