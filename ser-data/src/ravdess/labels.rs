//! The fields of a RAVDESS file name.

use std::fmt;
use std::str::FromStr;

/// A word that names no value of a field, with the words that do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value:?}, expected one of {expected}")]
#[non_exhaustive]
pub struct LabelError {
    /// What was read, such as "emotion".
    pub field: &'static str,
    /// What was given.
    pub value: String,
    /// The words that are known.
    pub expected: String,
}

/// Declares an enum whose values have a number in the file name and a word for people.
macro_rules! field {
    ($(#[$doc:meta])* $name:ident as $field:literal { $($(#[$value_doc:meta])* $value:ident = $code:literal, $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$value_doc])* $value,)+ }

        impl $name {
            /// All values, by their number in the file name.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// The word in lower case.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word,)+ }
            }

            /// The number in the file name.
            pub fn code(self) -> u8 {
                match self { $(Self::$value => $code,)+ }
            }

            pub(super) fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$value),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = LabelError;

            /// Reads the word, in upper or lower case.
            fn from_str(word: &str) -> Result<Self, LabelError> {
                let found = Self::ALL.iter().find(|v| v.as_str().eq_ignore_ascii_case(word));
                found.copied().ok_or_else(|| LabelError {
                    field: $field,
                    value: word.into(),
                    expected: [$($word),+].join(", "),
                })
            }
        }
    };
}

field! {
    /// What a file holds of the recording.
    Modality as "modality" {
        /// Picture and sound.
        AudioVideo = 1, "audio-video";
        /// Picture without sound.
        VideoOnly = 2, "video only";
        /// Sound alone: what this crate reads.
        AudioOnly = 3, "audio only";
    }
}

field! {
    /// Whether the actor speaks or sings.
    VocalChannel as "vocal channel" {
        /// Spoken.
        Speech = 1, "speech";
        /// Sung.
        Song = 2, "song";
    }
}

field! {
    /// The emotion that the actor was asked for.
    Emotion as "emotion" {
        /// Neutral, of which there is no strong version: half as many clips as of the others.
        Neutral = 1, "neutral";
        /// Calm.
        Calm = 2, "calm";
        /// Happy.
        Happy = 3, "happy";
        /// Sad.
        Sad = 4, "sad";
        /// Angry.
        Angry = 5, "angry";
        /// Fearful.
        Fearful = 6, "fearful";
        /// Disgust.
        Disgust = 7, "disgust";
        /// Surprised.
        Surprised = 8, "surprised";
    }
}

field! {
    /// How strongly the emotion is played.
    Intensity as "intensity" {
        /// Normal.
        Normal = 1, "normal";
        /// Strong.
        Strong = 2, "strong";
    }
}

field! {
    /// The sentence, the same two for all actors.
    Statement as "statement" {
        /// "Kids are talking by the door."
        Kids = 1, "kids";
        /// "Dogs are sitting by the door."
        Dogs = 2, "dogs";
    }
}

/// The actor's sex: actors of odd number are male.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sex {
    /// Actors 01, 03, …, 23.
    Male,
    /// Actors 02, 04, …, 24.
    Female,
}

impl Sex {
    /// The word in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Male => "male",
            Self::Female => "female",
        }
    }
}

impl Statement {
    /// The sentence itself.
    pub fn text(self) -> &'static str {
        match self {
            Self::Kids => "Kids are talking by the door",
            Self::Dogs => "Dogs are sitting by the door",
        }
    }
}
