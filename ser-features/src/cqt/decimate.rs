//! Downsampling by powers of two, as soxr's `HQ` setting does it.
//!
//! The constant-Q transform is computed octave by octave, each on a signal of half the rate. librosa leaves the halving to
//! libsoxr (`soxr_hq`). Its impulse responses were measured with the Python package soxr 1.1.0. For a factor of two it uses one
//! symmetric filter, a Kaiser-windowed sinc, that passes up to 0.91 of the new Nyquist frequency and lies below −126 dB from the
//! new Nyquist frequency on. For a higher power of two, a short half-band filter first halves the rate as often as needed; its
//! output for times before the signal's start is cut off. With the constants below, both filters equal the measured responses
//! within 2e-8, which is the noise of soxr's `f32`. The delay is compensated exactly: output
//! `m` stands at input `factor · m`. For the factors 2 to 8, noise comes out as from soxr within 2e-7; from 16 on, soxr's first
//! half-band filters differ a little, and so do the first few samples, by up to 2e-4.
//!
//! Blocks are filtered in the frequency domain, where decimation means adding the two halves of the spectrum that fall on the
//! same frequencies: one transform of `n` and one of `n / 2` for each block.

use std::f64::consts::PI;

use num_complex::{Complex32, Complex64};
use rustfft::FftPlanner;

use crate::fourier::{Forward, Inverse};
use crate::vector::vectorized;

/// Cut-off of the last filter (its −6 dB point), in units of the new sample rate.
const CUTOFF: f64 = 0.478_435_91;

/// Half of the last filter's width in samples, and its Kaiser window's β, for the factors 2, 4, 8 … 256 and above.
const SHAPES: [(f64, f64); 8] = [
    (194.5, 13.03994),
    (204.5, 13.71141),
    (210.5, 14.10411),
    (214.5, 14.38321),
    (216.5, 14.59981),
    (220.5, 14.77661),
    (222.5, 14.92626),
    (224.5, 15.05595),
];

/// The half-band filter: its taps 1, 3, 5 … beside the middle one, which is ½. Those between them are zero.
const HALF_BAND: [f64; 8] = [
    0.311_546_545,
    -0.087_344_938,
    0.036_814_442,
    -0.015_189_175,
    0.005_454_093,
    -0.001_564_415,
    0.000_318_173,
    -0.000_034_789,
];

/// Downsamples by a power of two, scaled by its square root (librosa's `scale=True`), which keeps the signal's energy.
#[derive(Debug, Clone)]
pub(super) struct Decimator {
    half_band: Vec<Halver>,
    last: Halver,
    intermediate: [Vec<f32>; 2],
}

impl Decimator {
    /// Plans for the factor 2^`halvings`, at least 2.
    pub(super) fn new(halvings: usize, planner: &mut FftPlanner<f32>) -> Self {
        debug_assert!(halvings > 0);
        let shape = SHAPES[halvings.clamp(1, SHAPES.len()) - 1];
        Self {
            half_band: (1..halvings).map(|_| Halver::new(&half_band(), planner)).collect(),
            last: Halver::new(&windowed_sinc(shape), planner),
            intermediate: Default::default(),
        }
    }

    /// Writes the downsampled `signal` to `out`: one sample for each `factor` samples, the last group counting even where it is
    /// not full. Outside of the signal, zeros are assumed.
    pub(super) fn process(&mut self, signal: &[f32], out: &mut Vec<f32>) {
        let factor = 1_usize << (self.half_band.len() + 1);
        // soxr rounds the output's length to the nearest; librosa appends a zero where that falls short.
        let complete = signal.len() / factor + usize::from(signal.len() % factor >= factor / 2);
        let [current, next] = &mut self.intermediate;
        let mut input = signal;
        for halver in &mut self.half_band {
            // The filter's response after the end of the signal is kept.
            halver.process(input, (input.len() + halver.reach) / 2 + 1, next);
            std::mem::swap(current, next);
            input = current;
        }
        self.last.process(input, complete, out);
        out.resize(signal.len().div_ceil(factor), 0.0);
    }
}

