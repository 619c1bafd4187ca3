//! Tonal centroids.

use std::f64::consts::PI;

use ndarray::{Array2, ArrayView2};

use crate::chroma_cqt::{ChromaCqt, ChromaCqtConfig};
use crate::error::{ConfigError, SignalError};
use crate::matrix::reshape;

/// Dimensions of the tonal space.
const DIMENSIONS: usize = 6;

/// For each circle of the tonal space: its radius, and half turns along it for one semitone.
const CIRCLES: [(f64, f64); 3] = [(1.0, 7.0 / 6.0), (1.0, 3.0 / 2.0), (0.5, 2.0 / 3.0)];

/// Tonal centroids (tonnetz) of a signal: where each frame's chroma lies in a six-dimensional space in which fifths, minor
/// thirds and major thirds are near to each other (Harte, Sandler and Gasser, "Detecting harmonic change in musical audio",
/// 2006).
///
/// Rows are sine and cosine on the circles of fifths, of minor thirds (both −1..=1) and of major thirds (−0.5..=0.5); each frame's
/// chroma is first divided by its sum. The chroma comes from [`ChromaCqt`]. librosa's documentation suggests passing only the
/// [harmonic part](crate::HarmonicPercussive) of a signal.
///
/// ```
/// use ser_features::{ChromaCqtConfig, Tonnetz};
///
/// let tone: Vec<f32> = (0..22_050).map(|n| (0.06 * n as f32).sin()).collect();
/// let tonnetz = Tonnetz::new(ChromaCqtConfig::default())?.process(&tone)?;
/// assert_eq!(tonnetz.dim(), (6, 44));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tonnetz {
    chroma_cqt: ChromaCqt,
    chroma: Array2<f32>,
    basis: Array2<f32>,
}

impl Tonnetz {
    /// Plans the chroma that the centroids come from.
    ///
    /// # Errors
    /// Those of [`ChromaCqt::new`].
    pub fn new(config: ChromaCqtConfig) -> Result<Self, ConfigError> {
        let n_chroma = config.n_chroma;
        Ok(Self {
            chroma_cqt: ChromaCqt::new(config)?,
            chroma: Array2::default((0, 0)),
            basis: basis(n_chroma),
        })
    }

    /// The centroids, `[6, frames]`.
    ///
    /// # Errors
    /// Those of [`ChromaCqt::process`].
    pub fn process(&mut self, samples: &[f32]) -> Result<Array2<f32>, SignalError> {
        let mut out = Array2::default((0, 0));
        self.process_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`process`](Self::process), into a matrix that is reshaped as needed and whose memory is reused.
    ///
    /// # Errors
    /// Those of [`ChromaCqt::process`].
    pub fn process_into(&mut self, samples: &[f32], out: &mut Array2<f32>) -> Result<(), SignalError> {
        self.chroma_cqt.process_into(samples, &mut self.chroma)?;
        project(&self.basis, self.chroma.view(), out);
        Ok(())
    }

    /// As [`process_into`](Self::process_into), but consumes the signal. It keeps no memory in proportion to the signal's length.
    pub(crate) fn process_last(
        &mut self,
        samples: Vec<f32>,
        out: &mut Array2<f32>,
    ) -> Result<(), SignalError> {
        self.chroma_cqt.process_last(samples, &mut self.chroma)?;
        project(&self.basis, self.chroma.view(), out);
        Ok(())
    }
}

/// Tonal centroids, `[6, frames]`, of any chroma, `[n_chroma, frames]`, whose rows divide an octave evenly from C on; see
/// [`Tonnetz`]. A frame of zeros gives zeros.
pub fn tonnetz(chroma: ArrayView2<'_, f32>) -> Array2<f32> {
    let mut out = Array2::default((0, 0));
    project(&basis(chroma.nrows()), chroma, &mut out);
    out
}

/// Where each chroma lies in the tonal space, `[6, n_chroma]`.
fn basis(n_chroma: usize) -> Array2<f32> {
    Array2::from_shape_fn((DIMENSIONS, n_chroma), |(row, chroma)| {
        let (radius, step) = CIRCLES[row / 2];
        let semitone = 12.0 * chroma as f64 / n_chroma as f64;
        // A quarter turn makes the first row of each pair a sine.
        let shift = if row % 2 == 0 { 0.5 } else { 0.0 };
        (radius * (PI * (step * semitone - shift)).cos()) as f32
    })
}

fn project(basis: &Array2<f32>, chroma: ArrayView2<'_, f32>, out: &mut Array2<f32>) {
    reshape(out, DIMENSIONS, chroma.ncols());
    for (t, frame) in chroma.columns().into_iter().enumerate() {
        let sum: f32 = frame.iter().map(|x| x.abs()).sum();
        let scale = if sum < f32::MIN_POSITIVE { 1.0 } else { sum.recip() };
        for (out, basis) in out.column_mut(t).iter_mut().zip(basis.rows()) {
            *out = basis.iter().zip(frame).map(|(b, x)| b * (x * scale)).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pitch_class_lies_on_all_three_circles() {
        let mut chroma = Array2::zeros((12, 12));
        chroma.diag_mut().fill(0.25);
        let centroids = tonnetz(chroma.view());
        for frame in centroids.columns() {
            for (circle, radius) in [(0, 1.0), (2, 1.0), (4, 0.5)] {
                assert!((frame[circle].hypot(frame[circle + 1]) - radius).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn an_octave_of_equal_pitch_classes_lies_in_the_middle() {
        let centroids = tonnetz(Array2::ones((12, 1)).view());
        assert!(centroids.iter().all(|x| x.abs() < 1e-6));
    }

    #[test]
    fn silence_gives_zeros() {
        assert!(tonnetz(Array2::zeros((12, 3)).view()).iter().all(|&x| x == 0.0));
    }
}
