//! Magnitudes and powers of frames.

use ndarray::Array2;
use num_complex::Complex;

use crate::error::{ConfigError, SignalError};
use crate::matrix::fill_columns;
use crate::stft::{Stft, StftConfig};
use crate::vector::vectorized;

/// Quantity in a bin of a spectrogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Spectrum {
    /// `|X|`, librosa's `power=1`.
    Magnitude,
    /// `|X|²`, librosa's `power=2`.
    #[default]
    Power,
}

impl Spectrum {
    /// Fills `row` with a frame of the kind.
    pub(crate) fn fill(self, row: &mut [f32], spectrum: &[Complex<f32>]) {
        match self {
            Self::Magnitude => magnitudes(row, spectrum),
            Self::Power => powers(row, spectrum),
        }
    }
}

vectorized! {
    fn powers(out: &mut [f32], spectrum: &[Complex<f32>]) {
        for (out, x) in out.iter_mut().zip(spectrum) {
            *out = x.re * x.re + x.im * x.im;
        }
    }
}

vectorized! {
    pub(crate) fn magnitudes(out: &mut [f32], spectrum: &[Complex<f32>]) {
        for (out, x) in out.iter_mut().zip(spectrum) {
            *out = (x.re * x.re + x.im * x.im).sqrt();
        }
    }
}

/// Plan of a magnitude or power spectrogram.
///
/// ```
/// use ser_features::{Spectrogram, Spectrum, StftConfig};
///
/// let second: Vec<f32> = (0..22_050).map(|n| (0.1 * n as f32).sin()).collect();
/// let mut plan = Spectrogram::new(StftConfig::new(1_024, 256), Spectrum::Magnitude)?;
/// let magnitudes = plan.process(&second)?;
/// assert_eq!(magnitudes.dim(), (513, 87));
/// assert!(magnitudes[[16, 40]] > 100.0); // 351 Hz; bins lie 21.5 Hz apart
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Spectrogram {
    stft: Stft,
    spectrum: Spectrum,
    row: Vec<f32>,
    block: Vec<f32>,
}

impl Spectrogram {
    /// Plans the transform.
    ///
    /// # Errors
    /// As [`Stft::new`].
    pub fn new(stft: StftConfig, spectrum: Spectrum) -> Result<Self, ConfigError> {
        let stft = Stft::new(stft)?;
        let row = vec![0.0; stft.config().n_bins()];
        Ok(Self { stft, spectrum, row, block: Vec::new() })
    }

    /// The transform's configuration.
    pub fn config(&self) -> &StftConfig {
        self.stft.config()
    }

    /// A matrix `[n_fft / 2 + 1, frames]`, every value at least 0.
    ///
    /// # Errors
    /// As [`Stft::process`].
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
        let shape = (self.config().n_bins(), self.check(samples)?);
        let Self { stft, spectrum, block, .. } = self;
        fill_columns(out, shape, block, |t, frame| spectrum.fill(frame, stft.frame(samples, t)));
        Ok(())
    }

    /// Refuses what can't be transformed, and counts the frames of what can.
    pub(crate) fn check(&self, samples: &[f32]) -> Result<usize, SignalError> {
        self.config().check_signal(samples)?;
        Ok(self.config().n_frames(samples.len()))
    }

    /// One frame of a checked signal.
    pub(crate) fn frame(&mut self, samples: &[f32], t: usize) -> &[f32] {
        self.spectrum.fill(&mut self.row, self.stft.frame(samples, t));
        &self.row
    }

    /// One frame's spectrum, of a checked signal.
    pub(crate) fn spectrum(&mut self, samples: &[f32], t: usize) -> &[Complex<f32>] {
        self.stft.frame(samples, t)
    }

    /// All frames of a checked signal.
    pub(crate) fn frames_into(&mut self, samples: &[f32], out: &mut Frames) {
        let n_frames = self.config().n_frames(samples.len());
        out.clear(self.config().n_bins());
        for t in 0..n_frames {
            out.push(self.frame(samples, t));
        }
    }
}

/// Frames one after the other: the order in which they are made and in which a feature reads them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frames {
    width: usize,
    values: Vec<f32>,
}

impl Frames {
    /// Forgets all frames; those to come have `width` values.
    pub(crate) fn clear(&mut self, width: usize) {
        self.width = width;
        self.values.clear();
    }

    /// Reserves memory for exactly `n_frames` frames.
    pub(crate) fn reserve(&mut self, n_frames: usize) {
        self.values.reserve_exact((n_frames * self.width).saturating_sub(self.values.len()));
    }

    /// Adds a frame, or several that lie one after the other.
    pub(crate) fn push(&mut self, frame: &[f32]) {
        self.values.extend_from_slice(frame);
    }

    pub(crate) fn extend(&mut self, values: impl Iterator<Item = f32>) {
        self.values.extend(values);
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    pub(crate) fn frame(&self, t: usize) -> &[f32] {
        &self.values[t * self.width..][..self.width]
    }

    /// As a matrix `[width, frames]`; `block` is memory to reuse.
    pub(crate) fn write_into(&self, block: &mut Vec<f32>, out: &mut Array2<f32>) {
        fill_columns(out, (self.width, self.len()), block, |t, frame| frame.copy_from_slice(self.frame(t)));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_the_square_of_the_magnitude() {
        let samples: Vec<f32> = (0..300).map(|i| (i as f32 * 0.7).sin()).collect();
        let config = StftConfig { n_fft: 64, hop_length: 32, ..Default::default() };
        let magnitude =
            Spectrogram::new(config.clone(), Spectrum::Magnitude).unwrap().process(&samples).unwrap();
        let power = Spectrogram::new(config, Spectrum::Power).unwrap().process(&samples).unwrap();
        assert_eq!(power.dim(), (33, 10));
        assert!(magnitude.iter().zip(&power).all(|(m, p)| (m * m - p).abs() <= 1e-5 * p));
    }
}
