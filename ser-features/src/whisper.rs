//! The front end of OpenAI's Whisper.

use ndarray::Array2;

use crate::decibel::LogScale;
use crate::error::{ConfigError, SignalError};
use crate::mel::{MelConfig, MelSpectrogram};
use crate::pad::PadMode;
use crate::spectrogram::Frames;
use crate::stft::StftConfig;

/// Settings of Whisper's input. The default is that of all models but `large-v3` and `turbo`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct WhisperConfig {
    /// Mel bands, 1..=166,937: 80, or 128 for `large-v3` and `turbo`.
    pub n_mels: usize,
}

impl Default for WhisperConfig {
    fn default() -> Self {
        Self { n_mels: 80 }
    }
}

/// Plan of Whisper's logarithmic mel spectrogram (Radford et al., *Robust Speech Recognition via Large-Scale Weak Supervision*, 2022), as
/// `WhisperFeatureExtractor` of transformers and `log_mel_spectrogram` of openai-whisper compute it.
///
/// The steps are: powers of frames of 25 ms every 10 ms at 16 kHz, with reflected ends and without the last frame; Slaney's mel bands;
/// `log10` with a floor of 1e-10; raising all values to at least the signal's largest minus 8; `(x + 4) / 4`. The results are at least −1.5
/// (silence), at most about 1.5 for samples within ±1, and at most 2 apart.
///
/// Whisper itself takes 30 seconds, padded with zeros. For the same values, pass samples of that length
/// ([`fix_length`](crate::fix_length) to 480,000). Signals of any other length are not padded or cut.
///
/// ```
/// use ser_features::{WhisperConfig, WhisperMel};
///
/// let mut whisper = WhisperMel::new(WhisperConfig::default())?;
/// let second = vec![0.1_f32; 16_000];
/// assert_eq!(whisper.process(&second)?.dim(), (80, 100));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct WhisperMel {
    mel: MelSpectrogram,
    frames: Frames,
    block: Vec<f32>,
}

const HOP_LENGTH: usize = 160;

impl WhisperMel {
    /// The sample rate of every signal, in Hz.
    pub const SAMPLE_RATE: u32 = 16_000;

    /// Plans transform and filters.
    ///
    /// # Errors
    /// When `n_mels` is zero or above 166,937.
    pub fn new(config: WhisperConfig) -> Result<Self, ConfigError> {
        let (n_fft, hop_length, pad_mode) = (400, HOP_LENGTH, PadMode::Reflect);
        let mel = MelSpectrogram::new(MelConfig {
            sample_rate: Self::SAMPLE_RATE,
            stft: StftConfig { n_fft, hop_length, pad_mode, ..Default::default() },
            n_mels: config.n_mels,
            ..Default::default()
        })?;
        Ok(Self { mel, frames: Frames::default(), block: Vec::new() })
    }

    /// A matrix `[n_mels, samples.len() / 160]` (rounded down) of samples at 16 kHz.
    ///
    /// # Errors
    /// When `samples` is empty, holds a value that is NaN, infinite or beyond ±1e12, or is shorter than 160 samples.
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
        let n_frames = self.mel.check(samples)? - 1;
        if n_frames == 0 {
            return Err(SignalError::TooShort { minimum: HOP_LENGTH, given: samples.len() });
        }
        self.mel.frames_into(samples, n_frames, &mut self.frames);
        let values = self.frames.values_mut();
        LogScale::Log10 { floor: 1e-10 }.apply(values);
        let floor = values.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)) - 8.0;
        values.iter_mut().for_each(|x| *x = (x.max(floor) + 4.0) / 4.0);
        self.frames.write_into(&mut self.block, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_lies_at_the_floor() {
        let mut whisper = WhisperMel::new(WhisperConfig { n_mels: 128 }).unwrap();
        let silence = whisper.process(&[0.0; 400]).unwrap();
        assert_eq!(silence.dim(), (128, 2));
        assert!(silence.iter().all(|x| (x + 1.5).abs() < 1e-6));
        assert_eq!(
            whisper.process(&[0.1; 159]).err(),
            Some(SignalError::TooShort { minimum: 160, given: 159 })
        );
    }
}
