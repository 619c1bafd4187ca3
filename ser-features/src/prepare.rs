//! Prepares recordings for feature extraction.

use crate::check::{check_finite, check_samples};
use crate::error::{ConfigError, SignalError};
use crate::resample::{Resampler, SAMPLE_RATES};
use crate::signal::{fix_length, normalize};
use crate::trim::{Trim, TrimConfig};

/// Longest clip to fill up to, three hours at 22,050 Hz: no configuration from a damaged file may ask for all memory.
const MAX_LENGTH: usize = 1 << 28;

/// Settings of a clip's preparation. The default, common for speech emotion recognition, is 22,050 Hz, silence trimmed at 30 dB (librosa's
/// `trim` has 60 dB by default), peak-normalised, three seconds.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct PreparationConfig {
    /// Sample rate that the clip is brought to, in Hz, within [`SAMPLE_RATES`]: 1,000 to 384,000.
    pub sample_rate: u32,
    /// Frames at both ends that are at least this far below the loudest frame, in dB, above 0 and finite, are silence and are cut
    /// ([`Trim`], frames of 2,048 samples every 512). `None` cuts nothing.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::option::finite"))]
    pub trim_top_db: Option<f32>,
    /// Whether the largest absolute sample becomes 1.
    pub normalize: bool,
    /// Samples of the result, 1..=268,435,456: zeros are added or samples are cut. `None` keeps the length.
    pub length: Option<usize>,
    /// Side at which zeros are added or samples are cut.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Alignment::is_start"))]
    pub alignment: Alignment,
}

/// The part of a clip that keeps its place when the clip is brought to another length. The default is [`Start`](Self::Start).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Alignment {
    /// The start: zeros are appended, or the end is cut.
    #[default]
    Start,
    /// The centre: zeros are added or samples are cut at both ends, one more at the end if the difference is odd.
    Centre,
}

impl Alignment {
    /// Cuts samples to `length`, or adds zeros up to it.
    pub fn fix_length(self, samples: &mut Vec<f32>, length: usize) {
        let difference = samples.len().abs_diff(length);
        match self {
            Self::Centre if samples.len() > length => {
                samples.drain(..difference / 2);
            }
            Self::Centre => {
                samples.splice(..0, std::iter::repeat_n(0.0, difference / 2));
            }
            Self::Start => {}
        }
        fix_length(samples, length);
    }

    #[cfg(feature = "serde")]
    fn is_start(&self) -> bool {
        *self == Self::Start
    }
}

impl Default for PreparationConfig {
    fn default() -> Self {
        let (trim_top_db, length) = (Some(30.0), Some(66_150));
        Self { sample_rate: 22_050, trim_top_db, normalize: true, length, alignment: Alignment::Start }
    }
}

impl PreparationConfig {
    /// Resamples to a rate in Hz, and does nothing else.
    pub fn raw(sample_rate: u32) -> Self {
        Self { sample_rate, trim_top_db: None, normalize: false, length: None, ..Self::default() }
    }
}

/// Plan that makes clips ready: resampled, trimmed, normalised, brought to one length, in this order.
///
/// ```
/// use ser_features::{Preparation, PreparationConfig};
///
/// let recording: Vec<f32> = (0..48_000).map(|n| 0.2 * (n as f32 * 0.05).sin()).collect();
/// let mut preparation = Preparation::new(PreparationConfig::default())?;
/// let clip = preparation.process(&recording, 48_000)?;
/// assert_eq!(clip.len(), 66_150);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Preparation {
    config: PreparationConfig,
    trim: Option<Trim>,
    /// The last source's rate and its plan: clips of one corpus share it.
    resampler: Option<(u32, Resampler)>,
}

impl Preparation {
    /// Checks a configuration.
    ///
    /// # Errors
    /// When `sample_rate` lies outside [`SAMPLE_RATES`], `trim_top_db` is not above 0 and finite, or `length` is out of its range.
    pub fn new(config: PreparationConfig) -> Result<Self, ConfigError> {
        let rate = config.sample_rate;
        ConfigError::require(SAMPLE_RATES.contains(&rate), "sample_rate", "1000 to 384000 Hz", rate.into())?;
        if let Some(length) = config.length {
            ConfigError::refuse_zero("length", length)?;
            ConfigError::require(length <= MAX_LENGTH, "length", "at most 268435456", length as f64)?;
        }
        if let Some(top_db) = config.trim_top_db {
            let valid = top_db > 0.0 && top_db.is_finite();
            ConfigError::require(valid, "trim_top_db", "above 0 and finite", top_db.into())?;
        }
        let trim = config
            .trim_top_db
            .map(|top_db| Trim::new(TrimConfig { top_db, ..Default::default() }))
            .transpose()?;
        Ok(Self { config, trim, resampler: None })
    }

    /// The configuration that the plan was made from.
    pub fn config(&self) -> &PreparationConfig {
        &self.config
    }

    /// Prepares one channel, recorded at `sample_rate` Hz.
    ///
    /// # Errors
    /// When `samples` is empty or holds a value that is NaN, infinite or, with trimming, beyond ±1e12, `sample_rate` lies outside
    /// [`SAMPLE_RATES`], or [`Resampler::new`] refuses the two rates and one is more than 256 times the other.
    pub fn process(&mut self, samples: &[f32], sample_rate: u32) -> Result<Vec<f32>, SignalError> {
        if self.trim.is_some() { check_samples(samples) } else { check_finite(samples) }?;
        let mut clip = self.resample(samples, sample_rate)?;
        if let Some(trim) = &self.trim {
            let kept = trim.trim(&clip)?;
            clip.truncate(kept.end);
            clip.drain(..kept.start);
        }
        if self.config.normalize {
            normalize(&mut clip)?;
        }
        if let Some(length) = self.config.length {
            self.config.alignment.fix_length(&mut clip, length);
        }
        Ok(clip)
    }

