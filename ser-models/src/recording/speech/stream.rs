//! Detection of speech in the windows of a stream. Frames that overlapping windows share are computed once.

use super::cues::{CueFrames, HOP, PITCH_HOP, RATE};
use super::detector::{NotSpeech, SpeechDetector};
use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use ser_features::SignalError;
use std::collections::VecDeque;
use std::ops::Range;

/// Length in seconds of a part of the stream. The frames of a part are computed together.
const PART: usize = 2;

/// Context before and after a part, for its frames and the resampler, in samples at [`RATE`]: 0.1 s, a whole number of frames.
const AROUND: usize = 5 * PITCH_HOP;

/// Frames whose centre is less than this many seconds before a window's end read samples after it.
const BEHIND: f64 = 0.06;

/// The detector's frames of a stream. Keeps only what later windows need, so its memory does not grow with the stream.
///
/// A window uses the frames whose centre lies in it and that read no samples after its end. The result is therefore the same whether or not
/// the recording continues.
#[derive(Debug)]
pub(crate) struct SpeechStream {
    sample_rate: u32,
    /// The last samples; the first of them is sample `start` of the stream.
    samples: Vec<f32>,
    start: usize,
    /// The frames of complete parts; the first of them is part `first` of the stream.
    parts: VecDeque<CueFrames>,
    first: usize,
    /// The frames of the samples after the last complete part.
    rest: Option<CueFrames>,
}

impl SpeechStream {
    /// Starts a stream at `sample_rate` Hz.
    pub(crate) fn new(sample_rate: u32) -> Self {
        let (samples, parts) = Default::default();
        Self { sample_rate, samples, start: 0, parts, first: 0, rest: None }
    }

    /// Takes the next samples.
    pub(crate) fn push(&mut self, samples: &[f32]) {
        self.samples.extend_from_slice(samples);
        self.rest = None;
    }

    /// Computes the frames of all complete parts, and also of the rest if `all` is true. `for_each` computes the frames of several pieces
    /// with a detector for the stream's rate, and returns them in the order of the pieces.
    ///
    /// # Errors
    /// If a sample is not finite.
    pub(crate) fn make(
        &mut self,
        all: bool,
        for_each: impl FnOnce(&[Piece<'_>]) -> Vec<Result<CueFrames, SignalError>>,
    ) -> Result<(), SignalError> {
        let (end, around) = (self.start + self.samples.len(), self.around());
        let next = self.first + self.parts.len();
        let whole = (end.saturating_sub(around) / self.length()).saturating_sub(next);
        let rest = all && self.rest.is_none() && (next + whole) * self.length() < end;
        let pieces: Vec<Piece<'_>> =
            (next..next + whole + usize::from(rest)).map(|number| self.piece(number)).collect();
        let mut made = for_each(&pieces).into_iter().collect::<Result<Vec<_>, _>>()?;
        if rest {
            self.rest = made.pop();
        }
        self.parts.extend(made);
        let needed = ((next + whole) * self.length()).saturating_sub(around).max(self.start);
        self.samples.drain(..needed - self.start);
        self.start = needed;
        Ok(())
    }

    /// Whether all frames of a window that ends at this second can be computed before the stream continues.
    pub(crate) fn is_whole_until(&self, seconds: f64) -> bool {
        let end = self.start + self.samples.len();
        let parts = end.saturating_sub(self.around()) / self.length();
        seconds - BEHIND <= (parts * PART) as f64
    }

    /// Drops the parts that end before this second.
    pub(crate) fn forget_before(&mut self, seconds: f64) {
        while ((self.first + 1) * PART) as f64 <= seconds && self.parts.pop_front().is_some() {
            self.first += 1;
        }
    }

    /// Returns the kind of sound in a window, from one second to another, if it is not speech. Returns `None` if it is speech or too short
    /// for a decision. The window's frames must have been computed.
    pub(crate) fn refuse(&self, (start, end): (f64, f64)) -> Option<NotSpeech> {
        let rate = f64::from(RATE) / PITCH_HOP as f64;
        let frames = (start * rate).ceil() as usize..((end - BEHIND).max(start) * rate).ceil() as usize;
        let bands: Vec<ArrayView2<'_, f32>> = self
            .overlapping(&frames)
            .map(|(part, range)| part.bands.slice(s![.., doubled(&range, part.bands.ncols())]))
            .collect();
        let pitch = self.overlapping(&frames).flat_map(|(part, range)| part.pitch[range].iter().copied());
        let pitch: Vec<f32> = pitch.collect();
        let bands: Array2<f32> = concatenate(Axis(1), &bands).ok().filter(|bands| bands.ncols() > 0)?;
        SpeechDetector::judge(CueFrames { bands, pitch })
    }

    /// Returns the parts that overlap a range of pitch frames of the stream, each with the range of its own frames, counted from the part's
    /// start.
    fn overlapping(&self, frames: &Range<usize>) -> impl Iterator<Item = (&CueFrames, Range<usize>)> {
        const FRAMES: usize = PART * RATE as usize / PITCH_HOP;
        let frames = frames.clone();
        self.parts.iter().chain(&self.rest).zip(self.first..).filter_map(move |(part, number)| {
            let place = |frame: usize| frame.saturating_sub(number * FRAMES).min(part.pitch.len());
            let range = place(frames.start)..place(frames.end);
            (!range.is_empty()).then_some((part, range))
        })
    }

    /// Length of a part in samples.
    fn length(&self) -> usize {
        PART * self.sample_rate as usize
    }

    /// Length of the context before and after a part in samples.
    fn around(&self) -> usize {
        (AROUND as f64 / f64::from(RATE) * f64::from(self.sample_rate)).round() as usize
    }

    fn piece(&self, number: usize) -> Piece<'_> {
        let (start, length, around) = (number * self.length(), self.length(), self.around());
        let from = start.saturating_sub(around);
        let to = (start + length + around).min(self.start + self.samples.len());
        let before = if from < start { AROUND } else { 0 };
        Piece { samples: &self.samples[from - self.start..to - self.start], before }
    }
}

/// Returns the range of the bands' frames, which are twice as many as those of the pitch.
fn doubled(pitch: &Range<usize>, columns: usize) -> Range<usize> {
    let twice = PITCH_HOP / HOP;
    pitch.start * twice..(pitch.end * twice).min(columns)
}

/// The samples of a part and of its context.
pub(crate) struct Piece<'a> {
    samples: &'a [f32],
    /// Samples at [`RATE`] in the context before the part.
    before: usize,
}

