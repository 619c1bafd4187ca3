//! Per-channel energy normalisation.

use ndarray::{Array2, ArrayView2};

use crate::check::check_magnitudes;
use crate::error::{ConfigError, SignalError};

/// How energies are normalised. The default is librosa's.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct PcenConfig {
    /// Sample rate of the signal in Hz, at least 1.
    pub sample_rate: u32,
    /// Samples from one frame to the next, at least 1.
    pub hop_length: usize,
    /// How much of the smoothed energy is divided out, 0..=1,000.
    pub gain: f64,
    /// Offset before the root, 0..=1e6.
    pub bias: f64,
    /// Exponent of the compression, 0..=100; 0 takes a logarithm.
    pub power: f64,
    /// Time constant of the smoothing in seconds, above 0.
    pub time_constant: f64,
    /// Smallest energy that is divided by, above 0 and at most 1e6.
    pub eps: f64,
    /// Coefficient of the smoothing, 0..=1; `None` derives it from the time constant.
    pub b: Option<f64>,
    /// Bands whose largest value is smoothed instead of each band's own, at least 1.
    pub max_size: usize,
}

impl Default for PcenConfig {
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            hop_length: 512,
            gain: 0.98,
            bias: 2.0,
            power: 0.5,
            time_constant: 0.4,
            eps: 1e-6,
            b: None,
            max_size: 1,
        }
    }
}

/// Per-channel energy normalisation (Wang et al., *Trainable frontend for robust and far-field keyword spotting*, 2017), as `librosa.pcen`:
/// each band is divided by its own smoothed energy, then compressed, so that steady noise falls and what begins stands out.
///
/// `(S / (eps + M)^gain + bias)^power − bias^power`, where `M[t] = (1 − b) · M[t − 1] + b · S[t]` starts from 1. librosa suggests to scale
/// magnitudes by 2³¹, as of 32-bit samples.
///
/// ```
/// use ndarray::Array2;
/// use ser_features::{Pcen, PcenConfig};
///
/// let mut noise = Array2::from_elem((3, 200), 1_000.0_f32);
/// noise[[1, 150]] = 9_000.0; // something begins
/// let normalised = Pcen::new(PcenConfig::default())?.process(noise.view())?;
/// assert!((normalised[[1, 149]] - normalised[[0, 130]]).abs() < 0.01);
/// assert!(normalised[[1, 150]] > 2.0 * normalised[[1, 149]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pcen {
    config: PcenConfig,
    b: f64,
}

impl Pcen {
    /// Checks the configuration.
    ///
    /// # Errors
    /// When a field lies outside of its range.
    pub fn new(config: PcenConfig) -> Result<Self, ConfigError> {
        ConfigError::refuse_zero("sample_rate", config.sample_rate as usize)?;
        ConfigError::refuse_zero("hop_length", config.hop_length)?;
        ConfigError::refuse_zero("max_size", config.max_size)?;
        for (parameter, value, most, rule) in [
            ("gain", config.gain, 1e3, "within 0..=1000"),
            ("bias", config.bias, 1e6, "within 0..=1e6"),
            ("power", config.power, 100.0, "within 0..=100"),
            ("b", config.b.unwrap_or(0.0), 1.0, "within 0..=1"),
        ] {
            ConfigError::require((0.0..=most).contains(&value), parameter, rule, value)?;
        }
        let (time_constant, eps) = (config.time_constant, config.eps);
        ConfigError::require(eps > 0.0 && eps <= 1e6, "eps", "above 0 and at most 1e6", eps)?;
        let fits = time_constant > 0.0 && time_constant <= 1e6;
        ConfigError::require(fits, "time_constant", "above 0 and at most 1e6", time_constant)?;
        // The width at half height of the squared response is the time constant's.
        let frames = time_constant * f64::from(config.sample_rate) / config.hop_length as f64;
        let square = 2.0 * frames * frames;
        let derived = if square < 1e-12 { 1.0 } else { ((1.0 + 2.0 * square).sqrt() - 1.0) / square };
        Ok(Self { b: config.b.unwrap_or(derived), config })
    }

    /// The normalised energies of a spectrogram `[bands, frames]`, of the same shape.
    ///
    /// # Errors
    /// When the matrix has no row or no frame, or a value is negative, NaN or infinite.
    pub fn process(&self, spectrogram: ArrayView2<'_, f32>) -> Result<Array2<f32>, SignalError> {
        let (n_bands, n_frames) = spectrogram.dim();
        check_magnitudes(spectrogram, n_bands.max(1))?;
        let PcenConfig { gain, bias, power, eps, .. } = self.config;
        let mut out = Array2::zeros((n_bands, n_frames));
        let mut rest = vec![1.0 - self.b; n_bands];
        for t in 0..n_frames {
            let column = spectrogram.column(t);
            for (band, rest) in rest.iter_mut().enumerate() {
                let smooth = self.b * f64::from(self.largest_around(column, band)) + *rest;
                *rest = (1.0 - self.b) * smooth;
                let energy = f64::from(column[band]) * (-gain * (eps.ln() + (smooth / eps).ln_1p())).exp();
                out[[band, t]] = if power == 0.0 {
                    energy.ln_1p()
                } else if bias == 0.0 {
                    energy.powf(power)
                } else {
                    bias.powf(power) * (power * (energy / bias).ln_1p()).exp_m1()
                } as f32;
            }
        }
        Ok(out)
    }

    /// The largest of `max_size` bands around one; the bands are mirrored at both ends.
    fn largest_around(&self, column: ndarray::ArrayView1<'_, f32>, band: usize) -> f32 {
        largest_around(column, band, self.config.max_size)
    }
}

/// The largest of `size` values around a place, as SciPy's `maximum_filter1d`; mirrored at both ends.
pub(crate) fn largest_around(values: ndarray::ArrayView1<'_, f32>, at: usize, size: usize) -> f32 {
    if size == 1 {
        return values[at];
    }
    // Wider than all values and their mirror images, a window holds them all.
    let (length, size) = (values.len(), size.min(2 * values.len() + 1));
    let first = at as isize - (size / 2) as isize;
    (first..first + size as isize).fold(f32::NEG_INFINITY, |largest, place| {
        let place = place.rem_euclid(2 * length as isize) as usize;
        largest.max(values[place.min(2 * length - 1 - place)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let refusal = |config| Pcen::new(config).err().unwrap().to_string();
        let base = PcenConfig::default();
        assert_eq!(refusal(PcenConfig { max_size: 0, ..base.clone() }), "max_size must be at least 1");
        assert_eq!(
            refusal(PcenConfig { gain: -1.0, ..base.clone() }),
            "gain must be within 0..=1000, but is -1"
        );
        assert_eq!(
            refusal(PcenConfig { b: Some(1.5), ..base.clone() }),
            "b must be within 0..=1, but is 1.5"
        );
        assert!(refusal(PcenConfig { eps: 0.0, ..base.clone() }).starts_with("eps must be above 0"));
        assert!(refusal(PcenConfig { time_constant: f64::NAN, ..base }).starts_with("time_constant must be"));
    }

    #[test]
    fn windows_are_mirrored() {
        let values = ndarray::array![3.0, 1.0, 2.0];
        let of = |at, size| largest_around(values.view(), at, size);
        assert_eq!((of(1, 1), of(2, 2), of(2, 3), of(2, 4), of(2, 99)), (1.0, 2.0, 2.0, 3.0, 3.0));
    }
}
