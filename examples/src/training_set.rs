//! Reads labelled speech into datasets for a trainer: combines [`Corpus`] and [`Dataset`], and shows progress bars.

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

/// Name of the protocol of [`TrainingSet::split`] in checkpoints and tables.
pub const PROTOCOL: &str = "stratified 80/20";

/// Whether the parts of a split may share speakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voices {
    /// Parts may share speakers.
    Same,
    /// No speaker is in two parts.
    Other,
}

/// Inputs that a network reads of clips.
#[derive(Debug, Clone)]
pub enum Inputs {
    /// Features of each clip.
    Features(ModelInput),
    /// Outputs of an encoder for each clip.
    Encoded(Box<Encoding>),
}

/// Settings of the inputs that a network reads from an encoder. Statistics are encoded once for all clips. Frames take a hundred times the
/// memory, and are encoded only for the requested parts.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// The encoder.
    pub encoder: Arc<WhisperEncoder>,
    /// Input of the network: statistics or frames of the encoder's outputs.
    pub input: ModelInput,
    /// Input of a network with tuned blocks in a second run: the encoder's blocks before the tuned ones, and the frames that are read from
    /// them.
    pub tuned: Option<(Arc<WhisperEncoder>, ModelInput)>,
    /// Augmented copies that are encoded in addition to each clip. Clips and copies are prepared as the corpus is.
    pub config: EncodingConfig,
    /// File that keeps the statistics for the next run.
    pub cache: Option<PathBuf>,
}

impl From<ModelInput> for Inputs {
    fn from(input: ModelInput) -> Self {
        Self::Features(input)
    }
}

/// Clips of labelled speech, from which the parts of a split are taken as datasets.
#[derive(Debug)]
pub struct TrainingSet {
    /// The clips, sorted by id. Each has its speaker, corpus, language and file.
    pub clips: Vec<Clip>,
    /// Number of each clip's group. Byte-identical clips are in one group.
    pub groups: Vec<usize>,
    labels: Vec<usize>,
    label_names: Vec<String>,
    preparation: PreparationConfig,
    features: FeatureConfig,
    taken: Taken,
    /// Samples of the clips, if the network reads frames.
    recordings: Option<Recordings>,
}

/// Inputs that are computed for all clips at once.
#[derive(Debug)]
enum Taken {
    Features(Dataset),
    /// Statistics of an encoder's outputs for clips and copies.
    Statistics(EncodedClips),
    /// None, because frames are encoded when a part is requested.
    Frames,
}

/// Samples of all clips before preparation, and the settings of their encoding.
#[derive(Debug)]
struct Recordings {
    samples: Vec<Vec<f32>>,
    encoding: Encoding,
}

impl TrainingSet {
    /// Reads all clips of folders, archives and tables as `inputs` of a network. Reports on standard error the formats detected from names,
    /// the clips left out, and warnings about files.
    ///
    /// # Errors
    /// If a source or a clip cannot be used. The error names it.
    pub fn load(data: &[Source], options: &CorpusOptions, inputs: impl Into<Inputs>) -> anyhow::Result<Self> {
        Self::read(options, inputs.into(), |options, progress, keep| {
            Corpus::load(data, options, progress, keep)
        })
    }

    /// Reads only the clips with these ids.
    ///
    /// # Errors
    /// As [`TrainingSet::load`], or if a clip is missing. The error names it.
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
            // An encoder reads samples, and copies are augmented before they are prepared.
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

    /// Returns the dataset of all clips.
    ///
    /// # Errors
    /// If the network reads frames that cannot be encoded.
    pub fn dataset(&self) -> anyhow::Result<Dataset> {
        match &self.taken {
            Taken::Features(dataset) => Ok(dataset.clone()),
            _ => self.part(&(0..self.clips.len()).collect::<Vec<_>>()),
        }
    }

    /// Returns the dataset of the clips at `places`.
    ///
    /// # Errors
    /// If `places` is empty, or if the network reads frames that cannot be encoded.
    pub fn part(&self, places: &[usize]) -> anyhow::Result<Dataset> {
        self.versions(places, false)
    }

    /// Returns the dataset of the clips at `places`, with their augmented copies if the network reads an encoder.
    ///
    /// # Errors
    /// As [`TrainingSet::part`].
    pub fn training_part(&self, places: &[usize]) -> anyhow::Result<Dataset> {
        self.versions(places, true)
    }

