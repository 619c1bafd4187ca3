//! One model that learns, step by step.

use super::average::update_average;
use super::optimizer::{check as check_optimizer, clip_gradients};
use super::{Optimizer, Targets, TrainingConfig, TrainingError};
use crate::classifier::evaluate;
use crate::generator::Generator;
use crate::layers::{CrossEntropy, Layer, Mode, Padded};
use crate::metrics::Evaluation;
use crate::models::Model;
use crate::weights::Weights;
use candle_core::backprop::GradStore;
use candle_core::{Result as CandleResult, Storage};
use candle_nn::Optimizer as _;

/// A model in training, with its loss, its optimiser and optionally a moving average of its weights.
#[derive(Debug)]
pub struct Learner {
    model: Model,
    optimizer: Optimizer,
    loss: CrossEntropy,
    clip_norm: Option<f64>,
    ema_decay: Option<f64>,
    /// Empty if averaging is off.
    average: Weights,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The loss of the batch, with label smoothing and class weights.
    pub loss: f64,
    /// Number of correct answers: those whose largest logit is at the class of the largest target.
    pub correct: usize,
}

/// All values that change in training.
#[derive(Debug, Clone)]
pub(crate) struct LearnerState {
    pub(crate) weights: Weights,
    pub(crate) optimizer: Optimizer,
    /// Empty if averaging is off.
    pub(crate) average: Weights,
}

impl Learner {
    /// A model at the beginning of its training. Of `config` it uses optimiser, learning rates, `clip_norm`, `label_smoothing` and
    /// `ema_decay`; `class_weights` are one for each class.
    ///
    /// # Errors
    /// If a class weight, the label smoothing, a learning rate or a setting of the optimiser is out of its range, or a key of
    /// `learning_rates` fits no weight. A wrong number of class weights is an error of [`Learner::step`].
    pub fn new(
        model: Model,
        config: &TrainingConfig,
        class_weights: Vec<f32>,
    ) -> Result<Self, TrainingError> {
        let loss = CrossEntropy::new(class_weights, config.label_smoothing)?;
        check_optimizer(&config.optimizer, config.learning_rate)?;
        let mut optimizer =
            Optimizer::for_parameters(config.optimizer, config.learning_rate, model.parameters());
        optimizer.set_rates(&config.learning_rates)?;
        let average =
            if config.ema_decay.is_some() { model.parameters().values()? } else { Weights::default() };
        let (clip_norm, ema_decay) = (config.clip_norm, config.ema_decay);
        Ok(Self { model, optimizer, loss, clip_norm, ema_decay, average })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The number of steps taken so far.
    pub fn steps(&self) -> u64 {
        self.optimizer.steps()
    }

    /// Makes targets of examples that have one class each.
    ///
    /// # Errors
    /// If a label is not below the number of classes.
    pub fn targets(&self, labels: &[usize]) -> Result<Targets, TrainingError> {
        Targets::new(labels, self.model.classes())
    }

    /// Trains on a batch of normalised inputs with their targets: forward pass, loss, backward pass, optimiser. If the loss is not finite,
    /// no weight changes, but the forward pass has already updated the running statistics.
    ///
    /// # Errors
    /// If inputs or targets do not fit the model.
    pub fn step(
        &mut self,
        inputs: &Padded,
        targets: &Targets,
        learning_rate: f64,
        generator: &mut Generator,
    ) -> Result<Step, TrainingError> {
        let pass = self.model.forward(inputs, &mut Mode::Training(generator))?;
        let logits = pass.output().values().clone();
        let (loss, dlogits) = targets.loss_and_gradient(&self.loss, &logits)?;
        let correct = targets.correct(&logits.to_vec2::<f32>()?);
        if loss.is_finite() {
            let mut gradients = GradStore::default();
            // On one of its own threads rayon starts the others without waking and waiting for them at every layer.
            rayon::join(|| pass.backward_weights(&dlogits, &mut gradients), || ()).0?;
            let parameters = self.model.parameters();
            if let Some(limit) = self.clip_norm {
                clip_gradients(parameters, &mut gradients, limit)?;
            }
            self.optimizer.set_learning_rate(learning_rate);
            self.optimizer.step(&gradients)?;
            if let Some(decay) = self.ema_decay {
                update_average(&mut self.average, decay, self.optimizer.steps(), parameters)?;
            }
        }
        Ok(Step { loss, correct })
    }

    /// Returns description and value of the first NaN or infinity among weights, running statistics, averaged weights and the optimiser's
    /// state.
    pub(super) fn not_finite(&self) -> CandleResult<Option<(String, f64)>> {
        let wrong = |values: &[f32]| values.iter().find(|x| !x.is_finite()).map(|x| f64::from(*x));
        for parameter in self.model.parameters().iter() {
            let (storage, _) = parameter.var().storage_and_layout();
            let Storage::Cpu(storage) = &*storage else { continue };
            if let Some(value) = wrong(storage.as_slice()?) {
                return Ok(Some((format!("a value of {}", parameter.name()), value)));
            }
        }
        let mut average = self.average.0.iter();
        let broken = average.find_map(|(name, average)| {
            wrong(&average.values).map(|value| (format!("a value of the average of {name}"), value))
        });
        let of_optimizer = || {
            self.optimizer.running().find_map(|(name, [first, second])| {
                let value = wrong(first).or_else(|| wrong(second))?;
                Some((format!("a value of the optimiser for {name}"), value))
            })
        };
        Ok(broken.or_else(of_optimizer))
    }

    /// Returns loss and confusion matrix on normalised inputs. The averaged weights are evaluated if there are any, else the weights.
    pub(super) fn evaluate(
        &self,
        inputs: &Padded,
        labels: &[usize],
        label_names: &[String],
    ) -> Result<Evaluation, TrainingError> {
        let parameters = self.model.parameters();
        let weights = if self.average.0.is_empty() { Weights::default() } else { parameters.values()? };
        parameters.set_values(&self.average)?;
        let evaluation = evaluate(&self.model, inputs, labels, label_names);
        parameters.set_values(&weights)?;
        Ok(evaluation?)
    }

    /// Copies all values that change in training.
    pub(super) fn state(&self) -> Result<LearnerState, TrainingError> {
        let weights = self.model.parameters().values()?;
        Ok(LearnerState { weights, optimizer: self.optimizer.clone(), average: self.average.clone() })
    }

    /// Restores a state.
    pub(super) fn restore(&mut self, state: &LearnerState) -> Result<(), TrainingError> {
        self.optimizer = state.optimizer.clone();
        self.average.clone_from(&state.average);
        Ok(self.model.parameters().set_values(&state.weights)?)
    }
}
