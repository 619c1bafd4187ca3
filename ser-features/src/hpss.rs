//! Harmonic-percussive separation by median filters.

use ndarray::{Array2, ArrayView2};
use num_complex::Complex32;

use crate::error::{ConfigError, SignalError};
use crate::istft::Istft;
use crate::median::{LANES, SlidingMedian};
use crate::stft::{Stft, StftConfig};

/// How the medians become masks. The default is librosa's. The median filters span 31 frames and 31 bins.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct HpssConfig {
    /// Exponent of the soft masks, above 0. Infinity makes hard masks: each bin goes wholly to the larger part, and to none
    /// where both are equal.
    pub power: f32,
    /// How much larger the harmonic median must be for an even split, at least 1. With margins above 1, the two parts don't
    /// add up to the whole: a residual stays out of both.
    pub margin_harmonic: f32,
    /// The same for the percussive part, at least 1.
    pub margin_percussive: f32,
}

impl Default for HpssConfig {
    fn default() -> Self {
        Self { power: 2.0, margin_harmonic: 1.0, margin_percussive: 1.0 }
    }
}

/// Splits a spectrogram into a harmonic part, which is steady over time, and a percussive part, which is steady over frequency
/// (FitzGerald, "Harmonic/percussive separation using median filtering", 2010; margins: Driedger, Müller and Disch, "Extending
/// harmonic-percussive separation of audio signals", 2014).
///
/// `H` is the median of the magnitudes of 31 neighbouring frames, `P` that of 31 neighbouring bins, both reflected at the edges.
/// The harmonic mask is `Hᵖ / (Hᵖ + (margin · P)ᵖ)`; where both vanish it is ½ with margins of 1, and 0 otherwise.
///
/// ```
/// use ndarray::Array2;
/// use ser_features::{Hpss, HpssConfig};
///
/// let mut magnitude = Array2::zeros((100, 80));
/// magnitude.row_mut(40).fill(1.0); // a steady tone
/// magnitude.column_mut(20).fill(1.0); // a click
/// let (harmonic, percussive) = Hpss::new(HpssConfig::default())?.process(magnitude.view())?;
/// assert_eq!((harmonic[[40, 50]], percussive[[40, 50]]), (1.0, 0.0));
/// assert_eq!((harmonic[[10, 20]], percussive[[10, 20]]), (0.0, 1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Hpss {
    config: HpssConfig,
    medians: SlidingMedian,
    /// Magnitudes and medians of all frames, one frame after the other.
    magnitude: Vec<f32>,
    harmonic: Vec<f32>,
    percussive: Vec<f32>,
}

impl Hpss {
    /// Checks the configuration.
    ///
    /// # Errors
    /// When `power` is not above 0 or a margin is below 1.
    pub fn new(config: HpssConfig) -> Result<Self, ConfigError> {
        ConfigError::require(config.power > 0.0, "power", "above 0", f64::from(config.power))?;
        for (parameter, margin) in
            [("margin_harmonic", config.margin_harmonic), ("margin_percussive", config.margin_percussive)]
        {
            ConfigError::require(
                margin >= 1.0 && margin.is_finite(),
                parameter,
                "at least 1 and finite",
                f64::from(margin),
            )?;
        }
        Ok(Self {
            config,
            medians: SlidingMedian::default(),
            magnitude: Vec::new(),
            harmonic: Vec::new(),
            percussive: Vec::new(),
        })
    }

