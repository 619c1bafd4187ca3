//! Pitches of a spectrogram, and how far they lie from A4 = 440 Hz.

use ndarray::Array2;

use crate::error::{ConfigError, SignalError};
use crate::extremes::largest;
use crate::spectrogram::{Spectrogram, Spectrum};
use crate::stft::StftConfig;
use crate::vector::vectorized;

/// Settings of pitch detection and tuning estimation. The default is librosa's, with [`Precision::Single`](crate::Precision::Single).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct TuningConfig {
    /// Sample rate of the signal in Hz, at least 1.
    pub sample_rate: u32,
    /// The transform underneath.
    pub stft: StftConfig,
    /// Whether peaks are sought in magnitudes or powers.
    pub spectrum: Spectrum,
    /// Lowest frequency of a peak's bin in Hz, at least 0. The interpolated pitch may lie half a bin lower.
    pub fmin: f64,
    /// Upper limit of a peak's bin in Hz, exclusive, above `fmin`; half of the sample rate bounds it too.
    #[cfg_attr(feature = "serde", serde(with = "crate::number"))]
    pub fmax: f64,
    /// A peak counts above this part of its frame's largest value, 0..=1.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub threshold: f32,
    /// Width of the histogram's bins in parts of a step, 1e-6 or more and below 1; 0.01 of a semitone is a cent.
    pub resolution: f64,
    /// Steps of an octave, at least 1.
    pub bins_per_octave: usize,
}

impl Default for TuningConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            stft: StftConfig::default(),
            spectrum: Spectrum::Magnitude,
            fmin: 150.0,
            fmax: 4000.0,
            threshold: 0.1,
            resolution: 0.01,
            bins_per_octave: 12,
        }
    }
}

/// Pitches found in each frame. Both matrices are `[n_fft / 2 + 1, frames]` and zero where there is no peak.
#[derive(Debug, Clone, PartialEq)]
pub struct Pitches {
    /// Frequency of the peak near each bin, in Hz.
    pub frequencies: Array2<f32>,
    /// Its interpolated height.
    pub magnitudes: Array2<f32>,
}

/// Plan that tracks pitches and estimates tuning, as `librosa.piptrack` and `librosa.estimate_tuning`.
///
/// ```
/// use ser_features::{Tuning, TuningConfig};
///
/// // A4, tuned a fifth of a semitone too high.
/// let step = std::f32::consts::TAU * 440.0 * 2.0_f32.powf(0.2 / 12.0) / 22_050.0;
/// let note: Vec<f32> = (0..22_050).map(|n| (step * n as f32).sin()).collect();
/// let mut plan = Tuning::new(TuningConfig::default())?;
/// assert!((plan.estimate(&note)? - 0.2).abs() < 0.05); // to a few hundredths, from its spectral peaks
/// assert_eq!(plan.pitches(&note)?.frequencies.dim(), (1_025, 44));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tuning {
    spectrogram: Spectrogram,
    estimator: TuningEstimator,
}

impl Tuning {
    /// Plans the transform.
    ///
    /// # Errors
    /// As [`Stft::new`](crate::Stft::new), and when `sample_rate` or `bins_per_octave` is zero, `fmin` is negative or not below `fmax`,
    /// or `threshold` or `resolution` lies outside its range.
    pub fn new(config: TuningConfig) -> Result<Self, ConfigError> {
        let spectrogram = Spectrogram::new(config.stft.clone(), config.spectrum)?;
        Ok(Self { spectrogram, estimator: TuningEstimator::new(&config)? })
    }

    /// Every frame's spectral peaks, each refined by a parabola through its bin and both neighbours (Smith, *Sinusoidal peak
    /// interpolation*).
    ///
    /// # Errors
    /// As [`Stft::process`](crate::Stft::process).
    pub fn pitches(&mut self, samples: &[f32]) -> Result<Pitches, SignalError> {
        let n_frames = self.spectrogram.check(samples)?;
        let shape = (self.spectrogram.config().n_bins(), n_frames);
        let mut pitches = Pitches { frequencies: Array2::zeros(shape), magnitudes: Array2::zeros(shape) };
        for t in 0..n_frames {
            let frame = self.spectrogram.frame(samples, t);
            self.estimator.peaks(frame, |bin, frequency, magnitude| {
                pitches.frequencies[[bin, t]] = frequency;
                pitches.magnitudes[[bin, t]] = magnitude;
            });
        }
        Ok(pitches)
    }

    /// Gives back the memory that the last signal's pitches took.
    pub(crate) fn release(&mut self) {
        self.estimator.release();
    }

