//! The shared transform, and intermediate results that several features use.

use ndarray::{Array1, Array2};

use super::refusal;
use crate::error::{ConfigError, SignalError};
use crate::features::{Feature, FeatureConfig, Source};
use crate::matrix::resize;
use crate::mel::{MelConfig, MelFilterBank};
use crate::pyin::{PitchTrack, Pyin, PyinConfig};
use crate::spectrogram::{Frames, Spectrogram, Spectrum};
use crate::voice::{FormantConfig, FormantFrames, Formants, Periods, Quality};

pub(crate) fn mel_config(config: &FeatureConfig) -> MelConfig {
    MelConfig {
        sample_rate: config.sample_rate,
        stft: config.stft(),
        n_mels: config.n_mels,
        fmin: config.fmin,
        fmax: config.fmax,
        ..Default::default()
    }
}

/// The one transform, and what several features read of it. Only what a configured feature needs is kept.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) spectrogram: Spectrogram,
    pub(super) mel: Option<MelFilterBank>,
    pub(super) needs_magnitudes: bool,
    /// Whether the magnitudes of the last signal are kept for chroma.
    pub(super) keeps_magnitudes: bool,
    pub(super) has_chroma: bool,
    pub(super) row: Vec<f32>,
    pub(super) mel_row: Vec<f32>,
    pub(super) block: Vec<f32>,
    pub(super) mel_frames: Frames,
    pub(super) magnitudes: Frames,
    /// Frames that a plan works on.
    pub(super) scratch: Frames,
    pub(super) pitch: Option<(Pyin, PitchTrack)>,
    pub(super) periods: Option<Periods>,
    pub(super) quality: Quality,
    pub(super) formants: Option<(Formants, FormantFrames)>,
}

impl Shared {
    pub(super) fn new(config: &FeatureConfig) -> Result<Self, ConfigError> {
        let reads = |source| config.features.iter().any(|feature| feature.source() == source);
        let mel = reads(Source::Mel);
        let (sample_rate, frame_length, hop_length) = (config.sample_rate, config.n_fft, config.hop_length);
        let pyin = PyinConfig { sample_rate, frame_length, hop_length, ..Default::default() };
        let quality = reads(Source::Periods);
        let periods = quality.then(|| Periods::new(&pyin));
        let pitch = (quality || reads(Source::Pitch))
            .then(|| Pyin::new(pyin).map(|pyin| (pyin, PitchTrack::default())))
            .transpose()
            .map_err(|error| refusal::of_pitch(error, config))?;
        let formants = reads(Source::Formants).then(|| {
            ConfigError::require(
                sample_rate >= 1_000,
                "sample_rate",
                "1000 Hz or more, with formants",
                sample_rate.into(),
            )?;
            let formants = Formants::new(FormantConfig { sample_rate, hop_length, ..Default::default() })?;
            Ok::<_, ConfigError>((formants, FormantFrames::default()))
        });
        Ok(Self {
            spectrogram: Spectrogram::new(config.stft(), Spectrum::Magnitude)?,
            mel: mel.then(|| MelFilterBank::new(&mel_config(config))).transpose()?,
            needs_magnitudes: reads(Source::Magnitudes),
            keeps_magnitudes: false,
            has_chroma: config.features.contains(&Feature::Chroma),
            row: vec![0.0; config.stft().n_bins()],
            mel_row: vec![0.0; if mel { config.n_mels } else { 0 }],
            block: Vec::new(),
            mel_frames: Frames::default(),
            magnitudes: Frames::default(),
            scratch: Frames::default(),
            pitch,
            periods,
            quality: Quality::default(),
            formants: formants.transpose()?,
        })
    }

    pub(super) fn pitch_into(
        &self,
        out: &mut Array1<f32>,
        value: impl Fn(&PitchTrack, usize) -> f32,
    ) -> Result<(), SignalError> {
        if let Some((_, track)) = &self.pitch {
            resize(out, track.f0.len());
            out.iter_mut().enumerate().for_each(|(t, out)| *out = value(track, t));
        }
        Ok(())
    }

    pub(super) fn mel_matrix(&mut self, out: &mut Array2<f32>) {
        self.mel_frames.write_into(&mut self.block, out);
    }
}
