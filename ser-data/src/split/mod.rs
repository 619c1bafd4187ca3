//! Seeded splits of clips into training, validation and test part.

mod corpora;
mod speakers;
mod stratified;

use serde::{Deserialize, Serialize};

pub use corpora::leave_corpus_out;
pub use speakers::{
    PUBLISHED_FOLDS, PublishedFold, by_speakers, published_folds, single_speaker, speaker_k_folds,
    speaker_shares,
};
pub use stratified::{Shares, stratified, stratified_k_folds};

/// Positions of the clips of each part, ascending. No clip is in two parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// The clips to train on.
    pub train: Vec<usize>,
    /// The clips that decide when to stop and which model to keep; may be empty.
    pub validation: Vec<usize>,
    /// The clips to measure the final model on, once. They influence no decision.
    pub test: Vec<usize>,
}

/// A [`Split`] by the clips' identifiers instead of their positions, to be kept with a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitIds {
    /// Identifiers of [`Split::train`].
    pub train: Vec<String>,
    /// Identifiers of [`Split::validation`].
    pub validation: Vec<String>,
    /// Identifiers of [`Split::test`].
    pub test: Vec<String>,
}

/// A split that cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The slices describe different numbers of clips.
    #[error("split: {what} must be as many as clips, {clips}, got {given}")]
    Length {
        /// Content of the slice, such as identifiers.
        what: &'static str,
        /// Their number.
        given: usize,
        /// Number of clips.
        clips: usize,
    },
    /// The shares are out of range.
    #[error(
        "split: the shares of validation and test must be 0 or more and sum to less than 1, got {validation} and {test}"
    )]
    Shares {
        /// The share of the validation part.
        validation: f64,
        /// The share of the test part.
        test: f64,
    },
    /// The number of folds doesn't fit.
    #[error("split: folds must be 2 to {available}, the number of {what}, got {k}")]
    Folds {
        /// The number of folds asked for.
        k: usize,
        /// The items of the folds: clips or speakers.
        what: &'static str,
        /// Their number.
        available: usize,
    },
    /// A part has no clip.
    #[error("split: the {part} part must have clips, got none: {reason}")]
    EmptyPart {
        /// "train", "validation" or "test".
        part: &'static str,
        /// The reason.
        reason: String,
    },
    /// Identical clips belong to different speakers, so that no split by speakers keeps them together.
    #[error(
        "split: identical clips must be of one speaker, got clip {first} of {first_speaker} and {second} of {second_speaker}"
    )]
    SharedBySpeakers {
        /// Position of a clip.
        first: usize,
        /// Its speaker.
        first_speaker: String,
        /// Position of the clip that is identical to it.
        second: usize,
        /// That clip's speaker.
        second_speaker: String,
    },
    /// Identical clips belong to different corpora, so that one cannot be left out without the other.
    #[error(
        "split: identical clips must be of one corpus, got clip {first} of {first_corpus} and {second} of {second_corpus}"
    )]
    SharedByCorpora {
        /// Position of a clip.
        first: usize,
        /// Its corpus.
        first_corpus: String,
        /// Position of the clip that is identical to it.
        second: usize,
        /// That clip's corpus.
        second_corpus: String,
    },
    /// A speaker would be in two parts.
    #[error("split: speaker {speaker} must be in one part, got {} and {}", parts[0], parts[1])]
    SpeakerInTwoParts {
        /// The speaker.
        speaker: String,
        /// The parts.
        parts: [&'static str; 2],
    },
    /// A given speaker has no clip.
    #[error("split: speaker {speaker} must have clips, got none")]
    MissingSpeaker {
        /// The speaker.
        speaker: String,
    },
    /// Clips with an unknown speaker cannot be split by speakers.
    #[error(
        "{file}: speaker must be known for a split by speakers, got none ({unknown} of {clips} clips have none; \
         name the speakers in a table, or split at random)"
    )]
    UnknownSpeaker {
        /// The first such clip.
        file: String,
        /// Their number.
        unknown: usize,
        /// Number of clips.
        clips: usize,
    },
    /// The given corpus has no clip.
    #[error("split: corpus must be one of {known}, got {corpus}")]
    MissingCorpus {
        /// The corpus.
        corpus: String,
        /// The corpora that there are.
        known: String,
    },
    /// A clip of a recorded split is not there.
    #[error("split: ids must be those of clips, got {id} in the {part} part")]
    MissingClip {
        /// Its identifier.
        id: String,
        /// "train", "validation" or "test".
        part: &'static str,
    },
}

impl Split {
    /// The split by identifiers; `ids` are those of the clips that were split, in the same order.
    ///
    /// # Errors
    ///
    /// [`SplitError::Length`], if there are fewer identifiers than clips.
    pub fn ids<S: AsRef<str>>(&self, ids: &[S]) -> Result<SplitIds, SplitError> {
        let part = |positions: &[usize]| -> Result<Vec<String>, SplitError> {
            let id = |&at: &usize| {
                let id = ids.get(at).map(|id| id.as_ref().to_string());
                id.ok_or(SplitError::Length { what: "identifiers", given: ids.len(), clips: at + 1 })
            };
            positions.iter().map(id).collect()
        };
        Ok(SplitIds {
            train: part(&self.train)?,
            validation: part(&self.validation)?,
            test: part(&self.test)?,
        })
    }

    /// Splits by the part of each clip; clips of `None` are in no part.
    fn from_parts(parts: &[Option<Part>]) -> Self {
        let of = |part| (0..parts.len()).filter(|&at| parts[at] == Some(part)).collect();
        Self { train: of(Part::Train), validation: of(Part::Validation), test: of(Part::Test) }
    }

    /// Refuses empty parts; without `with_validation` the validation part may be empty.
    fn filled(self, with_validation: bool, reason: impl Fn() -> String) -> Result<Self, SplitError> {
        let parts = [
            ("train", &self.train, true),
            ("validation", &self.validation, with_validation),
            ("test", &self.test, true),
        ];
        match parts.iter().find(|(_, part, wanted)| *wanted && part.is_empty()) {
            Some((part, ..)) => Err(SplitError::EmptyPart { part, reason: reason() }),
            None => Ok(self),
        }
    }
}

impl SplitIds {
    /// Finds the positions of the clips in `ids` by their identifiers. They are in the order of the split's identifiers, so not ascending
    /// if `ids` has another order. `ids` may hold more clips than the split; of equal ids the last counts.
    ///
    /// # Errors
    ///
    /// [`SplitError::MissingClip`] names the first clip that is not among `ids`.
    pub fn find<S: AsRef<str>>(&self, ids: &[S]) -> Result<Split, SplitError> {
        let positions: std::collections::HashMap<&str, usize> =
            ids.iter().enumerate().map(|(at, id)| (id.as_ref(), at)).collect();
        let part = |part: &'static str, wanted: &[String]| -> Result<Vec<usize>, SplitError> {
            let find = |id: &String| {
                let found = positions.get(id.as_str()).copied();
                found.ok_or_else(|| SplitError::MissingClip { id: id.clone(), part })
            };
            wanted.iter().map(find).collect()
        };
        Ok(Split {
            train: part("train", &self.train)?,
            validation: part("validation", &self.validation)?,
            test: part("test", &self.test)?,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Train,
    Validation,
    Test,
}

fn check_length(what: &'static str, given: usize, clips: usize) -> Result<(), SplitError> {
    if given == clips { Ok(()) } else { Err(SplitError::Length { what, given, clips }) }
}