/// Halves the rate with a symmetric filter.
#[derive(Debug, Clone)]
struct Halver {
    /// Taps on each side of the middle one.
    reach: usize,
    /// The filter's response, which is real because the filter is symmetric, with all scaling folded in.
    response: Vec<f32>,
    forward: Forward<f32>,
    inverse: Inverse<f32>,
    padded: Vec<f32>,
    spectrum: Vec<Complex32>,
    folded: Vec<Complex32>,
}

impl Halver {
    /// Plans for a filter with these taps, from the middle one to the right end.
    fn new(taps: &[f64], planner: &mut FftPlanner<f32>) -> Self {
        let reach = taps.len() - 1;
        // 2,048 for the last filter, as in soxr, so that rounding noise fills the same blocks: for silence after a signal, librosa's
        // values are the noise of the block in which the signal ends.
        let n = (8 * reach).next_power_of_two().max(512);
        Self {
            reach,
            response: response(taps, n, 2_f64.sqrt() / n as f64),
            padded: Vec::new(),
            spectrum: vec![Complex32::ZERO; n / 2 + 1],
            folded: vec![Complex32::ZERO; n / 4 + 1],
            forward: Forward::new(n, planner),
            inverse: Inverse::new(n / 2, planner),
        }
    }

    /// Writes `length` samples of half the rate to `out`.
    fn process(&mut self, signal: &[f32], length: usize, out: &mut Vec<f32>) {
        out.clear();
        out.resize(length, 0.0);
        let skipped = self.reach.div_ceil(2);
        let step = (self.forward.length() - 1 - self.reach) / 2 + 1 - skipped;
        for (index, chunk) in out.chunks_mut(step).enumerate() {
            let start = 2 * (index * step) as isize - 2 * skipped as isize;
            let block = stretch(signal, start, self.forward.length(), &mut self.padded);
            self.forward.process(block, &mut self.spectrum);
            fold(&mut self.spectrum, &self.response, &mut self.folded);
            let filtered = self.inverse.run(&self.folded);
            chunk.copy_from_slice(&filtered[skipped..skipped + chunk.len()]);
        }
    }
}

/// Applies a filter's response, and adds up the two halves of the spectrum that fall on the same frequencies at half of the rate. Of
/// both spectra, whose signals are real, only the non-negative frequencies are given.
fn fold(spectrum: &mut [Complex32], response: &[f32], folded: &mut [Complex32]) {
    filter_and_fold(spectrum, response, folded);
    folded[0].im = 0.0;
    folded[spectrum.len() / 2].im = 0.0;
}

vectorized! {
    fn filter_and_fold(spectrum: &mut [Complex32], response: &[f32], folded: &mut [Complex32]) {
        for (bin, &gain) in spectrum.iter_mut().zip(response) {
            *bin *= gain;
        }
        for ((sum, low), high) in folded.iter_mut().zip(&*spectrum).zip(spectrum.iter().rev()) {
            *sum = low + high.conj();
        }
    }
}

/// `count` samples from `start` on: where they lie, or with zeros before and behind the signal, in `padded`.
pub(super) fn stretch<'a>(
    signal: &'a [f32],
    start: isize,
    count: usize,
    padded: &'a mut Vec<f32>,
) -> &'a [f32] {
    let first = start.max(0) as usize;
    if let (Ok(_), Some(inside)) = (usize::try_from(start), signal.get(first..first + count)) {
        return inside;
    }
    let before = start.min(0).unsigned_abs().min(count);
    let held = signal.get(first..).unwrap_or_default();
    let held = &held[..held.len().min(count - before)];
    padded.clear();
    padded.resize(before, 0.0);
    padded.extend_from_slice(held);
    padded.resize(count, 0.0);
    padded
}

