//! Sources of an epoch's batches: features of the clips, or features of clips that are changed as sound first.

use super::{AudioAugmentation, TrainingError};
use crate::generator::{Generator, Purpose};
use crate::input::{Audio, ModelInput, Normalization};
use crate::layer::{LayerError, Padded};
use candle_core::Tensor;
use rayon::prelude::*;
use ser_features::{BandPass, ConfigError, FeatureExtractor};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

/// Batches that are made ahead of the one that trains.
const PREFETCH: usize = 2;

/// What the batches of the training part are made of.
#[derive(Debug)]
pub(super) enum Source {
    /// Normalised inputs.
    Features(Padded),
    /// Inputs that are normalised batch by batch: frames of an encoder may fill half of the memory.
    Frames(Padded, Normalization),
    /// Clips that are changed as sound.
    Audio(Box<AudioSource>),
}

impl Source {
    /// Gives the batches of an epoch, each the inputs at these places, to `train`, in order. Where they have to be made first,
    /// other threads, if they can be started, do so while `train` works, and stop when it returns.
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
                    // The receiver is gone when training has stopped.
                    let _ = places.iter().try_for_each(|places| sender.send(audio.batch(epoch, places)));
                });
                match prefetch {
                    Ok(_) => train(&mut receiver.into_iter()),
                    // No more threads can be had.
                    Err(_) => train(&mut places.iter().map(|places| audio.batch(epoch, places))),
                }
            }),
        }
    }
}

/// What one thread changes clips and takes their features with.
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

/// Makes inputs of clips that are changed as sound.
pub(super) struct AudioSource {
    clips: Audio,
    ids: Vec<String>,
    augmentation: AudioAugmentation,
    input: ModelInput,
    normalization: Normalization,
    seed: u64,
    /// One for each thread that has worked so far: to plan transforms costs more than to use them.
    workers: Mutex<Vec<Worker>>,
    /// Threads of its own, so that the layers' short tasks never wait for a clip. `None`, where no more threads can be had, works
    /// on the layers' threads.
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

    /// A clip as it is in an epoch. Each epoch and clip has a stream of random numbers of its own.
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
