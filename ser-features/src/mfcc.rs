//! Mel-frequency cepstral coefficients.

use std::f64::consts::PI;

use ndarray::{Array2, ArrayView2};

use crate::check::{check_finite_matrix, check_magnitudes};
use crate::decibel::{DecibelConfig, to_decibels};
use crate::error::{ConfigError, SignalError};
use crate::matrix::fill_columns;
use crate::mel::{MelConfig, MelSpectrogram};
use crate::projection::Projection;
use crate::spectrogram::Frames;

/// Settings of cepstral coefficients. The default is librosa's, with [`Precision::Single`](crate::Precision::Single).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct MfccConfig {
    /// The mel spectrogram underneath.
    pub mel: MelConfig,
    /// Its logarithm; by default 0 dB is a power of 1 and everything lies within 80 dB of the file's loudest value.
    pub decibel: DecibelConfig,
    /// Coefficients to keep, 1..=`n_mels`; the product of both is at most 4,194,304.
    pub n_mfcc: usize,
    /// Liftering, finite and 0 or more: coefficient `n` (from 1) is multiplied with `1 + lifter / 2 · sin(π · n / lifter)`; 0 leaves it.
    pub lifter: f64,
}

impl Default for MfccConfig {
    fn default() -> Self {
        Self { mel: MelConfig::default(), decibel: DecibelConfig::default(), n_mfcc: 20, lifter: 0.0 }
    }
}

impl MfccConfig {
    /// `n_mfcc` coefficients of a mel spectrogram, and the default for the rest.
    ///
    /// ```
    /// use ser_features::{MelConfig, Mfcc, MfccConfig};
    ///
    /// let mut mfcc = Mfcc::new(MfccConfig::new(13, MelConfig::new(16_000, 40, 400, 160)))?;
    /// assert_eq!(mfcc.process(&[0.1; 16_000])?.dim(), (13, 101));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(n_mfcc: usize, mel: MelConfig) -> Self {
        Self { mel, n_mfcc, ..Default::default() }
    }

    /// The defaults of torchaudio's `MFCC`: 40 coefficients of [`MelConfig::torchaudio`].
    pub fn torchaudio() -> Self {
        Self { mel: MelConfig::torchaudio(), n_mfcc: 40, ..Default::default() }
    }
}

/// The steps from mel powers to coefficients: decibels and the orthonormal discrete cosine transform (DCT-II),
/// `c[k] = √(2/N) · Σ x[n] · cos(π · k · (2n + 1) / 2N)`, with `c[0]` divided by √2.
#[derive(Debug, Clone)]
pub(crate) struct Cepstrum {
    decibel: DecibelConfig,
    dct: Projection,
    decibels: Vec<f32>,
    row: Vec<f32>,
    block: Vec<f32>,
}

impl Cepstrum {
    pub(crate) fn new(config: &MfccConfig) -> Result<Self, ConfigError> {
        Self::of_bands(config, config.mel.n_mels)
    }

    /// Of this many bands, whatever the configuration says.
    fn of_bands(config: &MfccConfig, n_mels: usize) -> Result<Self, ConfigError> {
        let MfccConfig { n_mfcc, lifter, .. } = *config;
        config.decibel.check()?;
        ConfigError::refuse_zero("n_mfcc", n_mfcc)?;
        if n_mfcc > n_mels {
            let limit_name = "n_mels";
            return Err(ConfigError::TooMany {
                parameter: "n_mfcc",
                value: n_mfcc,
                limit_name,
                limit: n_mels,
            });
        }
        ConfigError::bound_cosines("n_mfcc", n_mfcc, n_mels)?;
        let steps = PI * n_mfcc as f64 / lifter;
        ConfigError::require(
            lifter == 0.0 || lifter > 0.0 && lifter.is_finite() && steps.is_finite(),
            "lifter",
            "0, or more and finite, and not so small that π · n_mfcc / lifter is infinite",
            lifter,
        )?;

        let dct = Projection::new(n_mfcc, n_mels, |k, n| {
            let scale = if k == 0 { 1.0 } else { 2.0 } / n_mels as f64;
            let lift =
                if lifter > 0.0 { 1.0 + lifter / 2.0 * (PI * (k + 1) as f64 / lifter).sin() } else { 1.0 };
            let angle = PI * (k * (2 * n + 1)) as f64 / (2 * n_mels) as f64;
            (scale.sqrt() * angle.cos() * lift) as f32
        });
        Ok(Self {
            decibel: config.decibel.clone(),
            dct,
            decibels: Vec::new(),
            row: vec![0.0; n_mfcc],
            block: Vec::new(),
        })
    }

