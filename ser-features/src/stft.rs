//! Short-time Fourier transform.

use ndarray::Array2;
use num_complex::Complex;
use rustfft::FftPlanner;

use crate::check::check_samples;
use crate::error::{ConfigError, SignalError};
use crate::fourier::{Forward, Real};
use crate::matrix::fill_columns;
use crate::pad::PadMode;
use crate::vector::vectorized;
use crate::window::Window;

/// Longest transform, 47 s at 22,050 Hz: no configuration from a damaged file may ask for all memory.
pub(crate) const MAX_N_FFT: usize = 1 << 20;

/// Floating-point type of a transform's calculation. The result is `f32` for both. The default is [`Single`](Self::Single), and
/// [`Double`](Self::Double) for [`FeatureConfig`](crate::FeatureConfig).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Precision {
    /// `f32`, which takes less time than `f64`. Each bin's error is about 1e-7 of the frame's largest magnitude.
    #[default]
    Single,
    /// `f64`, as in librosa: even a faint bin beside a strong one is accurate to seven digits.
    Double,
}

/// Settings of frames and transform.
///
/// The default is librosa's, but for `precision`: librosa computes in `f64`, the default here is [`Precision::Single`].
///
/// With `center`, frame `t` is centred on sample `t · hop_length`, and `pad_mode` says what precedes and follows the signal; without it,
/// frame `t` starts at that sample and only whole frames count.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct StftConfig {
    /// Samples of a transform, 1..=1,048,576. 2,048 samples last 93 ms at 22,050 Hz.
    pub n_fft: usize,
    /// Samples from one frame to the next, at least 1.
    pub hop_length: usize,
    /// Samples under the window, 1..=`n_fft`; zeros fill the frame on both sides. `None` means `n_fft`.
    pub win_length: Option<usize>,
    /// Shape of the window.
    pub window: Window,
    /// Whether frames are centred on their time.
    pub center: bool,
    /// Values that centred frames read beyond the signal's ends.
    pub pad_mode: PadMode,
    /// Floating-point type of window and transform. The inverse always uses `f32`.
    pub precision: Precision,
}

impl Default for StftConfig {
    fn default() -> Self {
        Self {
            n_fft: 2048,
            hop_length: 512,
            win_length: None,
            window: Window::Hann,
            center: true,
            pad_mode: PadMode::Zero,
            precision: Precision::Single,
        }
    }
}

impl StftConfig {
    /// Transforms of `n_fft` samples every `hop_length`, and the default for the rest.
    pub fn new(n_fft: usize, hop_length: usize) -> Self {
        Self { n_fft, hop_length, ..Default::default() }
    }

    /// Frequency bins of a frame, `n_fft / 2 + 1`. Bin `k` lies at `k · sample_rate / n_fft` Hz.
    pub fn n_bins(&self) -> usize {
        self.n_fft / 2 + 1
    }

    /// Frames of a signal with `n_samples` samples, rounded down: `1 + n_samples / hop_length` with `center` and an even `n_fft`, `1 +
    /// (n_samples − 1) / hop_length` with an odd one, `1 + (n_samples − n_fft) / hop_length` without `center`. 0 when the signal is shorter
    /// than a frame or `hop_length` is 0.
    pub fn n_frames(&self, n_samples: usize) -> usize {
        let beyond = n_samples.saturating_add(2 * self.padding()).checked_sub(self.n_fft);
        beyond.and_then(|beyond| beyond.checked_div(self.hop_length)).map_or(0, |hops| hops.saturating_add(1))
    }

    /// Samples of padding before the first sample.
    pub(crate) fn padding(&self) -> usize {
        if self.center { self.n_fft / 2 } else { 0 }
    }

    pub(crate) fn win_length(&self) -> usize {
        self.win_length.unwrap_or(self.n_fft)
    }

