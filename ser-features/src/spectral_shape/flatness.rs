//! Spectral flatness.

use std::f64::consts::LN_2;

use ndarray::{Array1, ArrayView2};

use super::{Measure, Measured, impl_process};
use crate::error::{ConfigError, SignalError};
use crate::stft::StftConfig;

/// Settings of spectral flatness. The default is librosa's, with [`Precision::Single`](crate::Precision::Single).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct FlatnessConfig {
    /// The transform underneath.
    pub stft: StftConfig,
    /// Smallest value of a magnitude raised to `power`, above 0 and finite. Smaller values are raised to it, so that silence has a flatness
    /// of 1.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub amin: f32,
    /// Power that magnitudes are raised to, above 0 and at most 4: 1 compares magnitudes, 2 powers.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub power: f32,
}

impl Default for FlatnessConfig {
    fn default() -> Self {
        Self { stft: StftConfig::default(), amin: 1e-10, power: 2.0 }
    }
}

/// Plan of spectral flatness (Wiener entropy), as `librosa.feature.spectral_flatness`: the geometric mean of a frame's powers divided
/// by their arithmetic mean (Dubnov, *Generalization of spectral flatness measure for non-Gaussian linear processes*, 2004). Near 1
/// for noise, near 0 for tones.
///
/// ```
/// use ser_features::{FlatnessConfig, SpectralFlatness};
///
/// let tone: Vec<f32> = (0..22_050).map(|n| (n as f32 * 1_000.0 / 22_050.0 * std::f32::consts::TAU).sin()).collect();
/// let flatness = SpectralFlatness::new(FlatnessConfig::default())?.process(&tone)?;
/// assert_eq!(flatness.len(), 44);
/// assert!(flatness[20] < 1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SpectralFlatness(pub(crate) Measured<Flatness>);

#[derive(Debug, Clone)]
pub(crate) struct Flatness {
    amin: f64,
    power: f64,
}

impl Measure for Flatness {
    fn of(&self, frame: &[f32]) -> f32 {
        if self.power == 2.0 {
            self.of_values(frame.iter().map(|&x| f64::from(x) * f64::from(x)), frame.len())
        } else {
            self.of_values(frame.iter().map(|&x| f64::from(x).powf(self.power)), frame.len())
        }
    }
}

impl Flatness {
    fn of_values(&self, values: impl Iterator<Item = f64>, count: usize) -> f32 {
        let mut sum = 0.0;
        let mut product = Product::default();
        for value in values {
            let value = value.max(self.amin);
            sum += value;
            product.multiply(value);
        }
        let count = count as f64;
        ((product.ln() / count).exp() / (sum / count)) as f32
    }
}

/// A product of positive normal numbers, however many: fractions are multiplied and exponents added, which saves all logarithms
/// but one.
#[derive(Debug, Clone)]
struct Product {
    fraction: f64,
    exponent: i64,
}

impl Default for Product {
    fn default() -> Self {
        Self { fraction: 1.0, exponent: 0 }
    }
}

impl Product {
    const FRACTION: u64 = (1 << 52) - 1;

    fn multiply(&mut self, x: f64) {
        let (fraction, exponent) = Self::split(x);
        self.fraction *= fraction;
        self.exponent += exponent;
        // Fractions lie in 1..2; a branch that is hardly ever taken keeps their product from overflowing.
        if self.fraction > 1e300 {
            let (fraction, exponent) = Self::split(self.fraction);
            self.fraction = fraction;
            self.exponent += exponent;
        }
    }

    fn split(x: f64) -> (f64, i64) {
        let bits = x.to_bits();
        (f64::from_bits(bits & Self::FRACTION | 1.0_f64.to_bits()), (bits >> 52) as i64 - 1023)
    }

    fn ln(&self) -> f64 {
        self.fraction.ln() + self.exponent as f64 * LN_2
    }
}

impl SpectralFlatness {
    /// Plans the transform.
    ///
    /// # Errors
    /// As [`Stft::new`](crate::Stft::new), and when `amin` or `power` lies outside its range.
    pub fn new(config: FlatnessConfig) -> Result<Self, ConfigError> {
        let FlatnessConfig { amin, power, .. } = config;
        ConfigError::require(amin > 0.0 && amin.is_finite(), "amin", "above 0 and finite", amin.into())?;
        let rule = "above 0 and at most 4";
        ConfigError::require(power > 0.0 && power <= 4.0, "power", rule, power.into())?;
        Ok(Self(Measured::new(config.stft, Flatness { amin: amin.into(), power: power.into() })?))
    }
}

impl_process!(SpectralFlatness, "One value a frame, 0..=1; 1 for silence.");

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn any_number_of_factors_has_the_sum_of_their_logarithms() {
        let mut product = Product::default();
        let factors = (0..40_000).map(|i| 1e-10 * (1.0 + f64::from(i)).powi(3));
        factors.clone().for_each(|x| product.multiply(x));
        let want: f64 = factors.map(f64::ln).sum();
        assert!((product.ln() - want).abs() < 1e-9 * want.abs());
    }

    #[test]
    fn equal_values_are_flat_and_a_peak_is_not() {
        let stft = StftConfig { n_fft: 2, hop_length: 2, ..Default::default() };
        let mut flatness =
            SpectralFlatness::new(FlatnessConfig { stft, power: 1.0, ..Default::default() }).unwrap();
        // Geometric mean 2, arithmetic mean 2.5.
        let got = flatness.process_magnitude(array![[0.0, 3.0, 1.0], [0.0, 3.0, 4.0]].view()).unwrap();
        let want = [1.0, 1.0, 0.8];
        assert!(got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-6), "{got}");
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let refusal = |config| SpectralFlatness::new(config).err().unwrap().to_string();
        let base = FlatnessConfig::default();
        assert_eq!(
            refusal(FlatnessConfig { amin: 0.0, ..base.clone() }),
            "config: amin must be above 0 and finite, got 0"
        );
        assert_eq!(
            refusal(FlatnessConfig { power: 5.0, ..base }),
            "config: power must be above 0 and at most 4, got 5"
        );
    }
}
