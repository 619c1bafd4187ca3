//! Command-line options of the programs that train on an encoder's outputs.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use ser_data::{LabelMap, Source};
use ser_examples::speech::Labelling;
use ser_models::Recipe;
use ser_models::encoder::WhisperEncoder;

use super::VoiceClips;

/// Labelled speech, the encoder that reads it, and where its outputs are kept.
#[derive(Debug, Args)]
pub struct VoiceOptions {
    /// Labelled speech: a folder, an archive or a table; may be given more than once. One of them is RAVDESS.
    #[arg(long, value_name = "DIR", required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    labelling: Labelling,
    /// The encoder: a safetensors file in f32, f16 or i8.
    #[arg(long, value_name = "FILE")]
    pub encoder: PathBuf,
    /// File that keeps the encoder's outputs for the next run; the folder of its name with the extension .heads keeps the trained heads.
    /// Delete both after a change of the code that makes them: they are only told apart by settings, data and ser-models' version.
    #[arg(long, value_name = "FILE")]
    cache: PathBuf,
}

impl VoiceOptions {
    /// The labelled speech.
    ///
    /// # Errors
    /// As [`Labelling::sources`].
    pub fn sources(&self) -> anyhow::Result<Vec<Source>> {
        self.labelling.sources(&self.data)
    }

    /// The map from labels to emotions.
    ///
    /// # Errors
    /// As [`Labelling::label_map`].
    pub fn label_map(&self) -> anyhow::Result<LabelMap> {
        self.labelling.label_map()
    }

    /// The first blocks of the encoder.
    ///
    /// # Errors
    /// As [`WhisperEncoder::load`].
    pub fn encoder(&self, blocks: usize) -> anyhow::Result<Arc<WhisperEncoder>> {
        Ok(Arc::new(WhisperEncoder::load(&self.encoder, blocks)?))
    }

    /// The clips, encoded.
    ///
    /// # Errors
    /// As [`VoiceOptions::sources`], [`VoiceOptions::label_map`] and [`VoiceClips::load`].
    pub fn clips(
        &self,
        recipe: &Recipe,
        encoder: &Arc<WhisperEncoder>,
        copies: usize,
    ) -> anyhow::Result<VoiceClips> {
        VoiceClips::load(&self.sources()?, self.label_map()?, recipe, encoder, &self.cache, copies)
    }
}
