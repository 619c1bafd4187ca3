//! Spectral contrast.

use std::ops::Range;

use ndarray::Array2;

use crate::decibel::{DecibelConfig, to_decibels};
use crate::error::{ConfigError, SignalError};
use crate::extremes::{largest, mean_of_ends};
use crate::matrix::fill_columns;
use crate::spectrogram::{Frames, Spectrogram, Spectrum};
use crate::stft::StftConfig;

/// Settings of spectral contrast. The default is librosa's, with [`Precision::Single`](crate::Precision::Single).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct ContrastConfig {
    /// Sample rate of the signal in Hz. The last band must start below half of it: more than 12,800 Hz by default.
    pub sample_rate: u32,
    /// The transform underneath. `n_fft` must be at least `sample_rate / fmin`, so that each band holds a bin.
    pub stft: StftConfig,
    /// Upper edge of the first band in Hz, above 0. Each further band is an octave; the last one reaches to half of the sample rate.
    pub fmin: f64,
    /// Bands above the first, at least 1.
    pub n_bands: usize,
    /// Fraction of a band's bins, above 0 and below 1, rounded to a whole number of bins, at least one. The mean of this fraction with the
    /// largest values is the band's peak. The mean of this fraction with the smallest values is its valley.
    pub quantile: f64,
    /// Whether contrast is the difference of the magnitudes of peak and valley instead of their decibels.
    pub linear: bool,
    /// Largest distance of a peak below the signal's largest peak, and of a valley below its largest valley, in dB, at least 0; lower
    /// values are raised. `None` sets no limit. With `linear` it has no effect.
    #[cfg_attr(feature = "serde", serde(with = "crate::number::option"))]
    pub top_db: Option<f32>,
}

impl Default for ContrastConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            stft: StftConfig::default(),
            fmin: 200.0,
            n_bands: 6,
            quantile: 0.02,
            linear: false,
            top_db: Some(80.0),
        }
    }
}

/// Bins of a band, and how many of them make a peak or a valley.
#[derive(Debug, Clone)]
struct Band {
    bins: Range<usize>,
    count: usize,
}

fn bands(config: &ContrastConfig) -> Result<Vec<Band>, ConfigError> {
    let ContrastConfig { fmin, n_bands, quantile, .. } = *config;
    config.stft.check()?;
    ConfigError::refuse_zero("sample_rate", config.sample_rate as usize)?;
    ConfigError::refuse_zero("n_bands", n_bands)?;
    ConfigError::require(fmin > 0.0 && fmin.is_finite(), "fmin", "above 0 and finite", fmin)?;
    ConfigError::require(quantile > 0.0 && quantile < 1.0, "quantile", "above 0 and below 1", quantile)?;
    let sample_rate = f64::from(config.sample_rate);
    let start = fmin * 2.0_f64.powi(n_bands.min(1000) as i32 - 1);
    let parameter = "the last contrast band's lower edge in Hz, fmin · 2^(n_bands − 1),";
    ConfigError::require(start < sample_rate / 2.0, parameter, "below half of the sample rate", start)?;

    let n_fft = config.stft.n_fft;
    let n_bins = config.stft.n_bins();
    let hz = |bin: usize| bin as f64 * (1.0 / (n_fft as f64 * (1.0 / sample_rate)));
    let edge = |band: usize| if band == 0 { 0.0 } else { fmin * 2.0_f64.powi(band as i32 - 1) };
    (0..=n_bands)
        .map(|band| {
            let inside = |&bin: &usize| hz(bin) >= edge(band) && hz(bin) <= edge(band + 1);
            let first = (0..n_bins).find(inside).unwrap_or(n_bins);
            let end =
                if band == n_bands { n_bins } else { (first..n_bins).take_while(inside).count() + first };
            // A band starts one bin early, and all but the last end one bin early; the count is taken before that end.
            let first = if band == 0 { first } else { first.saturating_sub(1) };
            let count = (quantile * end.saturating_sub(first) as f64).round_ties_even().max(1.0) as usize;
            let bins = first..if band == n_bands { end } else { end.saturating_sub(1) };
            let rule = "large enough for every contrast band to hold a bin";
            ConfigError::require(!bins.is_empty() && first < end, "n_fft", rule, n_fft as f64)?;
            Ok(Band { count: count.min(bins.len()), bins })
        })
        .collect()
}

/// What turns a file's magnitudes into contrast.
#[derive(Debug, Clone)]
pub(crate) struct ContrastBands {
    bands: Vec<Band>,
    decibel: Option<DecibelConfig>,
    peaks: Frames,
    valleys: Frames,
    values: Vec<f32>,
    candidates: Vec<f32>,
    row: Vec<f32>,
    block: Vec<f32>,
}

impl ContrastBands {
    pub(crate) fn new(config: &ContrastConfig) -> Result<Self, ConfigError> {
        let decibel = DecibelConfig { top_db: config.top_db, ..Default::default() };
        decibel.check()?;
        let bands = bands(config)?;
        let row = vec![0.0; bands.len()];
        let decibel = (!config.linear).then_some(decibel);
        Ok(Self {
            bands,
            decibel,
            peaks: Frames::default(),
            valleys: Frames::default(),
            values: Vec::new(),
            candidates: Vec::new(),
            row,
            block: Vec::new(),
        })
    }

