//! The bundled model `voices`: heads on what Whisper's encoder heard of several corpora, and how they are measured.

mod clips;
mod head;
mod moods;
mod score;

pub use clips::VoiceClips;
pub use head::{answer, train_head};
pub use moods::{MoodReadout, in_weighted_moods, tells_moods_apart};
pub use score::{SCORE_HEADER, recalls, score_row, scores};
