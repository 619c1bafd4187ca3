//! The fields of a RAVDESS file name, but for the emotion.

use crate::labels::field;

field! {
    /// Content of a recording's file.
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
    /// Strength of the played emotion.
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