    /// Contrast `[n_bands + 1, frames]` of the frames since the beginning.
    pub(crate) fn finish_into(&mut self, out: &mut Array2<f32>) {
        self.take_decibels();
        let shape = (self.bands.len(), self.peaks.len());
        let mut block = std::mem::take(&mut self.block);
        fill_columns(out, shape, &mut block, |t, frame| frame.copy_from_slice(self.difference(t)));
        self.block = block;
    }

    /// Contrast of one frame, where `top_db` doesn't need the others.
    pub(crate) fn frame(&mut self, frame: &[f32]) -> &[f32] {
        self.begin();
        self.push(frame);
        self.take_decibels();
        self.difference(0)
    }

    /// Forgets the signal before.
    pub(crate) fn begin(&mut self) {
        self.peaks.clear(self.bands.len());
        self.valleys.clear(self.bands.len());
    }

    /// Takes the next frame's peaks and valleys.
    pub(crate) fn push(&mut self, frame: &[f32]) {
        if largest(frame) == 0.0 {
            // Nothing is found faster than in values that are all equal.
            self.valleys.extend(self.bands.iter().map(|_| 0.0));
            self.peaks.extend(self.bands.iter().map(|_| 0.0));
            return;
        }
        for band in &self.bands {
            self.values.clear();
            self.values.extend_from_slice(&frame[band.bins.clone()]);
            let (valley, peak) = mean_of_ends(&mut self.values, band.count, &mut self.candidates);
            self.valleys.push(&[valley]);
            self.peaks.push(&[peak]);
        }
    }

    fn take_decibels(&mut self) {
        if let Some(decibel) = &self.decibel {
            // Magnitudes through the formula for powers: so does librosa.
            to_decibels(self.peaks.values_mut(), decibel);
            to_decibels(self.valleys.values_mut(), decibel);
        }
    }

    fn difference(&mut self, t: usize) -> &[f32] {
        let ends = self.peaks.frame(t).iter().zip(self.valleys.frame(t));
        for (out, (peak, valley)) in self.row.iter_mut().zip(ends) {
            *out = peak - valley;
        }
        &self.row
    }
}

/// Plan of spectral contrast (Jiang et al., *Music type classification by spectral contrast feature*, 2002), as
/// `librosa.feature.spectral_contrast`: how far peaks stand above valleys in each octave. It is taken from magnitudes.
///
/// A valley below about 1e-5 of its frame's largest magnitude is rounding noise. To match librosa even there, use
/// [`Precision::Double`](crate::Precision::Double) for the transform.
///
/// ```
/// use ser_features::{ContrastConfig, SpectralContrast};
///
/// let mut contrast = SpectralContrast::new(ContrastConfig::default())?;
/// assert_eq!(contrast.process(&[0.1; 22_050])?.dim(), (7, 44));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SpectralContrast {
    spectrogram: Spectrogram,
    bands: ContrastBands,
}

impl SpectralContrast {
    /// Plans transform and bands.
    ///
    /// # Errors
    /// As [`Stft::new`](crate::Stft::new), and when a band would start at or above half of the sample rate, hold no bin, or a setting
    /// lies outside its range.
    pub fn new(config: ContrastConfig) -> Result<Self, ConfigError> {
        let bands = ContrastBands::new(&config)?;
        let spectrogram = Spectrogram::new(config.stft, Spectrum::Magnitude)?;
        Ok(Self { spectrogram, bands })
    }

    /// A matrix `[n_bands + 1, frames]`, from the lowest band to the highest, every value at least 0. In dB as librosa computes them, `10 ·
    /// log10` of magnitudes, so half of the usual level difference; with `linear`, in the unit of the magnitudes.
    ///
    /// # Errors
    /// As [`Stft::process`](crate::Stft::process).
    pub fn process(&mut self, samples: &[f32]) -> Result<Array2<f32>, SignalError> {
        let mut out = Array2::default((0, 0));
        self.process_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`process`](Self::process), into a matrix that is reshaped as needed and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was.
    pub fn process_into(&mut self, samples: &[f32], out: &mut Array2<f32>) -> Result<(), SignalError> {
        let n_frames = self.spectrogram.check(samples)?;
        self.bands.begin();
        for t in 0..n_frames {
            self.bands.push(self.spectrogram.frame(samples, t));
        }
        self.bands.finish_into(out);
        Ok(())
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.bands.row.len()
    }

    /// The first frame of a stream's samples.
    pub(crate) fn frame(&mut self, samples: &[f32]) -> &[f32] {
        self.bands.frame(self.spectrogram.frame(samples, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let refusal = |config| SpectralContrast::new(config).err().unwrap().to_string();
        let base = ContrastConfig::default();
        assert_eq!(
            refusal(ContrastConfig { sample_rate: 12_800, ..base.clone() }),
            "config: the last contrast band's lower edge in Hz, fmin · 2^(n_bands − 1), must be below half of the sample rate, \
             got 6400"
        );
        assert_eq!(
            refusal(ContrastConfig { n_bands: 0, ..base.clone() }),
            "config: n_bands must be 1 or more, got 0"
        );
        assert_eq!(
            refusal(ContrastConfig { quantile: 1.0, ..base.clone() }),
            "config: quantile must be above 0 and below 1, got 1"
        );
        let stft = StftConfig { n_fft: 64, ..Default::default() };
        assert_eq!(
            refusal(ContrastConfig { stft, ..base.clone() }),
            "config: n_fft must be large enough for every contrast band to hold a bin, got 64"
        );
        assert!(SpectralContrast::new(ContrastConfig { n_bands: usize::MAX, ..base }).is_err());
    }
}
