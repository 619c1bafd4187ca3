//! Signals from magnitudes.

use ndarray::ArrayView2;
use num_complex::Complex;

use crate::check::check_magnitudes;
use crate::error::{ConfigError, SignalError};
use crate::istft::Istft;
use crate::stft::{Stft, StftConfig};
use crate::vector::vectorized;

/// Settings of Griffin-Lim. The default is librosa's, with [`Precision::Single`](crate::Precision::Single) and a fixed seed.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct GriffinLimConfig {
    /// The transform that the magnitudes come from.
    pub stft: StftConfig,
    /// Times that phases are estimated, at most 100,000.
    pub n_iter: usize,
    /// Momentum of the estimates, 0..=1; 0 is the original algorithm.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub momentum: f32,
    /// Seed of the random phases to start from; `None` starts from phases of 0, as librosa's `init=None`.
    pub seed: Option<u64>,
}

impl Default for GriffinLimConfig {
    fn default() -> Self {
        Self { stft: StftConfig::default(), n_iter: 32, momentum: 0.99, seed: Some(0) }
    }
}

/// Plan that finds a signal whose short-time magnitudes are close to given ones, as `librosa.griffinlim` (Griffin and Lim, *Signal estimation
/// from modified short-time Fourier transform*, 1984; momentum: Perraudin, Balazs and Søndergaard, *A fast Griffin-Lim algorithm*, 2013).
///
/// The random phases differ from numpy's. So with a seed, the signal differs from librosa's but is as close to the magnitudes.
///
/// ```
/// use ser_features::{GriffinLim, GriffinLimConfig, Spectrogram, Spectrum, StftConfig};
///
/// let tone: Vec<f32> = (0..8_192).map(|n| (0.1 * n as f32).sin()).collect();
/// let stft = StftConfig { n_fft: 512, hop_length: 128, ..Default::default() };
/// let magnitude = Spectrogram::new(stft.clone(), Spectrum::Magnitude)?.process(&tone)?;
/// let mut griffin_lim = GriffinLim::new(GriffinLimConfig { stft, ..Default::default() })?;
/// assert_eq!(griffin_lim.process(magnitude.view(), Some(8_192))?.len(), 8_192);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct GriffinLim {
    config: GriffinLimConfig,
    stft: Stft,
    istft: Istft,
}

impl GriffinLim {
    /// Plans the transforms.
    ///
    /// # Errors
    /// As [`Stft::new`], and when `n_iter` or `momentum` lies outside of its range.
    pub fn new(config: GriffinLimConfig) -> Result<Self, ConfigError> {
        let (n_iter, momentum) = (config.n_iter, config.momentum);
        ConfigError::require(n_iter <= 100_000, "n_iter", "at most 100000", n_iter as f64)?;
        ConfigError::require((0.0..=1.0).contains(&momentum), "momentum", "0 to 1", momentum.into())?;
        Ok(Self { stft: Stft::new(config.stft.clone())?, istft: Istft::new(config.stft.clone())?, config })
    }

    /// Finds a signal for magnitudes `[n_fft / 2 + 1, frames]`. It has `length` samples; with `None` it is as long as the frames reach.
    ///
    /// # Errors
    /// When the matrix has another number of rows or no frame, a value is negative, NaN or infinite, or a signal of that length has another
    /// number of frames.
    pub fn process(
        &mut self,
        magnitude: ArrayView2<'_, f32>,
        length: Option<usize>,
    ) -> Result<Vec<f32>, SignalError> {
        check_magnitudes(magnitude, self.config.stft.n_bins())?;
        let mut seed = self.config.seed;
        let estimate = magnitude.mapv(|x| Complex::from_polar(x, seed.as_mut().map_or(0.0, angle)));
        // Frame by frame, as transforms give them.
        let mut estimate: Vec<Complex<f32>> = estimate.t().iter().copied().collect();
        let sizes: Vec<f32> = magnitude.t().iter().copied().collect();
        let (mut signal, mut rebuilt, mut before) =
            (Vec::new(), Vec::new(), vec![Complex::default(); sizes.len()]);
        self.istft.frames_into(&estimate, length, &mut signal);
        let given = magnitude.ncols();
        let minimum = self.config.stft.n_frames(signal.len());
        if self.config.n_iter > 0 && minimum != given {
            return Err(SignalError::TooFewFrames { minimum, given });
        }
        let back = self.config.momentum / (1.0 + self.config.momentum);
        for _ in 0..self.config.n_iter {
            // Rounding may leave a huge value of huge magnitudes, which the transform refuses.
            self.config.stft.check_signal(&signal)?;
            self.stft.frames_into(&signal, &mut rebuilt);
            go_beyond(&rebuilt, &before, back, &sizes, &mut estimate);
            std::mem::swap(&mut rebuilt, &mut before);
            self.istft.frames_into(&estimate, length, &mut signal);
        }
        Ok(signal)
    }
}

vectorized! {
    /// Writes values with the magnitudes `sizes` and the phases of `rebuilt − back · before`.
    fn go_beyond(
        rebuilt: &[Complex<f32>],
        before: &[Complex<f32>],
        back: f32,
        sizes: &[f32],
        out: &mut [Complex<f32>],
    ) {
        for (((out, now), before), &size) in out.iter_mut().zip(rebuilt).zip(before).zip(sizes) {
            let (re, im) = (now.re - before.re * back, now.im - before.im * back);
            // In f64, no square of a small value vanishes.
            let (wide_re, wide_im) = (f64::from(re), f64::from(im));
            let length = (wide_re * wide_re + wide_im * wide_im).sqrt() as f32 + f32::MIN_POSITIVE;
            *out = Complex::new(re / length * size, im / length * size);
        }
    }
}

/// The next random angle (SplitMix64, Steele, Lea and Flood, 2014).
fn angle(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    std::f32::consts::TAU * ((z ^ (z >> 31)) >> 40) as f32 / (1_u32 << 24) as f32
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::spectrogram::{Spectrogram, Spectrum};

    #[test]
    fn magnitudes_come_close() {
        let stft = StftConfig { n_fft: 256, hop_length: 64, ..Default::default() };
        let signal: Vec<f32> = (0..6_400).map(|n| (0.05 * n as f32 + 1e-5 * (n * n) as f32).sin()).collect();
        let mut spectrogram = Spectrogram::new(stft.clone(), Spectrum::Magnitude).unwrap();
        let want = spectrogram.process(&signal).unwrap();
        let mut error_after = |n_iter| {
            let config = GriffinLimConfig { stft: stft.clone(), n_iter, ..Default::default() };
            let mut plan = GriffinLim::new(config).unwrap();
            let found = plan.process(want.view(), Some(signal.len())).unwrap();
            assert_eq!(found, plan.process(want.view(), Some(signal.len())).unwrap(), "one seed, one signal");
            let got = spectrogram.process(&found).unwrap();
            let energy = |x: Array2<f32>| x.iter().map(|x| x * x).sum::<f32>();
            energy(&got - &want) / energy(want.clone())
        };
        let (start, end) = (error_after(0), error_after(60));
        assert!(end < 0.05 && end < start / 5.0, "{start} became {end}");
    }

    #[test]
    fn lengths_of_another_number_of_frames_are_refused() {
        let mut plan = GriffinLim::new(GriffinLimConfig::default()).unwrap();
        let error = plan.process(Array2::ones((1025, 4)).view(), Some(9_000)).err();
        assert_eq!(error, Some(SignalError::TooFewFrames { minimum: 18, given: 4 }));
    }
}
