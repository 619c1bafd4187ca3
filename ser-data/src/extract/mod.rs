//! Features of many clips: in parallel, and from the cache where they have been computed before.

mod cache;
mod recording;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ser_features::{
    ConfigError, FeatureConfig, FeatureExtractor, Features, Preparation, PreparationConfig, SignalError,
    check_speech, map_batch, map_batch_into,
};

use crate::audio::{Audio, AudioError, AudioOptions};
use crate::file::AudioFile;
use cache::Cache;
use recording::Recordings;

/// Settings of [`extract_all`].
#[derive(Debug, Clone, PartialEq)]
pub struct ExtractConfig {
    /// Settings of the preparation.
    pub preparation: PreparationConfig,
    /// Settings of the features. Their `sample_rate` is the preparation's.
    pub features: FeatureConfig,
    /// Folder that keeps the features from run to run; it is made where it is missing. `None` keeps nothing.
    pub cache: Option<PathBuf>,
    /// Leaves out clips with a [`ClipError`] and lists them in [`Extracted::skipped`], instead of failing at the first.
    pub skip_bad: bool,
    /// Treats clips that cannot hold speech as bad: silent ones and those shorter than 0.25 s ([`check_speech`]). Otherwise their features
    /// are extracted like those of any sound.
    pub speech_only: bool,
    /// Reads truncated or damaged files up to the damage, with a warning ([`AudioOptions::allow_truncated`]). Otherwise such a clip is bad.
    pub allow_truncated: bool,
}

impl Default for ExtractConfig {
    /// Speech with the default preparation and the 193 features of [`Feature::ISSA`](ser_features::Feature::ISSA); no cache, and no bad clip
    /// left out.
    fn default() -> Self {
        Self {
            preparation: PreparationConfig::default(),
            features: FeatureConfig::default(),
            cache: None,
            skip_bad: false,
            speech_only: true,
            allow_truncated: false,
        }
    }
}

impl ExtractConfig {
    fn decoding(&self) -> AudioOptions {
        AudioOptions { allow_truncated: self.allow_truncated, ..AudioOptions::default() }
    }
}

/// Result of [`extract_all`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Extracted<T> {
    /// Position of each good clip in the files that were given, and what was kept of its features; ascending.
    pub features: Vec<(usize, T)>,
    /// Position of each bad clip, and what is wrong with it. Report them.
    pub skipped: Vec<(usize, ClipError)>,
    /// Warnings about good clips ([`AudioWarning`](crate::AudioWarning)), one line each with the name of the file. Report them.
    pub warnings: Vec<String>,
    /// Number of clips whose features came from the cache.
    pub from_cache: usize,
}

/// Progress of [`extract_all`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Clips that are done, good or bad.
    pub done: usize,
    /// Clips in all.
    pub total: usize,
}

/// Errors of extracting the features of a clip.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClipError {
    /// It cannot be read or decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// It can hold no speech: it is silent or too short, see [`check_speech`]; or its sample rate is out of range.
    #[error("{file}: {cause}")]
    Signal {
        /// The file.
        file: String,
        /// The error of its signal.
        #[source]
        cause: SignalError,
    },
}

/// Errors of feature extraction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// A configuration that cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The clips would be prepared at one sample rate and the features taken at another.
    #[error("features: sample_rate must be the preparation's, {preparation} Hz, got {features} Hz")]
    SampleRates {
        /// The preparation's rate in Hz.
        preparation: u32,
        /// The features' rate in Hz.
        features: u32,
    },
    /// A bad clip, the first by position, where [`ExtractConfig::skip_bad`] is not set.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// The cache cannot be written.
    #[error("{}: cannot be written: {cause}", path.display())]
    Cache {
        /// File or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: std::io::Error,
    },
}

impl AudioFile {
    /// Reads the file as one channel of speech: samples and sample rate in Hz.
    ///
    /// # Errors
    ///
    /// [`ClipError`] names the file where it cannot be decoded, is silent or too short ([`check_speech`]).
    pub fn read_speech(&self) -> Result<(Vec<f32>, u32), ClipError> {
        self.mono_of(self.read()?, true)
    }

