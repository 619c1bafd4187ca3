//! From one window of a recording to a mood.

use super::RecognizeError;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::classifier::Classifier;
use crate::recording::Recognition;
use ser_features::{FeatureConfig, FeatureExtractor, Preparation, PreparationConfig, check_speech};
use std::sync::Arc;

/// Recognises one window: the plans of its features, and a model that several of these share.
pub(super) struct WindowRecognizer {
    preparation: Preparation,
    extractor: FeatureExtractor,
    classifier: Arc<Classifier>,
    confidence: f64,
}

impl WindowRecognizer {
    pub(super) fn new(checkpoint: &Checkpoint, file: &str) -> Result<Self, CheckpointError> {
        let classifier = Arc::new(checkpoint.classifier()?);
        let confidence = checkpoint.readout.confidence;
        Self::plan(checkpoint.preparation.clone(), checkpoint.features.clone(), classifier, confidence)
            .map_err(|cause| CheckpointError::Front { file: file.to_owned(), cause })
    }

    fn plan(
        preparation: PreparationConfig,
        features: FeatureConfig,
        classifier: Arc<Classifier>,
        confidence: f64,
    ) -> Result<Self, ser_features::ConfigError> {
        let (preparation, extractor) = (Preparation::new(preparation)?, FeatureExtractor::new(features)?);
        Ok(Self { preparation, extractor, classifier, confidence })
    }

    /// Another one with the same model and plans of its own, for another thread.
    pub(super) fn twin(&self) -> Result<Self, ser_features::ConfigError> {
        let (preparation, features) = (self.preparation.config().clone(), self.extractor.config().clone());
        Self::plan(preparation, features, Arc::clone(&self.classifier), self.confidence)
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
        let features = self.extractor.extract(&clip)?;
        let input = self.classifier.model().input();
        let probabilities = self.classifier.answer(&input.of(&features)?)?;
        let labels = self.classifier.labels().iter().cloned();
        Ok(Recognition::new(labels.zip(probabilities).collect(), self.confidence))
    }
}
