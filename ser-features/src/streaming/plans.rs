//! Which plans can stream, and with which settings.

use num_complex::Complex;

use super::{FrameByFrame, private::Sealed};
use crate::chroma::{Chroma, ChromaConfig};
use crate::contrast::{ContrastConfig, SpectralContrast};
use crate::error::ConfigError;
use crate::log_mel::{LogMel, LogMelConfig};
use crate::mel::{MelConfig, MelSpectrogram};
use crate::mfcc::{Mfcc, MfccConfig};
use crate::spectral_shape::{
    BandwidthConfig, CentroidConfig, FlatnessConfig, RolloffConfig, SpectralBandwidth, SpectralCentroid,
    SpectralFlatness, SpectralRolloff,
};
use crate::stft::{Stft, StftConfig};

impl Sealed for Stft {}
impl FrameByFrame for Stft {
    type Config = StftConfig;
    type Value = Complex<f32>;

    fn plan(config: StftConfig) -> Result<Self, ConfigError> {
        Self::new(config)
    }

    fn stft(config: &mut StftConfig) -> &mut StftConfig {
        config
    }

    fn rows(&self) -> usize {
        self.config().n_bins()
    }

    fn frame(&mut self, samples: &[f32]) -> &[Complex<f32>] {
        self.frame(samples, 0)
    }
}

impl Sealed for MelSpectrogram {}
impl FrameByFrame for MelSpectrogram {
    type Config = MelConfig;
    type Value = f32;

    fn plan(config: MelConfig) -> Result<Self, ConfigError> {
        Self::new(config)
    }

    fn stft(config: &mut MelConfig) -> &mut StftConfig {
        &mut config.stft
    }

    fn rows(&self) -> usize {
        self.n_mels()
    }

    fn frame(&mut self, samples: &[f32]) -> &[f32] {
        self.frame(samples, 0)
    }
}

impl Sealed for LogMel {}
impl FrameByFrame for LogMel {
    type Config = LogMelConfig;
    type Value = f32;

    fn plan(config: LogMelConfig) -> Result<Self, ConfigError> {
        config.log.check_stream()?;
        Self::new(config)
    }

    fn stft(config: &mut LogMelConfig) -> &mut StftConfig {
        &mut config.mel.stft
    }

    fn rows(&self) -> usize {
        self.n_mels()
    }

    fn frame(&mut self, samples: &[f32]) -> &[f32] {
        self.frame(samples)
    }
}

impl Sealed for Mfcc {}
impl FrameByFrame for Mfcc {
    type Config = MfccConfig;
    type Value = f32;

    fn plan(config: MfccConfig) -> Result<Self, ConfigError> {
        config.decibel.check_stream()?;
        Self::new(config)
    }

    fn stft(config: &mut MfccConfig) -> &mut StftConfig {
        &mut config.mel.stft
    }

    fn rows(&self) -> usize {
        self.n_mfcc()
    }

    fn frame(&mut self, samples: &[f32]) -> &[f32] {
        self.frame(samples)
    }
}

impl Sealed for Chroma {}
impl FrameByFrame for Chroma {
    type Config = ChromaConfig;
    type Value = f32;

    fn plan(config: ChromaConfig) -> Result<Self, ConfigError> {
        if config.tuning.is_none() {
            return Err(ConfigError::NeedsWholeSignal { parameter: "tuning", rule: "given" });
        }
        Self::new(config)
    }

    fn stft(config: &mut ChromaConfig) -> &mut StftConfig {
        &mut config.stft
    }

    fn rows(&self) -> usize {
        self.n_chroma()
    }

    fn frame(&mut self, samples: &[f32]) -> &[f32] {
        self.frame(samples)
    }
}

impl Sealed for SpectralContrast {}
impl FrameByFrame for SpectralContrast {
    type Config = ContrastConfig;
    type Value = f32;

    fn plan(config: ContrastConfig) -> Result<Self, ConfigError> {
        if !config.linear && config.top_db.is_some() {
            return Err(ConfigError::NeedsWholeSignal { parameter: "top_db", rule: "None" });
        }
        Self::new(config)
    }

    fn stft(config: &mut ContrastConfig) -> &mut StftConfig {
        &mut config.stft
    }

    fn rows(&self) -> usize {
        self.n_rows()
    }

    fn frame(&mut self, samples: &[f32]) -> &[f32] {
        self.frame(samples)
    }
}

/// Plans with one value a frame, whatever their settings.
macro_rules! one_value_a_frame {
    ($($plan:ty, $config:ty;)*) => {$(
        impl Sealed for $plan {}
        impl FrameByFrame for $plan {
            type Config = $config;
            type Value = f32;

            fn plan(config: $config) -> Result<Self, ConfigError> {
                Self::new(config)
            }

            fn stft(config: &mut $config) -> &mut StftConfig {
                &mut config.stft
            }

            fn rows(&self) -> usize {
                1
            }

            fn frame(&mut self, samples: &[f32]) -> &[f32] {
                self.0.frame(samples)
            }
        }
    )*};
}

one_value_a_frame! {
    SpectralCentroid, CentroidConfig;
    SpectralBandwidth, BandwidthConfig;
    SpectralRolloff, RolloffConfig;
    SpectralFlatness, FlatnessConfig;
}
