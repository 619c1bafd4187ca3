//! The eight emotions that models know.

/// An unknown word, with the known words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: word must be one of {expected}, got {value:?}")]
#[non_exhaustive]
pub struct LabelError {
    /// Kind of the word, such as "emotion".
    pub field: &'static str,
    /// The value given.
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

            pub(crate) fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$value),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::labels::LabelError;

            /// Reads the word, in upper or lower case.
            fn from_str(word: &str) -> Result<Self, $crate::labels::LabelError> {
                let found = Self::ALL.iter().find(|v| v.as_str().eq_ignore_ascii_case(word));
                found.copied().ok_or_else(|| $crate::labels::LabelError {
                    field: $field,
                    value: word.into(),
                    expected: [$($word),+].join(", "),
                })
            }
        }
    };
}

pub(crate) use field;

field! {
    /// The emotions of RAVDESS, the classes of emotion models: the emotion that the actor was asked to express.
    Emotion as "emotion" {
        /// Neutral. It has no strong version, so half as many clips as the others.
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
