//! Opens the model for recognition: one of the two bundled models, or a file.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use ser_models::encoder::{EncoderBlocks, WhisperEncoder};
use ser_models::{Checkpoint, Recognizer, VoiceProfile};
use serde::Serialize;

use crate::assets;

/// Command-line options that name the model.
#[derive(Args, Debug, Clone, Default)]
pub struct ModelArguments {
    /// Model that recognises moods: `voices`, `small`, or the file of a checkpoint that `train` wrote. `voices` was trained on three
    /// languages and uses Whisper's encoder. `small` was trained on studio recordings of English actors: it is faster for single clips and
    /// less accurate for unseen voices [default: voices].
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// File of the encoder, if the model was trained with an encoder other than the bundled one.
    #[arg(long, value_name = "FILE", requires = "model")]
    encoder: Option<PathBuf>,
    /// Voice profile of the only speaker in the recordings, as `recognize --learn-voice` writes it. Needs a model that reads the
    /// statistics of an encoder, such as `voices`.
    #[arg(long, value_name = "JSON")]
    profile: Option<PathBuf>,
}

/// A model from which recognisers are created. They share its weights.
#[derive(Debug)]
pub struct Model {
    name: String,
    id: ModelId,
    recognizer: Recognizer,
}

/// Identifies a model in output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelId {
    /// Name of a bundled model, or path of a file.
    pub name: String,
    /// Kind of the network.
    pub architecture: &'static str,
    /// Digest of the model, [`Recognizer::digest`].
    pub digest: String,
}

impl ModelArguments {
    /// Returns the options of a command line that names only this model.
    pub fn of(model: PathBuf) -> Self {
        Self { model: Some(model), ..Self::default() }
    }

    /// Returns a short name: that of a bundled model, or the file name without folder and extension.
    pub fn short_name(&self) -> String {
        let stem = self.model.as_deref().and_then(Path::file_stem);
        stem.map_or_else(|| "voices".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }

    /// Reads the model, and the encoder that it needs.
    ///
    /// # Errors
    /// If a file cannot be read, or the encoder is not the one that the model was trained with.
    pub fn open(&self) -> anyhow::Result<Model> {
        let path = self.model.as_deref().unwrap_or(Path::new("voices"));
        let short = path.display().to_string();
        let (name, checkpoint) = match &*short {
            "voices" => bundled(&short, assets::VOICES)?,
            "small" => bundled(&short, assets::SMALL)?,
            _ => (short.clone(), Checkpoint::load(path)?),
        };
        let encoder = match (&self.encoder, checkpoint.architecture.encoder_blocks()) {
            (None, None) => None,
            // If the model reads no encoder, `recognizer` below returns the error.
            (path, blocks) => Some(encoder(path.as_deref(), blocks.unwrap_or(1))?),
        };
        let profile = self.profile.as_ref().map(VoiceProfile::load).transpose()?;
        let recognizer = recognizer(&checkpoint, encoder, profile.as_ref()).with_context(|| name.clone())?;
        let (architecture, digest) = (recognizer.architecture().name(), recognizer.digest().to_owned());
        Ok(Model { name, id: ModelId { name: short, architecture, digest }, recognizer })
    }
}

/// Reads the first `blocks` blocks of an encoder from a file, or of the bundled encoder.
///
/// # Errors
/// If the file cannot be read, is not an encoder, or has fewer blocks.
pub fn encoder(file: Option<&Path>, blocks: usize) -> anyhow::Result<Arc<WhisperEncoder>> {
    let encoder = match file {
        Some(path) => WhisperEncoder::load(path, blocks)?,
        None => WhisperEncoder::from_bytes(assets::ENCODER, blocks)?,
    };
    Ok(Arc::new(encoder))
}

/// Reads the blocks of an encoder that are to be trained from a file, or of the bundled encoder. Blocks are counted from 0.
///
/// # Errors
/// As [`encoder`].
pub fn encoder_blocks(file: Option<&Path>, numbers: Range<usize>) -> anyhow::Result<EncoderBlocks> {
    Ok(match file {
        Some(path) => EncoderBlocks::load(path, numbers)?,
        None => EncoderBlocks::from_bytes(assets::ENCODER, numbers)?,
    })
}

/// Reads a bundled model. Returns its name in messages and its checkpoint.
fn bundled(name: &str, bytes: &[u8]) -> anyhow::Result<(String, Checkpoint)> {
    Ok((format!("the bundled model `{name}`"), Checkpoint::from_bytes(bytes)?))
}

impl Model {
    /// Returns the name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the identification of the model for output.
    pub fn id(&self) -> &ModelId {
        &self.id
    }

    /// Creates a recogniser with this model.
    ///
    /// # Errors
    /// If the transforms of the model's features cannot be planned.
    pub fn recognizer(&self) -> anyhow::Result<Recognizer> {
        self.recognizer.try_clone().with_context(|| self.name.clone())
    }
}

/// Creates a recogniser with the model of a checkpoint, the encoder that the model reads, and a voice profile.
fn recognizer(
    checkpoint: &Checkpoint,
    encoder: Option<Arc<WhisperEncoder>>,
    profile: Option<&VoiceProfile>,
) -> anyhow::Result<Recognizer> {
    let recognizer = match encoder {
        Some(encoder) => Recognizer::with_encoder(checkpoint, encoder),
        None => Recognizer::new(checkpoint),
    }?;
    Ok(match profile {
        Some(profile) => recognizer.with_profile(profile)?,
        None => recognizer,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn bundled_models_tell_the_moods() {
        for name in [None, Some("voices"), Some("small")] {
            let arguments = name.map_or_else(ModelArguments::default, |name| ModelArguments::of(name.into()));
            assert_eq!(arguments.short_name(), name.unwrap_or("voices"));
            let model = arguments.open().unwrap();
            let recognizer = model.recognizer().unwrap();
            let ModelId { name: known, architecture, digest } = model.id();
            assert_eq!((&**known, *architecture), (name.unwrap_or("voices"), "ensemble"));
            assert_eq!(digest, recognizer.digest());
            assert_eq!(recognizer.labels(), ["Calm", "Happy", "Sad", "Energetic"], "{name:?}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_said() {
        let message = |model: &str, encoder: Option<&str>| {
            let encoder = encoder.map(PathBuf::from);
            let opened = ModelArguments { model: Some(model.into()), encoder, profile: None }.open();
            format!("{:#}", opened.map(|_| ()).unwrap_err())
        };
        assert!(message("there/is/none", None).starts_with("there/is/none: "));
        assert!(message("small", Some("there/is/none")).starts_with("there/is/none"));
        let encoder = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(encoder.path(), assets::ENCODER).unwrap();
        let error = message("small", encoder.path().to_str());
        assert!(error.contains("encoder must be none because the network reads features"), "{error}");
    }
}
