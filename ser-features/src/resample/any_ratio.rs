//! Change of rate by any real ratio, by rubato's sinc interpolation.
//!
//! rubato does not accept custom filters, so the transition band differs from soxr's: it is as wide, but lies about 0.004 of the lower
//! Nyquist frequency lower and begins at 0.91. This method is used because it needs no table for the ratio.

use crate::error::SignalError;
use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable as _, Async, FixedAsync, Indexing, ResampleError, Resampler as _, ResamplerConstructionError,
    Resizable as _, SincInterpolationParameters, SincInterpolationType, WindowFunction,
};

/// Taps of the filter at the lower rate.
const TAPS: f64 = 296.0;

/// Half of the amplitude passes here, as a share of the lower Nyquist frequency. With these taps and this window all is gone at 1.
const CUTOFF: f32 = 0.953;

/// Places between two samples for which the filter is kept; between these, cubics are laid.
const OVERSAMPLING: usize = 256;

/// Samples that are made at once.
const CHUNK: usize = 512;

/// Maximum length of the first step, in other steps: it is at most 2, and the rest is room for rounding.
const LONGEST_STEP: f64 = 2.5;

/// Plan of one ratio.
#[derive(Debug)]
pub(super) struct AnyRatio {
    ratio: f64,
    /// rubato's resampler can't be cloned, so a clone makes a new one when it is first used.
    plan: Option<Async<f32>>,
    /// Samples that the plan gives before the signal's first.
    lead: usize,
    /// How far the first sample lies from the plan's start, in samples of the source.
    first_step: f64,
    /// Gain of a constant signal. rubato sums its table in `f32`, so that the gain is off by up to 5e-5 at a ratio of 1/4.
    gain: f32,
    chunk: Vec<f32>,
}

impl Clone for AnyRatio {
    fn clone(&self) -> Self {
        Self { plan: None, chunk: self.chunk.clone(), ..*self }
    }
}

/// Taps of the filter at the source's rate.
fn taps(ratio: f64) -> usize {
    ((TAPS / ratio.min(1.0)).ceil() as usize).next_multiple_of(8)
}

fn plan(ratio: f64) -> Result<Async<f32>, ResamplerConstructionError> {
    let parameters = SincInterpolationParameters::new(taps(ratio), WindowFunction::BlackmanHarris2)
        .f_cutoff(CUTOFF)
        .oversampling_factor(OVERSAMPLING)
        .interpolation(SincInterpolationType::Cubic);
    Async::new_sinc(ratio, LONGEST_STEP, &parameters, CHUNK, 1, FixedAsync::Output)
}

impl AnyRatio {
    /// `None` for a ratio that rubato can't have.
    pub(super) fn new(ratio: f64) -> Option<Self> {
        // rubato starts half of a filter before the signal and makes a step before each sample. The first step is one to two other
        // steps long, such that a whole number of steps leads to the signal's first sample.
        let delay = (taps(ratio) / 2) as f64;
        let lead = (delay * ratio).floor() as usize - 1;
        // rubato's table puts the filter's centre a place beside the middle: its first row holds the last place before the next sample.
        let first_step = delay - lead as f64 / ratio - 1.0 / OVERSAMPLING as f64;
        let plan = Some(plan(ratio).ok()?);
        let mut resampler = Self { ratio, plan, lead, first_step, gain: 1.0, chunk: vec![0.0; CHUNK] };
        let mut constant = Vec::new();
        // Makes each kind of step once, so that a ratio for which one fails is refused here.
        resampler.process(&vec![1.0; 2 * taps(ratio)], &mut constant).ok()?;
        resampler.gain = constant.get(constant.len() / 2).copied().filter(|gain| *gain > 0.0).unwrap_or(1.0);
        Some(resampler)
    }

