//! Reads labelled speech: published corpora by their file names, folders of classes, and tables.

mod clip;
mod clips;
mod detect;
mod error;
mod find;
mod folders;
mod format;
mod manifest;
mod named;
mod names;
mod ravdess;
mod warning;

pub use clip::{BadFile, Clip};
pub use clips::{Clips, ClipsOptions, FoundCorpus, Source};
pub use error::SourceError;
pub use find::{FoundAudio, find_audio};
pub use format::CorpusFormat;
pub use manifest::{BadRow, Manifest, ManifestError, ManifestRow};
pub use named::{NameError, Named};
pub use ravdess::{Intensity, Modality, RavdessName, Sex, Statement, VocalChannel};
pub use warning::SourceWarning;
