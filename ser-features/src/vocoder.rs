//! Phase vocoder: duration and pitch, each without the other.

use std::f64::consts::TAU;

use ndarray::{Array2, ArrayView2};
use num_complex::Complex;

use crate::error::{ConfigError, SignalError};
use crate::istft::Istft;
use crate::resample::Resampler;
use crate::signal::fix_length;
use crate::stft::{Stft, StftConfig};

/// Speeds a spectrum up `rate` times, `[n_fft / 2 + 1, frames]` to `[n_fft / 2 + 1, ⌈frames / rate⌉]`, as `librosa.phase_vocoder` (Flanagan and
/// Golden, *Phase vocoder*, 1966): magnitudes are interpolated, and phases go on as fast as they did.
///
/// librosa adds up phases in the `f32` of its spectra, which loses them after some seconds; this does in `f64`. At the end, magnitudes fade to
/// zero as in librosa 0.11; librosa 1.0 keeps the last frame's. A rate that is not above 0 gives no frame.
///
/// # Errors
/// When the matrix has no row or no frame.
pub fn phase_vocoder(
    spectrum: ArrayView2<'_, Complex<f32>>,
    rate: f64,
) -> Result<Array2<Complex<f32>>, SignalError> {
    let (n_bins, n_frames) = spectrum.dim();
    if n_bins == 0 {
        return Err(SignalError::Rows { expected: 1, given: n_bins });
    }
    if n_frames == 0 {
        return Err(SignalError::TooFewFrames { minimum: 1, given: 0 });
    }
    let count = if rate > 0.0 { (n_frames as f64 / rate).ceil().min(1e9) as usize } else { 0 };
    let mut out = Array2::default((n_bins, count));
    for (input, mut output) in spectrum.rows().into_iter().zip(out.rows_mut()) {
        let bin = |t: usize| {
            input.get(t).map_or(Complex::new(0.0, 0.0), |x| Complex::new(f64::from(x.re), f64::from(x.im)))
        };
        let mut phase = bin(0).arg();
        for (t, out) in output.iter_mut().enumerate() {
            let step = t as f64 * rate;
            let (before, after, part) = (bin(step as usize), bin(step as usize + 1), step.fract());
            let value = Complex::from_polar((1.0 - part) * before.norm() + part * after.norm(), phase);
            *out = Complex::new(value.re as f32, value.im as f32);
            // Where a bin's phase went on from frame to frame, it goes on from this one to the next: whole turns don't matter.
            phase = (phase + after.arg() - before.arg()) % TAU;
        }
    }
    Ok(out)
}

/// Plan that changes the duration of signals and leaves their pitch, as `librosa.effects.time_stretch`.
///
/// ```
/// use ser_features::{StftConfig, TimeStretch};
///
/// let second: Vec<f32> = (0..22_050).map(|n| (0.1 * n as f32).sin()).collect();
/// let faster = TimeStretch::new(StftConfig::default(), 1.25)?.process(&second)?;
/// assert_eq!(faster.len(), 17_640);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TimeStretch {
    stft: Stft,
    istft: Istft,
    rate: f64,
}

impl TimeStretch {
    /// Plans the transforms. `rate` is how many times as fast the signal gets, 0.01..=100.
    ///
    /// # Errors
    /// As [`Stft::new`], and when `rate` lies outside of its range, frames are not centred, or `n_fft` is odd or below 2.
    pub fn new(stft: StftConfig, rate: f64) -> Result<Self, ConfigError> {
        ConfigError::require((0.01..=100.0).contains(&rate), "rate", "within 0.01..=100", rate)?;
        let even = stft.n_fft.is_multiple_of(2) && stft.n_fft > 0;
        ConfigError::require(even, "n_fft", "even and at least 2", stft.n_fft as f64)?;
        ConfigError::require(stft.center, "center", "true (1)", 0.0)?;
        Ok(Self { stft: Stft::new(stft.clone())?, istft: Istft::new(stft)?, rate })
    }

    /// The stretched signal, of `samples / rate` samples, to the nearest (halves to the even one).
    ///
    /// # Errors
    /// As [`Stft::process`].
    pub fn process(&mut self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        let spectrum = self.stft.process(samples)?;
        let stretched = phase_vocoder(spectrum.view(), self.rate)?;
        let length = (samples.len() as f64 / self.rate).round_ties_even() as usize;
        self.istft.process(stretched.view(), Some(length))
    }
}

/// Plan that changes the pitch of signals and leaves their duration, as `librosa.effects.pitch_shift`: they are stretched, then resampled
/// with [`Resampler`].
///
/// ```
/// use ser_features::{PitchShift, StftConfig};
///
/// let second: Vec<f32> = (0..22_050).map(|n| (0.1 * n as f32).sin()).collect();
/// let higher = PitchShift::new(StftConfig::default(), 22_050, 3.0)?.process(&second)?;
/// assert_eq!(higher.len(), second.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PitchShift {
    stretch: TimeStretch,
    resampler: Resampler,
}

impl PitchShift {
    /// Plans transforms and resampling. `n_steps` is how many semitones the pitch rises, −48..=48; a signal at `sample_rate` gets it to
    /// within `0.5 Hz / sample_rate`, a few hundredths of a cent.
    ///
    /// # Errors
    /// As [`TimeStretch::new`] and [`Resampler::new`], and when `n_steps` lies outside of its range.
    pub fn new(stft: StftConfig, sample_rate: u32, n_steps: f64) -> Result<Self, ConfigError> {
        ConfigError::require((-48.0..=48.0).contains(&n_steps), "n_steps", "within -48..=48", n_steps)?;
        // The stretched signal is read as if it had this rate. Stretching follows it, so that the duration is exact.
        let source = (f64::from(sample_rate) * 2.0_f64.powf(n_steps / 12.0)).round() as u32;
        let resampler = Resampler::new(source, sample_rate)?;
        Ok(Self { stretch: TimeStretch::new(stft, f64::from(sample_rate) / f64::from(source))?, resampler })
    }

    /// The shifted signal, as long as the given one.
    ///
    /// # Errors
    /// As [`Stft::process`].
    pub fn process(&mut self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        let stretched = self.stretch.process(samples)?;
        let mut shifted = self.resampler.process(&stretched)?;
        fix_length(&mut shifted, samples.len());
        Ok(shifted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let refusal = |stft, rate| TimeStretch::new(stft, rate).err().unwrap().to_string();
        assert!(refusal(StftConfig::default(), 0.0).starts_with("rate must be within 0.01..=100"));
        assert!(
            refusal(StftConfig { n_fft: 7, ..Default::default() }, 1.0).starts_with("n_fft must be even")
        );
        let error = PitchShift::new(StftConfig::default(), 22_050, f64::NAN).err().unwrap();
        assert!(error.to_string().starts_with("n_steps must be within"));
    }
}
