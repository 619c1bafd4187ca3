//! Kaldi's front ends.

use ndarray::Array2;
use num_complex::Complex;
use rustfft::FftPlanner;

use crate::check::check_samples;
use crate::decibel::LogScale;
use crate::error::{ConfigError, SignalError};
use crate::fourier::Forward;
use crate::matrix::fill_columns;
use crate::mel::MelFilterBank;
use crate::projection::Projection;
use crate::spectrogram::{Frames, Spectrum};
use crate::stft::MAX_N_FFT;
use crate::window::Window;

/// Smallest value that a logarithm is taken of: the distance from 1 to the next `f32`.
const FLOOR: f32 = f32::EPSILON;

/// How Kaldi cuts a signal into frames. The names and defaults are Kaldi's, but that no dither is added.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct KaldiFrameConfig {
    /// Sample rate of the signal in Hz, at least 1; Kaldi's `samp_freq`.
    pub sample_rate: u32,
    /// Length of a frame, in milliseconds; at least two samples and at most 1,048,576.
    pub frame_length_ms: f64,
    /// Milliseconds from one frame to the next, at least one sample.
    pub frame_shift_ms: f64,
    /// How much of the sample before is taken off each sample of a frame, 0..=1.
    pub preemph_coeff: f32,
    /// Whether each frame's mean is taken off first.
    pub remove_dc_offset: bool,
    /// Shape of the window, which is always symmetric here.
    pub window: Window,
    /// Whether zeros fill a frame up to the next power of two.
    pub round_to_power_of_two: bool,
    /// `true`: frame `t` starts at sample `t · shift`, and only whole frames count. `false`: it is centred on sample `(t + ½) · shift`, there
    /// are as many frames as shifts, and the signal is mirrored at its ends.
    pub snip_edges: bool,
    /// What samples are multiplied with. Kaldi's recipes feed 16-bit integers: 32,768, so that full scale here is ±1.
    pub scale: f32,
}

impl Default for KaldiFrameConfig {
    fn default() -> Self {
        Self {
            sample_rate: 16_000,
            frame_length_ms: 25.0,
            frame_shift_ms: 10.0,
            preemph_coeff: 0.97,
            remove_dc_offset: true,
            window: Window::Povey,
            round_to_power_of_two: true,
            snip_edges: true,
            scale: 32_768.0,
        }
    }
}

/// Where the mel bands of Kaldi's features lie. The names and defaults are Kaldi's.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct KaldiMelConfig {
    /// Number of bands, at least 1.
    pub num_bins: usize,
    /// Lower edge of the first band in Hz, at least 0.
    pub low_freq: f64,
    /// Upper edge of the last band in Hz, above `low_freq`, at most half of the sample rate; zero or less is counted from there.
    pub high_freq: f64,
}

impl Default for KaldiMelConfig {
    fn default() -> Self {
        Self { num_bins: 23, low_freq: 20.0, high_freq: 0.0 }
    }
}

/// How Kaldi's `compute-fbank-feats` works. The names and defaults are Kaldi's.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct KaldiFbankConfig {
    /// The frames underneath.
    pub frames: KaldiFrameConfig,
    /// The bands.
    pub mel: KaldiMelConfig,
    /// Whether a first row holds the logarithm of each frame's energy.
    pub use_energy: bool,
    /// Whether that is the energy before pre-emphasis and window.
    pub raw_energy: bool,
    /// Smallest energy, at least 0, in the square of the scaled samples' unit.
    pub energy_floor: f32,
    /// Whether bands are natural logarithms.
    pub use_log_fbank: bool,
    /// Whether filters are applied to powers; else to magnitudes.
    pub use_power: bool,
}

impl KaldiFbankConfig {
    /// `num_bins` bands of a signal at a sample rate in Hz, and Kaldi's defaults for the rest.
    pub fn new(sample_rate: u32, num_bins: usize) -> Self {
        let frames = KaldiFrameConfig { sample_rate, ..Default::default() };
        Self { frames, mel: KaldiMelConfig { num_bins, ..Default::default() }, ..Default::default() }
    }
}

