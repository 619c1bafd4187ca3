//! Tempogram and tempo.

use ndarray::{Array1, Array2};

use crate::check::check_finite;
use crate::error::{ConfigError, SignalError};
use crate::matrix::fill_columns;
use crate::onset::{OnsetConfig, OnsetStrength};
use crate::stft::MAX_N_FFT;
use crate::window::Window;
use crate::yin::Autocorrelation;

/// Settings of a tempogram. The default is librosa's, with [`Precision::Single`](crate::Precision::Single).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct TempogramConfig {
    /// The onset strength underneath.
    pub onset: OnsetConfig,
    /// Frames of onset strength in an autocorrelation, 1..=1,048,576: 384 last 8.9 s at 22,050 Hz.
    pub win_length: usize,
    /// Shape of the window over them.
    pub window: Window,
    /// Whether windows are centred on their time, with ramps down to zero before and after the signal.
    pub center: bool,
}

impl Default for TempogramConfig {
    fn default() -> Self {
        Self { onset: OnsetConfig::default(), win_length: 384, window: Window::Hann, center: true }
    }
}

/// Plan of a tempogram, as `librosa.feature.tempogram`: the autocorrelation of onset strength around each frame (Grosche, Müller and Kurth,
/// *Cyclic tempogram – a mid-level tempo representation for music signals*, 2010). Row `k` stands for a beat every `k` frames. Values lie
/// in −1..=1; each column's largest is 1, but a column without onset strength is 0.
///
/// ```
/// use ser_features::{Tempogram, TempogramConfig};
///
/// let mut clicks = vec![0.0_f32; 66_150];
/// clicks.iter_mut().step_by(11_025).for_each(|x| *x = 1.0);
/// let tempogram = Tempogram::new(TempogramConfig::default())?.process(&clicks)?;
/// assert_eq!(tempogram.dim(), (384, 130));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tempogram {
    onset: OnsetStrength,
    window: Vec<f64>,
    center: bool,
    correlation: Autocorrelation,
    block: Vec<f32>,
}

impl Tempogram {
    /// Plans mel spectrogram and transforms.
    ///
    /// # Errors
    /// As [`OnsetStrength::new`], and when `win_length` lies outside of its range or [`Window::Custom`] does not hold `win_length` values
    /// within ±1e6.
    pub fn new(config: TempogramConfig) -> Result<Self, ConfigError> {
        let win_length = config.win_length;
        ConfigError::refuse_zero("win_length", win_length)?;
        ConfigError::require(win_length <= MAX_N_FFT, "win_length", "at most 1048576", win_length as f64)?;
        config.window.check(win_length)?;
        Ok(Self {
            onset: OnsetStrength::new(config.onset)?,
            window: config.window.values(win_length),
            center: config.center,
            correlation: Autocorrelation::new(win_length, win_length - 1),
            block: Vec::new(),
        })
    }

    /// A matrix `[win_length, frames]`, with a column for each frame of onset strength; without `center`, `win_length − 1` fewer.
    ///
    /// # Errors
    /// As [`Stft::process`](crate::Stft::process), and without `center` when there are fewer than `win_length` frames.
    pub fn process(&mut self, samples: &[f32]) -> Result<Array2<f32>, SignalError> {
        let strength = self.onset.process(samples)?;
        self.process_onset(strength.as_slice().unwrap_or_default())
    }

    /// As [`process`](Self::process), of given onset strength.
    ///
    /// # Errors
    /// When it is empty or holds a value that is NaN or infinite, and without `center` when it is shorter than `win_length`.
    pub fn process_onset(&mut self, strength: &[f32]) -> Result<Array2<f32>, SignalError> {
        let n_frames = self.check(strength)?;
        let (mut out, mut block) = (Array2::default((0, 0)), std::mem::take(&mut self.block));
        fill_columns(&mut out, (self.window.len(), n_frames), &mut block, |t, frame| {
            frame.iter_mut().zip(self.column(strength, t)).for_each(|(to, x)| *to = x as f32);
        });
        self.block = block;
        Ok(out)
    }

    /// Counts the frames.
    fn check(&self, strength: &[f32]) -> Result<usize, SignalError> {
        check_finite(strength)?;
        let (given, minimum) = (strength.len(), self.window.len());
        match given.checked_sub(minimum) {
            _ if self.center => Ok(given),
            Some(beyond) => Ok(beyond + 1),
            None => Err(SignalError::TooFewFrames { minimum, given }),
        }
    }

    /// The values of frame `t`.
    fn column(&mut self, strength: &[f32], t: usize) -> impl Iterator<Item = f64> {
        let around = if self.center { self.window.len() / 2 } else { 0 };
        let ramp = 1.0 / around.max(1) as f64;
        let value = |place: usize| {
            let (first, last) = (strength[0], strength[strength.len() - 1]);
            match place.checked_sub(around) {
                None => f64::from(first) * place as f64 * ramp,
                Some(at) if at < strength.len() => f64::from(strength[at]),
                Some(at) => {
                    let beyond = at + 1 - strength.len();
                    f64::from(last) * around.saturating_sub(beyond) as f64 * ramp
                }
            }
        };
        let windowed = self.window.iter().zip(t..).map(|(w, place)| w * value(place));
        let correlation = self.correlation.of_values(windowed);
        let largest = correlation.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
        let scale = if largest < f64::MIN_POSITIVE { 1.0 } else { 1.0 / largest };
        correlation.iter().map(move |x| x * scale)
    }
}

