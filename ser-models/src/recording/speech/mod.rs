//! Whether sound is speech, before anybody asks for its mood.

mod cues;
mod detector;
mod stream;

pub use cues::{CUES, SpeechCues};
pub use detector::{NotSpeech, SpeechDetector};
pub(crate) use stream::SpeechStream;