    /// The harmonic and the percussive part of a spectrogram `[bins, frames]`, each of the same shape: of magnitudes (`f32`) or
    /// of an [`Stft`]'s complex values, which keep their phase.
    ///
    /// # Errors
    /// When the matrix has no row or no frame, or a value that is NaN or infinite (its index counts row by row).
    pub fn process<T: Bin>(
        &mut self,
        spectrogram: ArrayView2<'_, T>,
    ) -> Result<(Array2<T>, Array2<T>), SignalError> {
        let (n_bins, n_frames) = spectrogram.dim();
        if n_bins == 0 {
            return Err(SignalError::Rows { expected: 1, given: 0 });
        }
        if n_frames == 0 {
            return Err(SignalError::TooFewFrames { minimum: 1, given: 0 });
        }
        if let Some(index) = spectrogram.iter().position(|x| !x.magnitude().is_finite()) {
            return Err(SignalError::NotFinite { index });
        }
        self.magnitude.clear();
        self.magnitude.extend(spectrogram.t().iter().map(|x| x.magnitude()));
        self.filter(n_bins, n_frames);
        let (mut harmonic, mut percussive) = (spectrogram.to_owned(), spectrogram.to_owned());
        for ((k, t), value) in spectrogram.indexed_iter() {
            let (h, p) = (self.harmonic[t * n_bins + k], self.percussive[t * n_bins + k]);
            harmonic[[k, t]] = value.scaled(self.mask(h, p, self.config.margin_harmonic));
            percussive[[k, t]] = value.scaled(self.mask(p, h, self.config.margin_percussive));
        }
        Ok((harmonic, percussive))
    }

    /// Medians of what lies in `self.magnitude`.
    fn filter(&mut self, n_bins: usize, n_frames: usize) {
        let magnitude = &self.magnitude[..n_bins * n_frames];
        self.harmonic.resize(magnitude.len(), 0.0);
        self.percussive.resize(magnitude.len(), 0.0);

        for first in (0..n_bins).step_by(LANES) {
            let count = LANES.min(n_bins - first);
            let medians = self.medians.filter(n_frames, |t| {
                let mut lanes = [0.0; LANES];
                lanes[..count].copy_from_slice(&magnitude[t * n_bins + first..][..count]);
                lanes
            });
            for (t, lanes) in medians.iter().enumerate() {
                self.harmonic[t * n_bins + first..][..count].copy_from_slice(&lanes[..count]);
            }
        }

        for first in (0..n_frames).step_by(LANES) {
            let frames: [&[f32]; LANES] =
                std::array::from_fn(|lane| &magnitude[(first + lane).min(n_frames - 1) * n_bins..][..n_bins]);
            let medians = self.medians.filter(n_bins, |k| frames.map(|frame| frame[k]));
            for (lane, out) in
                self.percussive[first * n_bins..].chunks_exact_mut(n_bins).take(LANES).enumerate()
            {
                out.iter_mut().zip(medians).for_each(|(out, lanes)| *out = lanes[lane]);
            }
        }
    }

    /// The share of a bin that belongs to `part` rather than to `other`.
    fn mask(&self, part: f32, other: f32, margin: f32) -> f32 {
        let other = other * margin;
        let power = self.config.power;
        if power.is_infinite() {
            return if part > other { 1.0 } else { 0.0 };
        }
        let largest = part.max(other);
        if largest < f32::MIN_POSITIVE {
            let complementary = self.config.margin_harmonic == 1.0 && self.config.margin_percussive == 1.0;
            return if complementary { 0.5 } else { 0.0 };
        }
        // Relative to the larger one, no power can overflow.
        let raise = |x: f32| if power == 2.0 { x * x } else { x.powf(power) };
        let (part, other) = (raise(part / largest), raise(other / largest));
        part / (part + other)
    }
}

/// A spectrogram's element: a magnitude or a complex value.
pub trait Bin: Copy + private::Sealed {
    /// The absolute value.
    #[doc(hidden)]
    fn magnitude(self) -> f32;
    /// The value times a gain.
    #[doc(hidden)]
    fn scaled(self, gain: f32) -> Self;
}

impl Bin for f32 {
    fn magnitude(self) -> f32 {
        self.abs()
    }

    fn scaled(self, gain: f32) -> Self {
        self * gain
    }
}

impl Bin for Complex32 {
    fn magnitude(self) -> f32 {
        self.norm()
    }

    fn scaled(self, gain: f32) -> Self {
        self * gain
    }
}

