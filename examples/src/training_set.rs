//! RAVDESS as a set that a trainer takes: [`Corpus`] and [`Dataset`] put together, with progress bars.

use std::path::{Path, PathBuf};

use ser_data::{
    Corpus, CorpusError, CorpusOptions, CorpusStage, LabelSet, Progress, Shares, Split, SplitError, SplitIds,
    stratified,
};
use ser_features::{FeatureConfig, PreparationConfig};
use ser_models::input::{InputError, ModelInput};
use ser_models::layers::Padded;
use ser_models::training::Dataset;
use ser_models::{CheckpointSource, Recipe};

use crate::progress;

/// The name of [`TrainingSet::split`] in checkpoints and tables.
pub const PROTOCOL: &str = "stratified 80/20";

/// The clips of RAVDESS as a trainer takes them.
pub struct TrainingSet {
    /// Inputs, labels and ids of all clips, in the order of the ids.
    pub dataset: Dataset,
    /// Byte-identical clips share a number.
    pub groups: Vec<usize>,
    /// The speaker of each clip.
    pub actors: Vec<u8>,
    preparation: PreparationConfig,
    features: FeatureConfig,
}

impl TrainingSet {
    /// Reads all clips of a folder or ZIP archive. `input` is what a network reads of a clip's features. Clips that were left out
    /// are reported on standard error.
    ///
    /// # Errors
    /// If the folder or a clip cannot be used, by its name.
    pub fn load(data: &Path, options: &CorpusOptions, input: ModelInput) -> anyhow::Result<Self> {
        Self::read(options, input, |progress, keep| Corpus::load(data, options, progress, keep))
    }

    /// Reads the clips with these ids alone.
    ///
    /// # Errors
    /// As [`TrainingSet::load`]; a missing clip is named.
    pub fn load_clips(
        data: &Path,
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
        for skipped in &corpus.skipped {
            eprintln!("skipped: {skipped}");
        }
        let Corpus { features, ids, labels, label_names, groups, actors, audio, .. } = corpus.transpose()?;
        let mut dataset = Dataset::of_clips(input, features, labels, label_names, ids)?;
        let CorpusOptions { preparation, features, .. } = options.clone();
        if let Some(samples) = audio {
            dataset = dataset.with_audio(samples, preparation.clone(), features.clone())?;
        }
        Ok(Self { dataset, groups, actors, preparation, features })
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
        skip_bad: false,
    })
}
