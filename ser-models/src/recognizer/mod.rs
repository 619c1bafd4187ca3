//! From a recording to its moods.

mod chunks;
mod listening;
mod one_window;

pub use listening::Listening;

use crate::checkpoint::{Checkpoint, CheckpointError, IN_MEMORY};
use crate::classifier::ClassifyError;
use crate::encoder::WhisperEncoder;
use crate::input::{ClipEncoderError, InputError, ModelInput};
use crate::models::Architecture;
use crate::profile::{ProfileError, VoiceProfile};
use crate::recording::{NotSpeech, Recognition, Timeline, TimelineConfig};
use crate::setting::SettingError;
use one_window::WindowRecognizer;
use ser_features::{ConfigError, SignalError};
use std::path::Path;
use std::sync::Arc;

/// Recognises the moods of recordings, with a model from a [`Checkpoint`].
///
/// Use one recogniser for many recordings: it owns the plans of its transforms. It can be sent to another thread. To recognise several
/// recordings at the same time, make a clone for each with [`Recognizer::try_clone`]. One long recording uses all cores.
///
/// A recording is analysed in windows as long as the clips that the model was trained on, or 3 s if it takes clips of any length (3 s for
/// both bundled models). A window ends every second ([`TimelineConfig::hop`]). Windows without speech are left out. A recording of up to
/// 30 s whose sound fits into one window is a single window. If the model reads an encoder, the encoder processes a long recording once, in
/// chunks as long as a window, and a window uses the frames within it.
pub struct Recognizer {
    one: WindowRecognizer,
    /// Copies for other threads, made when needed.
    others: Vec<WindowRecognizer>,
    config: TimelineConfig,
    origin: Arc<Origin>,
}

/// The checkpoint that a recogniser was made from.
struct Origin {
    architecture: Architecture,
    digest: String,
}

/// Length of a window in seconds for models that accept clips of any length.
const WINDOW_SECONDS: f64 = 3.0;

