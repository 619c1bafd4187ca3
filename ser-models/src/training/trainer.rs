//! The training loop.

use super::optimizer::clip_gradients;
use super::state::{RunIdentity, RunState};
use super::{Dataset, Epoch, History, Normalization, Optimizer, StateError, TrainingConfig, TrainingError};
use crate::checkpoint::{Checkpoint, CheckpointSource};
use crate::classifier::{evaluate, largest};
use crate::generator::{Generator, Purpose};
use crate::inputs::Inputs;
use crate::layers::{CrossEntropy, Mode};
use crate::models::{Architecture, Model};
use crate::weights::Weights;
use candle_core::{DType, Device, Tensor};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

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
    run: RunIdentity,
    model: Box<dyn Model>,
    optimizer: Optimizer,
    loss: CrossEntropy,
    normalization: Normalization,
    label_names: Vec<String>,
    training: Part,
    validation: Option<Part>,
    /// After the last whole epoch.
    state: RunState,
    state_file: Option<PathBuf>,
}

/// Normalised inputs with their labels and ids.
#[derive(Debug)]
struct Part {
    inputs: Inputs,
    labels: Vec<usize>,
    ids: Vec<String>,
}

impl Part {
    fn new(data: &Dataset, normalization: &Normalization) -> Self {
        let inputs = Inputs::new(data.inputs(), data.frames(), normalization);
        Self { inputs, labels: data.labels().to_vec(), ids: data.ids().to_vec() }
    }
}