/// The last filter's taps from the middle one to the right end. Over both sides they sum to one.
fn windowed_sinc((half_width, beta): (f64, f64)) -> Vec<f64> {
    let cutoff = CUTOFF / 2.0;
    (0..half_width.ceil() as usize)
        .map(|n| {
            let n = n as f64;
            let sinc = if n == 0.0 { 2.0 * cutoff } else { (2.0 * PI * cutoff * n).sin() / (PI * n) };
            let position = n / half_width;
            sinc * bessel_i0(beta * (1.0 - position * position).sqrt()) / bessel_i0(beta)
        })
        .collect()
}

/// The half-band filter's taps from the middle one to the right end.
fn half_band() -> Vec<f64> {
    let mut taps = vec![0.0; 2 * HALF_BAND.len()];
    taps[0] = 0.5;
    for (k, tap) in HALF_BAND.into_iter().enumerate() {
        taps[2 * k + 1] = tap;
    }
    taps
}

/// The modified Bessel function of the first kind and order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    let mut k = 1.0;
    while term > sum * 1e-17 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

/// The first `n / 2 + 1` values of the symmetric filter's transform of length `n`, times `scale`.
fn response(taps: &[f64], n: usize, scale: f64) -> Vec<f32> {
    let (mut filter, mut spectrum) = (vec![0.0; n], vec![Complex64::ZERO; n / 2 + 1]);
    filter[0] = taps[0];
    for (k, &tap) in taps.iter().enumerate().skip(1) {
        filter[k] = tap;
        filter[n - k] = tap;
    }
    Forward::new(n, &mut FftPlanner::new()).process(&filter, &mut spectrum);
    spectrum.iter().map(|bin| (bin.re * scale) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimate(signal: &[f32], halvings: usize) -> Vec<f32> {
        let mut out = Vec::new();
        Decimator::new(halvings, &mut FftPlanner::new()).process(signal, &mut out);
        out
    }

    fn noise(length: usize) -> Vec<f32> {
        let mut state = 1_u32;
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state as f32 / u32::MAX as f32 - 0.5
            })
            .collect()
    }

    #[test]
    fn equals_direct_convolution() {
        for (taps, lengths) in [(windowed_sinc(SHAPES[0]), [1, 7, 9_001]), (half_band(), [2, 60, 1_000])] {
            for length in lengths {
                let signal = noise(length);
                let mut out = Vec::new();
                Halver::new(&taps, &mut FftPlanner::new()).process(&signal, length, &mut out);
                for (m, &value) in out.iter().enumerate() {
                    let tap = |i: usize| taps.get(i.abs_diff(2 * m)).copied().unwrap_or(0.0);
                    let expected: f64 = signal.iter().enumerate().map(|(i, &x)| tap(i) * f64::from(x)).sum();
                    let error = (f64::from(value) - expected * 2_f64.sqrt()).abs();
                    assert!(error < 1e-6, "{length} samples, output {m}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_length_is_rounded_up_but_only_half_full_groups_hold_a_sample() {
        for (length, zeros) in [(100, 0), (101, 1), (102, 0), (103, 0), (1, 1)] {
            let out = decimate(&vec![1.0; length], 2);
            assert_eq!(out.len(), length.div_ceil(4));
            assert_eq!(out.iter().rev().take_while(|&&x| x == 0.0).count(), zeros, "{length} samples");
        }
    }

    #[test]
    fn a_low_sine_keeps_its_place_and_gains_the_square_root() {
        let sine = |n: usize, rate: f64| (2.0 * PI * 0.01 * n as f64 * rate).sin();
        let signal: Vec<f32> = (0..40_000).map(|n| sine(n, 1.0) as f32).collect();
        for halvings in 1..=4 {
            let factor = f64::from(1 << halvings);
            let out = decimate(&signal, halvings);
            for (m, &value) in out.iter().enumerate().skip(200).take(out.len() - 400) {
                assert!((f64::from(value) / factor.sqrt() - sine(m, factor)).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn tones_above_the_new_nyquist_frequency_vanish() {
        let signal: Vec<f32> = (0..20_000).map(|n| (2.0 * PI * 0.26 * n as f64).sin() as f32).collect();
        let out = decimate(&signal, 1);
        assert!(out[200..9_800].iter().all(|x| x.abs() < 1e-6));
    }
}
