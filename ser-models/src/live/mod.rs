//! Live recognition of a speaker's moods over a sliding window.
//!
//! [`Listener`] takes samples in pieces of any size and gives a [`LiveReading`] every quarter of a second. The levels, and with them the
//! detection of silence, come from a streaming mel spectrogram ([`Activity`]). The recogniser analyses the whole window again for each
//! reading, because trimming, peak normalisation, tuning, `top_db` and the harmonic part depend on all of its samples. A reading therefore
//! equals [`Recognizer::recognize_window`] of the same samples. With the window of [`Recognizer::window_seconds`], an interval of one
//! second, and the first reading after a whole window, the readings equal the windows of [`Recognizer::timeline`] up to rounding for models
//! that read features. (A recording of up to 30 s whose sound fits into one window is a single window there.) For models that read an
//! encoder, which encodes long recordings only once, they are close.
//!
//! ```no_run
//! use ser_models::Recognizer;
//! use ser_models::live::{Listener, LiveConfig, LiveError};
//!
//! # let pieces: Vec<Vec<f32>> = Vec::new();
//! let recognizer = Recognizer::load("models/moods.safetensors")?;
//! let mut listener = Listener::new(recognizer, 22_050, LiveConfig::default())?;
//! for samples in pieces {
//!     listener.push(&samples, |reading| {
//!         let mood = reading.recognition.map_or("no speech".to_owned(), |mood| mood.label);
//!         println!("{:.2} s: {mood}", reading.seconds);
//!         Ok::<(), LiveError>(())
//!     })?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use crate::recording::{Activity, SILENCE_DB};

use crate::recognizer::{RecognizeError, Recognizer};
use crate::recording::{Recognition, SpeechDetector, SpeechStream, Windows};
use crate::setting::{Checked, SettingError, Settings};
use ser_features::{MIN_SPEECH_SECONDS, SignalError};

/// Settings of live recognition. Times are seconds of audio.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveConfig {
    /// Length of the window that a reading covers, 0.25 to 60; 3 by default.
    pub window: f64,
    /// Time from one reading to the next, 0.01 to 60; 0.25 by default.
    pub interval: f64,
    /// Time before the first reading, 0.25 to 60; 0.5 by default. It may be shorter than a window.
    pub first: f64,
    /// Frames below this level, in dB relative to full scale, are silence; finite, −50 by default ([`SILENCE_DB`]). If the loudest frame of
    /// the stream so far is less than 30 dB above this level, the threshold is 30 dB below that frame instead, but at least −80 dB (or this
    /// level, if it is lower). A window is silent if less than 0.25 s of it reach the threshold.
    pub silence_db: f32,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self { window: 3.0, interval: 0.25, first: 0.5, silence_db: SILENCE_DB }
    }
}

impl LiveConfig {
    fn check(&self) -> Checked {
        let Self { window, interval, first, silence_db } = *self;
        let of = Settings("live");
        let speech = MIN_SPEECH_SECONDS..=60.0;
        of.require(speech.contains(&window), "window", "0.25 to 60 s", window)?;
        of.require((0.01..=60.0).contains(&interval), "interval", "0.01 to 60 s", interval)?;
        of.require(speech.contains(&first), "first", "0.25 to 60 s", first)?;
        of.require(silence_db.is_finite(), "silence_db", "finite", silence_db)
    }
}

/// Errors of live recognition.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// A setting of [`LiveConfig`] is out of range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The sample rate is not supported, a sample is not finite, or the whole stream is too short for speech.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The recogniser failed.
    #[error(transparent)]
    Recognize(#[from] RecognizeError),
}

/// The result for one window of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveReading {
    /// The end of the window, in seconds of audio from the stream's start.
    pub seconds: f64,
    /// The loudest frame completed since the last reading, in dB relative to full scale; [`LOWEST_DB`](crate::recording::LOWEST_DB) if
    /// there was none.
    pub level_db: f32,
    /// Whether the window is silent.
    pub silent: bool,
    /// The recognised mood; `None` if the window has no speech.
    pub recognition: Option<Recognition>,
}

/// Recognises the moods of a stream of samples. Its memory does not grow with the stream. Of the recogniser's
/// [`TimelineConfig`](crate::TimelineConfig) only `detect_speech` is used; [`LiveConfig`] has the other settings.
#[derive(Debug)]
pub struct Listener {
    recognizer: Recognizer,
    windows: Windows,
    speech: Option<(SpeechDetector, SpeechStream)>,
    silence_db: f32,
    sample_rate: u32,
}

