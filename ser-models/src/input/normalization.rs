//! Normalisation of inputs: logarithms of skewed features, then z-scores.

use super::frames_of;
use crate::layer::{LayerError, Padded, elements};
use crate::setting::{Checked, Settings};
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A feature is constant if its standard deviation is at most this share of its mean's absolute value.
const CONSTANT: f64 = 1e-6;
/// The logarithm is taken of positive features whose skewness is above this. An exponential distribution has 2.
const SKEWED: f64 = 1.0;
/// Powers of single frames are raised to at least this share of the largest, 80 dB below it, before their logarithm is taken, because
/// digital silence has no logarithm.
const RANGE: f64 = 1e-8;

/// Number of clips at which a voice's own mean and the mean of the training voices have equal weight. It was chosen on corpora that were
/// left out of the training and on validation actors together (ser-bench/EXPERIMENTS.md).
const VOICE_CLIPS: f32 = 5.0;

/// Normalises each feature to mean 0 and standard deviation 1, by constants from the training part alone. The logarithm is taken first of
/// features that are always positive and skewed to the right, such as powers.
///
/// A feature is an element of a vector, or a row of a sequence or an image with all its frames. Only valid frames are counted
/// and changed. Padding is zero afterwards, except with [`Normalization::identity`], which leaves it as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// For each feature, in row-major order: 0 for no logarithm, or the positive floor to which smaller values are raised before the
    /// natural logarithm.
    pub floor: Vec<f32>,
    /// The mean of each feature, after the logarithm.
    pub mean: Vec<f32>,
    /// The standard deviation of each feature, after the logarithm; positive.
    pub std: Vec<f32>,
}

impl Normalization {
    /// Changes nothing: no logarithm, mean 0, standard deviation 1.
    pub fn identity(features: usize) -> Self {
        Self { floor: vec![0.0; features], mean: vec![0.0; features], std: vec![1.0; features] }
    }

    /// The constants of a training part. The standard deviation is the biased one. A feature is constant if that is at most 10⁻⁶ of the
    /// mean's absolute value; it gets 1, so that the feature becomes 0.
    ///
    /// With `log_skewed`, the logarithm is taken of an element of a vector that is positive in every clip and whose skewness (third
    /// standardised moment) is above 1; its floor is its smallest value. A row of frames may also be zero, as powers are in digital silence.
    /// Its logarithm is taken if its skewness is above 1 and that of the logarithms is nearer to 0; its floor is the larger of its smallest
    /// value and 80 dB below its largest.
    ///
    /// # Errors
    /// If the inputs [clips, …] are not of `f32`, or a clip has more valid frames than frames.
    pub fn fit(inputs: &Padded, log_skewed: bool) -> Result<Self, LayerError> {
        let shape = inputs.dims().get(1..).unwrap_or_default();
        let frames = frames_of(shape);
        inputs.check("Normalization", frames)?;
        let rows = shape.iter().product::<usize>() / frames.max(1);
        let values = inputs.values().contiguous()?;
        let values = elements(&values)?;
        let values = values.slice::<f32>()?;
        let column = |row: usize| -> Vec<f64> {
            let clips = values.chunks_exact((rows * frames).max(1)).enumerate();
            let own = |clip: usize| inputs.lengths().map_or(frames, |lengths| lengths[clip]);
            clips.flat_map(|(clip, x)| x[row * frames..][..own(clip)].iter().map(|x| f64::from(*x))).collect()
        };
        let constants: Vec<[f32; 3]> =
            (0..rows).into_par_iter().map(|row| constants(column(row), log_skewed, frames > 1)).collect();
        let each = |i: usize| constants.iter().map(|constants| constants[i]).collect();
        Ok(Self { floor: each(0), mean: each(1), std: each(2) })
    }

