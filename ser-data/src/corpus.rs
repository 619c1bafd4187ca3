//! Labelled speech as a training set: for each clip its features, its label, and the speaker, corpus and group for splits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use ser_features::{FeatureConfig, Features, PreparationConfig};

use crate::audio::AudioError;
use crate::corpora::{BadFile, Clip, Clips, ClipsOptions, FoundCorpus, Source, SourceError};
use crate::extract::{ClipError, ExtractConfig, ExtractError, Progress, extract_all, prepare_all};
use crate::identical::groups_of_identical;
use crate::labels::{LabelMap, LabelSet};
use crate::split::SplitError;

/// Settings of reading a [`Corpus`].
#[derive(Debug, Clone, PartialEq)]
pub struct CorpusOptions {
    /// The classes.
    pub labels: LabelSet,
    /// The classes for [`LabelSet::Own`], in the order of a model's outputs. If empty, all labels of the clips in ascending order of their
    /// UTF-8 bytes: capitals come before small letters.
    pub own_classes: Vec<String>,
    /// Maps the labels of corpora to emotions and moods.
    pub label_map: LabelMap,
    /// Settings of the preparation.
    pub preparation: PreparationConfig,
    /// Settings of the features.
    pub features: FeatureConfig,
    /// Also keeps the prepared samples, for training with audio augmentation. They take four bytes a sample.
    pub audio: bool,
    /// Folder that keeps extracted features from run to run.
    pub cache: Option<PathBuf>,
    /// Leaves out files that cannot be used and lists them in [`Corpus::skipped`], instead of failing at the first. A file cannot be used if
    /// it cannot be read or decoded, its name or label is unknown, or the clip is silent or shorter than 0.25 s
    /// ([`check_speech`](ser_features::check_speech)).
    pub skip_bad: bool,
    /// Reads truncated or damaged files up to the damage, with a warning ([`AudioOptions::allow_truncated`]). Otherwise such a file cannot be
    /// used.
    ///
    /// [`AudioOptions::allow_truncated`]: crate::AudioOptions::allow_truncated
    pub allow_truncated: bool,
}

impl Default for CorpusOptions {
    /// Moods, and the 193 features of clips with the default preparation. No audio, no cache, no file left out.
    fn default() -> Self {
        Self {
            labels: LabelSet::Moods,
            own_classes: Vec::new(),
            label_map: LabelMap::default(),
            preparation: PreparationConfig::default(),
            features: FeatureConfig::default(),
            audio: false,
            cache: None,
            skip_bad: false,
            allow_truncated: false,
        }
    }
}

/// Clips of labelled speech with the kept part of their features, their classes, and the groups for splits.
///
/// [`Corpus::features`], [`Corpus::clips`], [`Corpus::labels`], [`Corpus::groups`] and [`Corpus::audio`] have one entry for each clip, by
/// ascending id, or in the order given to [`Corpus::load_clips`].
///
/// ```no_run
/// use ser_data::{Corpus, CorpusOptions, Shares, Source, stratified};
///
/// let progress = |_, at: ser_data::Progress| eprintln!("{} of {}", at.done, at.total);
/// let data = [Source::auto("Audio_Speech_Actors_01-24.zip"), Source::auto("emodb")];
/// let corpus = Corpus::load(&data, &CorpusOptions::default(), progress, |features| features.vector())?;
/// let split = stratified(&corpus.named_labels(), &corpus.groups, Shares::default(), 0)?;
/// println!("{} clips train, {} test", split.train.len(), split.test.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Corpus<T> {
    /// The kept part of each clip's features.
    pub features: Vec<T>,
    /// Each clip: its id, label, speaker, corpus, language and file.
    pub clips: Vec<Clip>,
    /// The class of each clip, an index into [`Corpus::label_names`].
    pub labels: Vec<usize>,
    /// The names of the classes.
    pub label_names: Vec<String>,
    /// Byte-identical clips, and parts of one recording that overlap, share a number.
    pub groups: Vec<usize>,
    /// The prepared samples of each clip, where [`CorpusOptions::audio`] is set.
    pub audio: Option<Vec<Vec<f32>>>,
    /// The format found for each source.
    pub sources: Vec<FoundCorpus>,
    /// Clips that were left out because no class has their label, such as boredom. Report them.
    pub left_out: Vec<LeftOut>,
    /// The files that were left out because of [`CorpusOptions::skip_bad`]. Report them.
    pub skipped: Vec<Skipped>,
    /// Warnings about names ([`SourceWarning`](crate::SourceWarning)), then about files ([`AudioWarning`](crate::AudioWarning)), one line
    /// each with the name of the file. Report them.
    pub warnings: Vec<String>,
}

