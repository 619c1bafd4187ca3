//! Normalisation of inputs: logarithms of what is skewed, then z-scores.

use ndarray::{ArrayD, Axis};
use serde::{Deserialize, Serialize};

/// A spread below this share of the mean's size counts as constant.
const CONSTANT: f64 = 1e-6;
/// A positive feature of more skewness than this is taken in logarithms. An exponential distribution has 2.
const SKEWED: f64 = 1.0;

/// Brings each feature to mean 0 and standard deviation 1, by constants from the training part alone. Features that are
/// always positive and skewed to the right, as powers are, are taken in logarithms first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// For each element of an input, in row-major order: 0 where it is taken as it is, or the positive number below which
    /// it is cut before its natural logarithm is taken.
    pub floor: Vec<f32>,
    /// Of each element, after the logarithm.
    pub mean: Vec<f32>,
    /// The same; positive.
    pub std: Vec<f32>,
}

impl Normalization {
    /// Changes nothing: no logarithm, mean 0, standard deviation 1.
    pub fn identity(elements: usize) -> Self {
        Self { floor: vec![0.0; elements], mean: vec![0.0; elements], std: vec![1.0; elements] }
    }

    /// The constants of the inputs [clips, …]. With `log_skewed`, an element that is positive in every clip and whose
    /// skewness (third standardised moment) is above 1 is taken in logarithms, cut at its smallest value. The standard
    /// deviation is the biased one; an element that is constant gets 1, so that it becomes 0.
    pub fn fit(inputs: &ArrayD<f32>, log_skewed: bool) -> Self {
        let elements = inputs.len() / inputs.len_of(Axis(0)).max(1);
        let mut normalization = Self::identity(elements);
        let values: Vec<f64> = inputs.iter().map(|x| f64::from(*x)).collect();
        for element in 0..elements {
            let mut column: Vec<f64> = values.iter().skip(element).step_by(elements).copied().collect();
            let smallest = column.iter().copied().fold(f64::INFINITY, f64::min);
            if log_skewed && smallest >= f64::from(f32::MIN_POSITIVE) && skewness(&column) > SKEWED {
                normalization.floor[element] = smallest as f32;
                column.iter_mut().for_each(|x| *x = x.ln());
            }
            let (mean, std) = mean_and_std(&column);
            normalization.mean[element] = mean as f32;
            if std > CONSTANT * mean.abs() && std >= f64::from(f32::MIN_POSITIVE) {
                normalization.std[element] = std as f32;
            }
        }
        normalization
    }

    /// Normalises one input, or several after one another, in place.
    pub fn apply(&self, values: &mut [f32]) {
        for clip in values.chunks_exact_mut(self.mean.len().max(1)) {
            let constants = self.floor.iter().zip(self.mean.iter().zip(&self.std));
            for (x, (floor, (mean, std))) in clip.iter_mut().zip(constants) {
                if *floor > 0.0 {
                    *x = x.max(*floor).ln();
                }
                *x = (*x - mean) / std;
            }
        }
    }

    /// What is wrong with constants for inputs of so many elements, if anything: (rule, given).
    pub(crate) fn problem(&self, elements: usize) -> Option<(&'static str, String)> {
        let lengths = [self.floor.len(), self.mean.len(), self.std.len()];
        if lengths != [elements; 3] {
            let rule =
                "the normalisation must have a floor, a mean and a deviation for each element of an input";
            return Some((rule, format!("{lengths:?} for {elements}")));
        }
        if let Some(x) = self.floor.iter().find(|x| !(x.is_finite() && **x >= 0.0)) {
            return Some(("the normalisation's floors must be 0 or more", x.to_string()));
        }
        if let Some(x) = self.mean.iter().find(|x| !x.is_finite()) {
            return Some(("the normalisation's means must be finite", x.to_string()));
        }
        let x = self.std.iter().find(|x| !(x.is_finite() && **x > 0.0))?;
        Some(("the normalisation's deviations must be positive", x.to_string()))
    }
}

fn mean_and_std(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

/// The third standardised moment; 0 for what is constant.
fn skewness(values: &[f64]) -> f64 {
    let (mean, std) = mean_and_std(values);
    if std <= CONSTANT * mean.abs() {
        return 0.0;
    }
    values.iter().map(|x| ((x - mean) / std).powi(3)).sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn each_feature_gets_mean_zero_and_deviation_one_and_constants_become_zero() {
        let inputs = array![[1.0f32, 5.0, 100.0], [3.0, 5.0, 300.0], [5.0, 5.0, 200.0]].into_dyn();
        let normalization = Normalization::fit(&inputs, true);
        let mut values: Vec<f32> = inputs.iter().copied().collect();
        normalization.apply(&mut values);
        for feature in [0, 2] {
            let column: Vec<f32> = values.iter().skip(feature).step_by(3).copied().collect();
            assert!(column.iter().sum::<f32>().abs() < 1e-6);
            assert!((column.iter().map(|x| x * x).sum::<f32>() / 3.0 - 1.0).abs() < 1e-6);
        }
        assert_eq!([values[1], values[4], values[7]], [0.0; 3]);
        assert_eq!(normalization.floor, [0.0; 3]);
    }

    #[test]
    fn powers_are_taken_in_logarithms_and_other_features_are_not() {
        // Columns: powers of two, the same but with a zero, negative ones, and evenly spread numbers.
        let inputs = Array2::from_shape_fn((12, 4), |(clip, feature)| match feature {
            0 => 2f32.powi(clip as i32),
            1 if clip == 3 => 0.0,
            1 => 2f32.powi(clip as i32),
            2 => -(2f32.powi(clip as i32)),
            _ => 1.0 + clip as f32,
        });
        let normalization = Normalization::fit(&inputs.clone().into_dyn(), true);
        assert_eq!(normalization.floor, [1.0, 0.0, 0.0, 0.0]);
        let mut values: Vec<f32> = inputs.iter().copied().collect();
        normalization.apply(&mut values);
        let powers: Vec<f32> = values.iter().step_by(4).copied().collect();
        assert!(powers.windows(3).all(|w| (w[0] - 2.0 * w[1] + w[2]).abs() < 1e-5), "{powers:?}");
        assert_eq!(Normalization::fit(&inputs.into_dyn(), false).floor, [0.0; 4]);
        // Below the floor, zero included, nothing becomes infinite.
        let mut below = [0.0, 1.0, 1.0, 1.0];
        normalization.apply(&mut below);
        assert_eq!(below[0], powers[0]);
    }
}