    /// Resamples a whole signal into a vector, which is resized.
    ///
    /// # Errors
    /// When rubato refuses a step: none is known that [`new`](Self::new) does not find.
    pub(super) fn process(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), SignalError> {
        let refused = |reason: String| SignalError::NotResampled { ratio: self.ratio, reason };
        let mut plan = match self.plan.take() {
            Some(plan) => plan,
            None => plan(self.ratio).map_err(|error| refused(error.to_string()))?,
        };
        out.clear();
        out.resize((samples.len() as f64 * self.ratio).ceil() as usize, 0.0);
        let done = self.fill(&mut plan, samples, out);
        self.plan = Some(plan);
        done.map_err(|error| SignalError::NotResampled { ratio: self.ratio, reason: error.to_string() })?;
        out.iter_mut().for_each(|x| *x /= self.gain);
        Ok(())
    }

    fn fill(&mut self, plan: &mut Async<f32>, samples: &[f32], out: &mut [f32]) -> Result<(), ResampleError> {
        plan.reset();
        plan.set_chunk_size(1)?;
        plan.set_resample_ratio(1.0 / self.first_step, false)?;
        let mut rest = next_chunk(plan, samples, &mut self.chunk[..1])?;
        let mut given = self.keep(0, 1, out);
        plan.set_resample_ratio(self.ratio, false)?;
        plan.set_chunk_size(CHUNK)?;
        while given < self.lead + out.len() {
            rest = next_chunk(plan, rest, &mut self.chunk)?;
            given = self.keep(given, CHUNK, out);
        }
        Ok(())
    }

    /// Copies the chunk's samples to their places, and returns how many samples were given so far.
    fn keep(&self, given: usize, count: usize, out: &mut [f32]) -> usize {
        let early = self.lead.saturating_sub(given).min(count);
        let start = (given + early).saturating_sub(self.lead);
        let room = out.get_mut(start..).unwrap_or_default();
        let kept = &self.chunk[early..count];
        room.iter_mut().zip(kept).for_each(|(to, from)| *to = *from);
        given + count
    }
}

/// Makes the next samples and returns what is left of the source.
fn next_chunk<'a>(
    plan: &mut Async<f32>,
    samples: &'a [f32],
    out: &mut [f32],
) -> Result<&'a [f32], ResampleError> {
    let taken = plan.input_frames_next().min(samples.len());
    let (piece, rest) = samples.split_at(taken);
    let wrong_size = |_| ResampleError::InsufficientInputBufferSize { expected: taken, actual: piece.len() };
    let count = out.len();
    let input = InterleavedSlice::new(piece, 1, taken).map_err(wrong_size)?;
    let mut output = InterleavedSlice::new_mut(out, 1, count).map_err(wrong_size)?;
    let end = Indexing { partial_len: Some(taken), ..Default::default() };
    plan.process_into_buffer(&input, &mut output, Some(&end))?;
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone that fades in and out, at a rate that is `ratio` times the first.
    fn tone(length: usize, ratio: f64) -> Vec<f32> {
        let sample = |n: usize| {
            let t = n as f64 / ratio;
            ((0.3 * t).sin() * (-((t - 1_500.0) / 400.0).powi(2)).exp()) as f32
        };
        (0..length).map(sample).collect()
    }

    #[test]
    fn any_ratio_keeps_the_waveform_and_its_place() {
        for ratio in
            [0.25, 0.5, 0.943_874_312_681_694, 1.0, std::f64::consts::SQRT_2, std::f64::consts::PI, 20.3]
        {
            let mut plan = AnyRatio::new(ratio).unwrap();
            for _ in 0..2 {
                let mut got = Vec::new();
                plan.process(&tone(3_000, 1.0), &mut got).unwrap();
                let want = tone((3_000.0 * ratio).ceil() as usize, ratio);
                assert_eq!(got.len(), want.len());
                let worst = got.iter().zip(&want).fold(0.0, |worst, (a, b)| f32::max(worst, (a - b).abs()));
                assert!(worst < 2e-6, "{ratio}: {worst}");
            }
        }
    }
}
