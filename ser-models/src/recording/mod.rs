//! Levels, windows and segments of a recording of any length.

mod activity;
mod parts;
mod recognition;
mod segments;
mod speech;
mod timeline;
mod windows;

pub use activity::{Activity, LOWEST_DB, SILENCE_DB, is_silent};
pub use parts::{Segment, TimelineConfig, TimelineWindow};
pub use recognition::Recognition;
pub(crate) use speech::SpeechStream;
pub use speech::{CUES, NotSpeech, SpeechCues, SpeechDetector};
pub use timeline::Timeline;
pub(crate) use windows::{Window, Windows};
