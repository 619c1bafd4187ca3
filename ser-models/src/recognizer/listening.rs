//! Recognition of a recording that arrives in pieces.

use super::chunks::{Chunks, on_all};
use super::{RecognizeError, Recognizer, WindowRecognizer};
use crate::recording::{
    NotSpeech, SpeechDetector, SpeechStream, Timeline, TimelineConfig, TimelineWindow, Window, Windows,
};
use ser_features::{MIN_SPEECH_SECONDS, Preparation, PreparationConfig, SignalError, check_speech};

/// All samples of a recording are kept up to this length in seconds, so that a recording whose sound fits into one window becomes one
/// window.
const KEPT_SECONDS: f64 = 30.0;

/// Number of waiting windows at which a batch is recognised. It does not depend on the number of cores, because the composition of a batch
/// may change the last bits of an answer.
const WAITING: usize = 16;

/// The largest number of samples in waiting windows. At high rates fewer windows wait.
const WAITING_SAMPLES: f64 = 3e6;

/// Recognises the moods of a recording that arrives in pieces. It keeps a bounded number of samples. Its memory grows with the
/// [`Timeline`], by one window every [`TimelineConfig::hop`] and one level every few hundredths of a second.
///
/// ```no_run
/// # let pieces: Vec<Vec<f32>> = Vec::new();
/// let mut recognizer = ser_models::Recognizer::load("models/moods.safetensors")?;
/// let mut listening = recognizer.listen(48_000)?;
/// for samples in pieces {
///     listening.push(&samples)?;
/// }
/// for segment in listening.finish()?.segments {
///     let mood = segment.recognition.map_or("no speech".to_owned(), |mood| mood.label);
///     println!("{:.1} to {:.1} s: {mood}", segment.start, segment.end);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Listening<'a> {
    recognizer: &'a mut Recognizer,
    sample_rate: u32,
    cut: Windows,
    /// The chunks that windows share; `None` if the model needs each window separately.
    chunks: Option<Chunks>,
    /// The speech detector's frames, which windows share; `None` if speech is not detected.
    speech: Option<SpeechStream>,
    detectors: Vec<SpeechDetector>,
    /// All samples; `None` once there are more than [`KEPT_SECONDS`].
    kept: Option<Vec<f32>>,
    waiting: Vec<Waiting>,
    windows: Vec<TimelineWindow>,
    levels: Vec<f32>,
    /// The largest absolute sample.
    peak: f32,
    /// The kind of sound in the last window without speech.
    reason: Option<NotSpeech>,
}

/// A window that is not recognised yet.
#[derive(Debug)]
struct Waiting {
    /// Empty if the model reads chunks.
    samples: Vec<f32>,
    /// Whether the samples can hold speech.
    checked: Result<(), SignalError>,
    start: f64,
    end: f64,
    /// Seconds of the window that are not silent.
    sounding: f64,
    /// The kind of the window's sound, if it is not speech.
    refused: Option<NotSpeech>,
}

impl<'a> Listening<'a> {
    pub(super) fn new(recognizer: &'a mut Recognizer, sample_rate: u32) -> Result<Self, RecognizeError> {
        let (length, config) = (recognizer.window_seconds(), &recognizer.config);
        let cut = Windows::new(sample_rate, length, config.hop, length)?;
        let chunks = Chunks::new(&recognizer.one, sample_rate, length);
        let speech = config.detect_speech.then(|| SpeechStream::new(sample_rate));
        Ok(Self {
            recognizer,
            sample_rate,
            cut,
            chunks,
            speech,
            detectors: Vec::new(),
            kept: Some(Vec::new()),
            waiting: Vec::new(),
            windows: Vec::new(),
            levels: Vec::new(),
            peak: 0.0,
            reason: None,
        })
    }

    /// Seconds of audio received so far.
    pub fn seconds(&self) -> f64 {
        let kept = self.kept.as_ref().map_or(0, Vec::len);
        self.cut.seconds() + kept as f64 / f64::from(self.sample_rate)
    }

    /// The windows recognised so far, in order: none in the first 30 s, then all but the last, of which up to 16 wait to be recognised
    /// together.
    pub fn windows(&self) -> &[TimelineWindow] {
        &self.windows
    }

