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

/// What networks read of an encoder's outputs for clips: statistics, which are encoded once for all clips, or frames, which take a hundred
/// times the memory and are encoded for the parts that are asked for.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// The encoder.
    pub encoder: Arc<WhisperEncoder>,
    /// What a network reads of its outputs.
    pub input: ModelInput,
    /// The encoder's first blocks, and the frames of them that a network with tuned blocks reads in a second run.
    pub tuned: Option<(Arc<WhisperEncoder>, ModelInput)>,
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

/// Clips of labelled speech, of which a trainer takes parts.
#[derive(Debug)]
pub struct TrainingSet {
    /// Each clip, in the order of the ids: its speaker, corpus, language and file.
    pub clips: Vec<Clip>,
    /// Byte-identical clips share a number.
    pub groups: Vec<usize>,
    labels: Vec<usize>,
    label_names: Vec<String>,
    preparation: PreparationConfig,
    features: FeatureConfig,
    taken: Taken,
    /// Recordings whose frames are encoded.
    recordings: Option<Recordings>,
}

/// What was taken of all clips.
#[derive(Debug)]
enum Taken {
    Features(Dataset),
    /// Statistics of an encoder's outputs, of the copies too.
    Statistics(EncodedClips),
    /// Nothing yet: frames are encoded for a part.
    Frames,
}

