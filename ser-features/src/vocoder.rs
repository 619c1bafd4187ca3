//! Phase vocoder: duration and pitch, each without the other.

use ndarray::{Array2, ArrayView2};
use num_complex::{Complex, Complex64};

use crate::error::{ConfigError, Error, SignalError};
use crate::istft::Istft;
use crate::matrix::fill_columns;
use crate::resample::Resampler;
use crate::signal::fix_length;
use crate::stft::{Stft, StftConfig};
use crate::vector::vectorized;

/// Speeds a spectrum up `rate` times, `[n_fft / 2 + 1, frames]` to `[n_fft / 2 + 1, ⌈frames / rate⌉]`, as `librosa.phase_vocoder` (Flanagan and
/// Golden, *Phase vocoder*, 1966): magnitudes are interpolated, and phases advance from frame to frame as in the original.
///
/// librosa adds up phases in the `f32` of its spectra, which loses their precision after some seconds; this function uses `f64`. At the
/// end, magnitudes fade to zero as in librosa 0.11; librosa 1.0 keeps those of the last frame.
///
/// # Errors
/// When `rate` does not lie within 0.01..=100, the matrix has no row or no frame, or a value is NaN or infinite (its index counts row by
/// row).
pub fn phase_vocoder(
    spectrum: ArrayView2<'_, Complex<f32>>,
    rate: f64,
) -> Result<Array2<Complex<f32>>, Error> {
    check_rate(rate)?;
    let (n_bins, n_frames) = spectrum.dim();
    if n_bins == 0 {
        return Err(SignalError::Rows { expected: 1, given: n_bins }.into());
    }
    if n_frames == 0 {
        return Err(SignalError::TooFewFrames { minimum: 1, given: 0 }.into());
    }
    let broken = |x: &Complex<f32>| [x.re, x.im].into_iter().find(|part| !part.is_finite());
    if let Some((index, value)) = spectrum.iter().enumerate().find_map(|(index, x)| Some((index, broken(x)?)))
    {
        return Err(SignalError::NotFinite { index, value }.into());
    }
    let count = frames_at(rate, n_frames) as usize;
    let frames: Vec<Complex<f32>> = spectrum.t().iter().copied().collect();
    let (mut out, mut vocoder) = (Array2::default((0, 0)), Vocoder::default());
    vocoder.begin(&frames, n_bins);
    fill_columns(&mut out, (n_bins, count), &mut Vec::new(), |t, frame| {
        vocoder.step(t as f64 * rate, &frames, frame);
    });
    Ok(out)
}

/// A lower rate would take all memory, and a higher rate would leave nothing of the signal.
fn check_rate(rate: f64) -> Result<(), ConfigError> {
    ConfigError::require((0.01..=100.0).contains(&rate), "rate", "0.01 to 100", rate)
}

/// Frames of a spectrum that was made `rate` times as fast.
fn frames_at(rate: f64, n_frames: usize) -> f64 {
    (n_frames as f64 / rate).ceil()
}

/// A frame's bins by magnitude and direction: `z / |z|`, or 1 where nothing is.
#[derive(Debug, Clone, Default)]
struct Polar {
    magnitudes: Vec<f64>,
    directions: Vec<Complex64>,
}

impl Polar {
    /// Of the frame with this number; behind the last one nothing is.
    fn set(&mut self, number: usize, frames: &[Complex<f32>], n_bins: usize) {
        self.magnitudes.resize(n_bins, 0.0);
        self.directions.resize(n_bins, Complex64::ONE);
        match frames.chunks_exact(n_bins).nth(number) {
            Some(frame) => polar(frame, &mut self.magnitudes, &mut self.directions),
            None => {
                self.magnitudes.fill(0.0);
                self.directions.fill(Complex64::ONE);
            }
        }
    }
}

/// Reads frames at another speed. Phases are kept as unit complex numbers, so that angles are added by multiplication and never computed.
#[derive(Debug, Clone, Default)]
struct Vocoder {
    /// Number of the frame before the step, that frame and the next one.
    number: usize,
    before: Polar,
    after: Polar,
    /// Direction of each bin.
    phase: Vec<Complex64>,
}

