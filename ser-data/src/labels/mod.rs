//! Labels: words and codes of corpora, emotions, moods, and the classes of models.

mod emotion;
mod label_set;
mod map;

pub(crate) use emotion::field;
pub use emotion::{Emotion, LabelError};
pub use label_set::LabelSet;
pub use map::{LabelMap, LabelMapError};

/// The class labels of mood models: the four moods of Table 2 of *Speech Emotion Recognition with Music Recommendation* (the student report
/// that this project reimplements), in its order.
///
/// The table maps RAVDESS's emotions, "Mapping of RAVDESS original emotion labels into four mood categories used for music
/// recommendation", and [`LabelMap::bundled`] holds it:
///
/// | emotion | mood |
/// | --- | --- |
/// | neutral, calm | Calm |
/// | happy | Happy |
/// | sad, fearful | Sad |
/// | angry, disgust, surprised | Energetic |
///
/// Of RAVDESS's 1,440 clips that makes 288 Calm, 192 Happy, 384 Sad and 576 Energetic.
pub const MOODS: [&str; 4] = ["Calm", "Happy", "Sad", "Energetic"];
