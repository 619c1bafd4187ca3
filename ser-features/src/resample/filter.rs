//! The low-pass filter of soxr's HQ quality, which `librosa.load` resamples with.
//!
//! soxr runs a chain of filters, chosen by the ratio. As a whole they are one zero-phase filter, measured from outside and fitted by
//! `tests/golden/fit_soxr.py`: a Kaiser-windowed sinc (Kaiser, *Nonrecursive digital filter design using the I0-sinh window function*,
//! 1974) times a polynomial, which stands for the fall of soxr's last filter within the pass band. Half of the amplitude passes at
//! 0.957 of the lower Nyquist frequency, and less than −130 dB from 1 on. For the ratios of common rates, the fit is within 2e-6.

use std::f64::consts::PI;

use num_complex::Complex;
use rustfft::FftPlanner;

use crate::fourier::{Forward, Inverse};

/// Where half of the amplitude passes, as a share of the lower Nyquist frequency.
const CUTOFF: f64 = 0.956_871_8;

/// Two rates, reduced to their lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ratio {
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Ratio {
    /// Of two rates that are not zero.
    pub(super) fn new(from: u32, to: u32) -> Self {
        let (from, to) = (from as usize, to as usize);
        let common = greatest_common_divisor(from, to);
        Self { from: from / common, to: to / common }
    }

    /// The lower rate.
    pub(super) fn lower(self) -> usize {
        self.from.min(self.to)
    }

    /// Samples at the target's rate of `samples` at the source's, rounded up as librosa rounds, in `f64`.
    pub(super) fn length(self, samples: usize) -> usize {
        (samples as f64 * (self.to as f64 / self.from as f64)).ceil() as usize
    }

    /// The number of samples that soxr gives: the exact length, rounded to the nearest in `f64`. Where [`length`](Self::length) is larger, librosa
    /// appends a zero.
    pub(super) fn covered(self, samples: usize) -> usize {
        let step = self.from as f64 / self.to as f64;
        (samples as f64 / step + 0.5) as usize
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The filter of one ratio. Times are in samples at the lower rate, frequencies `x` in parts of the lower Nyquist frequency.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter {
    /// Kaiser's shape parameter.
    beta: f64,
    /// Half of the window's length.
    half: f64,
    /// Factors of x⁸, x¹², x¹⁶ and x²⁰ in the pass band.
    fall: [f64; 4],
}

const fn filter(beta: f64, half: f64, fall: [f64; 4]) -> Filter {
    Filter { beta, half, fall }
}

/// The fall of chains that are level in the pass band.
const LEVEL: [f64; 4] = [0.0; 4];

/// The fall of most chains to a higher rate.
const UP_FALL: [f64; 4] = [0.000_45, -0.001_94, -0.004_21, 0.002_67];

/// Measured filters by their ratio: all of two common rates, from 8,000 to 192,000 Hz.
const MEASURED: [((usize, usize), Filter); 53] = [
    ((160, 147), filter(13.711, 102.21, [0.000_65, -0.005_35, 0.002_46, -0.000_38])),
    ((4, 3), filter(13.04, 96.63, LEVEL)),
    ((441, 320), filter(13.713, 101.78, [-0.001_92, -0.001_60, 0.002_73, -0.001_31])),
    ((640, 441), filter(13.713, 101.47, [-0.001_27, -0.001_37, 0.002_21, -0.001_05])),
    ((3, 2), filter(13.04, 96.83, LEVEL)),
    ((147, 80), filter(13.709, 102.24, [0.000_38, -0.001_28, -0.005_03, 0.002_97])),
    ((2, 1), filter(13.04, 97.25, LEVEL)),
    ((320, 147), filter(13.711, 102.21, [0.000_65, -0.005_35, 0.002_45, -0.000_38])),
    ((8, 3), filter(13.711, 101.44, [0.000_10, -0.000_49, -0.000_29, 0.000_28])),
    ((441, 160), filter(13.713, 101.78, [-0.001_92, -0.001_60, 0.002_73, -0.001_31])),
    ((1280, 441), filter(13.713, 101.47, [-0.001_27, -0.001_36, 0.002_20, -0.001_04])),
    ((3, 1), filter(13.04, 96.83, LEVEL)),
    ((147, 40), filter(13.712, 101.36, [-0.000_18, -0.000_52, 0.000_70, -0.000_30])),
    ((4, 1), filter(13.711, 102.25, LEVEL)),
    ((640, 147), filter(14.383, 106.8, [0.000_65, -0.005_35, 0.002_45, -0.000_38])),
    ((441, 80), filter(14.385, 106.86, [-0.001_92, -0.001_59, 0.002_72, -0.001_31])),
    ((6, 1), filter(13.712, 101.5, LEVEL)),
    ((147, 20), filter(14.384, 106.81, [-0.000_17, -0.000_53, 0.000_71, -0.000_30])),
    ((8, 1), filter(14.104, 105.25, LEVEL)),
    ((1280, 147), filter(14.776, 109.56, [0.000_64, -0.005_33, 0.002_42, -0.000_36])),
    ((441, 40), filter(14.779, 109.76, [-0.001_92, -0.001_58, 0.002_71, -0.001_30])),
    ((12, 1), filter(14.105, 104.84, LEVEL)),
    ((147, 10), filter(14.778, 109.53, [-0.000_18, -0.000_48, 0.000_64, -0.000_27])),
    ((16, 1), filter(14.383, 107.25, LEVEL)),
    ((2560, 147), filter(15.056, 111.4, [0.000_64, -0.005_30, 0.002_38, -0.000_34])),
    ((441, 20), filter(15.058, 111.94, [-0.001_93, -0.001_54, 0.002_64, -0.001_27])),
    ((24, 1), filter(14.384, 106.84, LEVEL)),
    ((1, 24), filter(14.381, 107.24, [0.000_54, -0.002_64, -0.003_54, 0.002_44])),
    ((20, 441), filter(14.381, 107.24, UP_FALL)),
    ((147, 2560), filter(14.381, 107.24, UP_FALL)),
    ((1, 16), filter(13.712, 102.13, LEVEL)),
    ((10, 147), filter(14.381, 107.24, UP_FALL)),
    ((1, 12), filter(13.712, 101.5, LEVEL)),
    ((40, 441), filter(14.381, 107.24, UP_FALL)),
    ((147, 1280), filter(14.381, 107.24, UP_FALL)),
    ((1, 8), filter(13.711, 102.25, LEVEL)),
    ((20, 147), filter(14.38, 107.24, UP_FALL)),
    ((1, 6), filter(13.711, 101.5, LEVEL)),
    ((80, 441), filter(14.38, 107.24, [0.000_48, -0.002_10, -0.003_87, 0.002_45])),
    ((1, 4), filter(13.04, 97.13, LEVEL)),
    ((40, 147), filter(13.709, 102.24, UP_FALL)),
    ((1, 3), filter(13.04, 96.83, LEVEL)),
    ((441, 1280), filter(13.709, 102.24, UP_FALL)),
    ((160, 441), filter(13.709, 102.24, UP_FALL)),
    ((3, 8), filter(13.709, 102.24, [0.000_56, -0.002_88, -0.003_39, 0.002_42])),
    ((147, 320), filter(13.709, 102.24, UP_FALL)),
    ((1, 2), filter(13.04, 97.25, LEVEL)),
    ((80, 147), filter(13.709, 102.24, UP_FALL)),
    ((2, 3), filter(13.04, 96.83, LEVEL)),
    ((441, 640), filter(13.709, 102.24, UP_FALL)),
    ((320, 441), filter(13.709, 102.24, UP_FALL)),
    ((3, 4), filter(13.04, 97.13, LEVEL)),
    ((147, 160), filter(13.709, 102.24, UP_FALL)),
];

impl Filter {
    pub(super) fn new(ratio: Ratio) -> Self {
        let found = MEASURED.iter().find(|(terms, _)| *terms == (ratio.from, ratio.to));
        found.map_or_else(|| Self::of_other(ratio), |(_, filter)| *filter)
    }

    /// The filter of a ratio that was not measured, with the properties that soxr's chains for such ratios share. The fall within the pass
    /// band, at most −0.006 dB up to 0.85, is left out where it depends on the ratio.
    fn of_other(ratio: Ratio) -> Self {
        if ratio.to > ratio.from {
            let steep = ratio.to > 5 * ratio.from;
            return if steep { filter(14.381, 107.24, UP_FALL) } else { filter(13.709, 102.24, UP_FALL) };
        }
        // soxr halves the rate first where that is possible, and asks more of each filter then.
        match ratio.from / ratio.to {
            0..4 => filter(13.712, 102.0, LEVEL),
            4..8 => filter(14.383, 106.8, LEVEL),
            _ => filter(14.777, 109.6, LEVEL),
        }
    }

    /// How many samples at the lower rate the filter reaches, each way.
    pub(super) fn reach(&self) -> usize {
        self.half.ceil() as usize
    }

    /// The windowed sinc, without the fall.
    pub(super) fn at(&self, t: f64) -> f64 {
        windowed_sinc(t, CUTOFF, self.beta, self.half)
    }

    /// The frequency response at `x = 2k / length` for `k` from 0 to `length / 2`. The length must exceed twice the reach.
    pub(super) fn response(&self, length: usize) -> Vec<f64> {
        // At twice the lower rate, so that the filter's mirror image lies far beyond what is asked for.
        let mut impulse = vec![0.0; 2 * length];
        for i in 0..2 * self.reach() {
            let value = self.at(i as f64 / 2.0) / 2.0;
            impulse[i] = value;
            if i > 0 {
                impulse[2 * length - i] = value;
            }
        }
        let mut plan = Forward::new(impulse.len(), &mut FftPlanner::new());
        let mut spectrum = vec![Complex::default(); plan.n_bins()];
        plan.process(&impulse, &mut spectrum);
        let with_fall = |(k, bin): (usize, &Complex<f64>)| {
            let x4 = (2.0 * k as f64 / length as f64).powi(4);
            let [c8, c12, c16, c20] = self.fall;
            bin.re * (1.0 + x4 * x4 * (c8 + x4 * (c12 + x4 * (c16 + x4 * c20))))
        };
        spectrum[..=length / 2].iter().enumerate().map(with_fall).collect()
    }

    /// The impulse response at times `i / steps`, in samples at the lower rate, for `i` from 0 on; it is even. The sum over all times
    /// that are whole is 1.
    pub(super) fn impulse(&self, steps: usize) -> Vec<f64> {
        /// Samples at the lower rate that the response is periodic in: more than it is long.
        const PERIOD: usize = 256;
        let response = self.response(PERIOD);
        let mut plan = Inverse::new(PERIOD * steps, &mut FftPlanner::new());
        let mut spectrum = vec![Complex::new(0.0, 0.0); PERIOD * steps / 2 + 1];
        // What is left at the lower Nyquist frequency is split between both halves of the spectrum: nothing, at one step.
        for (bin, h) in spectrum.iter_mut().zip(&response[..PERIOD / 2]) {
            bin.re = h / PERIOD as f64;
        }
        let mut impulse = vec![0.0; PERIOD * steps];
        plan.process(&spectrum, &mut impulse);
        impulse.truncate(self.reach() * steps + 1);
        impulse
    }
}

/// `cutoff · sinc(cutoff · t)` under a Kaiser window that is `half` long each way.
pub(super) fn windowed_sinc(t: f64, cutoff: f64, beta: f64, half: f64) -> f64 {
    let position = t / half;
    if position.abs() >= 1.0 {
        return 0.0;
    }
    let window = bessel_i0(beta * (1.0 - position * position).sqrt()) / bessel_i0(beta);
    let phase = PI * cutoff * t;
    window * cutoff * if phase == 0.0 { 1.0 } else { phase.sin() / phase }
}

/// The modified Bessel function of the first kind and order zero, by its series (Abramowitz and Stegun, 9.6.12).
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > 1e-17 * sum {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_is_that_of_soxr_hq() {
        // Measured: -0.01 dB at 0.920, -3 dB at 0.951, -6 dB at 0.957, -60 dB at 0.990, at most -132 dB from 1 on.
        let response = Filter::new(Ratio::new(48_000, 22_050)).response(2_000);
        let decibel = |x: f64| 20.0 * response[(x * 1_000.0).round() as usize].abs().log10();
        assert_eq!(response.len(), 1_001);
        assert!(decibel(0.0).abs() < 1e-5 && decibel(0.85).abs() < 0.005);
        assert!((decibel(0.92) + 0.01).abs() < 0.003 && (decibel(0.951) + 3.2).abs() < 0.1);
        assert!((decibel(0.957) + 6.0).abs() < 0.15 && (decibel(0.99) + 61.7).abs() < 1.0);
        assert!(decibel(1.0) < -130.0);
    }

    #[test]
    fn the_impulse_response_is_even_sums_to_one_and_ends() {
        for steps in [1, 2, 3, 147, 320] {
            let filter = Filter::new(Ratio::new(48_000, 22_050));
            let impulse = filter.impulse(steps);
            assert_eq!(impulse.len(), filter.reach() * steps + 1);
            let sum = impulse[0] + 2.0 * impulse[steps..].iter().step_by(steps).sum::<f64>();
            assert!((sum - 1.0).abs() < 1e-7, "{steps}: {sum}");
            assert!(impulse.last().unwrap().abs() < 1e-7);
        }
    }

    #[test]
    fn bessel_is_that_of_the_tables() {
        // Abramowitz and Stegun, table 9.8.
        assert!((bessel_i0(1.0) - 1.266_065_877_752_008).abs() < 1e-14);
        assert!((bessel_i0(5.0) - 27.239_871_823_604_44).abs() < 1e-12);
    }

    #[test]
    fn lengths_are_rounded_up() {
        let ratio = Ratio::new(48_000, 22_050);
        assert_eq!((ratio.from, ratio.to), (320, 147));
        assert_eq!([0, 1, 320, 321, 322].map(|n| ratio.length(n)), [0, 1, 147, 148, 148]);
        assert_eq!([0, 1, 320, 321, 322].map(|n| ratio.covered(n)), [0, 0, 147, 147, 148]);
    }
}
