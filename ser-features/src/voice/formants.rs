//! Formants: the resonances of the vocal tract.

use ndarray::{Array1, Array2};

use super::roots::roots;
use crate::check::check_samples;
use crate::error::{ConfigError, SignalError};
use crate::lpc::burg;
use crate::resample::Resampler;

/// Settings of formant detection. The default is Praat's, except that the hop length is the default of this crate's other features.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct FormantConfig {
    /// Sample rate of the signal in Hz, at least 1. A rate above `2 · max_frequency` must be one that [`Resampler`] takes, at most 384,000.
    pub sample_rate: u32,
    /// Formants looked for, 1..=20, each with two coefficients of linear prediction.
    pub n_formants: usize,
    /// Highest frequency in Hz, 1,000..=50,000: about 5,500 for women, 5,000 for men, 8,000 for children. A signal whose sample rate is
    /// above twice this is resampled to twice this. At a lower rate, formants are searched up to half of the sample rate.
    pub max_frequency: u32,
    /// Effective length of the window in seconds, 0.005..=1. The Gaussian window with its tails is twice as long. At the lower of
    /// `sample_rate` and `2 · max_frequency`, it must hold more than `4 · n_formants + 2` samples.
    pub window_length: f64,
    /// Samples of the signal from one frame to the next, at least 1.
    pub hop_length: usize,
    /// Frequency in Hz, above 0 and at most 1e6, from which the spectrum is raised by 6 dB an octave: `y[n] = x[n] − e^(−2π ·
    /// preemphasis_from / rate) · x[n − 1]`, at the rate after resampling.
    pub preemphasis_from: f64,
}

impl Default for FormantConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            n_formants: 5,
            max_frequency: 5_500,
            window_length: 0.025,
            hop_length: 512,
            preemphasis_from: 50.0,
        }
    }
}

impl FormantConfig {
    /// Configures a sample rate and a highest frequency, in this order and both in Hz, with the default for the rest.
    ///
    /// ```
    /// use ser_features::{FormantConfig, Formants};
    ///
    /// let of_a_man = Formants::new(FormantConfig::new(16_000, 5_000))?.process(&[0.0; 16_000])?;
    /// assert_eq!(of_a_man.formant(1).map(|f1| f1.len()), Some(32));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(sample_rate: u32, max_frequency: u32) -> Self {
        Self { sample_rate, max_frequency, ..Default::default() }
    }
}

/// Result of [`Formants::process`]. Frame `t` is centred on sample `t · hop_length`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FormantFrames {
    /// Frequencies in Hz, `[n_formants, frames]`, rising in each frame: F1, F2, F3 and so on; 0 where there are fewer.
    pub frequency: Array2<f32>,
    /// Bandwidths in Hz (−3 dB), `[n_formants, frames]`, in the same order; 0 where there are fewer. A root of radius `r` has the bandwidth
    /// `−ln(r) · rate / π`.
    pub bandwidth: Array2<f32>,
}

impl FormantFrames {
    /// Returns the frequencies of one formant in Hz, one a frame. `number` counts from 1; `None` when it is 0 or above `n_formants`.
    pub fn formant(&self, number: usize) -> Option<Array1<f32>> {
        let row = number.checked_sub(1).filter(|&row| row < self.frequency.nrows())?;
        Some(self.frequency.row(row).to_owned())
    }
}

/// Plan of formants by linear prediction with Burg's method, as Praat's manual describes *Sound: To Formant (burg)*. The signal is
/// resampled and pre-emphasised, and its frames are multiplied with a Gaussian window. Each pair of complex roots of the prediction
/// polynomial is a formant: the angle gives the frequency, the radius the bandwidth. Formants lie from 50 Hz to 50 Hz below `max_frequency`
/// or half of the sample rate, whichever is lower. They are meaningful in voiced frames only.
///
/// ```
/// use ser_features::{FormantConfig, Formants};
///
/// let mut formants = Formants::new(FormantConfig::default())?;
/// let second: Vec<f32> = (0..22_050).map(|n| ((n * n) as f32 * 0.01).sin()).collect();
/// let found = formants.process(&second)?;
/// assert_eq!(found.frequency.dim(), (5, 44));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Formants {
    config: FormantConfig,
    resampler: Option<Resampler>,
    /// Sample rate of what is analysed.
    rate: f64,
    window: Vec<f64>,
}

