//! Fourier transforms of real signals.
//!
//! A transform of `n` real values is one of `n / 2` complex values and a step that untangles them (Cooley, Lewis and Welch, "The fast
//! Fourier transform algorithm: programming considerations in the calculation of sine, cosine and Laplace transforms", 1970). The
//! complex one is rustfft's, which chooses its instructions at run time. So does the step here, where realfft's is compiled for the
//! target's baseline. It takes a bin and its mirror image together, in the order in which they lie in memory: 0.63 times the time of a loop
//! over single bins, whose real and imaginary parts had to be sorted apart (x86-64 with AVX2).
//!
//! A signal of zeros has a spectrum of zeros, and the reverse. Neither is computed: clips that are filled up to a length hold many such
//! frames.

use std::f64::consts::PI;
use std::ops::Range;
use std::sync::Arc;

use bytemuck::{Pod, cast_slice, cast_slice_mut};
use num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};

use crate::vector::vectorized;

/// Real numbers that transforms calculate with.
pub(crate) trait Real: FftNum + From<f32> + Pod {
    fn rounded(value: f64) -> Self;
}

impl Real for f32 {
    fn rounded(value: f64) -> Self {
        value as f32
    }
}

impl Real for f64 {
    fn rounded(value: f64) -> Self {
        value
    }
}

/// What both directions share: the complex transform, its memory, and the factors of the untangling.
#[derive(Clone)]
struct Halves<T> {
    length: usize,
    fft: Arc<dyn Fft<T>>,
    factors: Factors<T>,
    input: Vec<Complex<T>>,
    output: Vec<Complex<T>>,
    scratch: Vec<Complex<T>>,
    /// The signal, where its length is odd.
    odd: Vec<T>,
}

/// The factors `f[k]` of the lower half of the bins, from `k = 1` on, as [`combine`] multiplies with them.
#[derive(Clone)]
struct Factors<T> {
    /// For each bin its real part twice.
    re: Vec<T>,
    /// For each bin its imaginary part, negated and as it is.
    im: Vec<T>,
}

impl<T> std::fmt::Debug for Halves<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transform").field("length", &self.length).finish_non_exhaustive()
    }
}

impl<T: Real> Halves<T> {
    /// `factor` gets the angle `2πk / length` of each bin `k`.
    fn new(
        length: usize,
        plan: impl Fn(usize) -> Arc<dyn Fft<T>>,
        factor: impl Fn(f64) -> Complex<f64>,
    ) -> Self {
        let even = length.is_multiple_of(2);
        let fft = plan(if even { length / 2 } else { length });
        let factors = (1..if even { length / 4 + 1 } else { 0 })
            .map(|k| factor(2.0 * PI * k as f64 / length as f64))
            .map(|factor| (T::rounded(factor.re), T::rounded(factor.im)));
        let (mut re, mut im) = (Vec::new(), Vec::new());
        for (real, imaginary) in factors {
            re.extend([real, real]);
            im.extend([-imaginary, imaginary]);
        }
        Self {
            length,
            factors: Factors { re, im },
            input: vec![Complex::new(T::zero(), T::zero()); fft.len()],
            output: vec![Complex::new(T::zero(), T::zero()); fft.len()],
            scratch: vec![
                Complex::new(T::zero(), T::zero());
                fft.get_outofplace_scratch_len().max(fft.get_immutable_scratch_len())
            ],
            odd: vec![T::zero(); if even { 0 } else { length }],
            fft,
        }
    }

    fn is_even(&self) -> bool {
        self.odd.is_empty()
    }

    fn run(&mut self) {
        self.fft.process_outofplace_with_scratch(&mut self.input, &mut self.output, &mut self.scratch);
    }

    /// Some bins of the spectrum of a real signal of even length, from the output of its complex transform. The first and the last bin are
    /// always given.
    fn untangle(&self, bins: Range<usize>, spectrum: &mut [Complex<T>]) {
        let (first, rest) = (self.output[0], &self.output[1..]);
        let last = rest.len() + 1;
        spectrum[0] = Complex::new(first.re + first.im, T::zero());
        spectrum[last] = Complex::new(first.re - first.im, T::zero());
        let out = cast_slice_mut(&mut spectrum[1..last]);
        combine(cast_slice(rest), &self.factors, pairs(bins, last), T::rounded(0.5), out);
    }
}