    /// First sample of a frame that lies under the window.
    pub(crate) fn window_start(&self) -> usize {
        (self.n_fft - self.win_length()) / 2
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::refuse_zero("n_fft", self.n_fft)?;
        ConfigError::refuse_zero("hop_length", self.hop_length)?;
        ConfigError::refuse_zero("win_length", self.win_length())?;
        ConfigError::require(self.n_fft <= MAX_N_FFT, "n_fft", "at most 1048576", self.n_fft as f64)?;
        if self.win_length() > self.n_fft {
            return Err(ConfigError::WindowTooLong { win_length: self.win_length(), n_fft: self.n_fft });
        }
        self.window.check(self.win_length())
    }

    /// Refuses a signal that is empty, not finite, or too short for one frame.
    pub(crate) fn check_signal(&self, samples: &[f32]) -> Result<(), SignalError> {
        check_samples(samples)?;
        if self.n_frames(samples.len()) == 0 {
            return Err(SignalError::TooShort { minimum: self.n_fft, given: samples.len() });
        }
        Ok(())
    }
}

/// Plan of a short-time Fourier transform: `X[k, t] = Σ w[n] · x[t·hop − n_fft/2 + n] · e^(−2πikn/n_fft)`, not normalised. Without
/// `center`, the sample is `x[t·hop + n]`.
///
/// librosa runs window and transform in `f64` and stores the result as `complex64`: so does this with [`Precision::Double`].
///
/// ```
/// use ser_features::{Stft, StftConfig};
///
/// let mut stft = Stft::new(StftConfig::default())?;
/// let spectrum = stft.process(&[0.5; 22_050])?;
/// assert_eq!(spectrum.dim(), (1025, 44));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Stft {
    config: StftConfig,
    transform: Transform,
    spectrum: Vec<Complex<f32>>,
    block: Vec<Complex<f32>>,
}

#[derive(Debug, Clone)]
enum Transform {
    Single(Windowed<f32>),
    Double(Windowed<f64>),
}

/// Window and transform of one frame.
#[derive(Debug, Clone)]
struct Windowed<T> {
    window: Vec<T>,
    fft: Forward<T>,
    spectrum: Vec<Complex<T>>,
    /// Samples under the window where it reaches beyond the signal.
    padded: Vec<f32>,
}

impl<T: Real> Windowed<T> {
    fn new(config: &StftConfig, window: Vec<T>) -> Self {
        let fft = Forward::new(config.n_fft, &mut FftPlanner::new());
        let zero = Complex::new(T::zero(), T::zero());
        Self { window, spectrum: vec![zero; config.n_bins()], fft, padded: Vec::new() }
    }

    /// Spectrum of frame `t`, in `self.spectrum`.
    fn transform(&mut self, config: &StftConfig, samples: &[f32], t: usize) {
        // `start` is where the window's first sample falls in the signal; it may lie before the first or after the last sample.
        let window_start = config.window_start();
        let start = (t * config.hop_length + window_start) as isize - config.padding() as isize;
        let inside = start >= 0 && start as usize + self.window.len() <= samples.len();
        let frame = self.fft.signal();
        if config.pad_mode != PadMode::Zero && !inside {
            self.padded.resize(self.window.len(), 0.0);
            config.pad_mode.read(samples, start, &mut self.padded);
            let end = window_start + self.window.len();
            frame[..window_start].fill(T::zero());
            frame[end..].fill(T::zero());
            windowed(&mut frame[window_start..end], &self.padded, &self.window);
            self.fft.run(&mut self.spectrum);
            return;
        }
        let skipped = start.min(0).unsigned_abs().min(self.window.len());
        let first = start.max(0) as usize;
        let count = samples.len().saturating_sub(first).min(self.window.len() - skipped);

        let begin = window_start + skipped;
        frame[..begin].fill(T::zero());
        frame[begin + count..].fill(T::zero());
        if count > 0 {
            let window = &self.window[skipped..skipped + count];
            let signal = &samples[first..first + count];
            windowed(&mut frame[begin..begin + count], signal, window);
        }
        self.fft.run(&mut self.spectrum);
    }
}

