//! Root mean square of frames.

use ndarray::{Array1, ArrayView2};

use crate::check::check_magnitudes;
use crate::error::{ConfigError, SignalError};
use crate::framing::Framing;
use crate::matrix::resize;
use crate::vector::vectorized;

/// Settings of [`Rms`]. The default is librosa's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct RmsConfig {
    /// Samples of a frame, 1..=1,048,576.
    pub frame_length: usize,
    /// Samples from one frame to the next, at least 1.
    pub hop_length: usize,
    /// Whether frames are centred on their time, with zeros around the signal.
    pub center: bool,
}

impl Default for RmsConfig {
    fn default() -> Self {
        Self { frame_length: 2048, hop_length: 512, center: true }
    }
}

/// Root mean square of each frame of a signal, as `librosa.feature.rms`.
///
/// ```
/// use ser_features::{Rms, RmsConfig};
///
/// let rms = Rms::new(RmsConfig::default())?;
/// let levels = rms.process(&[0.5; 22_050])?;
/// assert_eq!((levels.len(), levels[20]), (44, 0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Rms {
    framing: Framing,
}

impl Rms {
    /// Checks a configuration.
    ///
    /// # Errors
    /// When `frame_length` or `hop_length` is zero, or the frame is longer than its limit.
    pub fn new(config: RmsConfig) -> Result<Self, ConfigError> {
        let RmsConfig { frame_length, hop_length, center } = config;
        Ok(Self { framing: Framing::new(frame_length, hop_length, center)? })
    }

    /// One value a frame, in the unit of the samples.
    ///
    /// `n` samples give `1 + n / hop_length` frames with `center` and an even `frame_length`, `1 + (n − 1) / hop_length` with `center` and an
    /// odd one, and `1 + (n − frame_length) / hop_length` without `center`.
    ///
    /// # Errors
    /// When `samples` is empty, holds a value that is NaN, infinite or beyond ±1e12, or (only without `center`) is shorter than a frame.
    pub fn process(&self, samples: &[f32]) -> Result<Array1<f32>, SignalError> {
        let mut out = Array1::default(0);
        self.process_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`process`](Self::process), into an array that is resized as needed and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was.
    pub fn process_into(&self, samples: &[f32], out: &mut Array1<f32>) -> Result<(), SignalError> {
        let n_frames = self.framing.check(samples)?;
        resize(out, n_frames);
        for (t, out) in out.iter_mut().enumerate() {
            *out = self.of_frame(self.framing.lead(t), &samples[self.framing.range(samples.len(), t)]);
        }
        Ok(())
    }

    pub(crate) fn framing(&self) -> &Framing {
        &self.framing
    }

    /// The root mean square of one frame. `frame` holds only the part that the signal covers.
    pub(crate) fn of_frame(&self, _lead: usize, frame: &[f32]) -> f32 {
        (sum_of_squares(frame) / self.framing.frame_length as f64).sqrt() as f32
    }

    /// The same from the magnitudes `[frame_length / 2 + 1, frames]` of an [`Stft`](crate::Stft) with `n_fft` = `frame_length`, by
    /// Parseval's theorem. The values are those of the windowed frames.
    ///
    /// # Errors
    /// When the matrix has another number of rows or no frame, or a value is negative, NaN or infinite.
    pub fn process_magnitude(&self, magnitude: ArrayView2<'_, f32>) -> Result<Array1<f32>, SignalError> {
        let n_fft = self.framing.frame_length;
        let n_bins = n_fft / 2 + 1;
        check_magnitudes(magnitude, n_bins)?;
        let last = if n_fft.is_multiple_of(2) { n_bins - 1 } else { n_bins };
        let power = |column: ndarray::ArrayView1<'_, f32>| {
            // Every bin but the mean and the Nyquist bin stands for two of the full spectrum.
            let weigh = |(k, &x): (usize, &f32)| {
                f64::from(x) * f64::from(x) * if k == 0 || k == last { 0.5 } else { 1.0 }
            };
            2.0 * column.iter().enumerate().map(weigh).sum::<f64>() / (n_fft as f64).powi(2)
        };
        Ok(magnitude.columns().into_iter().map(|column| power(column).sqrt() as f32).collect())
    }
}

vectorized! {
    fn sum_of_squares(values: &[f32]) -> f64 {
        let mut lanes = [0.0; 16];
        let (chunks, rest) = values.as_chunks::<16>();
        for chunk in chunks {
            for (sum, &x) in lanes.iter_mut().zip(chunk) {
                *sum += f64::from(x) * f64::from(x);
            }
        }
        lanes.iter().sum::<f64>() + rest.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_constant_has_its_own_level() {
        let rms = Rms::new(RmsConfig { frame_length: 8, hop_length: 4, center: false }).unwrap();
        assert_eq!(rms.process(&[-0.5; 16]).unwrap().to_vec(), [0.5; 3]);
    }

    #[test]
    fn values_that_no_magnitude_has_are_refused() {
        let rms = Rms::new(RmsConfig { frame_length: 4, ..Default::default() }).unwrap();
        let refusal = |matrix: ndarray::Array2<f32>| rms.process_magnitude(matrix.view()).err();
        let negative = SignalError::Negative { index: 2, value: -1.0 };
        assert_eq!(refusal(array![[1.0], [0.0], [-1.0]]), Some(negative));
        for value in [f32::NAN, f32::INFINITY] {
            let named = refusal(array![[1.0], [value], [0.0]]);
            assert!(matches!(named, Some(SignalError::NotFinite { index: 1, .. })));
        }
        assert_eq!(refusal(array![[1.0], [1.0]]), Some(SignalError::Rows { expected: 3, given: 2 }));
        let no_frame = SignalError::TooFewFrames { minimum: 1, given: 0 };
        assert_eq!(refusal(ndarray::Array2::zeros((3, 0))), Some(no_frame));
        // The mean and the Nyquist bin count once, the bin between them twice: √((9 + 2 · 4 + 4) / 16).
        let got = rms.process_magnitude(array![[3.0], [2.0], [2.0]].view()).unwrap();
        assert!((got[0] - (21.0_f32 / 16.0).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn zero_lengths_are_refused() {
        let config = RmsConfig { hop_length: 0, ..Default::default() };
        assert_eq!(Rms::new(config).err(), Some(ConfigError::Zero { parameter: "hop_length" }));
    }
}