/// Settings of tempo estimation. The default is librosa's, with [`Precision::Single`](crate::Precision::Single).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct TempoConfig {
    /// The onset strength underneath, with the sample rate.
    pub onset: OnsetConfig,
    /// Tempo that is expected, in beats a minute, above 0.
    pub start_bpm: f64,
    /// Standard deviation, in octaves, of the prior around the expected tempo, above 0.
    pub std_bpm: f64,
    /// Seconds of onset strength in an autocorrelation; at least two frames and at most 1,048,576.
    pub ac_size: f64,
    /// Upper limit of the tempo, exclusive, in beats a minute, above 0; `None` sets no limit. It should be above the tempo of the last row,
    /// about `60 / ac_size`: with no slower row, the fastest one is returned.
    pub max_tempo: Option<f64>,
}

impl Default for TempoConfig {
    fn default() -> Self {
        Self {
            onset: OnsetConfig::default(),
            start_bpm: 120.0,
            std_bpm: 1.0,
            ac_size: 8.0,
            max_tempo: Some(320.0),
        }
    }
}

/// Plan of a signal's tempo, as `librosa.feature.tempo`: the likeliest row of its mean tempogram, where tempi near `start_bpm` are likelier
/// (Ellis, *Beat tracking by dynamic programming*, 2007).
///
/// ```
/// use ser_features::{Tempo, TempoConfig};
///
/// let mut clicks = vec![0.0_f32; 220_500];
/// clicks.iter_mut().step_by(11_025).for_each(|x| *x = 1.0); // two a second
/// let bpm = Tempo::new(TempoConfig::default())?.estimate(&clicks)?;
/// assert!((bpm - 120.0).abs() < 3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tempo {
    tempogram: Tempogram,
    /// Tempo of each row from the second on, and the logarithm of how likely it is.
    rows: Vec<(f64, f64)>,
}

impl Tempo {
    /// Plans the tempogram.
    ///
    /// # Errors
    /// As [`Tempogram::new`], and when a field lies outside of its range.
    pub fn new(config: TempoConfig) -> Result<Self, ConfigError> {
        let TempoConfig { start_bpm, std_bpm, ac_size, max_tempo, onset } = config;
        let values =
            [("start_bpm", start_bpm), ("std_bpm", std_bpm), ("max_tempo", max_tempo.unwrap_or(1.0))];
        for (parameter, value) in values {
            ConfigError::require(value > 0.0 && value.is_finite(), parameter, "above 0 and finite", value)?;
        }
        onset.log_mel.mel.check()?;
        let (sample_rate, hop) =
            (f64::from(onset.log_mel.mel.sample_rate), onset.log_mel.mel.stft.hop_length as f64);
        let frames = ((ac_size * sample_rate).trunc() / hop).floor();
        let fits = (2.0..=MAX_N_FFT as f64).contains(&frames);
        ConfigError::require(fits, "ac_size", "as long as 2 to 1048576 frames", ac_size)?;
        let win_length = frames as usize;
        let bpm = |row: usize| 60.0 * sample_rate / (hop * row as f64);
        let likely = |bpm: f64| match max_tempo {
            Some(most) if bpm >= most => f64::NEG_INFINITY,
            _ => -0.5 * ((bpm.log2() - start_bpm.log2()) / std_bpm).powi(2),
        };
        Ok(Self {
            tempogram: Tempogram::new(TempogramConfig { onset, win_length, ..Default::default() })?,
            rows: (1..win_length).map(|row| (bpm(row), likely(bpm(row)))).collect(),
        })
    }

    /// The tempo in beats a minute, one of `60 · sample_rate / (hop_length · k)` for a whole `k`. Silence gives the one nearest to
    /// `start_bpm`.
    ///
    /// # Errors
    /// As [`Stft::process`](crate::Stft::process).
    pub fn estimate(&mut self, samples: &[f32]) -> Result<f64, SignalError> {
        let strength = self.tempogram.onset.process(samples)?;
        self.estimate_onset(strength.as_slice().unwrap_or_default())
    }

    /// As [`estimate`](Self::estimate), of given onset strength.
    ///
    /// # Errors
    /// When it is empty or holds a value that is NaN or infinite.
    pub fn estimate_onset(&mut self, strength: &[f32]) -> Result<f64, SignalError> {
        let n_frames = self.tempogram.check(strength)?;
        let mut sums = Array1::<f64>::zeros(self.rows.len() + 1);
        for t in 0..n_frames {
            sums.iter_mut().zip(self.tempogram.column(strength, t)).for_each(|(sum, x)| *sum += x);
        }
        // A faint negative correlation is rounding or a valley: neither is a tempo.
        let score = |(sum, &(_, likely)): (&f64, &(f64, f64))| {
            (1e6 * sum / n_frames as f64).max(-0.5).ln_1p() + likely
        };
        let scores: Vec<f64> = sums.iter().skip(1).zip(&self.rows).map(score).collect();
        let best = (1..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best });
        Ok(self.rows[best].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let refusal = |config| Tempo::new(config).err().unwrap().to_string();
        let base = TempoConfig::default();
        assert_eq!(
            refusal(TempoConfig { start_bpm: 0.0, ..base.clone() }),
            "config: start_bpm must be above 0 and finite, got 0"
        );
        for ac_size in [0.01, 1e9, f64::NAN, -1.0] {
            let error = refusal(TempoConfig { ac_size, ..base.clone() });
            assert!(error.starts_with("config: ac_size must be as long as 2"), "{error}");
        }
        let error = Tempogram::new(TempogramConfig { win_length: 0, ..Default::default() }).err().unwrap();
        assert_eq!(error.to_string(), "config: win_length must be 1 or more, got 0");
    }

    #[test]
    fn too_few_frames_are_refused_without_padding() {
        let mut plan = Tempogram::new(TempogramConfig { center: false, ..Default::default() }).unwrap();
        let error = SignalError::TooFewFrames { minimum: 384, given: 10 };
        assert_eq!(plan.process_onset(&[0.5; 10]).err(), Some(error));
    }
}
