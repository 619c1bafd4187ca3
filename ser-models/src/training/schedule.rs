//! Schedule of the learning rate.

use crate::setting::{Checked, TRAINING};
use serde::{Deserialize, Deserializer, Serialize};
use std::f64::consts::PI;

/// Schedule of the learning rate, as a factor of the initial rate.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// Always 1.
    #[default]
    #[serde(deserialize_with = "nothing")]
    Constant,
    /// `1 / (1 + rate · step)`: Keras's `InverseTimeDecay` and the `decay` of its older optimisers.
    InverseTime {
        /// Decay per step, 0 or more.
        rate: f64,
    },
    /// `factor` to the power of the number of finished epochs.
    Exponential {
        /// Factor per epoch, above 0 and at most 1.
        factor: f64,
    },
    /// Up to 1 in a straight line over the W = ⌊`warm_up` · steps⌋ steps of the warm-up (`(step + 1) / W`, steps counted from 0), then
    /// along half a cosine towards `minimum`, which the step after the last one would have (Loshchilov and Hutter, *SGDR: stochastic
    /// gradient descent with warm restarts*, 2017; without restarts).
    Cosine {
        /// The warm-up's share of the run, 0 or more and below 1.
        #[serde(default)]
        warm_up: f64,
        /// The factor that the step after the last one would have, 0 or more and at most 1.
        #[serde(default)]
        minimum: f64,
    },
}

/// Rejects any settings. Serde would ignore them in a unit variant.
fn nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    Nothing::deserialize(deserializer).map(|Nothing {}| ())
}

impl Schedule {
    /// Returns the factor of one step of a run, counted from 0.
    pub(crate) fn factor(&self, step: u64, steps_per_epoch: usize, epochs: usize) -> f64 {
        match *self {
            Self::Constant => 1.0,
            Self::InverseTime { rate } => 1.0 / (1.0 + rate * step as f64),
            Self::Exponential { factor } => factor.powi((step / steps_per_epoch as u64) as i32),
            Self::Cosine { warm_up, minimum } => {
                let total = (epochs * steps_per_epoch) as f64;
                let warm_up = (warm_up * total).floor();
                let step = step as f64;
                if step < warm_up {
                    (step + 1.0) / warm_up
                } else {
                    let progress = ((step - warm_up) / (total - warm_up)).min(1.0);
                    minimum + (1.0 - minimum) * 0.5 * (1.0 + (PI * progress).cos())
                }
            }
        }
    }

    /// Checks the settings.
    pub(crate) fn check(&self) -> Checked {
        match *self {
            Self::Constant => Ok(()),
            Self::InverseTime { rate } => TRAINING.zero_or_more("schedule.rate", rate),
            Self::Exponential { factor } => TRAINING.above_0_and_at_most_1("schedule.factor", factor),
            Self::Cosine { warm_up, minimum } => {
                TRAINING.zero_or_more_and_below_1("schedule.warm_up", warm_up)?;
                let (holds, rule) = ((0.0..=1.0).contains(&minimum), "0 to 1");
                TRAINING.require(holds, "schedule.minimum", rule, minimum)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_a_schedule_does_not_have_are_refused_by_name() {
        let read = |json: &str| serde_json::from_str::<Schedule>(json);
        assert_eq!(read(r#"{"name":"constant"}"#).unwrap(), Schedule::Constant);
        for name in ["constant", "inverse_time", "exponential", "cosine"] {
            let error = read(&format!(r#"{{"name":"{name}","half_life":1}}"#)).unwrap_err().to_string();
            assert!(error.contains("half_life"), "{error}");
        }
        let json = serde_json::to_string(&Schedule::Constant).unwrap();
        assert_eq!(json, r#"{"name":"constant"}"#);
    }

    #[test]
    fn factors_follow_their_formulas() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(Schedule::Constant.factor(1000, 10, 5), 1.0);
        close(Schedule::InverseTime { rate: 0.5 }.factor(2, 10, 5), 0.5);
        close(Schedule::Exponential { factor: 0.5 }.factor(19, 10, 5), 0.5);
        let cosine = Schedule::Cosine { warm_up: 0.2, minimum: 0.1 };
        close(cosine.factor(0, 10, 5), 0.1);
        close(cosine.factor(9, 10, 5), 1.0);
        close(cosine.factor(10, 10, 5), 1.0);
        close(cosine.factor(30, 10, 5), 0.55);
        close(cosine.factor(50, 10, 5), 0.1);
    }
}