    fn resample(&mut self, samples: &[f32], sample_rate: u32) -> Result<Vec<f32>, SignalError> {
        let resampler = match &mut self.resampler {
            Some((rate, resampler)) if *rate == sample_rate => resampler,
            other => {
                let refused =
                    |minimum, maximum| SignalError::SampleRate { minimum, maximum, given: sample_rate };
                let target = self.config.sample_rate;
                let (lowest, highest) = (*SAMPLE_RATES.start(), *SAMPLE_RATES.end());
                let plan = match Resampler::new(sample_rate, target) {
                    // No recorder's rate, but a file may have it.
                    Err(ConfigError::RatioTooFine { from, to, .. }) => {
                        let ratio = f64::from(to) / f64::from(from);
                        Resampler::with_ratio(ratio).map_err(|_| {
                            refused(lowest.max(target.div_ceil(256)), highest.min(target.saturating_mul(256)))
                        })
                    }
                    plan => plan.map_err(|_| refused(lowest, highest)),
                }?;
                &mut other.insert((sample_rate, plan)).1
            }
        };
        resampler.process(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(length: usize) -> Vec<f32> {
        (0..length).map(|i| 0.25 * (i as f32 * 0.2).sin()).collect()
    }

    #[test]
    fn silence_goes_the_peak_is_one_and_the_end_is_filled() {
        let mut recording = vec![0.0; 11_264];
        recording.extend(tone(22_050));
        recording.extend([0.0; 20_000]);
        let clip =
            Preparation::new(PreparationConfig::default()).unwrap().process(&recording, 22_050).unwrap();
        assert_eq!(clip.len(), 66_150);
        // A frame is kept from the first that overlaps the tone at all loudly enough, so at most a frame of silence stays.
        assert!(clip[..2048].iter().any(|x| x.abs() > 0.9));
        assert_eq!(clip.iter().fold(0.0, |a: f32, b| a.max(b.abs())), 1.0);
        assert!(clip[25_000..].iter().all(|&x| x == 0.0));
    }

    #[test]
    fn raw_at_the_same_rate_changes_nothing() {
        let recording = tone(1_234);
        let mut preparation = Preparation::new(PreparationConfig::raw(16_000)).unwrap();
        assert_eq!(preparation.process(&recording, 16_000).unwrap(), recording);
    }

    #[test]
    fn long_clips_are_cut() {
        let config = PreparationConfig { length: Some(100), ..PreparationConfig::raw(16_000) };
        let clip = Preparation::new(config).unwrap().process(&tone(500), 16_000).unwrap();
        assert_eq!(clip, tone(100));
    }

    #[test]
    fn the_centre_keeps_its_place_where_it_is_asked_to() {
        let centred = |samples: &[f32], length| {
            let mut samples = samples.to_vec();
            Alignment::Centre.fix_length(&mut samples, length);
            samples
        };
        assert_eq!(centred(&[1.0, 2.0, 3.0], 6), [0.0, 1.0, 2.0, 3.0, 0.0, 0.0]);
        assert_eq!(centred(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3), [2.0, 3.0, 4.0]);
        assert_eq!(centred(&[1.0, 2.0], 2), [1.0, 2.0]);
        let config = PreparationConfig {
            length: Some(100),
            alignment: Alignment::Centre,
            ..PreparationConfig::raw(16_000)
        };
        let clip = Preparation::new(config).unwrap().process(&tone(500), 16_000).unwrap();
        assert_eq!(clip, tone(500)[200..300]);
    }

    #[test]
    fn silence_passes_through() {
        let mut preparation = Preparation::new(PreparationConfig::default()).unwrap();
        assert_eq!(preparation.process(&[0.0; 3_000], 48_000).unwrap(), vec![0.0; 66_150]);
    }

    #[test]
    fn bad_input_is_named() {
        let mut preparation = Preparation::new(PreparationConfig::default()).unwrap();
        assert_eq!(preparation.process(&[], 48_000), Err(SignalError::Empty));
        let broken = preparation.process(&[0.0, f32::NAN], 48_000);
        assert!(matches!(broken, Err(SignalError::NotFinite { index: 1, .. })));
        let rate = SignalError::SampleRate { minimum: 1_000, maximum: 384_000, given: 0 };
        assert_eq!(preparation.process(&[0.0; 9], 0), Err(rate));
        let mut low =
            Preparation::new(PreparationConfig { sample_rate: 1_000, ..Default::default() }).unwrap();
        let rate = SignalError::SampleRate { minimum: 1_000, maximum: 256_000, given: 383_999 };
        assert_eq!(low.process(&[0.0; 9], 383_999), Err(rate));
        assert!(low.process(&[0.1; 999], 255_999).is_ok());
        let refused = |config| Preparation::new(config).err().unwrap().to_string();
        let base = PreparationConfig::default();
        assert_eq!(
            refused(PreparationConfig { length: Some(0), ..base.clone() }),
            "config: length must be 1 or more, got 0"
        );
        let top_db = PreparationConfig { trim_top_db: Some(-3.0), ..base.clone() };
        assert_eq!(refused(top_db), "config: trim_top_db must be above 0 and finite, got -3");
        let rate = PreparationConfig { sample_rate: 10, ..base };
        assert_eq!(refused(rate), "config: sample_rate must be 1000 to 384000 Hz, got 10");
    }
}
