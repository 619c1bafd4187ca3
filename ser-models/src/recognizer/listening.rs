//! A recording that is heard while it comes.

use super::{RecognizeError, Recognizer, WindowRecognizer};
use crate::recording::{
    LOWEST_DB, NotSpeech, Recognition, SILENT_DB, SpeechDetector, Timeline, TimelineConfig, TimelineWindow,
    Window, Windows,
};
use rayon::prelude::*;
use ser_features::{MIN_SPEECH_SECONDS, Preparation, PreparationConfig, SignalError, check_speech};

/// A recording is kept whole up to this length in seconds, so that one whose sound fits into a window is heard as one.
const KEPT_SECONDS: f64 = 30.0;

/// Frames this far below the loudest of a quiet recording, in dB, are silent.
const BELOW_LOUDEST_DB: f32 = 30.0;

/// Windows for each thread that wait to be heard together.
const WAITING: usize = 8;

/// A recording that comes in pieces. Its memory does not grow with the recording, but for what the [`Timeline`] holds: a window a
/// second and a level every few hundredths of one.
///
/// ```no_run
/// # let pieces: Vec<Vec<f32>> = Vec::new();
/// let mut recognizer = ser_models::Recognizer::load("models/moods.safetensors")?;
/// let mut listening = recognizer.listen(48_000)?;
/// for samples in pieces {
///     listening.push(&samples)?;
/// }
/// for segment in listening.finish()?.segments {
///     let mood = segment.heard.map_or("no speech".to_owned(), |heard| heard.label);
///     println!("{:.1} to {:.1} s: {mood}", segment.start, segment.end);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Listening<'a> {
    recognizer: &'a mut Recognizer,
    sample_rate: u32,
    cut: Windows,
    detectors: Vec<SpeechDetector>,
    /// All samples, until there are too many.
    kept: Option<Vec<f32>>,
    waiting: Vec<Waiting>,
    windows: Vec<TimelineWindow>,
    levels: Vec<f32>,
    /// The loudest of them.
    loudest: f32,
    /// The largest absolute sample.
    peak: f32,
    /// What the sound of the last window without speech is like.
    reason: Option<NotSpeech>,
}

/// A window that is not heard yet.
struct Waiting {
    samples: Vec<f32>,
    start: f64,
    end: f64,
    /// Seconds of it that are not silent.
    sounding: f64,
}

impl<'a> Listening<'a> {
    pub(super) fn new(recognizer: &'a mut Recognizer, sample_rate: u32) -> Result<Self, RecognizeError> {
        let (length, config) = (recognizer.window_seconds(), &recognizer.config);
        let cut = Windows::new(sample_rate, length, config.hop, length)?;
        Ok(Self {
            recognizer,
            sample_rate,
            cut,
            detectors: Vec::new(),
            kept: Some(Vec::new()),
            waiting: Vec::new(),
            windows: Vec::new(),
            levels: Vec::new(),
            loudest: LOWEST_DB,
            peak: 0.0,
            reason: None,
        })
    }

    /// Seconds of sound that came.
    pub fn seconds(&self) -> f64 {
        let kept = self.kept.as_ref().map_or(0, Vec::len);
        self.cut.seconds() + kept as f64 / f64::from(self.sample_rate)
    }

    /// The windows that were heard so far, in order. The last ones may still wait.
    pub fn windows(&self) -> &[TimelineWindow] {
        &self.windows
    }

    /// Takes the next samples, mono within ±1.
    ///
    /// # Errors
    /// If a sample is not finite or the model fails.
    pub fn push(&mut self, samples: &[f32]) -> Result<(), RecognizeError> {
        if let Some(index) = samples.iter().position(|x| !x.is_finite()) {
            let before = (self.seconds() * f64::from(self.sample_rate)).round() as usize;
            return Err(SignalError::NotFinite { index: before + index }.into());
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

    /// Ends the recording.
    ///
    /// # Errors
    /// [`RecognizeError::Signal`] if it is too short or silent, [`RecognizeError::NoSpeech`] if nothing in it sounds like speech, or the
    /// model's error.
    pub fn finish(mut self) -> Result<Timeline, RecognizeError> {
        if let Some(kept) = self.kept.take() {
            check_speech(&kept, self.sample_rate)?;
            if self.fits_a_window(&kept)? { self.wait_for_all_of(kept)? } else { self.cut(&kept)? }
        }
        if self.cut.has_rest() {
            self.wait_for_window();
        }
        self.hear()?;
        let (seconds, frame_seconds) = (self.cut.seconds(), self.cut.frame_seconds());
        let config = TimelineConfig { silence_db: self.silence_db(), ..self.recognizer.config.clone() };
        let confidence = self.recognizer.one.confidence();
        let timeline = Timeline::new(config, self.windows, self.levels, frame_seconds, seconds, confidence);
        timeline.ok_or(match self.reason {
            Some(reason) => RecognizeError::NoSpeech { seconds, reason },
            None => SignalError::Silent { peak: self.peak }.into(),
        })
    }

    /// Whether the sound of a whole recording, without the silence around it, is as short as a window.
    fn fits_a_window(&self, samples: &[f32]) -> Result<bool, SignalError> {
        let config = self.recognizer.one.preparation();
        let raw = PreparationConfig { length: None, normalize: false, ..config.clone() };
        let length = self.recognizer.window_seconds() * f64::from(config.sample_rate);
        let Ok(mut preparation) = Preparation::new(raw) else { return Ok(false) };
        Ok(preparation.process(samples, self.sample_rate)?.len() as f64 <= length.round())
    }

    /// The whole recording is one window.
    fn wait_for_all_of(&mut self, samples: Vec<f32>) -> Result<(), SignalError> {
        let mut rest = &samples[..];
        while !rest.is_empty() {
            rest = self.take(rest)?;
            if self.cut.is_due() {
                self.cut.window(self.silence_db());
            }
        }
        self.cut.window(self.silence_db());
        // However quiet it is.
        let seconds = self.cut.seconds();
        self.waiting.push(Waiting { samples, start: 0.0, end: seconds, sounding: seconds });
        Ok(())
    }

    /// Frames below this are silent: quiet recordings are heard too.
    fn silence_db(&self) -> f32 {
        self.recognizer.config.silence_db.min((self.loudest - BELOW_LOUDEST_DB).max(SILENT_DB))
    }

    /// Takes samples up to the end of the next window, and returns the rest.
    fn take<'s>(&mut self, samples: &'s [f32]) -> Result<&'s [f32], SignalError> {
        self.cut.take(samples, |levels| {
            self.levels.extend(levels);
            self.loudest = levels.iter().copied().fold(self.loudest, f32::max);
        })
    }

