//! Harmonic-percussive separation by median filters.

mod mask;

use ndarray::{Array2, ArrayView2};
use num_complex::Complex32;

pub use mask::Bin;
use mask::{share, squared_shares};

use crate::error::{ConfigError, SignalError};
use crate::median::{LANES, SlidingMedian};

/// Settings of [`Hpss`]. The default is librosa's.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct HpssConfig {
    /// Exponent of the soft masks, above 0. Infinity makes hard masks, which are 1 where the part's own median is larger than the margin
    /// times the other one, and 0 elsewhere.
    #[cfg_attr(feature = "serde", serde(with = "crate::number"))]
    pub power: f32,
    /// Factor of the percussive median in the harmonic mask, 1..=1,000,000: the mask is ½ where the harmonic median is this many times the
    /// percussive one. With a margin above 1, the two parts don't add up to the input: the rest is a residual.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub margin_harmonic: f32,
    /// Factor of the harmonic median in the percussive mask, 1..=1,000,000.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub margin_percussive: f32,
    /// Number of neighbouring frames that the median is taken of for the harmonic part, odd, 1..=9,999.
    pub kernel_harmonic: usize,
    /// Number of neighbouring bins that the median is taken of for the percussive part, odd, 1..=9,999.
    pub kernel_percussive: usize,
}

impl Default for HpssConfig {
    fn default() -> Self {
        Self {
            power: 2.0,
            margin_harmonic: 1.0,
            margin_percussive: 1.0,
            kernel_harmonic: 31,
            kernel_percussive: 31,
        }
    }
}

/// Splits a spectrogram into a harmonic part, which is steady over time, and a percussive part, which is steady over frequency
/// (FitzGerald, "Harmonic/percussive separation using median filtering", 2010; margins: Driedger, Müller and Disch, "Extending
/// harmonic-percussive separation of audio signals", 2014).
///
/// `H` is the median of the magnitudes of `kernel_harmonic` neighbouring frames, `P` that of `kernel_percussive` neighbouring bins. Both
/// are reflected at the edges, where the first and last value count twice. With `p` for `power`, the harmonic mask is `Hᵖ / (Hᵖ +
/// (margin_harmonic · P)ᵖ)`, and the percussive mask `Pᵖ / (Pᵖ + (margin_percussive · H)ᵖ)`. Where both medians are 0, masks are ½ if both
/// margins are 1 and `power` is finite, and 0 otherwise.
///
/// This plan keeps the magnitudes and the medians over time of all frames. The methods `harmonic` and `percussive` of
/// [`HarmonicPercussive`](crate::HarmonicPercussive) keep those of about 512 frames (more with a `kernel_harmonic` above 1,025), so that
/// memory for frames does not grow with the signal.
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
#[derive(Debug, Clone)]
pub struct Hpss {
    config: HpssConfig,
    over_frames: SlidingMedian,
    over_bins: SlidingMedian,
    /// Magnitudes of a stretch of frames and of its neighbours on both sides, as they were before they were masked. Those of an earlier,
    /// longer stretch may follow.
    magnitude: Vec<f32>,
    /// Frames of the stretch and of its neighbours.
    n_held: usize,
    /// Frames before the stretch in them.
    n_before: usize,
    /// Medians over time, of a stretch of frames.
    harmonic: Vec<f32>,
    /// Medians over frequency, and masks, of a block of frames.
    percussive: Vec<f32>,
    mask: Vec<f32>,
}

/// Frames whose medians over time are kept at once, if the kernel is no wider. Each stretch costs a kernel of neighbours more.
const STRETCH: usize = 512;

/// What a signal is split into.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    Harmonic,
    Percussive,
}

impl Hpss {
    /// Checks the configuration.
    ///
    /// # Errors
    /// When `power` is not above 0, or a margin or a kernel lies outside its range.
    pub fn new(config: HpssConfig) -> Result<Self, ConfigError> {
        ConfigError::require(config.power > 0.0, "power", "above 0", f64::from(config.power))?;
        for (parameter, margin) in
            [("margin_harmonic", config.margin_harmonic), ("margin_percussive", config.margin_percussive)]
        {
            ConfigError::require(
                (1.0..=1e6).contains(&margin),
                parameter,
                "1 to 1000000",
                f64::from(margin),
            )?;
        }
        for (parameter, kernel) in
            [("kernel_harmonic", config.kernel_harmonic), ("kernel_percussive", config.kernel_percussive)]
        {
            let fits = kernel % 2 == 1 && kernel < 10_000;
            ConfigError::require(fits, parameter, "odd and at most 9999", kernel as f64)?;
        }
        Ok(Self {
            over_frames: SlidingMedian::new(config.kernel_harmonic),
            over_bins: SlidingMedian::new(config.kernel_percussive),
            config,
            magnitude: Vec::new(),
            n_held: 0,
            n_before: 0,
            harmonic: Vec::new(),
            percussive: Vec::new(),
            mask: Vec::new(),
        })
    }

