//! How a voice's energy is spread over low and high frequencies.

use ndarray::{Array1, ArrayView2};

use crate::check::check_magnitudes;
use crate::error::{ConfigError, SignalError};
use crate::spectrogram::{Spectrogram, Spectrum};
use crate::stft::StftConfig;

/// Smallest power that a logarithm is taken of.
const FLOOR: f64 = 1e-10;

/// How the balance of spectra is measured.
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

/// What [`SpectralBalance::process`] finds, one value a frame. Powers below 1e-10 count as that.
#[derive(Debug, Clone, PartialEq)]
pub struct SpectralBalanceFrames {
    /// Alpha ratio: energy from 50 to 1,000 Hz by energy from 1 to 5 kHz, in dB.
    pub alpha_ratio: Array1<f32>,
    /// Hammarberg index: strongest peak from 0 to 2 kHz by strongest peak from 2 to 5 kHz, in dB.
    pub hammarberg_index: Array1<f32>,
    /// Slope of the regression line through the power spectrum in dB from 0 to 500 Hz, in dB per kHz.
    pub slope_0_500: Array1<f32>,
    /// The same from 500 to 1,500 Hz.
    pub slope_500_1500: Array1<f32>,
}

/// Plan of the alpha ratio, the Hammarberg index (Hammarberg et al., 1980) and spectral slopes, as Eyben et al. (2016) define them.
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
    decibels: Vec<f64>,
}

impl SpectralBalance {
    /// Plans the transform.
    ///
    /// # Errors
    /// As [`Stft::new`](crate::Stft::new), and when the sample rate is below 10,000 Hz or bins lie more than 125 Hz apart.
    pub fn new(config: SpectralBalanceConfig) -> Result<Self, ConfigError> {
        config.stft.check()?;
        let rate = f64::from(config.sample_rate);
        ConfigError::require(rate >= 10_000.0, "sample_rate", "at least 10000", rate)?;
        let hz_per_bin = rate / config.stft.n_fft as f64;
        let rule = "so large that bins lie at most 125 Hz apart";
        ConfigError::require(hz_per_bin <= 125.0, "n_fft", rule, config.stft.n_fft as f64)?;
        let spectrogram = Spectrogram::new(config.stft, Spectrum::Power)?;
        Ok(Self { spectrogram, hz_per_bin, decibels: Vec::new() })
    }

    /// The balance of every frame.
    ///
    /// # Errors
    /// As [`Stft::process`](crate::Stft::process).
    pub fn process(&mut self, samples: &[f32]) -> Result<SpectralBalanceFrames, SignalError> {
        let n_frames = self.spectrogram.check(samples)?;
        let Self { spectrogram, hz_per_bin, decibels } = self;
        Ok(collect(n_frames, |t| measure(spectrogram.frame(samples, t), *hz_per_bin, decibels)))
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
        let Self { hz_per_bin, decibels, .. } = self;
        Ok(collect(power.ncols(), |t| measure(&power.column(t).to_vec(), *hz_per_bin, decibels)))
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

/// Alpha ratio, Hammarberg index and both slopes of one frame's powers.
fn measure(power: &[f32], hz_per_bin: f64, decibels: &mut Vec<f64>) -> [f32; 4] {
    // Bins from one frequency up to below another.
    let band = |low: f64, high: f64| {
        let bin = |hz: f64| ((hz / hz_per_bin).ceil() as usize).min(power.len());
        bin(low)..bin(high).max(bin(low))
    };
    let energy = |low, high| power[band(low, high)].iter().map(|&x| f64::from(x)).sum::<f64>().max(FLOOR);
    let peak = |low, high| power[band(low, high)].iter().fold(FLOOR, |peak, &x| peak.max(x.into()));
    let ratio = |a: f64, b: f64| 10.0 * (a / b).log10();
    decibels.clear();
    decibels.extend(power[band(0.0, 1_500.0)].iter().map(|&x| 10.0 * f64::from(x).max(FLOOR).log10()));
    let slope = |low, high| {
        let band = band(low, high);
        let kilohertz = |bin: usize| bin as f64 * hz_per_bin / 1_000.0;
        let count = band.len().max(1) as f64;
        let centre = band.clone().map(kilohertz).sum::<f64>() / count;
        let level = decibels[band.clone()].iter().sum::<f64>() / count;
        let (mut product, mut spread) = (0.0, 0.0);
        for bin in band {
            product += (kilohertz(bin) - centre) * (decibels[bin] - level);
            spread += (kilohertz(bin) - centre).powi(2);
        }
        if spread > 0.0 { product / spread } else { 0.0 }
    };
    [
        ratio(energy(50.0, 1_000.0), energy(1_000.0, 5_000.0)),
        ratio(peak(0.0, 2_000.0), peak(2_000.0, 5_000.0)),
        slope(0.0, 500.0),
        slope(500.0, 1_500.0),
    ]
    .map(|value| value as f32)
}
