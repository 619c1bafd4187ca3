//! Change of sample rate of a signal that arrives in pieces.

use std::ops::Range;

use super::check_rates;
use super::filter::{Filter, Ratio};
use super::start::{LANES, Start, product};
use crate::check::check_samples;
use crate::error::{ConfigError, SignalError};

/// Largest number in the lowest terms of a stream's ratio: the table of phases has a row for each. All ratios of two common rates have
/// smaller ones.
const MAX_TERM: usize = 1 << 12;

/// Resamples a stream: pieces of any length go in, each sample at the target's rate comes out as soon as the filter's last sample is
/// there.
///
/// All samples together are those that [`Resampler`](crate::Resampler) gives for the whole signal, within −120 dB of its peak: the
/// filter is the same, but sums are rounded in another order. The lengths of the pieces do not affect the result. With a filter of
/// some hundred taps for each sample, a stream takes longer than the whole signal.
///
/// Memory does not grow with the stream, and a push allocates nothing once one as long came before.
///
/// ```
/// use ser_features::StreamingResampler;
///
/// let mut resampler = StreamingResampler::new(48_000, 16_000)?;
/// let latency = f64::from(resampler.latency() as u32) / 48_000.0; // in samples of the source
/// assert!(latency < 0.007);
///
/// let mut resampled = Vec::new();
/// // A sound card gives ten milliseconds at a time.
/// for piece in [0.1; 48_000].chunks(480) {
///     resampled.extend_from_slice(resampler.push(piece)?);
/// }
/// resampled.extend_from_slice(resampler.finish()?); // and the plan is ready for the next stream
/// assert_eq!(resampled.len(), 16_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamingResampler {
    ratio: Ratio,
    /// Taps of each phase, `[ratio.to, taps]`.
    phases: Vec<f32>,
    taps: usize,
    /// Samples of the source that must follow a sample's time.
    after: usize,
    start: Start,
    /// The samples from the next one's filter on.
    history: Vec<f32>,
    /// Samples of the source before the next sample's time, the fraction in parts of `ratio.to`.
    phase: usize,
    /// Samples that were pushed and given.
    pushed: usize,
    given: usize,
    out: Vec<f32>,
}

impl StreamingResampler {
    /// Plans a change from one rate to another, both in Hz.
    ///
    /// # Errors
    /// When a rate lies outside [`SAMPLE_RATES`](crate::SAMPLE_RATES), or their ratio in its lowest terms has a number above 4,096, as that
    /// of 44,101 to 22,050 Hz: a plan holds the filter's taps for each phase, 3.4 MB for 4,096 phases.
    pub fn new(from: u32, to: u32) -> Result<Self, ConfigError> {
        let ratio = check_rates(from, to, MAX_TERM)?;
        let (phases, after) = if from == to { (vec![0.0; LANES], 0) } else { Self::phases(ratio) };
        let taps = phases.len() / ratio.to;
        let mut resampler = Self {
            ratio,
            phases,
            taps,
            after,
            start: Start::new(ratio),
            history: Vec::new(),
            phase: 0,
            pushed: 0,
            given: 0,
            out: Vec::new(),
        };
        if from == to {
            resampler.phases[LANES - 1] = 1.0;
        }
        resampler.reset();
        Ok(resampler)
    }

    /// The taps of all phases, and how many samples after a sample's time they reach.
    fn phases(ratio: Ratio) -> (Vec<f32>, usize) {
        let filter = Filter::new(ratio);
        // At this many steps a sample of the lower rate, all phases of both rates are points of the response.
        let impulse = filter.impulse(ratio.from.max(ratio.to));
        let scale = ratio.lower() as f64 / ratio.from as f64;
        let after = (filter.reach() * ratio.from).div_ceil(ratio.lower());
        let taps = (2 * after + 1).next_multiple_of(LANES);
        let mut phases = vec![0.0; ratio.to * taps];
        for (phase, row) in phases.chunks_exact_mut(taps).enumerate() {
            for (tap, value) in row.iter_mut().rev().enumerate() {
                // The last tap meets the sample that lies `after` behind the whole part of the time.
                let distance =
                    ((tap * ratio.to + phase) as isize - (after * ratio.to) as isize).unsigned_abs();
                *value = impulse.get(distance).map_or(0.0, |h| (h * scale) as f32);
            }
        }
        (phases, after)
    }

    /// Latency in samples of the source: half of the filter's length, 4.7 ms from 48,000 to
    /// 22,050 Hz; 0 if both rates are equal.
    pub fn latency(&self) -> usize {
        self.after
    }

    /// Takes the next samples and gives those at the target's rate that they complete, often one more or fewer than the push before. An
    /// empty piece is fine.
    ///
    /// # Errors
    /// When a sample is NaN, infinite or beyond ±1e12; the index counts from the piece's start. The stream ignores such a piece.
    pub fn push(&mut self, samples: &[f32]) -> Result<&[f32], SignalError> {
        if !samples.is_empty() {
            check_samples(samples)?;
        }
        self.history.extend_from_slice(samples);
        self.pushed += samples.len();
        self.give(usize::MAX);
        Ok(&self.out)
    }

    /// Ends the stream and gives its last samples. The stream then has as many as [`Resampler::process`](crate::Resampler::process) gives.
    /// The plan is then ready for the next stream.
    ///
    /// # Errors
    /// When no sample was pushed.
    pub fn finish(&mut self) -> Result<&[f32], SignalError> {
        if self.pushed == 0 {
            self.reset();
            return Err(SignalError::Empty);
        }
        self.history.resize(self.history.len() + self.after, 0.0);
        self.give(self.ratio.covered(self.pushed).saturating_sub(self.given));
        let missing = self.ratio.length(self.pushed).saturating_sub(self.given);
        self.out.resize(self.out.len() + missing, 0.0);
        self.reset();
        Ok(&self.out)
    }

    /// Forgets the stream so far, for the next one.
    pub fn reset(&mut self) {
        self.history.clear();
        // The first sample's filter starts before the signal.
        self.history.resize(self.taps - 1 - self.after, 0.0);
        (self.phase, self.pushed, self.given) = (0, 0, 0);
    }

    /// Makes the samples whose filters are covered, `most` of them.
    fn give(&mut self, most: usize) {
        let Ratio { from, to } = self.ratio;
        self.out.clear();
        let mut start = 0;
        while let Some(covered) = self.history.get(start..start + self.taps).filter(|_| self.out.len() < most)
        {
            let row: Range<usize> = self.phase * self.taps..(self.phase + 1) * self.taps;
            let mut sample = product(&self.phases[row], covered);
            let number = self.given + self.out.len();
            if let Some(row) = self.start.row(number) {
                // The position in `covered` of the signal's first sample.
                let first = self.taps - 1 - self.after - number * from / to;
                sample -= product(row, &covered[first..first + row.len()]);
            }
            self.out.push(sample);
            self.phase += from;
            start += self.phase / to;
            self.phase %= to;
        }
        // The next filter may start behind all samples so far, where a rate is divided by more than the filter's length.
        self.given += self.out.len();
        self.history.drain(..start.min(self.history.len()));
    }
}
