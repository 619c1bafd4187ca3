//! What the encoder hears of labelled speech.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use rayon::prelude::*;
use ser_data::{Clip, Corpus, CorpusOptions, LabelSet, Source};
use ser_features::Preparation;
use ser_models::Recipe;
use ser_models::encoder::WhisperEncoder;
use ser_models::input::Ear;
use ser_models::training::{EncodedClips, EncodingConfig};

use crate::experiments::Disturbance;

/// Changed copies of each clip that are encoded beside the clean one.
const COPIES: usize = 2;

/// The clips of some corpora, and what the encoder heard of them.
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
}

impl VoiceClips {
    /// Reads and encodes the clips of these sources, or takes what the encoder heard from `cache` where that was made of the same
    /// clips in the same way.
    ///
    /// # Errors
    /// If a clip cannot be read or encoded, or the encoder does not fit the recipe.
    pub fn load(
        sources: &[Source],
        recipe: &Recipe,
        encoder: &Arc<WhisperEncoder>,
        cache: &Path,
    ) -> anyhow::Result<Self> {
        let options = CorpusOptions {
            labels: LabelSet::Emotions,
            preparation: recipe.preparation.clone(),
            features: Ear::features(),
            audio: true,
            ..CorpusOptions::default()
        };
        let corpus = Corpus::load(sources, &options, |_, _| (), |_| ())?;
        let config = EncodingConfig::with_copies(recipe.preparation.clone(), COPIES);
        let samples = corpus.audio.as_deref().context("samples were asked for")?;
        let encoded = EncodedClips::kept(cache, encoder, config, corpus.ids(), samples)?;
        ensure!(encoded.input() == recipe.architecture.input(), "the head does not fit the encoder");
        let Corpus { clips, labels, label_names, groups, .. } = corpus;
        Ok(Self { clips, labels, label_names, groups, encoded })
    }

    /// The corpus of each clip.
    pub fn corpora(&self) -> Vec<&str> {
        self.clips.iter().map(|clip| clip.corpus.as_str()).collect()
    }

    /// What the encoder hears of these clips after a disturbance.
    ///
    /// # Errors
    /// If a clip cannot be read, a program is missing, or the encoder fails.
    pub fn disturbed(
        &self,
        places: &[usize],
        preparation: &ser_features::PreparationConfig,
        encoder: &Arc<WhisperEncoder>,
        way: Disturbance,
    ) -> anyhow::Result<EncodedClips> {
        let prepare = |&at: &usize| -> anyhow::Result<Vec<f32>> {
            let audio = self.clips[at].read()?;
            let (samples, rate) = way
                .apply(&audio.to_mono()?, audio.sample_rate, at as u64)?
                .context("a program is missing")?;
            Ok(Preparation::new(preparation.clone())?.process(&samples, rate)?)
        };
        let samples = places.par_iter().map(prepare).collect::<anyhow::Result<Vec<_>>>()?;
        let config = EncodingConfig { preparation: preparation.clone(), ..EncodingConfig::default() };
        let ids = places.iter().map(|&at| self.clips[at].id.clone()).collect();
        Ok(EncodedClips::new(encoder, config, ids, &samples)?)
    }
}
