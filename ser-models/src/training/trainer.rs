//! The training loop.

use super::history::score;
use super::learner::LearnerState;
use super::part::{Steps, TrainingPart, ValidationPart};
use super::state::{RunIdentity, RunState};
use super::{Epoch, Event, Finish, History, Learner, StateError, TrainingConfig, TrainingError};
use crate::checkpoint::{Checkpoint, CheckpointSource, IN_MEMORY, SplitRecord, TrainingRecord};
use crate::input::{Dataset, ModelInput, Normalization};
use crate::json::json_value;
use crate::metrics::Evaluation;
use crate::models::{Architecture, Model};
use crate::readout::Readout;
use crate::setting::{Settings, TRAINING};
use crate::weights::Weights;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Trains one model on one training part.
///
/// The same configuration, data and seed give the same weights, bit for bit, on one machine, whether or not the run was
/// interrupted and resumed.
#[derive(Debug)]
pub struct Trainer {
    run: RunIdentity,
    learner: Learner,
    normalization: Normalization,
    label_names: Vec<String>,
    /// The readout of the checkpoint that the training begins from.
    readout: Readout,
    /// The training and validation clips of that checkpoint.
    known: SplitRecord,
    training: TrainingPart,
    validation: Option<ValidationPart>,
    /// Settings of the encoding that made the training part's inputs.
    encoding: Option<Value>,
    /// The state after the last complete epoch.
    state: RunState,
    state_file: Option<PathBuf>,
}

impl Trainer {
    /// Checks the settings and the data, computes the normalisation on the training part, and initialises the model's weights from the
    /// seed.
    ///
    /// # Errors
    /// [`TrainingError::Setting`] if a setting is out of its range, the architecture is an ensemble, the training part has fewer than 2
    /// clips, early stopping lacks a validation part, or the training part lacks data that the augmentation needs; [`TrainingError::Layer`]
    /// if the architecture's sizes don't fit together; [`TrainingError::InputShape`], [`TrainingError::ClassWithoutExamples`],
    /// [`TrainingError::LabelsDiffer`] and [`TrainingError::Overlap`] if the data don't fit.
    pub fn new(
        config: TrainingConfig,
        architecture: Architecture,
        training: &Dataset,
        validation: Option<&Dataset>,
        seed: u64,
    ) -> Result<Self, TrainingError> {
        config.check(validation.is_some())?;
        check_single(&architecture)?;
        let model = architecture.build(training.label_names().len(), seed)?;
        let input = model.input();
        check_data(input, training, validation)?;
        let normalization = if config.normalize {
            Normalization::fit(training.inputs(), config.log_skewed)?
        } else {
            Normalization::identity(input.features())
        };
        let (readout, known) = (Readout::default(), SplitRecord::default());
        let start = Start { architecture, model, normalization, readout, known, digest: None };
        Self::start(config, start, training, validation, seed)
    }

    /// Continues the training of a trained model with other settings or data, e.g. of a head with an encoder's blocks
    /// ([`Checkpoint::with_tuned_blocks`]). It begins from the checkpoint's weights, and its normalisation and readout are kept;
    /// [`TrainingConfig::normalize`] changes nothing. Clips of the checkpoint's training and validation part are among those of the new
    /// checkpoint; its test clips may train; leave them out of [`CheckpointSource::test`](crate::CheckpointSource::test) then, or
    /// [`Trainer::checkpoint`] fails.
    ///
    /// # Errors
    /// As [`Trainer::new`]; also if the classes are not those of the checkpoint, or a clip of the validation part trained it.
    pub fn from_checkpoint(
        config: TrainingConfig,
        checkpoint: &Checkpoint,
        training: &Dataset,
        validation: Option<&Dataset>,
        seed: u64,
    ) -> Result<Self, TrainingError> {
        config.check(validation.is_some())?;
        check_single(&checkpoint.architecture)?;
        let model = checkpoint.model(IN_MEMORY)?;
        check_data(model.input(), training, validation)?;
        if checkpoint.labels != training.label_names() {
            let (expected, given) = (checkpoint.labels.clone(), training.label_names().to_vec());
            return Err(TrainingError::OtherLabels { expected, given });
        }
        let trained: HashSet<&String> = checkpoint.split.train.iter().collect();
        let known = validation.and_then(|data| data.ids().iter().find(|id| trained.contains(id)));
        if let Some(id) = known {
            return Err(TrainingError::Known { id: id.clone() });
        }
        let start = Start {
            architecture: checkpoint.architecture.clone(),
            model,
            normalization: checkpoint.normalization.clone(),
            readout: checkpoint.readout.clone(),
            known: checkpoint.split.clone(),
            digest: Some(checkpoint.digest()?),
        };
        Self::start(config, start, training, validation, seed)
    }