impl Default for KaldiFbankConfig {
    fn default() -> Self {
        Self {
            frames: KaldiFrameConfig::default(),
            mel: KaldiMelConfig::default(),
            use_energy: false,
            raw_energy: true,
            energy_floor: 0.0,
            use_log_fbank: true,
            use_power: true,
        }
    }
}

/// How Kaldi's `compute-mfcc-feats` works. The names and defaults are Kaldi's.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct KaldiMfccConfig {
    /// The frames underneath.
    pub frames: KaldiFrameConfig,
    /// The bands.
    pub mel: KaldiMelConfig,
    /// Coefficients to keep, 1..=`num_bins`.
    pub num_ceps: usize,
    /// Coefficient `n` (from 0) is multiplied with `1 + L / 2 · sin(π · n / L)`; 0 leaves it.
    pub cepstral_lifter: f64,
    /// Whether the first row is the logarithm of each frame's energy, instead of the coefficient 0.
    pub use_energy: bool,
    /// Whether that is the energy before pre-emphasis and window.
    pub raw_energy: bool,
    /// Smallest energy, at least 0, in the square of the scaled samples' unit.
    pub energy_floor: f32,
}

impl Default for KaldiMfccConfig {
    fn default() -> Self {
        Self {
            frames: KaldiFrameConfig::default(),
            mel: KaldiMelConfig::default(),
            num_ceps: 13,
            cepstral_lifter: 22.0,
            use_energy: true,
            raw_energy: true,
            energy_floor: 0.0,
        }
    }
}

