//! Audio files, RAVDESS labels, splits and cached features.
#![forbid(unsafe_code)]

mod audio;

pub use audio::{Audio, AudioError, AudioErrorKind};
