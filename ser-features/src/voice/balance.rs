//! Spectral balance: energy of a voice at low and high frequencies.

use std::ops::Range;

use ndarray::{Array1, ArrayView2};

use crate::check::check_magnitudes;
use crate::error::{ConfigError, SignalError};
use crate::spectral_shape::Measure;
use crate::spectrogram::{Spectrogram, Spectrum};
use crate::stft::StftConfig;

/// Smallest power that a logarithm is taken of.
const FLOOR: f64 = 1e-10;

/// Settings of spectral balance. The default is 22,050 Hz and the default of [`StftConfig`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct SpectralBalanceConfig {
    /// Sample rate of the signal in Hz, at least 10,000: the bands reach up to 5 kHz.
    pub sample_rate: u32,
    /// The transform underneath: bins at most 125 Hz apart.
    pub stft: StftConfig,
}

impl Default for SpectralBalanceConfig {
    fn default() -> Self {
        Self { sample_rate: 22_050, stft: StftConfig::default() }
    }
}

/// The result of [`SpectralBalance::process`], one value per frame. A band's energy or peak, and each power of a slope, is raised to at
/// least 1e-10. Bands include their lower end and exclude their upper end.
#[derive(Debug, Clone, PartialEq)]
pub struct SpectralBalanceFrames {
    /// Alpha ratio: energy from 50 to 1,000 Hz divided by energy from 1 to 5 kHz, in dB.
    pub alpha_ratio: Array1<f32>,
    /// Hammarberg index: strongest peak from 0 to 2 kHz divided by strongest peak from 2 to 5 kHz, in dB.
    pub hammarberg_index: Array1<f32>,
    /// Slope of the regression line through the power spectrum in dB from 0 to 500 Hz, in dB per kHz.
    pub slope_0_500: Array1<f32>,
    /// The same from 500 to 1,500 Hz.
    pub slope_500_1500: Array1<f32>,
}

/// Plan of the alpha ratio, the Hammarberg index (Hammarberg et al., *Perceptual and acoustic correlates of abnormal voice qualities*, 1980)
/// and spectral slopes, as Eyben et al. define them (*The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for voice research and
/// affective computing*, 2016).
///
/// ```
/// use ser_features::{SpectralBalance, SpectralBalanceConfig};
///
/// let low: Vec<f32> = (0..22_050).map(|n| (n as f32 * 300.0 / 22_050.0 * std::f32::consts::TAU).sin()).collect();
/// let balance = SpectralBalance::new(SpectralBalanceConfig::default())?.process(&low)?;
/// assert!(balance.alpha_ratio[20] > 40.0 && balance.hammarberg_index[20] > 40.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SpectralBalance {
    spectrogram: Spectrogram,
    hz_per_bin: f64,
}

impl SpectralBalance {
    /// Plans the transform.
    ///
    /// # Errors
    /// As [`Stft::new`](crate::Stft::new), and when the sample rate is below 10,000 Hz or bins lie more than 125 Hz apart.
    pub fn new(config: SpectralBalanceConfig) -> Result<Self, ConfigError> {
        config.stft.check()?;
        let rate = f64::from(config.sample_rate);
        ConfigError::require(rate >= 10_000.0, "sample_rate", "10000 or more", rate)?;
        let hz_per_bin = rate / config.stft.n_fft as f64;
        let rule = "so large that bins lie at most 125 Hz apart";
        ConfigError::require(hz_per_bin <= 125.0, "n_fft", rule, config.stft.n_fft as f64)?;
        let spectrogram = Spectrogram::new(config.stft, Spectrum::Power)?;
        Ok(Self { spectrogram, hz_per_bin })
    }

    /// The balance of every frame.
    ///
    /// # Errors
    /// As [`Stft::process`](crate::Stft::process).
    pub fn process(&mut self, samples: &[f32]) -> Result<SpectralBalanceFrames, SignalError> {
        let n_frames = self.spectrogram.check(samples)?;
        Ok(collect(n_frames, |t| measure(self.spectrogram.frame(samples, t), self.hz_per_bin)))
    }

    /// The measure of one of the values alone, for magnitudes of another transform.
    pub(crate) fn into_measure(self, balance: Balance) -> BalanceMeasure {
        BalanceMeasure { balance, hz_per_bin: self.hz_per_bin }
    }

