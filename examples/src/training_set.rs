//! Labelled speech as a set that a trainer takes: [`Corpus`] and [`Dataset`] put together, with progress bars.

use std::path::PathBuf;

use ser_data::{
    Clip, Corpus, CorpusError, CorpusOptions, CorpusStage, LabelSet, Progress, Shares, Source, Split,
    SplitError, SplitIds, leave_corpus_out, speaker_shares, speakers_of, stratified,
};
use ser_features::{FeatureConfig, PreparationConfig};
use ser_models::input::{InputError, ModelInput};
use ser_models::layers::Padded;
use ser_models::training::Dataset;
use ser_models::{CheckpointSource, Recipe};

use crate::{cli, progress};

/// The name of [`TrainingSet::split`] in checkpoints and tables.
pub const PROTOCOL: &str = "stratified 80/20";

/// Who may be heard in the training part and in the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voices {
    /// The same speakers, with other clips.
    Same,
    /// Other speakers: none is heard in two parts.
    Other,
}

/// Clips of labelled speech as a trainer takes them.
pub struct TrainingSet {
    /// Inputs, labels and ids of all clips, in the order of the ids.
    pub dataset: Dataset,
    /// Each clip: its speaker, corpus, language and file.
    pub clips: Vec<Clip>,
    /// Byte-identical clips share a number.
    pub groups: Vec<usize>,
    preparation: PreparationConfig,
    features: FeatureConfig,
}

impl TrainingSet {
    /// Reads all clips of folders, archives and tables. `input` is what a network reads of a clip's features. What names told, and clips
    /// that were left out, are reported on standard error.
    ///
    /// # Errors
    /// If a source or a clip cannot be used, by its name.
    pub fn load(data: &[Source], options: &CorpusOptions, input: ModelInput) -> anyhow::Result<Self> {
        Self::read(options, input, |progress, keep| Corpus::load(data, options, progress, keep))
    }

    /// Reads the clips with these ids alone.
    ///
    /// # Errors
    /// As [`TrainingSet::load`]; a missing clip is named.
    pub fn load_clips(
        data: &[Source],
        ids: &[String],
        options: &CorpusOptions,
        input: ModelInput,
    ) -> anyhow::Result<Self> {
        Self::read(options, input, |progress, keep| Corpus::load_clips(data, ids, options, progress, keep))
    }

    fn read(
        options: &CorpusOptions,
        input: ModelInput,
        load: impl FnOnce(&ProgressCall<'_>, &Keep<'_>) -> Result<Corpus<Result<Padded, InputError>>, CorpusError>,
    ) -> anyhow::Result<Self> {
        let bar = progress::bar(0, "features");
        let show = |stage, at: Progress| {
            if stage == CorpusStage::Audio {
                bar.set_prefix("clips");
            }
            bar.set_length(at.total as u64);
            bar.set_position(at.done as u64);
        };
        let loaded = load(&show, &|features| input.of(&features));
        bar.finish_and_clear();
        let corpus = loaded?;
        for source in corpus.sources.iter().filter(|source| source.detected) {
            eprintln!("{source}");
        }
        for left_out in &corpus.left_out {
            cli::note(format_args!("left out: {left_out}"));
        }
        for skipped in &corpus.skipped {
            cli::note(format_args!("skipped: {skipped}"));
        }
        let ids = corpus.ids();
        let Corpus { features, clips, labels, label_names, groups, audio, .. } = corpus.transpose()?;
        let mut dataset = Dataset::of_clips(input, features, labels, label_names, ids)?;
        let CorpusOptions { preparation, features, .. } = options.clone();
        if let Some(samples) = audio {
            dataset = dataset.with_audio(samples, preparation.clone(), features.clone())?;
        }
        Ok(Self { dataset, clips, groups, preparation, features })
    }

    /// The label of each clip by name.
    pub fn named_labels(&self) -> Vec<&str> {
        self.dataset.labels().iter().map(|label| self.dataset.label_names()[*label].as_str()).collect()
    }

    /// Four fifths of each class train, one fifth tests. `validation` is the share of all clips that is taken out of the training
    /// part to choose the epoch; with 0 the last epoch is taken.
    ///
    /// # Errors
    /// If the share is out of range, or there are too few clips.
    pub fn split(&self, validation: f64, seed: u64) -> Result<Split, SplitError> {
        stratified(&self.named_labels(), &self.groups, Shares { validation, test: 0.2 }, seed)
    }

