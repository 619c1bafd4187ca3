//! Spectral centroid.

use ndarray::{Array1, ArrayView2};

use super::{Frequencies, Measure, Measured, impl_process};
use crate::error::{ConfigError, SignalError};
use crate::stft::StftConfig;

/// Settings of the spectral centroid. The default is librosa's, with [`Precision::Single`](crate::Precision::Single).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct CentroidConfig {
    /// Sample rate of the signal in Hz, at least 1.
    pub sample_rate: u32,
    /// The transform underneath.
    pub stft: StftConfig,
}

impl Default for CentroidConfig {
    fn default() -> Self {
        Self { sample_rate: 22_050, stft: StftConfig::default() }
    }
}

/// Plan of the spectral centroid, as `librosa.feature.spectral_centroid`: the centre of mass of a frame's magnitudes,
/// `Σ f[k] · S[k] / Σ S[k]` (Klapuri and Davy, *Signal Processing Methods for Music Transcription*, 2007). A bright sound lies high.
///
/// ```
/// use ser_features::{CentroidConfig, SpectralCentroid};
///
/// let tone: Vec<f32> = (0..22_050).map(|n| (n as f32 * 1_000.0 / 22_050.0 * std::f32::consts::TAU).sin()).collect();
/// let centroid = SpectralCentroid::new(CentroidConfig::default())?.process(&tone)?;
/// assert_eq!(centroid.len(), 44);
/// assert!((centroid[20] - 1_000.0).abs() < 10.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SpectralCentroid(pub(crate) Measured<Centroid>);

#[derive(Debug, Clone)]
pub(crate) struct Centroid(Frequencies);

impl Measure for Centroid {
    fn of(&self, frame: &[f32]) -> f32 {
        self.0.mass_and_centroid(frame).1 as f32
    }
}

impl SpectralCentroid {
    /// Plans the transform.
    ///
    /// # Errors
    /// As [`Stft::new`](crate::Stft::new), and when `sample_rate` is zero.
    pub fn new(config: CentroidConfig) -> Result<Self, ConfigError> {
        let frequencies = Frequencies::new(config.sample_rate, &config.stft)?;
        Ok(Self(Measured::new(config.stft, Centroid(frequencies))?))
    }
}

impl_process!(
    SpectralCentroid,
    "One frequency a frame in Hz, from 0 to half of the sample rate; 0 for silence."
);

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn of_four_samples() -> SpectralCentroid {
        let stft = StftConfig { n_fft: 4, hop_length: 2, ..Default::default() };
        SpectralCentroid::new(CentroidConfig { sample_rate: 400, stft }).unwrap()
    }

    #[test]
    fn the_centre_of_mass_lies_between_the_bins() {
        let magnitude = array![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 3.0, 0.0]];
        let got = of_four_samples().process_magnitude(magnitude.view()).unwrap();
        assert_eq!(got, array![100.0, 175.0, 0.0]);
    }

    #[test]
    fn matrices_that_cannot_work_are_refused() {
        let refusal = |matrix: ndarray::Array2<f32>| of_four_samples().process_magnitude(matrix.view()).err();
        let none = ndarray::Array2::zeros((2, 1));
        assert_eq!(refusal(none), Some(SignalError::Rows { expected: 3, given: 2 }));
        let none = ndarray::Array2::zeros((3, 0));
        assert_eq!(refusal(none), Some(SignalError::TooFewFrames { minimum: 1, given: 0 }));
        let negative = array![[1.0, 1.0], [1.0, -1.0], [1.0, f32::NAN]];
        assert_eq!(refusal(negative), Some(SignalError::Negative { index: 3, value: -1.0 }));
        let not_finite = array![[1.0, 1.0], [1.0, 1.0], [1.0, f32::NAN]];
        assert!(matches!(refusal(not_finite), Some(SignalError::NotFinite { index: 5, .. })));
    }

    #[test]
    fn a_sample_rate_of_zero_is_refused() {
        let config = CentroidConfig { sample_rate: 0, ..Default::default() };
        assert_eq!(SpectralCentroid::new(config).err(), Some(ConfigError::Zero { parameter: "sample_rate" }));
    }
}
