//! Settings as JSON values.

use serde::Serialize;
use serde_json::Value;

/// Whether a setting has its default value and can be left out of a file.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Like [`serde_json::to_value`], but through text. So each type's `Serialize` is compiled only for text, which every file needs anyway.
pub(crate) fn json_value<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Value> {
    serde_json::from_str(&serde_json::to_string(value)?)
}
