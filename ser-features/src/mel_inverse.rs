//! Spectrograms from mel spectrograms.

use ndarray::{Array2, ArrayView2};

use crate::check::check_magnitudes;
use crate::error::{ConfigError, SignalError};
use crate::mel::{MelConfig, mel_filter_bank};
use crate::spectrogram::Spectrum;

/// Most rounds over all bins of a frame.
const ROUNDS: usize = 300;

/// Plan that finds a spectrogram whose mel bands are close to given ones, as `librosa.feature.inverse.mel_to_stft`. For each frame it
/// solves the non-negative least squares problem `min |A x − m|², x ≥ 0`, with the filters `A`, the bins `x` and the mel bands `m`. It
/// starts with the solution of the least norm, with negative values set to zero, and improves one bin after the other. It stops when all
/// bands are within 1e-7 of the frame's largest band, or after 300 rounds.
///
/// The solution is not unique: this plan and librosa's optimiser find spectrograms with the same mel bands but with different bins.
///
/// ```
/// use ser_features::{MelConfig, MelSpectrogram, MelToStft};
///
/// let tone: Vec<f32> = (0..22_050).map(|n| (0.1 * n as f32).sin()).collect();
/// let mel = MelSpectrogram::new(MelConfig::default())?.process(&tone)?;
/// let magnitude = MelToStft::new(MelConfig::default())?.process(mel.view())?;
/// assert_eq!(magnitude.dim(), (1025, 44));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MelToStft {
    n_mels: usize,
    /// For each bin the filters that hold it, with their weights.
    bins: Vec<Vec<(usize, f64)>>,
    /// Cholesky factor of `A Aᵀ`, `[n_mels, n_mels]`.
    factor: Array2<f64>,
    spectrum: Spectrum,
}

impl MelToStft {
    /// Plans the filters' inverse.
    ///
    /// # Errors
    /// As [`mel_filter_bank`], and when `n_mels` is above 4,096.
    pub fn new(config: MelConfig) -> Result<Self, ConfigError> {
        let filters = mel_filter_bank(&config)?;
        let (n_mels, n_bins) = filters.dim();
        ConfigError::require(n_mels <= 4_096, "n_mels", "at most 4096", n_mels as f64)?;
        let held = |bin: usize| {
            let weights = filters.column(bin).to_vec().into_iter().map(f64::from).enumerate();
            weights.filter(|(_, weight)| *weight != 0.0).collect::<Vec<_>>()
        };
        let bins: Vec<Vec<(usize, f64)>> = (0..n_bins).map(held).collect();
        let mut factor = Array2::<f64>::zeros((n_mels, n_mels));
        for weights in &bins {
            for &(i, a) in weights {
                weights.iter().for_each(|&(j, b)| factor[[i, j]] += a * b);
            }
        }
        cholesky(&mut factor);
        Ok(Self { n_mels, bins, factor, spectrum: config.spectrum })
    }

    /// Finds magnitudes `[n_fft / 2 + 1, frames]` for a mel spectrogram `[n_mels, frames]`. If the configuration's `spectrum` is power, the
    /// solution is powers, and their square roots are returned.
    ///
    /// # Errors
    /// When the matrix has another number of rows or no frame, or a value is negative, NaN or infinite.
    pub fn process(&self, mel: ArrayView2<'_, f32>) -> Result<Array2<f32>, SignalError> {
        check_magnitudes(mel, self.n_mels)?;
        let mut out = Array2::zeros((self.bins.len(), mel.ncols()));
        for (column, mut out) in mel.columns().into_iter().zip(out.columns_mut()) {
            let target: Vec<f64> = column.iter().map(|&x| f64::from(x)).collect();
            for (out, x) in out.iter_mut().zip(self.solve(&target)) {
                *out = match self.spectrum {
                    Spectrum::Power => x.sqrt(),
                    Spectrum::Magnitude => x,
                } as f32;
            }
        }
        Ok(out)
    }

    fn solve(&self, target: &[f64]) -> Vec<f64> {
        let dual = substitute(&self.factor, target);
        let product = |weights: &[(usize, f64)], values: &[f64]| {
            weights.iter().map(|&(i, a)| a * values[i]).sum::<f64>()
        };
        let mut x: Vec<f64> = self.bins.iter().map(|weights| product(weights, &dual).max(0.0)).collect();
        let mut rest = target.to_vec();
        let subtract = |rest: &mut [f64], weights: &[(usize, f64)], by: f64| {
            weights.iter().for_each(|&(i, a)| rest[i] -= a * by);
        };
        self.bins.iter().zip(&x).for_each(|(weights, &x)| subtract(&mut rest, weights, x));
        // One bin after the other to its best value.
        let largest = target.iter().fold(0.0, |largest: f64, x| largest.max(*x));
        for _ in 0..ROUNDS {
            for (weights, x) in self.bins.iter().zip(&mut x) {
                let norm: f64 = weights.iter().map(|(_, a)| a * a).sum();
                if norm > 0.0 {
                    let step = (product(weights, &rest) / norm).max(-*x);
                    *x += step;
                    subtract(&mut rest, weights, step);
                }
            }
            if rest.iter().all(|rest| rest.abs() <= 1e-7 * largest) {
                break;
            }
        }
        x
    }
}

/// The lower factor of a matrix, in its place; rows without anything become zero.
fn cholesky(matrix: &mut Array2<f64>) {
    let n = matrix.nrows();
    for i in 0..n {
        for j in 0..=i {
            let sum = matrix[[i, j]] - (0..j).map(|k| matrix[[i, k]] * matrix[[j, k]]).sum::<f64>();
            matrix[[i, j]] = match (i == j, matrix[[j, j]]) {
                (true, own) => {
                    if sum > 1e-12 * own {
                        sum.sqrt()
                    } else {
                        0.0
                    }
                }
                (false, pivot) => {
                    if pivot > 0.0 {
                        sum / pivot
                    } else {
                        0.0
                    }
                }
            };
        }
    }
}

/// Solves `L Lᵀ y = b`.
fn substitute(factor: &Array2<f64>, b: &[f64]) -> Vec<f64> {
    let n = factor.nrows();
    let mut y = b.to_vec();
    let divide = |value: f64, pivot: f64| if pivot > 0.0 { value / pivot } else { 0.0 };
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| factor[[i, k]] * y[k]).sum();
        y[i] = divide(y[i] - sum, factor[[i, i]]);
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| factor[[k, i]] * y[k]).sum();
        y[i] = divide(y[i] - sum, factor[[i, i]]);
    }
    y
}
