//! Change of sample rate.

use std::ops::RangeInclusive;

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use crate::check::check_finite;
use crate::error::{ConfigError, SignalError};

/// Sample rates that can be resampled from and to, in Hz.
pub const SAMPLE_RATES: RangeInclusive<u32> = 1_000..=384_000;

/// Fewest taps of the low-pass filter, counted at the lower of both rates. With this length and window its transition band spans
/// 0.91..1 of the Nyquist frequency, as that of librosa's default (`soxr_hq`).
const MIN_TAPS: u32 = 290;

/// Louder samples overflow in the plan's Fourier transform, which then panics.
const LOUDEST: f32 = 1e20;

/// What they are divided by: 2^64.
const SCALE: f32 = (1_u128 << 64) as f32;

/// Plan that changes the sample rate of whole clips, with the filter's delay taken out exactly.
///
/// librosa resamples with soxr (`soxr_hq`). Below 0.85 of the lower Nyquist frequency both waveforms differ by less than −80 dB
/// (48,000 to 22,050 Hz: −85 dB, which is soxr's own distance from ideal interpolation; 44,100 to 22,050 Hz: −122 dB). Above 0.9 of
/// it both filters fall, along different curves: the last two of 128 mel bands and the valleys of the highest spectral contrast
/// differ visibly. The crate's README has the figures for the features of real speech.
///
/// ```
/// use ser_features::Resampler;
///
/// let mut resampler = Resampler::new(48_000, 22_050)?;
/// assert_eq!(resampler.process(&[0.1; 48_000])?.len(), 22_050);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Resampler {
    /// `None` where both rates are equal.
    plan: Option<Fft<f32>>,
    ratio: f64,
}

impl Resampler {
    /// Plans a change from one rate to another, both in Hz.
    ///
    /// # Errors
    /// When a rate lies outside [`SAMPLE_RATES`].
    pub fn new(from: u32, to: u32) -> Result<Self, ConfigError> {
        for (parameter, rate) in [("the source's sample_rate", from), ("the target's sample_rate", to)] {
            let rule = "from 1000 to 384000 Hz";
            ConfigError::require(SAMPLE_RATES.contains(&rate), parameter, rule, rate.into())?;
        }
        let plan = (from != to).then(|| {
            let common = greatest_common_divisor(from, to);
            let (step, lower) = (from / common, from.min(to) / common);
            // An even number of blocks makes the delay a whole number of samples at both rates.
            let blocks = MIN_TAPS.div_ceil(lower).next_multiple_of(2);
            let chunk = (step * blocks) as usize;
            let window = WindowFunction::BlackmanHarris2;
            Fft::new_custom(from as usize, to as usize, chunk, 1, 1, window, FixedSync::Both)
        });
        // Neither rate nor chunk is zero, the two cases that the plan refuses.
        let plan = plan.transpose().map_err(|_| ConfigError::Zero { parameter: "sample_rate" })?;
        Ok(Self { plan, ratio: f64::from(to) / f64::from(from) })
    }

    /// Resamples a whole clip to `⌈samples · to / from⌉` samples. Equal rates give a copy.
    ///
    /// # Errors
    /// When `samples` is empty or holds a NaN or infinite value.
    pub fn process(&mut self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        check_finite(samples)?;
        if samples.iter().any(|x| x.abs() > LOUDEST) {
            // Scaled by a power of two and back, which changes no digit.
            let softer: Vec<f32> = samples.iter().map(|x| x / SCALE).collect();
            let mut output = self.resample(&softer)?;
            output.iter_mut().for_each(|x| *x *= SCALE);
            return Ok(output);
        }
        self.resample(samples)
    }

    fn resample(&mut self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        let Some(plan) = &mut self.plan else {
            return Ok(samples.to_vec());
        };
        let length = (samples.len() as f64 * self.ratio).ceil() as usize;
        // One channel of the slice's own length always fits.
        let input = InterleavedSlice::new(samples, 1, samples.len()).map_err(|_| SignalError::Empty)?;
        let output = plan.process_all(&input, samples.len(), None).map_err(|_| SignalError::Empty)?;
        let mut output = output.take_data();
        output.resize(length, 0.0);
        Ok(output)
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rates_copy() {
        let samples = [0.1, -0.7, 0.3];
        assert_eq!(Resampler::new(22_050, 22_050).unwrap().process(&samples).unwrap(), samples);
    }

    #[test]
    fn lengths_are_rounded_up_for_any_rates() {
        for (from, to) in [
            (48_000, 22_050),
            (44_100, 22_050),
            (8_000, 22_050),
            (192_000, 8_000),
            (44_101, 22_050),
            (8_000, 192_000),
        ] {
            let mut resampler = Resampler::new(from, to).unwrap();
            for length in [1, 10, 999, 5_000] {
                let got = resampler.process(&vec![0.25; length]).unwrap().len();
                assert_eq!(
                    got,
                    (length as f64 * f64::from(to) / f64::from(from)).ceil() as usize,
                    "{from} to {to}"
                );
            }
        }
    }

    #[test]
    fn a_plan_keeps_nothing_from_the_clip_before() {
        let clip: Vec<f32> = (0..5_000).map(|i| (i as f32 * 0.05).sin()).collect();
        let mut resampler = Resampler::new(48_000, 22_050).unwrap();
        let first = resampler.process(&clip).unwrap();
        resampler.process(&[0.9; 3_001]).unwrap();
        assert_eq!(resampler.process(&clip).unwrap(), first);
    }

    #[test]
    fn the_loudest_samples_have_the_same_waveform() {
        let clip: Vec<f32> = (0..2_000).map(|i| 0.5 * (i as f32 * 0.05).sin()).collect();
        let loud: Vec<f32> = clip.iter().map(|x| x * 2.0_f32.powi(127)).collect();
        let mut resampler = Resampler::new(48_000, 22_050).unwrap();
        let (want, got) = (resampler.process(&clip).unwrap(), resampler.process(&loud).unwrap());
        assert!(want.iter().zip(&got).all(|(a, b)| (a - b / 2.0_f32.powi(127)).abs() < 1e-6));
    }

    #[test]
    fn rates_that_nobody_records_at_are_refused() {
        assert!(Resampler::new(0, 22_050).is_err());
        let error = Resampler::new(48_000, 1).err().unwrap();
        assert_eq!(error.to_string(), "the target's sample_rate must be from 1000 to 384000 Hz, but is 1");
    }
}