    /// Mixes the channels. With `speech_only` the result must be able to hold speech.
    fn mono_of(&self, audio: Audio, speech_only: bool) -> Result<(Vec<f32>, u32), ClipError> {
        let sample_rate = audio.sample_rate;
        let mono = audio.into_mono().map_err(|e| self.signal_error(e))?;
        if speech_only {
            check_speech(&mono, sample_rate).map_err(|e| self.signal_error(e))?;
        }
        Ok((mono, sample_rate))
    }

    fn signal_error(&self, cause: SignalError) -> ClipError {
        ClipError::Signal { file: self.to_string(), cause }
    }
}

/// Extracts the features of many clips on all cores of rayon's pool, and passes each clip's to `keep`, which returns
/// what is needed of them: all (`|f| f`), or only the vector of means.
///
/// The features depend neither on the number of threads nor on what the cache holds. An entry of the cache belongs to
/// one content, one configuration and one arithmetic: after a change of any it is recomputed, as is an entry that
/// is damaged. Several processes can share the folder. `progress` is called after each clip, in their order.
///
/// # Errors
///
/// [`ExtractError`]; of several bad clips the first by position, independent of the order in which threads finish.
///
/// ```
/// use ser_data::{AudioFile, ExtractConfig, extract_all};
/// use ser_features::{Feature, FeatureConfig};
///
/// let files = [AudioFile::new("audio/reference.wav"), AudioFile::new("audio/lossless.flac")];
/// let features = FeatureConfig { features: vec![Feature::Mfcc], ..Default::default() };
/// let config = ExtractConfig { features, ..Default::default() };
/// let extracted = extract_all(&files, &config, |_| {}, |features| features.vector())?;
/// let [(_, wav), (_, flac)] = &extracted.features[..] else { panic!() };
/// assert_eq!((wav.len(), wav), (40, flac));
/// # Ok::<(), ser_data::ExtractError>(())
/// ```
pub fn extract_all<F, T>(
    files: &[F],
    config: &ExtractConfig,
    progress: impl Fn(Progress),
    keep: impl Fn(Features) -> T + Sync,
) -> Result<Extracted<T>, ExtractError>
where
    F: AsRef<AudioFile> + Sync,
    T: Send,
{
    let (features, skipped, warnings) = Default::default();
    let mut extracted = Extracted { features, skipped, warnings, from_cache: 0 };
    let mut told = HashSet::new();
    let total = files.len();
    extract_each(files, config, keep, |clip| {
        match clip.result {
            Ok(kept) => extracted.features.push((clip.position, kept)),
            Err(error) => extracted.skipped.push((clip.position, error)),
        }
        extracted.from_cache += usize::from(clip.from_cache);
        // All parts of a recording have the same warnings: keep each once.
        extracted.warnings.extend(clip.warnings.into_iter().filter(|line| told.insert(line.clone())));
        progress(Progress { done: clip.position + 1, total });
        Ok::<(), ExtractError>(())
    })?;
    Ok(extracted)
}

/// One clip of [`extract_each`].
#[derive(Debug)]
#[non_exhaustive]
pub struct ExtractedClip<T> {
    /// Position among the files that were given.
    pub position: usize,
    /// The kept part of its features, or its error (only with [`ExtractConfig::skip_bad`]).
    pub result: Result<T, ClipError>,
    /// Warnings about its file, one line each with the name of the file. All parts of a recording have the same warnings.
    pub warnings: Vec<String>,
    /// Whether its features came out of the cache.
    pub from_cache: bool,
}

/// A worker's result for a clip.
struct Taken {
    features: Features,
    /// Lines without the file's name.
    warnings: Vec<String>,
    from_cache: bool,
}

