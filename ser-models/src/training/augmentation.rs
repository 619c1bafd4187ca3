//! Small changes of training examples, so that a model learns more than their exact values.

use crate::generator::Generator;
use serde::{Deserialize, Serialize};

/// Small changes of the training part's examples, drawn anew at every step; both are off by default.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Standard deviation of Gaussian noise that is added to each normalised feature, 0 or more; 0 adds none.
    pub noise: f64,
    /// α of mixup (Zhang et al. 2018), 0 or more; 0 mixes nothing. Each batch is mixed with itself in another order, λ :
    /// (1 − λ), inputs and targets alike, λ from Beta(α, α).
    pub mixup: f64,
}

impl Augmentation {
    /// What is wrong with the settings, if anything: (setting, rule, given).
    pub(crate) fn problem(&self) -> Option<(&'static str, &'static str, String)> {
        [("augmentation.noise", self.noise), ("augmentation.mixup", self.mixup)]
            .into_iter()
            .find(|(_, value)| !(*value >= 0.0 && value.is_finite()))
            .map(|(setting, value)| (setting, "must be 0 or more", value.to_string()))
    }

    /// Changes a batch of normalised inputs and their targets in place; both are row-major with `batch` rows.
    pub(crate) fn apply(
        &self,
        inputs: &mut [f32],
        targets: &mut [f32],
        batch: usize,
        generator: &mut Generator,
    ) {
        if self.noise > 0.0 {
            for x in inputs.iter_mut() {
                *x += (self.noise * generator.normal()) as f32;
            }
        }
        if self.mixup > 0.0 {
            let share = generator.beta(self.mixup) as f32;
            let mut partners: Vec<usize> = (0..batch).collect();
            generator.shuffle(&mut partners);
            for values in [inputs, targets] {
                mix(values, &partners, share);
            }
        }
    }
}

fn mix(values: &mut [f32], partners: &[usize], share: f32) {
    let row = values.len() / partners.len().max(1);
    let original = values.to_vec();
    for (values, partner) in values.chunks_exact_mut(row.max(1)).zip(partners) {
        for (value, other) in values.iter_mut().zip(&original[partner * row..]) {
            *value = share * *value + (1.0 - share) * other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_changes_nothing() {
        let (mut x, mut y) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 1.0]);
        Augmentation::default().apply(&mut x, &mut y, 2, &mut Generator::new(0));
        assert_eq!((x, y), ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 1.0]));
    }

    #[test]
    fn noise_has_its_deviation_and_leaves_targets() {
        let (mut x, mut y) = (vec![1.0; 10_000], vec![1.0; 10]);
        Augmentation { noise: 0.5, mixup: 0.0 }.apply(&mut x, &mut y, 10, &mut Generator::new(0));
        let variance = x.iter().map(|x| f64::from(x - 1.0).powi(2)).sum::<f64>() / 10_000.0;
        assert!((variance - 0.25).abs() < 0.02, "{variance}");
        assert_eq!(y, [1.0; 10]);
    }

    #[test]
    fn mixup_mixes_inputs_and_targets_alike() {
        // Each input equals its target's second entry, before and after.
        let mut x: Vec<f32> = (0..8).map(|i| (i % 2) as f32).collect();
        let mut y: Vec<f32> = x.iter().flat_map(|x| [1.0 - x, *x]).collect();
        Augmentation { noise: 0.0, mixup: 1.0 }.apply(&mut x, &mut y, 8, &mut Generator::new(3));
        for (x, y) in x.iter().zip(y.chunks(2)) {
            assert!((x - y[1]).abs() < 1e-6 && (y[0] + y[1] - 1.0).abs() < 1e-6);
        }
        assert!(x.iter().any(|x| *x > 0.0 && *x < 1.0));
    }
}
