//! Moods of a voice while it speaks: readings over a sliding window.
//!
//! What streams and what does not: the levels, and so what is called silence, come from the streaming mel spectrogram
//! ([`Activity`]), which gives each frame as soon as its last sample is there. The recogniser hears the samples of the whole window
//! anew for every reading, with its plans kept. That is on purpose: trimming, peak normalisation, tuning, `top_db` and the
//! harmonic part all depend on the whole window, so that its features cannot be put together from frames that were computed
//! before. A reading is therefore exactly what [`Recognizer::recognize`] says of the same samples.

mod activity;
mod pcm;

use std::collections::VecDeque;

pub use activity::{Activity, LOWEST_DB, SILENCE_DB, is_silent};
use anyhow::Context;
pub use pcm::{Encoding, Pcm};
use ser_features::{MIN_SPEECH_SECONDS, SignalError};
use ser_models::{Recognition, RecognizeError, Recognizer};

/// How a stream is read.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveConfig {
    /// Seconds of sound that a reading is about.
    pub window: f64,
    /// Seconds of sound from one reading to the next.
    pub interval: f64,
    /// Seconds of sound before the first reading, which is about less than a window.
    pub first: f64,
    /// Levels below this, in dB relative to full scale, are silence.
    pub silence_db: f32,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self { window: 3.0, interval: 0.25, first: 0.5, silence_db: SILENCE_DB }
    }
}

/// What a window sounds like.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The end of the window, in seconds of sound from the stream's start.
    pub seconds: f64,
    /// The loudest frame since the last reading, in dB relative to full scale.
    pub level_db: f32,
    /// The mood; `None` is silence.
    pub heard: Option<Recognition>,
}

/// Listens to a stream of samples. Memory does not depend on the stream's length.
pub struct Listener {
    recognizer: Recognizer,
    activity: Activity,
    config: LiveConfig,
    sample_rate: u32,
    /// The last samples: a window's.
    window: VecDeque<f32>,
    /// The levels of the frames in it.
    levels: VecDeque<f32>,
    level_db: f32,
    /// Samples that came.
    taken: u64,
    /// Samples that had come at the last reading.
    told: u64,
    /// Intervals that are full when the next reading is due.
    due: u64,
}

impl Listener {
    /// Listens to a stream at `sample_rate` Hz.
    ///
    /// # Errors
    /// If the rate cannot be used.
    pub fn new(recognizer: Recognizer, sample_rate: u32, config: LiveConfig) -> anyhow::Result<Self> {
        let activity = Activity::new(sample_rate).context("the stream's sample rate cannot be used")?;
        let due = (config.first / config.interval).ceil() as u64;
        Ok(Self {
            recognizer,
            activity,
            config,
            sample_rate,
            window: VecDeque::new(),
            levels: VecDeque::new(),
            level_db: LOWEST_DB,
            taken: 0,
            told: 0,
            due,
        })
    }

    /// Takes the next samples, mono within ±1, and hands over the readings that they complete: one each time that another
    /// interval is full.
    ///
    /// # Errors
    /// If a sample is not finite, the recogniser fails, or `tell` does.
    pub fn push(
        &mut self,
        mut samples: &[f32],
        mut tell: impl FnMut(Reading) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        while !samples.is_empty() {
            let next = (self.due as f64 * self.config.interval * f64::from(self.sample_rate)).round() as u64;
            let wanted = usize::try_from(next.saturating_sub(self.taken))?;
            let (now, later) = samples.split_at(wanted.min(samples.len()));
            self.take(now)?;
            samples = later;
            if now.len() == wanted {
                self.due += 1;
                tell(self.read()?)?;
            }
        }
        Ok(())
    }

    /// Ends the stream: a last reading, if samples came after the one before it.
    ///
    /// # Errors
    /// If the whole stream is too short for speech, or the recogniser fails.
    pub fn finish(mut self) -> anyhow::Result<Option<Reading>> {
        let minimum = (MIN_SPEECH_SECONDS * f64::from(self.sample_rate)).ceil() as usize;
        if self.taken < minimum as u64 {
            return Err(SignalError::TooShort { minimum, given: self.window.len() }.into());
        }
        if self.taken > self.told { self.read().map(Some) } else { Ok(None) }
    }