    /// Normalises one input, or several consecutive ones, in place. Each feature has `frames` frames, 1 in a vector. `own` has the number
    /// of valid frames of each input, or is `None` if all are valid. The other frames become zero.
    fn apply(&self, values: &mut [f32], frames: usize, own: Option<&[usize]>) {
        let features = self.mean.len();
        for (clip, input) in values.chunks_exact_mut((features * frames).max(1)).enumerate() {
            let own = own.and_then(|own| own.get(clip).copied()).unwrap_or(frames).min(frames);
            let constants = self.floor.iter().zip(self.mean.iter().zip(&self.std));
            for (row, (floor, (mean, std))) in input.chunks_exact_mut(frames.max(1)).zip(constants) {
                let (real, padding) = row.split_at_mut(own);
                for x in real {
                    if *floor > 0.0 {
                        *x = x.max(*floor).ln();
                    }
                    *x = (*x - mean) / std;
                }
                padding.fill(0.0);
            }
        }
    }

    /// Moves the mean towards `voice`, the mean of a speaker's `clips` clips, by the share clips / (clips + [`VOICE_CLIPS`]) of the
    /// difference. The mean of features in logarithms does not change.
    pub(crate) fn adapted_to(&self, clips: usize, voice: &[f32]) -> Self {
        let share = clips as f32 / (clips as f32 + VOICE_CLIPS);
        let moved = |((mean, floor), voice): ((&f32, &f32), &f32)| {
            if *floor > 0.0 { *mean } else { mean + share * (voice - mean) }
        };
        let mean = self.mean.iter().zip(&self.floor).zip(voice).map(moved).collect();
        Self { mean, floor: self.floor.clone(), std: self.std.clone() }
    }