impl Vocoder {
    /// Begins with the first of frames that lie one after the other.
    fn begin(&mut self, frames: &[Complex<f32>], n_bins: usize) {
        self.number = 0;
        self.before.set(0, frames, n_bins);
        self.after.set(1, frames, n_bins);
        self.phase.clone_from(&self.before.directions);
    }

    /// Writes the frame at `time`, in frames of the input, and advances the phases. Times must not decrease from call to call.
    fn step(&mut self, time: f64, frames: &[Complex<f32>], out: &mut [Complex<f32>]) {
        let (number, n_bins) = (time as usize, out.len());
        if number != self.number {
            if number == self.number + 1 {
                std::mem::swap(&mut self.before, &mut self.after);
            } else {
                self.before.set(number, frames, n_bins);
            }
            self.after.set(number + 1, frames, n_bins);
            self.number = number;
        }
        let Self { before, after, phase, .. } = self;
        mix(&before.magnitudes, &after.magnitudes, time.fract(), phase, out);
        // Each bin's phase advances as much as it does between these two frames of the input.
        turn(phase, &before.directions, &after.directions);
    }
}

vectorized! {
    fn polar(frame: &[Complex<f32>], magnitudes: &mut [f64], directions: &mut [Complex64]) {
        for ((magnitude, direction), bin) in magnitudes.iter_mut().zip(directions).zip(frame) {
            let (re, im) = (f64::from(bin.re), f64::from(bin.im));
            let size = (re * re + im * im).sqrt();
            let nothing = size == 0.0;
            let scale = 1.0 / if nothing { 1.0 } else { size };
            *direction = Complex64::new(if nothing { 1.0 } else { re * scale }, im * scale);
            *magnitude = size;
        }
    }
}

vectorized! {
    /// Magnitudes between those of two frames, a part of the way from one to the other, in the directions of `phase`.
    fn mix(before: &[f64], after: &[f64], part: f64, phase: &[Complex64], out: &mut [Complex<f32>]) {
        for (((out, before), after), phase) in out.iter_mut().zip(before).zip(after).zip(phase) {
            let size = (1.0 - part) * before + part * after;
            *out = Complex::new((size * phase.re) as f32, (size * phase.im) as f32);
        }
    }
}

vectorized! {
    /// Turns directions as far as it is from `before` to `after`.
    fn turn(phase: &mut [Complex64], before: &[Complex64], after: &[Complex64]) {
        for ((phase, a), b) in phase.iter_mut().zip(before).zip(after) {
            let (re, im) = (b.re * a.re + b.im * a.im, b.im * a.re - b.re * a.im);
            let (re, im) = (phase.re * re - phase.im * im, phase.re * im + phase.im * re);
            // A step of Newton's method towards a length of 1, from which rounding leads away.
            let scale = 1.5 - 0.5 * (re * re + im * im);
            *phase = Complex64::new(re * scale, im * scale);
        }
    }
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
    vocoder: Vocoder,
    frames: Vec<Complex<f32>>,
    frame: Vec<Complex<f32>>,
}

impl TimeStretch {
    /// Plans the transforms. `rate` is how many times as fast the signal gets, 0.01..=100.
    ///
    /// # Errors
    /// As [`Stft::new`], and when `rate` lies outside of its range, frames are not centred, or `n_fft` is odd or below 2.
    pub fn new(stft: StftConfig, rate: f64) -> Result<Self, ConfigError> {
        check_rate(rate)?;
        let even = stft.n_fft.is_multiple_of(2) && stft.n_fft > 0;
        ConfigError::require(even, "n_fft", "even and 2 or more", stft.n_fft as f64)?;
        if !stft.center {
            return Err(ConfigError::NotCentered);
        }
        let (stft, istft) = (Stft::new(stft.clone())?, Istft::of_given_length(stft)?);
        let frame = vec![Complex::default(); stft.config().n_bins()];
        Ok(Self { stft, istft, rate, vocoder: Vocoder::default(), frames: Vec::new(), frame })
    }

