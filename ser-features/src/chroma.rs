//! Chroma from a spectrogram.

use ndarray::Array2;

use crate::error::{ConfigError, SignalError};
use crate::exponential::exp;
use crate::matrix::fill_columns;
use crate::projection::Projection;
use crate::spectrogram::{Frames, Spectrogram, Spectrum};
use crate::stft::StftConfig;
use crate::tuning::{TuningConfig, TuningEstimator};
use crate::vector::vectorized;

/// Settings of chroma. The default is librosa's, with [`Precision::Single`](crate::Precision::Single).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct ChromaConfig {
    /// Sample rate of the signal in Hz, at least 1.
    pub sample_rate: u32,
    /// The transform underneath; `n_fft` at least 2.
    pub stft: StftConfig,
    /// Input of the filters: librosa's `chroma_stft(y=y)` takes powers, `chroma_stft(S=np.abs(stft(y)))` magnitudes.
    pub spectrum: Spectrum,
    /// Number of pitch classes, at least 1, at most 33,554,432 divided by the bins of the transform. For multiples of 12 the first class is
    /// C. For other numbers it lies `3 · ⌊n_chroma / 12⌋` classes above A, as in librosa: below 12 it is A.
    pub n_chroma: usize,
    /// Deviation from A4 = 440 Hz in fractions of a pitch class, within ±100 · `n_chroma`. `None` estimates it from each signal. That needs
    /// the whole signal, so streams refuse it.
    pub tuning: Option<f64>,
    /// Centre of the octaves' weight, in octaves above the A at 27.5 Hz (shifted by the tuning); finite.
    pub ctroct: f64,
    /// Width of the octaves' weight, in octaves, above 0: the standard deviation of a Gaussian around `ctroct`. `None` weighs all octaves
    /// alike.
    #[cfg_attr(feature = "serde", serde(with = "crate::number::option"))]
    pub octwidth: Option<f64>,
}

impl Default for ChromaConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            stft: StftConfig::default(),
            spectrum: Spectrum::Power,
            n_chroma: 12,
            tuning: None,
            ctroct: 5.0,
            octwidth: Some(2.0),
        }
    }
}

impl ChromaConfig {
    /// Sets the sample rate in Hz, `n_fft` and `hop_length` in samples, and takes the default for the rest.
    ///
    /// ```
    /// use ser_features::{Chroma, ChromaConfig};
    ///
    /// assert_eq!(Chroma::new(ChromaConfig::new(16_000, 1_024, 256))?.process(&[0.1; 16_000])?.dim(), (12, 63));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(sample_rate: u32, n_fft: usize, hop_length: usize) -> Self {
        Self { sample_rate, stft: StftConfig::new(n_fft, hop_length), ..Default::default() }
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.stft.check()?;
        ConfigError::refuse_zero("sample_rate", self.sample_rate as usize)?;
        ConfigError::refuse_zero("n_chroma", self.n_chroma)?;
        let n_fft = self.stft.n_fft;
        ConfigError::require(n_fft >= 2, "n_fft", "2 or more, for chroma", n_fft as f64)?;
        ConfigError::bound_table("n_chroma", self.n_chroma, self.stft.n_bins())?;
        if let Some(tuning) = self.tuning {
            self.check_tuning(tuning)?;
        }
        ConfigError::require(self.ctroct.is_finite(), "ctroct", "finite", self.ctroct)?;
        if let Some(width) = self.octwidth {
            ConfigError::require(width > 0.0, "octwidth", "above 0", width)?;
        }
        Ok(())
    }

    fn check_tuning(&self, tuning: f64) -> Result<(), ConfigError> {
        let octaves = tuning / self.n_chroma as f64;
        ConfigError::require(octaves.abs() <= 100.0, "tuning", "within 100 octaves", tuning)
    }
}

/// The filter bank for `tuning`, in parts of a pitch class (`config.tuning` is not used), as a dense matrix `[n_chroma, n_fft / 2 + 1]`, as
/// `librosa.filters.chroma` (Ellis, *Chroma feature analysis and synthesis*, 2007): a Gaussian bump around each pitch class in every
/// octave, each bin's bumps scaled to length 1, then weighed by the octave.
///
/// # Errors
/// As [`Stft::new`](crate::Stft::new), and when `n_chroma` or `sample_rate` is zero, `n_fft` is 1, `ctroct` or a tuning is not finite,
/// `octwidth` is not above 0, or `n_chroma` or a tuning exceeds its limit.
pub fn chroma_filter_bank(config: &ChromaConfig, tuning: f64) -> Result<Array2<f32>, ConfigError> {
    config.check()?;
    config.check_tuning(tuning)?;
    Ok(filter_bank(config, tuning))
}

