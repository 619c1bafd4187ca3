#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod decibel;
mod error;
mod features;
mod istft;
mod matrix;
mod prepare;
mod resample;
mod rms;
mod signal;
mod stft;
mod trim;
mod window;

pub use decibel::{DecibelConfig, Reference, amplitude_to_db, power_to_db};
pub use error::{ConfigError, SignalError};
pub use features::{Feature, FeatureConfig, Features};
pub use istft::Istft;
pub use prepare::{Preparation, PreparationConfig};
pub use resample::{Resampler, SAMPLE_RATES};
pub use rms::{Rms, RmsConfig};
pub use signal::{MIN_SPEECH_PEAK, MIN_SPEECH_SECONDS, check_speech, fix_length, normalize, to_mono};
pub use stft::{Stft, StftConfig};
pub use trim::{Trim, TrimConfig};
pub use window::Window;
