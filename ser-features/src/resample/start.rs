//! The first samples that soxr gives, which are not those of its filter.
//!
//! For most ratios soxr runs two filters one after the other: a sharp one at the source's rate or twice that, and a short one that
//! interpolates. The sharp filter rings before the signal's first sample. soxr cuts this ringing off, so that the short filter does not
//! read it. So the first samples lack a part, at most a fiftieth of the signal's start. `tests/golden/fit_soxr.py` measures the part by
//! impulses at the start. The short filter is a Kaiser-windowed sinc, and the fit is within 4e-6.

use super::filter::{Filter, Ratio, windowed_sinc};
use crate::vector::vectorized;

/// Products that are summed at once.
pub(super) const LANES: usize = 16;

/// The short filter of one ratio.
#[derive(Debug, Clone, Copy)]
struct Interpolator {
    /// How many times the source's rate it reads.
    oversampling: usize,
    /// Where half of the amplitude passes, as a share of the Nyquist frequency there, Kaiser's shape parameter, and half of the
    /// window's length in samples there.
    cutoff: f64,
    beta: f64,
    half: f64,
}

const fn interpolator(oversampling: usize, cutoff: f64, beta: f64, half: f64) -> Interpolator {
    Interpolator { oversampling, cutoff, beta, half }
}

/// Of most chains to a higher rate.
const UP: Interpolator = interpolator(2, 0.908_93, 14.057, 7.499);

/// Measured filters by their ratio.
const MEASURED: [((usize, usize), Interpolator); 19] = [
    ((160, 147), interpolator(2, 0.904_64, 13.708, 6.91)),
    ((441, 320), interpolator(2, 0.894_44, 14.084, 6.004)),
    ((640, 441), interpolator(2, 0.892_51, 14.067, 6.001)),
    ((320, 147), interpolator(1, 0.904_64, 13.902, 6.96)),
    ((8, 3), interpolator(1, 0.895_73, 13.905, 6.88)),
    ((441, 160), interpolator(1, 0.894_45, 13.799, 5.946)),
    ((1280, 441), interpolator(1, 0.892_51, 14.045, 5.997)),
    ((147, 40), interpolator(1, 0.884_85, 14.287, 6.044)),
    ((1, 16), interpolator(4, 0.989_22, 14.058, 6.125)),
    ((1, 8), interpolator(2, 0.978_44, 14.056, 9.124)),
    ((40, 147), UP),
    ((441, 1280), UP),
    ((160, 441), UP),
    ((3, 8), UP),
    ((147, 320), UP),
    ((80, 147), UP),
    ((441, 640), UP),
    ((320, 441), UP),
    ((147, 160), UP),
];

/// What the first samples lack.
#[derive(Debug, Clone)]
pub(super) struct Start {
    /// Factors of the source's first samples, a row for each sample that lacks something.
    factors: Vec<f32>,
    /// Samples of the source in a row.
    width: usize,
}

impl Start {
    pub(super) fn new(ratio: Ratio) -> Self {
        let found = MEASURED.iter().find(|(terms, _)| *terms == (ratio.from, ratio.to));
        let Some((_, Interpolator { oversampling, cutoff, beta, half })) = found else {
            return Self { factors: Vec::new(), width: 1 };
        };
        let (filter, steps) = (Filter::new(ratio), oversampling * ratio.from);
        // Samples between both filters that lie before the start and are read by a later one, from the last of them on.
        let before = half.ceil() as usize;
        let width = (filter.reach() * ratio.from).div_ceil(ratio.lower());
        let scale = ratio.lower() as f64 / ratio.from as f64;
        let time = |place: usize, n: usize| (place as f64 / *oversampling as f64 + n as f64) * scale;
        let ringing: Vec<Vec<f64>> = (1..=before)
            .map(|place| (0..width).map(|n| scale * filter.at(time(place, n))).collect())
            .collect();
        let mut factors = Vec::new();
        for number in 0.. {
            let distance = (number * steps) as f64 / ratio.to as f64;
            if distance + 1.0 >= *half {
                break;
            }
            let weights: Vec<f64> = (1..=before)
                .map(|place| windowed_sinc(distance + place as f64, *cutoff, *beta, *half))
                .collect();
            factors.extend((0..width).map(|n| {
                weights.iter().zip(&ringing).map(|(weight, ringing)| weight * ringing[n]).sum::<f64>() as f32
            }));
        }
        Self { factors, width }
    }

    /// The factors of the source's first samples that make up the missing part of output sample `number`.
    pub(super) fn row(&self, number: usize) -> Option<&[f32]> {
        self.factors.chunks_exact(self.width).nth(number)
    }

    /// Subtracts from the first samples the part that soxr's lack.
    pub(super) fn take_from(&self, samples: &[f32], out: &mut [f32]) {
        let count = self.width.min(samples.len());
        for (out, row) in out.iter_mut().zip(self.factors.chunks_exact(self.width)) {
            *out -= product(&row[..count], &samples[..count]);
        }
    }
}

vectorized! {
    /// The sum of products of two slices of the same length.
    pub(super) fn product(factors: &[f32], samples: &[f32]) -> f32 {
        let mut lanes = [0.0; 2 * LANES];
        let (factors, factors_rest) = factors.as_chunks::<{ 2 * LANES }>();
        let (samples, samples_rest) = samples.as_chunks::<{ 2 * LANES }>();
        for (factors, samples) in factors.iter().zip(samples) {
            for ((sum, factor), x) in lanes.iter_mut().zip(factors).zip(samples) {
                *sum += factor * x;
            }
        }
        for ((sum, factor), x) in lanes.iter_mut().zip(factors_rest).zip(samples_rest) {
            *sum += factor * x;
        }
        lanes.iter().sum()
    }
}
