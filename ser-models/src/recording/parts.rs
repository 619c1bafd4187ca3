//! The parts of a timeline, and its settings.

use super::SILENCE_DB;
use super::recognition::Recognition;
use serde::Serialize;

/// Settings of the analysis of a recording. Times are seconds of sound.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineConfig {
    /// Time from one window's end to the next one's, 0.05 to 60. A window is as long as the clips that the model takes, or 3 s if it takes
    /// clips of any length.
    pub hop: f64,
    /// Frames below this, in dB relative to full scale, are silence. Must be finite. Segments also include quieter frames if the loudest
    /// frames within five seconds are less than 28 dB above them, as in a quiet voice.
    pub silence_db: f32,
    /// Smoothing of segments in seconds, 0 to 30: at each time the probabilities are averaged over this time before and after. 0 turns
    /// smoothing off. On joined recordings of validation actors, 0 to 2.5 s gave nearly the same share of correct time; 1 s, the default,
    /// found boundaries better than 0.
    pub smoothing: f64,
    /// Whether windows that hold sound but no speech (music, tones, noise) are left out. Turn it off for models of other sounds.
    pub detect_speech: bool,
}

impl Default for TimelineConfig {
    fn default() -> Self {
        Self { hop: 1.0, silence_db: SILENCE_DB, smoothing: 1.0, detect_speech: true }
    }
}

/// A setting of [`TimelineConfig`] that is out of range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("timeline: {setting} must be {rule}, got {given}")]
pub struct TimelineError {
    /// The field.
    pub setting: &'static str,
    /// The rule.
    pub rule: &'static str,
    /// The value given.
    pub given: f64,
}

impl TimelineConfig {
    pub(crate) fn check(&self) -> Result<(), TimelineError> {
        let silence_db = f64::from(self.silence_db);
        for (setting, rule, given, holds) in [
            ("hop", "0.05 to 60 s", self.hop, (0.05..=60.0).contains(&self.hop)),
            ("smoothing", "0 to 30 s", self.smoothing, (0.0..=30.0).contains(&self.smoothing)),
            ("silence_db", "finite", silence_db, silence_db.is_finite()),
        ] {
            if !holds {
                return Err(TimelineError { setting, rule, given });
            }
        }
        Ok(())
    }
}

/// A window of a recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimelineWindow {
    /// Start, in seconds from the recording's start.
    pub start: f64,
    /// End, in seconds from the recording's start.
    pub end: f64,
    /// Seconds of speech in it; 0 where there is none.
    pub speech: f64,
    /// The recognised mood of the speech; `None` if there is none.
    pub heard: Option<Recognition>,
}

/// A stretch of a recording with one mood, or without speech.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Segment {
    /// Start, in seconds from the recording's start.
    pub start: f64,
    /// End, in seconds from the recording's start; the next segment starts there.
    pub end: f64,
    /// Its average recognition; `None` without speech.
    pub heard: Option<Recognition>,
}
