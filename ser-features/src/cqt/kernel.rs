//! The wavelets of one octave, as sparse rows in the frequency domain.
//!
//! A constant-Q transform with kernels in the frequency domain: Brown and Puckette, "An efficient algorithm for the
//! calculation of a constant Q transform" (1992); octave by octave: Schörkhuber and Klapuri, "Constant-Q transform toolbox for
//! music processing" (2010). Constants and rounding are librosa's.
//!
//! A wavelet's spectrum has a closed form: see [`Wavelet`]. A plan of 36 wavelets is made in less than half of the time that their
//! transforms take, and recordings have up to a hundred tunings, each with a plan of its own.
//!
//! Sparse rows touch only the bins that they have: 252 bins of three seconds take 0.59 ms at librosa's sparsity of 0.01, and 1.83 ms at 0
//! (x86-64 with AVX-512).

use std::f64::consts::PI;

use num_complex::{Complex32, Complex64};

/// The power of two that holds the longest of an octave's wavelets.
pub(super) fn transform_length(lengths: &[f64]) -> f64 {
    lengths.iter().copied().fold(1.0, f64::max).log2().ceil().exp2()
}

/// One octave's wavelets. Each row is kept from its first to its last bin that survives the thinning.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    /// Length of the transform that the rows are made for.
    pub(super) n_fft: usize,
    /// First bin that any row touches.
    pub(super) first_bin: usize,
    /// Number of bins from the first to the last one touched.
    pub(super) n_bins: usize,
    rows: Vec<Band>,
    weights: Vec<Complex32>,
}

#[derive(Debug, Clone)]
struct Band {
    first_bin: usize,
    /// Where the row's weights begin.
    start: usize,
    length: usize,
}

impl Kernel {
    /// Builds the wavelets of `frequencies` (Hz), `lengths` samples long at `sample_rate`. The bins that together hold less than
    /// `sparsity` of a row's magnitude are dropped. `gains` scales each row.
    pub(super) fn new(
        frequencies: &[f64],
        lengths: &[f64],
        sample_rate: f64,
        sparsity: f64,
        gains: &[f64],
    ) -> Self {
        let n_fft = transform_length(lengths) as usize;
        let sines = Sines::new(n_fft);
        let mut rows = Vec::with_capacity(frequencies.len());
        let (mut weights, mut amplitudes) = (Vec::new(), vec![0.0; n_fft / 2 + 1]);
        for ((&frequency, &length), &gain) in frequencies.iter().zip(lengths).zip(gains) {
            let wavelet = Wavelet::new(frequency / sample_rate, length);
            wavelet.amplitudes(&sines, &mut amplitudes);
            let threshold = threshold(&amplitudes, sparsity);
            let kept = |amplitude: &f64| amplitude.abs() >= threshold;
            let first_bin = amplitudes.iter().position(kept).unwrap_or(0);
            let last_bin = amplitudes.iter().rposition(kept).unwrap_or(0);
            rows.push(Band { first_bin, start: weights.len(), length: last_bin + 1 - first_bin });
            let gain = gain * length / n_fft as f64;
            weights.extend((first_bin..=last_bin).map(|bin| {
                let amplitude = if kept(&amplitudes[bin]) { gain * amplitudes[bin] } else { 0.0 };
                let bin = Complex64::from_polar(1.0, wavelet.angle(bin, n_fft)) * amplitude;
                Complex32::new(bin.re as f32, bin.im as f32)
            }));
        }
        let first_bin = rows.iter().map(|row| row.first_bin).min().unwrap_or(0);
        let end = rows.iter().map(|row| row.first_bin + row.length).max().unwrap_or(0);
        Self { n_fft, first_bin, n_bins: end - first_bin, rows, weights }
    }

    /// Each row's offset from [`Self::first_bin`] and its weights.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, &[Complex32])> {
        self.rows
            .iter()
            .map(|row| (row.first_bin - self.first_bin, &self.weights[row.start..row.start + row.length]))
    }
}

