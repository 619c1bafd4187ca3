//! From one window of a recording to a mood.

use super::RecognizeError;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::classifier::Classifier;
use crate::encoder::WhisperEncoder;
use crate::input::Ear;
use crate::recording::Recognition;
use ser_features::{
    ConfigError, FeatureConfig, FeatureExtractor, Preparation, PreparationConfig, check_speech,
};
use std::sync::Arc;

/// Recognises one window: the plans of its transforms, and a model that several of these share.
pub(super) struct WindowRecognizer {
    preparation: Preparation,
    front: Front,
    classifier: Arc<Classifier>,
    confidence: f64,
}

/// What makes the model's input of a prepared clip.
enum Front {
    Features(Box<FeatureExtractor>),
    Ear(Box<Ear>, Arc<WhisperEncoder>),
}

impl Front {
    fn features(config: FeatureConfig) -> Result<Self, ConfigError> {
        Ok(Self::Features(Box::new(FeatureExtractor::new(config)?)))
    }

    fn ear(encoder: Arc<WhisperEncoder>) -> Result<Self, ConfigError> {
        Ok(Self::Ear(Box::new(Ear::new(Arc::clone(&encoder))?), encoder))
    }

    /// Another one with plans of its own.
    fn twin(&self) -> Result<Self, ConfigError> {
        match self {
            Self::Features(extractor) => Self::features(extractor.config().clone()),
            Self::Ear(_, encoder) => Self::ear(Arc::clone(encoder)),
        }
    }
}

impl WindowRecognizer {
    /// With a model that reads features, or one that reads what an encoder heard, and that encoder.
    ///
    /// # Errors
    /// If the model reads the other of both, or was trained with another encoder, or a setting is out of range.
    pub(super) fn new(
        checkpoint: &Checkpoint,
        encoder: Option<Arc<WhisperEncoder>>,
        file: &str,
    ) -> Result<Self, CheckpointError> {
        let refused = |expected: String, given: &Option<Arc<WhisperEncoder>>| CheckpointError::Encoder {
            file: file.to_owned(),
            expected,
            given: given.as_ref().map_or("none".to_owned(), |e| format!("one of SHA-256 {}", e.sha256())),
        };
        match (checkpoint.architecture.encoder(), &encoder) {
            (None, Some(_)) => return Err(refused("none, for the network reads features".into(), &encoder)),
            (Some(wanted), None) => {
                let wanted = if wanted.is_empty() { "any" } else { wanted };
                return Err(refused(format!("given, that of SHA-256 {wanted}"), &encoder));
            }
            (Some(wanted), Some(given)) if !wanted.is_empty() && wanted != given.sha256() => {
                return Err(refused(format!("that of SHA-256 {wanted}"), &encoder));
            }
            _ => {}
        }
        let front = |cause| CheckpointError::Front { file: file.to_owned(), cause };
        let classifier = Arc::new(checkpoint.classifier()?);
        let confidence = checkpoint.readout.confidence;
        let preparation = Preparation::new(checkpoint.preparation.clone()).map_err(front)?;
        let made = match encoder {
            Some(encoder) => Front::ear(encoder),
            None => Front::features(checkpoint.features.clone()),
        };
        Ok(Self { preparation, front: made.map_err(front)?, classifier, confidence })
    }

    /// Another one with the same model and plans of its own, for another thread.
    pub(super) fn twin(&self) -> Result<Self, ConfigError> {
        Ok(Self {
            preparation: Preparation::new(self.preparation.config().clone())?,
            front: self.front.twin()?,
            classifier: Arc::clone(&self.classifier),
            confidence: self.confidence,
        })
    }

    pub(super) fn preparation(&self) -> &PreparationConfig {
        self.preparation.config()
    }

    pub(super) fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    pub(super) fn confidence(&self) -> f64 {
        self.confidence
    }

    /// The mood of a window.
    pub(super) fn recognize(
        &mut self,
        samples: &[f32],
        sample_rate: u32,
    ) -> Result<Recognition, RecognizeError> {
        check_speech(samples, sample_rate)?;
        let clip = self.preparation.process(samples, sample_rate)?;
        let input = self.classifier.model().input();
        let input = match &mut self.front {
            Front::Features(extractor) => input.of(&extractor.extract(&clip)?)?,
            Front::Ear(ear, _) => ear.hear(&clip, input)?,
        };
        let probabilities = self.classifier.answer(&input)?;
        let labels = self.classifier.labels().iter().cloned();
        Ok(Recognition::new(labels.zip(probabilities).collect(), self.confidence))
    }
}
