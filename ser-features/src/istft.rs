//! Inverse short-time Fourier transform.

use ndarray::ArrayView2;
use num_complex::Complex;
use rustfft::FftPlanner;

use crate::error::{ConfigError, SignalError};
use crate::fourier::Inverse;
use crate::stft::{MAX_N_FFT, StftConfig};
use crate::vector::vectorized;

/// Plan of an inverse short-time Fourier transform (Griffin and Lim, *Signal estimation from modified short-time Fourier transform*, 1984).
/// It multiplies each frame with the window again, adds the overlapping frames, and divides each sample by the sum of the squared windows.
/// The unchanged result of an [`Stft`](crate::Stft) gives its signal back wherever windows cover it.
///
/// ```
/// use ser_features::{Istft, Stft, StftConfig};
///
/// let signal: Vec<f32> = (0..10_000).map(|n| (0.05 * n as f32).sin()).collect();
/// let spectrum = Stft::new(StftConfig::default())?.process(&signal)?;
/// let again = Istft::new(StftConfig::default())?.process(spectrum.view(), Some(signal.len()))?;
/// assert!(signal.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Istft {
    config: StftConfig,
    window: Vec<f32>,
    ifft: Inverse<f32>,
    spectrum: Vec<Complex<f32>>,
    /// Sums of squared windows from the sample `settled` on.
    window_sum: Vec<f32>,
    /// Number of samples that are already divided by the sum of their windows.
    settled: usize,
}

/// Samples that are divided at once.
const SETTLED_AT_ONCE: usize = 1 << 16;

impl Istft {
    /// Plans an inverse transform of what an [`Stft`](crate::Stft) with the same configuration gives.
    ///
    /// # Errors
    /// When [`Stft::new`](crate::Stft::new) refuses the configuration, or `hop_length` is above 1,048,576, the length of the longest frame.
    pub fn new(config: StftConfig) -> Result<Self, ConfigError> {
        let within = config.hop_length <= MAX_N_FFT;
        ConfigError::require(within, "hop_length", "at most 1048576", config.hop_length as f64)?;
        Self::of_given_length(config)
    }

    /// The same with any `hop_length`, for signals whose length is known.
    pub(crate) fn of_given_length(config: StftConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let ifft = Inverse::new(config.n_fft, &mut FftPlanner::new());
        Ok(Self {
            window: config.window.periodic(config.win_length()),
            spectrum: vec![Complex::default(); config.n_bins()],
            window_sum: Vec::new(),
            settled: 0,
            ifft,
            config,
        })
    }

    /// The configuration that the plan was made from.
    pub fn config(&self) -> &StftConfig {
        &self.config
    }

    /// Turns a matrix `[n_fft / 2 + 1, frames]` into a signal of `length` samples; those that no frame covers are 0. With `None` it is as
    /// long as the frames reach: without `center` `n_fft + hop_length · (frames − 1)` samples, with `center` `hop_length · (frames − 1)`
    /// for an even `n_fft` and one more for an odd one. The imaginary part of the first bin, and for an even `n_fft` of the last, is
    /// ignored. Values that are NaN or infinite are not refused.
    ///
    /// # Errors
    /// When the matrix has another number of rows or no frame.
    pub fn process(
        &mut self,
        spectrum: ArrayView2<'_, Complex<f32>>,
        length: Option<usize>,
    ) -> Result<Vec<f32>, SignalError> {
        let mut out = Vec::new();
        self.process_into(spectrum, length, &mut out)?;
        Ok(out)
    }

    /// As [`process`](Self::process), into a vector that is resized and whose memory is reused.
    ///
    /// # Errors
    /// As [`process`](Self::process); `out` is then left as it was.
    pub fn process_into(
        &mut self,
        spectrum: ArrayView2<'_, Complex<f32>>,
        length: Option<usize>,
        out: &mut Vec<f32>,
    ) -> Result<(), SignalError> {
        let (rows, n_frames) = spectrum.dim();
        if rows != self.config.n_bins() {
            return Err(SignalError::Rows { expected: self.config.n_bins(), given: rows });
        }
        if n_frames == 0 {
            return Err(SignalError::TooFewFrames { minimum: 1, given: 0 });
        }
        self.begin(n_frames, length, out);
        let mut frame = std::mem::take(&mut self.spectrum);
        for (t, column) in spectrum.columns().into_iter().enumerate() {
            frame.iter_mut().zip(column).for_each(|(to, &from)| *to = from);
            self.add_frame(t, &frame, out);
        }
        self.spectrum = frame;
        self.end(out);
        Ok(())
    }

    /// As [`process_into`](Self::process_into) for frames that lie one after the other, `[frames, n_fft / 2 + 1]`.
    pub(crate) fn frames_into(&mut self, frames: &[Complex<f32>], length: Option<usize>, out: &mut Vec<f32>) {
        let n_bins = self.config.n_bins();
        self.begin(frames.len() / n_bins, length, out);
        for (t, frame) in frames.chunks_exact(n_bins).enumerate() {
            self.add_frame(t, frame, out);
        }
        self.end(out);
    }