/// Clips that were left out because [`CorpusOptions::labels`] has no class for their label.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Their corpus.
    pub corpus: String,
    /// Their label.
    pub label: String,
    /// The classes.
    pub labels: LabelSet,
    /// Their number.
    pub clips: usize,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { corpus, label, labels, clips } = self;
        let classes = if *labels == LabelSet::Own { "model's classes" } else { labels.as_str() };
        write!(f, "{clips} clips of {corpus}: {label} is none of the {classes}")
    }
}

/// Stage of reading a [`Corpus`].
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
    /// It is no clip.
    #[error(transparent)]
    File(#[from] BadFile),
    /// No features can be taken of it.
    #[error(transparent)]
    Clip(#[from] ClipError),
}

/// Errors of reading a [`Corpus`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// The folder or archive is no dataset, or has a file that cannot be used.
    #[error(transparent)]
    Dataset(#[from] SourceError),
    /// A clip that was asked for is not there, cannot be used, or has a label of no class.
    #[error("{data}: clips must include {id}, got none with that id")]
    Missing {
        /// The folders, archives and tables.
        data: String,
        /// The clip.
        id: String,
    },
    /// No clip is left after bad ones, and those of no class, were left out.
    #[error("{data}: usable clips must be 1 or more, got 0")]
    Empty {
        /// The folders, archives and tables.
        data: String,
    },
    /// Features cannot be taken.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// A file cannot be read to compare it with others.
    #[error(transparent)]
    Audio(#[from] AudioError),
}

impl<T: Send> Corpus<T> {
    /// Reads all clips of folders, archives and tables, and takes their features on all cores.
    ///
    /// `keep` receives the features of each clip and returns the part to keep. `progress` is called after each clip, from any thread, one
    /// call at a time.
    ///
    /// # Errors
    /// [`CorpusError`] names the source or the file.
    pub fn load(
        data: &[Source],
        options: &CorpusOptions,
        progress: impl Fn(CorpusStage, Progress) + Sync,
        keep: impl Fn(Features) -> T + Sync,
    ) -> Result<Self, CorpusError> {
        Self::extract(data, open(data, options)?, options, progress, keep)
    }

    /// Reads the clips with these ids alone, in this order, as [`Corpus::load`] does.
    ///
    /// # Errors
    /// As [`Corpus::load`]. Each of these clips must exist and be usable, even if [`CorpusOptions::skip_bad`] is set. The sources are
    /// searched as a whole: other files that cannot be used are an error unless it is set.
    pub fn load_clips(
        data: &[Source],
        ids: &[String],
        options: &CorpusOptions,
        progress: impl Fn(CorpusStage, Progress) + Sync,
        keep: impl Fn(Features) -> T + Sync,
    ) -> Result<Self, CorpusError> {
        let mut found = open(data, options)?;
        let clips: BTreeMap<String, Classed> =
            found.clips.drain(..).map(|clip| (clip.0.id.clone(), clip)).collect();
        let wanted = |id: &String| {
            let clip = clips.get(id).cloned();
            clip.ok_or_else(|| CorpusError::Missing { data: names(data), id: id.clone() })
        };
        found.clips = ids.iter().map(wanted).collect::<Result<_, _>>()?;
        let options = CorpusOptions { skip_bad: false, ..options.clone() };
        Self::extract(data, found, &options, progress, keep)
    }

    fn extract(
        data: &[Source],
        found: Opened,
        options: &CorpusOptions,
        progress: impl Fn(CorpusStage, Progress) + Sync,
        keep: impl Fn(Features) -> T + Sync,
    ) -> Result<Self, CorpusError> {
        let Opened { clips: classed, label_names, sources, left_out, mut skipped, mut warnings } = found;
        let (clips, classes): (Vec<Clip>, Vec<usize>) = classed.into_iter().unzip();
        let config = ExtractConfig {
            preparation: options.preparation.clone(),
            features: options.features.clone(),
            cache: options.cache.clone(),
            skip_bad: options.skip_bad,
            speech_only: true,
            allow_truncated: options.allow_truncated,
        };
        let extracted = extract_all(&clips, &config, |at| progress(CorpusStage::Features, at), keep)?;
        skipped.extend(extracted.skipped.into_iter().map(|(_, error)| Skipped::from(error)));
        warnings.extend(extracted.warnings);
        let (places, features): (Vec<usize>, Vec<T>) = extracted.features.into_iter().unzip();
        let labels = places.iter().map(|&at| classes[at]).collect();
        let clips: Vec<Clip> = places.into_iter().map(|at| clips[at].clone()).collect();
        if clips.is_empty() {
            return Err(CorpusError::Empty { data: names(data) });
        }
        let audio = if options.audio {
            Some(prepare_all(&clips, &config, |at| progress(CorpusStage::Audio, at))?)
        } else {
            None
        };
        let groups = groups_of_identical(&clips)?;
        Ok(Self { features, clips, labels, label_names, groups, audio, sources, left_out, skipped, warnings })
    }
}

impl<T> Corpus<T> {
    /// The label of each clip by name, as splits take them.
    pub fn named_labels(&self) -> Vec<&str> {
        self.labels.iter().map(|&label| self.label_names[label].as_str()).collect()
    }

    /// The id of each clip.
    pub fn ids(&self) -> Vec<String> {
        self.clips.iter().map(|clip| clip.id.clone()).collect()
    }

    /// The speaker of each clip, as splits take them.
    ///
    /// # Errors
    /// As [`speakers_of`].
    pub fn speakers(&self) -> Result<Vec<&str>, SplitError> {
        speakers_of(&self.clips)
    }

    /// The corpus of each clip.
    pub fn corpora(&self) -> Vec<&str> {
        self.clips.iter().map(|clip| clip.corpus.as_str()).collect()
    }

    /// For each corpus, which classes its clips have, in the order of [`Corpus::label_names`]. A clip is no evidence for or against a class
    /// that its corpus never labels.
    pub fn labelled_classes(&self) -> BTreeMap<&str, Vec<bool>> {
        let mut labelled = BTreeMap::new();
        for (clip, &label) in self.clips.iter().zip(&self.labels) {
            let classes =
                labelled.entry(clip.corpus.as_str()).or_insert_with(|| vec![false; self.label_names.len()]);
            classes[label] = true;
        }
        labelled
    }
}

/// The speaker of each clip, as splits take them.
///
/// # Errors
/// [`SplitError::UnknownSpeaker`] names the first clip whose speaker is unknown.
pub fn speakers_of(clips: &[Clip]) -> Result<Vec<&str>, SplitError> {
    let unknown = |clip: &&Clip| clip.speaker.is_none();
    let missing = |clip: &Clip| SplitError::UnknownSpeaker {
        file: clip.file.to_string(),
        unknown: clips.iter().filter(unknown).count(),
        clips: clips.len(),
    };
    clips.iter().map(|clip| clip.speaker.as_deref().ok_or_else(|| missing(clip))).collect()
}

impl<T, E> Corpus<Result<T, E>> {
    /// Turns a corpus of results into a corpus of values, if `keep` succeeded for all clips.
    ///
    /// # Errors
    /// The first error of `keep`, in the order of the clips.
    pub fn transpose(self) -> Result<Corpus<T>, E> {
        let features = self.features.into_iter().collect::<Result<_, E>>()?;
        Ok(Corpus {
            features,
            clips: self.clips,
            labels: self.labels,
            label_names: self.label_names,
            groups: self.groups,
            audio: self.audio,
            sources: self.sources,
            left_out: self.left_out,
            skipped: self.skipped,
            warnings: self.warnings,
        })
    }
}

/// A clip and its class.
type Classed = (Clip, usize);

/// What sources hold, before any sound is read.
struct Opened {
    clips: Vec<Classed>,
    label_names: Vec<String>,
    sources: Vec<FoundCorpus>,
    left_out: Vec<LeftOut>,
    skipped: Vec<Skipped>,
    warnings: Vec<String>,
}

fn open(data: &[Source], options: &CorpusOptions) -> Result<Opened, CorpusError> {
    let CorpusOptions { labels, own_classes, label_map, skip_bad, .. } = options;
    let found = Clips::open(data, &ClipsOptions { label_map: label_map.clone(), skip_bad: *skip_bad })?;
    let label_names = match labels {
        LabelSet::Own if own_classes.is_empty() => {
            let all: BTreeSet<&String> = found.clips.iter().map(|clip| &clip.label).collect();
            all.into_iter().cloned().collect()
        }
        LabelSet::Own => own_classes.clone(),
        set => set.names(),
    };
    let class_of = |label: &String| match labels {
        LabelSet::Own => label_names.iter().position(|name| name == label),
        set => label_map.class_of(*set, label),
    };
    let (mut clips, mut bad) = (Vec::new(), Vec::new());
    let mut left_out = BTreeMap::<(String, String), usize>::new();
    for clip in found.clips {
        if let Some(class) = class_of(&clip.label) {
            clips.push((clip, class));
        } else if *labels == LabelSet::Own || label_map.knows(&clip.label) {
            *left_out.entry((clip.corpus, clip.label)).or_insert(0) += 1;
        } else {
            let known = label_map.words().join(", ");
            bad.push(BadFile::Label { file: clip.place(), label: clip.label, known });
        }
    }
    if !skip_bad {
        SourceError::refuse(std::mem::take(&mut bad))?;
    }
    let left_out = left_out
        .into_iter()
        .map(|((corpus, label), clips)| LeftOut { corpus, label, labels: *labels, clips })
        .collect();
    let skipped = found.skipped.into_iter().chain(bad).map(Skipped::from).collect();
    let warnings = found.warnings.iter().map(ToString::to_string).collect();
    Ok(Opened { clips, label_names, sources: found.corpora, left_out, skipped, warnings })
}

/// The sources, for errors.
fn names(data: &[Source]) -> String {
    data.iter().map(|source| source.path.display().to_string()).collect::<Vec<_>>().join(", ")
}
