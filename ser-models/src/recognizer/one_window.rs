//! Recognition of one window of a recording.

use super::RecognizeError;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::classifier::{Classifier, ClassifyError};
use crate::encoder::WhisperEncoder;
use crate::input::{ClipEncoder, ClipEncoderError, InputError, ModelInput};
use crate::layer::{Padded, elements};
use crate::profile::{ProfileError, VoiceProfile};
use crate::recording::Recognition;
use ndarray::{Array2, ArrayView2};
use ser_features::{
    ConfigError, FeatureConfig, FeatureExtractor, Preparation, PreparationConfig, check_speech,
};
use std::sync::Arc;

/// Recognises one window. It has its own plans of the transforms and shares its model with its clones.
pub(super) struct WindowRecognizer {
    preparation: Preparation,
    front: Front,
    classifier: Arc<Classifier>,
    /// The model before any voice profile is applied.
    original: Arc<Classifier>,
    confidence: f64,
}

/// Computes the model's input from a prepared clip.
enum Front {
    Features(Box<FeatureExtractor>),
    Encoder(Box<EncoderFront>),
}

/// An encoder, and the resampling to its rate.
struct EncoderFront {
    clips: ClipEncoder,
    encoder: Arc<WhisperEncoder>,
    resampling: Preparation,
}

impl Front {
    fn features(config: FeatureConfig) -> Result<Self, ConfigError> {
        Ok(Self::Features(Box::new(FeatureExtractor::new(config)?)))
    }

    fn with_encoder(encoder: Arc<WhisperEncoder>) -> Result<Self, ConfigError> {
        let clips = ClipEncoder::new(Arc::clone(&encoder))?;
        let resampling = Preparation::new(PreparationConfig::raw(ClipEncoder::SAMPLE_RATE))?;
        Ok(Self::Encoder(Box::new(EncoderFront { clips, encoder, resampling })))
    }

    /// Returns a copy with its own plans.
    fn try_clone(&self) -> Result<Self, ConfigError> {
        match self {
            Self::Features(extractor) => Self::features(extractor.config().clone()),
            Self::Encoder(front) => Self::with_encoder(Arc::clone(&front.encoder)),
        }
    }

    /// Returns the encoder, or an error if the model reads features.
    fn encoder(&mut self) -> Result<&mut EncoderFront, InputError> {
        match self {
            Self::Encoder(front) => Ok(front),
            Self::Features(_) => Err(InputError::Encoder),
        }
    }
}

impl WindowRecognizer {
    /// Makes a recogniser from a checkpoint, with an encoder if and only if the model reads one.
    ///
    /// # Errors
    /// If a model that reads features gets an encoder, a model that reads an encoder gets none or another one, or a setting is out of
    /// range.
    pub(super) fn new(
        checkpoint: &Checkpoint,
        encoder: Option<Arc<WhisperEncoder>>,
        file: &str,
    ) -> Result<Self, CheckpointError> {
        checkpoint.check_encoder(encoder.as_deref(), file)?;
        let front = |cause| CheckpointError::Front { file: file.to_owned(), cause };
        let classifier = Arc::new(checkpoint.classifier()?);
        let confidence = checkpoint.readout.confidence;
        let preparation = Preparation::new(checkpoint.preparation.clone()).map_err(front)?;
        let made = match encoder {
            Some(encoder) => Front::with_encoder(encoder),
            None => Front::features(checkpoint.features.clone()),
        };
        let original = Arc::clone(&classifier);
        Ok(Self { preparation, front: made.map_err(front)?, classifier, original, confidence })
    }

