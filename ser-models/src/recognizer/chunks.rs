//! Chunks of a long recording, each encoded once. Overlapping windows share the encoded frames.
//!
//! With windows of three seconds every second, two thirds of a window are in the one before. Encoding is most of the work, so the encoder
//! processes chunks that don't overlap, each as long as a window. A window uses the frames within it. The frames of a chunk attend to that
//! chunk alone, as those of a clip in training do. The answer for a window that is exactly a chunk is the same as if it had been encoded
//! alone.

use super::RecognizeError;
use super::one_window::WindowRecognizer;
use crate::input::ClipEncoder;
use crate::recording::Recognition;
use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;
use ser_features::{SignalError, Trim, TrimConfig, normalize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Samples at [`ClipEncoder::SAMPLE_RATE`] from one frame of the encoder to the next, 20 ms.
const FRAME: usize = 320;

/// The fewest samples that an encoder accepts: one frame of its spectrogram.
const MIN_SAMPLES: usize = 160;

/// The chunks of a recording that windows still need.
#[derive(Debug)]
pub(super) struct Chunks {
    sample_rate: u32,
    /// Length of a chunk in samples at the recording's rate.
    length: usize,
    /// Length of a chunk in samples at the encoder's rate.
    encoder_length: usize,
    trim: Option<Trim>,
    normalize: bool,
    /// Chunks by number. Chunk n begins `n · length` samples after the recording's start.
    kept: BTreeMap<usize, Chunk>,
    /// The number of the chunk that is not complete yet.
    last: usize,
}

/// The samples of a chunk, and the results computed from them.
#[derive(Debug, Default)]
struct Chunk {
    samples: Vec<f32>,
    /// The samples at the encoder's rate.
    clip: Option<Vec<f32>>,
    encoded: Option<Encoded>,
}

/// Frames [frames, outputs] of the encoder. The first one begins at sample `start` of the recording, at the encoder's rate.
#[derive(Debug)]
struct Encoded {
    start: usize,
    frames: Array2<f32>,
}

impl Encoded {
    /// Returns the frames that begin within a range of samples.
    fn within(&self, range: &Range<usize>) -> ArrayView2<'_, f32> {
        let place =
            |sample: usize| sample.saturating_sub(self.start).div_ceil(FRAME).min(self.frames.nrows());
        let (from, to) = (place(range.start), place(range.end));
        self.frames.slice(s![from..to.max(from), ..])
    }
}

impl Chunks {
    /// Makes the chunks of a recording at `sample_rate` Hz for windows of `seconds`. Returns `None` if the recogniser's model cannot use
    /// shared frames.
    pub(super) fn new(recognizer: &WindowRecognizer, sample_rate: u32, seconds: f64) -> Option<Self> {
        let config = recognizer.preparation();
        if !recognizer.takes_frames() {
            return None;
        }
        let trim = config.trim_top_db.map(|top_db| Trim::new(TrimConfig { top_db, ..TrimConfig::default() }));
        let length = |rate: u32| (seconds * f64::from(rate)).round() as usize;
        Some(Self {
            sample_rate,
            length: length(sample_rate).max(1),
            encoder_length: length(ClipEncoder::SAMPLE_RATE).max(1),
            trim: trim.transpose().ok()?,
            normalize: config.normalize,
            kept: BTreeMap::new(),
            last: 0,
        })
    }

    /// Appends the next samples.
    pub(super) fn push(&mut self, mut samples: &[f32]) {
        while !samples.is_empty() {
            let chunk = self.kept.entry(self.last).or_default();
            let (now, later) = samples.split_at((self.length - chunk.samples.len()).min(samples.len()));
            chunk.samples.extend_from_slice(now);
            if chunk.samples.len() == self.length {
                self.last += 1;
            }
            samples = later;
        }
    }

    /// Whether all chunks of a window that ends at this second are complete.
    pub(super) fn are_whole_until(&self, seconds: f64) -> bool {
        self.at(seconds) <= self.last * self.encoder_length
    }

    /// Drops the chunks that end before this second.
    pub(super) fn forget_before(&mut self, seconds: f64) {
        self.kept = self.kept.split_off(&(self.at(seconds) / self.encoder_length));
    }

    /// Converts seconds from the recording's start to samples at the encoder's rate.
    fn at(&self, seconds: f64) -> usize {
        (seconds * f64::from(ClipEncoder::SAMPLE_RATE)).round() as usize
    }

