//! A labelled recording, and files that cannot be used as one.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{NameError, manifest::BadRow};
use crate::audio::{Audio, AudioError, AudioErrorKind};
use crate::file::AudioFile;

/// One clip of labelled speech. Its sound is read when asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clip {
    /// Names the clip among those of all corpora: `CORPUS/NAME`, such as `emodb/03a01Fa`. Ids of RAVDESS have no prefix:
    /// `03-01-06-01-02-01-12`. In folders and tables NAME is the path with its extension, below the folder or the table's folder, and for a
    /// part its [`Span`](crate::Span): `interviews/anna.wav#t=1.5,3`.
    pub id: String,
    /// The emotion, as [`LabelMap`](crate::LabelMap) names it; a mood, where the corpus labels moods; or the corpus's own word, where
    /// the map doesn't know it.
    pub label: String,
    /// The speaker, with the corpus as prefix so that speaker 03 of two corpora is two people: `emodb/03`. `None` if unknown.
    pub speaker: Option<String>,
    /// The corpus: the name of its format. For folders and tables: their name, or the value in the table's row.
    pub corpus: String,
    /// The language, ISO 639-1, where it is known.
    pub language: Option<String>,
    /// Its location: a file, an archive's entry, or a part of one.
    pub file: AudioFile,
    /// The row of a table that names it, for errors.
    pub(super) row: Option<String>,
}

impl Clip {
    /// The file, and the row that names it.
    pub(crate) fn place(&self) -> String {
        let row = self.row.as_ref().map(|row| format!("{row}: ")).unwrap_or_default();
        format!("{row}{}", self.file)
    }

    /// Checks that this clip, which has the id of another, is its copy: the same content, label and speaker.
    pub(super) fn check_copy_of(&self, other: &Self) -> Result<(), BadFile> {
        let is_copy = self.file.is_copy_of(&other.file).map_err(|AudioError { file, kind }| {
            let cause = match kind {
                AudioErrorKind::Io(cause) => cause,
                kind => io::Error::other(kind),
            };
            BadFile::Unreadable { file, cause: cause.into() }
        })?;
        if !is_copy {
            return Err(BadFile::Ambiguous { file: self.place(), other: other.place(), id: self.id.clone() });
        }
        let speaker = |clip: &Self| clip.speaker.clone().unwrap_or_default();
        let fields =
            [("label", self.label.clone(), other.label.clone()), ("speaker", speaker(self), speaker(other))];
        match fields.into_iter().find(|(_, value, expected)| value != expected) {
            None => Ok(()),
            Some((field, value, expected)) => {
                Err(BadFile::Copy { file: self.place(), other: other.place(), field, value, expected })
            }
        }
    }

    /// Reads and decodes the clip.
    ///
    /// # Errors
    /// [`AudioError`] names the file and what is wrong with it.
    pub fn read(&self) -> Result<Audio, AudioError> {
        self.file.read()
    }
}

impl AsRef<AudioFile> for Clip {
    fn as_ref(&self) -> &AudioFile {
        &self.file
    }
}

/// A file or row that cannot be used as a clip, with the reason.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BadFile {
    /// An audio file whose name is not the corpus's.
    #[error(transparent)]
    Name(NameError),
    /// An audio file that lies in no folder of a class, or in folders of several.
    #[error("{file}: path must name the folder of one class, such as happy/NAME.wav, got {found}")]
    Folder {
        /// The file.
        file: String,
        /// The folders of classes that it lies in.
        found: String,
    },
    /// A row of a table.
    #[error(transparent)]
    Row(#[from] BadRow),
    /// A label with unknown meaning.
    #[error(
        "{file}: label must be known, got {label:?}: none of {known} (a file of labels says what others mean, a set of own labels takes any)"
    )]
    Label {
        /// The file, and the row of a table that names it.
        file: String,
        /// The label.
        label: String,
        /// The labels that are known.
        known: String,
    },
    /// Two clips of one id that are not copies of one another.
    #[error(
        "{file}: content must be that of {other}, which has the same id, {id}, got other content (an id begins with the name of the \
         corpus: that of the folder or table, where it has no other)"
    )]
    Ambiguous {
        /// The file that is not taken, and the row of a table that names it.
        file: String,
        /// The file that is taken.
        other: String,
        /// The id of both.
        id: String,
    },
    /// A copy that has another label or speaker than its original.
    #[error("{file}: {field} must be that of its copy {other}, {expected:?}, got {value:?}")]
    Copy {
        /// The file that is not taken, and the row of a table that names it.
        file: String,
        /// The file that is taken.
        other: String,
        /// "label" or "speaker".
        field: &'static str,
        /// The value of this copy; empty if unknown.
        value: String,
        /// The value of the other one; empty if unknown.
        expected: String,
    },
    /// A file or folder that cannot be read.
    #[error("{file}: cannot be read: {cause}")]
    Unreadable {
        /// The file or folder.
        file: String,
        /// The system's reason.
        #[source]
        cause: Arc<io::Error>,
    },
}

/// The last part of a path, as a corpus's name.
pub(super) fn name_of(path: &std::path::Path) -> String {
    let named = path.file_stem().filter(|_| !path.is_dir()).or_else(|| path.file_name());
    let whole: Option<PathBuf> = named.is_none().then(|| std::fs::canonicalize(path).ok()).flatten();
    let name = named.or_else(|| whole.as_ref()?.file_name());
    name.map_or_else(|| "folders".to_owned(), |name| name.to_string_lossy().into_owned())
}
