//! What is heard of a recording, from its start to its end.

use super::parts::{Segment, TimelineConfig, TimelineWindow};
use super::recognition::Recognition;
use super::segments::segments;
use serde::Serialize;

/// What a recording sounds like, from its start to its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// The recording's length in seconds.
    pub seconds: f64,
    /// All of it together: the mean of the windows' probabilities, weighted by how much speech is in each.
    pub overall: Recognition,
    /// The windows, which overlap, in order.
    pub windows: Vec<TimelineWindow>,
    /// The stretches of one mood, which cover the recording without a gap, in order.
    pub segments: Vec<Segment>,
    /// Seconds from one window to the next.
    #[serde(skip)]
    hop: f64,
    #[serde(skip)]
    confidence: f64,
}

impl Timeline {
    /// Of windows, and of the levels of frames that are `frame_seconds` apart; `None` if no window holds speech. `confidence` is the
    /// least probability of an answer that counts as sure.
    pub(crate) fn new(
        config: &TimelineConfig,
        windows: Vec<TimelineWindow>,
        levels: &[f32],
        frame_seconds: f64,
        seconds: f64,
        confidence: f64,
    ) -> Option<Self> {
        let spoken = windows.iter().filter_map(|window| Some((window.speech, window.heard.as_ref()?)));
        let overall = Recognition::mean(spoken, confidence)?;
        let segments = segments(config, &windows, levels, frame_seconds, seconds, confidence);
        Some(Self { seconds, overall, windows, segments, hop: config.hop, confidence })
    }

    /// What the last `seconds` seconds of speech sound like: the mean of the last windows with speech that hold as much, weighted by how
    /// much speech is in each.
    pub fn at_end(&self, seconds: f64) -> Recognition {
        let (mut speech, mut last) = (0.0, Vec::new());
        for window in self.windows.iter().rev() {
            let Some(heard) = &window.heard else { continue };
            // Windows overlap: a new second of speech for each.
            speech += window.speech.min(self.hop);
            last.push((window.speech, heard));
            if speech >= seconds {
                break;
            }
        }
        last.reverse();
        Recognition::mean(last, self.confidence).unwrap_or_else(|| self.overall.clone())
    }
}
