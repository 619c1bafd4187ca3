//! Window functions.

use std::f64::consts::PI;

use crate::error::ConfigError;

/// The window that each frame of a short-time Fourier transform is multiplied with. The default is [`Hann`](Self::Hann).
///
/// In the formulas, `φ` runs once round the circle: `φ[n] = 2πn / length` for the periodic form ([`periodic`](Self::periodic)). Kaldi's
/// front ends take the symmetric form, with `φ[n] = 2πn / (length − 1)`.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Window {
    /// Raised cosine, `½ − ½ cos φ`; librosa's default.
    #[default]
    Hann,
    /// Raised cosine on a pedestal, `0.54 − 0.46 cos φ`.
    Hamming,
    /// `0.42 − ½ cos φ + 0.08 cos 2φ`.
    Blackman,
    /// Kaldi's default, `(½ − ½ cos φ)^0.85`: a Hann window that falls to zero more steeply. It is symmetric, as in Kaldi.
    Povey,
    /// All ones.
    Rectangular,
    /// These values, each within ±1e6. There must be `win_length` of them, or `n_fft` where that is `None`; in Kaldi's front ends, as many
    /// as a frame has samples.
    Custom(Vec<f64>),
}

impl Window {
    /// Computes `length` values of the *periodic* window (SciPy's `get_window(…, fftbins=True)`): the value that would follow the last
    /// equals the first, which is what overlapping frames need. Values lie within 0..=1, except those of [`Custom`](Self::Custom); rounding
    /// can put the first value of [`Blackman`](Self::Blackman) 1e-16 below 0.
    ///
    /// The angle is `φ[n] = 2πn / length`; a single value is 1. Two windows are not periodic: [`Povey`](Self::Povey) is symmetric, with
    /// `φ[n] = 2πn / (length − 1)`, and [`Custom`](Self::Custom) gives its values unchanged, for any `length`.
    pub fn periodic(&self, length: usize) -> Vec<f32> {
        self.values(length).into_iter().map(|w| w as f32).collect()
    }

    /// As [`periodic`](Self::periodic), in `f64`.
    pub(crate) fn values(&self, length: usize) -> Vec<f64> {
        match self {
            Self::Povey => self.symmetric(length),
            _ => self.with_period(length, length),
        }
    }

    /// The symmetric window (SciPy's `get_window(…, fftbins=False)`): the last value equals the first.
    pub(crate) fn symmetric(&self, length: usize) -> Vec<f64> {
        self.with_period(length, length.saturating_sub(1))
    }

    fn with_period(&self, length: usize, period: usize) -> Vec<f64> {
        if let Self::Custom(values) = self {
            return values.clone();
        }
        if length <= 1 {
            return vec![1.0; length];
        }
        let step = 2.0 * PI / period as f64;
        let value = |phase: f64| match self {
            Self::Hann => 0.5 - 0.5 * phase.cos(),
            Self::Hamming => 0.54 - 0.46 * phase.cos(),
            Self::Blackman => 0.42 - 0.5 * phase.cos() + 0.08 * (2.0 * phase).cos(),
            Self::Povey => (0.5 - 0.5 * phase.cos()).powf(0.85),
            Self::Rectangular | Self::Custom(_) => 1.0,
        };
        (0..length).map(|n| value(step * n as f64)).collect()
    }

    /// Refuses own values of another number than `win_length`, and values that are not finite.
    pub(crate) fn check(&self, win_length: usize) -> Result<(), ConfigError> {
        let Self::Custom(values) = self else { return Ok(()) };
        let rule = "win_length";
        ConfigError::require(
            values.len() == win_length,
            "the number of window values",
            rule,
            values.len() as f64,
        )?;
        let broken = values.iter().find(|value| !value.is_finite() || value.abs() > 1e6);
        broken.map_or(Ok(()), |&value| {
            ConfigError::require(false, "every value of the window", "finite and within ±1e6", value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hann_is_periodic() {
        let window = Window::Hann.periodic(4);
        assert_eq!(window, [0.0, 0.5, 1.0, 0.5]);
    }

    #[test]
    fn a_single_value_is_one() {
        for window in [Window::Hann, Window::Hamming, Window::Blackman, Window::Povey, Window::Rectangular] {
            assert_eq!(window.periodic(1), [1.0]);
        }
    }

    #[test]
    fn povey_is_symmetric() {
        let window = Window::Povey.values(5);
        assert!((window[1] - 0.5_f64.powf(0.85)).abs() < 1e-15 && (window[1] - window[3]).abs() < 1e-15);
        assert_eq!((window[0], window[2]), (0.0, 1.0));
    }
}