vectorized! {
    fn windowed<T: Real>(out: &mut [T], signal: &[f32], window: &[T]) {
        for ((out, &x), &w) in out.iter_mut().zip(signal).zip(window) {
            *out = T::from(x) * w;
        }
    }
}

vectorized! {
    fn narrow(out: &mut [Complex<f32>], spectrum: &[Complex<f64>]) {
        for (out, x) in out.iter_mut().zip(spectrum) {
            *out = Complex::new(x.re as f32, x.im as f32);
        }
    }
}

impl Stft {
    /// Plans a transform.
    ///
    /// # Errors
    /// When `n_fft`, `hop_length` or `win_length` is zero, `n_fft` exceeds its limit, the window is longer than `n_fft`, or a custom window
    /// does not have `win_length` values within ±1e6.
    pub fn new(config: StftConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let length = config.win_length();
        let transform = match config.precision {
            Precision::Single => Transform::Single(Windowed::new(&config, config.window.periodic(length))),
            Precision::Double => Transform::Double(Windowed::new(&config, config.window.values(length))),
        };
        Ok(Self { transform, spectrum: vec![Complex::default(); config.n_bins()], block: Vec::new(), config })
    }

    /// The configuration that the plan was made from.
    pub fn config(&self) -> &StftConfig {
        &self.config
    }

    /// Transforms a signal into a matrix `[n_fft / 2 + 1, frames]`.
    ///
    /// # Errors
    /// When `samples` is empty, holds a value that is NaN, infinite or beyond ±1e12, or (only without `center`) is shorter than a frame.
    pub fn process(&mut self, samples: &[f32]) -> Result<Array2<Complex<f32>>, SignalError> {
        let mut out = Array2::default((0, 0));
        self.process_into(samples, &mut out)?;
        Ok(out)
    }

    /// As [`process`](Self::process), into a matrix that is reshaped as needed and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was.
    pub fn process_into(
        &mut self,
        samples: &[f32],
        out: &mut Array2<Complex<f32>>,
    ) -> Result<(), SignalError> {
        self.config.check_signal(samples)?;
        let shape = (self.config.n_bins(), self.config.n_frames(samples.len()));
        let mut block = std::mem::take(&mut self.block);
        fill_columns(out, shape, &mut block, |t, frame| frame.copy_from_slice(self.frame(samples, t)));
        self.block = block;
        Ok(())
    }

    /// Spectrum of frame `t`, which must lie below `n_frames`.
    pub(crate) fn frame(&mut self, samples: &[f32], t: usize) -> &[Complex<f32>] {
        match &mut self.transform {
            Transform::Single(single) => {
                single.transform(&self.config, samples, t);
                &single.spectrum
            }
            Transform::Double(double) => {
                double.transform(&self.config, samples, t);
                narrow(&mut self.spectrum, &double.spectrum);
                &self.spectrum
            }
        }
    }

