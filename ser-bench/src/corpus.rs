//! RAVDESS as a set that a trainer takes: labels, features, and what splits need to know.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ser_data::{
    Clip, Emotion, ExtractConfig, MOODS, Ravdess, RavdessOptions, Split, SplitIds, extract_all,
    groups_of_identical, mood_of, prepare_all,
};
use ser_features::{FeatureConfig, PreparationConfig};
use ser_models::CheckpointSource;
use ser_models::models::ModelInput;
use ser_models::training::Dataset;

use crate::cli;

/// The classes that clips are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LabelSet {
    /// The four moods that the report maps RAVDESS's emotions to.
    Moods,
    /// RAVDESS's eight emotions.
    Emotions,
}

impl LabelSet {
    /// The names of the classes, in the order of a model's outputs.
    pub fn names(self) -> Vec<String> {
        match self {
            Self::Moods => MOODS.map(String::from).to_vec(),
            Self::Emotions => Emotion::ALL.iter().map(|emotion| emotion.as_str().to_string()).collect(),
        }
    }

    /// The set with exactly these names in this order.
    pub fn of_names(names: &[String]) -> Option<Self> {
        [Self::Moods, Self::Emotions].into_iter().find(|set| set.names() == names)
    }

    fn label(self, emotion: Emotion) -> &'static str {
        match self {
            Self::Moods => mood_of(emotion),
            Self::Emotions => emotion.as_str(),
        }
    }
}

/// The mood of each of RAVDESS's emotions, by the report's Table 2; `None` unless the labels are these emotions.
pub fn emotions_as_moods(labels: &[String]) -> Option<Vec<String>> {
    (labels == LabelSet::Emotions.names())
        .then(|| Emotion::ALL.iter().map(|emotion| mood_of(*emotion).to_string()).collect())
}

/// What to make of the clips.
#[derive(Debug, Clone)]
pub struct CorpusOptions {
    /// The classes.
    pub labels: LabelSet,
    /// How clips are prepared.
    pub preparation: PreparationConfig,
    /// Which features are taken.
    pub features: FeatureConfig,
    /// What a model is given of them.
    pub input: ModelInput,
    /// Whether the prepared clips themselves are kept, for training that changes them as sound: 380 MB for all of RAVDESS.
    pub audio: bool,
    /// Folder that keeps extracted features from run to run.
    pub cache: Option<PathBuf>,
    /// Reports clips that can't be used, on standard error, and goes on without them.
    pub skip_bad: bool,
}

impl Default for CorpusOptions {
    /// Moods from the vector of 193 features, clips prepared as the report does; nothing kept, no bad clip left out.
    fn default() -> Self {
        let features = FeatureConfig::default();
        Self {
            labels: LabelSet::Moods,
            preparation: PreparationConfig::default(),
            input: ModelInput::Vector { features: features.total_rows() },
            features,
            audio: false,
            cache: None,
            skip_bad: false,
        }
    }
}

/// The clips of RAVDESS with their features and labels.
pub struct Corpus {
    /// Inputs, labels and ids of all clips, in the order of the ids.
    pub dataset: Dataset,
    /// Byte-identical clips share a number.
    pub groups: Vec<usize>,
    /// The speaker of each clip.
    pub actors: Vec<u8>,
    options: CorpusOptions,
}

impl Corpus {
    /// Finds all speech clips below a folder or in a ZIP archive and extracts their features, with a progress bar.
    ///
    /// # Errors
    /// Whatever is wrong with the folder or with a clip, by its file's name.
    pub fn load(data: &Path, options: CorpusOptions) -> anyhow::Result<Self> {
        let clips = find_clips(data, options.skip_bad)?;
        Self::extract(clips, options)
    }

    /// The same for the clips with these ids alone, each of which must be there and good, whatever else may be skipped.
    ///
    /// # Errors
    /// As [`Corpus::load`]; a missing clip is named.
    pub fn load_clips(data: &Path, ids: &[String], mut options: CorpusOptions) -> anyhow::Result<Self> {
        let clips = find_clips(data, std::mem::take(&mut options.skip_bad))?;
        let wanted = |id: &String| {
            let found = clips.iter().find(|clip| clip.id == *id).cloned();
            found.with_context(|| format!("{}: has no clip {id}", data.display()))
        };
        Self::extract(ids.iter().map(wanted).collect::<anyhow::Result<_>>()?, options)
    }

    fn extract(clips: Vec<Clip>, options: CorpusOptions) -> anyhow::Result<Self> {
        let config = ExtractConfig {
            preparation: options.preparation.clone(),
            features: options.features.clone(),
            cache: options.cache.clone(),
            skip_bad: options.skip_bad,
            speech_only: true,
        };
        let bar = cli::progress_bar(clips.len() as u64, "features");
        let extracted =
            extract_all(&clips, &config, |at| bar.set_position(at.done as u64), |f| options.input.of(&f))?;
        bar.finish_and_clear();
        for (_, error) in &extracted.skipped {
            eprintln!("skipped: {error}");
        }
        let clips: Vec<Clip> = extracted.features.iter().map(|(at, _)| clips[*at].clone()).collect();
        if clips.is_empty() {
            bail!("no clip could be used");
        }

        let audio = options.audio.then(|| prepare(&clips, &options.preparation)).transpose()?;
        let names = options.labels.names();
        let label = |clip: &Clip| {
            let label = options.labels.label(clip.name.emotion);
            names.iter().position(|name| name == label).with_context(|| format!("{label} is no label"))
        };
        let labels = clips.iter().map(label).collect::<anyhow::Result<_>>()?;
        let inputs = extracted.features.into_iter().map(|(_, input)| input).collect::<Result<Vec<_>, _>>()?;
        let ids = clips.iter().map(|clip| clip.id.clone());
        let mut dataset = Dataset::of_clips(options.input, inputs, labels, names, ids)?;
        if let Some(samples) = audio {
            dataset = dataset.with_audio(samples, options.preparation.clone(), options.features.clone())?;
        }
        Ok(Self {
            dataset,
            groups: groups_of_identical(&clips)?,
            actors: clips.iter().map(|clip| clip.name.actor).collect(),
            options,
        })
    }

    /// The label of each clip by name.
    pub fn label_names(&self) -> Vec<&str> {
        self.dataset.labels().iter().map(|label| self.dataset.label_names()[*label].as_str()).collect()
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
            preparation: self.options.preparation.clone(),
            features: self.options.features.clone(),
            protocol: protocol.to_string(),
            split_seed: seed,
            test,
        })
    }
}

fn prepare(clips: &[Clip], preparation: &PreparationConfig) -> anyhow::Result<Vec<Vec<f32>>> {
    let bar = cli::progress_bar(clips.len() as u64, "clips");
    let prepared = prepare_all(clips, preparation, |at| bar.set_position(at.done as u64))?;
    bar.finish_and_clear();
    Ok(prepared)
}

fn find_clips(data: &Path, skip_bad: bool) -> anyhow::Result<Vec<Clip>> {
    let found = Ravdess::open(data, &RavdessOptions { skip_bad, ..RavdessOptions::default() })?;
    for bad in &found.skipped {
        eprintln!("skipped: {bad}");
    }
    Ok(found.clips)
}