impl Formants {
    /// Plans window and resampling.
    ///
    /// # Errors
    /// When a field lies outside of its range, the window holds fewer samples than the order needs, or [`Resampler::new`] refuses a rate.
    pub fn new(config: FormantConfig) -> Result<Self, ConfigError> {
        let FormantConfig { sample_rate, n_formants, max_frequency, window_length, .. } = config;
        ConfigError::refuse_zero("sample_rate", sample_rate as usize)?;
        ConfigError::refuse_zero("hop_length", config.hop_length)?;
        for (holds, parameter, rule, value) in [
            ((1..=20).contains(&n_formants), "n_formants", "1 to 20", n_formants as f64),
            (
                (1_000..=50_000).contains(&max_frequency),
                "max_frequency",
                "1000 to 50000",
                max_frequency.into(),
            ),
            ((0.005..=1.0).contains(&window_length), "window_length", "0.005 to 1", window_length),
            (
                config.preemphasis_from > 0.0 && config.preemphasis_from <= 1e6,
                "preemphasis_from",
                "above 0 and at most 1e6",
                config.preemphasis_from,
            ),
        ] {
            ConfigError::require(holds, parameter, rule, value)?;
        }
        let resampler = if sample_rate > 2 * max_frequency {
            Some(Resampler::new(sample_rate, 2 * max_frequency)?)
        } else {
            None
        };
        let rate = f64::from(sample_rate.min(2 * max_frequency));
        let length = (2.0 * window_length * rate).round() as usize;
        let fits = length > 4 * n_formants + 2;
        ConfigError::require(fits, "window_length", "longer than four samples a formant", window_length)?;
        // A Gaussian that falls to e⁻¹² at its ends, less that.
        let edge = (-12.0_f64).exp();
        let window = (0..length)
            .map(|n| {
                let x = 2.0 * (n as f64 + 0.5) / length as f64 - 1.0;
                ((-12.0 * x * x).exp() - edge) / (1.0 - edge)
            })
            .collect();
        Ok(Self { config, resampler, rate, window })
    }

    /// Finds the formants of every frame; `n` samples have `1 + n / hop_length` frames.
    ///
    /// # Errors
    /// When `samples` is empty or holds a value that is NaN, infinite or beyond ±1e12.
    pub fn process(&mut self, samples: &[f32]) -> Result<FormantFrames, SignalError> {
        self.process_frames(samples, 1 + samples.len() / self.config.hop_length)
    }

    /// Formants of the first `n_frames` frames.
    pub(crate) fn process_frames(
        &mut self,
        samples: &[f32],
        n_frames: usize,
    ) -> Result<FormantFrames, SignalError> {
        check_samples(samples)?;
        let resampled = self.resampler.as_mut().map(|resampler| resampler.process(samples)).transpose()?;
        let factor = (-2.0 * std::f64::consts::PI * self.config.preemphasis_from / self.rate).exp();
        let mut before = 0.0;
        let signal: Vec<f64> = resampled
            .as_deref()
            .unwrap_or(samples)
            .iter()
            .map(|&x| f64::from(x) - factor * std::mem::replace(&mut before, x.into()))
            .collect();
        let n_formants = self.config.n_formants;
        let (mut frequency, mut bandwidth) =
            (Array2::zeros((n_formants, n_frames)), Array2::zeros((n_formants, n_frames)));
        let mut frame = vec![0.0; self.window.len()];
        for t in 0..n_frames {
            let seconds = (t * self.config.hop_length) as f64 / f64::from(self.config.sample_rate);
            let start = (seconds * self.rate).round() as isize - (frame.len() / 2) as isize;
            for ((out, w), at) in frame.iter_mut().zip(&self.window).zip(start..) {
                *out = w * usize::try_from(at).ok().and_then(|at| signal.get(at)).copied().unwrap_or(0.0);
            }
            for (row, (hz, width)) in self.of_frame(&frame).into_iter().take(n_formants).enumerate() {
                (frequency[[row, t]], bandwidth[[row, t]]) = (hz as f32, width as f32);
            }
        }
        Ok(FormantFrames { frequency, bandwidth })
    }

    /// Frequencies and bandwidths of one frame, rising.
    fn of_frame(&self, frame: &[f64]) -> Vec<(f64, f64)> {
        let loudest = frame.iter().fold(0.0, |loudest: f64, x| loudest.max(x.abs()));
        if loudest < 1e-12 {
            return Vec::new();
        }
        // Of full scale, so that the prediction's smallest energy is far away.
        let scaled: Vec<f64> = frame.iter().map(|x| x / loudest).collect();
        let mut found: Vec<(f64, f64)> = roots(&burg(&scaled, 2 * self.config.n_formants))
            .into_iter()
            .filter(|root| root.im > 0.0 && root.norm() > 1e-6)
            .map(|root| {
                // A root outside of the unit circle has the same spectrum as its mirror image within.
                let radius = if root.norm() > 1.0 { 1.0 / root.norm() } else { root.norm() };
                let turn = self.rate / (2.0 * std::f64::consts::PI);
                (root.arg() * turn, -2.0 * radius.ln() * turn)
            })
            .filter(|(hz, _)| (50.0..=self.rate / 2.0 - 50.0).contains(hz))
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found
    }
}