    /// Coefficients `[n_mfcc, frames]` from the mel powers of a whole file.
    pub(crate) fn process_into(&mut self, mel: &Frames, out: &mut Array2<f32>) {
        self.decibels.clear();
        self.decibels.extend_from_slice(mel.values());
        to_decibels(&mut self.decibels, &self.decibel);
        self.transform(mel.width(), out);
    }

    /// Coefficients of frames of `width` decibels, which lie one after the other.
    fn transform(&mut self, width: usize, out: &mut Array2<f32>) {
        let Self { dct, decibels, block, .. } = self;
        fill_columns(out, (dct.outputs(), decibels.len() / width), block, |t, frame| {
            dct.apply(&decibels[t * width..][..width], frame);
        });
    }

    /// Coefficients of one frame's mel powers, where the decibels' settings don't need the other frames.
    pub(crate) fn frame(&mut self, mel: &[f32]) -> &[f32] {
        self.decibels.clear();
        self.decibels.extend_from_slice(mel);
        to_decibels(&mut self.decibels, &self.decibel);
        self.dct.apply(&self.decibels, &mut self.row);
        &self.row
    }
}

/// Plan of mel-frequency cepstral coefficients, as `librosa.feature.mfcc` (Davis and Mermelstein, *Comparison of parametric representations
/// for monosyllabic word recognition in continuously spoken sentences*, 1980): the orthonormal discrete cosine transform (DCT-II) of the
/// mel spectrogram `x[n]` in decibels, `c[k] = √(2/N) · Σ x[n] · cos(π · k · (2n + 1) / 2N)` over `N` bands, with `c[0]` divided by √2.
///
/// ```
/// use ser_features::{Mfcc, MfccConfig};
///
/// let mut mfcc = Mfcc::new(MfccConfig { n_mfcc: 13, ..Default::default() })?;
/// assert_eq!(mfcc.process(&[0.1; 22_050])?.dim(), (13, 44));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Mfcc {
    mel: MelSpectrogram,
    cepstrum: Cepstrum,
    frames: Frames,
}

impl Mfcc {
    /// Plans transform, filters and cosines.
    ///
    /// # Errors
    /// As [`MelSpectrogram::new`]. Also when `n_mfcc` is zero, exceeds `n_mels`, or `n_mfcc · n_mels` exceeds 4,194,304, when `lifter` is
    /// negative or gives no finite weights, or when the decibels' settings break a rule of [`power_to_db`](crate::power_to_db).
    pub fn new(config: MfccConfig) -> Result<Self, ConfigError> {
        let cepstrum = Cepstrum::new(&config)?;
        Ok(Self { mel: MelSpectrogram::new(config.mel)?, cepstrum, frames: Frames::default() })
    }

    /// Plans coefficients with custom filters `[bands, n_fft / 2 + 1]` instead of mel bands: see [`MelSpectrogram::with_filters`].
    ///
    /// # Errors
    /// As [`MelSpectrogram::with_filters`]. Also when `n_mfcc` is zero, exceeds the number of filters, or its product with that number
    /// exceeds 4,194,304, when `lifter` is negative or gives no finite weights, or when the decibels' settings break a rule of
    /// [`power_to_db`](crate::power_to_db).
    pub fn with_filters(config: MfccConfig, filters: ArrayView2<'_, f32>) -> Result<Self, ConfigError> {
        let cepstrum = Cepstrum::of_bands(&config, filters.nrows())?;
        Ok(Self {
            mel: MelSpectrogram::with_filters(config.mel, filters)?,
            cepstrum,
            frames: Frames::default(),
        })
    }

