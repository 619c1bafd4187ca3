//! Labelled speech as a set that a trainer takes: [`Corpus`] and [`Dataset`] put together, with progress bars.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use ser_data::{
    Clip, Corpus, CorpusError, CorpusOptions, CorpusStage, LabelSet, Progress, Shares, Source, Split,
    SplitError, SplitIds, leave_corpus_out, speaker_shares, speakers_of, stratified,
};
use ser_features::{FeatureConfig, PreparationConfig};
use ser_models::encoder::WhisperEncoder;
use ser_models::input::{ClipEncoder, InputError, ModelInput};
use ser_models::layers::Padded;
use ser_models::training::{Dataset, EncodedClips, EncodingConfig, encode_frames};
use ser_models::{CheckpointSource, Recipe};

use crate::{cli, progress};

/// The name of [`TrainingSet::split`] in checkpoints and tables.
pub const PROTOCOL: &str = "stratified 80/20";

/// Whether training and other parts may share speakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voices {
    /// The same speakers, with other clips.
    Same,
    /// Other speakers: no speaker is in two parts.
    Other,
}

/// Input of a network from clips.
#[derive(Debug, Clone)]
pub enum Inputs {
    /// Features of each.
    Features(ModelInput),
    /// Outputs of an encoder for the clips.
    Encoded(Box<Encoding>),
}

/// What is encoded of clips. There are statistics, frames or both.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// The encoder whose outputs' statistics a head reads.
    pub statistics: Option<Arc<WhisperEncoder>>,
    /// The first blocks of an encoder, and the input that a network with tuned blocks gets of their frames.
    pub frames: Option<(Arc<WhisperEncoder>, ModelInput)>,
    /// Which copies of a clip it encodes beside the clip itself. They have the preparation of the corpus.
    pub config: EncodingConfig,
    /// File that keeps the statistics from run to run.
    pub cache: Option<PathBuf>,
}

impl From<ModelInput> for Inputs {
    fn from(input: ModelInput) -> Self {
        Self::Features(input)
    }
}

/// Clips of labelled speech as a trainer takes them.
#[derive(Debug)]
pub struct TrainingSet {
    /// Inputs, labels and ids of all clips, in the order of the ids.
    pub dataset: Dataset,
    /// Each clip: its speaker, corpus, language and file.
    pub clips: Vec<Clip>,
    /// Byte-identical clips share a number.
    pub groups: Vec<usize>,
    preparation: PreparationConfig,
    features: FeatureConfig,
    encoded: Option<EncodedClips>,
    /// Frames of the clips, and then of the copies of each.
    frames: Option<Dataset>,
}

impl TrainingSet {
    /// Reads all clips of folders, archives and tables. `inputs` is what a network reads of them. Reports on standard error the
    /// formats detected from names, the clips left out, and warnings about files.
    ///
    /// # Errors
    /// If a source or a clip cannot be used, by its name.
    pub fn load(data: &[Source], options: &CorpusOptions, inputs: impl Into<Inputs>) -> anyhow::Result<Self> {
        Self::read(options, inputs.into(), |options, progress, keep| {
            Corpus::load(data, options, progress, keep)
        })
    }

    /// Reads the clips with these ids alone.
    ///
    /// # Errors
    /// As [`TrainingSet::load`]; a missing clip is named.
    pub fn load_clips(
        data: &[Source],
        ids: &[String],
        options: &CorpusOptions,
        inputs: impl Into<Inputs>,
    ) -> anyhow::Result<Self> {
        Self::read(options, inputs.into(), |options, progress, keep| {
            Corpus::load_clips(data, ids, options, progress, keep)
        })
    }

    fn read(
        options: &CorpusOptions,
        inputs: Inputs,
        load: impl FnOnce(&CorpusOptions, &ProgressCall<'_>, &Keep<'_>) -> Result<Read, CorpusError>,
    ) -> anyhow::Result<Self> {
        let preparation = options.preparation.clone();
        let mut options = options.clone();
        if let Inputs::Encoded(_) = inputs {
            // An encoder reads samples, and copies are changed before they are prepared.
            options.audio = true;
            options.preparation = PreparationConfig::raw(preparation.sample_rate);
        }
        let bar = progress::bar(0, "features");
        let show = |stage, at: Progress| {
            if stage == CorpusStage::Audio {
                bar.set_prefix("clips");
            }
            bar.set_length(at.total as u64);
            bar.set_position(at.done as u64);
        };
        let loaded = load(&options, &show, &|features| match inputs {
            Inputs::Features(input) => input.of(&features).map(Some),
            Inputs::Encoded(_) => Ok(None),
        });
        bar.finish_and_clear();
        let corpus = loaded?;
        note_found(&corpus);
        let ids = corpus.ids();
        let Corpus { features, clips, labels, label_names, groups, audio, .. } = corpus.transpose()?;
        let mut taken = options.features;
        let (dataset, encoded, frames) = match inputs {
            Inputs::Features(input) => {
                let features = features.into_iter().flatten();
                let dataset = Dataset::of_clips(input, features, labels, label_names, ids)?;
                let dataset = match audio {
                    Some(samples) => dataset.with_audio(samples, preparation.clone(), taken.clone())?,
                    None => dataset,
                };
                (dataset, None, None)
            }
            Inputs::Encoded(encoding) => {
                let samples = audio.context("an encoder reads samples")?;
                taken = ClipEncoder::features(encoding.n_mels().context("an encoder must be there")?);
                let encoded = encoding.encode(&preparation, &ids, &samples)?;
                let frames = encoding.encode_frames(&preparation, &samples, (&ids, &labels, &label_names))?;
                let dataset = match (&encoded, &frames) {
                    (Some(encoded), _) => encoded.dataset(&ids, &labels, &label_names, 0)?,
                    (None, frames) => {
                        let frames = frames.as_ref().context("statistics or frames must be encoded")?;
                        frames.select(&(0..ids.len()).collect::<Vec<_>>())?
                    }
                };
                (dataset, encoded, frames)
            }
        };
        let dataset = dataset.with_corpora(clips.iter().map(|clip| clip.corpus.as_str()))?;
        Ok(Self { dataset, clips, groups, preparation, features: taken, encoded, frames })
    }