/// `X[k] = Σ x[n] · e^(−2πikn / length)` for `k` from 0 to `length / 2`.
#[derive(Debug, Clone)]
pub(crate) struct Forward<T>(Halves<T>);

impl<T: Real> Forward<T> {
    pub(crate) fn new(length: usize, planner: &mut FftPlanner<T>) -> Self {
        let planner = std::cell::RefCell::new(planner);
        Self(Halves::new(
            length,
            |n| planner.borrow_mut().plan_fft_forward(n),
            |angle| Complex::new(-0.5 * angle.sin(), -0.5 * angle.cos()),
        ))
    }

    /// Values of the signal.
    pub(crate) fn length(&self) -> usize {
        self.0.length
    }

    /// Bins of the spectrum.
    pub(crate) fn n_bins(&self) -> usize {
        self.0.length / 2 + 1
    }

    /// Where the signal belongs before [`run`](Self::run), which leaves other values there.
    pub(crate) fn signal(&mut self) -> &mut [T] {
        let Self(halves) = self;
        if halves.is_even() { cast_slice_mut(&mut halves.input) } else { &mut halves.odd }
    }

    /// Transforms what lies in [`signal`](Self::signal), to a slice of as many bins as the spectrum has.
    pub(crate) fn run(&mut self, spectrum: &mut [Complex<T>]) {
        if is_zero(self.signal()) {
            spectrum.fill(Complex::new(T::zero(), T::zero()));
            return;
        }
        let Self(halves) = self;
        if halves.is_even() {
            halves.run();
            halves.untangle(0..spectrum.len(), spectrum);
            return;
        }
        for (to, &from) in halves.input.iter_mut().zip(&halves.odd) {
            *to = Complex::new(from, T::zero());
        }
        halves.run();
        spectrum.copy_from_slice(&halves.output[..spectrum.len()]);
    }

    /// Transforms a signal of the plan's length where it lies, to those of the spectrum's bins that are asked for. What `spectrum` holds
    /// of the others is unspecified.
    pub(crate) fn bins_of(&mut self, signal: &[T], bins: Range<usize>, spectrum: &mut [Complex<T>]) {
        let Self(halves) = self;
        if is_zero(signal) {
            spectrum.fill(Complex::new(T::zero(), T::zero()));
        } else if halves.is_even() {
            let Halves { fft, output, scratch, .. } = halves;
            fft.process_immutable_with_scratch(cast_slice(signal), output, scratch);
            halves.untangle(bins, spectrum);
        } else {
            halves.odd.copy_from_slice(signal);
            self.run(spectrum);
        }
    }

    /// Both slices must have the plan's lengths.
    pub(crate) fn process(&mut self, signal: &[T], spectrum: &mut [Complex<T>]) {
        self.bins_of(signal, 0..spectrum.len(), spectrum);
    }
}

/// `x[n] = Σ X[k] · e^(2πikn / length)` over all `length` bins, of which those from 0 to `length / 2` are given. It is not scaled: after
/// [`Forward`], the signal comes back `length` times as large.
#[derive(Debug, Clone)]
pub(crate) struct Inverse<T>(Halves<T>);

impl<T: Real> Inverse<T> {
    pub(crate) fn new(length: usize, planner: &mut FftPlanner<T>) -> Self {
        let planner = std::cell::RefCell::new(planner);
        Self(Halves::new(
            length,
            |n| planner.borrow_mut().plan_fft_inverse(n),
            |angle| Complex::new(-angle.sin(), angle.cos()),
        ))
    }

    /// The signal of a spectrum of the plan's length. The imaginary parts of the first bin, and for an even length of the last one, count
    /// as zero, as they are in the spectrum of any real signal.
    pub(crate) fn run(&mut self, spectrum: &[Complex<T>]) -> &[T] {
        let Self(halves) = self;
        if is_zero::<T>(cast_slice(spectrum)) {
            halves.output.fill(Complex::new(T::zero(), T::zero()));
            halves.odd.fill(T::zero());
        } else if halves.is_even() {
            let last = halves.input.len();
            let (low, high) = (spectrum[0].re, spectrum[last].re);
            halves.input[0] = Complex::new(low + high, low - high);
            let Halves { input, factors, .. } = halves;
            let out = cast_slice_mut(&mut input[1..]);
            combine(cast_slice(&spectrum[1..last]), factors, pairs(0..last + 1, last), T::one(), out);
            halves.run();
        } else {
            halves.input[..spectrum.len()].copy_from_slice(spectrum);
            halves.input[0].im = T::zero();
            for (to, from) in halves.input[1..].iter_mut().rev().zip(&spectrum[1..]) {
                *to = from.conj();
            }
            halves.run();
            halves.odd.iter_mut().zip(&halves.output).for_each(|(to, from)| *to = from.re);
        }
        if halves.is_even() { cast_slice(&halves.output) } else { &halves.odd }
    }