    /// The stretched signal, of `samples / rate` samples, to the nearest (halves to the even one).
    ///
    /// # Errors
    /// As [`Stft::process`].
    pub fn process(&mut self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        self.stft.config().check_signal(samples)?;
        let Self { stft, istft, rate, vocoder, frames, frame } = self;
        stft.frames_into(samples, frames);
        vocoder.begin(frames, frame.len());
        let count = frames_at(*rate, frames.len() / frame.len()) as usize;
        let (length, mut out) = ((samples.len() as f64 / *rate).round_ties_even() as usize, Vec::new());
        istft.begin(count, Some(length), &mut out);
        for t in 0..count {
            vocoder.step(t as f64 * *rate, frames, frame);
            istft.add_frame(t, frame, &mut out);
        }
        istft.end(&mut out);
        Ok(out)
    }
}

/// Plan that changes the pitch of signals and leaves their duration, as `librosa.effects.pitch_shift`: they are stretched, then resampled by
/// the same ratio with [`Resampler::with_ratio`], whose filter falls from 0.91 of the Nyquist frequency on, where librosa's falls from 0.92.
///
/// ```
/// use ser_features::{PitchShift, StftConfig};
///
/// let second: Vec<f32> = (0..22_050).map(|n| (0.1 * n as f32).sin()).collect();
/// let higher = PitchShift::new(StftConfig::default(), 3.0, 12)?.process(&second)?; // three semitones
/// assert_eq!(higher.len(), second.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PitchShift {
    stretch: TimeStretch,
    /// `None` where the pitch stays.
    resampler: Option<Resampler>,
}

impl PitchShift {
    /// Plans transforms and resampling. The pitch rises by `n_steps` steps. An octave has `bins_per_octave` steps: with 12, they are
    /// semitones.
    ///
    /// # Errors
    /// As [`TimeStretch::new`], and when `bins_per_octave` is zero or the steps are more than four octaves.
    pub fn new(stft: StftConfig, n_steps: f64, bins_per_octave: usize) -> Result<Self, ConfigError> {
        ConfigError::refuse_zero("bins_per_octave", bins_per_octave)?;
        let octaves = n_steps / bins_per_octave as f64;
        let within = (-4.0..=4.0).contains(&octaves);
        ConfigError::require(within, "n_steps", "within four octaves, up or down", n_steps)?;
        let rate = (-octaves).exp2();
        let resampler = if octaves == 0.0 { None } else { Some(Resampler::with_ratio(rate)?) };
        Ok(Self { stretch: TimeStretch::new(stft, rate)?, resampler })
    }

