//! Settings of mel bands and mel spectrograms.

use crate::error::ConfigError;
use crate::pad::PadMode;
use crate::spectrogram::Spectrum;
use crate::stft::{Precision, StftConfig};

/// Scale from frequencies to mels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum MelScale {
    /// Slaney's Auditory Toolbox (1998), librosa's default: `3 f / 200` below 1,000 Hz, above it `15 + 27 · ln(f / 1000) / ln 6.4`.
    #[default]
    Slaney,
    /// The Hidden Markov Model Toolkit: `2595 · log10(1 + f / 700)`.
    Htk,
}

impl MelScale {
    /// Converts a frequency in Hz, at least 0, to mels.
    pub fn to_mel(self, hz: f64) -> f64 {
        match self {
            Self::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
            Self::Slaney if hz < 1000.0 => hz * 3.0 / 200.0,
            Self::Slaney => 15.0 + (hz / 1000.0).ln() * 27.0 / 6.4_f64.ln(),
        }
    }

    /// Converts mels, at least 0, to a frequency in Hz.
    pub fn to_hz(self, mel: f64) -> f64 {
        match self {
            Self::Htk => 700.0 * (10.0_f64.powf(mel / 2595.0) - 1.0),
            Self::Slaney if mel < 15.0 => mel * 200.0 / 3.0,
            Self::Slaney => 1000.0 * ((mel - 15.0) * 6.4_f64.ln() / 27.0).exp(),
        }
    }
}

/// Height of the mel filters' triangles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum MelNorm {
    /// Each triangle has the area 1: it is `2 / (upper edge − lower edge)` high, with edges in Hz. White noise then has about the same
    /// value in each band. librosa's default.
    #[default]
    Slaney,
    /// Each triangle is 1 high.
    None,
}

/// Settings of a mel spectrogram. The default is librosa's, with [`Precision::Single`](crate::Precision::Single).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct MelConfig {
    /// Sample rate of the signal in Hz, at least 1.
    pub sample_rate: u32,
    /// The transform underneath.
    pub stft: StftConfig,
    /// Whether filters are applied to powers or to magnitudes.
    pub spectrum: Spectrum,
    /// Number of bands, at least 1, at most 33,554,432 divided by the bins of the transform. A band that is so narrow that no bin lies
    /// within it is empty (always 0). This concerns the lowest bands first.
    pub n_mels: usize,
    /// Lower edge of the first band in Hz, at least 0.
    pub fmin: f64,
    /// Upper edge of the last band in Hz, above `fmin`, at most half of the sample rate. `None` means half of the sample rate.
    pub fmax: Option<f64>,
    /// Spacing of the bands.
    pub scale: MelScale,
    /// Height of the filters.
    pub norm: MelNorm,
}

impl Default for MelConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            stft: StftConfig::default(),
            spectrum: Spectrum::Power,
            n_mels: 128,
            fmin: 0.0,
            fmax: None,
            scale: MelScale::Slaney,
            norm: MelNorm::Slaney,
        }
    }
}

impl MelConfig {
    /// Configures a sample rate in Hz, `n_mels` bands, and transforms of `n_fft` samples every `hop_length`, with the default for the rest.
    ///
    /// ```
    /// use ser_features::{MelConfig, MelSpectrogram};
    ///
    /// let mut mel = MelSpectrogram::new(MelConfig::new(16_000, 80, 400, 160))?;
    /// assert_eq!(mel.process(&[0.1; 16_000])?.dim(), (80, 101));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(sample_rate: u32, n_mels: usize, n_fft: usize, hop_length: usize) -> Self {
        Self { sample_rate, n_mels, stft: StftConfig::new(n_fft, hop_length), ..Default::default() }
    }

    /// Returns the defaults of torchaudio's `MelSpectrogram`: 16 kHz, transforms of 400 samples every 200, reflected ends, and 128 bands of
    /// height 1 on HTK's scale. The precision is [`Precision::Double`](crate::Precision::Double): results differ from those of torchaudio
    /// in `f64` by at most 0.0011 dB. With [`Precision::Single`](crate::Precision::Single), bands 80 dB below the loudest differ by up to
    /// 0.003 dB.
    pub fn torchaudio() -> Self {
        let (n_fft, hop_length, pad_mode) = (400, 200, PadMode::Reflect);
        let precision = Precision::Double;
        let stft = StftConfig { n_fft, hop_length, pad_mode, precision, ..Default::default() };
        Self { sample_rate: 16_000, stft, scale: MelScale::Htk, norm: MelNorm::None, ..Default::default() }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.stft.check()?;
        ConfigError::refuse_zero("sample_rate", self.sample_rate as usize)?;
        ConfigError::refuse_zero("n_mels", self.n_mels)?;
        ConfigError::bound_table("n_mels", self.n_mels, self.stft.n_bins())?;
        let nyquist = f64::from(self.sample_rate) / 2.0;
        let (fmin, fmax) = (self.fmin, self.fmax.unwrap_or(nyquist));
        ConfigError::require(fmin >= 0.0, "fmin", "0 or more", fmin)?;
        if fmax > nyquist {
            return Err(ConfigError::AboveNyquist { parameter: "fmax", frequency: fmax, nyquist });
        }
        // The comparison's negation also refuses NaN.
        if fmin < fmax { Ok(()) } else { Err(ConfigError::EmptyRange { fmin, fmax }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_meet_their_definitions() {
        assert_eq!(MelScale::Slaney.to_mel(1000.0), 15.0);
        assert!((MelScale::Slaney.to_mel(6400.0) - 42.0).abs() < 1e-9);
        assert!((MelScale::Htk.to_mel(700.0) - 2595.0 * 2.0_f64.log10()).abs() < 1e-9);
        for scale in [MelScale::Slaney, MelScale::Htk] {
            for hz in [0.0, 55.0, 999.0, 1001.0, 8000.0] {
                assert!((scale.to_hz(scale.to_mel(hz)) - hz).abs() < 1e-8);
            }
        }
    }
}