/// Errors of recognising a recording.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecognizeError {
    /// The recording is empty, too short, silent or not finite, or its sample rate cannot be used.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The recording has sound but no speech.
    #[error("recording: sound must hold speech, got {seconds:.1} s {reason}")]
    NoSpeech {
        /// The recording's length in seconds.
        seconds: f64,
        /// The kind of the sound.
        reason: NotSpeech,
    },
    /// The features do not fit the model's input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The encoder's outputs do not fit the model's input.
    #[error(transparent)]
    Encoder(#[from] ClipEncoderError),
    /// The model failed.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
    /// The profile does not fit the model.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

impl Recognizer {
    /// Reads a checkpoint's file. The model must read features, as the bundled `small` does (`models/moods.safetensors`). A model that reads
    /// an encoder, such as the bundled `voices`, needs [`Recognizer::with_encoder`].
    ///
    /// # Errors
    /// As [`Checkpoint::load`], and as [`Recognizer::new`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let file = path.as_ref().display().to_string();
        Self::build(&Checkpoint::load(path)?, None, &file)
    }

    /// Reads a checkpoint's bytes, e.g. of `include_bytes!`.
    ///
    /// # Errors
    /// As [`Checkpoint::load`], and as [`Recognizer::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::new(&Checkpoint::from_bytes(bytes)?)
    }

    /// Makes a recogniser with the model of a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError::Front`] if a setting of its preparation or features is out of range; [`CheckpointError::Encoder`] if it reads
    /// an encoder's outputs: see [`Recognizer::with_encoder`].
    pub fn new(checkpoint: &Checkpoint) -> Result<Self, CheckpointError> {
        Self::build(checkpoint, None, IN_MEMORY)
    }

    /// Makes a recogniser with a model that reads an encoder's outputs, such as `whisper-head`, and with that encoder. Several recognisers
    /// may share one encoder.
    ///
    /// ```no_run
    /// use ser_models::encoder::WhisperEncoder;
    /// use ser_models::{Checkpoint, Recognizer};
    ///
    /// // The bundled model `voices` reads the first four blocks of its encoder.
    /// let encoder = WhisperEncoder::load("models/whisper-base-encoder.safetensors", 4)?;
    /// let recognizer = Recognizer::with_encoder(&Checkpoint::load("models/voices.safetensors")?, encoder)?;
    /// assert_eq!(recognizer.labels(), ["Calm", "Happy", "Sad", "Energetic"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Recognizer::new`]; [`CheckpointError::Encoder`] if the model reads features, or was trained with another encoder.
    pub fn with_encoder(
        checkpoint: &Checkpoint,
        encoder: impl Into<Arc<WhisperEncoder>>,
    ) -> Result<Self, CheckpointError> {
        Self::build(checkpoint, Some(encoder.into()), IN_MEMORY)
    }

    fn build(
        checkpoint: &Checkpoint,
        encoder: Option<Arc<WhisperEncoder>>,
        file: &str,
    ) -> Result<Self, CheckpointError> {
        let one = WindowRecognizer::new(checkpoint, encoder, file)?;
        let architecture = checkpoint.architecture.clone();
        let origin = Arc::new(Origin { architecture, digest: checkpoint.digest()? });
        Ok(Self { one, others: Vec::new(), config: TimelineConfig::default(), origin })
    }

    /// Returns a clone with the same model, encoder, profile and settings, e.g. for another thread. Both share the weights, but the clone
    /// has its own plans of the transforms.
    ///
    /// # Errors
    /// If the transforms cannot be planned again.
    pub fn try_clone(&self) -> Result<Self, ConfigError> {
        let (one, origin) = (self.one.try_clone()?, Arc::clone(&self.origin));
        Ok(Self { one, others: Vec::new(), config: self.config.clone(), origin })
    }

    /// Changes the settings of the analysis.
    ///
    /// # Errors
    /// [`SettingError`] if a setting is out of range.
    pub fn with_config(self, config: TimelineConfig) -> Result<Self, SettingError> {
        config.check()?;
        Ok(Self { config, ..self })
    }

    /// Returns a profile of the voice in a clip of speech: mono samples within ±1 at `sample_rate` Hz, a sentence or longer. Combine the
    /// profiles of five clips with [`VoiceProfile::and`]. The moods of the clips need not be known, but should differ.
    ///
    /// # Errors
    /// [`RecognizeError::Profile`] if the model does not read an encoder's statistics, [`RecognizeError::Signal`] if the clip cannot hold
    /// speech.
    pub fn profile(&mut self, samples: &[f32], sample_rate: u32) -> Result<VoiceProfile, RecognizeError> {
        self.one.profile(samples, sample_rate)
    }

    /// Adapts the recogniser to a voice: shifts the mean by which the encoder's statistics are normalised towards this voice's, by n / (n +
    /// 5) of the difference for a profile of n clips. Use it for recordings of this voice only. A new profile replaces the previous one.
    ///
    /// # Errors
    /// [`ProfileError::Encoder`] if the model does not read the statistics of the encoder that the profile was made with,
    /// [`ProfileError::Preparation`] if it prepares clips in another way than the model that made the profile.
    pub fn with_profile(mut self, profile: &VoiceProfile) -> Result<Self, ProfileError> {
        self.one.move_to(profile)?;
        self.others.clear();
        Ok(self)
    }

    /// The settings of the analysis.
    pub fn config(&self) -> &TimelineConfig {
        &self.config
    }

    /// The network and its sizes.
    pub fn architecture(&self) -> &Architecture {
        &self.origin.architecture
    }

    /// Digest of the model's checkpoint ([`Checkpoint::digest`]), which identifies the model. A voice profile does not change it.
    pub fn digest(&self) -> &str {
        &self.origin.digest
    }

    /// The names of the classes, in the order of the probabilities.
    pub fn labels(&self) -> &[String] {
        self.one.classifier().labels()
    }

    /// Length of a window in seconds: that of the model's clips, or 3 s if the model accepts clips of any length. If the model reads an
    /// encoder's frames, a window is no longer than these.
    pub fn window_seconds(&self) -> f64 {
        let preparation = self.one.preparation();
        let clip = preparation.length.map(|length| length as f64 / f64::from(preparation.sample_rate));
        let ModelInput::EncodedFrames { frames, .. } = self.one.classifier().model().input() else {
            return clip.unwrap_or(WINDOW_SECONDS);
        };
        clip.unwrap_or(WINDOW_SECONDS).min(frames as f64 * WhisperEncoder::FRAME_SECONDS)
    }

    /// Recognises the mood of a whole recording: mono samples within ±1 at `sample_rate` Hz, of any length. Returns [`Timeline::overall`]
    /// of [`Recognizer::timeline`].
    ///
    /// # Errors
    /// As [`Recognizer::timeline`].
    pub fn recognize(&mut self, samples: &[f32], sample_rate: u32) -> Result<Recognition, RecognizeError> {
        Ok(self.timeline(samples, sample_rate)?.overall)
    }

    /// Recognises the moods of a recording from its start to its end: mono samples within ±1 at `sample_rate` Hz, of any length.
    ///
    /// # Errors
    /// [`RecognizeError::Signal`] if the recording cannot hold speech ([`check_speech`](ser_features::check_speech) has the limits) or the
    /// rate cannot be used; [`RecognizeError::NoSpeech`] if nothing in it sounds like speech; [`RecognizeError::Classify`],
    /// [`RecognizeError::Input`] or [`RecognizeError::Encoder`] if the model fails.
    pub fn timeline(&mut self, samples: &[f32], sample_rate: u32) -> Result<Timeline, RecognizeError> {
        let mut listening = self.listen(sample_rate)?;
        listening.push(samples)?;
        listening.finish()
    }

    /// Starts the recognition of a recording that arrives in pieces, e.g. of a file that is decoded as it is read.
    ///
    /// # Errors
    /// [`RecognizeError::Signal`] if the rate is not supported.
    pub fn listen(&mut self, sample_rate: u32) -> Result<Listening<'_>, RecognizeError> {
        Listening::new(self, sample_rate)
    }

    /// Recognises the mood of one window. Does not check whether the samples are speech.
    ///
    /// If the checkpoint's preparation has a length, the samples are brought to it after trimming: cut or padded with zeros, at the end or
    /// on both sides ([`PreparationConfig::alignment`](ser_features::PreparationConfig::alignment)). If it has none, models of feature
    /// vectors and images read all samples, and models of sequences read the first frames up to their maximum; a shorter window is padded,
    /// and they don't read the padding.
    ///
    /// # Errors
    /// [`RecognizeError::Signal`] if the samples cannot hold speech ([`check_speech`](ser_features::check_speech) has the limits) or the
    /// rate cannot be used; [`RecognizeError::Classify`], [`RecognizeError::Input`] or [`RecognizeError::Encoder`] if the model fails.
    pub fn recognize_window(
        &mut self,
        samples: &[f32],
        sample_rate: u32,
    ) -> Result<Recognition, RecognizeError> {
        self.one.recognize(samples, sample_rate)
    }
}

