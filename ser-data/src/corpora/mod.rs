//! Labelled speech as people have it: corpora by their published names, folders of classes, and tables.

mod clip;
mod clips;
mod detect;
mod find;
mod folders;
mod format;
mod manifest;
mod names;
mod ravdess;

pub use clip::{BadFile, Clip};
pub use clips::{Clips, ClipsOptions, DatasetError, FoundCorpus, Source};
pub use find::find_audio;
pub use format::{CorpusFormat, Named};
pub use manifest::{BadRow, Manifest, ManifestError, ManifestRow};
pub use names::NameError;
pub use ravdess::{Intensity, Modality, RavdessName, Sex, Statement, VocalChannel};
