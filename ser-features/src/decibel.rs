//! Logarithmic scale.
//!
//! The logarithm is a polynomial in lanes: 128 bands of three seconds take 5 µs, with `f32::log10` 58 µs (x86-64 with AVX-512).

use ndarray::{ArrayRef, Dimension};

use crate::error::ConfigError;
use crate::vector::vectorized;

/// Values that are handled side by side.
const LANES: usize = 16;

/// Settings of the conversion to decibels. The default is librosa's for powers.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct DecibelConfig {
    /// The value at 0 dB.
    pub reference: Reference,
    /// Smallest value, above 0 and finite, in the unit of the input; smaller values are raised to it. librosa has 1e-10 for powers and 1e-5
    /// for amplitudes.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub amin: f32,
    /// Largest distance in dB below the largest result, at least 0: lower results are raised. It needs the whole signal, so streams don't
    /// support it. `None` sets no limit.
    #[cfg_attr(feature = "serde", serde(with = "crate::number::option"))]
    pub top_db: Option<f32>,
}

/// The value at 0 dB.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Reference {
    /// This value, finite, in the unit of the input. Its sign is ignored; a value below `amin` counts as `amin`.
    Value(#[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))] f32),
    /// The largest value of the input, raised to at least `amin`. It needs the whole signal, so streams refuse it.
    Max,
}

impl Default for DecibelConfig {
    fn default() -> Self {
        Self { reference: Reference::Value(1.0), amin: 1e-10, top_db: Some(80.0) }
    }
}

impl DecibelConfig {
    /// Returns librosa's default for amplitudes: [`default`](Self::default) with an `amin` of 1e-5.
    pub fn amplitude() -> Self {
        Self { amin: 1e-5, ..Self::default() }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let amin = self.amin;
        ConfigError::require(amin > 0.0 && amin.is_finite(), "amin", "above 0 and finite", amin.into())?;
        if let Some(top_db) = self.top_db {
            ConfigError::require(top_db >= 0.0, "top_db", "0 or more", top_db.into())?;
        }
        if let Reference::Value(value) = self.reference {
            ConfigError::require(value.is_finite(), "reference", "finite", value.into())?;
        }
        Ok(())
    }

    /// Refuses what makes one value depend on all others.
    pub(crate) fn check_stream(&self) -> Result<(), ConfigError> {
        if self.top_db.is_some() {
            return Err(ConfigError::NeedsWholeSignal { parameter: "top_db", rule: "None" });
        }
        match self.reference {
            Reference::Value(_) => Ok(()),
            Reference::Max => Err(ConfigError::NeedsWholeSignal { parameter: "reference", rule: "a value" }),
        }
    }
}

/// Turns powers into decibels in place, as `librosa.power_to_db`: `10 · log10(max(amin, S)) − 10 · log10(max(amin, reference))`,
/// then at least the largest minus `top_db`.
///
/// # Errors
/// When `amin` is not above 0 and finite, `top_db` is negative or NaN, or the reference is not finite. The values are then left as they
/// were.
pub fn power_to_db<D: Dimension>(
    power: &mut ArrayRef<f32, D>,
    config: &DecibelConfig,
) -> Result<(), ConfigError> {
    config.check()?;
    match power.as_slice_memory_order_mut() {
        Some(power) => to_decibels(power, config),
        None => {
            let mut values: Vec<f32> = power.iter().copied().collect();
            to_decibels(&mut values, config);
            power.iter_mut().zip(values).for_each(|(to, from)| *to = from);
        }
    }
    Ok(())
}

/// The same with settings that were checked.
pub(crate) fn to_decibels(power: &mut [f32], config: &DecibelConfig) {
    let reference = match config.reference {
        Reference::Value(value) => value.abs(),
        Reference::Max => power.iter().fold(0.0, |a, &b| f32::max(a, b)),
    };
    let offset = decibels(reference.max(config.amin));
    let largest = take_decibels(power, config.amin, offset);
    if let Some(top_db) = config.top_db {
        raise(power, largest - top_db);
    }
}

