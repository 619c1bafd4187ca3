//! RAVDESS as a set to learn from: for each clip its features, its label, and what splits need to know.

use std::path::{Path, PathBuf};

use ser_features::{FeatureConfig, Features, PreparationConfig};

use crate::audio::AudioError;
use crate::extract::{ClipError, ExtractConfig, ExtractError, Progress, extract_all, prepare_all};
use crate::ravdess::{BadFile, Clip, DatasetError, LabelSet, Ravdess, RavdessOptions, groups_of_identical};

/// How a [`Corpus`] is read.
#[derive(Debug, Clone, PartialEq)]
pub struct CorpusOptions {
    /// The classes.
    pub labels: LabelSet,
    /// How clips are prepared.
    pub preparation: PreparationConfig,
    /// Which features are taken.
    pub features: FeatureConfig,
    /// Keeps the prepared samples too, for training that changes clips as sound. They take 380 MB for all of RAVDESS.
    pub audio: bool,
    /// Folder that keeps extracted features from run to run.
    pub cache: Option<PathBuf>,
    /// Leaves out files that cannot be used and lists them in [`Corpus::skipped`], instead of failing at the first.
    pub skip_bad: bool,
}

impl Default for CorpusOptions {
    /// Moods, and the 193 features of clips that are prepared as in the report. No audio, no cache, no file left out.
    fn default() -> Self {
        Self {
            labels: LabelSet::Moods,
            preparation: PreparationConfig::default(),
            features: FeatureConfig::default(),
            audio: false,
            cache: None,
            skip_bad: false,
        }
    }
}

/// The speech clips of RAVDESS with what was kept of their features, their labels, and what splits need to know.
///
/// All lists have one entry for each clip, in the order of the ids.
///
/// ```no_run
/// use ser_data::{Corpus, CorpusOptions, Shares, stratified};
///
/// let progress = |_, at: ser_data::Progress| eprintln!("{} of {}", at.done, at.total);
/// let data = "Audio_Speech_Actors_01-24.zip";
/// let corpus = Corpus::load(data, &CorpusOptions::default(), progress, |features| features.vector())?;
/// let split = stratified(&corpus.named_labels(), &corpus.groups, Shares::default(), 0)?;
/// println!("{} clips train, {} test", split.train.len(), split.test.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Corpus<T> {
    /// What was kept of each clip's features.
    pub features: Vec<T>,
    /// The id of each clip, such as `03-01-06-01-02-01-12`.
    pub ids: Vec<String>,
    /// The class of each clip, an index into [`Corpus::label_names`].
    pub labels: Vec<usize>,
    /// The names of the classes.
    pub label_names: Vec<String>,
    /// Byte-identical clips share a number.
    pub groups: Vec<usize>,
    /// The speaker of each clip.
    pub actors: Vec<u8>,
    /// The prepared samples of each clip, where [`CorpusOptions::audio`] is set.
    pub audio: Option<Vec<Vec<f32>>>,
    /// The files that were left out because of [`CorpusOptions::skip_bad`]. Report them.
    pub skipped: Vec<Skipped>,
}

/// What a [`Corpus`] is doing while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CorpusStage {
    /// Features are taken, or read from the cache.
    Features,
    /// Samples are prepared, for [`CorpusOptions::audio`].
    Audio,
}