    /// Returns frames of the clips at `places` for a network with tuned blocks, with those of their augmented copies if `copies` is set.
    ///
    /// # Errors
    /// If `places` is empty, if no blocks are tuned, or if the frames cannot be encoded.
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

    /// Adds the corpora to the data of the clips at `places`. `data` may contain copies: all clips, then one copy of each, and so on.
    fn with_corpora(&self, data: Dataset, places: &[usize]) -> anyhow::Result<Dataset> {
        let versions = data.len() / places.len();
        let corpora = (0..versions).flat_map(|_| places.iter().map(|&at| self.clips[at].corpus.as_str()));
        Ok(data.with_corpora(corpora)?)
    }

    /// Returns the name of each clip's label.
    pub fn named_labels(&self) -> Vec<&str> {
        self.labels.iter().map(|&label| self.label_names[label].as_str()).collect()
    }

    /// Splits each class into four fifths for training and one fifth for testing. `validation` is the share of all clips that is taken from
    /// the training part to select the epoch. With 0, the last epoch is kept.
    ///
    /// # Errors
    /// If the share is out of range, or if there are too few clips.
    pub fn split(&self, validation: f64, seed: u64) -> Result<Split, SplitError> {
        stratified(&self.named_labels(), &self.groups, Shares { validation, test: 0.2 }, seed)
    }

    /// Splits the clips like [`TrainingSet::split`], or with different speakers in each part, or with one corpus as the test part. Returns
    /// the protocol's name for checkpoints, and the split.
    ///
    /// # Errors
    /// As [`TrainingSet::split`], or if speakers are unknown, or if there is no such corpus.
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
                // The speakers of the test corpus may be unknown: its clips are in no other part.
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

    /// Returns the speaker of each clip.
    ///
    /// # Errors
    /// If the speaker of a clip is unknown. The error names the file of the first such clip.
    pub fn speakers(&self) -> Result<Vec<&str>, SplitError> {
        speakers_of(&self.clips)
    }

    /// Returns the corpus of each clip.
    pub fn corpora(&self) -> Vec<&str> {
        self.clips.iter().map(|clip| clip.corpus.as_str()).collect()
    }

    /// Returns the record of preparation, features and split that a checkpoint keeps, so that it can be evaluated on its own test part.
    ///
    /// # Errors
    /// If the split is not a split of these clips.
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

/// Reports on standard error the formats that were detected, the clips left out and skipped, and warnings.
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
    /// Returns the settings for encoding clips without copies and without a cache.
    pub fn of(encoder: Arc<WhisperEncoder>, input: ModelInput) -> Self {
        Self { encoder, input, tuned: None, config: EncodingConfig::default(), cache: None }
    }

    /// Computes statistics of the encoder's outputs for clips and their copies. `samples` are those before preparation.
    fn statistics(&self, ids: Vec<String>, samples: &[Vec<f32>]) -> anyhow::Result<EncodedClips> {
        let (encoder, config) = (&self.encoder, self.config.clone());
        let encoded = progress::busy(encoding_of(&config, samples), || match &self.cache {
            Some(path) => EncodedClips::kept(path, encoder, config, ids, samples),
            None => EncodedClips::new(encoder, config, ids, samples),
        });
        Ok(encoded?)
    }
}

/// Returns the message of the progress bar while these clips are encoded.
fn encoding_of(config: &EncodingConfig, samples: &[impl AsRef<[f32]>]) -> String {
    let seconds = samples.iter().map(|samples| samples.as_ref().len()).sum::<usize>()
        / ClipEncoder::SAMPLE_RATE as usize;
    format!("encoding {seconds} s of speech, {} times", config.copies.saturating_add(1))
}

/// A corpus with the input made of each clip's features, or `None` if the network reads an encoder.
type Read = Corpus<Result<Option<Padded>, InputError>>;
type ProgressCall<'a> = dyn Fn(CorpusStage, Progress) + Sync + 'a;
type Keep<'a> = dyn Fn(ser_features::Features) -> Result<Option<Padded>, InputError> + Sync + 'a;

/// Returns the settings for reading a corpus for a recipe. Every clip must be readable.
///
/// # Errors
/// If the recipe's features do not fit the input of its network.
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
