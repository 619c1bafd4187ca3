//! Errors of a feature's plan in terms of [`FeatureConfig`], whose settings have other names than those of the plan.

use crate::error::ConfigError;
use crate::features::FeatureConfig;

/// The error of [`Pyin::new`](crate::Pyin::new), whose pitches from 65.4 Hz up need 4,187 Hz and hops below 0.138 times the rate.
pub(super) fn of_pitch(error: ConfigError, config: &FeatureConfig) -> ConfigError {
    match error {
        ConfigError::AboveNyquist { parameter: "fmax", .. } => {
            refusal("sample_rate", "4187 Hz or more, with pitch or voice quality", config.sample_rate.into())
        }
        ConfigError::OutOfRange { parameter: "fmin", .. } => refusal(
            "n_fft",
            "longer than a period of 65.4 Hz, with pitch or voice quality",
            config.n_fft as f64,
        ),
        ConfigError::OutOfRange { parameter: "max_transition_rate", .. } => {
            let rule = "below 0.138 · sample_rate, with pitch or voice quality";
            refusal("hop_length", rule, config.hop_length as f64)
        }
        other => other,
    }
}

/// The error of [`Tonnetz::new`](crate::Tonnetz::new), whose filters need 8,412 Hz.
pub(super) fn of_tonnetz(error: ConfigError, config: &FeatureConfig) -> ConfigError {
    match error {
        ConfigError::AboveNyquist { .. } => {
            refusal("sample_rate", "8412 Hz or more, with tonnetz", config.sample_rate.into())
        }
        ConfigError::OutOfRange { parameter: "fmin", .. } => {
            let rule = "divisible by 2 often enough for the sample rate, with tonnetz";
            refusal("hop_length", rule, config.hop_length as f64)
        }
        other => other,
    }
}

fn refusal(parameter: &'static str, rule: &'static str, value: f64) -> ConfigError {
    ConfigError::OutOfRange { parameter, rule, value }
}