    /// Makes room for a signal whose frames [`add_frame`](Self::add_frame) adds in their order, until [`end`](Self::end).
    pub(crate) fn begin(&mut self, n_frames: usize, length: Option<usize>, out: &mut Vec<f32>) {
        let reach = || self.config.n_fft + self.config.hop_length * n_frames.saturating_sub(1);
        let length = length.unwrap_or_else(|| reach().saturating_sub(2 * self.config.padding()));
        out.clear();
        out.resize(length, 0.0);
        self.window_sum.clear();
        self.settled = 0;
    }

    /// Adds a frame to the signal. A real signal's mean and Nyquist bin have no imaginary part; what a caller's filter left there is not
    /// part of the signal.
    pub(crate) fn add_frame(&mut self, t: usize, frame: &[Complex<f32>], out: &mut [f32]) {
        let window_start = self.config.window_start();
        let place = t.saturating_mul(self.config.hop_length).saturating_add(window_start);
        // No signal reaches a place that is too large for a number.
        let start = place.min(isize::MAX as usize) as isize - self.config.padding() as isize;
        let skipped = start.min(0).unsigned_abs().min(self.window.len());
        let first = start.max(0) as usize;
        let count = out.len().saturating_sub(first).min(self.window.len() - skipped);
        if count == 0 {
            return;
        }

        if first - self.settled >= SETTLED_AT_ONCE {
            self.settle(first, out);
        }
        let scale = 1.0 / self.config.n_fft as f32;
        let begin = window_start + skipped;
        let frame = &self.ifft.run(frame)[begin..begin + count];
        let window = &self.window[skipped..skipped + count];
        let start = first - self.settled;
        if self.window_sum.len() < start + count {
            self.window_sum.resize(start + count, 0.0);
        }
        let sum = &mut self.window_sum[start..start + count];
        overlap_add(&mut out[first..first + count], sum, frame, window, scale);
    }

    /// Divides the samples up to `end`, to which no frame adds any more, by the sum of their windows.
    fn settle(&mut self, end: usize, out: &mut [f32]) {
        let count = (end - self.settled).min(self.window_sum.len());
        divide(&mut out[self.settled..], &self.window_sum[..count]);
        self.window_sum.drain(..count);
        self.settled = end;
    }

    /// Ends the signal.
    pub(crate) fn end(&mut self, out: &mut [f32]) {
        self.settle(out.len(), out);
    }
}

vectorized! {
    /// Divides samples by the sums of their windows, where there are any.
    fn divide(out: &mut [f32], sums: &[f32]) {
        for (out, &sum) in out.iter_mut().zip(sums) {
            *out /= if sum > f32::MIN_POSITIVE { sum } else { 1.0 };
        }
    }
}

vectorized! {
    fn overlap_add(out: &mut [f32], sum: &mut [f32], frame: &[f32], window: &[f32], scale: f32) {
        for (((out, sum), x), w) in out.iter_mut().zip(sum).zip(frame).zip(window) {
            *out += x * (w * scale);
            *sum += w * w;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stft::Stft;
    use ndarray::Array2;

    #[test]
    fn gives_the_signal_back() {
        let signal: Vec<f32> = (0..1000).map(|i| ((i * i) as f32 * 0.01).sin()).collect();
        for (n_fft, hop_length, win_length) in
            [(64, 16, None), (63, 16, None), (64, 16, Some(40)), (256, 64, None)]
        {
            let config = StftConfig { n_fft, hop_length, win_length, ..Default::default() };
            let spectrum = Stft::new(config.clone()).unwrap().process(&signal).unwrap();
            let again = Istft::new(config).unwrap().process(spectrum.view(), Some(signal.len())).unwrap();
            // Beyond the last frame's centre the windows fade out, so the last half frame may be uncovered.
            let worst = signal.iter().zip(&again).take(990).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "n_fft {n_fft}: {worst}");
        }
    }

    #[test]
    fn both_frame_orders_give_one_signal() {
        let signal: Vec<f32> = (0..500).map(|i| (i as f32 * 0.3).cos()).collect();
        let config = StftConfig { n_fft: 64, hop_length: 16, ..Default::default() };
        let mut stft = Stft::new(config.clone()).unwrap();
        let spectrum = stft.process(&signal).unwrap();
        let mut frames = Vec::new();
        stft.frames_into(&signal, &mut frames);
        let mut istft = Istft::new(config).unwrap();
        let mut from_frames = Vec::new();
        istft.frames_into(&frames, Some(500), &mut from_frames);
        assert_eq!(istft.process(spectrum.view(), Some(500)).unwrap(), from_frames);
    }

    #[test]
    fn hops_that_no_signal_is_made_of_are_refused() {
        let plan = |hop_length| Istft::new(StftConfig { hop_length, ..Default::default() });
        assert!(plan(1 << 20).is_ok());
        let error = plan(usize::MAX).err().unwrap().to_string();
        assert!(error.starts_with("config: hop_length must be at most 1048576, got "), "{error}");
    }

    #[test]
    fn matrices_of_another_shape_are_refused() {
        let mut istft = Istft::new(StftConfig::default()).unwrap();
        let wrong = Array2::default((1024, 3));
        let error = istft.process(wrong.view(), None).err();
        assert_eq!(error, Some(SignalError::Rows { expected: 1025, given: 1024 }));
        let none = Array2::default((1025, 0));
        let error = istft.process(none.view(), None).err();
        assert_eq!(error, Some(SignalError::TooFewFrames { minimum: 1, given: 0 }));
    }
}