    /// Splits a spectrogram `[bins, frames]` into its harmonic and its percussive part, both of the same shape. It takes magnitudes (`f32`)
    /// or the complex values of an [`Stft`](crate::Stft), whose phases are kept.
    ///
    /// # Errors
    /// When the matrix has no row or no frame, a value that is NaN or infinite (its index counts row by row), or a complex value with a
    /// magnitude above 1.8e19, whose square is infinite.
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
        let magnitudes = spectrogram.iter().map(|x| x.magnitude());
        if let Some((index, value)) = magnitudes.enumerate().find(|(_, x)| !x.is_finite()) {
            return Err(SignalError::NotFinite { index, value });
        }
        let mut harmonic: Vec<T> = spectrogram.t().iter().copied().collect();
        let mut percussive = harmonic.clone();
        self.begin();
        self.take_magnitudes(&harmonic, n_bins);
        self.take_harmonic_medians(n_frames, n_bins);
        let blocks = harmonic.chunks_mut(LANES * n_bins).zip(percussive.chunks_mut(LANES * n_bins));
        for (index, (harmonic, percussive)) in blocks.enumerate() {
            let offset = index * LANES * n_bins;
            self.take_percussive_medians(offset, harmonic.len(), n_bins);
            self.apply(Part::Harmonic, offset, harmonic);
            self.apply(Part::Percussive, offset, percussive);
        }
        let matrix =
            |frames: Vec<T>| Array2::from_shape_fn((n_bins, n_frames), |(k, t)| frames[t * n_bins + k]);
        Ok((matrix(harmonic), matrix(percussive)))
    }

    /// Replaces consecutive frames by their harmonic part, and a copy of them by their percussive part.
    pub(crate) fn split(&mut self, frames: &mut [Complex32], copy: &mut [Complex32], n_bins: usize) {
        self.begin();
        let (mut rest, mut done) = (frames, 0);
        while !rest.is_empty() {
            let count = self.stretch().0.min(rest.len() / n_bins);
            self.keep_first(Part::Harmonic, count, rest, Some(&mut copy[done..]), n_bins);
            done += count * n_bins;
            rest = &mut std::mem::take(&mut rest)[count * n_bins..];
        }
    }

    /// Forgets the frames before.
    pub(crate) fn begin(&mut self) {
        self.n_before = 0;
    }

    /// How many frames are best masked at once, and how many behind them their medians need.
    pub(crate) fn stretch(&self) -> (usize, usize) {
        let half = self.over_frames.half();
        (STRETCH.max(half), half)
    }

    /// Replaces the first `count` of the remaining frames by one of their parts, and those of a copy by their percussive part. As many
    /// frames as [`stretch`](Self::stretch) says must follow, unless the signal ends with the last frame.
    pub(crate) fn keep_first(
        &mut self,
        part: Part,
        count: usize,
        frames: &mut [Complex32],
        mut copy: Option<&mut [Complex32]>,
        n_bins: usize,
    ) {
        let half = self.over_frames.half();
        self.take_magnitudes(&frames[..frames.len().min((count + half) * n_bins)], n_bins);
        self.take_harmonic_medians(count, n_bins);
        for (index, block) in frames[..count * n_bins].chunks_mut(LANES * n_bins).enumerate() {
            let offset = index * LANES * n_bins;
            self.take_percussive_medians(offset, block.len(), n_bins);
            self.apply(part, offset, block);
            if let Some(copy) = &mut copy {
                self.apply(Part::Percussive, offset, &mut copy[offset..][..block.len()]);
            }
        }
        // The last frames are the next stretch's neighbours.
        let (kept, end) = (count.min(half), (self.n_before + count) * n_bins);
        self.magnitude.copy_within(end - kept * n_bins..end, 0);
        self.n_before = kept;
    }

    /// Takes the magnitudes of a stretch of frames and of its neighbours behind, after those before.
    fn take_magnitudes<T: Bin>(&mut self, frames: &[T], n_bins: usize) {
        let start = self.n_before * n_bins;
        let end = start + frames.len();
        if self.magnitude.len() < end {
            self.magnitude.resize(end, 0.0);
        }
        T::magnitudes(frames, &mut self.magnitude[start..end]);
        self.n_held = end / n_bins;
    }

    /// Takes the medians over time of the stretch's frames.
    fn take_harmonic_medians(&mut self, count: usize, n_bins: usize) {
        let magnitude = &self.magnitude;
        self.harmonic.resize(count * n_bins, 0.0);
        for first in (0..n_bins).step_by(LANES) {
            let width = LANES.min(n_bins - first);
            let medians = self.over_frames.filter(self.n_held, |t| {
                let bins = &magnitude[t * n_bins + first..];
                bins.first_chunk().copied().filter(|_| width == LANES).unwrap_or_else(|| {
                    let mut lanes = [0.0; LANES];
                    lanes[..width].copy_from_slice(&bins[..width]);
                    lanes
                })
            });
            for (frame, lanes) in self.harmonic.chunks_exact_mut(n_bins).zip(&medians[self.n_before..]) {
                match frame[first..].first_chunk_mut() {
                    Some(frame) => *frame = *lanes,
                    None => frame[first..].copy_from_slice(&lanes[..width]),
                }
            }
        }
    }

    /// Takes the medians over frequency of a block of at most as many frames as there are lanes: `length` values from `offset` on.
    fn take_percussive_medians(&mut self, offset: usize, length: usize, n_bins: usize) {
        let block = &self.magnitude[self.n_before * n_bins + offset..][..length];
        let last = length / n_bins - 1;
        let frames: [&[f32]; LANES] = std::array::from_fn(|lane| &block[lane.min(last) * n_bins..][..n_bins]);
        let medians = self.over_bins.filter(n_bins, |k| frames.map(|frame| frame[k]));
        self.percussive.resize(length, 0.0);
        // In squares, which stay in the cache.
        for (at, medians) in medians.chunks(LANES).enumerate() {
            for (lane, frame) in self.percussive.chunks_exact_mut(n_bins).enumerate() {
                let out = &mut frame[at * LANES..][..medians.len()];
                out.iter_mut().zip(medians).for_each(|(out, lanes)| *out = lanes[lane]);
            }
        }
    }

    /// Multiplies the block that begins at `offset`, and whose medians were taken, with the masks of one part.
    fn apply<T: Bin>(&mut self, part: Part, offset: usize, block: &mut [T]) {
        let HpssConfig { power, margin_harmonic, margin_percussive, .. } = self.config;
        let (harmonic, percussive) =
            (&self.harmonic[offset..][..block.len()], &self.percussive[..block.len()]);
        let (own, other, margin) = match part {
            Part::Harmonic => (harmonic, percussive, margin_harmonic),
            Part::Percussive => (percussive, harmonic, margin_percussive),
        };
        let of_nothing = if margin_harmonic == 1.0 && margin_percussive == 1.0 { 0.5 } else { 0.0 };
        let medians = own.iter().zip(other).map(|(&own, &other)| (own, other * margin));
        if power == 2.0 {
            self.mask.resize(block.len(), 0.0);
            squared_shares(own, other, margin, of_nothing, &mut self.mask);
        } else if power.is_finite() {
            self.mask.clear();
            self.mask.extend(medians.map(|(own, other)| share(own, other, of_nothing, |x| x.powf(power))));
        } else {
            self.mask.clear();
            self.mask.extend(medians.map(|(own, other)| if own > other { 1.0 } else { 0.0 }));
        }
        T::scale(block, &self.mask);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_refused() {
        let refusal = |config| Hpss::new(config).err().unwrap().to_string();
        let base = HpssConfig::default();
        assert_eq!(
            refusal(HpssConfig { power: 0.0, ..base.clone() }),
            "config: power must be above 0, got 0"
        );
        for margin in [0.5, f32::NAN, f32::INFINITY] {
            assert!(
                refusal(HpssConfig { margin_harmonic: margin, ..base.clone() })
                    .starts_with("config: margin_harmonic")
            );
            assert!(
                refusal(HpssConfig { margin_percussive: margin, ..base.clone() })
                    .starts_with("config: margin_percussive")
            );
        }
    }

    #[test]
    fn kernels_are_odd() {
        for kernel in [0, 2, 10_001] {
            let error =
                Hpss::new(HpssConfig { kernel_percussive: kernel, ..Default::default() }).err().unwrap();
            assert!(
                error.to_string().starts_with("config: kernel_percussive must be odd and at most 9999"),
                "{error}"
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
        assert!(matches!(refusal(matrix), SignalError::NotFinite { index: 11, value } if value.is_nan()));
    }

    /// Both masks of a bin with these medians.
    fn masks(config: HpssConfig, harmonic: f32, percussive: f32) -> [f32; 2] {
        let mut hpss = Hpss::new(config).unwrap();
        hpss.harmonic.push(harmonic);
        hpss.percussive.push(percussive);
        [Part::Harmonic, Part::Percussive].map(|part| {
            let mut bin = [1.0];
            hpss.apply(part, 0, &mut bin);
            bin[0]
        })
    }

    #[test]
    fn masks_follow_power_and_margins() {
        assert_eq!(masks(HpssConfig::default(), 3.0, 4.0), [9.0 / 25.0, 16.0 / 25.0]);
        let hard = HpssConfig { power: f32::INFINITY, ..Default::default() };
        assert_eq!(masks(hard.clone(), 3.0, 4.0), [0.0, 1.0]);
        assert_eq!(masks(hard, 3.0, 3.0), [0.0, 0.0]);
        let wide =
            HpssConfig { power: 1.0, margin_harmonic: 2.0, margin_percussive: 4.0, ..Default::default() };
        let [harmonic, percussive] = masks(wide, 3.0, 4.0);
        assert!((harmonic - 3.0 / 11.0).abs() < 1e-6 && (percussive - 4.0 / 16.0).abs() < 1e-6);
    }

    #[test]
    fn silence_is_split_evenly_without_margins() {
        assert_eq!(masks(HpssConfig::default(), 0.0, 0.0), [0.5, 0.5]);
        let margin = HpssConfig { margin_harmonic: 2.0, ..Default::default() };
        assert_eq!(masks(margin, 0.0, 0.0), [0.0, 0.0]);
    }

    #[test]
    fn stretches_of_frames_give_what_all_of_them_give() {
        let n_bins = 33;
        for (n_frames, kernel_harmonic) in [
            (1, 31),
            (14, 31),
            (STRETCH - 1, 31),
            (STRETCH + 1, 31),
            (STRETCH + 15, 31),
            (2 * STRETCH + 7, 31),
            (STRETCH + 7, 5),
            (3 * STRETCH, 1_301),
        ] {
            let value = |i: usize| Complex32::new(((i * i) as f32 * 0.1).sin(), (i as f32 * 0.7).cos());
            let mut frames: Vec<Complex32> = (0..n_frames * n_bins).map(value).collect();
            let matrix = Array2::from_shape_fn((n_bins, n_frames), |(k, t)| frames[t * n_bins + k]);
            let config = HpssConfig { kernel_harmonic, kernel_percussive: 7, ..Default::default() };
            let mut hpss = Hpss::new(config).unwrap();
            let (harmonic, percussive) = hpss.process(matrix.view()).unwrap();
            let (mut other, mut both) = (frames.clone(), frames.clone());
            hpss.split(&mut both, &mut other, n_bins);
            assert!(harmonic.t().iter().eq(&both) && percussive.t().iter().eq(&other), "{n_frames} frames");
            hpss.begin();
            let mut done = 0;
            while done < n_frames {
                let count = hpss.stretch().0.min(n_frames - done);
                hpss.keep_first(Part::Harmonic, count, &mut frames[done * n_bins..], None, n_bins);
                done += count;
            }
            assert!(harmonic.t().iter().eq(&frames), "{n_frames} frames");
        }
    }

    #[test]
    fn extreme_magnitudes_stay_finite() {
        let matrix = Array2::from_shape_fn((40, 40), |(k, t)| if (k + t) % 3 == 0 { 1e38 } else { 1e-38 });
        let (harmonic, percussive) =
            Hpss::new(HpssConfig::default()).unwrap().process(matrix.view()).unwrap();
        assert!(harmonic.iter().chain(&percussive).all(|x| x.is_finite()));
    }
}