    /// Frames of some of the clips, with those of their changed copies if `copies` is set, for a network with tuned blocks.
    ///
    /// # Errors
    /// If there are none.
    pub fn frames_part(&self, places: &[usize], copies: bool) -> anyhow::Result<Dataset> {
        let frames = self.frames.as_ref().context("frames must be encoded")?;
        let versions = if copies { frames.len() / self.clips.len() } else { 1 };
        let all =
            (0..versions).flat_map(|number| places.iter().map(move |at| number * self.clips.len() + at));
        let corpora = (0..versions).flat_map(|_| places.iter().map(|&at| self.clips[at].corpus.as_str()));
        Ok(frames.select(&all.collect::<Vec<_>>())?.with_corpora(corpora)?)
    }

    /// Some of the clips as a trainer takes them, with their changed copies if an encoder encoded copies.
    ///
    /// # Errors
    /// If there are none.
    pub fn training_part(&self, places: &[usize]) -> anyhow::Result<Dataset> {
        let part = self.dataset.select(places)?;
        let Some(encoded) = &self.encoded else { return Ok(part) };
        let copies = encoded.config().copies;
        let corpora = (0..=copies).flat_map(|_| places.iter().map(|&at| self.clips[at].corpus.as_str()));
        let with_copies = encoded.dataset(part.ids(), part.labels(), part.label_names(), copies)?;
        Ok(with_copies.with_corpora(corpora)?)
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

    /// Like [`TrainingSet::split`], or with different speakers in each part, or with one corpus left out as the test part. Returns the
    /// protocol's name for checkpoints, and the split.
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

    /// Record of a checkpoint's data, so that it can be measured on its own test part and on no other.
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

/// Reports on standard error the formats that were detected, what is left out, and warnings.
pub fn note_found<T>(corpus: &Corpus<T>) {
    for source in corpus.sources.iter().filter(|source| source.detected || source.left_out() > 0) {
        cli::note(source);
    }
    for left_out in &corpus.left_out {
        cli::note(format_args!("left out: {left_out}"));
    }
    for skipped in &corpus.skipped {
        cli::note(format_args!("skipped: {skipped}"));
    }
    for warning in &corpus.warnings {
        cli::note(format_args!("warning: {warning}"));
    }
}

impl Encoding {
    /// What a model with this input reads of an encoder: clean clips, not kept.
    pub fn of(encoder: Arc<WhisperEncoder>, input: ModelInput) -> Self {
        let reads_frames = matches!(input, ModelInput::EncodedFrames { .. });
        let (statistics, frames) =
            if reads_frames { (None, Some((encoder, input))) } else { (Some(encoder), None) };
        Self { statistics, frames, config: EncodingConfig::default(), cache: None }
    }

    /// Mel bands that the encoder reads.
    fn n_mels(&self) -> Option<usize> {
        let of_frames = self.frames.as_ref().map(|(encoder, _)| encoder);
        self.statistics.as_ref().or(of_frames).map(|encoder| encoder.n_mels())
    }

    /// Settings for clips of this preparation, and what a progress bar says of them.
    fn settings(&self, preparation: &PreparationConfig, samples: &[Vec<f32>]) -> (EncodingConfig, String) {
        let config = EncodingConfig { preparation: preparation.clone(), ..self.config.clone() };
        let seconds: usize = samples.iter().map(Vec::len).sum::<usize>() / preparation.sample_rate as usize;
        let what = format!("encoding {seconds} s of speech, {} times", config.copies.saturating_add(1));
        (config, what)
    }

    /// Statistics of the encoder's outputs for clips that are not prepared yet, clean and in copies.
    fn encode(
        &self,
        preparation: &PreparationConfig,
        ids: &[String],
        samples: &[Vec<f32>],
    ) -> anyhow::Result<Option<EncodedClips>> {
        let Some(encoder) = &self.statistics else { return Ok(None) };
        let (config, what) = self.settings(preparation, samples);
        let encoded = progress::busy(what, || match &self.cache {
            Some(path) => EncodedClips::kept(path, encoder, config, ids.to_vec(), samples),
            None => EncodedClips::new(encoder, config, ids.to_vec(), samples),
        });
        Ok(Some(encoded?))
    }

    /// Frames of the encoder's outputs, likewise.
    fn encode_frames(
        &self,
        preparation: &PreparationConfig,
        samples: &[Vec<f32>],
        clips: (&[String], &[usize], &[String]),
    ) -> anyhow::Result<Option<Dataset>> {
        let Some((encoder, input)) = &self.frames else { return Ok(None) };
        let (config, what) = self.settings(preparation, samples);
        Ok(Some(progress::busy(what, || encode_frames(encoder, &config, *input, samples, clips))?))
    }
}

/// A corpus with what was kept of each clip's features: nothing where an encoder reads it.
type Read = Corpus<Result<Option<Padded>, InputError>>;
type ProgressCall<'a> = dyn Fn(CorpusStage, Progress) + Sync + 'a;
type Keep<'a> = dyn Fn(ser_features::Features) -> Result<Option<Padded>, InputError> + Sync + 'a;

/// Settings of reading a corpus for a recipe; no clip may be left out.
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
