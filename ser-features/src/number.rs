//! Floating-point numbers in formats that have no infinity: JSON has none and writes null. Some settings may be infinite, and are written
//! as text. No other number that is read may be: JSON holds numbers such as 1e300, which `f32` rounds to infinity.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How infinity is written.
const INFINITE: &str = "inf";

/// A number as it is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written<T> {
    Number(T),
    Text(String),
}

/// A floating-point number.
pub(crate) trait Float: Copy + PartialEq {
    const INFINITY: Self;

    /// The nearest number of this type; infinite where `number` lies beyond its range.
    fn nearest(number: f64) -> Self;

    fn is_finite(self) -> bool;
}

impl Float for f32 {
    const INFINITY: Self = f32::INFINITY;

    fn nearest(number: f64) -> Self {
        number as f32
    }

    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

impl Float for f64 {
    const INFINITY: Self = f64::INFINITY;

    fn nearest(number: f64) -> Self {
        number
    }

    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

impl<T: Float> Written<T> {
    fn of(number: T) -> Self {
        if number == T::INFINITY { Self::Text(INFINITE.into()) } else { Self::Number(number) }
    }
}

impl Written<f64> {
    fn number<T: Float, E: Error>(self) -> Result<T, E> {
        match self {
            Self::Number(number) if number.is_finite() => within(T::nearest(number)),
            Self::Number(number) => Ok(T::nearest(number)),
            Self::Text(text) if text == INFINITE => Ok(T::INFINITY),
            Self::Text(text) => Err(E::custom(format!("must be a number or {INFINITE:?}, got {text:?}"))),
        }
    }
}

/// Refuses a number that its type holds as infinity or NaN.
fn within<T: Float, E: Error>(number: T) -> Result<T, E> {
    if number.is_finite() {
        Ok(number)
    } else {
        Err(E::custom("a number must be finite and within ±3.4e38, got more"))
    }
}

pub(crate) fn serialize<T: Float + Serialize, S: Serializer>(
    number: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    Written::of(*number).serialize(serializer)
}

pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Float,
    D: Deserializer<'de>,
{
    Written::<f64>::deserialize(deserializer)?.number()
}

/// A number that must be finite.
pub(crate) fn finite<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Float + Deserialize<'de>,
    D: Deserializer<'de>,
{
    within(T::deserialize(deserializer)?)
}

/// The same for numbers that may be missing.
pub(crate) mod option {
    use super::*;

    pub(crate) fn serialize<T: Float + Serialize, S: Serializer>(
        number: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        number.map(Written::of).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: Float,
        D: Deserializer<'de>,
    {
        Option::<Written<f64>>::deserialize(deserializer)?.map(Written::<f64>::number).transpose()
    }

    /// A number that may be missing, and must be finite.
    pub(crate) fn finite<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: Float + Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Option::<T>::deserialize(deserializer)?.map(within).transpose()
    }
}