    /// As [`process`](Self::process), of given powers `[n_fft / 2 + 1, frames]`.
    ///
    /// # Errors
    /// When the matrix has another number of rows or no frame, or a value is negative, NaN or infinite.
    pub fn process_power(
        &mut self,
        power: ArrayView2<'_, f32>,
    ) -> Result<SpectralBalanceFrames, SignalError> {
        check_magnitudes(power, self.spectrogram.config().n_bins())?;
        Ok(collect(power.ncols(), |t| measure(&power.column(t).to_vec(), self.hz_per_bin)))
    }
}

fn collect(n_frames: usize, mut measure: impl FnMut(usize) -> [f32; 4]) -> SpectralBalanceFrames {
    let mut columns = std::array::from_fn::<_, 4, _>(|_| Array1::zeros(n_frames));
    for t in 0..n_frames {
        columns.iter_mut().zip(measure(t)).for_each(|(column, value)| column[t] = value);
    }
    let [alpha_ratio, hammarberg_index, slope_0_500, slope_500_1500] = columns;
    SpectralBalanceFrames { alpha_ratio, hammarberg_index, slope_0_500, slope_500_1500 }
}

/// All numbers of one frame's powers.
fn measure(power: &[f32], hz_per_bin: f64) -> [f32; 4] {
    let power = Power { hz_per_bin, n_bins: power.len(), of: |bin: usize| f64::from(power[bin]) };
    [Balance::AlphaRatio, Balance::HammarbergIndex, Balance::Slope0To500, Balance::Slope500To1500]
        .map(|balance| balance.of(&power))
}

/// One of the numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Balance {
    AlphaRatio,
    HammarbergIndex,
    Slope0To500,
    Slope500To1500,
}

impl Balance {
    fn of(self, power: &Power<impl Fn(usize) -> f64>) -> f32 {
        let ratio = |a: f64, b: f64| 10.0 * (a.max(FLOOR) / b.max(FLOOR)).log10();
        let value = match self {
            Self::AlphaRatio => ratio(power.energy(50.0, 1_000.0), power.energy(1_000.0, 5_000.0)),
            Self::HammarbergIndex => ratio(power.peak(0.0, 2_000.0), power.peak(2_000.0, 5_000.0)),
            Self::Slope0To500 => power.slope(0.0, 500.0),
            Self::Slope500To1500 => power.slope(500.0, 1_500.0),
        };
        value as f32
    }
}

/// The powers of one frame.
struct Power<P> {
    hz_per_bin: f64,
    n_bins: usize,
    of: P,
}

impl<P: Fn(usize) -> f64> Power<P> {
    /// Bins from one frequency up to below another.
    fn band(&self, low: f64, high: f64) -> Range<usize> {
        let bin = |hz: f64| ((hz / self.hz_per_bin).ceil() as usize).min(self.n_bins);
        bin(low)..bin(high).max(bin(low))
    }

    fn energy(&self, low: f64, high: f64) -> f64 {
        self.band(low, high).map(&self.of).sum()
    }

    fn peak(&self, low: f64, high: f64) -> f64 {
        self.band(low, high).map(&self.of).fold(0.0, f64::max)
    }

    /// Slope of the line with the least squared error, in dB per kHz.
    fn slope(&self, low: f64, high: f64) -> f64 {
        let band = self.band(low, high);
        let kilohertz = |bin: usize| bin as f64 * self.hz_per_bin / 1_000.0;
        let centre = band.clone().map(kilohertz).sum::<f64>() / band.len().max(1) as f64;
        let (mut product, mut spread) = (0.0, 0.0);
        for bin in band {
            let distance = kilohertz(bin) - centre;
            product += distance * 10.0 * (self.of)(bin).max(FLOOR).log10();
            spread += distance * distance;
        }
        if spread > 0.0 { product / spread } else { 0.0 }
    }
}

/// What takes one of the numbers from magnitudes.
#[derive(Debug, Clone)]
pub(crate) struct BalanceMeasure {
    balance: Balance,
    hz_per_bin: f64,
}

impl Measure for BalanceMeasure {
    fn of(&self, frame: &[f32]) -> f32 {
        let of = |bin: usize| f64::from(frame[bin]).powi(2);
        self.balance.of(&Power { hz_per_bin: self.hz_per_bin, n_bins: frame.len(), of })
    }
}