/// `sin(πj / n)` for `j` from 0 to `2n − 1`.
struct Sines {
    n: usize,
    sines: Vec<f64>,
}

impl Sines {
    /// `n` must be a power of two. The cosines of [`at`](Self::at) need at least 2.
    fn new(n: usize) -> Self {
        Self { n, sines: (0..2 * n).map(|j| (PI * j as f64 / n as f64).sin()).collect() }
    }

    /// Sine and cosine of `πj / n`.
    fn at(&self, j: usize) -> (f64, f64) {
        let whole = 2 * self.n - 1;
        (self.sines[j & whole], self.sines[(j + self.n / 2) & whole])
    }
}

/// A complex tone under a Hann window, with absolute values that sum to one, in the middle of `n` samples.
///
/// Let `x = f − k / n`, `y = πx`, `L` the samples under the window and `a = π / L`. The transform at bin `k` is the sum of three geometric
/// sums: one for the tone and two for the shifted tones from the window's cosine. Their common factor times
/// `cot(y) − ½ cot(y + a) − ½ cot(y − a)` gives the amplitude
///
/// `sin(Ly) · −cos(y) · sin²(a) / (L · sin(y) · sin(y + a) · sin(y − a))`
struct Wavelet {
    /// Cycles per sample.
    frequency: f64,
    /// Samples from the first to where the tone's phase is zero.
    before: usize,
    count: usize,
}

impl Wavelet {
    fn new(frequency: f64, length: f64) -> Self {
        let before = (length / 2.0).ceil() as usize;
        Self { frequency, before, count: before + (length / 2.0).floor() as usize }
    }

    /// The amplitude at each bin, with its sign.
    fn amplitudes(&self, sines: &Sines, out: &mut [f64]) {
        let Self { frequency, count, .. } = *self;
        if count == 1 {
            return out.fill(1.0);
        }
        let (length, angle) = (count as f64, PI * frequency);
        let ((sin_f, cos_f), (sin_lf, cos_lf)) = (angle.sin_cos(), (length * angle).sin_cos());
        let (sin_a, cos_a) = (PI / length).sin_cos();
        for (bin, out) in out.iter_mut().enumerate() {
            let ((sin_k, cos_k), (sin_lk, cos_lk)) = (sines.at(bin), sines.at(count * bin));
            let (sin, cos) = (sin_f * cos_k - cos_f * sin_k, cos_f * cos_k + sin_f * sin_k);
            let (above, below) = (sin * cos_a + cos * sin_a, sin * cos_a - cos * sin_a);
            // Near the tone and its neighbours, both numerator and denominator vanish.
            *out = if sin.abs().min(above.abs()).min(below.abs()) < 1e-6 {
                self.sum(bin, sines.n)
            } else {
                let sin_l = sin_lf * cos_lk - cos_lf * sin_lk;
                -sin_l * cos * sin_a * sin_a / (length * sin * above * below)
            };
        }
    }

    /// The amplitude at a bin by its definition.
    fn sum(&self, bin: usize, n: usize) -> f64 {
        let (length, x) = (self.count as f64, self.frequency - bin as f64 / n as f64);
        let value = |i: usize| {
            let window = (1.0 - (2.0 * PI * i as f64 / length).cos()) / length;
            window * (2.0 * PI * x * (i as f64 - length / 2.0)).cos()
        };
        (0..self.count).map(value).sum()
    }

    /// The angle of the value at a bin.
    fn angle(&self, bin: usize, n: usize) -> f64 {
        let start = (n - self.count) / 2;
        let turns = 2.0 * (self.frequency * self.before as f64 + (bin * start) as f64 / n as f64);
        let middle = self.count as f64 * (self.frequency - bin as f64 / n as f64);
        // With one sample, the middle of the window is that sample.
        PI * (if self.count == 1 { 0.0 } else { middle } - turns)
    }
}