impl Trainer {
    /// Checks everything, computes the normalisation on the training part, and makes the model's initial weights from
    /// the seed.
    ///
    /// # Errors
    /// If a setting is out of its range, the inputs do not have the model's shape, a class has no training example, the
    /// parts name different classes, or a clip is in both.
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
        let mut weights = Weights::default();
        weights.add("", model.parameters())?;
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
            training: Part::new(training, &normalization),
            validation: validation.map(|data| Part::new(data, &normalization)),
            normalization,
            label_names,
            state: RunState { weights, optimizer, best: Weights::default(), history: History::default() },
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
    /// [`TrainingError::NotFinite`] if a loss is NaN or infinite: what was reached by the epoch before stays.
    /// [`TrainingError::State`] if the state cannot be written.
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
        let ids = (self.training.ids.clone(), validation);
        Ok(Checkpoint::of_run(&self.run, best, epochs, model, source, ids)?)
    }

    fn batches(&self) -> usize {
        batch_ends(self.training.labels.len(), self.run.config.batch_size).count()
    }

    fn is_patience_over(&self) -> bool {
        let Some(stopping) = self.run.config.early_stopping else { return false };
        let history = &self.state.history;
        let best = history.best().map_or(0, |epoch| epoch.epoch);
        history.epochs.len() - best >= stopping.patience
    }

    /// One epoch; `None` if it was stopped.
    fn epoch(
        &mut self,
        number: usize,
        on_event: &mut impl FnMut(&Event<'_>),
        stop: &AtomicBool,
    ) -> Result<Option<Epoch>, TrainingError> {
        let (seed, config) = (self.run.seed, self.run.config.clone());
        let mut order: Vec<usize> = (0..self.training.labels.len()).collect();
        Generator::for_run(seed, Purpose::Shuffle, number as u64).shuffle(&mut order);
        let batches = self.batches();
        let (mut loss_sum, mut right, mut learning_rate, mut start) = (0.0, 0, config.learning_rate, 0);
        for (batch, end) in batch_ends(order.len(), config.batch_size).enumerate() {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let step = self.optimizer.steps();
            learning_rate = config.learning_rate * config.schedule.factor(step, batches, config.epochs);
            let mut generator = Generator::for_run(seed, Purpose::Step, step);
            let (loss, hits) = self.step(&order[start..end], learning_rate, &mut generator)?;
            if !loss.is_finite() {
                let place = format!("batch {} of {batches}", batch + 1);
                return Err(TrainingError::NotFinite { epoch: number, place, loss });
            }
            loss_sum += loss * (end - start) as f64;
            right += hits;
            start = end;
            on_event(&Event::Batch { epoch: number, batch: batch + 1, batches, loss });
        }
        let validation = self
            .validation
            .as_ref()
            .map(|part| evaluate(&*self.model, &part.inputs, &part.labels, &self.label_names))
            .transpose()?;
        if let Some(loss) = validation.as_ref().map(|v| v.loss).filter(|loss| !loss.is_finite()) {
            return Err(TrainingError::NotFinite { epoch: number, place: "validation".to_owned(), loss });
        }
        let best_before = self.state.history.best().and_then(|epoch| epoch.validation.as_ref());
        let best = match (&validation, best_before) {
            (Some(now), Some(before)) => now.score(config.monitor) > before.score(config.monitor),
            _ => true,
        };
        Ok(Some(Epoch {
            epoch: number,
            learning_rate,
            train_loss: loss_sum / order.len() as f64,
            train_accuracy: right as f64 / order.len() as f64,
            validation,
            best,
        }))
    }

    /// One step on the clips at these places: the loss, and how many were answered rightly. A loss that is not finite
    /// moves nothing.
    fn step(
        &mut self,
        clips: &[usize],
        learning_rate: f64,
        generator: &mut Generator,
    ) -> Result<(f64, usize), TrainingError> {
        let mut inputs = self.training.inputs.select(clips);
        let labels: Vec<usize> = clips.iter().map(|clip| self.training.labels[*clip]).collect();
        let targets = self.loss.targets(&labels, DType::F32, &Device::Cpu)?;
        let mut targets = targets.flatten_all()?.to_vec1::<f32>()?;
        self.run.config.augmentation.apply(&mut inputs.values, &mut targets, clips.len(), generator);

        let targets = Tensor::from_vec(targets, (clips.len(), self.label_names.len()), &Device::Cpu)?;
        let logits = self.model.forward(&inputs.into_batch()?, &mut Mode::Training(generator))?;
        let loss = self.loss.loss(&logits, &targets)?;
        let value = f64::from(loss.to_scalar::<f32>()?);
        let answers = logits.detach().to_vec2::<f32>()?;
        let right = answers.iter().zip(&labels).filter(|(logits, label)| largest(logits) == **label).count();
        if value.is_finite() {
            let parameters = self.model.parameters();
            let mut gradients = loss.backward()?;
            if let Some(limit) = self.run.config.clip_norm {
                clip_gradients(parameters, &mut gradients, limit)?;
            }
            self.optimizer.step(parameters, &gradients, learning_rate)?;
        }
        Ok((value, right))
    }

    /// Takes over what an epoch brought.
    fn finish_epoch(&mut self, epoch: Epoch) -> Result<(), TrainingError> {
        self.state.weights.add("", self.model.parameters())?;
        self.state.optimizer = self.optimizer.clone();
        if epoch.best {
            self.state.best = self.state.weights.clone();
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
        Ok(self.state.weights.apply(self.model.parameters())?)
    }
}

/// Where each batch ends among `n` examples. One that would be left over alone joins the batch before it: batch
/// normalisation cannot learn from one.
fn batch_ends(n: usize, batch_size: usize) -> impl Iterator<Item = usize> {
    let batches = if n % batch_size == 1 && n > 1 { n / batch_size } else { n.div_ceil(batch_size) };
    (1..=batches).map(move |batch| if batch == batches { n } else { batch * batch_size })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_batch_has_one_example() {
        let ends = |n, size| batch_ends(n, size).collect::<Vec<_>>();
        assert_eq!(ends(64, 32), [32, 64]);
        assert_eq!(ends(65, 32), [32, 65]);
        assert_eq!(ends(66, 32), [32, 64, 66]);
        assert_eq!(ends(33, 32), [33]);
        assert_eq!(ends(5, 32), [5]);
        assert_eq!(ends(3, 2), [3]);
    }
}
