//! The forms in which labelled speech is read.

use std::fmt;
use std::str::FromStr;

use super::named::{NameError, Named};
use super::names::{self, Naming};
use crate::labels::LabelError;

/// Source of the labels: file names of a published corpus, folders, or a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CorpusFormat {
    /// RAVDESS's speech, `03-01-06-01-02-01-12.wav`.
    Ravdess,
    /// EMO-DB, `03a01Fa.wav`.
    EmoDb,
    /// nEMO, `WR0_anger_11.wav`.
    Nemo,
    /// ASED, `a5-03-01-02-50.wav`.
    Ased,
    /// CREMA-D, `1001_DFA_ANG_XX.wav`.
    CremaD,
    /// TESS, `OAF_back_angry.wav`.
    Tess,
    /// SAVEE, `DC_a01.wav` or `DC/a01.wav`.
    Savee,
    /// A folder for each class, such as `happy/any name.wav`. Speakers are not known.
    Folders,
    /// A CSV or TSV table, see [`Manifest`](super::Manifest).
    Manifest,
}

impl CorpusFormat {
    /// Number of speech clips in RAVDESS: 60 by each of 24 actors (Livingstone & Russo 2018,
    /// [doi:10.1371/journal.pone.0196391](https://doi.org/10.1371/journal.pone.0196391)).
    pub const RAVDESS_SPEECH: usize = 1440;

    /// All formats.
    pub const ALL: [Self; 9] = [
        Self::Ravdess,
        Self::EmoDb,
        Self::Nemo,
        Self::Ased,
        Self::CremaD,
        Self::Tess,
        Self::Savee,
        Self::Folders,
        Self::Manifest,
    ];

    /// The format's word, such as `emodb`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ravdess => "ravdess",
            Self::EmoDb => "emodb",
            Self::Nemo => "nemo",
            Self::Ased => "ased",
            Self::CremaD => "crema-d",
            Self::Tess => "tess",
            Self::Savee => "savee",
            Self::Folders => "folders",
            Self::Manifest => "manifest",
        }
    }

    /// A file of this format, for errors.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Ravdess => "Actor_01/03-01-01-01-01-01-01.wav",
            Self::EmoDb => "wav/03a01Fa.wav",
            Self::Nemo => "WR0_anger_11.wav",
            Self::Ased => "05Angry/a5-03-01-02-50.wav",
            Self::CremaD => "1001_DFA_ANG_XX.wav",
            Self::Tess => "OAF_back_angry.wav",
            Self::Savee => "DC/a01.wav",
            Self::Folders => "happy/NAME.wav",
            Self::Manifest => "a row `path,label`",
        }
    }

    fn naming(self) -> Option<&'static Naming> {
        match self {
            Self::EmoDb => Some(&names::EMODB),
            Self::Nemo => Some(&names::NEMO),
            Self::Ased => Some(&names::ASED),
            Self::CremaD => Some(&names::CREMA_D),
            Self::Tess => Some(&names::TESS),
            Self::Savee => Some(&names::SAVEE),
            Self::Ravdess | Self::Folders | Self::Manifest => None,
        }
    }

    /// Reads the fields of a clip's name. `path` is the file's path below the corpus's folder, joined by `/`: SAVEE's speakers are folders.
    /// `None` for clips that are left out (RAVDESS's songs), and for formats whose file names hold no labels (folders and tables).
    ///
    /// Case is ignored; the id keeps that of the name.
    ///
    /// # Errors
    /// [`NameError`], if it is no name of this corpus, or that of a RAVDESS file with video.
    ///
    /// ```
    /// use ser_data::CorpusFormat;
    ///
    /// let named = CorpusFormat::EmoDb.read_name("wav/03a01Fa.wav")?.unwrap();
    /// assert_eq!((&*named.id, &*named.speaker, &*named.word), ("03a01Fa", "03", "F"));
    /// # Ok::<(), ser_data::NameError>(())
    /// ```
    pub fn read_name(self, path: &str) -> Result<Option<Named>, NameError> {
        match self.naming() {
            Some(naming) => naming.read(path).map(Some),
            None if self == Self::Ravdess => names::read_ravdess(path),
            None => Ok(None),
        }
    }

    /// Whether a file seems to be of this corpus.
    pub(super) fn resembles(self, path: &str) -> bool {
        match self.naming() {
            Some(naming) => (naming.read)(path).is_some(),
            None => self == Self::Ravdess && names::resembles_ravdess(path),
        }
    }

    /// The formats that are recognised by file names.
    pub(super) fn named() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|format| !matches!(format, Self::Folders | Self::Manifest))
    }
}

impl fmt::Display for CorpusFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for CorpusFormat {
    type Err = LabelError;

    fn from_str(word: &str) -> Result<Self, LabelError> {
        let found = Self::ALL.into_iter().find(|format| format.as_str().eq_ignore_ascii_case(word));
        found.ok_or_else(|| LabelError {
            field: "corpus",
            value: word.into(),
            expected: Self::ALL.map(Self::as_str).join(", "),
        })
    }
}
