//! Audio files, RAVDESS labels, splits and cached features.
#![forbid(unsafe_code)]

mod audio;
mod file;
mod ravdess;

pub use audio::{Audio, AudioError, AudioErrorKind};
pub use file::AudioFile;
pub use ravdess::{
    BadFile, Clip, ClipName, DatasetError, Emotion, Intensity, LabelError, MOODS, Modality, NameError,
    Ravdess, RavdessOptions, Sex, Statement, VocalChannel, groups_of_identical, mood_of,
};
