//! From a recording to a mood.

use crate::checkpoint::{Checkpoint, CheckpointError, IN_MEMORY};
use crate::classifier::{Classifier, ClassifyError};
use crate::input::InputError;
use ser_features::{FeatureExtractor, Preparation, SignalError, check_speech};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Recognises the mood of recordings, with a model from a [`Checkpoint`].
///
/// Made once and used for many clips: it owns the plans of its transforms. It can be sent to another thread; for
/// several threads, make one each.
pub struct Recognizer {
    preparation: Preparation,
    extractor: FeatureExtractor,
    classifier: Classifier,
}

/// What a recording sounds like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recognition {
    /// The most probable class.
    pub label: String,
    /// Every class with its probability, in the checkpoint's order; they sum to 1.
    pub probabilities: Vec<(String, f32)>,
}

/// A part of the way from a recording to a mood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Samples are brought to the model's rate, trimmed, normalised and brought to one length.
    Preparation,
    /// Features are taken.
    Features,
    /// The network answers.
    Model,
}

/// Why a recording was not recognised.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecognizeError {
    /// The recording holds no speech: it is empty, too short, silent or not finite, or its sample rate cannot be used.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The features do not give the model's input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The model does not answer.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
}

impl Recognizer {
    /// Reads a checkpoint's file.
    ///
    /// # Errors
    /// As [`Checkpoint::load`], and as [`Recognizer::new`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let file = path.as_ref().display().to_string();
        Self::build(&Checkpoint::load(path)?, &file)
    }

    /// Reads a checkpoint's bytes, e.g. of `include_bytes!`.
    ///
    /// # Errors
    /// As [`Checkpoint::load`], and as [`Recognizer::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::new(&Checkpoint::from_bytes(bytes)?)
    }

    /// With the model of a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError::Front`] if a setting of its preparation or features is out of range.
    pub fn new(checkpoint: &Checkpoint) -> Result<Self, CheckpointError> {
        Self::build(checkpoint, IN_MEMORY)
    }

    fn build(checkpoint: &Checkpoint, file: &str) -> Result<Self, CheckpointError> {
        let front = |cause| CheckpointError::Front { file: file.to_owned(), cause };
        Ok(Self {
            preparation: Preparation::new(checkpoint.preparation.clone()).map_err(front)?,
            extractor: FeatureExtractor::new(checkpoint.features.clone()).map_err(front)?,
            classifier: checkpoint.classifier()?,
        })
    }

    /// The names of the classes, in the order of the probabilities.
    pub fn labels(&self) -> &[String] {
        self.classifier.labels()
    }

    /// The mood of a recording: mono samples within ±1 at `sample_rate` Hz, of any length.
    ///
    /// The recording is first brought to the length of the checkpoint's preparation (the end is cut, or zeros follow), where it
    /// has one. Where it has none, models of feature vectors and images hear all of it, and models of sequences as many frames
    /// as they take, from the first on; what a shorter recording lacks is padding that they don't read.
    ///
    /// # Errors
    /// [`RecognizeError::Signal`] if the recording cannot hold speech ([`check_speech`] has the limits) or the rate cannot be
    /// used.
    pub fn recognize(&mut self, samples: &[f32], sample_rate: u32) -> Result<Recognition, RecognizeError> {
        self.recognize_by_stages(samples, sample_rate, |_| {})
    }

    /// The same, and `done` is called as each stage ends, e.g. to time them.
    ///
    /// # Errors
    /// As [`Recognizer::recognize`]; the stages that follow the one which fails are not told.
    pub fn recognize_by_stages(
        &mut self,
        samples: &[f32],
        sample_rate: u32,
        mut done: impl FnMut(Stage),
    ) -> Result<Recognition, RecognizeError> {
        check_speech(samples, sample_rate)?;
        let clip = self.preparation.process(samples, sample_rate)?;
        done(Stage::Preparation);
        let features = self.extractor.extract(&clip)?;
        done(Stage::Features);
        let input = self.classifier.model().input();
        let probabilities = self.classifier.answer(&input.of(&features)?)?;
        let probabilities: Vec<(String, f32)> = self.labels().iter().cloned().zip(probabilities).collect();
        done(Stage::Model);
        let best = probabilities.iter().fold(&probabilities[0], |a, b| if b.1 > a.1 { b } else { a });
        Ok(Recognition { label: best.0.clone(), probabilities })
    }
}

impl std::fmt::Debug for Recognizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recognizer").field("classifier", &self.classifier).finish_non_exhaustive()
    }
}
