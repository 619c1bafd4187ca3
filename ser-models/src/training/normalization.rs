//! Z-score normalisation of inputs.

use ndarray::{ArrayD, Axis};
use serde::{Deserialize, Serialize};

/// A spread below this share of the mean's size counts as constant.
const CONSTANT: f64 = 1e-6;

/// Takes a mean off each feature and divides by a standard deviation, both from the training part alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// For each element of an input, in row-major order.
    pub mean: Vec<f32>,
    /// The same; positive.
    pub std: Vec<f32>,
}

impl Normalization {
    /// Changes nothing: mean 0, standard deviation 1.
    pub fn identity(elements: usize) -> Self {
        Self { mean: vec![0.0; elements], std: vec![1.0; elements] }
    }

    /// Mean and (biased) standard deviation over the clips, the first axis. A feature that is constant gets 1, so that
    /// it becomes 0.
    pub fn fit(inputs: &ArrayD<f32>) -> Self {
        let clips = inputs.len_of(Axis(0)).max(1) as f64;
        let flat =
            |clip: ndarray::ArrayViewD<'_, f32>| clip.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
        let elements = inputs.len() / inputs.len_of(Axis(0)).max(1);
        let (mut mean, mut variance) = (vec![0.0; elements], vec![0.0; elements]);
        for clip in inputs.outer_iter() {
            mean.iter_mut().zip(flat(clip)).for_each(|(mean, x)| *mean += x / clips);
        }
        for clip in inputs.outer_iter() {
            for ((variance, mean), x) in variance.iter_mut().zip(&mean).zip(flat(clip)) {
                *variance += (x - mean).powi(2) / clips;
            }
        }
        let std = variance.iter().zip(&mean).map(|(variance, mean): (&f64, &f64)| {
            let std = variance.sqrt();
            if std <= CONSTANT * mean.abs() || std < f64::from(f32::MIN_POSITIVE) { 1.0 } else { std as f32 }
        });
        Self { std: std.collect(), mean: mean.iter().map(|mean| *mean as f32).collect() }
    }

    /// Normalises one input, or several after one another, in place.
    pub fn apply(&self, values: &mut [f32]) {
        for clip in values.chunks_exact_mut(self.mean.len().max(1)) {
            for ((x, mean), std) in clip.iter_mut().zip(&self.mean).zip(&self.std) {
                *x = (*x - mean) / std;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn each_feature_gets_mean_zero_and_deviation_one_and_constants_become_zero() {
        let inputs = array![[1.0f32, 5.0, 100.0], [3.0, 5.0, 300.0], [5.0, 5.0, 200.0]].into_dyn();
        let normalization = Normalization::fit(&inputs);
        let mut values: Vec<f32> = inputs.iter().copied().collect();
        normalization.apply(&mut values);
        for feature in [0, 2] {
            let column: Vec<f32> = values.iter().skip(feature).step_by(3).copied().collect();
            assert!(column.iter().sum::<f32>().abs() < 1e-6);
            assert!((column.iter().map(|x| x * x).sum::<f32>() / 3.0 - 1.0).abs() < 1e-6);
        }
        assert_eq!([values[1], values[4], values[7]], [0.0; 3]);
    }
}
