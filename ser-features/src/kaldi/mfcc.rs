//! Kaldi's cepstral coefficients.

use ndarray::Array2;

use super::analysis::FLOOR;
use super::config::{KaldiFbankConfig, KaldiMfccConfig};
use super::fbank::KaldiFbank;
use crate::decibel::LogScale;
use crate::error::{ConfigError, SignalError};
use crate::matrix::fill_columns;
use crate::projection::Projection;

/// Plan of Kaldi's cepstral coefficients, as `compute-mfcc-feats` and `kaldi-native-fbank` without dither: the orthonormal DCT-II of the
/// natural logarithms of the powers of mel bands, then the lifter.
///
/// ```
/// use ser_features::{KaldiMfcc, KaldiMfccConfig};
///
/// let mut mfcc = KaldiMfcc::new(KaldiMfccConfig::default())?;
/// assert_eq!(mfcc.process(&[0.1; 16_000])?.dim(), (13, 98));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct KaldiMfcc {
    fbank: KaldiFbank,
    use_energy: bool,
    cosines: Projection,
    block: Vec<f32>,
}

impl KaldiMfcc {
    /// Plans transform, filters and cosines.
    ///
    /// # Errors
    /// As [`KaldiFbank::new`]. Also when `num_ceps` is zero, exceeds `num_bins`, or `num_ceps · num_bins` exceeds 4,194,304, and when
    /// `cepstral_lifter` is negative or gives no finite weights.
    pub fn new(config: KaldiMfccConfig) -> Result<Self, ConfigError> {
        let KaldiMfccConfig {
            frames, mel, num_ceps, cepstral_lifter: lifter, raw_energy, energy_floor, ..
        } = config;
        let num_bins = mel.num_bins;
        let fbank = KaldiFbank::new(KaldiFbankConfig {
            frames,
            mel,
            raw_energy,
            energy_floor,
            ..Default::default()
        })?;
        ConfigError::refuse_zero("num_ceps", num_ceps)?;
        if num_ceps > num_bins {
            let limit_name = "num_bins";
            return Err(ConfigError::TooMany {
                parameter: "num_ceps",
                value: num_ceps,
                limit_name,
                limit: num_bins,
            });
        }
        ConfigError::bound_cosines("num_ceps", num_ceps, num_bins)?;
        let pi = std::f64::consts::PI;
        let finite = (pi * num_ceps as f64 / lifter).is_finite() && lifter.is_finite();
        let rule = "0, or more and finite, and not so small that π · num_ceps / cepstral_lifter is infinite";
        ConfigError::require(lifter == 0.0 || lifter > 0.0 && finite, "cepstral_lifter", rule, lifter)?;
        let cosines = Projection::new(num_ceps, num_bins, |k, n| {
            let scale = if k == 0 { 1.0 } else { 2.0 } / num_bins as f64;
            let lift = if lifter > 0.0 { 1.0 + lifter / 2.0 * (pi * k as f64 / lifter).sin() } else { 1.0 };
            (scale.sqrt() * (pi * k as f64 * (n as f64 + 0.5) / num_bins as f64).cos() * lift) as f32
        });
        Ok(Self { fbank, use_energy: config.use_energy, cosines, block: Vec::new() })
    }

    /// Computes a matrix `[num_ceps, frames]`, with as many frames as [`KaldiFbank::process`]. Kaldi has the frames in rows.
    ///
    /// # Errors
    /// As [`KaldiFbank::process`].
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
        let Self { fbank, use_energy, cosines, block, .. } = self;
        let n_frames = fbank.analysis.check(samples)?;
        fill_columns(out, (cosines.outputs(), n_frames), block, |t, frame| {
            let (spectrum, energy) = fbank.analysis.frame(samples, t, fbank.spectrum);
            fbank.bank.apply(spectrum, &mut fbank.row);
            LogScale::Ln { floor: FLOOR }.apply(&mut fbank.row);
            cosines.apply(&fbank.row, frame);
            if *use_energy {
                frame[0] = energy;
            }
        });
        Ok(())
    }
}
