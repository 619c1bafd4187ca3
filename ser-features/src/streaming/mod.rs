//! Features of a signal that arrives in pieces.

mod extractor;
mod frames;
mod plans;
mod preemphasis;
mod queue;
mod rows;

use ndarray::{Array2, ArrayView2};

use crate::check::check_samples;
use crate::chroma::Chroma;
use crate::contrast::SpectralContrast;
use crate::error::{ConfigError, SignalError};
use crate::log_mel::LogMel;
use crate::matrix::reshape;
use crate::mel::MelSpectrogram;
use crate::mfcc::Mfcc;
use crate::pad::PadMode;
use crate::stft::{Stft, StftConfig};
pub use extractor::{StreamedFrames, StreamingExtractor};
pub use frames::{StreamingDelta, StreamingPcen};
pub use preemphasis::StreamingPreemphasis;
pub use rows::{RowByFrame, StreamingRms, StreamingRow, StreamingYin, StreamingZeroCrossingRate};

/// Spectra of a stream, `[n_fft / 2 + 1, new frames]`.
pub type StreamingStft = Streaming<Stft>;

/// Mel spectrogram of a stream, `[n_mels, new frames]`.
pub type StreamingMel = Streaming<MelSpectrogram>;

/// Logarithmic mel spectrogram of a stream, `[n_mels, new frames]`. With decibels, `top_db` must be `None` and `reference` a value.
pub type StreamingLogMel = Streaming<LogMel>;

/// Cepstral coefficients of a stream, `[n_mfcc, new frames]`. Of its [`DecibelConfig`](crate::DecibelConfig), `top_db` must be `None` and
/// `reference` a value.
pub type StreamingMfcc = Streaming<Mfcc>;

/// Chroma of a stream, `[n_chroma, new frames]`. [`ChromaConfig::tuning`](crate::ChromaConfig::tuning) must be given.
pub type StreamingChroma = Streaming<Chroma>;

/// Spectral contrast of a stream, `[n_bands + 1, new frames]`. [`ContrastConfig::top_db`](crate::ContrastConfig::top_db) must be `None`,
/// unless the contrast is linear.
pub type StreamingContrast = Streaming<SpectralContrast>;

/// A plan whose frames depend on nothing but the samples under them, so that it can stream.
pub trait FrameByFrame: Sized + private::Sealed {
    /// The plan's configuration.
    type Config: Clone;
    /// A value of a frame.
    type Value: Copy + Default;

    /// Makes the plan, and refuses what needs the whole signal.
    #[doc(hidden)]
    fn plan(config: Self::Config) -> Result<Self, ConfigError>;

    /// The transform underneath.
    #[doc(hidden)]
    fn stft(config: &mut Self::Config) -> &mut StftConfig;

    /// Values of a frame.
    #[doc(hidden)]
    fn rows(&self) -> usize;

    /// The frame that starts at the first of these samples.
    #[doc(hidden)]
    fn frame(&mut self, samples: &[f32]) -> &[Self::Value];
}

/// Computes a feature of a stream: pieces of any length go in, each frame comes out as soon as its last sample is there.
///
/// The frames are those that the plan's `process` gives for the whole signal, bit for bit. Frame `t` comes with the push that brings
/// sample `t · hop_length + latency()` (counted from 1), the rest with [`finish`](Self::finish). With librosa's defaults the
/// [latency](Self::latency) is 1,024 samples, 46 ms at 22,050 Hz.
///
/// Memory does not depend on the stream's length: a plan keeps the samples of four transforms and the frames of the longest push. A push
/// allocates nothing if an earlier one was as long.
///
/// The most common streams have aliases ([`StreamingMfcc`] and others). `Streaming<SpectralCentroid>` and the three other measures of
/// spectral shape work too. [`new`](Self::new) refuses settings that need the whole signal: `top_db` (it depends on the loudest value), the
/// reference [`Max`](crate::Reference::Max), and an estimated tuning. Other types stream features without such a transform
/// ([`StreamingRow`], [`StreamingPreemphasis`], [`StreamingResampler`](crate::StreamingResampler)), features of another stream's frames
/// ([`StreamingDelta`], [`StreamingPcen`]), or several features at once ([`StreamingExtractor`]).
///
/// Tuning estimation, trimming, normalising, functionals and paths through all frames ([`Pyin`](crate::Pyin)) need the whole signal, so
/// they have no exact stream. Median filters ([`Hpss`](crate::Hpss)), recursive halving ([`Cqt`](crate::Cqt)), onset strength, formants and
/// Kaldi's front ends could stream, some with a long latency, but this is not implemented. For these, process windows of the signal one by
/// one.
///
/// ```
/// use ser_features::{DecibelConfig, MfccConfig, StreamingMfcc};
///
/// let decibel = DecibelConfig { top_db: None, ..Default::default() };
/// let mut mfcc = StreamingMfcc::new(MfccConfig { n_mfcc: 13, decibel, ..Default::default() })?;
/// assert_eq!(mfcc.latency(), 1024);
///
/// let recording: Vec<f32> = (0..22_050).map(|n| 0.3 * (0.05 * n as f32).sin()).collect();
/// let mut frames = 0;
/// // A sound card gives a quarter of a second at a time.
/// for chunk in recording.chunks(5_512) {
///     for frame in mfcc.push(chunk)?.columns() {
///         assert_eq!(frame.len(), 13);
///         frames += 1;
///     }
/// }
/// frames += mfcc.finish()?.ncols();
/// assert_eq!(frames, 44); // and the plan is ready for the next stream
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Streaming<P: FrameByFrame> {
    plan: P,
    config: P::Config,
    hop_length: usize,
    n_fft: usize,
    /// What stands before the first sample and after the last.
    padding: Padding,
    /// Samples from a frame's start on that must be there before it can be given.
    reach: usize,
    backlog: Backlog,
    /// Samples pushed.
    pushed: u64,
    /// Frames given.
    given: u64,
    /// `[new frames, rows]`.
    out: Array2<P::Value>,
}

