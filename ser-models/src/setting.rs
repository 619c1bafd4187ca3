//! Validation of settings.

/// A setting that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {setting} must be {rule}, got {given}")]
#[non_exhaustive]
pub struct SettingError {
    /// The layer, the group of settings or the part of a file, e.g. `Dense`, `training` or `metadata`.
    pub place: String,
    /// The setting.
    pub setting: &'static str,
    /// The rule, e.g. `1 or more`.
    pub rule: String,
    /// The value given.
    pub given: String,
}

/// Checks the settings of a place one by one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings<'a>(pub(crate) &'a str);

/// The settings of a training.
pub(crate) const TRAINING: Settings<'static> = Settings("training");

/// Result of a check of a setting.
pub(crate) type Checked = Result<(), SettingError>;

impl Settings<'_> {
    /// Returns the error of a setting that breaks a rule.
    pub(crate) fn error(
        self,
        setting: &'static str,
        rule: impl Into<String>,
        given: impl ToString,
    ) -> SettingError {
        SettingError { place: self.0.to_owned(), setting, rule: rule.into(), given: given.to_string() }
    }

    /// Returns an error unless the setting's rule holds.
    pub(crate) fn require(
        self,
        holds: bool,
        setting: &'static str,
        rule: impl Into<String>,
        given: impl ToString,
    ) -> Checked {
        if holds { Ok(()) } else { Err(self.error(setting, rule, given)) }
    }

    /// Returns an error if a size is 0.
    pub(crate) fn one_or_more<const N: usize>(self, sizes: [(&'static str, usize); N]) -> Checked {
        sizes.into_iter().try_for_each(|(setting, size)| self.require(size > 0, setting, "1 or more", size))
    }

    pub(crate) fn positive(self, setting: &'static str, value: f64) -> Checked {
        self.require(value > 0.0 && value.is_finite(), setting, "positive", value)
    }

    pub(crate) fn zero_or_more(self, setting: &'static str, value: f64) -> Checked {
        self.require(value >= 0.0 && value.is_finite(), setting, "0 or more", value)
    }

    pub(crate) fn zero_or_more_and_below_1(self, setting: &'static str, value: f64) -> Checked {
        self.require((0.0..1.0).contains(&value), setting, "0 or more and below 1", value)
    }

    pub(crate) fn above_0_and_at_most_1(self, setting: &'static str, value: f64) -> Checked {
        self.require(value > 0.0 && value <= 1.0, setting, "above 0 and at most 1", value)
    }
}
