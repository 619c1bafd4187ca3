//! Logarithmic mel spectrogram.

use ndarray::{Array2, ArrayView2};

use crate::check::check_magnitudes;
use crate::decibel::LogScale;
use crate::error::{ConfigError, SignalError};
use crate::mel::{MelConfig, MelSpectrogram};
use crate::spectrogram::Frames;

/// Settings of a logarithmic mel spectrogram. The default is librosa's `power_to_db(melspectrogram(…))`, with
/// [`Precision::Single`](crate::Precision::Single).
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct LogMelConfig {
    /// Settings of the mel spectrogram.
    pub mel: MelConfig,
    /// Logarithm that is taken of the mel spectrogram.
    pub log: LogScale,
}

/// Plan of a logarithmic mel spectrogram, the input of most neural networks for audio.
///
/// ```
/// use ser_features::{LogMel, LogMelConfig, LogScale, MelConfig};
///
/// let mel = MelConfig { n_mels: 64, ..Default::default() };
/// let mut log_mel = LogMel::new(LogMelConfig { mel, log: LogScale::Ln { floor: 1e-10 } })?;
/// let silence = log_mel.process(&[0.0; 22_050])?;
/// assert_eq!(silence.dim(), (64, 44));
/// assert!((silence[[0, 0]] - 1e-10_f32.ln()).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogMel {
    mel: MelSpectrogram,
    log: LogScale,
    frames: Frames,
    block: Vec<f32>,
}

impl LogMel {
    /// Plans transform and filters.
    ///
    /// # Errors
    /// As [`MelSpectrogram::new`], when the decibels' settings break a rule of [`power_to_db`](crate::power_to_db), or the floor is not
    /// above 0 and finite.
    pub fn new(config: LogMelConfig) -> Result<Self, ConfigError> {
        config.log.check()?;
        Ok(Self::of(MelSpectrogram::new(config.mel)?, config.log))
    }

    /// Plans a logarithmic spectrogram with custom filters `[bands, n_fft / 2 + 1]`: see [`MelSpectrogram::with_filters`].
    ///
    /// # Errors
    /// As [`MelSpectrogram::with_filters`]. Also when the decibels' settings break a rule of [`power_to_db`](crate::power_to_db), or the
    /// floor is not above 0 and finite.
    pub fn with_filters(config: LogMelConfig, filters: ArrayView2<'_, f32>) -> Result<Self, ConfigError> {
        config.log.check()?;
        Ok(Self::of(MelSpectrogram::with_filters(config.mel, filters)?, config.log))
    }

    fn of(mel: MelSpectrogram, log: LogScale) -> Self {
        Self { mel, log, frames: Frames::default(), block: Vec::new() }
    }

    /// Computes a matrix `[n_mels, frames]`, in dB with [`LogScale::Decibel`], otherwise logarithms of the mel spectrogram. With
    /// [`with_filters`](Self::with_filters), it has a row for each filter.
    ///
    /// # Errors
    /// As [`Stft::process`](crate::Stft::process).
    pub fn process(&mut self, samples: &[f32]) -> Result<Array2<f32>, SignalError> {
        let mut out = Array2::default((0, 0));
        self.process_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`process`](Self::process), into a matrix that is reshaped as needed and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was.
    pub fn process_into(&mut self, samples: &[f32], out: &mut Array2<f32>) -> Result<(), SignalError> {
        let n_frames = self.mel.check(samples)?;
        self.mel.frames_into(samples, n_frames, &mut self.frames);
        self.finish(out);
        Ok(())
    }

    /// As [`process`](Self::process), of a given mel spectrogram `[n_mels, frames]`, whose logarithm is not yet taken.
    ///
    /// # Errors
    /// When the matrix has another number of rows or no frame, or a value is negative, NaN or infinite.
    pub fn process_mel(&mut self, mel: ArrayView2<'_, f32>) -> Result<Array2<f32>, SignalError> {
        check_magnitudes(mel, self.mel.n_mels())?;
        let mut out = Array2::default((0, 0));
        self.frames.clear(mel.nrows());
        self.frames.extend(mel.t().iter().copied());
        self.finish(&mut out);
        Ok(out)
    }

    /// The logarithm of all frames.
    fn finish(&mut self, out: &mut Array2<f32>) {
        self.log.apply(self.frames.values_mut());
        self.frames.write_into(&mut self.block, out);
    }

    pub(crate) fn n_mels(&self) -> usize {
        self.mel.n_mels()
    }

    /// The first frame of a stream's samples.
    pub(crate) fn frame(&mut self, samples: &[f32]) -> &[f32] {
        self.frames.clear(self.mel.n_mels());
        self.frames.push(self.mel.frame(samples, 0));
        self.log.apply(self.frames.values_mut());
        self.frames.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decibel::{DecibelConfig, power_to_db};

    #[test]
    fn the_default_is_the_mel_spectrogram_in_decibels() {
        let samples: Vec<f32> = (0..9_000).map(|n| (n as f32 * 0.07 + (n * n) as f32 * 1e-5).sin()).collect();
        let mut plan = LogMel::new(LogMelConfig::default()).unwrap();
        let mut mel = MelSpectrogram::new(MelConfig::default()).unwrap().process(&samples).unwrap();
        let got = plan.process(&samples).unwrap();
        assert_eq!(plan.process_mel(mel.view()).unwrap(), got);
        power_to_db(&mut mel, &DecibelConfig::default()).unwrap();
        assert_eq!(got, mel);
        let filters = crate::mel_filter_bank(&MelConfig::default()).unwrap();
        let mut own = LogMel::with_filters(LogMelConfig::default(), filters.view()).unwrap();
        assert_eq!(own.process(&samples).unwrap(), got);
    }

    #[test]
    fn a_floor_must_be_above_zero() {
        let config = LogMelConfig { log: LogScale::Ln { floor: -1.0 }, ..Default::default() };
        let error = LogMel::new(config).err().unwrap().to_string();
        assert_eq!(error, "config: floor must be above 0 and finite, got -1");
    }
}