mod private {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for num_complex::Complex32 {}
}

/// The harmonic or percussive part of a signal, from samples to samples: librosa's `effects.harmonic` and
/// `effects.percussive`.
///
/// ```
/// use ser_features::{HarmonicPercussive, HpssConfig, StftConfig};
///
/// let mut tone: Vec<f32> = (0..22_050).map(|n| 0.1 * (0.1 * n as f32).sin()).collect();
/// tone[10_000] += 1.0; // a click
/// let mut separation = HarmonicPercussive::new(StftConfig::default(), HpssConfig::default())?;
/// assert!(separation.harmonic(&tone)?[10_000] < 0.3);
/// assert!(separation.percussive(&tone)?[10_000] > 0.7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct HarmonicPercussive {
    hpss: Hpss,
    stft: Stft,
    istft: Istft,
    frames: Vec<Complex32>,
}

impl HarmonicPercussive {
    /// Plans the transforms.
    ///
    /// # Errors
    /// Those of [`Stft::new`] and [`Hpss::new`].
    pub fn new(stft: StftConfig, hpss: HpssConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            hpss: Hpss::new(hpss)?,
            istft: Istft::new(stft.clone())?,
            stft: Stft::new(stft)?,
            frames: Vec::new(),
        })
    }

    /// The harmonic part, as long as the signal.
    ///
    /// # Errors
    /// When `samples` is empty, holds a NaN or infinite value, or (only without `center`) is shorter than a frame.
    pub fn harmonic(&mut self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        let mut out = Vec::new();
        self.harmonic_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`harmonic`](Self::harmonic), into a vector that is resized and whose memory is reused.
    ///
    /// # Errors
    /// As [`harmonic`](Self::harmonic).
    pub fn harmonic_into(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), SignalError> {
        self.part_into(samples, Part::Harmonic, out)
    }

    /// The percussive part, as long as the signal.
    ///
    /// # Errors
    /// As [`harmonic`](Self::harmonic).
    pub fn percussive(&mut self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        let mut out = Vec::new();
        self.percussive_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`percussive`](Self::percussive), into a vector that is resized and whose memory is reused.
    ///
    /// # Errors
    /// As [`harmonic`](Self::harmonic).
    pub fn percussive_into(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), SignalError> {
        self.part_into(samples, Part::Percussive, out)
    }

    fn part_into(&mut self, samples: &[f32], part: Part, out: &mut Vec<f32>) -> Result<(), SignalError> {
        self.stft.config().check_signal(samples)?;
        let mut frames = std::mem::take(&mut self.frames);
        self.stft.frames_into(samples, &mut frames);
        self.part_of_frames(&mut frames, part, samples.len(), out);
        self.frames = frames;
        Ok(())
    }

    /// The harmonic part of `length` samples from their transform, one frame after the other, which becomes its own.
    pub(crate) fn harmonic_of_frames(&mut self, frames: &mut [Complex32], length: usize, out: &mut Vec<f32>) {
        self.part_of_frames(frames, Part::Harmonic, length, out);
    }

    fn part_of_frames(&mut self, frames: &mut [Complex32], part: Part, length: usize, out: &mut Vec<f32>) {
        let n_bins = self.stft.config().n_bins();
        self.hpss.magnitude.clear();
        self.hpss.magnitude.extend(frames.iter().map(|x| x.norm()));
        self.hpss.filter(n_bins, frames.len() / n_bins);
        self.apply(part, frames);
        self.istft.frames_into(frames, Some(length), out);
    }

    fn apply(&self, part: Part, frames: &mut [Complex32]) {
        let hpss = &self.hpss;
        let (own, other, margin) = match part {
            Part::Harmonic => (&hpss.harmonic, &hpss.percussive, hpss.config.margin_harmonic),
            Part::Percussive => (&hpss.percussive, &hpss.harmonic, hpss.config.margin_percussive),
        };
        for ((x, &own), &other) in frames.iter_mut().zip(own).zip(other) {
            *x *= hpss.mask(own, other, margin);
        }
    }
}