    /// Returns a copy with the same model and its own plans, for another thread.
    pub(super) fn try_clone(&self) -> Result<Self, ConfigError> {
        Ok(Self {
            preparation: Preparation::new(self.preparation.config().clone())?,
            front: self.front.try_clone()?,
            classifier: Arc::clone(&self.classifier),
            original: Arc::clone(&self.original),
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

    /// Digest of the encoder's file if the model reads an encoder's statistics.
    fn encoder(&self) -> Option<&str> {
        let input = self.classifier.model().input();
        match &self.front {
            Front::Encoder(front) if matches!(input, ModelInput::Encoded { .. }) => {
                Some(front.encoder.digest())
            }
            _ => None,
        }
    }

    /// Returns the profile of the voice in a clip.
    pub(super) fn profile(
        &mut self,
        samples: &[f32],
        sample_rate: u32,
    ) -> Result<VoiceProfile, RecognizeError> {
        let Some(encoder) = self.encoder().map(str::to_owned) else {
            let expected = "one whose statistics the model reads".to_owned();
            return Err(ProfileError::Encoder { expected, given: "none".to_owned() }.into());
        };
        check_speech(samples, sample_rate)?;
        let input = self.input(samples, sample_rate)?;
        let values = elements(input.values()).and_then(|values| Ok(values.slice::<f32>()?.to_vec()));
        Ok(VoiceProfile::of_clip(&encoder, self.preparation(), values.map_err(ClipEncoderError::from)?))
    }

    /// Adapts the model to the voice of a profile.
    pub(super) fn move_to(&mut self, profile: &VoiceProfile) -> Result<(), ProfileError> {
        let numbers = self.classifier.model().input().features();
        profile.check_encoder(self.encoder(), numbers)?;
        profile.check_preparation(self.preparation())?;
        self.classifier = Arc::new(self.original.adapted_to(profile));
        Ok(())
    }

    /// Recognises the mood of a window.
    pub(super) fn recognize(
        &mut self,
        samples: &[f32],
        sample_rate: u32,
    ) -> Result<Recognition, RecognizeError> {
        check_speech(samples, sample_rate)?;
        let input = self.input(samples, sample_rate)?;
        self.answer(&input)
    }

    /// Returns the model's input for a window that can hold speech.
    pub(super) fn input(&mut self, samples: &[f32], sample_rate: u32) -> Result<Padded, RecognizeError> {
        let clip = self.preparation.process(samples, sample_rate)?;
        let input = self.classifier.model().input();
        Ok(match &mut self.front {
            Front::Features(extractor) => input.of(&extractor.extract(&clip)?)?,
            Front::Encoder(front) => front.clips.encode(&clip, input)?,
        })
    }

    /// Whether windows can share encoded frames: if the model reads an encoder, and clips of any length at the encoder's rate.
    pub(super) fn takes_frames(&self) -> bool {
        let config = self.preparation();
        matches!(self.front, Front::Encoder(_))
            && config.length.is_none()
            && config.sample_rate == ClipEncoder::SAMPLE_RATE
    }

    /// Resamples to the encoder's rate, without further preparation.
    pub(super) fn resample(&mut self, samples: &[f32], sample_rate: u32) -> Result<Vec<f32>, RecognizeError> {
        Ok(self.front.encoder()?.resampling.process(samples, sample_rate)?)
    }

    /// Returns frames [frames, outputs] of the encoder for samples at its rate.
    pub(super) fn encode(&mut self, samples: &[f32]) -> Result<Array2<f32>, RecognizeError> {
        Ok(self.front.encoder()?.clips.frames(samples)?)
    }

    /// Recognises the mood of a window from the frames within it.
    pub(super) fn recognize_frames(
        &mut self,
        frames: &[ArrayView2<'_, f32>],
    ) -> Result<Recognition, RecognizeError> {
        let input = self.classifier.model().input();
        let input = self.front.encoder()?.clips.pool(frames, input)?;
        self.answer(&input)
    }

    fn answer(&self, input: &Padded) -> Result<Recognition, RecognizeError> {
        Ok(self.recognition(&self.classifier.answer(input)?))
    }

    /// Recognises the moods of several windows in one batch.
    pub(super) fn answers(&self, inputs: &[Padded]) -> Result<Vec<Recognition>, RecognizeError> {
        let Some(batch) = Padded::together(inputs).map_err(ClassifyError::from)? else {
            return Ok(Vec::new());
        };
        let probabilities = self.classifier.answer(&batch)?;
        Ok(probabilities.chunks(self.classifier.labels().len()).map(|p| self.recognition(p)).collect())
    }

    fn recognition(&self, probabilities: &[f32]) -> Recognition {
        let labels = self.classifier.labels().iter().cloned();
        Recognition::new(labels.zip(probabilities.iter().copied()).collect(), self.confidence)
    }
}
