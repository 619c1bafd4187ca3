//! Change of sample rate.

mod any_ratio;
mod blocks;
mod filter;
mod start;
mod stream;

use std::ops::RangeInclusive;

use crate::check::{check_finite, check_samples};
use crate::error::{ConfigError, SignalError};
use any_ratio::AnyRatio;
use blocks::Blocks;
use filter::Ratio;
pub use stream::StreamingResampler;

/// Sample rates that can be resampled from and to, in Hz.
pub const SAMPLE_RATES: RangeInclusive<u32> = 1_000..=384_000;

/// Ratios that [`Resampler::with_ratio`] takes.
const RATIOS: RangeInclusive<f64> = 1.0 / 256.0..=256.0;

/// Largest number in the lowest terms of a ratio of rates: plans grow with it.
const MAX_TERM: usize = 1 << 16;

/// Divisor of samples that are too loud for a plan's Fourier transform: 2^64.
const SCALE: f32 = (1_u128 << 64) as f32;

/// Plan that changes the sample rate of whole clips, with the filter's delay taken out exactly.
///
/// Between two rates it has the filter of soxr's HQ quality, which librosa resamples with: speech at 48,000 Hz comes out at 22,050 Hz
/// with a difference of less than −120 dB of its level. The crate's README has the figures for features.
///
/// ```
/// use ser_features::Resampler;
///
/// let mut resampler = Resampler::new(48_000, 22_050)?;
/// assert_eq!(resampler.process(&[0.1; 48_000])?.len(), 22_050);
/// // A semitone up, when it is played at the old rate.
/// let mut higher = Resampler::with_ratio(2_f64.powf(-1.0 / 12.0))?;
/// assert_eq!(higher.process(&[0.1; 48_000])?.len(), 45_306);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Resampler(Plan);

#[derive(Debug, Clone)]
enum Plan {
    Copy,
    Blocks(Box<Blocks>),
    AnyRatio(Box<AnyRatio>),
}

impl Resampler {
    /// Plans a change from one rate to another, both in Hz.
    ///
    /// # Errors
    /// When a rate lies outside [`SAMPLE_RATES`], or their ratio in its lowest terms has a number above 65,536, as that of 96,001 to
    /// 48,000 Hz: a plan would take tens of megabytes. [`with_ratio`](Self::with_ratio) has no such limit.
    pub fn new(from: u32, to: u32) -> Result<Self, ConfigError> {
        let ratio = check_rates(from, to, MAX_TERM)?;
        Ok(Self(if from == to { Plan::Copy } else { Plan::Blocks(Box::new(Blocks::new(ratio))) }))
    }

    /// Plans a change by any ratio, of the target's rate to the source's: for shifts of pitch, and for rates that are no whole numbers.
    ///
    /// The filter differs from that of [`new`](Self::new): its transition band begins at 0.91 of the lower Nyquist frequency and lies about
    /// 0.004 of that frequency lower. It is slower than a plan of [`new`](Self::new).
    ///
    /// # Errors
    /// When the ratio does not lie from 1/256 to 256.
    pub fn with_ratio(ratio: f64) -> Result<Self, ConfigError> {
        let out_of_range =
            || ConfigError::OutOfRange { parameter: "ratio", rule: "from 1/256 to 256", value: ratio };
        if !RATIOS.contains(&ratio) {
            return Err(out_of_range());
        }
        let plan = AnyRatio::new(ratio).ok_or_else(out_of_range)?;
        Ok(Self(Plan::AnyRatio(Box::new(plan))))
    }

    /// Resamples a whole clip to `⌈samples · (to / from)⌉` samples. The product is rounded in `f64`, as in librosa, which may add a sample
    /// to a whole number: 44,100 samples at 44,100 Hz give 48,001 at 48,000 Hz. Equal rates give a copy.
    ///
    /// With a plan from [`new`](Self::new), the last sample is 0 if the length is rounded up by more than half a sample, as in librosa:
    /// soxr then gives one sample fewer.
    ///
    /// # Errors
    /// When `samples` is empty or holds a NaN or infinite value. With a plan from [`with_ratio`](Self::with_ratio), also
    /// [`SignalError::NotResampled`], which no signal is known to cause.
    pub fn process(&mut self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        let mut out = Vec::new();
        self.process_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`process`](Self::process), into a vector that is resized and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was, unless the error is [`SignalError::NotResampled`].
    pub fn process_into(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), SignalError> {
        if check_samples(samples).is_err() {
            check_finite(samples)?;
            // Too loud for the transform: scaled by a power of two and back, which changes no digit.
            let softer: Vec<f32> = samples.iter().map(|x| x / SCALE).collect();
            self.resample(&softer, out)?;
            out.iter_mut().for_each(|x| *x *= SCALE);
        } else {
            self.resample(samples, out)?;
        }
        Ok(())
    }

