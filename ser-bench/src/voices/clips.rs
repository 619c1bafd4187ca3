//! Outputs of the encoder for labelled speech.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use rayon::prelude::*;
use ser_data::{Clip, Corpus, CorpusOptions, LabelMap, LabelSet, Source};
use ser_examples::training_set::note_found;
use ser_features::{Preparation, PreparationConfig};
use ser_models::Recipe;
use ser_models::encoder::WhisperEncoder;
use ser_models::input::ClipEncoder;
use ser_models::training::{EncodedClips, EncodingConfig};

use crate::experiments::Disturbance;

/// The clips of some corpora, and the encoder's outputs for them.
#[derive(Debug)]
pub struct VoiceClips {
    /// The clips.
    pub clips: Vec<Clip>,
    /// The emotion of each, an index into `label_names`.
    pub labels: Vec<usize>,
    /// The emotions.
    pub label_names: Vec<String>,
    /// Clips that hold the same samples have the same number.
    pub groups: Vec<usize>,
    /// Statistics of the encoder's outputs, clean and in changed copies.
    pub encoded: EncodedClips,
    /// The file that keeps them from run to run.
    cache: PathBuf,
}

impl VoiceClips {
    /// Changed copies of each clip that are encoded beside the clean one, by default.
    pub const COPIES: usize = 2;

    /// Reads the clips of these sources and encodes each, with `copies` augmented copies, unless `cache` holds its outputs. Copies are
    /// augmented by the recipe's audio augmentation; if that is off, as [`EncodingConfig::with_copies`] does. The clips that were found and
    /// left out are reported on standard error. `label_map` gives the emotions of the labels.
    ///
    /// # Errors
    /// If a clip cannot be read or encoded, or the encoder does not fit the recipe.
    pub fn load(
        sources: &[Source],
        label_map: LabelMap,
        recipe: &Recipe,
        encoder: &Arc<WhisperEncoder>,
        cache: &Path,
        copies: usize,
    ) -> anyhow::Result<Self> {
        let options = CorpusOptions {
            labels: LabelSet::Emotions,
            label_map,
            // Copies are changed before they are prepared.
            preparation: PreparationConfig::raw(ClipEncoder::SAMPLE_RATE),
            features: ClipEncoder::features(encoder.n_mels()),
            audio: true,
            ..CorpusOptions::default()
        };
        let corpus = Corpus::load(sources, &options, |_, _| (), |_| ())?;
        note_found(&corpus);
        let mut config = EncodingConfig::with_copies(recipe.preparation.clone(), copies);
        if recipe.training.augmentation.audio.is_on() {
            config.augmentation = recipe.training.augmentation.audio;
        }
        let samples =
            corpus.audio.as_deref().context("corpus: samples must be kept with the clips, got none")?;
        let encoded = EncodedClips::kept(cache, encoder, config, corpus.ids(), samples)?;
        let (reads, given) = (recipe.architecture.input(), encoded.input());
        ensure!(
            given == reads,
            "encoder: statistics must be as the head reads them, of shape {:?}, got {:?}",
            reads.shape(),
            given.shape()
        );
        let Corpus { clips, labels, label_names, groups, .. } = corpus;
        Ok(Self { clips, labels, label_names, groups, encoded, cache: cache.to_owned() })
    }

    /// The folder of the heads that were trained on them: beside the file of the encoder's outputs.
    pub(super) fn heads(&self) -> PathBuf {
        self.cache.with_extension("heads")
    }

    /// The corpus of each clip.
    pub fn corpora(&self) -> Vec<&str> {
        self.clips.iter().map(|clip| clip.corpus.as_str()).collect()
    }

    /// Outputs of the encoder for other recordings at [`ClipEncoder::SAMPLE_RATE`] that are not prepared yet, clean, kept in the same file.
    ///
    /// # Errors
    /// If one cannot be encoded, or the file cannot be read or written.
    pub fn encode(
        &self,
        encoder: &Arc<WhisperEncoder>,
        ids: Vec<String>,
        samples: &[Vec<f32>],
    ) -> anyhow::Result<EncodedClips> {
        let preparation = self.encoded.config().preparation.clone();
        let config = EncodingConfig { preparation, ..EncodingConfig::default() };
        Ok(EncodedClips::kept(&self.cache, encoder, config, ids, samples)?)
    }

    /// Outputs of the encoder for these clips after a disturbance, kept in a file of their own.
    ///
    /// # Errors
    /// If a clip cannot be read, a program is missing, or the encoder fails.
    pub fn disturbed(
        &self,
        places: &[usize],
        preparation: &PreparationConfig,
        encoder: &Arc<WhisperEncoder>,
        way: Disturbance,
    ) -> anyhow::Result<EncodedClips> {
        let prepare = |&at: &usize| -> anyhow::Result<Vec<f32>> {
            let audio = self.clips[at].read()?;
            let (samples, rate) = way
                .apply(&audio.to_mono()?, audio.sample_rate, at as u64)?
                .with_context(|| way.missing_program())?;
            Ok(Preparation::new(PreparationConfig::raw(ClipEncoder::SAMPLE_RATE))?.process(&samples, rate)?)
        };
        let samples = places.par_iter().map(prepare).collect::<anyhow::Result<Vec<_>>>()?;
        let config = EncodingConfig { preparation: preparation.clone(), ..EncodingConfig::default() };
        let ids = places.iter().map(|&at| self.clips[at].id.clone()).collect();
        let cache = self.cache.with_extension(format!("{}.safetensors", way.name()));
        Ok(EncodedClips::kept(cache, encoder, config, ids, &samples)?)
    }
}