    /// Begins a run after a check that the model fits the data.
    fn start(
        config: TrainingConfig,
        start: Start,
        training: &Dataset,
        validation: Option<&Dataset>,
        seed: u64,
    ) -> Result<Self, TrainingError> {
        let Start { architecture, model, normalization, readout, known, digest } = start;
        let (input, clips) = (model.input(), training.len());
        Settings("training part").require(clips >= 2, "clips", "2 or more", clips)?;
        let learner = Learner::new(model, &config, config.class_weights(training)?)?;
        let state =
            RunState { learner: learner.state()?, best: Weights::default(), history: History::default() };
        Ok(Self {
            training: TrainingPart::new(&config, training, &normalization, input, seed)?,
            validation: validation.map(|data| ValidationPart::new(data, &normalization)).transpose()?,
            encoding: training.encoding().cloned(),
            run: RunIdentity {
                crate_version: env!("CARGO_PKG_VERSION").to_owned(),
                seed,
                architecture,
                start: digest,
                config,
                training: training.fingerprint(),
                validation: validation.map(Dataset::fingerprint),
            },
            learner,
            normalization,
            label_names: training.label_names().to_vec(),
            readout,
            known,
            state,
            state_file: None,
        })
    }

    /// Sets a file to which the state is written after each epoch, so that an interrupted run can be [resumed](Self::resume). An existing
    /// file is replaced when the run begins.
    pub fn keep_state(&mut self, path: impl Into<PathBuf>) {
        self.state_file = Some(path.into());
    }

    /// Continues from a file that [`Trainer::keep_state`] wrote, and keeps writing the state to it.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or belongs to a run with another configuration, seed, data or version of this crate.
    pub fn resume(&mut self, path: impl Into<PathBuf>) -> Result<(), TrainingError> {
        let path = path.into();
        self.state = RunState::load(
            &self.run,
            self.learner.model().parameters(),
            &self.state.learner.optimizer,
            self.training.batches(self.run.config.batch_size),
            &path,
        )?;
        self.learner.restore(&self.state.learner)?;
        self.state_file = Some(path);
        Ok(())
    }