    /// Processes the next samples, mono within ±1.
    ///
    /// # Errors
    /// [`RecognizeError::Signal`] if a sample is not finite; [`RecognizeError::Classify`], [`RecognizeError::Input`] or
    /// [`RecognizeError::Encoder`] if the model fails.
    pub fn push(&mut self, samples: &[f32]) -> Result<(), RecognizeError> {
        if let Some((index, &value)) = samples.iter().enumerate().find(|(_, x)| !x.is_finite()) {
            let before = (self.seconds() * f64::from(self.sample_rate)).round() as usize;
            return Err(SignalError::NotFinite { index: before + index, value }.into());
        }
        self.peak = samples.iter().fold(self.peak, |peak, x| peak.max(x.abs()));
        let Some(mut kept) = self.kept.take() else { return self.cut(samples) };
        kept.extend_from_slice(samples);
        if kept.len() as f64 <= KEPT_SECONDS * f64::from(self.sample_rate) {
            self.kept = Some(kept);
            return Ok(());
        }
        self.cut(&kept)
    }

    /// Ends the recording and returns its timeline.
    ///
    /// # Errors
    /// [`RecognizeError::Signal`] if it is too short or silent, [`RecognizeError::NoSpeech`] if nothing in it sounds like speech;
    /// [`RecognizeError::Classify`], [`RecognizeError::Input`] or [`RecognizeError::Encoder`] if the model fails.
    pub fn finish(mut self) -> Result<Timeline, RecognizeError> {
        if let Some(kept) = self.kept.take() {
            check_speech(&kept, self.sample_rate)?;
            if self.fits_a_window(&kept)? { self.wait_for_all_of(kept)? } else { self.cut(&kept)? }
        }
        if self.cut.has_rest() {
            self.wait_for_window();
        }
        self.recognize(true)?;
        let (seconds, frame_seconds) = (self.cut.seconds(), self.cut.frame_seconds());
        let config = self.recognizer.config.clone();
        let config = TimelineConfig { silence_db: self.cut.silence_db(config.silence_db), ..config };
        let confidence = self.recognizer.one.confidence();
        let timeline = Timeline::new(config, self.windows, self.levels, frame_seconds, seconds, confidence);
        timeline.ok_or(match self.reason {
            Some(reason) => RecognizeError::NoSpeech { seconds, reason },
            None => SignalError::Silent { peak: self.peak }.into(),
        })
    }

    /// Whether a whole recording, without the silence around its sound, is at most as long as a window.
    fn fits_a_window(&self, samples: &[f32]) -> Result<bool, SignalError> {
        let config = self.recognizer.one.preparation();
        let raw = PreparationConfig { length: None, normalize: false, ..config.clone() };
        let length = self.recognizer.window_seconds() * f64::from(config.sample_rate);
        let Ok(mut preparation) = Preparation::new(raw) else { return Ok(false) };
        Ok(preparation.process(samples, self.sample_rate)?.len() as f64 <= length.round())
    }

    /// Makes the whole recording one window, without shared frames.
    fn wait_for_all_of(&mut self, samples: Vec<f32>) -> Result<(), RecognizeError> {
        self.chunks = None;
        let detector = self.speech.take().map(|_| SpeechDetector::new(self.sample_rate)).transpose()?;
        let silence_db = self.recognizer.config.silence_db;
        let mut rest = &samples[..];
        while !rest.is_empty() {
            rest = self.take(rest)?;
            if self.cut.is_due() {
                self.cut.window(silence_db);
            }
        }
        self.cut.window(silence_db);
        // The whole window counts as sounding, however quiet it is.
        let seconds = self.cut.seconds();
        let refused = detector.map(|mut detector| detector.refuse(&samples)).transpose()?.flatten();
        let checked = check_speech(&samples, self.sample_rate);
        self.waiting.push(Waiting { samples, checked, start: 0.0, end: seconds, sounding: seconds, refused });
        Ok(())
    }

