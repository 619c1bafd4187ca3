//! Numbers of JSON and other formats, which may hold more than `f32` can: such a number would be infinite here, and null when written again.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

fn within<E: Error>(number: f32) -> Result<f32, E> {
    if number.is_finite() {
        Ok(number)
    } else {
        Err(E::custom("number: value must be finite and within ±3.4e38, got more"))
    }
}

/// A number that must be finite.
pub(crate) fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    within(f32::deserialize(deserializer)?)
}

/// A number that may be missing, and must be finite.
pub(crate) fn finite_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f32>, D::Error> {
    Option::<f32>::deserialize(deserializer)?.map(within).transpose()
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use crate::{Profile, Song, Strategy};

    /// By way of a value, which holds numbers as `f64`.
    fn read<T: DeserializeOwned>(json: &str) -> serde_json::Result<T> {
        serde_json::from_value(serde_json::from_str(json)?)
    }

    #[test]
    fn numbers_that_f32_cannot_hold_are_refused() {
        let rule = "number: value must be finite and within ±3.4e38, got more";
        for text in [r#"{"tempo":1e300}"#, r#"{"loudness":-1e39}"#] {
            let error = read::<Song>(text).unwrap_err().to_string();
            assert!(error.contains(rule), "{text}: {error}");
        }
        let journey = r#"{"journey":{"target":{"valence":1e300,"energy":0}}}"#;
        let error = read::<Strategy>(journey).unwrap_err().to_string();
        assert!(error.contains(rule), "{error}");
        assert_eq!(read::<Song>(r#"{"tempo":3e38}"#).unwrap().tempo, Some(3e38));

        let mut profile = Profile::default();
        profile.like(&Song { name: "a".into(), tempo: Some(120.0), ..Song::default() });
        let text = serde_json::to_string(&profile).unwrap().replace("120.0", "1e300");
        let error = read::<Profile>(&text).unwrap_err().to_string();
        assert!(error.contains("profile: features of songs must be finite, got inf"), "{text}: {error}");
    }
}
