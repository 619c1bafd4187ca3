//! Kaldi's frames and filters.

use ndarray::Array2;
use num_complex::Complex;
use rustfft::FftPlanner;

use super::config::{KaldiFrameConfig, KaldiMelConfig};
use crate::check::check_samples;
use crate::error::{ConfigError, SignalError};
use crate::fourier::Forward;
use crate::mel::MelFilterBank;
use crate::spectrogram::Spectrum;
use crate::stft::MAX_N_FFT;

/// Smallest value that a logarithm is taken of: the distance from 1 to the next `f32`.
pub(super) const FLOOR: f32 = f32::EPSILON;

/// Frames of a signal, windowed and transformed as Kaldi does.
#[derive(Debug, Clone)]
pub(super) struct Analysis {
    config: KaldiFrameConfig,
    length: usize,
    shift: usize,
    // In f64, which keeps a faint band beside a loud one free of rounding noise. Kaldi itself calculates in f32.
    window: Vec<f64>,
    fft: Forward<f64>,
    frame: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    row: Vec<f32>,
    raw_energy: bool,
    energy_floor: f32,
}

impl Analysis {
    pub(super) fn new(
        config: KaldiFrameConfig,
        raw_energy: bool,
        energy_floor: f32,
    ) -> Result<Self, ConfigError> {
        ConfigError::refuse_zero("sample_rate", config.sample_rate as usize)?;
        let samples = |milliseconds: f64| (f64::from(config.sample_rate) * 1e-3 * milliseconds) as usize;
        let (length, shift) = (samples(config.frame_length_ms), samples(config.frame_shift_ms));
        let fits = (2..=MAX_N_FFT).contains(&length);
        ConfigError::require(
            fits,
            "frame_length_ms",
            "as long as 2 to 1048576 samples",
            config.frame_length_ms,
        )?;
        let fits = (1..=MAX_N_FFT).contains(&shift);
        ConfigError::require(
            fits,
            "frame_shift_ms",
            "as long as 1 to 1048576 samples",
            config.frame_shift_ms,
        )?;
        for (parameter, value, most, rule) in [
            ("preemph_coeff", config.preemph_coeff, 1.0, "0 to 1"),
            ("energy_floor", energy_floor, 1e30, "0 to 1e30"),
            ("scale", config.scale, 1e6, "0 to 1e6"),
        ] {
            ConfigError::require((0.0..=most).contains(&value), parameter, rule, value.into())?;
        }
        config.window.check(length)?;
        let n_fft = if config.round_to_power_of_two { length.next_power_of_two() } else { length };
        let fft = Forward::new(n_fft, &mut FftPlanner::new());
        Ok(Self {
            window: config.window.symmetric(length),
            frame: vec![0.0; n_fft],
            spectrum: vec![Complex::default(); fft.n_bins()],
            row: vec![0.0; fft.n_bins()],
            config,
            length,
            shift,
            fft,
            raw_energy,
            energy_floor,
        })
    }

    /// Counts the frames of a signal and refuses a signal without a frame.
    pub(super) fn check(&self, samples: &[f32]) -> Result<usize, SignalError> {
        check_samples(samples)?;
        let given = samples.len();
        let (n_frames, minimum) = if self.config.snip_edges {
            (given.checked_sub(self.length).map_or(0, |beyond| 1 + beyond / self.shift), self.length)
        } else {
            ((given + self.shift / 2) / self.shift, self.shift.div_ceil(2))
        };
        if n_frames == 0 { Err(SignalError::TooShort { minimum, given }) } else { Ok(n_frames) }
    }

