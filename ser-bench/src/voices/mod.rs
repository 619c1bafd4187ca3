//! The bundled model `voices`: heads on what Whisper's encoder heard of several corpora, and how they are measured.

mod bench;
mod clips;
mod head;
mod moods;
mod profiles;
mod rows;
mod tables;

pub use bench::{HeadsOfFold, VoiceBench, together};
pub use clips::VoiceClips;
pub use head::{answer, train_head};
pub use moods::{MoodReadout, in_weighted_moods, tells_moods_apart};
pub use profiles::ProfileScore;
pub use rows::VoiceRows;
pub use tables::{CORPORA, FOLDS, all_of, corpus_rows, fold_row, fold_rows, mean_of, recalls};
