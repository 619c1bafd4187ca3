use std::fmt;
use std::str::FromStr;

use super::{Intensity, Modality, Sex, Statement, VocalChannel};
use crate::corpora::NameError;
use crate::labels::Emotion;

/// The fields of a RAVDESS file name: seven two-digit fields joined by hyphens, `03-01-06-01-02-01-12.wav`
/// (Livingstone & Russo, *The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS)*, 2018,
/// doi:10.1371/journal.pone.0196391).
///
/// ```
/// use ser_data::{RavdessName, Emotion, Sex};
///
/// let name: RavdessName = "03-01-06-01-02-01-12.wav".parse()?;
/// assert_eq!((name.emotion, name.actor, name.sex()), (Emotion::Fearful, 12, Sex::Female));
/// assert_eq!(name.to_string(), "03-01-06-01-02-01-12");
/// # Ok::<(), ser_data::NameError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RavdessName {
    /// Sound, picture or both; 01 to 03 in the file name.
    pub modality: Modality,
    /// Speech or song; 01 or 02 in the file name.
    pub vocal_channel: VocalChannel,
    /// The emotion played; 01 to 08 in the file name.
    pub emotion: Emotion,
    /// Its strength, 01 or 02 in the file name; always normal for neutral.
    pub intensity: Intensity,
    /// The sentence; 01 or 02 in the file name.
    pub statement: Statement,
    /// First or second take: 1 or 2.
    pub repetition: u8,
    /// The actor, 1 to 24.
    pub actor: u8,
}

impl RavdessName {
    /// The actor's sex, from the actor's number: odd for male, even for female.
    pub fn sex(&self) -> Sex {
        if self.actor % 2 == 1 { Sex::Male } else { Sex::Female }
    }
}

impl FromStr for RavdessName {
    type Err = NameError;

    /// Reads a file name without its folder, with or without its extension.
    fn from_str(name: &str) -> Result<Self, NameError> {
        let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
        let fields: Vec<&str> = stem.split('-').collect();
        let Ok([modality, vocal_channel, emotion, intensity, statement, repetition, actor]) =
            <[&str; 7]>::try_from(fields.as_slice())
        else {
            return Err(NameError::Shape {
                name: name.into(),
                value: name.into(),
                expected: "seven two-digit fields joined by hyphens, such as 03-01-06-01-02-01-12".into(),
            });
        };
        let error = |field, value: &str, expected| NameError::Field {
            name: name.into(),
            field,
            value: value.into(),
            expected: String::from(expected),
        };
        let number = |text: &str| match text.as_bytes() {
            [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some((a - b'0') * 10 + (b - b'0')),
            _ => None,
        };
        macro_rules! field {
            ($read:expr, $text:ident, $field:literal, $expected:literal) => {
                number($text).and_then($read).ok_or_else(|| error($field, $text, $expected))?
            };
        }
        let parsed = Self {
            modality: field!(Modality::from_code, modality, "modality", "01 to 03"),
            vocal_channel: field!(VocalChannel::from_code, vocal_channel, "vocal channel", "01 or 02"),
            emotion: field!(Emotion::from_code, emotion, "emotion", "01 to 08"),
            intensity: field!(Intensity::from_code, intensity, "intensity", "01 or 02"),
            statement: field!(Statement::from_code, statement, "statement", "01 or 02"),
            repetition: field!(|n| (1..=2).contains(&n).then_some(n), repetition, "repetition", "01 or 02"),
            actor: field!(|n| (1..=24).contains(&n).then_some(n), actor, "actor", "01 to 24"),
        };
        if parsed.emotion == Emotion::Neutral && parsed.intensity == Intensity::Strong {
            return Err(error("intensity", intensity, "01, as neutral (emotion 01) has no strong intensity"));
        }
        Ok(parsed)
    }
}

impl fmt::Display for RavdessName {
    /// The name without an extension.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:02}-{:02}-{:02}-{:02}-{:02}-{:02}-{:02}",
            self.modality.code(),
            self.vocal_channel.code(),
            self.emotion.code(),
            self.intensity.code(),
            self.statement.code(),
            self.repetition,
            self.actor
        )
    }
}
