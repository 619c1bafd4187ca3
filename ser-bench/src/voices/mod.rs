//! The bundled model `voices`: heads on the outputs of Whisper's encoder for several corpora, and how they are measured.

mod bench;
mod cholesky;
mod clips;
mod discriminant;
mod head;
mod heads;
mod moods;
mod options;
mod profiles;
mod rows;
mod tables;

pub use bench::{HeadsOfFold, VoiceBench};
pub use clips::VoiceClips;
pub use discriminant::Discriminant;
pub use head::{answer, statistics_read, train_head};
pub use heads::Heads;
pub use moods::{MoodReadout, in_weighted_moods, tells_moods_apart};
pub use options::VoiceOptions;
pub use profiles::ProfileScore;
pub use rows::VoiceRows;
pub use tables::{CORPORA, FOLDS, all_of, corpus_rows, fold_row, fold_rows, recalls};