fn filter_bank(config: &ChromaConfig, tuning: f64) -> Array2<f32> {
    let (n_chroma, n_fft) = (config.n_chroma, config.stft.n_fft);
    let classes = n_chroma as f64;
    let octave_zero = 440.0 * 2.0_f64.powf(tuning / classes) / 16.0;
    let class_of = |bin: usize| {
        let hz = bin as f64 * f64::from(config.sample_rate) / n_fft as f64;
        classes * (hz / octave_zero).log2()
    };
    // The mean has no pitch; librosa puts it one and a half octaves below the first bin.
    let position = |bin: usize| if bin == 0 { class_of(1) - 1.5 * classes } else { class_of(bin) };
    let positions: Vec<f64> = (0..=config.stft.n_bins()).map(position).collect();
    let half = (classes / 2.0).round_ties_even();

    let mut bank = Array2::zeros((n_chroma, config.stft.n_bins()));
    let mut bumps = vec![0.0; n_chroma];
    for (bin, mut column) in bank.columns_mut().into_iter().enumerate() {
        let at = positions[bin];
        let width = if bin + 1 < n_fft { (positions[bin + 1] - at).max(1.0) } else { 1.0 };
        raise_bumps(at + half + 10.0 * classes, half, width, classes, &mut bumps);
        let length = bumps.iter().map(|x| x * x).sum::<f64>().sqrt();
        let length = if length < f64::MIN_POSITIVE { 1.0 } else { length };
        let weight = match config.octwidth {
            Some(width) => (-0.5 * ((at / classes - config.ctroct) / width).powi(2)).exp(),
            None => 1.0,
        };
        for (class, out) in column.iter_mut().enumerate() {
            // Bumps count from A, chroma from C, three semitones of twelve above.
            *out = (bumps[(class + 3 * (n_chroma / 12)) % n_chroma] / length * weight) as f32;
        }
    }
    bank
}

vectorized! {
    /// The height of each class's bump at a position. Positions are offset by `half` and wrap round after `classes`.
    fn raise_bumps(at: f64, half: f64, width: f64, classes: f64, bumps: &mut [f64]) {
        for (class, bump) in bumps.iter_mut().enumerate() {
            let place = at - f64::from(class as u32);
            let distance = place - classes * (place / classes).floor() - half;
            let steps = 2.0 * distance / width;
            *bump = exp(-0.5 * steps * steps);
        }
    }
}

/// What turns a file's spectrogram into chroma.
#[derive(Debug, Clone)]
pub(crate) struct ChromaProjection {
    config: ChromaConfig,
    estimator: Option<TuningEstimator>,
    /// The last tuning and its filters: signals of one singer or one recorder often share it.
    filters: (f64, Projection),
    row: Vec<f32>,
    block: Vec<f32>,
}

impl ChromaProjection {
    pub(crate) fn new(config: ChromaConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let tuning = TuningConfig {
            sample_rate: config.sample_rate,
            stft: config.stft.clone(),
            spectrum: config.spectrum,
            bins_per_octave: config.n_chroma,
            ..Default::default()
        };
        let estimator = if config.tuning.is_none() { Some(TuningEstimator::new(&tuning)?) } else { None };
        let filters = filters(&config, config.tuning.unwrap_or(0.0));
        let row = vec![0.0; config.n_chroma];
        Ok(Self { config, estimator, filters, row, block: Vec::new() })
    }

    /// Forgets the signal before.
    pub(crate) fn begin(&mut self) {
        self.estimator.iter_mut().for_each(TuningEstimator::begin);
    }

    /// Takes the next frame's pitches, where they tell the tuning.
    pub(crate) fn listen(&mut self, frame: &[f32]) {
        self.estimator.iter_mut().for_each(|estimator| estimator.push(frame));
    }

