//! The moods of a recording over time.

use super::parts::{Segment, TimelineConfig, TimelineWindow};
use super::recognition::Recognition;
use super::segments::segments;
use crate::setting::SettingError;
use serde::Serialize;

/// The recognised moods of a recording, from its start to its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// The recording's length in seconds.
    pub seconds: f64,
    /// The mood of the whole recording: the mean of the windows' probabilities, weighted by the seconds of speech in each.
    pub overall: Recognition,
    /// The windows, in order. They overlap if [`TimelineConfig::hop`](crate::TimelineConfig::hop) is shorter than a window.
    pub windows: Vec<TimelineWindow>,
    /// The segments, in order. They cover the recording without a gap.
    pub segments: Vec<Segment>,
    #[serde(skip)]
    config: TimelineConfig,
    /// The level of each frame in dB, and the seconds between two frames.
    #[serde(skip)]
    levels: Vec<f32>,
    #[serde(skip)]
    frame_seconds: f64,
    #[serde(skip)]
    confidence: f64,
}

impl Timeline {
    /// Makes a timeline of windows and of the levels of frames that are `frame_seconds` apart. Returns `None` if no window has speech.
    /// `confidence` is the smallest probability of a confident answer.
    pub(crate) fn new(
        config: TimelineConfig,
        windows: Vec<TimelineWindow>,
        levels: Vec<f32>,
        frame_seconds: f64,
        seconds: f64,
        confidence: f64,
    ) -> Option<Self> {
        let spoken = windows.iter().filter_map(|window| Some((window.speech, window.recognition.as_ref()?)));
        let overall = Recognition::mean(spoken, confidence)?;
        let segments = segments(&config, &windows, &levels, frame_seconds, seconds, confidence);
        Some(Self { seconds, overall, windows, segments, config, levels, frame_seconds, confidence })
    }

    /// Smooths the segments again, over another time before and after, 0 to 30 s, as [`TimelineConfig::smoothing`] does. The windows stay
    /// the same, and the model does not run again.
    ///
    /// # Errors
    /// If the time is out of range.
    pub fn smoothed(mut self, seconds: f64) -> Result<Self, SettingError> {
        self.config.smoothing = seconds;
        self.config.check()?;
        self.segments = segments(
            &self.config,
            &self.windows,
            &self.levels,
            self.frame_seconds,
            self.seconds,
            self.confidence,
        );
        Ok(self)
    }

    /// The mood of the last `seconds` seconds of speech: the mean of the last windows with speech, as many as are needed, weighted by the
    /// speech in each. Windows overlap, so each counts for at most one [`TimelineConfig::hop`](crate::TimelineConfig::hop) of new speech. 0
    /// or less gives the last window with speech; more than the recording holds gives all.
    pub fn at_end(&self, seconds: f64) -> Recognition {
        let (mut speech, mut last) = (0.0, Vec::new());
        for window in self.windows.iter().rev() {
            let Some(recognition) = &window.recognition else { continue };
            // Because windows overlap, each adds at most one hop of new speech.
            speech += window.speech.min(self.config.hop);
            last.push((window.speech, recognition));
            if speech >= seconds {
                break;
            }
        }
        last.reverse();
        Recognition::mean(last, self.confidence).unwrap_or_else(|| self.overall.clone())
    }
}
