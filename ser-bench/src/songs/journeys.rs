//! Straightness of journeys.

use anyhow::Result;
use mood_recommender::{Mood, Options, Point, Recommender, Strategy};
use serde::Serialize;

use super::mean;

/// Distance from the straight line of journeys of ten songs between all pairs of moods.
#[derive(Debug, Clone, Serialize)]
pub struct Smoothness {
    /// The length of the way from song to song, divided by the distance between its ends: 1 is a straight line.
    pub detour: f64,
    /// The mean distance of a song from its place on the line between the moods, in the valence–energy plane.
    pub deviation: f64,
    /// The longest step of a journey in multiples of its mean step.
    pub longest_step: f64,
    /// The detour where each place on the line gets the nearest song that is left: the baseline.
    pub nearest_detour: f64,
    /// The mean distance of those songs from their places.
    pub nearest_deviation: f64,
    /// The longest step of those journeys.
    pub nearest_longest_step: f64,
}

const SONGS: usize = 10;

/// Measures journeys between all pairs of moods.
///
/// # Errors
/// Lists of the recommender.
pub fn smoothness(recommender: &Recommender) -> Result<Smoothness> {
    let mut of: [Vec<f64>; 6] = Default::default();
    for from in Mood::ALL {
        for to in Mood::ALL.into_iter().filter(|to| *to != from) {
            let options = Options {
                count: SONGS,
                strategy: Strategy::journey_to(to),
                max_per_artist: None,
                ..Options::default()
            };
            let list = recommender.recommend(from, &options)?;
            let path: Vec<Point> = list.iter().filter_map(|item| place(item.song)).collect();
            let nearest = nearest(recommender, from.point(), to.point());
            for (at, path) in [path, nearest].into_iter().enumerate() {
                if path.len() < 2 {
                    continue;
                }
                let steps: Vec<f64> = path.windows(2).map(|pair| distance(pair[0], pair[1])).collect();
                let length: f64 = steps.iter().sum();
                let direct = distance(path[0], path[path.len() - 1]);
                let away = path
                    .iter()
                    .enumerate()
                    .map(|(at, point)| distance(*point, on_line(from.point(), to.point(), at, path.len())));
                of[3 * at].push(length / direct.max(1e-9));
                of[3 * at + 1].push(mean(away));
                of[3 * at + 2]
                    .push(steps.iter().copied().fold(0.0, f64::max) / (length / steps.len() as f64));
            }
        }
    }
    let [detour, deviation, longest_step, nearest_detour, nearest_deviation, nearest_longest_step] =
        of.map(mean);
    Ok(Smoothness {
        detour,
        deviation,
        longest_step,
        nearest_detour,
        nearest_deviation,
        nearest_longest_step,
    })
}

fn nearest(recommender: &Recommender, from: Point, to: Point) -> Vec<Point> {
    let mut left: Vec<Point> = recommender.catalog().songs().iter().filter_map(place).collect();
    let mut path = Vec::new();
    for at in 0..SONGS {
        let wanted = on_line(from, to, at, SONGS);
        let closest =
            left.iter().enumerate().min_by(|a, b| distance(*a.1, wanted).total_cmp(&distance(*b.1, wanted)));
        if let Some((at, _)) = closest {
            path.push(left.swap_remove(at));
        }
    }
    path
}

fn place(song: &mood_recommender::Song) -> Option<Point> {
    Some(Point { valence: song.valence?, energy: song.energy? })
}

fn on_line(from: Point, to: Point, at: usize, count: usize) -> Point {
    let part = at as f32 / (count.max(2) - 1) as f32;
    Point {
        valence: from.valence + part * (to.valence - from.valence),
        energy: from.energy + part * (to.energy - from.energy),
    }
}

fn distance(a: Point, b: Point) -> f64 {
    f64::from(a.valence - b.valence).hypot(f64::from(a.energy - b.energy))
}