    /// Chroma `[n_chroma, frames]` of the frames that were passed to [`listen`](Self::listen). `frame` returns them again.
    pub(crate) fn finish_into<'a>(
        &mut self,
        n_frames: usize,
        mut frame: impl FnMut(usize) -> &'a [f32],
        out: &mut Array2<f32>,
    ) {
        self.tune();
        let shape = (self.config.n_chroma, n_frames);
        let mut block = std::mem::take(&mut self.block);
        fill_columns(out, shape, &mut block, |t, classes| classes.copy_from_slice(self.frame(frame(t))));
        self.block = block;
    }

    /// As [`finish_into`](Self::finish_into), of a signal that is transformed once more.
    pub(crate) fn finish_again_into(
        &mut self,
        spectrogram: &mut Spectrogram,
        samples: &[f32],
        out: &mut Array2<f32>,
    ) {
        self.tune();
        self.estimator.iter_mut().for_each(TuningEstimator::release);
        let shape = (self.config.n_chroma, spectrogram.config().n_frames(samples.len()));
        let mut block = std::mem::take(&mut self.block);
        fill_columns(out, shape, &mut block, |t, classes| {
            classes.copy_from_slice(self.frame(spectrogram.frame(samples, t)));
        });
        self.block = block;
    }

    fn tune(&mut self) {
        let Some(estimator) = &mut self.estimator else { return };
        let tuning = estimator.estimate();
        if tuning != self.filters.0 {
            self.filters = filters(&self.config, tuning);
        }
    }

    /// Chroma of one frame with the last tuning.
    pub(crate) fn frame(&mut self, frame: &[f32]) -> &[f32] {
        self.filters.1.apply(frame, &mut self.row);
        let largest = self.row.iter().fold(0.0, |a, &b| f32::max(a, b));
        // A frame this faint keeps its values, as in librosa.
        if largest >= f32::MIN_POSITIVE {
            self.row.iter_mut().for_each(|x| *x /= largest);
        }
        &self.row
    }
}

fn filters(config: &ChromaConfig, tuning: f64) -> (f64, Projection) {
    let bank = filter_bank(config, tuning);
    (tuning, Projection::new(bank.nrows(), bank.ncols(), |class, bin| bank[[class, bin]]))
}

/// Plan of chroma, as `librosa.feature.chroma_stft`: how strong each pitch class is in each frame.
///
/// ```
/// use ser_features::{Chroma, ChromaConfig};
///
/// let a4: Vec<f32> = (0..22_050).map(|n| (std::f32::consts::TAU * 440.0 * n as f32 / 22_050.0).sin()).collect();
/// let mut chroma = Chroma::new(ChromaConfig { tuning: Some(0.0), ..Default::default() })?;
/// let matrix = chroma.process(&a4)?;
/// assert_eq!(matrix.dim(), (12, 44));
/// assert_eq!(matrix[[9, 20]], 1.0); // A is the tenth pitch class from C
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Chroma {
    spectrogram: Spectrogram,
    projection: ChromaProjection,
    frames: Frames,
}

impl Chroma {
    /// Plans transform and filters.
    ///
    /// # Errors
    /// As [`chroma_filter_bank`].
    pub fn new(config: ChromaConfig) -> Result<Self, ConfigError> {
        let spectrogram = Spectrogram::new(config.stft.clone(), config.spectrum)?;
        Ok(Self { spectrogram, projection: ChromaProjection::new(config)?, frames: Frames::default() })
    }

    /// Computes chroma, a matrix `[n_chroma, frames]` with values 0..=1. The largest value of each frame is 1; a silent frame is 0.
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
        self.spectrogram.check(samples)?;
        self.spectrogram.frames_into(samples, &mut self.frames);
        self.projection.begin();
        self.frames.iter().for_each(|frame| self.projection.listen(frame));
        let frames = &self.frames;
        self.projection.finish_into(frames.len(), |t| frames.frame(t), out);
        Ok(())
    }

    pub(crate) fn n_chroma(&self) -> usize {
        self.projection.row.len()
    }

    /// The first frame of a stream's samples.
    pub(crate) fn frame(&mut self, samples: &[f32]) -> &[f32] {
        self.projection.frame(self.spectrogram.frame(samples, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let refusal = |config| Chroma::new(config).err().unwrap().to_string();
        let base = ChromaConfig::default();
        assert_eq!(
            refusal(ChromaConfig { n_chroma: 0, ..base.clone() }),
            "config: n_chroma must be 1 or more, got 0"
        );
        assert_eq!(
            refusal(ChromaConfig { octwidth: Some(0.0), ..base.clone() }),
            "config: octwidth must be above 0, got 0"
        );
        for tuning in [1e9, f64::NAN] {
            let error = refusal(ChromaConfig { tuning: Some(tuning), ..base.clone() });
            assert!(error.starts_with("config: tuning must be within 100 octaves"), "{error}");
        }
        let error = refusal(ChromaConfig { n_chroma: usize::MAX, ..base.clone() });
        assert!(error.starts_with("config: n_chroma must be so small that"), "{error}");
        let stft = StftConfig { n_fft: 1, ..Default::default() };
        assert_eq!(
            refusal(ChromaConfig { stft, ..base }),
            "config: n_fft must be 2 or more, for chroma, got 1"
        );
    }

    #[test]
    fn silence_has_no_chroma() {
        let got = Chroma::new(ChromaConfig::default()).unwrap().process(&[0.0; 3000]).unwrap();
        assert!(got.iter().all(|&x| x == 0.0));
    }
}
