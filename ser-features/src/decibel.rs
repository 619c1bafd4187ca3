//! Logarithmic scale.

use ndarray::{ArrayRef, Dimension};

use crate::error::ConfigError;

/// How powers or amplitudes become decibels. The default is librosa's for powers.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct DecibelConfig {
    /// What 0 dB stands for.
    pub reference: Reference,
    /// Smallest value, above 0, in the unit of the input: 1e-10 for powers, 1e-5 for amplitudes. What is smaller counts as this.
    pub amin: f32,
    /// Largest distance below the largest result, at least 0: what lies deeper is raised. It needs the whole signal, so nothing that
    /// streams can have it. `None` leaves all values as they are.
    pub top_db: Option<f32>,
}

/// What 0 dB stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Reference {
    /// This value, in the unit of the input; its sign is ignored.
    Value(f32),
    /// The largest value of the input.
    Max,
}

impl Default for DecibelConfig {
    fn default() -> Self {
        Self { reference: Reference::Value(1.0), amin: 1e-10, top_db: Some(80.0) }
    }
}

impl DecibelConfig {
    /// librosa's default for amplitudes: as [`default`](Self::default) with `amin` 1e-5.
    pub fn amplitude() -> Self {
        Self { amin: 1e-5, ..Self::default() }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let amin = self.amin;
        ConfigError::require(amin > 0.0 && amin.is_finite(), "amin", "above 0 and finite", amin.into())?;
        if let Some(top_db) = self.top_db {
            ConfigError::require(top_db >= 0.0, "top_db", "at least 0", top_db.into())?;
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
/// When `amin` is not above 0, `top_db` is negative, or the reference is not finite.
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
    let mut largest = f32::NEG_INFINITY;
    for x in power.iter_mut() {
        *x = decibels(x.max(config.amin)) - offset;
        largest = largest.max(*x);
    }
    if let Some(top_db) = config.top_db {
        let floor = largest - top_db;
        power.iter_mut().for_each(|x| *x = x.max(floor));
    }
}

/// Turns amplitudes into decibels in place, as `librosa.amplitude_to_db`: the squares' decibels, with `amin` and the reference
/// squared too.
///
/// # Errors
/// As [`power_to_db`].
pub fn amplitude_to_db<D: Dimension>(
    amplitude: &mut ArrayRef<f32, D>,
    config: &DecibelConfig,
) -> Result<(), ConfigError> {
    config.check()?;
    let reference = match config.reference {
        Reference::Value(value) => Reference::Value(value * value),
        Reference::Max => Reference::Max,
    };
    amplitude.map_inplace(|x| *x *= *x);
    power_to_db(amplitude, &DecibelConfig { reference, amin: config.amin * config.amin, ..*config })
}

fn decibels(power: f32) -> f32 {
    10.0 * power.log10()
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
    fn silence_lies_at_amin() {
        let mut power = array![[0.0, 0.0]];
        power_to_db(&mut power, &DecibelConfig::default()).unwrap();
        assert_eq!(power, array![[-100.0, -100.0]]);
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
