//! The parts of a timeline, and its settings.

use super::SILENCE_DB;
use super::recognition::Recognition;
use crate::setting::{Checked, Settings};
use serde::Serialize;

/// Settings of the analysis of a recording. Times are seconds of audio.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineConfig {
    /// Time from one window's end to the next one's, 0.05 to 60; 1 by default. A window is as long as the model's clips, or 3 s if the
    /// model accepts clips of any length.
    pub hop: f64,
    /// Frames below this level, in dB relative to full scale, are silence; finite, −50 by default ([`SILENCE_DB`]). If the loudest frame so
    /// far is less than 30 dB above this level, the threshold is 30 dB below that frame instead, but at least −80 dB (or this level, if it
    /// is lower). A window is silent if less than 0.25 s of it reach the threshold.
    ///
    /// Segments also include the quieter frames of a quiet voice: those at most 28 dB below the loudest frames within five seconds, at −80
    /// dB or above, and above the recording's noise.
    pub silence_db: f32,
    /// Smoothing of segments in seconds, 0 to 30; 1 by default. At each time the probabilities are averaged over this time before and after.
    /// 0 turns smoothing off. On joined recordings of validation actors, 0 to 2.5 s gave nearly the same share of correct time; 1 s found
    /// boundaries better than 0.
    pub smoothing: f64,
    /// Whether windows that have sound but no speech (music, tones, noise) are left out: those for which the
    /// [`SpeechDetector`](super::SpeechDetector) returns a probability below 0.15. `true` by default. Turn it off for models of other
    /// sounds.
    pub detect_speech: bool,
}

impl Default for TimelineConfig {
    fn default() -> Self {
        Self { hop: 1.0, silence_db: SILENCE_DB, smoothing: 1.0, detect_speech: true }
    }
}

impl TimelineConfig {
    pub(crate) fn check(&self) -> Checked {
        let Self { hop, smoothing, silence_db, .. } = *self;
        let of = Settings("timeline");
        of.require((0.05..=60.0).contains(&hop), "hop", "0.05 to 60 s", hop)?;
        of.require((0.0..=30.0).contains(&smoothing), "smoothing", "0 to 30 s", smoothing)?;
        of.require(silence_db.is_finite(), "silence_db", "finite", silence_db)
    }
}

/// A window of a recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimelineWindow {
    /// Start, in seconds from the recording's start.
    pub start: f64,
    /// End, in seconds from the recording's start.
    pub end: f64,
    /// Seconds of sound in it that are not silent, if it holds speech; 0 if it holds none. The only window of a short recording counts with
    /// its whole length.
    pub speech: f64,
    /// The recognised mood of the speech; `None` if there is none.
    pub recognition: Option<Recognition>,
}

/// A stretch of a recording with one mood, or without speech. Boundaries are multiples of 0.25 s. Pauses of up to 0.5 s belong to the
/// speech around them. A mood of less than 1 s is given to the longer neighbour with speech; its answer does not count there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Segment {
    /// Start, in seconds from the recording's start.
    pub start: f64,
    /// End, in seconds from the recording's start; the next segment starts there.
    pub end: f64,
    /// The mean of the recognised moods in the segment; `None` without speech.
    pub recognition: Option<Recognition>,
}