    /// Returns the answers for windows of speech, given as start and end in seconds. An answer is `None` if the window has no frames after
    /// its silence is trimmed.
    pub(super) fn recognize(
        &mut self,
        recognizers: &mut [&mut WindowRecognizer],
        windows: &[(f64, f64)],
    ) -> Result<Vec<Option<Recognition>>, RecognizeError> {
        let windows: Vec<Range<usize>> =
            windows.iter().map(|(start, end)| self.at(*start)..self.at(*end)).collect();
        self.resample(recognizers, &windows)?;
        let spoken = windows.iter().map(|window| self.spoken(window)).collect::<Result<Vec<_>, _>>()?;
        self.encode(recognizers, &spoken)?;
        let answers = on_all(recognizers, &spoken, |recognizer, range| {
            let frames: Vec<_> = self
                .chunks_of(range)
                .filter_map(|number| Some(self.kept.get(&number)?.encoded.as_ref()?.within(range)))
                .filter(|frames| frames.nrows() > 0)
                .collect();
            if frames.is_empty() { Ok(None) } else { recognizer.recognize_frames(&frames).map(Some) }
        });
        answers.into_iter().collect()
    }

    /// Returns the numbers of the chunks that overlap a range of samples.
    fn chunks_of(&self, range: &Range<usize>) -> Range<usize> {
        range.start / self.encoder_length..range.end.div_ceil(self.encoder_length)
    }

    /// Returns the chunks that overlap these ranges and for which `lacks` is true.
    fn lacking(&self, ranges: &[Range<usize>], lacks: impl Fn(&Chunk) -> bool) -> Vec<usize> {
        let all: BTreeSet<usize> = ranges.iter().flat_map(|range| self.chunks_of(range)).collect();
        all.into_iter().filter(|number| self.kept.get(number).is_some_and(&lacks)).collect()
    }

    /// Resamples the chunks of these windows to the encoder's rate.
    fn resample(
        &mut self,
        recognizers: &mut [&mut WindowRecognizer],
        windows: &[Range<usize>],
    ) -> Result<(), RecognizeError> {
        let wanted = self.lacking(windows, |chunk| chunk.clip.is_none());
        let clips = on_all(recognizers, &wanted, |recognizer, number| {
            recognizer.resample(&self.kept[number].samples, self.sample_rate)
        });
        for (number, clip) in wanted.into_iter().zip(clips) {
            let clip = Some(clip?);
            self.kept.entry(number).and_modify(|chunk| chunk.clip = clip);
        }
        Ok(())
    }

    /// Returns a window without the silence at its start and end.
    fn spoken(&self, window: &Range<usize>) -> Result<Range<usize>, SignalError> {
        let kept = self.loud(&self.clip(window))?;
        Ok(window.start + kept.start..window.start + kept.end)
    }

    /// Returns the kept samples of a range, at the encoder's rate.
    fn clip(&self, range: &Range<usize>) -> Vec<f32> {
        let mut clip = Vec::with_capacity(range.len());
        for number in self.chunks_of(range) {
            let Some(chunk) = self.kept.get(&number).and_then(|chunk| chunk.clip.as_ref()) else { continue };
            let place = |sample: usize| sample.saturating_sub(number * self.encoder_length).min(chunk.len());
            clip.extend_from_slice(&chunk[place(range.start)..place(range.end)]);
        }
        clip
    }

    /// Returns the part of a clip without the silence at its start and end.
    fn loud(&self, clip: &[f32]) -> Result<Range<usize>, SignalError> {
        match &self.trim {
            Some(trim) if !clip.is_empty() => trim.trim(clip),
            _ => Ok(0..clip.len()),
        }
    }

    /// Encodes the chunks of these ranges.
    fn encode(
        &mut self,
        recognizers: &mut [&mut WindowRecognizer],
        ranges: &[Range<usize>],
    ) -> Result<(), RecognizeError> {
        let wanted = self.lacking(ranges, |chunk| chunk.encoded.is_none());
        let encoded = on_all(recognizers, &wanted, |recognizer, number| {
            let Some(clip) = &self.kept[number].clip else { return Ok(None) };
            let loud = self.loud(clip)?;
            if loud.len() < MIN_SAMPLES {
                return Ok(None);
            }
            let mut samples = clip[loud.clone()].to_vec();
            if self.normalize {
                normalize(&mut samples)?;
            }
            let start = number * self.encoder_length + loud.start;
            Ok::<_, RecognizeError>(Some(Encoded { start, frames: recognizer.encode(&samples)? }))
        });
        for (number, encoded) in wanted.into_iter().zip(encoded) {
            let encoded = encoded?;
            self.kept.entry(number).and_modify(|chunk| chunk.encoded = encoded);
        }
        Ok(())
    }
}

/// Calls a function for each item, on as many threads as there are tools. The results are in the order of the items.
pub(super) fn on_all<E: Send, T: Sync, R: Send>(
    tools: &mut [E],
    items: &[T],
    work: impl Fn(&mut E, &T) -> R + Sync,
) -> Vec<R> {
    let share = items.len().div_ceil(tools.len().max(1)).max(1);
    let parts: Vec<Vec<R>> = tools
        .par_iter_mut()
        .zip(items.par_chunks(share))
        .map(|(tool, items)| items.iter().map(|item| work(tool, item)).collect())
        .collect();
    parts.into_iter().flatten().collect()
}