    /// Computes a matrix `[n_mfcc, frames]`; row `k` has coefficient `k`, from 0.
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
        self.cepstrum.process_into(&self.frames, out);
        Ok(())
    }

    /// As [`process`](Self::process), of a given mel spectrogram in powers, `[n_mels, frames]`. With [`with_filters`](Self::with_filters),
    /// it has a row for each filter.
    ///
    /// # Errors
    /// When the matrix has another number of rows or no frame, or a value is negative, NaN or infinite.
    pub fn process_mel(&mut self, mel: ArrayView2<'_, f32>) -> Result<Array2<f32>, SignalError> {
        check_magnitudes(mel, self.mel.n_mels())?;
        let mut out = Array2::default((0, 0));
        self.frames.clear(mel.nrows());
        self.frames.extend(mel.t().iter().copied());
        self.cepstrum.process_into(&self.frames, &mut out);
        Ok(out)
    }

    /// As [`process`](Self::process), of a given logarithmic mel spectrogram `[n_mels, frames]`: librosa's `mfcc(S=…)`. `decibel` is not
    /// applied.
    ///
    /// # Errors
    /// When the matrix has another number of rows or no frame, or a value is NaN or infinite.
    pub fn process_log_mel(&mut self, log_mel: ArrayView2<'_, f32>) -> Result<Array2<f32>, SignalError> {
        check_finite_matrix(log_mel, self.mel.n_mels())?;
        let mut out = Array2::default((0, 0));
        self.cepstrum.decibels.clear();
        self.cepstrum.decibels.extend(log_mel.t().iter());
        self.cepstrum.transform(log_mel.nrows(), &mut out);
        Ok(out)
    }

    pub(crate) fn n_mfcc(&self) -> usize {
        self.cepstrum.row.len()
    }

    /// The first frame of a stream's samples.
    pub(crate) fn frame(&mut self, samples: &[f32]) -> &[f32] {
        self.cepstrum.frame(self.mel.frame(samples, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_has_only_a_level() {
        let got = Mfcc::new(MfccConfig::default()).unwrap().process(&[0.0; 4096]).unwrap();
        // Every band lies at amin, −100 dB: the mean of 128 of them times √128.
        assert!(got.row(0).iter().all(|x| (x + 100.0 * 128.0_f32.sqrt()).abs() < 1e-2));
        assert!(got.rows().into_iter().skip(1).all(|row| row.iter().all(|x| x.abs() < 1e-2)));
    }

    #[test]
    fn every_entry_gives_the_same_coefficients() {
        let samples: Vec<f32> = (0..9_000).map(|n| (n as f32 * 0.07 + (n * n) as f32 * 1e-5).sin()).collect();
        let config = MfccConfig::default();
        let mut mfcc = Mfcc::new(config.clone()).unwrap();
        let want = mfcc.process(&samples).unwrap();
        let mut mel = MelSpectrogram::new(config.mel.clone()).unwrap().process(&samples).unwrap();
        assert_eq!(mfcc.process_mel(mel.view()).unwrap(), want);
        crate::power_to_db(&mut mel, &config.decibel).unwrap();
        assert_eq!(mfcc.process_log_mel(mel.view()).unwrap(), want);
        let filters = crate::mel_filter_bank(&config.mel).unwrap();
        assert_eq!(Mfcc::with_filters(config, filters.view()).unwrap().process(&samples).unwrap(), want);
        mel[[3, 4]] = f32::NAN;
        let error = mfcc.process_log_mel(mel.view()).unwrap_err();
        assert!(matches!(error, SignalError::NotFinite { index, .. } if index == 3 * mel.ncols() + 4));
    }

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let refusal = |config| Mfcc::new(config).err().unwrap().to_string();
        let base = MfccConfig::default();
        assert_eq!(
            refusal(MfccConfig { n_mfcc: 0, ..base.clone() }),
            "config: n_mfcc must be 1 or more, got 0"
        );
        assert_eq!(
            refusal(MfccConfig { n_mfcc: 129, ..base.clone() }),
            "config: n_mfcc must be at most n_mels, 128, got 129"
        );
        assert_eq!(
            refusal(MfccConfig { lifter: -2.0, ..base.clone() }),
            "config: lifter must be 0, or more and finite, and not so small that π · n_mfcc / lifter is infinite, got -2"
        );
        // The sine of infinity is no number.
        for lifter in [1e-310, f64::INFINITY, f64::NAN] {
            assert!(refusal(MfccConfig { lifter, ..base.clone() }).starts_with("config: lifter must be"));
        }
        assert!(Mfcc::new(MfccConfig { lifter: 1e-300, ..base }).is_ok());
    }
}