/// Logarithm of the values of a mel spectrogram. The default is [`Decibel`](Self::Decibel) with librosa's settings,
/// [`DecibelConfig::default`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum LogScale {
    /// Decibels, `10 · log10`, as [`power_to_db`], also of mel bands of magnitudes.
    Decibel(DecibelConfig),
    /// `log10(max(x, floor))`.
    Log10 {
        /// Smallest value that a logarithm is taken of, in the unit of the input, above 0 and finite. Smaller values are raised to it.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
        floor: f32,
    },
    /// `ln(max(x, floor))`.
    Ln {
        /// Smallest value that a logarithm is taken of, in the unit of the input, above 0 and finite. Smaller values are raised to it.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
        floor: f32,
    },
}

impl Default for LogScale {
    fn default() -> Self {
        Self::Decibel(DecibelConfig::default())
    }
}

impl LogScale {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match *self {
            Self::Decibel(ref decibel) => decibel.check(),
            Self::Log10 { floor } | Self::Ln { floor } => {
                let rule = "above 0 and finite";
                ConfigError::require(floor > 0.0 && floor.is_finite(), "floor", rule, floor.into())
            }
        }
    }

    /// Refuses what makes one value depend on all others.
    pub(crate) fn check_stream(&self) -> Result<(), ConfigError> {
        match self {
            Self::Decibel(decibel) => decibel.check_stream(),
            Self::Log10 { .. } | Self::Ln { .. } => Ok(()),
        }
    }

    /// Replaces powers by their logarithms, with settings that were checked.
    pub(crate) fn apply(&self, power: &mut [f32]) {
        match *self {
            Self::Decibel(ref decibel) => to_decibels(power, decibel),
            Self::Log10 { floor } => take_logarithms(power, floor, 0.1),
            Self::Ln { floor } => take_logarithms(power, floor, std::f32::consts::LN_10 / 10.0),
        }
    }
}

vectorized! {
    /// Replaces powers by their logarithms, of which `scale` is one decibel.
    fn take_logarithms(power: &mut [f32], floor: f32, scale: f32) {
        for x in power {
            *x = decibels(if *x > floor { *x } else { floor }) * scale;
        }
    }
}