    /// As [`run`](Self::run), to a slice of the plan's length.
    pub(crate) fn process(&mut self, spectrum: &[Complex<T>], signal: &mut [T]) {
        signal.copy_from_slice(self.run(spectrum));
    }
}

/// Whether all values are zero. Of most signals the first few tell that they are not.
fn is_zero<T: Real>(values: &[T]) -> bool {
    values.chunks(32).all(|values| values.iter().fold(true, |zero, x| zero & (*x == T::zero())))
}

/// The pairs of a bin `k` and its mirror image `last − k` that hold any of these bins, counted from the pair of bin 1.
fn pairs(bins: Range<usize>, last: usize) -> Range<usize> {
    let mirrored = last + 1 - bins.end..last + 1 - bins.start;
    let lower = if bins.start <= mirrored.start { bins } else { mirrored };
    let (first, end) = (lower.start.max(1), lower.end.min(last.div_ceil(2)));
    first - 1..end.max(first) - 1
}

/// Numbers that [`combine`] takes at once.
const LANES: usize = 8;

vectorized! {
    /// `S[k] + P[k]` of some pairs of bins from the first to the last but one, and of the bin in the middle, with the sum
    /// `S[k] = half · (Z[k] + Z*[m − k])` and the product `P[k] = f[k] · (Z[k] − Z*[m − k])`: with half of one and the factors of
    /// [`Forward`], the spectrum of the real signal. Both depend on a bin and its mirror image `m − k`, for which they are `S*[k]` and
    /// `−P*[k]`. Slices hold real and imaginary parts in turn.
    ///
    /// The output is one slice: given its halves as arguments that cannot overlap, LLVM vectorises the wrong loop, and the step takes 1.9
    /// times the time (x86-64 with AVX2).
    fn combine<T: Real>(bins: &[T], factors: &Factors<T>, pairs: Range<usize>, half: T, out: &mut [T]) {
        let Factors { re, im } = factors;
        let below = bins.len() / 4 * 2;
        let ((lower, upper), (out_lower, out_upper)) = (bins.split_at(below), out.split_at_mut(below));
        let ((middle, upper), (out_middle, out_upper)) =
            (upper.split_at(upper.len() - below), out_upper.split_at_mut(bins.len() - 2 * below));
        // The bin in the middle is its own mirror image.
        let own = (middle.first_chunk(), out_middle.first_chunk_mut(), re.last_chunk(), im.last_chunk());
        if let (Some(bin), Some(out), Some(re), Some(im)) = own {
            combine_lanes::<T, 2>((bin, bin), (re, im), half, (out, &mut [T::zero(); 2]));
        }
        let (of_lower, of_upper) = (2 * pairs.start..2 * pairs.end, below - 2 * pairs.end..below - 2 * pairs.start);
        let (lower, upper, re, im) = (&lower[of_lower.clone()], &upper[of_upper.clone()], &re[of_lower.clone()], &im[of_lower.clone()]);
        let (out_lower, out_upper) = (&mut out_lower[of_lower], &mut out_upper[of_upper]);
        let ((lower, lower_rest), (upper_rest, upper)) = (lower.as_chunks::<LANES>(), upper.as_rchunks::<LANES>());
        let (re_rest, im_rest) = (&re[LANES * lower.len()..], &im[LANES * lower.len()..]);
        let factors = re.as_chunks::<LANES>().0.iter().zip(im.as_chunks::<LANES>().0);
        let (out_lower, out_lower_rest) = out_lower.as_chunks_mut::<LANES>();
        let (out_upper_rest, out_upper) = out_upper.as_rchunks_mut::<LANES>();
        let out = out_lower.iter_mut().zip(out_upper.iter_mut().rev());
        for ((bins, factors), out) in lower.iter().zip(upper.iter().rev()).zip(factors).zip(out) {
            combine_lanes(bins, factors, half, out);
        }
        let factors = re_rest.as_chunks::<2>().0.iter().zip(im_rest.as_chunks::<2>().0);
        let out = out_lower_rest.as_chunks_mut::<2>().0.iter_mut();
        let out = out.zip(out_upper_rest.as_chunks_mut::<2>().0.iter_mut().rev());
        let bins = lower_rest.as_chunks::<2>().0.iter().zip(upper_rest.as_chunks::<2>().0.iter().rev());
        for ((bins, factors), out) in bins.zip(factors).zip(out) {
            combine_lanes(bins, factors, half, out);
        }
    }
}