    fn take(&mut self, samples: &[f32]) -> Result<(), SignalError> {
        let levels = self.activity.push(samples)?;
        self.taken += samples.len() as u64;
        self.level_db = levels.iter().copied().fold(self.level_db, f32::max);
        keep_last(&mut self.levels, &levels, (self.config.window / self.activity.frame_seconds()) as usize);
        let length = (self.config.window * f64::from(self.sample_rate)).round() as usize;
        keep_last(&mut self.window, samples, length);
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<Reading> {
        let level_db = std::mem::replace(&mut self.level_db, LOWEST_DB);
        self.told = self.taken;
        let seconds = self.taken as f64 / f64::from(self.sample_rate);
        let silence =
            activity::is_silence(&self.levels, self.activity.frame_seconds(), self.config.silence_db);
        let heard = if silence { None } else { self.recognize()? };
        Ok(Reading { seconds, level_db, heard })
    }

    fn recognize(&mut self) -> anyhow::Result<Option<Recognition>> {
        match self.recognizer.recognize(self.window.make_contiguous(), self.sample_rate) {
            Ok(recognition) => Ok(Some(recognition)),
            Err(RecognizeError::Signal(SignalError::Silent { .. })) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Appends values and drops the first ones beyond `length`.
fn keep_last(kept: &mut VecDeque<f32>, values: &[f32], length: usize) {
    let values = &values[values.len().saturating_sub(length)..];
    let excess = (kept.len() + values.len()).saturating_sub(length);
    kept.drain(..excess);
    kept.extend(values);
}

#[cfg(test)]
mod tests {
    use ser_data::Audio;

    use super::*;
    use crate::assets;

    fn sample() -> Vec<f32> {
        Audio::decode(assets::SAMPLE_WAV, Some("wav"), "sample.wav").unwrap().to_mono().unwrap()
    }

    fn readings(pieces: usize, samples: &[f32]) -> Vec<Reading> {
        let recognizer = Recognizer::from_bytes(assets::MODEL).unwrap();
        let mut listener = Listener::new(recognizer, 22_050, LiveConfig::default()).unwrap();
        let mut readings = Vec::new();
        for piece in samples.chunks(pieces) {
            let mut keep = |reading| {
                readings.push(reading);
                Ok(())
            };
            listener.push(piece, &mut keep).unwrap();
        }
        readings.extend(listener.finish().unwrap());
        readings
    }

    #[test]
    fn a_reading_is_what_the_recogniser_says_of_the_window() {
        let samples = sample();
        let mut recognizer = Recognizer::from_bytes(assets::MODEL).unwrap();
        let readings = readings(1_000, &samples);
        let seconds: Vec<f64> = readings.iter().map(|reading| (reading.seconds * 100.0).round()).collect();
        let expected: Vec<f64> = (2..=17).map(|n| f64::from(n) * 25.0).chain([431.0]).collect();
        assert_eq!(seconds, expected);
        for reading in &readings {
            let end = (reading.seconds * 22_050.0).round() as usize;
            let window = &samples[end.saturating_sub(66_150)..end];
            let Some(heard) = &reading.heard else {
                assert!(is_silent(window, 22_050, SILENCE_DB).unwrap(), "{reading:?}");
                continue;
            };
            assert_eq!(*heard, recognizer.recognize(window, 22_050).unwrap());
        }
        assert!(readings.last().unwrap().heard.is_some());
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
            assert!(!silent || reading.heard.is_none(), "{reading:?}");
            let spoken = reading.seconds > 2.0 && reading.seconds < speech + 1.0;
            assert!(!spoken || reading.heard.is_some(), "{reading:?}");
        }
    }

    #[test]
    fn short_streams_get_one_reading_and_shorter_ones_none() {
        let samples = sample();
        let short = readings(100, &samples[10_000..17_000]);
        assert_eq!(short.len(), 1);
        let recognizer = Recognizer::from_bytes(assets::MODEL).unwrap();
        let mut listener = Listener::new(recognizer, 22_050, LiveConfig::default()).unwrap();
        listener.push(&samples[..5_000], |_| panic!("no reading is due")).unwrap();
        assert!(listener.finish().unwrap_err().to_string().contains("at least 5513 samples"));
    }
}
