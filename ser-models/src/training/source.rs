//! Sources of an epoch's batches: features of the clips, or features of clips that are augmented as audio first.

use super::{AudioAugmentation, TrainingError};
use crate::generator::{Generator, Purpose};
use crate::input::{Audio, ModelInput, Normalization};
use crate::layer::{LayerError, Padded};
use candle_core::Tensor;
use rayon::prelude::*;
use ser_features::{BandPass, ConfigError, FeatureExtractor};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

/// Number of batches that are prepared before training needs them.
const PREFETCH: usize = 2;

/// The source of the training part's batches.
#[derive(Debug)]
pub(super) enum Source {
    /// Normalised inputs.
    Features(Padded),
    /// Inputs that are normalised batch by batch. Frames of an encoder may fill half of the memory, so there is no normalised copy.
    Frames(Padded, Normalization),
    /// Clips that are augmented as audio.
    Audio(Box<AudioSource>),
}

impl Source {
    /// Passes the batches of an epoch to `train` in order, each with the inputs at its places. Batches that need work are prepared on other
    /// threads while `train` works. These threads stop when it returns. If no thread can be started, the batches are prepared as `train`
    /// asks for them.
    pub(super) fn batches<R>(
        &self,
        epoch: usize,
        places: &[&[usize]],
        train: impl FnOnce(&mut dyn Iterator<Item = Result<Padded, TrainingError>>) -> R,
    ) -> R {
        match self {
            Self::Features(inputs) => train(&mut places.iter().map(|places| Ok(inputs.select(places)?))),
            Self::Frames(inputs, normalization) => {
                train(&mut places.iter().map(|places| Ok(normalization.normalized(&inputs.select(places)?)?)))
            }
            Self::Audio(audio) => std::thread::scope(|scope| {
                let (sender, receiver) = sync_channel(PREFETCH);
                let prefetch = std::thread::Builder::new().spawn_scoped(scope, move || {
                    // The receiver is dropped when training stops.
                    let _ = places.iter().try_for_each(|places| sender.send(audio.batch(epoch, places)));
                });
                match prefetch {
                    Ok(_) => train(&mut receiver.into_iter()),
                    // No thread can be started.
                    Err(_) => train(&mut places.iter().map(|places| audio.batch(epoch, places))),
                }
            }),
        }
    }
}

/// The objects with which one thread changes clips and extracts their features.
struct Worker {
    filter: BandPass,
    extractor: FeatureExtractor,
}

impl Worker {
    fn new(clips: &Audio) -> Result<Self, ConfigError> {
        let filter = BandPass::new(clips.preparation.sample_rate);
        Ok(Self { filter, extractor: FeatureExtractor::new(clips.features.clone())? })
    }
}

/// Makes inputs of clips that are augmented as audio.
pub(super) struct AudioSource {
    clips: Audio,
    ids: Vec<String>,
    augmentation: AudioAugmentation,
    input: ModelInput,
    normalization: Normalization,
    seed: u64,
    /// One for each thread that has worked so far. They are reused, because planning transforms costs more than using them.
    workers: Mutex<Vec<Worker>>,
    /// Separate threads, so that the layers' short tasks never wait for a clip. `None` if no more threads can be started; then clips are
    /// changed on the layers' threads.
    pool: Option<rayon::ThreadPool>,
}

impl AudioSource {
    pub(super) fn new(
        clips: Audio,
        ids: Vec<String>,
        augmentation: AudioAugmentation,
        input: ModelInput,
        normalization: Normalization,
        seed: u64,
    ) -> Result<Self, TrainingError> {
        input.check(&clips.features)?;
        let workers = Mutex::new(vec![Worker::new(&clips)?]);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(rayon::current_num_threads()).build().ok();
        Ok(Self { clips, ids, augmentation, input, normalization, seed, workers, pool })
    }

    fn batch(&self, epoch: usize, places: &[usize]) -> Result<Padded, TrainingError> {
        let work = || places.par_iter().map(|at| self.clip(epoch, *at)).collect::<Result<Vec<_>, _>>();
        let clips = self.pool.as_ref().map_or_else(work, |pool| pool.install(work))?;
        let lengths = clips.iter().map(|clip| clip.lengths().map(|lengths| lengths[0])).collect();
        let values: Vec<&Tensor> = clips.iter().map(Padded::values).collect();
        let batch = Padded::of(Tensor::cat(&values, 0).map_err(LayerError::from)?, lengths);
        Ok(self.normalization.normalized(&batch)?)
    }

    /// Returns the input of a clip in an epoch. Each epoch and clip has its own stream of random numbers.
    fn clip(&self, epoch: usize, at: usize) -> Result<Padded, TrainingError> {
        let failed = |cause| TrainingError::Audio { id: self.ids[at].clone(), cause };
        let index = epoch as u64 * self.ids.len() as u64 + at as u64;
        let mut generator = Generator::for_run(self.seed, Purpose::Audio, index);
        let spare = self.workers().pop();
        let mut worker = spare.map_or_else(|| Worker::new(&self.clips), Ok)?;
        let (samples, preparation) = (&self.clips.samples[at], &self.clips.preparation);
        let changed = self.augmentation.apply(samples, preparation, &mut worker.filter, &mut generator);
        let features = changed.and_then(|changed| worker.extractor.extract(&changed));
        self.workers().push(worker);
        Ok(self.input.of(&features.map_err(failed)?)?)
    }

    fn workers(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for AudioSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (clips, augmentation) = (self.ids.len(), self.augmentation);
        f.debug_struct("AudioSource").field("clips", &clips).field("augmentation", &augmentation).finish()
    }
}
