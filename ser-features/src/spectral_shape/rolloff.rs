//! Spectral roll-off.

use ndarray::{Array1, ArrayView2};

use super::{Frequencies, Measure, Measured, impl_process};
use crate::error::{ConfigError, SignalError};
use crate::stft::StftConfig;

/// Settings of the spectral roll-off. The default is librosa's, with [`Precision::Single`](crate::Precision::Single).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct RolloffConfig {
    /// Sample rate of the signal in Hz, at least 1.
    pub sample_rate: u32,
    /// The transform underneath.
    pub stft: StftConfig,
    /// Part of the magnitudes' sum, above 0 and below 1, that lies at or below the roll-off. Near 0 it gives the lowest frequency in
    /// use, near 1 the highest.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub roll_percent: f32,
}

impl Default for RolloffConfig {
    fn default() -> Self {
        Self { sample_rate: 22_050, stft: StftConfig::default(), roll_percent: 0.85 }
    }
}

/// Plan of the spectral roll-off, as `librosa.feature.spectral_rolloff`: the lowest bin up to which a frame's magnitudes add up to
/// `roll_percent` of their sum.
///
/// ```
/// use ser_features::{RolloffConfig, SpectralRolloff};
///
/// let tone: Vec<f32> = (0..22_050).map(|n| (n as f32 * 1_000.0 / 22_050.0 * std::f32::consts::TAU).sin()).collect();
/// let rolloff = SpectralRolloff::new(RolloffConfig::default())?.process(&tone)?;
/// assert_eq!(rolloff.len(), 44);
/// assert!((rolloff[20] - 1_000.0).abs() < 15.0); // within a bin of 10.8 Hz or two
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SpectralRolloff(pub(crate) Measured<Rolloff>);

#[derive(Debug, Clone)]
pub(crate) struct Rolloff {
    frequencies: Frequencies,
    part: f32,
}

impl Measure for Rolloff {
    fn of(&self, frame: &[f32]) -> f32 {
        // In f32 from the lowest bin up, as in librosa, so that both cross the threshold at the same bin.
        let threshold = self.part * frame.iter().fold(0.0, |sum, x| sum + x);
        let mut sum = 0.0;
        let reached = |&x: &f32| {
            sum += x;
            sum >= threshold
        };
        self.frequencies.hz(frame.iter().position(reached).unwrap_or(0)) as f32
    }
}

impl SpectralRolloff {
    /// Plans the transform.
    ///
    /// # Errors
    /// As [`Stft::new`](crate::Stft::new), and when `sample_rate` is zero or `roll_percent` lies outside its range.
    pub fn new(config: RolloffConfig) -> Result<Self, ConfigError> {
        let RolloffConfig { sample_rate, roll_percent: part, .. } = config;
        let frequencies = Frequencies::new(sample_rate, &config.stft)?;
        let rule = "above 0 and below 1";
        ConfigError::require(part > 0.0 && part < 1.0, "roll_percent", rule, part.into())?;
        Ok(Self(Measured::new(config.stft, Rolloff { frequencies, part })?))
    }
}

impl_process!(SpectralRolloff, "One frequency a frame in Hz, that of a bin; 0 for silence.");

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn rolloff(roll_percent: f32) -> Vec<f32> {
        let stft = StftConfig { n_fft: 6, hop_length: 2, ..Default::default() };
        let config = RolloffConfig { sample_rate: 600, stft, roll_percent };
        let magnitude = array![[1.0, 0.0], [0.0, 0.0], [2.0, 0.0], [1.0, 0.0]];
        SpectralRolloff::new(config).unwrap().process_magnitude(magnitude.view()).unwrap().to_vec()
    }

    #[test]
    fn the_first_bin_that_reaches_the_part_counts() {
        assert_eq!(rolloff(0.25), [0.0, 0.0]);
        assert_eq!(rolloff(0.26), [200.0, 0.0]);
        assert_eq!(rolloff(0.75), [200.0, 0.0]);
        assert_eq!(rolloff(0.99), [300.0, 0.0]);
    }

    #[test]
    fn parts_that_cannot_work_are_refused() {
        for roll_percent in [0.0, 1.0, f32::NAN] {
            let config = RolloffConfig { roll_percent, ..Default::default() };
            let error = SpectralRolloff::new(config).err().unwrap().to_string();
            assert!(error.starts_with("config: roll_percent must be above 0 and below 1"), "{error}");
        }
    }
}