    /// Runs all epochs that are not done yet. `on_event` is called at the beginning and after every batch and epoch. `stop` is checked
    /// before each batch.
    ///
    /// # Errors
    /// [`TrainingError::NotFinite`] if a loss, a weight, a statistic or a value of the optimiser is NaN or infinite,
    /// [`TrainingError::Failed`] if a step fails; both name the epoch and the batch (or `validation`). [`TrainingError::State`] if the
    /// state cannot be written; the error of the evaluation if the validation part cannot be evaluated. The state after the previous epoch
    /// is kept.
    pub fn run(
        &mut self,
        mut on_event: impl FnMut(&Event<'_>),
        stop: &AtomicBool,
    ) -> Result<Finish, TrainingError> {
        let (epochs, done) = (self.run.config.epochs, self.state.history.epochs.len());
        on_event(&Event::Begin { epochs, done, batches: self.training.batches(self.run.config.batch_size) });
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
                    self.learner.restore(&self.state.learner)?;
                    return cut.map(|_| Finish::Stopped);
                }
            }
        }
        Ok(if self.is_patience_over() { Finish::EarlyStopped } else { Finish::Completed })
    }

    /// The history of the epochs so far.
    pub fn history(&self) -> &History {
        &self.state.history
    }

    /// The model as it is after the last whole epoch, which need not be the best one. With [`TrainingConfig::ema_decay`] it has the weights
    /// themselves, not their average.
    pub fn model(&self) -> &Model {
        self.learner.model()
    }

    /// Returns a checkpoint of the best epoch so far by the validation part, or of the last epoch if there is no validation part.
    ///
    /// # Errors
    /// [`TrainingError::NoEpoch`] if no epoch has ended, [`TrainingError::Checkpoint`] if the source does not fit the model.
    pub fn checkpoint(&self, source: CheckpointSource) -> Result<Checkpoint, TrainingError> {
        let best = self.state.history.best().ok_or(TrainingError::NoEpoch)?;
        let mut metrics = BTreeMap::from([
            ("train_loss".to_owned(), best.train_loss),
            ("train_accuracy".to_owned(), best.train_accuracy),
        ]);
        if let Some(Evaluation { loss, confusion }) = &best.validation {
            metrics.insert("validation_loss".to_owned(), *loss);
            metrics.insert("validation_accuracy".to_owned(), confusion.accuracy());
            metrics.insert("validation_uar".to_owned(), confusion.uar());
            metrics.insert("validation_macro_f1".to_owned(), confusion.macro_f1());
        }
        let CheckpointSource { preparation, features, protocol, split_seed, test } = source;
        let own = self.validation.iter().flat_map(|part| &part.ids);
        let train = with_known(&self.training.ids, &self.known.train);
        let mut validation = with_known(own, &self.known.validation);
        if !self.known.train.is_empty() {
            let trained: HashSet<&String> = train.iter().collect();
            validation.retain(|id| !trained.contains(id));
        }
        let checkpoint = Checkpoint {
            crate_version: self.run.crate_version.clone(),
            architecture: self.run.architecture.clone(),
            labels: self.label_names.clone(),
            readout: self.readout.clone(),
            preparation,
            features,
            normalization: self.normalization.clone(),
            split: SplitRecord { protocol, seed: split_seed, train, validation, test },
            training: TrainingRecord {
                seed: self.run.seed,
                config: json_value(&self.run.config).unwrap_or_default(),
                encoding: self.encoding.clone(),
                epochs: self.state.history.epochs.len(),
                epoch: best.epoch,
                metrics,
            },
            joined: Vec::new(),
            weights: self.state.best.clone(),
        };
        checkpoint.model("new checkpoint")?;
        Ok(checkpoint)
    }

    fn is_patience_over(&self) -> bool {
        let Some(stopping) = self.run.config.early_stopping else { return false };
        let history = &self.state.history;
        let best = history.best().map_or(0, |epoch| epoch.epoch);
        history.epochs.len() - best >= stopping.patience
    }

    /// Runs one epoch. Returns `None` if it was stopped.
    fn epoch(
        &mut self,
        number: usize,
        on_event: &mut impl FnMut(&Event<'_>),
        stop: &AtomicBool,
    ) -> Result<Option<Epoch>, TrainingError> {
        let plan = (&self.run.config, self.run.seed, number);
        let steps = self.training.epoch(&mut self.learner, plan, on_event, stop)?;
        let Some(Steps { loss, accuracy, learning_rate }) = steps else { return Ok(None) };
        let validation = self.validation.as_ref().map(|part| part.evaluate(&self.learner)).transpose()?;
        if let Some(loss) = validation.as_ref().map(|v| v.loss).filter(|loss| !loss.is_finite()) {
            let (place, what) = ("validation".to_owned(), "the loss".to_owned());
            return Err(TrainingError::NotFinite { epoch: number, place, what, value: loss });
        }
        let monitor = self.run.config.monitor;
        let best_before = self.state.history.best().and_then(|epoch| epoch.validation.as_ref());
        let best = match (&validation, best_before) {
            (Some(now), Some(before)) => score(now, monitor) > score(before, monitor),
            _ => true,
        };
        let (train_loss, train_accuracy) = (loss, accuracy);
        Ok(Some(Epoch { epoch: number, learning_rate, train_loss, train_accuracy, validation, best }))
    }

    /// Records a complete epoch.
    fn finish_epoch(&mut self, epoch: Epoch) -> Result<(), TrainingError> {
        self.state.learner = self.learner.state()?;
        if epoch.best {
            let LearnerState { weights, average, .. } = &self.state.learner;
            self.state.best = if average.0.is_empty() { weights } else { average }.clone();
        }
        self.state.history.epochs.push(epoch);
        Ok(())
    }

    fn save_state(&self) -> Result<(), StateError> {
        self.state_file.as_deref().map_or(Ok(()), |path: &Path| self.state.save(&self.run, path))
    }
}

/// The start of a run.
struct Start {
    architecture: Architecture,
    model: Model,
    normalization: Normalization,
    readout: Readout,
    /// The clips that have trained or validated the model.
    known: SplitRecord,
    /// Digest of the checkpoint that the model comes from.
    digest: Option<String>,
}

fn check_single(architecture: &Architecture) -> Result<(), TrainingError> {
    let (setting, rule) = ("architecture", "one network (Checkpoint::join joins trained ones)");
    Ok(TRAINING.require(architecture.member() == architecture, setting, rule, "ensemble")?)
}

/// Returns the ids of `own`, then those of `known` that are not among them.
fn with_known<'a>(own: impl IntoIterator<Item = &'a String>, known: &'a [String]) -> Vec<String> {
    let mut ids: Vec<String> = own.into_iter().cloned().collect();
    let there: HashSet<&String> = ids.iter().collect();
    let others: Vec<String> = known.iter().filter(|id| !there.contains(id)).cloned().collect();
    ids.extend(others);
    ids
}

fn check_data(
    input: ModelInput,
    training: &Dataset,
    validation: Option<&Dataset>,
) -> Result<(), TrainingError> {
    let expected = input.shape();
    for (part, data) in [("training", Some(training)), ("validation", validation)] {
        if let Some(given) = data.map(|data| data.inputs().dims()[1..].to_vec()).filter(|s| *s != expected) {
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
        let ids: HashSet<&String> = training.ids().iter().collect();
        if let Some(id) = validation.ids().iter().find(|id| ids.contains(id)) {
            return Err(TrainingError::Overlap { id: id.clone() });
        }
    }
    Ok(())
}