    /// Spectra of all frames one after the other, `[frames, n_fft / 2 + 1]` in standard layout: the order in which they are made
    /// and in which most features read them. The signal must have been checked.
    pub(crate) fn frames_into(&mut self, samples: &[f32], out: &mut Vec<Complex<f32>>) {
        let n_frames = self.config.n_frames(samples.len());
        out.clear();
        out.reserve(n_frames * self.config.n_bins());
        for t in 0..n_frames {
            out.extend_from_slice(self.frame(samples, t));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// The definition, summed in f64.
    fn slow(samples: &[f32], config: &StftConfig, k: usize, t: usize) -> Complex<f64> {
        let window = config.window.periodic(config.win_length());
        (0..config.win_length())
            .map(|n| {
                let in_frame = config.window_start() + n;
                let at = (t * config.hop_length + in_frame) as isize - config.padding() as isize;
                let x = config.pad_mode.index(at, samples.len()).map_or(0.0, |at| samples[at]);
                let angle = -2.0 * PI * (k * in_frame) as f64 / config.n_fft as f64;
                Complex::from_polar(f64::from(window[n]) * f64::from(x), angle)
            })
            .sum()
    }

    #[test]
    fn equals_the_definition_for_any_size() {
        let samples: Vec<f32> = (0..97).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
        for n_fft in [1_usize, 2, 3, 8, 15, 16, 32] {
            for win_length in [None, Some(1), Some(n_fft.div_ceil(2)), Some(n_fft)] {
                let (single, double) = (Precision::Single, Precision::Double);
                for (hop_length, center, precision, pad_mode, window) in [
                    (1, true, single, PadMode::Zero, Window::Hann),
                    (5, true, double, PadMode::Reflect, Window::Hamming),
                    (7, false, single, PadMode::Edge, Window::Blackman),
                    (40, true, double, PadMode::Edge, Window::Povey),
                    (11, true, single, PadMode::Reflect, Window::Rectangular),
                ] {
                    let config =
                        StftConfig { n_fft, hop_length, win_length, window, center, pad_mode, precision };
                    let got = Stft::new(config.clone()).unwrap().process(&samples).unwrap();
                    assert_eq!(got.dim(), (config.n_bins(), config.n_frames(samples.len())));
                    for ((k, t), x) in got.indexed_iter() {
                        let want = slow(&samples, &config, k, t);
                        let error = (want - Complex::new(f64::from(x.re), f64::from(x.im))).norm();
                        assert!(error < 1e-5, "{config:?} bin {k} frame {t}: {error}");
                    }
                }
            }
        }
    }

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let zero = |parameter| Some(ConfigError::Zero { parameter });
        let base = StftConfig::default();
        assert_eq!(Stft::new(StftConfig { n_fft: 0, ..base.clone() }).err(), zero("n_fft"));
        assert_eq!(Stft::new(StftConfig { hop_length: 0, ..base.clone() }).err(), zero("hop_length"));
        assert_eq!(Stft::new(StftConfig { win_length: Some(0), ..base.clone() }).err(), zero("win_length"));
        assert_eq!(
            Stft::new(StftConfig { win_length: Some(2049), ..base.clone() }).err(),
            Some(ConfigError::WindowTooLong { win_length: 2049, n_fft: 2048 })
        );
        for (values, rule) in [
            (vec![1.0; 7], "config: the number of window values must be win_length, got 7"),
            (vec![f64::NAN; 8], "config: every value of the window must be finite and within ±1e6, got NaN"),
        ] {
            let config = StftConfig { n_fft: 8, window: Window::Custom(values), ..Default::default() };
            assert_eq!(Stft::new(config).err().unwrap().to_string(), rule);
        }
    }

    #[test]
    fn signals_that_cannot_work_are_refused() {
        let mut stft = Stft::new(StftConfig::default()).unwrap();
        assert_eq!(stft.process(&[]).err(), Some(SignalError::Empty));
        let mut samples = vec![0.0; 100];
        samples[17] = f32::NAN;
        samples[20] = f32::INFINITY;
        let named = stft.process(&samples).err();
        assert!(matches!(named, Some(SignalError::NotFinite { index: 17, value }) if value.is_nan()));

        let mut stft = Stft::new(StftConfig { center: false, ..Default::default() }).unwrap();
        let too_short = SignalError::TooShort { minimum: 2048, given: 2047 };
        assert_eq!(stft.process(&[0.0; 2047]).err(), Some(too_short));
    }

    #[test]
    fn memory_of_the_output_is_reused() {
        let mut stft = Stft::new(StftConfig::default()).unwrap();
        let mut out = Array2::default((0, 0));
        stft.process_into(&[0.1; 22_050], &mut out).unwrap();
        let memory = out.as_ptr();
        stft.process_into(&[0.2; 11_025], &mut out).unwrap();
        assert_eq!(out.dim(), (1025, 22));
        assert_eq!(out.as_ptr(), memory);
    }
}