impl<P: FrameByFrame> Streaming<P> {
    /// Plans the feature.
    ///
    /// # Errors
    /// As the plan's own `new`, and [`ConfigError::NeedsWholeSignal`] for what can't stream.
    pub fn new(config: P::Config) -> Result<Self, ConfigError> {
        let mut uncentred = config.clone();
        let stft = P::stft(&mut uncentred);
        stft.check()?;
        let StftConfig { n_fft, hop_length, .. } = *stft;
        let padding = Padding::new(stft.padding(), stft.pad_mode);
        // The frame's end may lie beyond its window's, but a signal that ends there would not have the frame.
        let reach = (stft.window_start() + stft.win_length()).max(n_fft - padding.length);
        let reach = reach.max(padding.length + padding.needs);
        // The padding around the signal is added here, so that frames start where the plan expects them.
        stft.center = false;
        let plan = P::plan(uncentred)?;
        let out = Array2::default((0, plan.rows()));
        let backlog = Backlog::new(n_fft);
        let mut streaming =
            Self { plan, config, hop_length, n_fft, padding, reach, backlog, pushed: 0, given: 0, out };
        streaming.reset();
        Ok(streaming)
    }

    /// The configuration that the plan was made from.
    pub fn config(&self) -> &P::Config {
        &self.config
    }

    /// Latency in samples after a frame's time, `t · hop_length`: half of the window where frames are centred, else a whole frame. Centred
    /// frames with [`PadMode::Reflect`] need half of the transform and one sample.
    pub fn latency(&self) -> usize {
        self.reach - self.padding.length
    }

    /// Takes the next samples and gives the frames that they complete, `[rows, new frames]`: often none, many from a long piece. An
    /// empty piece is fine.
    ///
    /// # Errors
    /// When a sample is NaN, infinite or beyond ±1e12; the index counts from the piece's start. The stream ignores such a piece.
    pub fn push(&mut self, samples: &[f32]) -> Result<ArrayView2<'_, P::Value>, SignalError> {
        if !samples.is_empty() {
            check_samples(samples)?;
        }
        let received = self.padding.length as u64 + self.pushed + samples.len() as u64;
        let complete = match received.checked_sub(self.reach as u64) {
            Some(beyond) if !samples.is_empty() => 1 + beyond / self.hop_length as u64,
            _ => self.given,
        };
        let n_new = complete.saturating_sub(self.given) as usize;
        reshape(&mut self.out, n_new, self.plan.rows());
        let mut frame = 0;
        for piece in samples.chunks(self.n_fft) {
            self.padding.pass(piece, &mut self.backlog);
            while self.backlog.samples().len() >= self.reach {
                self.give(frame);
                frame += 1;
            }
        }
        debug_assert_eq!(frame, n_new);
        self.pushed += samples.len() as u64;
        self.given += n_new as u64;
        Ok(self.out.t())
    }

    /// Ends the stream and gives its last frames, those that reach beyond its end, `[rows, frames]`. The plan is then ready for the
    /// next stream.
    ///
    /// # Errors
    /// When no sample was pushed, or (only without `center`) fewer than a frame has. The plan is ready for the next stream then, too.
    pub fn finish(&mut self) -> Result<ArrayView2<'_, P::Value>, SignalError> {
        let (pushed, given) = (self.pushed, self.given);
        let padded = 2 * self.padding.length as u64 + pushed;
        let n_frames = match padded.checked_sub(self.n_fft as u64) {
            Some(beyond) if pushed > 0 => 1 + beyond / self.hop_length as u64,
            _ => {
                self.reset();
                return Err(match pushed as usize {
                    0 => SignalError::Empty,
                    given => SignalError::TooShort { minimum: self.n_fft, given },
                });
            }
        };
        let n_new = n_frames.saturating_sub(given) as usize;
        reshape(&mut self.out, n_new, self.plan.rows());
        self.padding.close(&mut self.backlog);
        (0..n_new).for_each(|frame| self.give(frame));
        self.reset();
        Ok(self.out.t())
    }

    /// Forgets the stream so far, for the next one.
    pub fn reset(&mut self) {
        self.backlog.clear();
        self.padding.open(&mut self.backlog);
        self.pushed = 0;
        self.given = 0;
    }

    /// Computes the next frame.
    fn give(&mut self, frame: usize) {
        let values = self.plan.frame(self.backlog.samples());
        self.out.row_mut(frame).iter_mut().zip(values).for_each(|(out, &x)| *out = x);
        self.backlog.advance(self.hop_length);
    }
}