    /// Powers or magnitudes of frame `t`, and the logarithm of its energy.
    pub(super) fn frame(&mut self, samples: &[f32], t: usize, spectrum: Spectrum) -> (&[f32], f32) {
        let start = match self.config.snip_edges {
            true => (t * self.shift) as isize,
            false => (t * self.shift + self.shift / 2) as isize - (self.length / 2) as isize,
        };
        let (frame, scale) = (&mut self.frame[..self.length], f64::from(self.config.scale));
        match usize::try_from(start).ok().and_then(|start| samples.get(start..start + frame.len())) {
            Some(inside) => frame.iter_mut().zip(inside).for_each(|(to, x)| *to = f64::from(*x) * scale),
            None => {
                let at = |place| scale * f64::from(samples[mirrored(place, samples.len())]);
                frame.iter_mut().zip(start..).for_each(|(to, place)| *to = at(place));
            }
        }
        if self.config.remove_dc_offset {
            let mean = frame.iter().sum::<f64>() / frame.len() as f64;
            frame.iter_mut().for_each(|x| *x -= mean);
        }
        let mut energy = energy_of(frame);
        let coefficient = f64::from(self.config.preemph_coeff);
        if coefficient > 0.0 {
            for i in (1..frame.len()).rev() {
                frame[i] -= coefficient * frame[i - 1];
            }
            frame[0] -= coefficient * frame[0];
        }
        frame.iter_mut().zip(&self.window).for_each(|(x, w)| *x *= w);
        if !self.raw_energy {
            energy = energy_of(frame);
        }
        self.fft.process(&self.frame, &mut self.spectrum);
        for (row, x) in self.row.iter_mut().zip(&self.spectrum) {
            *row = match spectrum {
                Spectrum::Power => x.norm_sqr(),
                Spectrum::Magnitude => x.norm_sqr().sqrt(),
            } as f32;
        }
        (&self.row, energy.max(self.energy_floor).max(FLOOR).ln())
    }

    /// Triangles that are straight in mels, `1127 · ln(1 + f / 700)`. The bin at half of the sample rate is in none of them.
    pub(super) fn bank(&self, mel: &KaldiMelConfig) -> Result<MelFilterBank, ConfigError> {
        let nyquist = f64::from(self.config.sample_rate) / 2.0;
        let KaldiMelConfig { num_bins, low_freq: fmin, high_freq } = *mel;
        let fmax = if high_freq > 0.0 { high_freq } else { nyquist + high_freq };
        ConfigError::refuse_zero("num_bins", num_bins)?;
        ConfigError::bound_table("num_bins", num_bins, self.spectrum.len())?;
        ConfigError::require(fmin >= 0.0, "low_freq", "0 or more", fmin)?;
        if fmax > nyquist {
            return Err(ConfigError::AboveNyquist { parameter: "high_freq", frequency: fmax, nyquist });
        }
        if fmin.partial_cmp(&fmax) != Some(std::cmp::Ordering::Less) {
            return Err(ConfigError::EmptyRange { fmin, fmax });
        }
        let to_mel = |hz: f64| 1127.0 * (1.0 + hz / 700.0).ln();
        let (low, high) = (to_mel(fmin), to_mel(fmax));
        let step = (high - low) / (num_bins + 1) as f64;
        let hz_per_bin = f64::from(self.config.sample_rate) / self.fft.length() as f64;
        let dense = Array2::from_shape_fn((num_bins, self.spectrum.len()), |(band, bin)| {
            let place = (to_mel(bin as f64 * hz_per_bin) - low) / step - band as f64;
            let last = bin == self.fft.length() / 2;
            if last { 0.0 } else { place.min(2.0 - place).max(0.0) as f32 }
        });
        MelFilterBank::from_dense(dense.view(), self.spectrum.len())
    }
}

fn energy_of(frame: &[f64]) -> f32 {
    frame.iter().map(|x| x * x).sum::<f64>() as f32
}

/// A place beyond the ends, mirrored between the last sample and its copy.
fn mirrored(place: isize, length: usize) -> usize {
    let at = place.rem_euclid(2 * length as isize) as usize;
    if at < length { at } else { 2 * length - 1 - at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_mirrored_with_their_samples() {
        let places: Vec<usize> = (-4..7).map(|place| mirrored(place, 3)).collect();
        assert_eq!(places, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]);
    }
}