/// The magnitude of the first bin to keep, where the smaller ones together hold less than `sparsity` of the sum.
fn threshold(amplitudes: &[f64], sparsity: f64) -> f64 {
    let magnitudes = || amplitudes.iter().map(|amplitude| amplitude.abs());
    let limit = sparsity * magnitudes().sum::<f64>();
    // Magnitudes below `limit / magnitudes.len()` sum to less than `limit`. Only the few others have to be sorted.
    let share = limit / amplitudes.len() as f64;
    let mut sum: f64 = magnitudes().filter(|magnitude| *magnitude < share).sum();
    let mut larger: Vec<f64> = magnitudes().filter(|magnitude| *magnitude >= share).collect();
    larger.sort_unstable_by(f64::total_cmp);
    for magnitude in larger {
        sum += magnitude;
        if sum >= limit {
            return magnitude;
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use rustfft::FftPlanner;

    use super::*;
    use crate::fourier::Forward;

    #[test]
    fn the_closed_form_is_the_transform_of_the_samples() {
        for (n, frequency, length) in [
            (1, 0.2, 0.4),
            (2, 0.3, 1.2),
            (4, 0.11, 3.0),
            (64, 0.2, 1.0),
            (64, 0.25, 40.0),
            (64, 0.25 + 1.0 / 40.0, 40.0),
            (64, 0.25 + 1e-9, 41.7),
            (64, 0.25 + 1e-9, 63.0),
            (128, 0.031, 100.3),
            (1024, 0.0949, 541.7),
            (1024, 0.4999, 520.0),
        ] {
            let wavelet = Wavelet::new(frequency, length);
            let start = (n - wavelet.count) / 2;
            let samples: Vec<Complex64> = (0..wavelet.count)
                .map(|i| {
                    let window = 1.0 - (2.0 * PI * i as f64 / wavelet.count as f64).cos();
                    let size = if wavelet.count == 1 { 1.0 } else { window / wavelet.count as f64 };
                    let turns = frequency * (i as f64 - wavelet.before as f64);
                    Complex64::from_polar(size, 2.0 * PI * turns)
                })
                .collect();
            let mut amplitudes = vec![0.0; n / 2 + 1];
            wavelet.amplitudes(&Sines::new(n), &mut amplitudes);
            for (bin, &amplitude) in amplitudes.iter().enumerate() {
                let turned = samples.iter().enumerate().map(|(i, x)| {
                    x * Complex64::from_polar(1.0, -2.0 * PI * ((start + i) * bin) as f64 / n as f64)
                });
                let want: Complex64 = turned.sum();
                let got = Complex64::from_polar(1.0, wavelet.angle(bin, n)) * amplitude;
                assert!((got - want).norm() < 1e-9, "{n}, {frequency}, {length}, bin {bin}: {got}, {want}");
            }
        }
    }

    #[test]
    fn without_thinning_every_bin_stays() {
        let kernel = Kernel::new(&[1000.0], &[100.3], 8_000.0, 0.0, &[1.0]);
        assert_eq!((kernel.n_fft, kernel.first_bin, kernel.n_bins), (128, 0, 65));
    }

    #[test]
    fn thinning_keeps_the_bins_around_the_tone() {
        let kernel = Kernel::new(&[1000.0], &[100.3], 8_000.0, 0.01, &[1.0]);
        assert!(kernel.first_bin >= 10 && kernel.first_bin + kernel.n_bins <= 23);
    }

    #[test]
    fn a_matching_tone_answers_with_half_of_its_amplitude_times_the_length() {
        // The transform of a real cosine holds half of its amplitude at the positive frequency.
        let kernel = Kernel::new(&[1000.0], &[100.3], 8_000.0, 0.0, &[1.0]);
        let frame: Vec<f32> = (0..128).map(|n| (PI / 4.0 * n as f64).cos() as f32).collect();
        let mut bins = [Complex32::ZERO; 65];
        Forward::new(128, &mut FftPlanner::new()).process(&frame, &mut bins);
        let (_, weights) = kernel.rows().next().unwrap();
        let answer: Complex32 = bins.iter().zip(weights).map(|(x, w)| x * w).sum();
        assert!((answer.norm() - 50.15).abs() < 0.05, "{answer}");
    }
}