impl Piece<'_> {
    /// Computes the frames whose centre is in the part.
    ///
    /// # Errors
    /// If a sample is not finite.
    pub(crate) fn frames(&self, detector: &mut SpeechDetector) -> Result<CueFrames, SignalError> {
        let CueFrames { bands, pitch } = detector.cues.frames(self.samples)?;
        let within = |hop: usize, frames: usize| {
            let first = (self.before / hop).min(frames);
            first..(first + PART * RATE as usize / hop).min(frames)
        };
        let bands = bands.slice(s![.., within(HOP, bands.ncols())]).to_owned();
        Ok(CueFrames { bands, pitch: pitch[within(PITCH_HOP, pitch.len())].to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example clip, repeated with tones in between.
    fn sound() -> Vec<f32> {
        let (clip, _) = include_bytes!("../../../../examples/assets/sample.wav")[44..].as_chunks();
        let clip: Vec<f32> = clip.iter().map(|&b| f32::from(i16::from_le_bytes(b)) / 32_768.0).collect();
        let tone: Vec<f32> = (0..88_200).map(|n| 0.3 * (n as f32 * 0.125).sin()).collect();
        [&clip[..], &tone, &clip, &clip, &tone].concat()
    }

    #[test]
    fn windows_are_told_as_if_heard_alone_and_whether_or_not_more_follows() {
        let (rate, samples) = (22_050, sound());
        let mut detector = SpeechDetector::new(rate).unwrap();
        let mut whole = SpeechStream::new(rate);
        whole.push(&samples);
        let mut tool = SpeechDetector::new(rate).unwrap();
        let mut work = |pieces: &[Piece<'_>]| pieces.iter().map(|piece| piece.frames(&mut tool)).collect();
        whole.make(true, &mut work).unwrap();
        let (mut live, mut same, mut windows) = (SpeechStream::new(rate), 0, 0);
        let seconds = samples.len() as f64 / f64::from(rate);
        for second in samples.chunks(rate as usize) {
            live.push(second);
            windows += 1;
            let end = f64::from(windows).min(seconds);
            let window = ((end - 3.0).max(0.0), end);
            live.make(true, &mut work).unwrap();
            assert_eq!(live.refuse(window), whole.refuse(window), "{window:?}");
            let at = |second: f64| (second * f64::from(rate)) as usize;
            let alone = detector.refuse(&samples[at(window.0)..at(window.1).min(samples.len())]).unwrap();
            same += usize::from(alone == whole.refuse(window));
            live.forget_before(window.0);
            assert!(live.parts.len() <= 3 && live.samples.len() < 3 * rate as usize);
        }
        assert!(windows > 18 && same + 1 >= windows as usize, "{same} of {windows}");
    }

    #[test]
    fn windows_can_be_told_when_their_parts_are_whole() {
        let mut stream = SpeechStream::new(8_000);
        stream.push(&vec![0.1; 2 * 8_000 + 800]);
        assert!(stream.is_whole_until(2.0) && !stream.is_whole_until(2.2));
        let mut detector = SpeechDetector::new(8_000).unwrap();
        stream
            .make(false, |pieces| pieces.iter().map(|piece| piece.frames(&mut detector)).collect())
            .unwrap();
        assert_eq!((stream.parts.len(), stream.parts[0].pitch.len()), (1, 100));
        assert_eq!(stream.parts[0].bands.dim().1, 200);
        assert_eq!(stream.start, 2 * 8_000 - 800);
    }
}
