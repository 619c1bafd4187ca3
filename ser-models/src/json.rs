//! Settings as JSON values.

use serde::Serialize;
use serde_json::Value;

/// Whether a setting is at its default, and need not be written.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// As [`serde_json::to_value`], by way of the text: each type's `Serialize` is then compiled for text alone, which every file needs.
pub(crate) fn json_value<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Value> {
    serde_json::from_str(&serde_json::to_string(value)?)
}
