//! Window functions.

use std::f64::consts::PI;

/// The window that each frame of a short-time Fourier transform is multiplied with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Window {
    /// Raised cosine, librosa's default.
    #[default]
    Hann,
    /// All ones.
    Rectangular,
}

impl Window {
    /// `length` values of the *periodic* window (SciPy's `get_window(…, fftbins=True)`): the value that would follow the last
    /// equals the first, which is what overlapping frames need. Range 0..=1.
    ///
    /// Hann: `w[n] = ½ − ½ cos(2πn / length)`; a single value is 1.
    pub fn periodic(self, length: usize) -> Vec<f32> {
        self.values(length).into_iter().map(|w| w as f32).collect()
    }

    pub(crate) fn values(self, length: usize) -> Vec<f64> {
        match self {
            Self::Hann if length > 1 => {
                let step = 2.0 * PI / length as f64;
                (0..length).map(|n| 0.5 - 0.5 * (step * n as f64).cos()).collect()
            }
            Self::Hann | Self::Rectangular => vec![1.0; length],
        }
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
        assert_eq!(Window::Hann.periodic(1), [1.0]);
    }
}
