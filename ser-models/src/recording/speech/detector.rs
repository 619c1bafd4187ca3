//! Speech detection.

use super::cues::{CUES, CueFrames, SpeechCues};
use ser_features::SignalError;
use std::fmt;

/// The kind of sound that is not speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotSpeech {
    /// The pitch of at least half of the sounding frames stays where it is: tones, chords, music.
    Tones,
    /// Any other sound: noise, wind, clicks.
    Noise,
}

impl fmt::Display for NotSpeech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tones => "of tones or music",
            Self::Noise => "of noise",
        })
    }
}

/// Estimates the probability that a sound is speech.
///
/// A logistic regression on [`SpeechCues`], which `fit_speech_detector` of `ser-bench` fits to recorded voices, clean and in noise,
/// and to generated music, tones, noise and clicks. Recognisers leave out windows with a probability below 0.15, a threshold that favours
/// speech.
#[derive(Debug)]
pub struct SpeechDetector {
    pub(super) cues: SpeechCues,
}

impl SpeechDetector {
    /// Plans the transforms for audio at `sample_rate` Hz, within [`SAMPLE_RATES`](ser_features::SAMPLE_RATES).
    ///
    /// # Errors
    /// [`SignalError::SampleRate`] for any other rate.
    pub fn new(sample_rate: u32) -> Result<Self, SignalError> {
        Ok(Self { cues: SpeechCues::new(sample_rate)? })
    }

    /// Returns the probability that samples, mono at the detector's rate and 0.25 s or more, are speech.
    ///
    /// # Errors
    /// If the samples are empty, not finite, or shorter than [`MIN_SPEECH_SECONDS`](ser_features::MIN_SPEECH_SECONDS).
    pub fn probability(&mut self, samples: &[f32]) -> Result<f32, SignalError> {
        Ok(probability(&self.cues.of(samples)?))
    }

    /// Returns the kind of sound if it is not speech, or `None` if it is.
    pub(crate) fn refuse(&mut self, samples: &[f32]) -> Result<Option<NotSpeech>, SignalError> {
        Ok(verdict(&self.cues.of(samples)?))
    }

    /// Like [`SpeechDetector::refuse`], for one or more frames.
    pub(super) fn judge(frames: CueFrames) -> Option<NotSpeech> {
        verdict(&frames.cues())
    }
}

fn verdict(cues: &[f32; CUES]) -> Option<NotSpeech> {
    // Half of the frames with sound have a nearly constant pitch.
    let like = if cues[0] >= 0.5 { NotSpeech::Tones } else { NotSpeech::Noise };
    (probability(cues) < THRESHOLD).then_some(like)
}

/// Sound with a lower probability is rejected.
const THRESHOLD: f32 = 0.15;

/// The regression: an intercept, and for each cue its weight and the weight of its square.
const INTERCEPT: f32 = -1.343;
const WEIGHTS: [(f32, f32); CUES] = [
    (-1.8639, 1.0984),
    (3.7113, -2.0899),
    (0.2699, 0.0595),
    (0.1926, 0.0475),
    (2.0925, -1.0771),
    (1.6172, 0.0662),
    (1.1349, -0.8652),
    (-1.9135, -1.6577),
];
/// Means and standard deviations by which the cues are standardised. Standardised cues are clamped to ±3.
const SCALES: [(f32, f32); CUES] = [
    (0.3999, 0.3078),
    (0.3503, 0.2753),
    (0.3310, 0.2776),
    (0.3912, 0.1846),
    (6.5798, 4.2142),
    (1.5865, 0.6848),
    (4.4197, 2.8772),
    (9.5235, 5.4532),
];

fn probability(cues: &[f32; CUES]) -> f32 {
    let terms = cues.iter().zip(SCALES).zip(WEIGHTS).map(|((cue, (mean, deviation)), (linear, square))| {
        let z = ((cue - mean) / deviation).clamp(-3.0, 3.0);
        linear * z + square * z * z
    });
    1.0 / (1.0 + (-INTERCEPT - terms.sum::<f32>()).exp())
}