    fn resample(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), SignalError> {
        match &mut self.0 {
            Plan::Copy => {
                out.clear();
                out.extend_from_slice(samples);
            }
            Plan::Blocks(blocks) => blocks.process(samples, out),
            Plan::AnyRatio(plan) => plan.process(samples, out)?,
        }
        Ok(())
    }
}

/// The ratio of two rates that can be resampled, with numbers of at most `limit`.
fn check_rates(from: u32, to: u32, limit: usize) -> Result<Ratio, ConfigError> {
    for (parameter, rate) in [("the source's sample_rate", from), ("the target's sample_rate", to)] {
        let rule = "1000 to 384000 Hz";
        ConfigError::require(SAMPLE_RATES.contains(&rate), parameter, rule, rate.into())?;
    }
    let ratio = Ratio::new(from, to);
    if ratio.from.max(ratio.to) > limit {
        return Err(ConfigError::RatioTooFine { from, to, limit });
    }
    Ok(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rates_copy() {
        let samples = [0.1, -0.7, 0.3];
        assert_eq!(Resampler::new(22_050, 22_050).unwrap().process(&samples).unwrap(), samples);
        let mut stream = StreamingResampler::new(22_050, 22_050).unwrap();
        assert_eq!((stream.latency(), stream.push(&samples).unwrap()), (0, &samples[..]));
        assert_eq!(stream.finish().unwrap(), []);
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
            (1_000, 384_000),
            (384_000, 1_000),
        ] {
            let mut resampler = Resampler::new(from, to).unwrap();
            for length in [1, 10, 999, 5_000] {
                let got = resampler.process(&vec![0.25; length]).unwrap().len();
                let want = (length as f64 * (f64::from(to) / f64::from(from))).ceil();
                assert_eq!(got as f64, want, "{from} to {to}");
            }
        }
    }

    #[test]
    fn a_plan_keeps_nothing_from_the_clip_before() {
        let clip: Vec<f32> = (0..5_000).map(|i| (i as f32 * 0.05).sin()).collect();
        for mut resampler in [Resampler::new(48_000, 22_050).unwrap(), Resampler::with_ratio(0.7).unwrap()] {
            let first = resampler.process(&clip).unwrap();
            resampler.process(&[0.9; 3_001]).unwrap();
            assert_eq!(resampler.process(&clip).unwrap(), first);
        }
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
        let refusal = |from, to| Resampler::new(from, to).err().unwrap().to_string();
        assert_eq!(refusal(48_000, 1), "config: the target's sample_rate must be 1000 to 384000 Hz, got 1");
        assert_eq!(
            refusal(192_002, 96_000),
            "config: ratio of sample rates must have numbers of at most 65536 in its lowest terms, got 192002 to 96000 Hz \
             (Resampler::with_ratio takes any ratio from 1/256 to 256)"
        );
        assert!(Resampler::new(65_536, 65_535).is_ok());
        for (from, to) in [(96_001, 48_000), (65_536, 65_535), (44_101, 22_050), (4_097, 4_096)] {
            let error = StreamingResampler::new(from, to).err().unwrap();
            assert_eq!(error, ConfigError::RatioTooFine { from, to, limit: 4_096 });
        }
        assert!(StreamingResampler::new(4_096, 4_095).is_ok());
        for ratio in [0.0, -1.0, 1e-3, 300.0, f64::NAN, f64::INFINITY] {
            let error = Resampler::with_ratio(ratio).err().unwrap().to_string();
            assert!(error.starts_with("config: ratio must be from 1/256 to 256, got"), "{error}");
        }
    }
}