/// Puts padding around the samples of a stream.
#[derive(Debug, Clone)]
struct Padding {
    length: usize,
    mode: PadMode,
    /// Samples next to an end of the signal that its padding is made of.
    needs: usize,
    /// The first samples, until there are as many as that; later the latest ones.
    edge: Vec<f32>,
    /// Whether the padding before the first sample was made.
    opened: bool,
    memory: Vec<f32>,
}

impl Padding {
    fn new(length: usize, mode: PadMode) -> Self {
        let needs = match mode {
            _ if length == 0 => 0,
            PadMode::Zero => 0,
            PadMode::Edge => 1,
            PadMode::Reflect => length + 1,
        };
        Self { length, mode, needs, edge: Vec::new(), opened: false, memory: vec![0.0; length] }
    }

    /// Begins a stream.
    fn open(&mut self, backlog: &mut Backlog) {
        self.edge.clear();
        self.opened = false;
        if self.needs == 0 {
            self.write(-(self.length as isize), backlog);
            self.opened = true;
        }
    }

    /// Takes samples of the stream, and passes them on once the padding before them can be made.
    fn pass(&mut self, piece: &[f32], backlog: &mut Backlog) {
        if self.needs == 0 {
            return backlog.append(piece);
        }
        self.edge.extend_from_slice(piece);
        if self.opened {
            backlog.append(piece);
        } else if self.edge.len() >= self.needs {
            self.begin(backlog);
        }
        self.edge.drain(..if self.opened { self.edge.len().saturating_sub(self.needs) } else { 0 });
    }

    fn begin(&mut self, backlog: &mut Backlog) {
        self.write(-(self.length as isize), backlog);
        backlog.append(&self.edge);
        self.opened = true;
    }

    /// Ends the stream, of at least one sample.
    fn close(&mut self, backlog: &mut Backlog) {
        if !self.opened {
            self.begin(backlog);
        }
        self.write(self.edge.len() as isize, backlog);
    }

    fn write(&mut self, start: isize, backlog: &mut Backlog) {
        let mode = if self.needs == 0 { PadMode::Zero } else { self.mode };
        mode.read(&self.edge, start, &mut self.memory);
        backlog.append(&self.memory);
    }
}

/// The samples from the next frame's start on.
#[derive(Debug, Clone)]
struct Backlog {
    /// Reserved once.
    memory: Vec<f32>,
    /// Where the next frame starts in it.
    start: usize,
    /// Samples still to come before that start, where frames lie further apart than they are long.
    skip: usize,
}

impl Backlog {
    fn new(n_fft: usize) -> Self {
        // The remaining samples of a frame and a piece of `n_fft` samples always fit. The further space makes moving them rare.
        Self { memory: Vec::with_capacity(4 * n_fft), start: 0, skip: 0 }
    }

    fn samples(&self) -> &[f32] {
        &self.memory[self.start..]
    }

    fn append(&mut self, piece: &[f32]) {
        let piece = &piece[self.pass_over(piece.len())..];
        self.make_room(piece.len());
        self.memory.extend_from_slice(piece);
    }

    /// How many of the next samples lie before the next frame.
    fn pass_over(&mut self, count: usize) -> usize {
        let passed = self.skip.min(count);
        self.skip -= passed;
        passed
    }

    fn make_room(&mut self, count: usize) {
        if self.memory.len() + count > self.memory.capacity() {
            self.memory.drain(..self.start);
            self.start = 0;
        }
    }

    /// Goes to a frame's start, `hop_length` samples on.
    fn advance(&mut self, hop_length: usize) {
        let step = hop_length.min(self.samples().len());
        self.start += step;
        self.skip = hop_length - step;
    }

    fn clear(&mut self) {
        self.memory.clear();
        (self.start, self.skip) = (0, 0);
    }
}

mod private {
    pub trait Sealed {}
}