/// Like [`extract_all`], for any number of clips in bounded memory: passes the result of each clip to `sink`, in order and as soon as it is
/// available. An error of `sink` ends the run and is returned; use this to cancel a run.
///
/// At most [`BATCH_WINDOW`](ser_features::BATCH_WINDOW) clips for each thread are held at a time.
///
/// # Errors
///
/// [`ExtractError`], of several bad clips the first by position, and the error of `sink`.
pub fn extract_each<I, T, E>(
    files: I,
    config: &ExtractConfig,
    keep: impl Fn(Features) -> T + Sync,
    mut sink: impl FnMut(ExtractedClip<T>) -> Result<(), E>,
) -> Result<(), E>
where
    I: IntoIterator<Item: AsRef<AudioFile> + Send>,
    T: Send,
    E: From<ExtractError>,
{
    let cache = match &config.cache {
        Some(folder) => Some(Cache::open(folder, config, &mut Worker::new(config)?)?),
        None => None,
    };
    let mut failed = None;
    map_batch_into(
        files,
        || Worker::new(config),
        |worker, _, file| {
            let file = file.as_ref();
            let Taken { features, warnings, from_cache } = worker.features(file, cache.as_ref())?;
            let warnings: Vec<String> =
                warnings.iter().map(|warning| format!("{}: {warning}", file.whole())).collect();
            Ok((keep(features), warnings, from_cache))
        },
        |position, result| {
            let done = match result {
                Ok((kept, warnings, from_cache)) => {
                    sink(ExtractedClip { position, result: Ok(kept), warnings, from_cache })
                }
                Err(ExtractError::Clip(error)) if config.skip_bad => {
                    let warnings = Vec::new();
                    sink(ExtractedClip { position, result: Err(error), warnings, from_cache: false })
                }
                Err(error) => Err(error.into()),
            };
            match done {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        },
    )?;
    failed.map_or(Ok(()), Err)
}

/// Prepares clips on all cores of rayon's pool: the samples from which [`extract_all`] extracts features with the same preparation. It
/// takes of the configuration what decodes and prepares. The first bad clip by position is an error. Warnings about the files are those of
/// [`extract_all`].
pub(crate) fn prepare_all<F: AsRef<AudioFile> + Sync>(
    files: &[F],
    config: &ExtractConfig,
    progress: impl Fn(Progress) + Sync,
) -> Result<Vec<Vec<f32>>, ExtractError> {
    type Plan = (Preparation, Recordings);
    let done = Mutex::new(0);
    let prepare = |(plan, recordings): &mut Plan, file: &AudioFile| -> Result<Vec<f32>, ExtractError> {
        let audio = recordings.read(file).map_err(ClipError::from)?;
        let (mono, sample_rate) = file.mono_of(audio, config.speech_only)?;
        let clip = plan.process(&mono, sample_rate).map_err(|e| file.signal_error(e))?;
        let mut done = lock(&done);
        *done += 1;
        progress(Progress { done: *done, total: files.len() });
        Ok(clip)
    };
    let plan = || {
        Preparation::new(config.preparation.clone()).map(|plan| (plan, Recordings::new(config.decoding())))
    };
    map_batch(files, plan, |plan, _, file| prepare(plan, file.as_ref()))?.into_iter().collect()
}

/// One thread's plans: to make them costs more than to use them.
struct Worker {
    speech_only: bool,
    preparation: Preparation,
    extractor: FeatureExtractor,
    recordings: Recordings,
}

impl Worker {
    fn new(config: &ExtractConfig) -> Result<Self, ExtractError> {
        let (preparation, features) = (config.preparation.sample_rate, config.features.sample_rate);
        if preparation != features {
            return Err(ExtractError::SampleRates { preparation, features });
        }
        Ok(Self {
            speech_only: config.speech_only,
            preparation: Preparation::new(config.preparation.clone())?,
            extractor: FeatureExtractor::new(config.features.clone())?,
            recordings: Recordings::new(config.decoding()),
        })
    }

    /// The features of a clip.
    fn features(&mut self, file: &AudioFile, cache: Option<&Cache>) -> Result<Taken, ExtractError> {
        let entry = match cache {
            Some(cache) => {
                let digest = self.recordings.sha256(file).map_err(ClipError::from)?;
                Some(cache.entry(digest, file))
            }
            None => None,
        };
        if let Some((features, warnings)) = entry.as_ref().and_then(|entry| entry.load()) {
            return Ok(Taken { features, warnings, from_cache: true });
        }
        let audio = self.recordings.read(file).map_err(ClipError::from)?;
        let warnings = audio.warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (mono, sample_rate) = file.mono_of(audio, self.speech_only)?;
        let features = self.compute(&mono, sample_rate).map_err(|e| file.signal_error(e))?;
        if let Some(entry) = entry {
            entry.store(&features, &warnings)?;
        }
        Ok(Taken { features, warnings, from_cache: false })
    }

    fn compute(&mut self, mono: &[f32], sample_rate: u32) -> Result<Features, SignalError> {
        let prepared = self.preparation.process(mono, sample_rate)?;
        self.extractor.extract(&prepared)
    }
}

/// Locks a mutex even if it is poisoned: its content stays valid when a thread panics.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