/// Frames of a signal, windowed and transformed as Kaldi does.
#[derive(Debug, Clone)]
struct Analysis {
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
    fn new(config: KaldiFrameConfig, raw_energy: bool, energy_floor: f32) -> Result<Self, ConfigError> {
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
            ("preemph_coeff", config.preemph_coeff, 1.0, "within 0..=1"),
            ("energy_floor", energy_floor, 1e30, "within 0..=1e30"),
            ("scale", config.scale, 1e6, "within 0..=1e6"),
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

    /// Refuses what has no frame, and counts the frames of what has.
    fn check(&self, samples: &[f32]) -> Result<usize, SignalError> {
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
    fn frame(&mut self, samples: &[f32], t: usize, spectrum: Spectrum) -> (&[f32], f32) {
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
    fn bank(&self, mel: &KaldiMelConfig) -> Result<MelFilterBank, ConfigError> {
        let nyquist = f64::from(self.config.sample_rate) / 2.0;
        let KaldiMelConfig { num_bins, low_freq: fmin, high_freq } = *mel;
        let fmax = if high_freq > 0.0 { high_freq } else { nyquist + high_freq };
        ConfigError::refuse_zero("num_bins", num_bins)?;
        ConfigError::bound_table("num_bins", num_bins, self.spectrum.len())?;
        ConfigError::require(fmin >= 0.0, "low_freq", "at least 0", fmin)?;
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

/// Plan of Kaldi's mel bands, as `compute-fbank-feats` and `kaldi-native-fbank` without dither.
///
/// ```
/// use ser_features::{KaldiFbank, KaldiFbankConfig, KaldiMelConfig};
///
/// let mel = KaldiMelConfig { num_bins: 80, ..Default::default() };
/// let mut fbank = KaldiFbank::new(KaldiFbankConfig { mel, ..Default::default() })?;
/// let second = vec![0.1_f32; 16_000];
/// assert_eq!(fbank.process(&second)?.dim(), (80, 98));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct KaldiFbank {
    analysis: Analysis,
    bank: MelFilterBank,
    use_energy: bool,
    use_log: bool,
    spectrum: Spectrum,
    row: Vec<f32>,
    frames: Frames,
    block: Vec<f32>,
}

impl KaldiFbank {
    /// Plans transform and filters.
    ///
    /// # Errors
    /// When a length, a count or a frequency is outside of its range, or the window's own values are not as many as a frame has.
    pub fn new(config: KaldiFbankConfig) -> Result<Self, ConfigError> {
        let analysis = Analysis::new(config.frames, config.raw_energy, config.energy_floor)?;
        let bank = analysis.bank(&config.mel)?;
        Ok(Self {
            row: vec![0.0; config.mel.num_bins + usize::from(config.use_energy)],
            analysis,
            bank,
            use_energy: config.use_energy,
            use_log: config.use_log_fbank,
            spectrum: if config.use_power { Spectrum::Power } else { Spectrum::Magnitude },
            frames: Frames::default(),
            block: Vec::new(),
        })
    }

    /// A matrix `[num_bins, frames]`, with a row more where `use_energy` asks for it. Kaldi has the frames in rows.
    ///
    /// # Errors
    /// When `samples` is empty, holds a value that is NaN, infinite or beyond ±1e12, or has no frame.
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
        let n_frames = self.analysis.check(samples)?;
        self.frames.clear(self.row.len());
        for t in 0..n_frames {
            let (spectrum, energy) = self.analysis.frame(samples, t, self.spectrum);
            let bands = match self.row.split_first_mut() {
                Some((first, rest)) if self.use_energy => {
                    *first = energy;
                    rest
                }
                _ => self.row.as_mut_slice(),
            };
            self.bank.apply(spectrum, bands);
            if self.use_log {
                LogScale::Ln { floor: FLOOR }.apply(bands);
            }
            self.frames.push(&self.row);
        }
        self.frames.write_into(&mut self.block, out);
        Ok(())
    }
}

/// Plan of Kaldi's cepstral coefficients, as `compute-mfcc-feats` and `kaldi-native-fbank` without dither.
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
    /// As [`KaldiFbank::new`], and when `num_ceps` is zero or exceeds `num_bins`, or `cepstral_lifter` is negative or gives no finite weights.
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

    /// A matrix `[num_ceps, frames]`. Kaldi has the frames in rows.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_mirrored_with_their_samples() {
        let places: Vec<usize> = (-4..7).map(|place| mirrored(place, 3)).collect();
        assert_eq!(places, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]);
    }

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let of = |frames: KaldiFrameConfig, mel: KaldiMelConfig| {
            KaldiFbank::new(KaldiFbankConfig { frames, mel, ..Default::default() }).err().unwrap().to_string()
        };
        let (frames, mel) = (KaldiFrameConfig::default(), KaldiMelConfig::default());
        for (frame_length_ms, frame_shift_ms) in
            [(0.1, 10.0), (f64::NAN, 10.0), (25.0, 0.0), (1e9, 10.0), (25.0, -1.0)]
        {
            let error =
                of(KaldiFrameConfig { frame_length_ms, frame_shift_ms, ..frames.clone() }, mel.clone());
            assert!(error.starts_with("frame_"), "{error}");
        }
        for preemph_coeff in [-0.1, 1.5, f32::NAN] {
            let error = of(KaldiFrameConfig { preemph_coeff, ..frames.clone() }, mel.clone());
            assert!(error.starts_with("preemph_coeff must be within 0..=1"), "{error}");
        }
        let error = of(frames.clone(), KaldiMelConfig { high_freq: 9_000.0, ..mel.clone() });
        assert_eq!(error, "high_freq must not exceed half of the sample rate, but 9000 Hz > 8000 Hz");
        let error = of(frames, KaldiMelConfig { num_bins: 0, ..mel });
        assert_eq!(error, "num_bins must be at least 1");
        let error = KaldiMfcc::new(KaldiMfccConfig { num_ceps: 24, ..Default::default() }).err().unwrap();
        assert_eq!(error.to_string(), "num_ceps must not exceed num_bins, but 24 > 23");
    }
}
