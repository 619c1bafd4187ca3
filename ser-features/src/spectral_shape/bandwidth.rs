//! Spectral bandwidth.

use ndarray::{Array1, ArrayView2};

use super::{Frequencies, Measure, Measured, impl_process};
use crate::error::{ConfigError, SignalError};
use crate::stft::StftConfig;

/// Settings of the spectral bandwidth. The default is librosa's, with [`Precision::Single`](crate::Precision::Single).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct BandwidthConfig {
    /// Sample rate of the signal in Hz, at least 1.
    pub sample_rate: u32,
    /// The transform underneath.
    pub stft: StftConfig,
    /// Power that deviations are raised to, at least 1 and finite. With 2, the bandwidth is a standard deviation.
    pub p: f64,
    /// Whether the sum of deviations is divided by the sum of the frame's magnitudes. Without it, a louder frame also has a larger
    /// bandwidth.
    pub norm: bool,
}

impl Default for BandwidthConfig {
    fn default() -> Self {
        Self { sample_rate: 22_050, stft: StftConfig::default(), p: 2.0, norm: true }
    }
}

/// Plan of the spectral bandwidth, as `librosa.feature.spectral_bandwidth`: how far a frame's magnitudes lie from their centroid `c`,
/// `(Σ S[k] · |f[k] − c|ᵖ / Σ S[k])^(1/p)` (Klapuri and Davy, *Signal Processing Methods for Music Transcription*, 2007).
///
/// ```
/// use ser_features::{BandwidthConfig, SpectralBandwidth};
///
/// let tone: Vec<f32> = (0..22_050).map(|n| (n as f32 * 1_000.0 / 22_050.0 * std::f32::consts::TAU).sin()).collect();
/// let bandwidth = SpectralBandwidth::new(BandwidthConfig::default())?.process(&tone)?;
/// assert_eq!(bandwidth.len(), 44);
/// assert!(bandwidth[20] < 200.0); // white noise has about 3,200 Hz
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SpectralBandwidth(pub(crate) Measured<Bandwidth>);

#[derive(Debug, Clone)]
pub(crate) struct Bandwidth {
    frequencies: Frequencies,
    p: f64,
    norm: bool,
}

impl Measure for Bandwidth {
    fn of(&self, frame: &[f32]) -> f32 {
        let (mass, centroid) = self.frequencies.mass_and_centroid(frame);
        let deviation = |bin: usize| (self.frequencies.hz(bin) - centroid).abs();
        let sum = |raised: &dyn Fn(f64) -> f64| -> f64 {
            let sum: f64 =
                frame.iter().enumerate().map(|(bin, &x)| f64::from(x) * raised(deviation(bin))).sum();
            if self.norm { sum / mass } else { sum }
        };
        let width = if self.p == 2.0 {
            sum(&|d| d * d).sqrt()
        } else {
            // In parts of the largest deviation, no power overflows and the largest one does not vanish.
            let bins = frame.iter().enumerate().filter(|(_, x)| **x > 0.0);
            let largest = bins.fold(0.0, |largest: f64, (bin, _)| largest.max(deviation(bin)));
            if largest == 0.0 {
                return 0.0;
            }
            sum(&|d| (d / largest).min(1.0).powf(self.p)).powf(self.p.recip()) * largest
        };
        width as f32
    }
}

impl SpectralBandwidth {
    /// Plans the transform.
    ///
    /// # Errors
    /// As [`Stft::new`](crate::Stft::new), and when `sample_rate` is zero or `p` below 1 or not finite.
    pub fn new(config: BandwidthConfig) -> Result<Self, ConfigError> {
        let BandwidthConfig { sample_rate, p, norm, .. } = config;
        let frequencies = Frequencies::new(sample_rate, &config.stft)?;
        ConfigError::require(p >= 1.0 && p.is_finite(), "p", "finite and 1 or more", p)?;
        let bandwidth = Bandwidth { frequencies, p, norm };
        Ok(Self(Measured::new(config.stft, bandwidth)?))
    }
}

impl_process!(SpectralBandwidth, "One width a frame in Hz, at least 0; 0 for silence.");

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn bandwidth(p: f64, norm: bool) -> f32 {
        let stft = StftConfig { n_fft: 4, hop_length: 2, ..Default::default() };
        let config = BandwidthConfig { sample_rate: 400, stft, p, norm };
        // Two equal masses at 0 and 200 Hz: both lie 100 Hz from their centre.
        let magnitude = array![[4.0], [0.0], [4.0]];
        SpectralBandwidth::new(config).unwrap().process_magnitude(magnitude.view()).unwrap()[0]
    }

    #[test]
    fn two_equal_masses_lie_as_far_from_their_centre_for_any_power() {
        for p in [1.0, 2.0, 3.5, 200.0, 1e30, 1e300] {
            assert!((bandwidth(p, true) - 100.0).abs() < 1e-4, "{p}");
        }
        assert!((bandwidth(1.0, false) - 800.0).abs() < 1e-4);
    }

    #[test]
    fn a_large_power_gives_the_largest_deviation_of_a_bin_that_is_not_silent() {
        // 44,100 Hz over 49 samples: the highest bin lies above half of the sample rate by rounding.
        let stft = StftConfig { n_fft: 49, hop_length: 2, ..Default::default() };
        let config = BandwidthConfig { sample_rate: 44_100, stft, p: 1e300, norm: false };
        let mut bandwidth = SpectralBandwidth::new(config).unwrap();
        let mut magnitude = ndarray::Array2::zeros((25, 2));
        (magnitude[[0, 0]], magnitude[[8, 0]]) = (3.0, 1.0);
        let got = bandwidth.process_magnitude(magnitude.view()).unwrap();
        assert_eq!(got, array![5_400.0, 0.0]);
    }

    #[test]
    fn powers_that_cannot_work_are_refused() {
        for p in [0.5, f64::NAN, f64::INFINITY] {
            let error = SpectralBandwidth::new(BandwidthConfig { p, ..Default::default() }).err().unwrap();
            assert!(error.to_string().starts_with("config: p must be finite and 1 or more"), "{error}");
        }
    }
}
