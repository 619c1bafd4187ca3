//! RAVDESS: what its file names say, and where its clips are.

mod dataset;
mod identical;
mod label_set;
mod labels;
mod mood;
mod name;

pub use dataset::{BadFile, Clip, DatasetError, Ravdess, RavdessOptions};
pub use identical::groups_of_identical;
pub use label_set::LabelSet;
pub use labels::{Emotion, Intensity, LabelError, Modality, Sex, Statement, VocalChannel};
pub use mood::{MOODS, mood_of};
pub use name::{ClipName, NameError};