vectorized! {
    /// Replaces powers by their decibels, and returns the largest.
    fn take_decibels(power: &mut [f32], amin: f32, offset: f32) -> f32 {
        let mut largest = [f32::NEG_INFINITY; LANES];
        let (chunks, rest) = power.as_chunks_mut::<LANES>();
        for chunk in chunks {
            for (x, largest) in chunk.iter_mut().zip(&mut largest) {
                *x = decibels(if *x > amin { *x } else { amin }) - offset;
                *largest = if *x > *largest { *x } else { *largest };
            }
        }
        for x in rest {
            *x = decibels(if *x > amin { *x } else { amin }) - offset;
            largest[0] = if *x > largest[0] { *x } else { largest[0] };
        }
        largest.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}

vectorized! {
    fn raise(values: &mut [f32], floor: f32) {
        for x in values {
            *x = if *x > floor { *x } else { floor };
        }
    }
}

/// Turns amplitudes into decibels in place, as `librosa.amplitude_to_db`: the squares' decibels, with `amin` and the reference squared too.
/// [`DecibelConfig::amplitude`] has librosa's defaults for it.
///
/// # Errors
/// As [`power_to_db`], and when the square of `amin` or of the reference leaves the range of `f32`. The values are then left as they
/// were.
pub fn amplitude_to_db<D: Dimension>(
    amplitude: &mut ArrayRef<f32, D>,
    config: &DecibelConfig,
) -> Result<(), ConfigError> {
    config.check()?;
    let reference = match config.reference {
        Reference::Value(value) => Reference::Value(value * value),
        Reference::Max => Reference::Max,
    };
    let amin = config.amin;
    let squared = DecibelConfig { reference, amin: amin * amin, ..*config };
    ConfigError::require(squared.amin > 0.0, "amin", "so large that its square is above 0", amin.into())?;
    squared.check()?;
    amplitude.map_inplace(|x| *x *= *x);
    power_to_db(amplitude, &squared)
}

/// `10 · log10` of a power above 0, with a relative error of at most 1.5e-7 or an absolute one of at most 4e-7, whichever allows more. Its
/// operations can be vectorised.
///
/// With the power as `m · 2^e` and `m` from √½ to √2, `ln m = 2 · artanh((m − 1) / (m + 1))`, by the first terms of its series.
#[inline(always)]
fn decibels(power: f32) -> f32 {
    // In two parts: the first has so few digits that its product with an exponent is exact.
    const DECIBELS_OF_TWO: [f32; 2] = [12_330.0 / 4_096.0, 4.605_039e-5];
    const DECIBELS_OF_E: f32 = 4.342_944_8;
    const SCALE: f32 = (1_u32 << 30) as f32;
    const SQRT_HALF: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();

    let subnormal = power < f32::MIN_POSITIVE;
    let bits = if subnormal { power * SCALE } else { power }.to_bits();
    // What is carried into the exponent makes the mantissa at least √½.
    let shifted = bits.wrapping_add(1.0_f32.to_bits() - SQRT_HALF);
    let exponent = (shifted >> 23) as i32 - 127 - if subnormal { 30 } else { 0 };
    let mantissa = f32::from_bits((shifted & 0x007F_FFFF) + SQRT_HALF);

    let x = (mantissa - 1.0) / (mantissa + 1.0);
    let square = x * x;
    let series = 2.0 / 3.0 + square * (2.0 / 5.0 + square * (2.0 / 7.0 + square * (2.0 / 9.0)));
    let logarithm = 2.0 * x + x * square * series;
    let exponent = exponent as f32;
    let decibels =
        exponent * DECIBELS_OF_TWO[0] + (exponent * DECIBELS_OF_TWO[1] + logarithm * DECIBELS_OF_E);
    if power == f32::INFINITY { power } else { decibels }
}

/// One amplitude in dB of another, with librosa's `amin` of 1e-5.
pub(crate) fn amplitude_to_db_value(amplitude: f32, reference: f32) -> f32 {
    let floor = 1e-10;
    decibels((amplitude * amplitude).max(floor)) - decibels((reference * reference).max(floor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn ten_decibels_a_decade() {
        let mut power = array![1.0, 100.0, 1e-3];
        power_to_db(&mut power, &DecibelConfig::default()).unwrap();
        assert_eq!(power, array![0.0, 20.0, -30.0]);
    }

    #[test]
    fn logarithms_are_right_at_every_scale() {
        let mut power = f32::from_bits(1);
        while power.is_finite() {
            let right = 10.0 * f64::from(power).log10();
            let error = (f64::from(decibels(power)) - right).abs();
            assert!(error <= (1.5e-7 * right.abs()).max(4e-7), "{power:e}: {error:e}");
            power = (power * 1.003).max(f32::from_bits(power.to_bits() + 1));
        }
        assert_eq!(decibels(f32::INFINITY), f32::INFINITY);
        assert_eq!(decibels(1.0), 0.0);
    }

    #[test]
    fn each_scale_is_its_logarithm() {
        for (scale, logarithm) in [
            (LogScale::Log10 { floor: 1e-3 }, f64::log10 as fn(f64) -> f64),
            (LogScale::Ln { floor: 1e-3 }, f64::ln),
        ] {
            let mut power: Vec<f32> = (0..40).map(|n| 10.0_f32.powi(n / 4 - 4) * (1.0 + n as f32)).collect();
            let want: Vec<f64> = power.iter().map(|&x| logarithm(f64::from(x.max(1e-3)))).collect();
            scale.apply(&mut power);
            assert!(power.iter().zip(want).all(|(x, want)| (f64::from(*x) - want).abs() < 1e-6), "{scale:?}");
        }
        assert!(LogScale::Ln { floor: 0.0 }.check().is_err());
    }

    #[test]
    fn silence_lies_at_amin() {
        let mut power = array![[0.0, 0.0]];
        power_to_db(&mut power, &DecibelConfig::default()).unwrap();
        assert_eq!(power, array![[-100.0, -100.0]]);
    }

    #[test]
    fn amplitudes_are_left_alone_where_a_square_leaves_the_range() {
        let base = DecibelConfig::amplitude();
        for config in [
            DecibelConfig { amin: 1e-30, ..base.clone() },
            DecibelConfig { reference: Reference::Value(1e30), ..base },
        ] {
            let mut amplitude = array![3.0];
            assert!(amplitude_to_db(&mut amplitude, &config).is_err(), "{config:?}");
            assert_eq!(amplitude, array![3.0]);
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let mut power = array![1.0];
        for config in [
            DecibelConfig { amin: 0.0, ..Default::default() },
            DecibelConfig { top_db: Some(-1.0), ..Default::default() },
            DecibelConfig { reference: Reference::Value(f32::NAN), ..Default::default() },
        ] {
            assert!(power_to_db(&mut power, &config).is_err(), "{config:?}");
        }
    }
}
