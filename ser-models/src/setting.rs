//! Settings that break a rule.

/// A setting that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {setting} {rule}, got {given}")]
#[non_exhaustive]
pub struct SettingError {
    /// The layer, or the group of settings, e.g. `Dense` or `training`.
    pub place: String,
    /// The setting.
    pub setting: &'static str,
    /// The rule.
    pub rule: &'static str,
    /// The value given.
    pub given: String,
}

/// The settings of a place, to check one by one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings<'a>(pub(crate) &'a str);

/// Those of a training.
pub(crate) const TRAINING: Settings<'static> = Settings("training");

/// Whether a setting keeps its rule.
pub(crate) type Checked = Result<(), SettingError>;

impl Settings<'_> {
    /// The error of a setting that breaks a rule.
    pub(crate) fn error(
        self,
        setting: &'static str,
        rule: &'static str,
        given: impl ToString,
    ) -> SettingError {
        SettingError { place: self.0.to_owned(), setting, rule, given: given.to_string() }
    }

    /// Refuses a setting unless its rule holds.
    pub(crate) fn require(
        self,
        holds: bool,
        setting: &'static str,
        rule: &'static str,
        given: impl ToString,
    ) -> Checked {
        if holds { Ok(()) } else { Err(self.error(setting, rule, given)) }
    }

    /// Refuses sizes of 0.
    pub(crate) fn one_or_more<const N: usize>(self, sizes: [(&'static str, usize); N]) -> Checked {
        sizes
            .into_iter()
            .try_for_each(|(setting, size)| self.require(size > 0, setting, "must be 1 or more", size))
    }

    pub(crate) fn positive(self, setting: &'static str, value: f64) -> Checked {
        self.require(value > 0.0 && value.is_finite(), setting, "must be positive", value)
    }

    pub(crate) fn zero_or_more(self, setting: &'static str, value: f64) -> Checked {
        self.require(value >= 0.0 && value.is_finite(), setting, "must be 0 or more", value)
    }

    pub(crate) fn zero_or_more_and_below_1(self, setting: &'static str, value: f64) -> Checked {
        self.require((0.0..1.0).contains(&value), setting, "must be 0 or more and below 1", value)
    }

    pub(crate) fn above_0_and_at_most_1(self, setting: &'static str, value: f64) -> Checked {
        self.require(value > 0.0 && value <= 1.0, setting, "must be above 0 and at most 1", value)
    }
}