impl Listener {
    /// Starts the recognition of a stream at `sample_rate` Hz.
    ///
    /// # Errors
    /// [`LiveError::Signal`] if the rate is outside [`SAMPLE_RATES`](ser_features::SAMPLE_RATES), [`LiveError::Setting`] if a
    /// setting is out of range.
    pub fn new(recognizer: Recognizer, sample_rate: u32, config: LiveConfig) -> Result<Self, LiveError> {
        config.check()?;
        let windows = Windows::new(sample_rate, config.window, config.interval, config.first)?;
        let speech = match recognizer.config().detect_speech {
            true => Some((SpeechDetector::new(sample_rate)?, SpeechStream::new(sample_rate))),
            false => None,
        };
        Ok(Self { recognizer, windows, speech, silence_db: config.silence_db, sample_rate })
    }

    /// Processes the next samples, mono within ±1. Calls `on_reading` with each reading that they complete: one at the end of each
    /// interval.
    ///
    /// # Errors
    /// [`LiveError`] if a sample is not finite or the recogniser fails, or the error that `on_reading` returns. The rest of the samples is
    /// then not processed.
    pub fn push<E: From<LiveError>>(
        &mut self,
        mut samples: &[f32],
        mut on_reading: impl FnMut(LiveReading) -> Result<(), E>,
    ) -> Result<(), E> {
        while !samples.is_empty() {
            let rest = self.windows.take(samples, |_| {}).map_err(LiveError::from)?;
            if let Some((_, speech)) = &mut self.speech {
                speech.push(&samples[..samples.len() - rest.len()]);
            }
            samples = rest;
            if self.windows.is_due() {
                on_reading(self.read()?)?;
            }
        }
        Ok(())
    }

    /// Ends the stream. Returns a last reading if samples came after the previous one.
    ///
    /// # Errors
    /// If the whole stream is too short for speech, or the recogniser fails.
    pub fn finish(mut self) -> Result<Option<LiveReading>, LiveError> {
        let minimum = (MIN_SPEECH_SECONDS * f64::from(self.sample_rate)).ceil() as usize;
        let taken = self.windows.taken();
        if taken < minimum as u64 {
            return Err(SignalError::TooShort { minimum, given: taken as usize }.into());
        }
        if self.windows.has_rest() { self.read().map(Some) } else { Ok(None) }
    }

