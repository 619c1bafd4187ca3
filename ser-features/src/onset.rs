//! Onset strength: how much a sound's spectrum rises.

use ndarray::{Array1, Array2, ArrayView2};

use crate::check::check_finite_matrix;
use crate::error::{ConfigError, SignalError};
use crate::log_mel::{LogMel, LogMelConfig};
use crate::matrix::resize;
use crate::pcen::largest_around;

/// Settings of onset strength. The default is librosa's, with [`Precision::Single`](crate::Precision::Single).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct OnsetConfig {
    /// The logarithmic mel spectrogram whose increases are averaged over the bands.
    pub log_mel: LogMelConfig,
    /// Distance in frames between the values compared, at least 1; 1 compares neighbours.
    pub lag: usize,
    /// Width in bands of the maximum filter on the earlier frame, at least 1. More than 1 suppresses vibrato.
    pub max_size: usize,
    /// Whether a high-pass filter, `y[t] = x[t] − x[t − 1] + 0.99 · y[t − 1]`, removes slow changes. Strength may then be negative.
    pub detrend: bool,
    /// Whether strength is delayed by half a transform, `n_fft / 2 / hop_length` frames rounded down, as in librosa. It is independent of
    /// the transform's own `center`.
    pub center: bool,
}

impl Default for OnsetConfig {
    fn default() -> Self {
        Self { log_mel: LogMelConfig::default(), lag: 1, max_size: 1, detrend: false, center: true }
    }
}

/// Plan of onset strength, as `librosa.onset.onset_strength`: the mean over all bands of how much each rises within `lag` frames, where a
/// fall counts as 0, in the unit of the logarithm (dB by default). The first `lag` frames, and those that `center` shifts by, are 0 (Böck
/// and Widmer, *Maximum filter vibrato suppression for onset detection*, 2013).
///
/// ```
/// use ser_features::{OnsetConfig, OnsetStrength};
///
/// let mut sound = vec![0.0_f32; 22_050];
/// sound[11_025..].iter_mut().enumerate().for_each(|(n, x)| *x = (0.1 * n as f32).sin());
/// let strength = OnsetStrength::new(OnsetConfig::default())?.process(&sound)?;
/// let loudest = (0..strength.len()).max_by(|&a, &b| strength[a].total_cmp(&strength[b]));
/// assert!((21..24).contains(&loudest.unwrap())); // sample 11,025 lies in frame 21.5
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct OnsetStrength {
    log_mel: LogMel,
    lag: usize,
    max_size: usize,
    detrend: bool,
    /// Frames that strength is shifted by.
    shift: usize,
    matrix: Array2<f32>,
}

impl OnsetStrength {
    /// Plans the mel spectrogram.
    ///
    /// # Errors
    /// As [`LogMel::new`], and when `lag` or `max_size` is zero.
    pub fn new(config: OnsetConfig) -> Result<Self, ConfigError> {
        ConfigError::refuse_zero("lag", config.lag)?;
        ConfigError::refuse_zero("max_size", config.max_size)?;
        let stft = config.log_mel.mel.stft.clone();
        Ok(Self {
            log_mel: LogMel::new(config.log_mel)?,
            lag: config.lag,
            max_size: config.max_size,
            detrend: config.detrend,
            shift: if config.center { stft.n_fft / 2 / stft.hop_length } else { 0 },
            matrix: Array2::default((0, 0)),
        })
    }

    /// One strength a frame, at least 0 without `detrend`.
    ///
    /// # Errors
    /// As [`Stft::process`](crate::Stft::process).
    pub fn process(&mut self, samples: &[f32]) -> Result<Array1<f32>, SignalError> {
        let mut out = Array1::default(0);
        self.process_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`process`](Self::process), into an array that is resized as needed and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was.
    pub fn process_into(&mut self, samples: &[f32], out: &mut Array1<f32>) -> Result<(), SignalError> {
        let mut matrix = std::mem::take(&mut self.matrix);
        let done = self.log_mel.process_into(samples, &mut matrix);
        if done.is_ok() {
            self.strength(matrix.view(), out);
        }
        self.matrix = matrix;
        done
    }

    /// As [`process`](Self::process), of a given logarithmic spectrogram `[n_mels, frames]`: librosa's `onset_strength(S=…)`.
    ///
    /// # Errors
    /// When the matrix has another number of rows or no frame, or a value is NaN or infinite.
    pub fn process_log_mel(&mut self, log_mel: ArrayView2<'_, f32>) -> Result<Array1<f32>, SignalError> {
        check_finite_matrix(log_mel, self.log_mel.n_mels())?;
        let mut out = Array1::default(0);
        self.strength(log_mel, &mut out);
        Ok(out)
    }

    fn strength(&self, log_mel: ArrayView2<'_, f32>, out: &mut Array1<f32>) {
        let (n_mels, n_frames) = log_mel.dim();
        resize(out, n_frames);
        out.fill(0.0);
        let delay = self.lag.saturating_add(self.shift);
        for t in delay..n_frames {
            let (now, before) = (log_mel.column(t - self.shift), log_mel.column(t - delay));
            let rise = |band| (now[band] - largest_around(before, band, self.max_size)).max(0.0);
            out[t] = (0..n_mels).map(rise).sum::<f32>() / n_mels as f32;
        }
        if self.detrend {
            let (mut last, mut filtered) = (0.0_f64, 0.0_f64);
            for x in out {
                filtered = f64::from(*x) - last + 0.99 * filtered;
                last = f64::from(*x);
                *x = filtered as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_shorter_than_the_lag_has_no_onset() {
        let mut plan = OnsetStrength::new(OnsetConfig { lag: 7, ..Default::default() }).unwrap();
        assert_eq!(plan.process(&[0.3; 1_000]).unwrap(), Array1::zeros(2));
        let error = OnsetStrength::new(OnsetConfig { lag: 0, ..Default::default() }).err().unwrap();
        assert_eq!(error.to_string(), "config: lag must be 1 or more, got 0");
    }
}