#[derive(Clone, Copy)]
enum Part {
    Harmonic,
    Percussive,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_refused() {
        let refusal = |config| Hpss::new(config).err().unwrap().to_string();
        let base = HpssConfig::default();
        assert_eq!(refusal(HpssConfig { power: 0.0, ..base.clone() }), "power must be above 0, but is 0");
        for margin in [0.5, f32::NAN, f32::INFINITY] {
            assert!(
                refusal(HpssConfig { margin_harmonic: margin, ..base.clone() })
                    .starts_with("margin_harmonic")
            );
            assert!(
                refusal(HpssConfig { margin_percussive: margin, ..base.clone() })
                    .starts_with("margin_percussive")
            );
        }
    }

    #[test]
    fn matrices_that_cannot_work_are_refused() {
        let mut hpss = Hpss::new(HpssConfig::default()).unwrap();
        let mut refusal = |matrix: Array2<f32>| hpss.process(matrix.view()).unwrap_err();
        assert_eq!(refusal(Array2::zeros((0, 4))), SignalError::Rows { expected: 1, given: 0 });
        assert_eq!(refusal(Array2::zeros((4, 0))), SignalError::TooFewFrames { minimum: 1, given: 0 });
        let mut matrix = Array2::ones((4, 5));
        matrix[[2, 1]] = f32::NAN;
        assert_eq!(refusal(matrix), SignalError::NotFinite { index: 11 });
    }

    /// Both masks of a bin with the medians `H = 3` and `P = 4`.
    fn masks(config: HpssConfig) -> (f32, f32) {
        let hpss = Hpss::new(config).unwrap();
        (hpss.mask(3.0, 4.0, hpss.config.margin_harmonic), hpss.mask(4.0, 3.0, hpss.config.margin_percussive))
    }

    #[test]
    fn masks_follow_power_and_margins() {
        assert_eq!(masks(HpssConfig::default()), (9.0 / 25.0, 16.0 / 25.0));
        assert_eq!(masks(HpssConfig { power: f32::INFINITY, ..Default::default() }), (0.0, 1.0));
        let (harmonic, percussive) =
            masks(HpssConfig { power: 1.0, margin_harmonic: 2.0, margin_percussive: 4.0 });
        assert!((harmonic - 3.0 / 11.0).abs() < 1e-6 && (percussive - 4.0 / 16.0).abs() < 1e-6);
    }

    #[test]
    fn silence_is_split_evenly_without_margins() {
        let at_zero = |margin_harmonic| {
            let config = HpssConfig { margin_harmonic, ..Default::default() };
            Hpss::new(config).unwrap().mask(0.0, 0.0, margin_harmonic)
        };
        assert_eq!((at_zero(1.0), at_zero(2.0)), (0.5, 0.0));
    }

    #[test]
    fn extreme_magnitudes_stay_finite() {
        let matrix = Array2::from_shape_fn((40, 40), |(k, t)| if (k + t) % 3 == 0 { 1e38 } else { 1e-38 });
        let (harmonic, percussive) =
            Hpss::new(HpssConfig::default()).unwrap().process(matrix.view()).unwrap();
        assert!(harmonic.iter().chain(&percussive).all(|x| x.is_finite()));
    }

    #[test]
    fn both_parts_of_a_signal_add_up_to_it() {
        let signal: Vec<f32> = (0..9_000).map(|n| ((n * n) as f32 * 1e-4).sin()).collect();
        let mut separation = HarmonicPercussive::new(StftConfig::default(), HpssConfig::default()).unwrap();
        let harmonic = separation.harmonic(&signal).unwrap();
        let percussive = separation.percussive(&signal).unwrap();
        for ((x, h), p) in signal.iter().zip(&harmonic).zip(&percussive) {
            assert!((x - h - p).abs() < 1e-5);
        }
    }
}