    /// Processes samples up to the end of the next window, and returns the rest.
    fn take<'s>(&mut self, samples: &'s [f32]) -> Result<&'s [f32], SignalError> {
        let rest = self.cut.take(samples, |levels| {
            self.levels.extend(levels);
        })?;
        let taken = &samples[..samples.len() - rest.len()];
        if let Some(chunks) = &mut self.chunks {
            chunks.push(taken);
        }
        if let Some(speech) = &mut self.speech {
            speech.push(taken);
        }
        Ok(rest)
    }

    /// Cuts samples into windows.
    fn cut(&mut self, mut samples: &[f32]) -> Result<(), RecognizeError> {
        while !samples.is_empty() {
            samples = self.take(samples)?;
            if self.cut.is_due() {
                self.wait_for_window();
                if self.waiting.len() >= self.most_waiting() {
                    self.recognize(false)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the largest number of windows that may wait.
    fn most_waiting(&self) -> usize {
        // If windows are further apart than they are long, the samples between them are kept too.
        let seconds = self.recognizer.window_seconds().max(self.recognizer.config.hop);
        ((WAITING_SAMPLES / (seconds * f64::from(self.sample_rate))) as usize).clamp(1, WAITING)
    }

    fn wait_for_window(&mut self) {
        let silence_db = self.recognizer.config.silence_db;
        let Window { samples, start, end, sounding, .. } = self.cut.window(silence_db);
        let checked = check_speech(samples, self.sample_rate);
        let samples = if self.chunks.is_none() { samples.to_vec() } else { Vec::new() };
        self.waiting.push(Waiting { samples, checked, start, end, sounding, refused: None });
    }

    /// Recognises the waiting windows on all cores. Before the end of the recording, only windows with complete chunks and detector frames
    /// are recognised.
    fn recognize(&mut self, at_end: bool) -> Result<(), RecognizeError> {
        let can_be_answered = |window: &&Waiting| {
            at_end
                || self.chunks.as_ref().is_none_or(|chunks| chunks.are_whole_until(window.end))
                    && self.speech.as_ref().is_none_or(|speech| speech.is_whole_until(window.end))
        };
        let ready = self.waiting.iter().take_while(can_be_answered).count();
        let later = self.waiting.split_off(ready);
        let mut waiting = std::mem::replace(&mut self.waiting, later);
        let workers = waiting.len().min(rayon::current_num_threads()).max(1);
        let sample_rate = self.sample_rate;
        let Recognizer { one, others, .. } = &mut *self.recognizer;
        while others.len() + 1 < workers {
            // The same plans were made before, so this should not fail. If it does, fewer cores are used.
            let Ok(copy) = one.try_clone() else { break };
            others.push(copy);
        }
        let mut recognizers: Vec<&mut WindowRecognizer> = std::iter::once(one).chain(others).collect();
        if let Some(speech) = &mut self.speech {
            while self.detectors.len() < workers {
                self.detectors.push(SpeechDetector::new(sample_rate)?);
            }
            let detectors = &mut self.detectors[..];
            speech
                .make(at_end, |pieces| on_all(detectors, pieces, |detector, piece| piece.frames(detector)))?;
            let refused =
                on_all(detectors, &waiting, |_, window| match window.sounding < MIN_SPEECH_SECONDS {
                    true => None,
                    false => speech.refuse((window.start, window.end)),
                });
            waiting.iter_mut().zip(refused).for_each(|(window, refused)| window.refused = refused);
            speech.forget_before(self.waiting.first().or(waiting.last()).map_or(0.0, |window| window.start));
        }
        let sounds = waiting.iter().map(Waiting::sound);
        let sounds = sounds.collect::<Result<Vec<Sound>, _>>()?;
        let spoken: Vec<&Waiting> =
            waiting.iter().zip(&sounds).filter(|(_, s)| **s == Sound::Speech).map(|(w, _)| w).collect();
        let answers = match &mut self.chunks {
            Some(chunks) => {
                let times: Vec<(f64, f64)> = spoken.iter().map(|window| (window.start, window.end)).collect();
                let answers = chunks.recognize(&mut recognizers, &times)?;
                if let Some(last) = waiting.last() {
                    chunks.forget_before(last.start);
                }
                answers
            }
            None => {
                let inputs = on_all(&mut recognizers, &spoken, |recognizer, window| {
                    recognizer.input(&window.samples, sample_rate)
                });
                let inputs = inputs.into_iter().collect::<Result<Vec<_>, _>>()?;
                recognizers[0].answers(&inputs)?.into_iter().map(Some).collect()
            }
        };
        let mut answers = answers.into_iter();
        for (window, sound) in waiting.iter().zip(sounds) {
            let recognition = match sound {
                Sound::Speech => answers.next().flatten(),
                Sound::Silence => None,
                Sound::Other(reason) => {
                    self.reason = Some(reason);
                    None
                }
            };
            let speech = if recognition.is_some() { window.sounding } else { 0.0 };
            self.windows.push(TimelineWindow { start: window.start, end: window.end, speech, recognition });
        }
        Ok(())
    }
}

/// The content of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sound {
    Speech,
    Silence,
    Other(NotSpeech),
}

impl Waiting {
    fn sound(&self) -> Result<Sound, RecognizeError> {
        if self.sounding < MIN_SPEECH_SECONDS {
            return Ok(Sound::Silence);
        }
        if let Some(reason) = self.refused {
            return Ok(Sound::Other(reason));
        }
        match &self.checked {
            Ok(()) => Ok(Sound::Speech),
            Err(SignalError::Silent { .. }) => Ok(Sound::Silence),
            Err(error) => Err(error.clone().into()),
        }
    }
}