/// Samples of all clips, not prepared yet, and what is encoded of them.
#[derive(Debug)]
struct Recordings {
    samples: Vec<Vec<f32>>,
    encoding: Encoding,
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
        let mut of_features = options.features;
        let (taken, recordings) = match inputs {
            Inputs::Features(input) => {
                let features = features.into_iter().flatten();
                let mut dataset = Dataset::of_clips(input, features, labels.clone(), &label_names, ids)?;
                if let Some(samples) = audio {
                    dataset = dataset.with_audio(samples, preparation.clone(), of_features.clone())?;
                }
                let corpora = clips.iter().map(|clip| clip.corpus.as_str());
                (Taken::Features(dataset.with_corpora(corpora)?), None)
            }
            Inputs::Encoded(mut encoding) => {
                let samples = audio.context("encoding: samples must be read, got none")?;
                of_features = ClipEncoder::features(encoding.encoder.n_mels());
                encoding.config.preparation = preparation.clone();
                let taken = match encoding.input {
                    ModelInput::EncodedFrames { .. } => Taken::Frames,
                    _ => Taken::Statistics(encoding.statistics(ids, &samples)?),
                };
                let are_frames_read = matches!(taken, Taken::Frames) || encoding.tuned.is_some();
                (taken, are_frames_read.then_some(Recordings { samples, encoding: *encoding }))
            }
        };
        Ok(Self { clips, groups, labels, label_names, preparation, features: of_features, taken, recordings })
    }

    /// All clips as a trainer takes them.
    ///
    /// # Errors
    /// If frames are read and cannot be encoded.
    pub fn dataset(&self) -> anyhow::Result<Dataset> {
        match &self.taken {
            Taken::Features(dataset) => Ok(dataset.clone()),
            _ => self.part(&(0..self.clips.len()).collect::<Vec<_>>()),
        }
    }

    /// Some of the clips as a trainer takes them.
    ///
    /// # Errors
    /// If there are none, or frames are read and cannot be encoded.
    pub fn part(&self, places: &[usize]) -> anyhow::Result<Dataset> {
        self.versions(places, false)
    }

    /// Some of the clips, with their changed copies if an encoder reads them.
    ///
    /// # Errors
    /// As [`TrainingSet::part`].
    pub fn training_part(&self, places: &[usize]) -> anyhow::Result<Dataset> {
        self.versions(places, true)
    }

    /// Frames of some of the clips, with those of their changed copies if `copies` is set, for a network with tuned blocks.
    ///
    /// # Errors
    /// If there are none, or they cannot be encoded.
    pub fn tuned_part(&self, places: &[usize], copies: bool) -> anyhow::Result<Dataset> {
        let tuned = self.recordings.as_ref().and_then(|recordings| recordings.encoding.tuned.as_ref());
        let (encoder, input) = tuned.context("encoding: tuned blocks must be given, got none")?;
        self.frames(encoder, *input, places, copies)
    }

    fn versions(&self, places: &[usize], copies: bool) -> anyhow::Result<Dataset> {
        match &self.taken {
            Taken::Features(dataset) => Ok(dataset.select(places)?),
            Taken::Statistics(encoded) => {
                let (ids, labels) = self.ids_and_labels(places);
                let copies = if copies { encoded.config().copies } else { 0 };
                self.with_corpora(encoded.dataset(&ids, &labels, &self.label_names, copies)?, places)
            }
            Taken::Frames => {
                let recordings =
                    self.recordings.as_ref().context("encoding: recordings must be kept, got none")?;
                let Encoding { encoder, input, .. } = &recordings.encoding;
                self.frames(encoder, *input, places, copies)
            }
        }
    }

    fn frames(
        &self,
        encoder: &Arc<WhisperEncoder>,
        input: ModelInput,
        places: &[usize],
        copies: bool,
    ) -> anyhow::Result<Dataset> {
        let Recordings { samples, encoding } =
            self.recordings.as_ref().context("encoding: recordings must be kept, got none")?;
        let mut config = encoding.config.clone();
        if !copies {
            config.copies = 0;
        }
        let samples: Vec<&[f32]> = places.iter().map(|&at| &*samples[at]).collect();
        let (ids, labels) = self.ids_and_labels(places);
        let frames = progress::busy(encoding_of(&config, &samples), || {
            encode_frames(encoder, &config, input, &samples, (&ids, &labels, &self.label_names))
        })?;
        self.with_corpora(frames, places)
    }

    fn ids_and_labels(&self, places: &[usize]) -> (Vec<String>, Vec<usize>) {
        places.iter().map(|&at| (self.clips[at].id.clone(), self.labels[at])).unzip()
    }

    /// Clips at these places, and after them perhaps as many copies several times, with their corpora.
    fn with_corpora(&self, data: Dataset, places: &[usize]) -> anyhow::Result<Dataset> {
        let versions = data.len() / places.len();
        let corpora = (0..versions).flat_map(|_| places.iter().map(|&at| self.clips[at].corpus.as_str()));
        Ok(data.with_corpora(corpora)?)
    }

    /// The label of each clip by name.
    pub fn named_labels(&self) -> Vec<&str> {
        self.labels.iter().map(|&label| self.label_names[label].as_str()).collect()
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
        let ids: Vec<&str> = self.clips.iter().map(|clip| clip.id.as_str()).collect();
        let SplitIds { test, .. } = split.ids(&ids)?;
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
        Self { encoder, input, tuned: None, config: EncodingConfig::default(), cache: None }
    }

    /// Statistics of the encoder's outputs for clips that are not prepared yet, clean and in copies.
    fn statistics(&self, ids: Vec<String>, samples: &[Vec<f32>]) -> anyhow::Result<EncodedClips> {
        let (encoder, config) = (&self.encoder, self.config.clone());
        let encoded = progress::busy(encoding_of(&config, samples), || match &self.cache {
            Some(path) => EncodedClips::kept(path, encoder, config, ids, samples),
            None => EncodedClips::new(encoder, config, ids, samples),
        });
        Ok(encoded?)
    }
}

/// What a progress bar says of the encoding of these clips.
fn encoding_of(config: &EncodingConfig, samples: &[impl AsRef<[f32]>]) -> String {
    let seconds = samples.iter().map(|samples| samples.as_ref().len()).sum::<usize>()
        / ClipEncoder::SAMPLE_RATE as usize;
    format!("encoding {seconds} s of speech, {} times", config.copies.saturating_add(1))
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
