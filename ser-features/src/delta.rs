//! Slope and curvature of features over time.

use ndarray::{Array2, ArrayView2};

use crate::error::{ConfigError, SignalError};
use crate::matrix::reshape;

/// No configuration from a damaged file may ask for all memory.
const MAX_WIDTH: usize = 65_535;

/// Settings of [`Delta`]. The default is librosa's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct DeltaConfig {
    /// Number of frames that the curve is fitted to, odd, 3..=65,535.
    pub width: usize,
    /// 1 for the slope of a line (delta), 2 for the curvature of a parabola (delta-delta).
    pub order: usize,
}

impl Default for DeltaConfig {
    fn default() -> Self {
        Self { width: 9, order: 1 }
    }
}

/// Derivative over time by local least squares (Savitzky and Golay, *Smoothing and differentiation of data by simplified least squares
/// procedures*, 1964), as `librosa.feature.delta` with `mode="interp"`.
///
/// ```
/// use ndarray::Array2;
/// use ser_features::{Delta, DeltaConfig};
///
/// let rising = Array2::from_shape_fn((3, 20), |(row, t)| (row * t) as f32);
/// let slope = Delta::new(DeltaConfig::default())?.process(rising.view())?;
/// assert!((slope[[2, 0]] - 2.0).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Delta {
    weights: Vec<f32>,
}

impl Delta {
    /// Computes the weights.
    ///
    /// # Errors
    /// When `width` is even, below 3 or above its limit, or `order` is neither 1 nor 2.
    pub fn new(config: DeltaConfig) -> Result<Self, ConfigError> {
        let DeltaConfig { width, order } = config;
        ConfigError::require(width >= 3 && width % 2 == 1, "width", "odd and 3 or more", width as f64)?;
        ConfigError::require(width <= MAX_WIDTH, "width", "at most 65535", width as f64)?;
        ConfigError::require(matches!(order, 1 | 2), "order", "1 or 2", order as f64)?;
        let half = (width / 2) as isize;
        let offsets = || (-half..=half).map(|i| i as f64);
        let squares: f64 = offsets().map(|i| i * i).sum();
        let weights = if order == 1 {
            offsets().map(|i| (i / squares) as f32).collect()
        } else {
            let fourths: f64 = offsets().map(|i| i.powi(4)).sum();
            let n = width as f64;
            let determinant = n * fourths - squares * squares;
            offsets().map(|i| (2.0 * (n * i * i - squares) / determinant) as f32).collect()
        };
        Ok(Self { weights })
    }

    /// Computes the derivative of each row of `[rows, frames]`, in the same shape: per frame with `order` 1, per frame squared with `order`
    /// 2. The first `width / 2` frames have the derivative of the curve through the first `width` frames, and the last `width / 2` that of
    /// the curve through the last. A value that is NaN or infinite makes the results around it NaN or infinite.
    ///
    /// # Errors
    /// When there are fewer frames than `width`.
    pub fn process(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>, SignalError> {
        let mut out = Array2::default((0, 0));
        self.process_into(features, &mut out)?;
        Ok(out)
    }

    /// As [`process`](Self::process), into a matrix that is reshaped as needed and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was.
    pub fn process_into(
        &self,
        features: ArrayView2<'_, f32>,
        out: &mut Array2<f32>,
    ) -> Result<(), SignalError> {
        let (width, n_frames) = (self.weights.len(), features.ncols());
        if n_frames < width {
            return Err(SignalError::TooFewFrames { minimum: width, given: n_frames });
        }
        // The polynomial's degree is the derivative's order, so the derivative is one number for the whole window.
        let at = |(row, t): (usize, usize)| {
            let first = t.saturating_sub(width / 2).min(n_frames - width);
            self.of_window(|i| features[[row, first + i]])
        };
        reshape(out, features.nrows(), n_frames);
        out.indexed_iter_mut().for_each(|(place, out)| *out = at(place));
        Ok(())
    }

    /// Frames under the fitted curve.
    pub(crate) fn width(&self) -> usize {
        self.weights.len()
    }

    /// The derivative of the values under the fitted curve.
    pub(crate) fn of_window(&self, value: impl Fn(usize) -> f32) -> f32 {
        self.weights.iter().enumerate().map(|(i, w)| w * value(i)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parabola_has_one_curvature() {
        let parabola = Array2::from_shape_fn((1, 12), |(_, t)| 0.5 * (t * t) as f32);
        let got = Delta::new(DeltaConfig { width: 5, order: 2 }).unwrap().process(parabola.view()).unwrap();
        assert!(got.iter().all(|x| (x - 1.0).abs() < 1e-4));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let refusal = |width, order| Delta::new(DeltaConfig { width, order }).err().unwrap().to_string();
        assert_eq!(refusal(8, 1), "config: width must be odd and 3 or more, got 8");
        assert_eq!(refusal(65_537, 1), "config: width must be at most 65535, got 65537");
        assert_eq!(refusal(9, 3), "config: order must be 1 or 2, got 3");
        let short = Delta::new(DeltaConfig::default()).unwrap().process(Array2::zeros((2, 8)).view());
        assert_eq!(short, Err(SignalError::TooFewFrames { minimum: 9, given: 8 }));
    }
}
