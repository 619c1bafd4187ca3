//! The straight way of a journey in the valence–energy plane.

use crate::mood::Mood;
use crate::point::Point;
use crate::reading::Reading;

/// The straight way.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) start: Point,
    /// The likeliest mood of the listener.
    pub(super) start_mood: Option<Mood>,
    pub(super) target: Point,
    /// The mood that the target stands for, if any.
    pub(super) target_mood: Option<Mood>,
}

impl Way {
    pub(super) fn new(reading: &Reading, target: Point) -> Self {
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

    pub(super) fn length(self) -> f32 {
        self.start.distance(self.target)
    }

    /// The place of waypoint `at` of `count`.
    pub(super) fn point(self, at: usize, count: usize) -> Point {
        let part = if count > 1 { at as f32 / (count - 1) as f32 } else { 0.0 };
        Point {
            valence: self.start.valence + part * (self.target.valence - self.start.valence),
            energy: self.start.energy + part * (self.target.energy - self.start.energy),
        }
    }

    /// The position of a point along the line, in units of the plane; 0 if start and target coincide.
    pub(super) fn along(self, point: Point) -> f32 {
        let ((x, y), length) = (self.across(), self.length().max(f32::MIN_POSITIVE));
        (point.valence - self.start.valence) * (x / length)
            + (point.energy - self.start.energy) * (y / length)
    }

    /// The nearest of `count` waypoints to a point, with its closeness: the negated squared distance.
    pub(super) fn nearest(self, count: usize, point: Point) -> (usize, f32) {
        let last = (count - 1) as f32;
        let (x, y) = self.across();
        let (step_x, step_y) = (x / last.max(1.0), y / last.max(1.0));
        // From a place relative to the start to the number of the waypoint.
        let per_length = last / (x * x + y * y).max(f32::MIN_POSITIVE);
        let (from_x, from_y) = (point.valence - self.start.valence, point.energy - self.start.energy);
        let along = (from_x * x + from_y * y) * per_length;
        let place = (along.clamp(0.0, last) + 0.5) as usize;
        let (away_x, away_y) = (from_x - place as f32 * step_x, from_y - place as f32 * step_y);
        (place, -(away_x * away_x + away_y * away_y))
    }

    /// Upper bounds on the closeness of points to any waypoint: their closeness to the line itself. NaN for a point without
    /// coordinates.
    #[inline(always)]
    pub(super) fn bounds(self, points: [&[f32]; 2], bounds: &mut [f32]) {
        let (x, y) = self.across();
        let per_length = 1.0 / (x * x + y * y).max(f32::MIN_POSITIVE);
        for (bound, (valence, energy)) in bounds.iter_mut().zip(points[0].iter().zip(points[1])) {
            let (from_x, from_y) = (valence - self.start.valence, energy - self.start.energy);
            let along = ((from_x * x + from_y * y) * per_length).clamp(0.0, 1.0);
            let (away_x, away_y) = (from_x - along * x, from_y - along * y);
            // The bound is loosened by more than rounding errors.
            *bound = 1e-7 - (1.0 - 1e-4) * (away_x * away_x + away_y * away_y);
        }
    }

    #[inline(always)]
    fn across(self) -> (f32, f32) {
        (self.target.valence - self.start.valence, self.target.energy - self.start.energy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_waypoint_is_closer_than_the_bound(
            points in proptest::collection::vec((0.0_f32..=1.0, 0.0_f32..=1.0), 3), count in 1..40_usize, is_still: bool,
        ) {
            let [start, target, point] = [points[0], points[1], points[2]]
                .map(|(valence, energy)| Point { valence, energy });
            let target = if is_still { start } else { target };
            let way = Way { start, start_mood: None, target, target_mood: None };
            let (place, closeness) = way.nearest(count, point);
            let mut bounds = [0.0];
            way.bounds([&[point.valence], &[point.energy]], &mut bounds);
            prop_assert!(closeness <= bounds[0], "{closeness} {}", bounds[0]);
            // The waypoint is the nearest of all.
            prop_assert!((closeness + point.squared_distance(way.point(place, count))).abs() < 1e-5);
            let nearest = (0..count).map(|at| point.squared_distance(way.point(at, count))).fold(f32::INFINITY, f32::min);
            prop_assert!(-closeness <= nearest + 1e-5);
            let mut bounds = [0.0];
            way.bounds([&[f32::NAN], &[0.5]], &mut bounds);
            prop_assert!(bounds[0].is_nan());
        }
    }
}
