//! Numbers that may be infinite, in formats that have no infinity: JSON has none and writes null.

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
}

impl Float for f32 {
    const INFINITY: Self = f32::INFINITY;
}

impl Float for f64 {
    const INFINITY: Self = f64::INFINITY;
}

impl<T: Float> Written<T> {
    fn of(number: T) -> Self {
        if number == T::INFINITY { Self::Text(INFINITE.into()) } else { Self::Number(number) }
    }

    fn number<E: Error>(self) -> Result<T, E> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Text(text) if text == INFINITE => Ok(T::INFINITY),
            Self::Text(text) => Err(E::custom(format!("must be a number or {INFINITE:?}, got {text:?}"))),
        }
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
    T: Float + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Written::deserialize(deserializer)?.number()
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
        T: Float + Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Option::<Written<T>>::deserialize(deserializer)?.map(Written::number).transpose()
    }
}
