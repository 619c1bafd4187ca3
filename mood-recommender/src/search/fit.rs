//! Scores of songs for a mood, from their features.

use super::BLOCK;
use crate::feature::FEATURES;
use crate::index::Group;

/// The weighted mean of the features, each measured as its distance from the worse end of its scale. Missing features are left out of
/// the mean. A song without any of the features has 0.
#[inline(always)]
pub(super) fn fit(group: &Group, start: usize, weights: &[f32; FEATURES], scores: &mut [f32]) {
    let weighed = || group.columns.iter().zip(weights).enumerate().filter(|(_, (_, weight))| **weight != 0.0);
    if weighed().all(|(feature, _)| group.complete[feature]) {
        scores.fill(weights.iter().filter(|&&weight| weight < 0.0).map(|weight| -weight).sum());
        for (_, (column, &weight)) in weighed() {
            for (score, value) in scores.iter_mut().zip(&column[start..]) {
                *score += weight * value;
            }
        }
    } else {
        let total: f32 = weights.iter().map(|weight| weight.abs()).sum();
        let mut known = [0.0; BLOCK];
        scores.fill(0.0);
        for (_, (column, &weight)) in weighed() {
            for ((score, known), value) in scores.iter_mut().zip(&mut known).zip(&column[start..]) {
                let gain = weight * value + f32::max(-weight, 0.0);
                *score += if value.is_nan() { 0.0 } else { gain };
                *known += if value.is_nan() { 0.0 } else { weight.abs() };
            }
        }
        for (score, known) in scores.iter_mut().zip(&known) {
            *score *= if *known > 0.0 { total / known } else { 0.0 };
        }
    }
    for score in scores {
        *score = score.clamp(0.0, 1.0);
    }
}
