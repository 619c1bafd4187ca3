//! Change of rate by a fixed ratio of whole numbers, in blocks of Fourier transforms.
//!
//! A block's spectrum at the source's rate, times the filter's response and cut at (or filled with zeros up to) the target's Nyquist
//! frequency, is its spectrum at the target's rate (overlap-save: Oppenheim and Schafer, *Discrete-Time Signal Processing*, section 8.7).
//! A block of `length` steps overlaps its neighbours by as much as the filter reaches, so that nothing wraps round into what is kept.

use num_complex::Complex;
use rustfft::FftPlanner;

use super::filter::{Filter, Ratio};
use super::start::Start;
use crate::fourier::{Forward, Inverse};
use crate::vector::vectorized;

/// Transforms that stay in the processor's cache: longer ones only where a ratio's numbers leave no choice.
const CACHED_TRANSFORM: usize = 1 << 13;

/// Plan of blocks.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    ratio: Ratio,
    /// Steps of the ratio that a block gives.
    kept: usize,
    /// Samples of the source before a block that the filter reaches back to.
    before: usize,
    forward: Forward<f32>,
    inverse: Inverse<f32>,
    /// Bins up to the lower Nyquist frequency, scaled for both transforms.
    response: Vec<f32>,
    start: Start,
    source: Vec<Complex<f32>>,
    target: Vec<Complex<f32>>,
}

/// Steps of the ratio in a block's transforms, and how many of them are kept.
fn block_size(ratio: Ratio, filter: &Filter) -> (usize, usize) {
    let (lower, longer) = (ratio.lower(), ratio.from.max(ratio.to));
    let overlap = (2 * filter.reach()).div_ceil(lower);
    // Work for each step that is kept. Both transforms have this many steps.
    let cost = |steps: usize| {
        let work = |n: usize| (n * steps) as f64 * ((n * steps) as f64).log2();
        (work(ratio.from) + work(ratio.to)) / (steps - overlap) as f64
    };
    let shortest = overlap + 1;
    // There is a power of two between a number and its double.
    let longest = (CACHED_TRANSFORM / longer).max(2 * shortest);
    let fast = (shortest..=longest).filter(|&steps| is_smooth(steps));
    let steps = fast.min_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap_or(longest);
    (steps, steps - overlap)
}

/// Whether a number has no prime factors but 2, 3 and 5: transforms of such lengths are fast.
fn is_smooth(mut number: usize) -> bool {
    for factor in [2, 3, 5] {
        while number.is_multiple_of(factor) {
            number /= factor;
        }
    }
    number == 1
}

impl Blocks {
    pub(super) fn new(ratio: Ratio) -> Self {
        let filter = Filter::new(ratio);
        let (steps, kept) = block_size(ratio, &filter);
        let (n_from, n_to) = (steps * ratio.from, steps * ratio.to);
        let mut planner = FftPlanner::new();
        let forward = Forward::new(n_from, &mut planner);
        let inverse = Inverse::new(n_to, &mut planner);
        let scale = 1.0 / n_from as f64;
        // The bin at the lower Nyquist frequency itself stays zero, as the filter's is.
        let bins = (steps * ratio.lower()).div_ceil(2);
        let response = filter.response(steps * ratio.lower());
        Self {
            kept,
            before: (filter.reach() * ratio.from).div_ceil(ratio.lower()),
            response: response[..bins].iter().map(|h| (h * scale) as f32).collect(),
            start: Start::new(ratio),
            source: vec![Complex::default(); forward.n_bins()],
            target: vec![Complex::default(); n_to / 2 + 1],
            forward,
            inverse,
            ratio,
        }
    }

    /// Resamples a whole signal into a vector, which is resized.
    pub(super) fn process(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        out.resize(self.ratio.length(samples.len()), 0.0);
        let (step_from, step_to) = (self.kept * self.ratio.from, self.kept * self.ratio.to);
        for (block, out) in out.chunks_mut(step_to).enumerate() {
            out.copy_from_slice(&self.transform(samples, block * step_from)[..out.len()]);
        }
        self.start.take_from(samples, out);
        let covered = self.ratio.covered(samples.len()).min(out.len());
        out[covered..].fill(0.0);
    }

    /// The block whose first sample has this place in the source.
    fn transform(&mut self, samples: &[f32], start: usize) -> &[f32] {
        // What comes before the block stands at the buffer's end: the transform goes round.
        let ahead = self.forward.length() - self.before;
        let (ahead, before) = self.forward.signal().split_at_mut(ahead);
        fill(ahead, samples, start as isize);
        fill(before, samples, start as isize - self.before as isize);
        self.forward.run(&mut self.source);
        let bins = self.response.len();
        filtered(&self.source[..bins], &self.response, &mut self.target[..bins]);
        self.inverse.run(&self.target)
    }
}

/// Copies what the signal holds from a place on, and zeros where it holds nothing.
fn fill(buffer: &mut [f32], samples: &[f32], start: isize) {
    let lead = start.min(0).unsigned_abs().min(buffer.len());
    let rest = samples.get(start.max(0) as usize..).unwrap_or_default();
    let count = rest.len().min(buffer.len() - lead);
    buffer[..lead].fill(0.0);
    buffer[lead..lead + count].copy_from_slice(&rest[..count]);
    buffer[lead + count..].fill(0.0);
}

vectorized! {
    fn filtered(spectrum: &[Complex<f32>], response: &[f32], out: &mut [Complex<f32>]) {
        for ((out, x), &h) in out.iter_mut().zip(spectrum).zip(response) {
            *out = Complex::new(x.re * h, x.im * h);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_of_common_ratios_are_short_and_keep_most_of_a_block() {
        for (from, to) in
            [(48_000, 22_050), (44_100, 22_050), (48_000, 16_000), (16_000, 22_050), (96_000, 16_000)]
        {
            let ratio = Ratio::new(from, to);
            let (steps, kept) = block_size(ratio, &Filter::new(ratio));
            let longer = steps * ratio.from.max(ratio.to);
            assert!(
                is_smooth(steps) && longer <= CACHED_TRANSFORM && 2 * kept > steps,
                "{from} to {to}: {steps}"
            );
        }
    }
}