/// [`combine`] for as many numbers as there are lanes.
#[inline(always)]
fn combine_lanes<T: Real, const N: usize>(
    (bins, images): (&[T; N], &[T; N]),
    (re, im): (&[T; N], &[T; N]),
    half: T,
    (out, out_images): (&mut [T; N], &mut [T; N]),
) {
    // The images in the order of the bins, conjugated.
    let mut mirrored = [T::zero(); N];
    for i in (0..N).step_by(2) {
        mirrored[i] = images[N - 2 - i];
        mirrored[i + 1] = -images[N - 1 - i];
    }
    let (mut sum, mut difference) = ([T::zero(); N], [T::zero(); N]);
    for i in 0..N {
        sum[i] = half * (bins[i] + mirrored[i]);
        difference[i] = bins[i] - mirrored[i];
    }
    let mut product = [T::zero(); N];
    for i in 0..N {
        product[i] = re[i] * difference[i] + im[i] * difference[i ^ 1];
    }
    for i in 0..N {
        out[i] = sum[i] + product[i];
    }
    let mut conjugated = [T::zero(); N];
    for i in 0..N {
        conjugated[i] = sum[i] - product[i];
    }
    for i in (0..N).step_by(2) {
        out_images[N - 2 - i] = conjugated[i];
        out_images[N - 1 - i] = -conjugated[i + 1];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_definition_for_every_length() {
        for length in 1..100 {
            let signal: Vec<f64> = (0..length).map(|n| ((n * n) as f64 * 0.37).sin() + 0.1).collect();
            let mut forward = Forward::new(length, &mut FftPlanner::new());
            let mut spectrum = vec![Complex::new(0.0, 0.0); forward.n_bins()];
            forward.process(&signal, &mut spectrum);
            for (k, bin) in spectrum.iter().enumerate() {
                let angle = |n: usize| -2.0 * PI * (k * n) as f64 / length as f64;
                let right: Complex<f64> =
                    signal.iter().enumerate().map(|(n, x)| Complex::from_polar(*x, angle(n))).sum();
                assert!((bin - right).norm() < 1e-11, "bin {k} of {length}: {bin} is not {right}");
            }
            for (first, end) in [(0, 1), (0, spectrum.len() / 3 + 1), (spectrum.len() / 2, spectrum.len())] {
                let mut some = vec![Complex::new(0.0, 0.0); forward.n_bins()];
                forward.bins_of(&signal, first..end, &mut some);
                assert_eq!(some[first..end], spectrum[first..end], "bins {first} to {end} of {length}");
            }
            let mut inverse = Inverse::new(length, &mut FftPlanner::new());
            for (x, y) in signal.iter().zip(inverse.run(&spectrum)) {
                assert!((x - y / length as f64).abs() < 1e-13, "{length}");
            }
            // A plan that was used gives zeros for zeros.
            assert!(inverse.run(&vec![Complex::ZERO; spectrum.len()]).iter().all(|x| *x == 0.0));
            forward.process(&vec![0.0; length], &mut spectrum);
            assert!(spectrum.iter().all(|x| *x == Complex::ZERO), "{length}");
        }
    }

    #[test]
    fn single_precision_loses_no_more_than_its_digits() {
        let signal: Vec<f32> = (0..2048).map(|n| ((n * n) as f32 * 1e-3).sin()).collect();
        let wide: Vec<f64> = signal.iter().map(|&x| f64::from(x)).collect();
        let (mut single, mut double) =
            (vec![Complex::new(0.0, 0.0); 1025], vec![Complex::new(0.0, 0.0); 1025]);
        Forward::new(2048, &mut FftPlanner::new()).process(&signal, &mut single);
        Forward::new(2048, &mut FftPlanner::new()).process(&wide, &mut double);
        let largest = double.iter().map(|x| x.norm()).fold(0.0, f64::max);
        for (a, b) in single.iter().zip(&double) {
            assert!((Complex::new(f64::from(a.re), f64::from(a.im)) - b).norm() < 5e-7 * largest);
        }
    }
}
