//! Mel spectrogram.

mod bank;
mod config;

use ndarray::{Array2, ArrayView2};

pub(crate) use bank::MelFilterBank;
pub use bank::mel_filter_bank;
pub use config::{MelConfig, MelNorm, MelScale};

use crate::check::check_magnitudes;
use crate::error::{ConfigError, SignalError};
use crate::matrix::fill_columns;
use crate::spectrogram::{Frames, Spectrogram};

/// Plan of a mel spectrogram, as `librosa.feature.melspectrogram`.
///
/// ```
/// use ser_features::{MelConfig, MelSpectrogram};
///
/// let mut mel = MelSpectrogram::new(MelConfig { n_mels: 64, ..Default::default() })?;
/// assert_eq!(mel.process(&[0.1; 22_050])?.dim(), (64, 44));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MelSpectrogram {
    spectrogram: Spectrogram,
    bank: MelFilterBank,
    row: Vec<f32>,
    block: Vec<f32>,
}

impl MelSpectrogram {
    /// Plans transform and filters.
    ///
    /// # Errors
    /// As [`mel_filter_bank`].
    pub fn new(config: MelConfig) -> Result<Self, ConfigError> {
        let bank = MelFilterBank::new(&config)?;
        Self::with_bank(config, bank)
    }

    /// Plans the transform with custom filters `[bands, n_fft / 2 + 1]` instead of those of the configuration. Of the configuration, only
    /// `stft` and `spectrum` are used.
    ///
    /// # Errors
    /// When [`Stft::new`](crate::Stft::new) refuses `stft`, there is no filter, filters do not have `n_fft / 2 + 1` weights, or a weight is
    /// not within ±1e6.
    pub fn with_filters(config: MelConfig, filters: ArrayView2<'_, f32>) -> Result<Self, ConfigError> {
        config.stft.check()?;
        let bank = MelFilterBank::from_dense(filters, config.stft.n_bins())?;
        Self::with_bank(config, bank)
    }

    fn with_bank(config: MelConfig, bank: MelFilterBank) -> Result<Self, ConfigError> {
        let spectrogram = Spectrogram::new(config.stft, config.spectrum)?;
        Ok(Self { spectrogram, row: vec![0.0; bank.n_bands()], bank, block: Vec::new() })
    }