    /// Deviation of a signal's pitches from the steps through A4 = 440 Hz, in parts of a step, −0.5..0.5: that of the pitches at or above
    /// the median height. 0 without any pitch.
    ///
    /// The estimate is the first maximum of a histogram. If two bins hold nearly the same number of pitches, rounding in the
    /// transform decides, so that the estimate may differ from librosa's for a few signals in a hundred.
    ///
    /// # Errors
    /// As [`Stft::process`](crate::Stft::process).
    pub fn estimate(&mut self, samples: &[f32]) -> Result<f64, SignalError> {
        let n_frames = self.spectrogram.check(samples)?;
        self.estimator.begin();
        for t in 0..n_frames {
            self.estimator.push(self.spectrogram.frame(samples, t));
        }
        Ok(self.estimator.estimate())
    }
}

/// Deviation of frequencies in Hz from the steps through A4 = 440 Hz, in parts of a step of `bins_per_octave`, as `librosa.pitch_tuning`:
/// the left edge of the fullest bin of a histogram from −0.5 to 0.5 with bins of `resolution`. Frequencies that are not above 0 are
/// ignored; 0 without any.
///
/// # Errors
/// When `resolution` is below 1e-6 or not below 1, or `bins_per_octave` is zero.
pub fn pitch_tuning(
    frequencies: &[f32],
    resolution: f64,
    bins_per_octave: usize,
) -> Result<f64, ConfigError> {
    check_histogram(resolution, bins_per_octave)?;
    let mut counts = vec![0; histogram_bins(resolution)];
    Ok(fullest_bin(frequencies.iter().copied(), bins_per_octave, &mut counts))
}

fn check_histogram(resolution: f64, bins_per_octave: usize) -> Result<(), ConfigError> {
    let rule = "above 0 and below 1";
    ConfigError::require(resolution > 0.0 && resolution < 1.0, "resolution", rule, resolution)?;
    // A finer histogram than this has more bins than any signal has pitches.
    ConfigError::require(resolution >= 1e-6, "resolution", "1e-6 or more", resolution)?;
    ConfigError::refuse_zero("bins_per_octave", bins_per_octave)
}

fn histogram_bins(resolution: f64) -> usize {
    (1.0 / resolution).ceil() as usize
}