    /// As [`TrainingSet::split`], and of other voices or with one corpus left out, which then tests alone: what it is called in
    /// checkpoints, and the split.
    ///
    /// # Errors
    /// As there, or if speakers are not known, or there is no such corpus.
    pub fn split_by(
        &self,
        voices: Voices,
        test_corpus: Option<&str>,
        validation: f64,
        seed: u64,
    ) -> anyhow::Result<(String, Split)> {
        let split = self.voices_split(voices, test_corpus, validation, seed);
        split.map_err(|error| match error {
            SplitError::SharedBySpeakers { first, second, .. }
            | SplitError::SharedByCorpora { first, second, .. } => {
                let files = [first, second].map(|at| self.clips[at].file.to_string());
                anyhow::Error::new(error).context(files.join(" and "))
            }
            error => error.into(),
        })
    }

    fn voices_split(
        &self,
        voices: Voices,
        test_corpus: Option<&str>,
        validation: f64,
        seed: u64,
    ) -> Result<(String, Split), SplitError> {
        let labels = self.named_labels();
        match (voices, test_corpus) {
            (Voices::Same, None) => Ok((PROTOCOL.to_owned(), self.split(validation, seed)?)),
            (Voices::Other, None) => {
                let shares = Shares { validation, test: 0.2 };
                let split = speaker_shares(&self.speakers()?, &self.groups, shares, seed)?;
                Ok(("speakers 80/20".to_owned(), split))
            }
            (_, Some(corpus)) => {
                let split = leave_corpus_out(&self.corpora(), &self.groups, corpus)?;
                // A speaker of the corpus that tests need not be known.
                let split = match voices {
                    Voices::Same => split.with_validation(&labels, &self.groups, validation, seed)?,
                    Voices::Other => {
                        let clips: Vec<Clip> = split.train.iter().map(|&at| self.clips[at].clone()).collect();
                        speakers_of(&clips)?;
                        let speakers: Vec<&str> = self
                            .clips
                            .iter()
                            .map(|clip| clip.speaker.as_deref().unwrap_or(&clip.id))
                            .collect();
                        split.with_validation_speakers(&speakers, validation, seed)?
                    }
                };
                Ok((format!("{corpus} left out"), split))
            }
        }
    }

    /// The speaker of each clip.
    ///
    /// # Errors
    /// The first clip whose speaker is not known, by its file.
    pub fn speakers(&self) -> Result<Vec<&str>, SplitError> {
        speakers_of(&self.clips)
    }

    /// The corpus of each clip.
    pub fn corpora(&self) -> Vec<&str> {
        self.clips.iter().map(|clip| clip.corpus.as_str()).collect()
    }

    /// What a checkpoint records of its data, so that it can be measured on its own test part and on no other.
    ///
    /// # Errors
    /// If the split is not one of these clips.
    pub fn checkpoint_source(
        &self,
        protocol: &str,
        seed: u64,
        split: &Split,
    ) -> anyhow::Result<CheckpointSource> {
        let SplitIds { test, .. } = split.ids(self.dataset.ids())?;
        Ok(CheckpointSource {
            preparation: self.preparation.clone(),
            features: self.features.clone(),
            protocol: protocol.to_string(),
            split_seed: seed,
            test,
        })
    }
}

type ProgressCall<'a> = dyn Fn(CorpusStage, Progress) + Sync + 'a;
type Keep<'a> = dyn Fn(ser_features::Features) -> Result<Padded, InputError> + Sync + 'a;

/// How a corpus must be read for a recipe; no clip may be left out.
///
/// # Errors
/// If the recipe's features do not give its network's input.
pub fn corpus_options(
    recipe: &Recipe,
    labels: LabelSet,
    cache: Option<PathBuf>,
) -> Result<CorpusOptions, InputError> {
    recipe.architecture.input().check(&recipe.features)?;
    Ok(CorpusOptions {
        labels,
        preparation: recipe.preparation.clone(),
        features: recipe.features.clone(),
        audio: recipe.training.augmentation.audio.is_on(),
        cache,
        ..CorpusOptions::default()
    })
}
