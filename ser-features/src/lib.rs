#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod chroma;
mod contrast;
mod cqt;
mod decibel;
mod delta;
mod error;
mod features;
mod hpss;
mod istft;
mod matrix;
mod median;
mod mel;
mod mfcc;
mod prepare;
mod projection;
mod resample;
mod rms;
mod signal;
mod spectrogram;
mod stft;
mod trim;
mod tuning;
mod window;

pub use chroma::{Chroma, ChromaConfig, chroma_filter_bank};
pub use contrast::{ContrastConfig, SpectralContrast};
pub use cqt::{Cqt, CqtConfig};
pub use decibel::{DecibelConfig, Reference, amplitude_to_db, power_to_db};
pub use delta::{Delta, DeltaConfig};
pub use error::{ConfigError, SignalError};
pub use features::{Feature, FeatureConfig, Features};
pub use hpss::{Bin, HarmonicPercussive, Hpss, HpssConfig};
pub use istft::Istft;
pub use mel::{MelConfig, MelNorm, MelScale, MelSpectrogram, mel_filter_bank};
pub use mfcc::{Mfcc, MfccConfig};
pub use prepare::{Preparation, PreparationConfig};
pub use resample::{Resampler, SAMPLE_RATES};
pub use rms::{Rms, RmsConfig};
pub use signal::{MIN_SPEECH_PEAK, MIN_SPEECH_SECONDS, check_speech, fix_length, normalize, to_mono};
pub use spectrogram::{Spectrogram, Spectrum};
pub use stft::{Stft, StftConfig};
pub use trim::{Trim, TrimConfig};
pub use tuning::{Pitches, Tuning, TuningConfig, pitch_tuning};
pub use window::Window;
