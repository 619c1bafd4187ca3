//! Detection of speech, before mood recognition.

mod cues;
mod detector;
mod stream;

pub use cues::{CUES, SpeechCues};
pub use detector::{NotSpeech, SpeechDetector};
pub(crate) use stream::SpeechStream;