    /// The shifted signal, as long as the given one.
    ///
    /// # Errors
    /// As [`Stft::process`], and [`SignalError::Empty`] when the signal is so short that its stretched version has no sample: one sample an
    /// octave down, eight samples four octaves down.
    pub fn process(&mut self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        let stretched = self.stretch.process(samples)?;
        // soxr rounds the length to the nearest; librosa appends a zero where it rounds up.
        let covered = (stretched.len() as f64 * self.stretch.rate + 0.5) as usize;
        let mut shifted = match &mut self.resampler {
            Some(resampler) => resampler.process(&stretched)?,
            None => stretched,
        };
        shifted.truncate(covered);
        fix_length(&mut shifted, samples.len());
        Ok(shifted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_add_up_to_the_angles() {
        let n_frames = 300;
        let mut state = 1_u32;
        let spectrum = Array2::from_shape_fn((3, n_frames), |_| {
            let mut noise = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state as f32 / u32::MAX as f32 - 0.5
            };
            // Nothing now and then.
            if noise() < -0.4 { Complex::default() } else { Complex::new(noise(), noise()) }
        });
        for rate in [0.3, 0.8, 1.0, 1.7, 3.5] {
            let got = phase_vocoder(spectrum.view(), rate).unwrap();
            assert_eq!(got.dim(), (3, (n_frames as f64 / rate).ceil() as usize));
            for (bins, got) in spectrum.rows().into_iter().zip(got.rows()) {
                let bin = |t: usize| bins.get(t).copied().unwrap_or_default();
                let angle = |t: usize| f64::from(bin(t).im).atan2(f64::from(bin(t).re));
                let mut phase = angle(0);
                for (t, got) in got.iter().enumerate() {
                    let (at, part) = ((t as f64 * rate) as usize, (t as f64 * rate).fract());
                    let size =
                        (1.0 - part) * f64::from(bin(at).norm()) + part * f64::from(bin(at + 1).norm());
                    let error =
                        Complex64::from_polar(size, phase) - Complex64::new(got.re.into(), got.im.into());
                    assert!(error.norm() < 1e-6, "{rate}: frame {t} lies {error} away");
                    phase += angle(at + 1) - angle(at);
                }
            }
        }
    }

    #[test]
    fn a_stretched_signal_is_that_of_its_stretched_spectrum() {
        let signal: Vec<f32> = (0..9_000).map(|n| ((n * n) as f32 * 1e-4).sin()).collect();
        let config = StftConfig::new(512, 128);
        let spectrum = Stft::new(config.clone()).unwrap().process(&signal).unwrap();
        let stretched = phase_vocoder(spectrum.view(), 0.7).unwrap();
        let want = Istft::new(config.clone()).unwrap().process(stretched.view(), Some(12_857)).unwrap();
        let mut plan = TimeStretch::new(config, 0.7).unwrap();
        assert_eq!(plan.process(&signal).unwrap(), want);
        assert_eq!(plan.process(&signal).unwrap(), want, "nothing is left of the signal before");
    }

    #[test]
    fn only_the_first_frame_reaches_a_signal_with_the_longest_hops() {
        let config = StftConfig { n_fft: 64, hop_length: usize::MAX, ..Default::default() };
        let stretched = TimeStretch::new(config, 0.25).unwrap().process(&[0.5; 100]).unwrap();
        assert!(stretched.len() == 400 && stretched[0] != 0.0);
        assert!(stretched[64..].iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let refusal = |stft, rate| TimeStretch::new(stft, rate).err().unwrap().to_string();
        assert!(refusal(StftConfig::default(), 0.0).starts_with("config: rate must be 0.01 to 100"));
        assert!(
            refusal(StftConfig { n_fft: 7, ..Default::default() }, 1.0)
                .starts_with("config: n_fft must be even")
        );
        let uncentred = StftConfig { center: false, ..Default::default() };
        assert_eq!(refusal(uncentred, 1.0), "config: center must be true, got false");
        let long = StftConfig { n_fft: 1 << 40, ..Default::default() };
        assert!(refusal(long, 1.0).starts_with("config: n_fft must be at most 1048576"));
        let refusal = |n_steps, bins| PitchShift::new(StftConfig::default(), n_steps, bins).err().unwrap();
        for n_steps in [f64::NAN, f64::INFINITY, 48.1, -97.0] {
            assert!(
                refusal(n_steps, 12).to_string().starts_with("config: n_steps must be within four octaves")
            );
        }
        assert_eq!(refusal(1.0, 0), ConfigError::Zero { parameter: "bins_per_octave" });
    }

    #[test]
    fn spectra_and_rates_that_cannot_work_are_refused() {
        let spectrum = |value| Array2::from_elem((2, 3), Complex::new(1.0, value));
        for rate in [0.0, -1.0, 1e-300, f64::MIN_POSITIVE, 1e9, f64::NAN, f64::INFINITY] {
            let error = phase_vocoder(spectrum(0.0).view(), rate).unwrap_err();
            assert!(matches!(error, Error::Config(ConfigError::OutOfRange { parameter: "rate", .. })));
        }
        for value in [f32::NAN, f32::INFINITY] {
            let error = phase_vocoder(spectrum(value).view(), 1.0).unwrap_err();
            assert!(
                matches!(error, Error::Signal(SignalError::NotFinite { index: 0, value }) if !value.is_finite())
            );
        }
        let nothing = phase_vocoder(Array2::default((2, 0)).view(), 1.0).unwrap_err();
        assert_eq!(nothing, SignalError::TooFewFrames { minimum: 1, given: 0 }.into());
    }
}