/// A file that was left out, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Skipped {
    /// It is no clip of RAVDESS.
    #[error(transparent)]
    File(#[from] BadFile),
    /// No features can be taken of it.
    #[error(transparent)]
    Clip(#[from] ClipError),
}

/// Why a [`Corpus`] cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// The folder or archive is no dataset, or has a file that cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A clip that was asked for is missing.
    #[error("{}: must hold clip {id}, but does not", data.display())]
    Missing {
        /// The folder or archive.
        data: PathBuf,
        /// The clip.
        id: String,
    },
    /// No clip is left after bad ones were left out.
    #[error("{}: must hold 1 or more clips that can be used, got 0", data.display())]
    Empty {
        /// The folder or archive.
        data: PathBuf,
    },
    /// Features cannot be taken.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// A file cannot be read to compare it with others.
    #[error(transparent)]
    Audio(#[from] AudioError),
}

impl<T: Send> Corpus<T> {
    /// Reads all speech clips of a folder or ZIP archive, and takes their features on all cores.
    ///
    /// `keep` is given the features of each clip and returns what is needed of them. `progress` is called after each clip, from any
    /// thread, one call at a time.
    ///
    /// # Errors
    /// [`CorpusError`] names the folder or the file.
    pub fn load(
        data: impl AsRef<Path>,
        options: &CorpusOptions,
        progress: impl Fn(CorpusStage, Progress) + Sync,
        keep: impl Fn(Features) -> T + Sync,
    ) -> Result<Self, CorpusError> {
        let data = data.as_ref();
        let found = open(data, options.skip_bad)?;
        let skipped = found.skipped.into_iter().map(Skipped::from).collect();
        Self::extract(data, found.clips, skipped, options, progress, keep)
    }

    /// Reads the clips with these ids alone, in this order, as [`Corpus::load`] does.
    ///
    /// # Errors
    /// As [`Corpus::load`]. Each of these clips must be there and usable, whatever [`CorpusOptions::skip_bad`] says of other files.
    pub fn load_clips(
        data: impl AsRef<Path>,
        ids: &[String],
        options: &CorpusOptions,
        progress: impl Fn(CorpusStage, Progress) + Sync,
        keep: impl Fn(Features) -> T + Sync,
    ) -> Result<Self, CorpusError> {
        let data = data.as_ref();
        let found = open(data, options.skip_bad)?;
        let skipped = found.skipped.into_iter().map(Skipped::from).collect();
        let wanted = |id: &String| {
            let clip = found.clips.iter().find(|clip| clip.id == *id).cloned();
            clip.ok_or_else(|| CorpusError::Missing { data: data.to_path_buf(), id: id.clone() })
        };
        let clips = ids.iter().map(wanted).collect::<Result<_, _>>()?;
        let options = CorpusOptions { skip_bad: false, ..options.clone() };
        Self::extract(data, clips, skipped, &options, progress, keep)
    }

    fn extract(
        data: &Path,
        clips: Vec<Clip>,
        mut skipped: Vec<Skipped>,
        options: &CorpusOptions,
        progress: impl Fn(CorpusStage, Progress) + Sync,
        keep: impl Fn(Features) -> T + Sync,
    ) -> Result<Self, CorpusError> {
        let config = ExtractConfig {
            preparation: options.preparation.clone(),
            features: options.features.clone(),
            cache: options.cache.clone(),
            skip_bad: options.skip_bad,
            speech_only: true,
        };
        let extracted = extract_all(&clips, &config, |at| progress(CorpusStage::Features, at), keep)?;
        skipped.extend(extracted.skipped.into_iter().map(|(_, error)| Skipped::from(error)));
        let (places, features): (Vec<usize>, Vec<T>) = extracted.features.into_iter().unzip();
        let clips: Vec<Clip> = places.into_iter().map(|at| clips[at].clone()).collect();
        if clips.is_empty() {
            return Err(CorpusError::Empty { data: data.to_path_buf() });
        }
        let audio = if options.audio {
            let samples = prepare_all(&clips, &options.preparation, |at| progress(CorpusStage::Audio, at))?;
            Some(samples)
        } else {
            None
        };
        Ok(Self {
            features,
            ids: clips.iter().map(|clip| clip.id.clone()).collect(),
            labels: clips.iter().map(|clip| options.labels.index_of(clip.name.emotion)).collect(),
            label_names: options.labels.names(),
            groups: groups_of_identical(&clips)?,
            actors: clips.iter().map(|clip| clip.name.actor).collect(),
            audio,
            skipped,
        })
    }
}

impl<T> Corpus<T> {
    /// The label of each clip by name, as splits take them.
    pub fn named_labels(&self) -> Vec<&str> {
        self.labels.iter().map(|&label| self.label_names[label].as_str()).collect()
    }
}

impl<T, E> Corpus<Result<T, E>> {
    /// What was kept of all clips, if `keep` succeeded for each of them.
    ///
    /// # Errors
    /// The first error of `keep`, in the order of the clips.
    pub fn transpose(self) -> Result<Corpus<T>, E> {
        let Self { features, ids, labels, label_names, groups, actors, audio, skipped } = self;
        let features = features.into_iter().collect::<Result<_, E>>()?;
        Ok(Corpus { features, ids, labels, label_names, groups, actors, audio, skipped })
    }
}

fn open(data: &Path, skip_bad: bool) -> Result<Ravdess, DatasetError> {
    Ravdess::open(data, &RavdessOptions { skip_bad, ..RavdessOptions::default() })
}
