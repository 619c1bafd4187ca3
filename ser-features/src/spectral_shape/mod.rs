//! Numbers that say where and how a frame's magnitudes are spread.

mod bandwidth;
mod centroid;
mod flatness;
mod rolloff;

pub use bandwidth::{BandwidthConfig, SpectralBandwidth};
pub use centroid::{CentroidConfig, SpectralCentroid};
pub use flatness::{FlatnessConfig, SpectralFlatness};
pub use rolloff::{RolloffConfig, SpectralRolloff};

use std::fmt::Debug;

use ndarray::{Array1, ArrayView2};

use crate::check::check_magnitudes;
use crate::error::{ConfigError, SignalError};
use crate::matrix::resize;
use crate::spectrogram::{Spectrogram, Spectrum};
use crate::stft::StftConfig;

/// Gives a plan the methods that all four have; the first line says what `process` returns.
macro_rules! impl_process {
    ($plan:ident, $returns:literal) => {
        impl $plan {
            #[doc = $returns]
            ///
            /// # Errors
            /// As [`Stft::process`](crate::Stft::process).
            pub fn process(&mut self, samples: &[f32]) -> Result<Array1<f32>, SignalError> {
                let mut out = Array1::default(0);
                self.process_into(samples, &mut out)?;
                Ok(out)
            }

            /// As [`process`](Self::process), into an array that is resized as needed and whose memory is reused.
            ///
            /// # Errors
            /// As [`process`](Self::process); `out` is then left as it was.
            pub fn process_into(
                &mut self,
                samples: &[f32],
                out: &mut Array1<f32>,
            ) -> Result<(), SignalError> {
                self.0.process_into(samples, out)
            }

            /// As [`process`](Self::process), from magnitudes `[n_fft / 2 + 1, frames]`. Other values of at least 0 are treated as
            /// magnitudes (flatness raises them to its `power`).
            ///
            /// # Errors
            /// When the matrix has another number of rows or no frame, or a value is negative, NaN or infinite.
            pub fn process_magnitude(
                &mut self,
                magnitude: ArrayView2<'_, f32>,
            ) -> Result<Array1<f32>, SignalError> {
                self.0.process_magnitude(magnitude)
            }
        }
    };
}

use impl_process;

/// One number of a frame of magnitudes.
pub(crate) trait Measure: Debug + CloneMeasure {
    fn of(&self, frame: &[f32]) -> f32;
}

/// Copies a measure whose type is not known.
pub(crate) trait CloneMeasure {
    fn boxed(&self) -> Box<dyn Measure + Send>;
}

impl<M: Measure + Clone + Send + 'static> CloneMeasure for M {
    fn boxed(&self) -> Box<dyn Measure + Send> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Measure + Send> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

/// A transform and what is measured of its magnitudes.
#[derive(Debug, Clone)]
pub(crate) struct Measured<M> {
    spectrogram: Spectrogram,
    measure: M,
    row: Vec<f32>,
}

impl<M: Measure> Measured<M> {
    fn new(stft: StftConfig, measure: M) -> Result<Self, ConfigError> {
        Ok(Self { spectrogram: Spectrogram::new(stft, Spectrum::Magnitude)?, measure, row: Vec::new() })
    }

    /// The measure alone, for magnitudes of another transform.
    pub(crate) fn into_measure(self) -> M {
        self.measure
    }

    fn process_into(&mut self, samples: &[f32], out: &mut Array1<f32>) -> Result<(), SignalError> {
        let n_frames = self.spectrogram.check(samples)?;
        resize(out, n_frames);
        for (t, out) in out.iter_mut().enumerate() {
            *out = self.measure.of(self.spectrogram.frame(samples, t));
        }
        Ok(())
    }

    fn process_magnitude(&mut self, magnitude: ArrayView2<'_, f32>) -> Result<Array1<f32>, SignalError> {
        check_magnitudes(magnitude, self.spectrogram.config().n_bins())?;
        let measure = |column: ndarray::ArrayView1<'_, f32>| {
            self.row.clear();
            self.row.extend(column);
            self.measure.of(&self.row)
        };
        Ok(magnitude.columns().into_iter().map(measure).collect())
    }

    /// The number of the first frame of a stream's samples.
    pub(crate) fn frame(&mut self, samples: &[f32]) -> &[f32] {
        let value = self.measure.of(self.spectrogram.frame(samples, 0));
        self.row.clear();
        self.row.push(value);
        &self.row
    }
}

/// Frequencies of a transform's bins in Hz.
#[derive(Debug, Clone)]
struct Frequencies {
    hz_per_bin: f64,
}

impl Frequencies {
    fn new(sample_rate: u32, stft: &StftConfig) -> Result<Self, ConfigError> {
        stft.check()?;
        ConfigError::refuse_zero("sample_rate", sample_rate as usize)?;
        Ok(Self { hz_per_bin: f64::from(sample_rate) / stft.n_fft as f64 })
    }

    fn hz(&self, bin: usize) -> f64 {
        bin as f64 * self.hz_per_bin
    }

    /// Sum of a frame and its centre of mass in Hz. A sum below the smallest normal number is not divided by, as in librosa.
    fn mass_and_centroid(&self, frame: &[f32]) -> (f64, f64) {
        let (mut mass, mut moment) = (0.0, 0.0);
        for (bin, &x) in frame.iter().enumerate() {
            mass += f64::from(x);
            moment += f64::from(x) * bin as f64;
        }
        let mass = if mass < f64::from(f32::MIN_POSITIVE) { 1.0 } else { mass };
        (mass, moment * self.hz_per_bin / mass)
    }
}