    /// Cuts samples into windows.
    fn cut(&mut self, mut samples: &[f32]) -> Result<(), RecognizeError> {
        while !samples.is_empty() {
            samples = self.take(samples)?;
            if self.cut.is_due() {
                self.wait_for_window();
                if self.waiting.len() >= WAITING * rayon::current_num_threads() {
                    self.hear()?;
                }
            }
        }
        Ok(())
    }

    fn wait_for_window(&mut self) {
        let silence_db = self.silence_db();
        let Window { samples, start, end, sounding, .. } = self.cut.window(silence_db);
        self.waiting.push(Waiting { samples: samples.to_vec(), start, end, sounding });
    }

    /// Hears the windows that wait, on all cores.
    fn hear(&mut self) -> Result<(), RecognizeError> {
        let waiting = std::mem::take(&mut self.waiting);
        let ears = waiting.len().min(rayon::current_num_threads()).max(1);
        let (sample_rate, detect) = (self.sample_rate, self.recognizer.config.detect_speech);
        let Recognizer { one, others, .. } = &mut *self.recognizer;
        while others.len() + 1 < ears {
            // Plans that were made once can be made again; with fewer of them, fewer cores are busy.
            let Ok(twin) = one.twin() else { break };
            others.push(twin);
        }
        while self.detectors.len() < ears {
            self.detectors.push(SpeechDetector::new(sample_rate)?);
        }
        let ears: Vec<_> = std::iter::once(one).chain(others).zip(&mut self.detectors).collect();
        let share = waiting.len().div_ceil(ears.len()).max(1);
        let hear = |(window, ear): (&Waiting, &mut (&mut WindowRecognizer, &mut SpeechDetector))| {
            window.hear(sample_rate, ear.0, detect.then_some(&mut *ear.1))
        };
        let heard: Vec<Vec<Result<Heard, RecognizeError>>> = ears
            .into_par_iter()
            .zip(waiting.par_chunks(share))
            .map(|(mut ear, windows)| windows.iter().map(|window| hear((window, &mut ear))).collect())
            .collect();
        for (window, heard) in waiting.iter().zip(heard.into_iter().flatten()) {
            let (speech, heard) = match heard? {
                Heard::Speech(answer) => (window.sounding, Some(answer)),
                Heard::Silence => (0.0, None),
                Heard::Other(reason) => {
                    self.reason = Some(reason);
                    (0.0, None)
                }
            };
            self.windows.push(TimelineWindow { start: window.start, end: window.end, speech, heard });
        }
        Ok(())
    }
}

/// What a window holds.
enum Heard {
    Speech(Recognition),
    Silence,
    Other(NotSpeech),
}

impl Waiting {
    fn hear(
        &self,
        sample_rate: u32,
        recognizer: &mut WindowRecognizer,
        detector: Option<&mut SpeechDetector>,
    ) -> Result<Heard, RecognizeError> {
        if self.sounding < MIN_SPEECH_SECONDS {
            return Ok(Heard::Silence);
        }
        if let Some(reason) = detector.and_then(|detector| detector.refuse(&self.samples).transpose()) {
            return Ok(Heard::Other(reason?));
        }
        match recognizer.recognize(&self.samples, sample_rate) {
            Ok(answer) => Ok(Heard::Speech(answer)),
            Err(RecognizeError::Signal(SignalError::Silent { .. })) => Ok(Heard::Silence),
            Err(error) => Err(error),
        }
    }
}
