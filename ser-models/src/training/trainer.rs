//! The training loop.

use super::source::{AudioSource, Source};
use super::state::{RunIdentity, RunState};
use super::{Dataset, Epoch, History, Normalization, Optimizer, StateError, TrainingConfig, TrainingError};
use crate::checkpoint::{Checkpoint, CheckpointSource};
use crate::inputs::Inputs;
use crate::layers::CrossEntropy;
use crate::models::{Architecture, Model, ModelInput};
use crate::weights::Weights;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What a caller hears of a run, e.g. to draw a progress bar.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run begins, or goes on.
    Begin {
        /// Epochs of the whole run.
        epochs: usize,
        /// Epochs that are done already.
        done: usize,
        /// Steps of each epoch.
        batches: usize,
    },
    /// A step was taken.
    Batch {
        /// The epoch, counted from 1.
        epoch: usize,
        /// The step, counted from 1.
        batch: usize,
        /// Steps of the epoch.
        batches: usize,
        /// The loss of the batch.
        loss: f64,
    },
    /// An epoch ended.
    Epoch(&'a Epoch),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finish {
    /// All epochs are done.
    Completed,
    /// Early stopping ended it.
    EarlyStopped,
    /// The caller's flag ended it. The epoch that was under way counts for nothing; run or resume to go on.
    Stopped,
}

/// Trains one model on one training part.
///
/// The same configuration, data and seed give the same weights, bit for bit, on one machine, whether or not the run was
/// cut and resumed in between.
#[derive(Debug)]
pub struct Trainer {
    pub(super) run: RunIdentity,
    pub(super) model: Box<dyn Model>,
    pub(super) optimizer: Optimizer,
    pub(super) loss: CrossEntropy,
    normalization: Normalization,
    pub(super) label_names: Vec<String>,
    pub(super) source: Arc<Source>,
    pub(super) training_labels: Vec<usize>,
    training_ids: Vec<String>,
    pub(super) validation: Option<Part>,
    /// The moving average of the weights; empty where none is taken.
    pub(super) average: Weights,
    /// After the last whole epoch.
    pub(super) state: RunState,
    state_file: Option<PathBuf>,
}

/// Normalised inputs with their labels and ids.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) inputs: Inputs,
    pub(super) labels: Vec<usize>,
    ids: Vec<String>,
}

impl Trainer {
    /// Checks everything, computes the normalisation on the training part, and makes the model's initial weights from
    /// the seed.
    ///
    /// # Errors
    /// If a setting is out of its range, the inputs do not have the model's shape, a class has no training example, the
    /// parts name different classes, a clip is in both, or the augmentation needs what the training part does not have.
    pub fn new(
        config: TrainingConfig,
        architecture: Architecture,
        training: &Dataset,
        validation: Option<&Dataset>,
        seed: u64,
    ) -> Result<Self, TrainingError> {
        config.check(validation.is_some())?;
        let label_names = training.label_names().to_vec();
        let model = architecture.build(label_names.len(), seed)?;
        check_data(&*model, training, validation)?;
        if training.len() < 2 {
            return Err(TrainingError::Setting {
                setting: "training part",
                rule: "must have 2 or more clips",
                given: training.len().to_string(),
            });
        }
        let loss = CrossEntropy::new(config.class_weights(training)?, config.label_smoothing)?;
        let normalization = if config.normalize {
            Normalization::fit(training, config.log_skewed)
        } else {
            Normalization::identity(model.input().features())
        };
        let source = source(&config, training, &normalization, model.input(), seed)?;
        let mut weights = Weights::default();
        weights.add("", model.parameters())?;
        let average = if config.ema_decay.is_some() { weights.clone() } else { Weights::default() };
        let optimizer = Optimizer::new(config.optimizer, model.parameters());
        let run = RunIdentity {
            crate_version: env!("CARGO_PKG_VERSION").to_owned(),
            seed,
            architecture,
            config,
            training: training.fingerprint(),
            validation: validation.map(Dataset::fingerprint),
        };
        Ok(Self {
            run,
            model,
            optimizer: optimizer.clone(),
            loss,
            source: Arc::new(source),
            training_labels: training.labels().to_vec(),
            training_ids: training.ids().to_vec(),
            validation: validation.map(|data| Part {
                inputs: Inputs::new(data.inputs(), data.frames(), &normalization),
                labels: data.labels().to_vec(),
                ids: data.ids().to_vec(),
            }),
            normalization,
            label_names,
            average: average.clone(),
            state: RunState {
                weights,
                optimizer,
                best: Weights::default(),
                average,
                history: History::default(),
            },
            state_file: None,
        })
    }