impl std::fmt::Debug for Recognizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recognizer").field("classifier", self.one.classifier()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recogniser_tells_its_model_by_the_digest_of_the_file() {
        for bytes in [
            &include_bytes!("../../../models/moods.safetensors")[..],
            include_bytes!("../../../models/voices.safetensors"),
        ] {
            let checkpoint = Checkpoint::from_bytes(bytes).unwrap();
            let encoder = checkpoint.architecture.encoder_blocks().map(|blocks| {
                let file = include_bytes!("../../../models/whisper-base-encoder.safetensors");
                Arc::new(WhisperEncoder::from_bytes(file, blocks).unwrap())
            });
            let recognizer = Recognizer::build(&checkpoint, encoder, IN_MEMORY).unwrap();
            assert_eq!(recognizer.architecture(), &checkpoint.architecture);
            assert_eq!(
                recognizer.digest(),
                format!("{:032x}", twox_hash::XxHash3_128::oneshot(bytes)),
                "a bundled file is written again as it is"
            );
        }
    }

    #[test]
    fn clones_share_their_weights() {
        let recognizer = Recognizer::from_bytes(include_bytes!("../../../models/moods.safetensors")).unwrap();
        let clone = recognizer.try_clone().unwrap();
        assert!(std::ptr::eq(recognizer.one.classifier(), clone.one.classifier()));
        assert_eq!(clone.digest(), recognizer.digest());
    }
}