    fn read(&mut self) -> Result<LiveReading, LiveError> {
        let window = self.windows.window(self.silence_db);
        let silent = window.is_silent();
        let mut is_speech = !silent;
        if let Some((detector, speech)) = &mut self.speech {
            // In silence only complete parts are computed, so that each is computed once.
            speech.make(is_speech, |pieces| pieces.iter().map(|piece| piece.frames(detector)).collect())?;
            is_speech = is_speech && speech.refuse((window.start, window.end)).is_none();
            speech.forget_before(window.start);
        }
        let recognition = match is_speech {
            true => match self.recognizer.recognize_window(window.samples, self.sample_rate) {
                Ok(recognition) => Some(recognition),
                Err(RecognizeError::Signal(SignalError::Silent { .. })) => None,
                Err(error) => return Err(error.into()),
            },
            false => None,
        };
        Ok(LiveReading { seconds: window.end, level_db: window.level_db, silent, recognition })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::is_silent;

    const MODEL: &[u8] = include_bytes!("../../../models/moods.safetensors");

    /// The example clip: 16 bit, mono, 22,050 Hz, after a header of 44 bytes.
    fn sample() -> Vec<f32> {
        let wav = include_bytes!("../../../examples/assets/sample.wav");
        let (samples, _) = wav[44..].as_chunks();
        samples.iter().map(|&bytes| f32::from(i16::from_le_bytes(bytes)) / 32_768.0).collect()
    }

    fn readings(pieces: usize, samples: &[f32]) -> Vec<LiveReading> {
        let recognizer = Recognizer::from_bytes(MODEL).unwrap();
        let mut listener = Listener::new(recognizer, 22_050, LiveConfig::default()).unwrap();
        let mut readings = Vec::new();
        for piece in samples.chunks(pieces) {
            let keep = |reading| {
                readings.push(reading);
                Ok::<(), LiveError>(())
            };
            listener.push(piece, keep).unwrap();
        }
        readings.extend(listener.finish().unwrap());
        readings
    }

    #[test]
    fn a_reading_is_what_the_recogniser_says_of_the_window() {
        let samples = sample();
        let mut recognizer = Recognizer::from_bytes(MODEL).unwrap();
        let readings = readings(1_000, &samples);
        let seconds: Vec<f64> = readings.iter().map(|reading| (reading.seconds * 100.0).round()).collect();
        let expected: Vec<f64> = (2..=17).map(|n| f64::from(n) * 25.0).chain([431.0]).collect();
        assert_eq!(seconds, expected);
        for reading in &readings {
            let end = (reading.seconds * 22_050.0).round() as usize;
            let window = &samples[end.saturating_sub(66_150)..end];
            let Some(recognition) = &reading.recognition else {
                let refused = SpeechDetector::new(22_050).unwrap().refuse(window).unwrap();
                assert!(refused.is_some() || is_silent(window, 22_050, SILENCE_DB).unwrap(), "{reading:?}");
                continue;
            };
            assert_eq!(*recognition, recognizer.recognize_window(window, 22_050).unwrap());
        }
        assert!(readings.last().unwrap().recognition.is_some());
    }

    #[test]
    fn the_pieces_that_samples_come_in_change_nothing() {
        let samples = sample();
        let expected = readings(samples.len(), &samples);
        assert_eq!(readings(7, &samples), expected);
        assert_eq!(readings(5_512, &samples), expected);
    }

    #[test]
    fn silence_is_called_silence_and_speech_after_it_is_not() {
        let mut samples = vec![0.0; 22_050];
        samples.extend(sample());
        let speech = samples.len() as f64 / 22_050.0;
        samples.extend([1e-5; 5 * 22_050]);
        for reading in readings(4_096, &samples) {
            let silent = reading.seconds <= 1.0 || reading.seconds > speech + 3.0;
            assert!(!silent || reading.recognition.is_none(), "{reading:?}");
            let spoken = reading.seconds > 2.0 && reading.seconds < speech + 1.0;
            assert!(!spoken || reading.recognition.is_some(), "{reading:?}");
        }
    }

    #[test]
    fn short_streams_get_one_reading_and_shorter_ones_none() {
        let samples = sample();
        let short = readings(100, &samples[10_000..17_000]);
        assert_eq!(short.len(), 1);
        let recognizer = Recognizer::from_bytes(MODEL).unwrap();
        let mut listener = Listener::new(recognizer, 22_050, LiveConfig::default()).unwrap();
        listener.push::<LiveError>(&samples[..5_000], |_| panic!("no reading is due")).unwrap();
        assert!(listener.finish().unwrap_err().to_string().contains("samples must be 5513 or more"));
    }

    #[test]
    fn what_cannot_be_listened_to_is_refused_with_the_rule() {
        let refused = |sample_rate, config| {
            let recognizer = Recognizer::from_bytes(MODEL).unwrap();
            match Listener::new(recognizer, sample_rate, config) {
                Ok(_) => panic!("it is listened to"),
                Err(error) => error.to_string(),
            }
        };
        let config = LiveConfig::default;
        for (config, expected) in [
            (LiveConfig { window: 0.1, ..config() }, "live: window must be 0.25 to 60 s, got 0.1"),
            (LiveConfig { interval: f64::NAN, ..config() }, "live: interval must be 0.01 to 60 s, got NaN"),
            (LiveConfig { first: 61.0, ..config() }, "live: first must be 0.25 to 60 s, got 61"),
            (
                LiveConfig { silence_db: f32::INFINITY, ..config() },
                "live: silence_db must be finite, got inf",
            ),
        ] {
            assert_eq!(refused(22_050, config), expected);
        }
        assert!(refused(999, config()).contains("1000"), "the range of sample rates");
    }

    #[test]
    fn an_error_of_the_caller_ends_the_piece() {
        let recognizer = Recognizer::from_bytes(MODEL).unwrap();
        let mut listener = Listener::new(recognizer, 22_050, LiveConfig::default()).unwrap();
        let error =
            listener.push(&sample(), |_| Err(Box::<dyn std::error::Error>::from("the pipe is closed")));
        assert_eq!(error.unwrap_err().to_string(), "the pipe is closed");
        let mut nan = |_| Ok::<(), LiveError>(());
        assert!(matches!(listener.push(&[f32::NAN], &mut nan), Err(LiveError::Signal(_))));
    }
}
