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

    pub(super) fn waypoints(self, count: usize) -> Waypoints {
        let ((x, y), last) = (self.across(), (count.max(1) - 1) as f32);
        Waypoints {
            start: self.start,
            last,
            step: (x / last.max(1.0), y / last.max(1.0)),
            across: (x, y),
            per_length: last / (x * x + y * y).max(f32::MIN_POSITIVE),
        }
    }

    fn across(self) -> (f32, f32) {
        (self.target.valence - self.start.valence, self.target.energy - self.start.energy)
    }
}

/// The places of some songs, spread evenly along the straight way.
#[derive(Clone, Copy)]
pub(super) struct Waypoints {
    start: Point,
    /// The number of the last one.
    last: f32,
    step: (f32, f32),
    across: (f32, f32),
    /// What turns a place relative to the start, multiplied by `across`, into the number of a waypoint.
    per_length: f32,
}

impl Waypoints {
    /// The number of the waypoint nearest to a point.
    #[inline(always)]
    pub(super) fn nearest(&self, point: Point) -> f32 {
        let (from_x, from_y) = (point.valence - self.start.valence, point.energy - self.start.energy);
        let along = (from_x * self.across.0 + from_y * self.across.1) * self.per_length;
        (along.max(0.0).min(self.last) + 0.5).floor()
    }

    /// How close points are to their nearest waypoints: the negated squared distances. NaN for a point without coordinates.
    #[inline(always)]
    pub(super) fn closeness(&self, points: [&[f32]; 2], closeness: &mut [f32]) {
        for (closeness, (&valence, &energy)) in closeness.iter_mut().zip(points[0].iter().zip(points[1])) {
            let nearest = self.nearest(Point { valence, energy });
            let away_x = valence - self.start.valence - nearest * self.step.0;
            let away_y = energy - self.start.energy - nearest * self.step.1;
            *closeness = -(away_x * away_x + away_y * away_y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_waypoint_is_closer_than_the_nearest(
            points in proptest::collection::vec((0.0_f32..=1.0, 0.0_f32..=1.0), 3), count in 1..40_usize, is_still: bool,
        ) {
            let [start, target, point] = [points[0], points[1], points[2]]
                .map(|(valence, energy)| Point { valence, energy });
            let target = if is_still { start } else { target };
            let way = Way { start, start_mood: None, target, target_mood: None };
            let waypoints = way.waypoints(count);
            let mut closeness = [0.0];
            waypoints.closeness([&[point.valence], &[point.energy]], &mut closeness);
            let nearest = waypoints.nearest(point) as usize;
            prop_assert!((closeness[0] + point.squared_distance(way.point(nearest, count))).abs() < 1e-5);
            let least = (0..count).map(|at| point.squared_distance(way.point(at, count))).fold(f32::INFINITY, f32::min);
            prop_assert!(-closeness[0] <= least + 1e-5);
            waypoints.closeness([&[f32::NAN], &[0.5]], &mut closeness);
            prop_assert!(closeness[0].is_nan());
        }
    }
}