fn fullest_bin(frequencies: impl Iterator<Item = f32>, bins_per_octave: usize, counts: &mut [u32]) -> f64 {
    counts.fill(0);
    let bins = counts.len();
    let edge = |i: usize| if i == bins { 0.5 } else { i as f64 * (1.0 / bins as f64) - 0.5 };
    for frequency in frequencies.filter(|&f| f > 0.0) {
        // In f32, as librosa does with f32 pitches: what lies near an edge falls on its side of it.
        let steps = bins_per_octave as f32 * (frequency / 27.5).log2();
        let residual = steps - steps.floor();
        let residual = f64::from(if residual >= 0.5 { residual - 1.0 } else { residual });
        let mut bin = (((residual + 0.5) * bins as f64) as usize).min(bins - 1);
        while bin > 0 && residual < edge(bin) {
            bin -= 1;
        }
        while bin + 1 < bins && residual >= edge(bin + 1) {
            bin += 1;
        }
        counts[bin] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    if most == 0 { 0.0 } else { edge(counts.iter().position(|&count| count == most).unwrap_or(0)) }
}

/// Bins that are searched for peaks at once, at most as many as a number has bits.
const LANES: usize = 32;

vectorized! {
    /// A bit for each of at most 32 bins that is above `reference`, above its left neighbour, and not below its right one. `frame` holds
    /// these bins and their neighbours.
    fn peak_bits(frame: &[f32], reference: f32) -> u32 {
        let mut bits = [0; LANES];
        let neighbours = frame.iter().zip(&frame[1..]).zip(&frame[2..]);
        for (i, (bit, ((&left, &centre), &right))) in bits.iter_mut().zip(neighbours).enumerate() {
            *bit = u32::from((centre > reference) & (centre > left) & (centre >= right)) << i;
        }
        bits.iter().fold(0, |all, bit| all | bit)
    }
}

/// What finds pitches in frames and estimates their tuning.
#[derive(Debug, Clone)]
pub(crate) struct TuningEstimator {
    /// Bins between `fmin` and `fmax`.
    bins: std::ops::Range<usize>,
    hz_per_bin: (f64, f64),
    threshold: f32,
    bins_per_octave: usize,
    counts: Vec<u32>,
    /// Frequency and height of each pitch, in no order once the tuning is estimated.
    pitches: Vec<(f32, f32)>,
}

impl TuningEstimator {
    pub(crate) fn new(config: &TuningConfig) -> Result<Self, ConfigError> {
        config.stft.check()?;
        ConfigError::refuse_zero("sample_rate", config.sample_rate as usize)?;
        check_histogram(config.resolution, config.bins_per_octave)?;
        let TuningConfig { fmin, fmax, threshold, .. } = *config;
        ConfigError::require(fmin >= 0.0, "fmin", "0 or more", fmin)?;
        if fmin.partial_cmp(&fmax) != Some(std::cmp::Ordering::Less) {
            return Err(ConfigError::EmptyRange { fmin, fmax });
        }
        ConfigError::require((0.0..=1.0).contains(&threshold), "threshold", "0 to 1", threshold.into())?;

        let (sample_rate, n_fft) = (f64::from(config.sample_rate), config.stft.n_fft as f64);
        let hz = |bin: usize| bin as f64 * (1.0 / (n_fft * (1.0 / sample_rate)));
        let fmax = fmax.min(sample_rate / 2.0);
        // A peak has two neighbours, so the first and the last bin can't be one.
        let inner = 1..config.stft.n_bins().saturating_sub(1);
        let first = inner.clone().find(|&bin| hz(bin) >= fmin).unwrap_or(inner.end);
        let last = inner.clone().find(|&bin| hz(bin) >= fmax).unwrap_or(inner.end);
        Ok(Self {
            bins: first..last.max(first),
            hz_per_bin: (sample_rate, n_fft),
            threshold,
            bins_per_octave: config.bins_per_octave,
            counts: vec![0; histogram_bins(config.resolution)],
            pitches: Vec::new(),
        })
    }

    /// Calls `found` with bin, frequency and height of each peak of a frame.
    fn peaks(&self, frame: &[f32], mut found: impl FnMut(usize, f32, f32)) {
        let reference = self.threshold * largest(frame);
        for first in self.bins.clone().step_by(LANES) {
            let count = LANES.min(self.bins.end - first);
            let mut peaks = peak_bits(&frame[first - 1..=first + count], reference);
            while peaks != 0 {
                let bin = first + peaks.trailing_zeros() as usize;
                peaks &= peaks - 1;
                // Which steps run in f32 and which in f64 is librosa's choice.
                let (left, centre, right) = (frame[bin - 1], frame[bin], frame[bin + 1]);
                let curvature = f64::from(right + left) - 2.0 * f64::from(centre);
                let slope = f64::from(right - left) / 2.0;
                let shift = if slope.abs() >= curvature.abs() { 0.0 } else { (-slope / curvature) as f32 };
                let (sample_rate, n_fft) = self.hz_per_bin;
                let frequency = (bin as f64 + f64::from(shift)) * sample_rate / n_fft;
                found(bin, frequency as f32, centre + 0.5 * ((right - left) / 2.0) * shift);
            }
        }
    }

    /// Forgets the signal before.
    pub(crate) fn begin(&mut self) {
        self.pitches.clear();
    }

    /// Gives back the memory that the last signal's pitches took.
    pub(crate) fn release(&mut self) {
        self.pitches = Vec::new();
    }

    /// Takes the next frame's pitches.
    pub(crate) fn push(&mut self, frame: &[f32]) {
        let mut pitches = std::mem::take(&mut self.pitches);
        self.peaks(frame, |_, frequency, magnitude| {
            if frequency > 0.0 {
                pitches.push((frequency, magnitude));
            }
        });
        self.pitches = pitches;
    }

    /// The tuning of all frames since the beginning.
    pub(crate) fn estimate(&mut self) -> f64 {
        let threshold = median_height(&mut self.pitches);
        let loud = self.pitches.iter().filter(|pitch| pitch.1 >= threshold).map(|pitch| pitch.0);
        fullest_bin(loud, self.bins_per_octave, &mut self.counts)
    }
}

/// The middle height of pitches, or the mean of both middle heights; 0 of none. Reorders the pitches: a copy of the heights of a long
/// signal would take a fifth of the signal's memory.
fn median_height(pitches: &mut [(f32, f32)]) -> f32 {
    if pitches.is_empty() {
        return 0.0;
    }
    let middle = pitches.len() / 2;
    let odd = !pitches.len().is_multiple_of(2);
    let (below, &mut (_, upper), _) = pitches.select_nth_unstable_by(middle, |a, b| a.1.total_cmp(&b.1));
    if odd { upper } else { (below.iter().fold(f32::NEG_INFINITY, |a, b| a.max(b.1)) + upper) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_a_quarter_of_a_semitone_high_are_found() {
        let notes: Vec<f32> = (0..24).map(|n| 55.0 * 2.0_f32.powf((n as f32 + 0.255) / 12.0)).collect();
        assert_eq!(pitch_tuning(&notes, 0.01, 12).unwrap(), 0.25);
        assert_eq!(pitch_tuning(&[0.0, -3.0], 0.01, 12).unwrap(), 0.0);
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        let median = |heights: &[f32]| {
            median_height(&mut heights.iter().map(|height| (0.0, *height)).collect::<Vec<_>>())
        };
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let refusal = |config| Tuning::new(config).err().unwrap().to_string();
        let base = TuningConfig::default();
        assert_eq!(
            refusal(TuningConfig { resolution: 1.0, ..base.clone() }),
            "config: resolution must be above 0 and below 1, got 1"
        );
        assert_eq!(
            refusal(TuningConfig { bins_per_octave: 0, ..base.clone() }),
            "config: bins_per_octave must be 1 or more, got 0"
        );
        assert_eq!(
            refusal(TuningConfig { fmin: 9000.0, ..base }),
            "config: fmin must be below fmax, 4000 Hz, got 9000 Hz"
        );
    }
}