    /// Computes a matrix `[n_mels, frames]`; with [`with_filters`](Self::with_filters), `[filters, frames]`. Each value is the sum of a
    /// frame's powers or magnitudes times the weights of a filter. Values are at least 0, unless a custom filter has negative weights.
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
        let shape = (self.row.len(), self.spectrogram.check(samples)?);
        let Self { spectrogram, bank, block, .. } = self;
        fill_columns(out, shape, block, |t, frame| bank.apply(spectrogram.frame(samples, t), frame));
        Ok(())
    }

    /// As [`process`](Self::process), of a given spectrogram `[n_fft / 2 + 1, frames]`, whose values are at least 0: powers, magnitudes or
    /// others. They are used as they are, whatever the configuration's `spectrum`.
    ///
    /// # Errors
    /// When the matrix has another number of rows or no frame, or a value is negative, NaN or infinite.
    pub fn process_spectrogram(
        &mut self,
        spectrogram: ArrayView2<'_, f32>,
    ) -> Result<Array2<f32>, SignalError> {
        check_magnitudes(spectrogram, self.spectrogram.config().n_bins())?;
        let (mut out, mut column) = (Array2::default((0, 0)), Vec::new());
        let Self { bank, block, row, .. } = self;
        fill_columns(&mut out, (row.len(), spectrogram.ncols()), block, |t, frame| {
            column.clear();
            column.extend(spectrogram.column(t));
            bank.apply(&column, frame);
        });
        Ok(out)
    }

    pub(crate) fn n_mels(&self) -> usize {
        self.row.len()
    }

    /// All frames of a checked signal.
    pub(crate) fn frames_into(&mut self, samples: &[f32], n_frames: usize, out: &mut Frames) {
        out.clear(self.n_mels());
        for t in 0..n_frames {
            out.push(self.frame(samples, t));
        }
    }

    pub(crate) fn check(&self, samples: &[f32]) -> Result<usize, SignalError> {
        self.spectrogram.check(samples)
    }

    /// Bands of one frame of a checked signal.
    pub(crate) fn frame(&mut self, samples: &[f32], t: usize) -> &[f32] {
        self.bank.apply(self.spectrogram.frame(samples, t), &mut self.row);
        &self.row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectrogram::Spectrum;

    fn refusal(config: MelConfig) -> String {
        MelSpectrogram::new(config).err().unwrap().to_string()
    }

    #[test]
    fn own_filters_give_what_the_same_filters_give() {
        let config = MelConfig { n_mels: 30, ..Default::default() };
        let samples: Vec<f32> = (0..5_000).map(|n| (n as f32 * 0.1 + (n * n) as f32 * 1e-4).sin()).collect();
        let want = MelSpectrogram::new(config.clone()).unwrap().process(&samples).unwrap();
        let filters = mel_filter_bank(&config).unwrap();
        let mut own = MelSpectrogram::with_filters(config.clone(), filters.view()).unwrap();
        assert_eq!(own.process(&samples).unwrap(), want);
        let power = Spectrogram::new(config.stft, Spectrum::Power).unwrap().process(&samples).unwrap();
        assert_eq!(own.process_spectrogram(power.view()).unwrap(), want);
        let wrong = Array2::zeros((1024, 1));
        assert_eq!(
            own.process_spectrogram(wrong.view()).err(),
            Some(SignalError::Rows { expected: 1025, given: 1024 })
        );
    }

    #[test]
    fn filters_that_cannot_work_are_refused() {
        let refusal = |filters: Array2<f32>| {
            MelSpectrogram::with_filters(MelConfig::default(), filters.view()).err().unwrap().to_string()
        };
        assert_eq!(
            refusal(Array2::zeros((0, 1025))),
            "config: the number of filters must be 1 or more, got 0"
        );
        let rule = "config: the number of columns of filters must be n_fft / 2 + 1, got 1024";
        assert_eq!(refusal(Array2::zeros((3, 1024))), rule);
        let rule = "config: every weight of filters must be within ±1e6, got NaN";
        assert_eq!(refusal(Array2::from_elem((3, 1025), f32::NAN)), rule);
    }

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let base = MelConfig::default();
        assert_eq!(
            refusal(MelConfig { n_mels: 0, ..base.clone() }),
            "config: n_mels must be 1 or more, got 0"
        );
        for n_mels in [1 << 20, usize::MAX] {
            let error = refusal(MelConfig { n_mels, ..base.clone() });
            assert!(error.starts_with("config: n_mels must be so small that"), "{error}");
        }
        assert_eq!(
            refusal(MelConfig { sample_rate: 0, ..base.clone() }),
            "config: sample_rate must be 1 or more, got 0"
        );
        assert_eq!(
            refusal(MelConfig { fmax: Some(12_000.0), ..base.clone() }),
            "config: fmax must be at most half of the sample rate, 11025 Hz, got 12000 Hz"
        );
        assert_eq!(
            refusal(MelConfig { fmin: 500.0, fmax: Some(500.0), ..base.clone() }),
            "config: fmin must be below fmax, 500 Hz, got 500 Hz"
        );
        assert_eq!(
            refusal(MelConfig { fmin: -1.0, ..base.clone() }),
            "config: fmin must be 0 or more, got -1"
        );
        assert!(MelSpectrogram::new(MelConfig { fmin: f64::NAN, ..base.clone() }).is_err());
        assert!(MelSpectrogram::new(MelConfig { fmax: Some(f64::NAN), ..base }).is_err());
    }
}
