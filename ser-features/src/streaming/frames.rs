//! Streams that are computed from the frames of another stream.

use ndarray::{Array2, ArrayView2};

use crate::delta::{Delta, DeltaConfig};
use crate::error::{ConfigError, SignalError};
use crate::pcen::{Pcen, PcenConfig};

/// Computes the deltas of a stream of frames. [`push`](Self::push) takes matrices `[rows, new frames]` and returns the deltas of the frames
/// whose neighbours are complete.
///
/// The deltas equal those of [`Delta`] for all frames, bit for bit. As there, the first and the last frames have the derivative of the
/// first or last curve that is fitted to [`DeltaConfig::width`] frames. So no deltas are returned before that many frames were pushed, and
/// [`finish`](Self::finish) returns the last ones.
///
/// ```
/// use ndarray::Array2;
/// use ser_features::{DeltaConfig, StreamingDelta};
///
/// let mut delta = StreamingDelta::new(DeltaConfig::default())?;
/// let rising = Array2::from_shape_fn((3, 20), |(row, t)| (row * t) as f32);
/// let slopes = delta.push(rising.view())?;
/// assert_eq!((slopes.dim(), delta.latency()), ((3, 16), 4));
/// assert_eq!(delta.finish()?.dim(), (3, 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamingDelta {
    delta: Delta,
    n_rows: usize,
    /// The last frames, one after the other.
    frames: Vec<f32>,
    /// Number of the first of them.
    first: usize,
    pushed: usize,
    given: usize,
}

impl StreamingDelta {
    /// Computes the weights.
    ///
    /// # Errors
    /// As [`Delta::new`].
    pub fn new(config: DeltaConfig) -> Result<Self, ConfigError> {
        let delta = Delta::new(config)?;
        Ok(Self { delta, n_rows: 0, frames: Vec::new(), first: 0, pushed: 0, given: 0 })
    }

    /// Latency in frames: half of the width.
    pub fn latency(&self) -> usize {
        self.delta.width() / 2
    }

    /// Takes the next frames and gives the deltas that they complete, `[rows, frames]`. A matrix without frames is fine.
    ///
    /// # Errors
    /// When the matrix has no row, or another number of rows than the stream's first one.
    pub fn push(&mut self, frames: ArrayView2<'_, f32>) -> Result<Array2<f32>, SignalError> {
        let expected = if self.pushed == 0 { frames.nrows().max(1) } else { self.n_rows };
        if frames.nrows() != expected {
            return Err(SignalError::Rows { expected, given: frames.nrows() });
        }
        self.n_rows = expected;
        self.frames.extend(frames.columns().into_iter().flatten());
        self.pushed += frames.ncols();
        let whole = if self.pushed < self.delta.width() { 0 } else { self.pushed - self.latency() };
        Ok(self.give(whole))
    }

    /// Ends the stream and gives its last deltas. The plan is then ready for the next stream.
    ///
    /// # Errors
    /// When fewer frames than the width were pushed. The plan is ready for the next stream then, too.
    pub fn finish(&mut self) -> Result<Array2<f32>, SignalError> {
        let (minimum, given) = (self.delta.width(), self.pushed);
        let last = if given < minimum {
            Err(SignalError::TooFewFrames { minimum, given })
        } else {
            Ok(self.give(given))
        };
        self.reset();
        last
    }

    /// Forgets the stream so far, for the next one.
    pub fn reset(&mut self) {
        self.frames.clear();
        (self.first, self.pushed, self.given) = (0, 0, 0);
    }

    /// The deltas of the frames before this one that were not given yet.
    fn give(&mut self, end: usize) -> Array2<f32> {
        let (width, n_rows, half) = (self.delta.width(), self.n_rows, self.latency());
        let start_of = |t: usize| t.saturating_sub(half).min(self.pushed.saturating_sub(width));
        let deltas = Array2::from_shape_fn((n_rows, end.saturating_sub(self.given)), |(row, i)| {
            let start = start_of(self.given + i) - self.first;
            self.delta.of_window(|i| self.frames[(start + i) * n_rows + row])
        });
        self.given = self.given.max(end);
        // The first frame of the next fitted curve, or of the last one.
        let kept = start_of(self.given).max(self.first);
        self.frames.drain(..(kept - self.first) * n_rows);
        self.first = kept;
        deltas
    }
}

/// Normalises the energies of a stream of frames: matrices `[bands, new frames]` go in, and come out normalised at once.
///
/// The results equal those of [`Pcen`] for all frames, bit for bit: its smoothing looks back only.
///
/// ```
/// use ndarray::Array2;
/// use ser_features::{PcenConfig, StreamingPcen};
///
/// let mut pcen = StreamingPcen::new(PcenConfig::default())?;
/// assert_eq!(pcen.push(Array2::from_elem((40, 3), 1_000.0).view())?.dim(), (40, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamingPcen {
    pcen: Pcen,
    /// State of each band's smoothing filter; empty before the first frames.
    rest: Vec<f64>,
}

impl StreamingPcen {
    /// Checks the configuration.
    ///
    /// # Errors
    /// As [`Pcen::new`].
    pub fn new(config: PcenConfig) -> Result<Self, ConfigError> {
        Ok(Self { pcen: Pcen::new(config)?, rest: Vec::new() })
    }

    /// Takes the next frames and gives them normalised, in the same shape. A matrix without frames is fine.
    ///
    /// # Errors
    /// When the matrix has no row, or another number of rows than the stream's first one, or a value is negative, NaN or infinite. The stream
    /// ignores such a matrix.
    pub fn push(&mut self, frames: ArrayView2<'_, f32>) -> Result<Array2<f32>, SignalError> {
        let expected = if self.rest.is_empty() { frames.nrows().max(1) } else { self.rest.len() };
        if frames.nrows() != expected {
            return Err(SignalError::Rows { expected, given: frames.nrows() });
        }
        if frames.ncols() == 0 {
            return Ok(Array2::zeros(frames.dim()));
        }
        let fresh = self.rest.is_empty();
        self.rest.resize(expected, self.pcen.start());
        let normalised = self.pcen.process_from(frames, &mut self.rest);
        if fresh && normalised.is_err() {
            self.rest.clear();
        }
        normalised
    }

    /// Forgets the stream so far, for the next one.
    pub fn reset(&mut self) {
        self.rest.clear();
    }
}