    /// Keeps the state after each epoch in a file, so that a run that was cut can [resume](Self::resume). A file that is
    /// there already is replaced when the run begins.
    pub fn keep_state(&mut self, path: impl Into<PathBuf>) {
        self.state_file = Some(path.into());
    }

    /// Goes on from a file of [`Trainer::keep_state`], and keeps the state there.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or is of a run with another configuration, seed or data.
    pub fn resume(&mut self, path: impl Into<PathBuf>) -> Result<(), TrainingError> {
        let path = path.into();
        let parameters = self.model.parameters();
        let fresh = Optimizer::new(self.run.config.optimizer, parameters);
        self.state = RunState::load(&self.run, parameters, &fresh, &path)?;
        self.restore()?;
        self.state_file = Some(path);
        Ok(())
    }

    /// Runs all epochs that are not done yet. `on_event` hears of the beginning and of every batch and epoch; `stop` is
    /// looked at before each batch.
    ///
    /// # Errors
    /// [`TrainingError::NotFinite`] if a loss or a weight is NaN or infinite and [`TrainingError::Failed`] if a step fails, with epoch and batch:
    /// what was reached by the epoch before stays. [`TrainingError::State`] if the state cannot be written.
    pub fn run(
        &mut self,
        mut on_event: impl FnMut(&Event<'_>),
        stop: &AtomicBool,
    ) -> Result<Finish, TrainingError> {
        let (epochs, done) = (self.run.config.epochs, self.state.history.epochs.len());
        on_event(&Event::Begin { epochs, done, batches: self.batches() });
        self.save_state()?;
        for number in done + 1..=epochs {
            if self.is_patience_over() {
                return Ok(Finish::EarlyStopped);
            }
            match self.epoch(number, &mut on_event, stop) {
                Ok(Some(epoch)) => {
                    self.finish_epoch(epoch)?;
                    if let Some(epoch) = self.state.history.epochs.last() {
                        on_event(&Event::Epoch(epoch));
                    }
                    self.save_state()?;
                }
                cut => {
                    self.restore()?;
                    return cut.map(|_| Finish::Stopped);
                }
            }
        }
        Ok(if self.is_patience_over() { Finish::EarlyStopped } else { Finish::Completed })
    }

    /// The epochs so far.
    pub fn history(&self) -> &History {
        &self.state.history
    }

    /// The model as it is after the last whole epoch, which need not be the best one.
    pub fn model(&self) -> &dyn Model {
        &*self.model
    }

    /// A checkpoint of the best epoch so far: by the validation part, or without one the last.
    ///
    /// # Errors
    /// [`TrainingError::NoEpoch`] if none has ended, [`TrainingError::Checkpoint`] if the source does not fit the
    /// model.
    pub fn checkpoint(&self, source: CheckpointSource) -> Result<Checkpoint, TrainingError> {
        let best = self.state.history.best().ok_or(TrainingError::NoEpoch)?;
        let validation = self.validation.as_ref().map(|part| part.ids.clone()).unwrap_or_default();
        let model = (self.label_names.clone(), self.normalization.clone(), self.state.best.clone());
        let epochs = self.state.history.epochs.len();
        let ids = (self.training_ids.clone(), validation);
        Ok(Checkpoint::of_run(&self.run, best, epochs, model, source, ids)?)
    }

    fn batches(&self) -> usize {
        let order: Vec<usize> = (0..self.training_labels.len()).collect();
        super::epoch::batches(&order, self.run.config.batch_size).len()
    }

    fn is_patience_over(&self) -> bool {
        let Some(stopping) = self.run.config.early_stopping else { return false };
        let history = &self.state.history;
        let best = history.best().map_or(0, |epoch| epoch.epoch);
        history.epochs.len() - best >= stopping.patience
    }

    /// Takes over what an epoch brought.
    fn finish_epoch(&mut self, epoch: Epoch) -> Result<(), TrainingError> {
        self.state.weights.add("", self.model.parameters())?;
        self.state.optimizer = self.optimizer.clone();
        self.state.average.clone_from(&self.average);
        if epoch.best {
            let averaged = self.run.config.ema_decay.is_some();
            self.state.best = if averaged { &self.state.average } else { &self.state.weights }.clone();
        }
        self.state.history.epochs.push(epoch);
        Ok(())
    }

    fn save_state(&self) -> Result<(), StateError> {
        self.state_file.as_deref().map_or(Ok(()), |path: &Path| self.state.save(&self.run, path))
    }

    /// Back to the state after the last whole epoch.
    fn restore(&mut self) -> Result<(), TrainingError> {
        self.optimizer = self.state.optimizer.clone();
        self.average.clone_from(&self.state.average);
        Ok(self.state.weights.apply(self.model.parameters())?)
    }
}

/// What the training part's batches are made of, if the configuration's augmentation can be had of it.
fn source(
    config: &TrainingConfig,
    training: &Dataset,
    normalization: &Normalization,
    input: ModelInput,
    seed: u64,
) -> Result<Source, TrainingError> {
    let refused = |setting, rule| {
        let given = "none".to_owned();
        Err(TrainingError::Setting { setting, rule, given })
    };
    if let Some(setting) = config.augmentation.needs_frames()
        && matches!(input, ModelInput::Vector { .. })
    {
        return refused(setting, "needs inputs with frames");
    }
    if !config.augmentation.audio.is_on() {
        return Ok(Source::Features(Inputs::new(training.inputs(), training.frames(), normalization)));
    }
    let Some(audio) = training.audio() else {
        return refused("augmentation.audio", "needs the training clips themselves (Dataset::with_audio)");
    };
    let (ids, augmentation) = (training.ids().to_vec(), config.augmentation.audio);
    let source = AudioSource::new(audio.clone(), ids, augmentation, input, normalization.clone(), seed)?;
    Ok(Source::Audio(Box::new(source)))
}

fn check_data(
    model: &dyn Model,
    training: &Dataset,
    validation: Option<&Dataset>,
) -> Result<(), TrainingError> {
    let expected = model.input().shape();
    for (part, data) in [("training", Some(training)), ("validation", validation)] {
        if let Some(given) = data.map(|data| data.inputs().shape()[1..].to_vec()).filter(|s| *s != expected) {
            return Err(TrainingError::InputShape { part, expected, given });
        }
    }
    let counts = training.class_counts();
    if let Some((_, label)) = counts.iter().zip(training.label_names()).find(|(n, _)| **n == 0) {
        return Err(TrainingError::ClassWithoutExamples { label: label.clone() });
    }
    if let Some(validation) = validation {
        if training.label_names() != validation.label_names() {
            return Err(TrainingError::LabelsDiffer {
                training: training.label_names().to_vec(),
                validation: validation.label_names().to_vec(),
            });
        }
        let ids: std::collections::HashSet<&String> = training.ids().iter().collect();
        if let Some(id) = validation.ids().iter().find(|id| ids.contains(id)) {
            return Err(TrainingError::Overlap { id: id.clone() });
        }
    }
    Ok(())
}
