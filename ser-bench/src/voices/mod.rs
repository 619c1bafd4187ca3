//! The bundled model `voices`: heads on what Whisper's encoder heard of several corpora, and how they are measured.

mod clips;
mod head;
mod moods;

pub use clips::VoiceClips;
pub use head::{answer, train_head};
pub use moods::{MoodReadout, in_weighted_moods, tells_moods_apart};