    /// Returns the constants by name, each with one value for each feature.
    pub(crate) fn constants(&self) -> [(&'static str, &[f32]); 3] {
        [("floor", &self.floor), ("mean", &self.mean), ("std", &self.std)]
    }

    /// Normalises inputs [clips, …]. Their padding is zero afterwards. If the normalisation changes nothing, they are not copied, and their
    /// padding stays unchanged.
    pub(crate) fn normalized(&self, inputs: &Padded) -> Result<Padded, LayerError> {
        if *self == Self::identity(self.mean.len()) {
            return Ok(inputs.clone());
        }
        let mut values = elements(inputs.values())?.slice::<f32>()?.to_vec();
        self.apply(&mut values, frames_of(&inputs.dims()[1..]), inputs.lengths());
        let values = Tensor::from_vec(values, inputs.dims(), &Device::Cpu)?;
        Ok(inputs.with_values(values))
    }

    /// Checks the constants for inputs of `features` features.
    pub(crate) fn check(&self, features: usize) -> Checked {
        let of = Settings("normalization");
        let lengths = [self.floor.len(), self.mean.len(), self.std.len()];
        let rule = format!("as many as the input's features, {features}");
        of.require(lengths == [features; 3], "floor, mean and std", rule, format!("{lengths:?}"))?;
        let all = |setting, values: &[f32], rule: &str, holds: fn(f32) -> bool| {
            let broken = values.iter().find(|x| !(x.is_finite() && holds(**x)));
            broken.map_or(Ok(()), |x| Err(of.error(setting, rule, x)))
        };
        all("floor", &self.floor, "0 or more", |x| x >= 0.0)?;
        all("mean", &self.mean, "finite", |_| true)?;
        all("std", &self.std, "positive", |x| x > 0.0)
    }
}

/// Returns floor, mean and deviation of one feature's values. `of_frames` says whether they are those of single frames.
fn constants(mut column: Vec<f64>, log_skewed: bool, of_frames: bool) -> [f32; 3] {
    let range = |(low, high): (f64, f64), x: &f64| (low.min(*x), high.max(*x));
    let (smallest, largest) = column.iter().fold((f64::INFINITY, f64::NEG_INFINITY), range);
    let lowest = f64::from(f32::MIN_POSITIVE);
    let mut floor = 0.0;
    if log_skewed {
        let cut = if of_frames && smallest >= 0.0 { smallest.max(RANGE * largest) } else { smallest };
        let skewness_before = if cut >= lowest { skewness(&column) } else { 0.0 };
        if skewness_before > SKEWED {
            let logarithms: Vec<f64> = column.iter().map(|x| x.max(cut).ln()).collect();
            if !of_frames || skewness(&logarithms).abs() < skewness_before {
                (floor, column) = (cut, logarithms);
            }
        }
    }
    let (mean, std) = mean_and_std(&column);
    let spreads = std > CONSTANT * mean.abs() && std >= lowest;
    [floor as f32, mean as f32, if spreads { std as f32 } else { 1.0 }]
}

fn mean_and_std(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

/// Returns the third standardised moment, or 0 if all values are equal.
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
    use ndarray::{Array, Array2, Array3, Dimension, array};

    fn fit<D: Dimension>(
        inputs: &Array<f32, D>,
        lengths: Option<&[usize]>,
        log_skewed: bool,
    ) -> Normalization {
        let values: Vec<f32> = inputs.iter().copied().collect();
        let values = Tensor::from_vec(values, inputs.shape(), &Device::Cpu).unwrap();
        let inputs = Padded::new(values, lengths.map(<[usize]>::to_vec)).unwrap();
        Normalization::fit(&inputs, log_skewed).unwrap()
    }

    #[test]
    fn each_feature_gets_mean_zero_and_deviation_one_and_constants_become_zero() {
        let inputs = array![[1.0f32, 5.0, 100.0], [3.0, 5.0, 300.0], [5.0, 5.0, 200.0]];
        let normalization = fit(&inputs, None, true);
        let mut values: Vec<f32> = inputs.iter().copied().collect();
        normalization.apply(&mut values, 1, None);
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
        // The columns are powers of two, the same with a zero, negative numbers, and evenly spread numbers.
        let inputs = Array2::from_shape_fn((12, 4), |(clip, feature)| match feature {
            0 => 2f32.powi(clip as i32),
            1 if clip == 3 => 0.0,
            1 => 2f32.powi(clip as i32),
            2 => -(2f32.powi(clip as i32)),
            _ => 1.0 + clip as f32,
        });
        let normalization = fit(&inputs, None, true);
        assert_eq!(normalization.floor, [1.0, 0.0, 0.0, 0.0]);
        let mut values: Vec<f32> = inputs.iter().copied().collect();
        normalization.apply(&mut values, 1, None);
        let powers: Vec<f32> = values.iter().step_by(4).copied().collect();
        assert!(powers.windows(3).all(|w| (w[0] - 2.0 * w[1] + w[2]).abs() < 1e-5), "{powers:?}");
        assert_eq!(fit(&inputs, None, false).floor, [0.0; 4]);
        // Values below the floor, including zero, must not become infinite.
        let mut below = [0.0, 1.0, 1.0, 1.0];
        normalization.apply(&mut below, 1, None);
        assert_eq!(below[0], powers[0]);
    }

    #[test]
    fn rows_of_frames_share_constants_that_padding_neither_changes_nor_gets() {
        // Two clips of two rows. The first has two valid frames, the second three.
        let inputs = array![[[1.0f32, 3.0, 99.0], [7.0, 7.0, 99.0]], [[5.0, 3.0, 3.0], [7.0, 7.0, 7.0]]];
        let lengths = Some(&[2, 3][..]);
        let normalization = fit(&inputs, lengths, true);
        assert_eq!((&normalization.mean[..], normalization.std[1]), (&[3.0, 7.0][..], 1.0));
        assert!((normalization.std[0] - 1.6f32.sqrt()).abs() < 1e-6);
        let mut values: Vec<f32> = inputs.iter().copied().collect();
        normalization.apply(&mut values, 3, lengths);
        assert_eq!(values[..6], [-2.0 / normalization.std[0], 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(values[6..], [2.0 / normalization.std[0], 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn powers_of_frames_are_taken_in_logarithms_with_digital_silence_among_them() {
        // The rows are powers over ten decades with zeros, a share from 0 to 1 that is often 1, and decibels.
        let inputs = Array3::from_shape_fn((4, 3, 50), |(clip, row, frame)| match row {
            0 if frame > 40 => 0.0,
            0 => 10f32.powi(((clip * 7 + frame * 3) % 11) as i32 - 8),
            1 => ((clip * 5 + frame * 7) % 10) as f32 / 9.0,
            _ => ((clip * 3 + frame) % 20) as f32 - 40.0,
        });
        let normalization = fit(&inputs, None, true);
        assert!((normalization.floor[0] - 1e-6).abs() < 1e-12, "{normalization:?}");
        assert_eq!(normalization.floor[1..], [0.0, 0.0]);
        assert!(normalization.std.iter().chain(&normalization.mean).all(|x| x.is_finite()));
    }
}
