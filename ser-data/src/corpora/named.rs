//! The fields of a clip's file name, and errors of names.

/// The fields of a corpus's file name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Named {
    /// The clip's name, unique in its corpus.
    pub id: String,
    /// The speaker's name in the corpus, without a prefix.
    pub speaker: String,
    /// The label as the corpus writes it, such as `W` for EMO-DB's anger (Wut).
    pub word: String,
}

impl Named {
    pub(super) fn new(id: &str, speaker: &str, word: &str) -> Self {
        Self { id: id.to_owned(), speaker: speaker.to_ascii_uppercase(), word: word.to_owned() }
    }
}

/// A file name that is not the corpus's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It does not have the form of the corpus's names.
    #[error("{name}: name must be {expected}, got {value}")]
    Shape {
        /// The name, or the file's path.
        name: String,
        /// The name, without folders.
        value: String,
        /// The form of the corpus's names, with an example.
        expected: String,
    },
    /// A field has a value that the corpus doesn't know.
    #[error("{name}: {field} must be {expected}, got {value}")]
    Field {
        /// The name, or the file's path.
        name: String,
        /// The field, such as "emotion".
        field: &'static str,
        /// Its value.
        value: String,
        /// The values that there are.
        expected: String,
    },
}

impl NameError {
    /// The same error with the whole path in place of the name.
    pub(super) fn in_file(self, file: String) -> Self {
        match self {
            Self::Shape { value, expected, .. } => Self::Shape { name: file, value, expected },
            Self::Field { field, value, expected, .. } => Self::Field { name: file, field, value, expected },
        }
    }
}
