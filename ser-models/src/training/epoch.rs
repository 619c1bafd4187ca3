//! One epoch: steps along its batches, then the validation part.

use super::average::update_average;
use super::optimizer::clip_gradients;
use super::trainer::{Event, Trainer};
use super::{Augmentation, Epoch, Evaluation, TrainingError};
use crate::classifier::{evaluate, largest};
use crate::generator::{Generator, Purpose};
use crate::inputs::Inputs;
use crate::layers::{Mode, backward};
use candle_core::{DType, Device, Result as CandleResult, Storage, Tensor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What an epoch's steps brought.
struct Steps {
    loss_sum: f64,
    right: f64,
    learning_rate: f64,
}

impl Trainer {
    /// One epoch; `None` if it was stopped.
    pub(super) fn epoch(
        &mut self,
        number: usize,
        on_event: &mut impl FnMut(&Event<'_>),
        stop: &AtomicBool,
    ) -> Result<Option<Epoch>, TrainingError> {
        let places = self.places(number);
        let source = Arc::clone(&self.source);
        let steps =
            source.batches(number, &places, |inputs| self.steps(number, &places, inputs, on_event, stop))?;
        let Some(Steps { loss_sum, right, learning_rate }) = steps else { return Ok(None) };
        let uses = places.iter().map(Vec::len).sum::<usize>() as f64;
        let validation = self.validate()?;
        if let Some(loss) = validation.as_ref().map(|v| v.loss).filter(|loss| !loss.is_finite()) {
            let (place, what) = ("validation".to_owned(), "the loss".to_owned());
            return Err(TrainingError::NotFinite { epoch: number, place, what, value: loss });
        }
        let monitor = self.run.config.monitor;
        let best_before = self.state.history.best().and_then(|epoch| epoch.validation.as_ref());
        let best = match (&validation, best_before) {
            (Some(now), Some(before)) => now.score(monitor) > before.score(monitor),
            _ => true,
        };
        Ok(Some(Epoch {
            epoch: number,
            learning_rate,
            train_loss: loss_sum / uses,
            train_accuracy: right / uses,
            validation,
            best,
        }))
    }

    /// The batches of an epoch as places of clips. Where each member of an ensemble has its own, they lie one after the other, and the
    /// places of each member begin behind those of the one before.
    fn places(&self, epoch: usize) -> Vec<Vec<usize>> {
        let clips = self.training_labels.len();
        let mut places: Vec<Vec<usize>> = Vec::new();
        for member in 0..self.model.batches() {
            let mut order: Vec<usize> = (member * clips..(member + 1) * clips).collect();
            self.generator(Purpose::Shuffle, epoch as u64, member).shuffle(&mut order);
            let own = batches(&order, self.run.config.batch_size);
            places.resize(own.len(), Vec::new());
            places.iter_mut().zip(own).for_each(|(places, own)| places.extend(own));
        }
        places
    }

    /// A generator for one use in one epoch or step, another for each batch that the model takes at once.
    fn generator(&self, purpose: Purpose, index: u64, member: usize) -> Generator {
        Generator::for_run(self.run.seed, purpose, ((member as u64) << 40) | index)
    }

    /// All steps of an epoch; `None` if it was stopped.
    fn steps(
        &mut self,
        epoch: usize,
        places: &[Vec<usize>],
        inputs: &mut dyn Iterator<Item = Result<Inputs, TrainingError>>,
        on_event: &mut impl FnMut(&Event<'_>),
        stop: &AtomicBool,
    ) -> Result<Option<Steps>, TrainingError> {
        let batches = places.len();
        let mut steps = Steps { loss_sum: 0.0, right: 0.0, learning_rate: self.run.config.learning_rate };
        for (places, batch) in places.iter().zip(1..) {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let place = || format!("batch {batch} of {batches}");
            let failed = |cause| TrainingError::Failed { epoch, place: place(), cause: Box::new(cause) };
            let Some(inputs) = inputs.next() else { return Ok(None) };
            let config = &self.run.config;
            let factor = config.schedule.factor(self.optimizer.steps(), batches, config.epochs);
            steps.learning_rate = config.learning_rate * factor;
            let taken = inputs.and_then(|inputs| self.step(places, inputs, steps.learning_rate));
            let (loss, right) = taken.map_err(failed)?;
            // A loss that is finite may have a gradient that is not: the epoch's last step has no loss after it to show that.
            let broken = match loss.is_finite() {
                false => Some(("the loss".to_owned(), loss)),
                true => self.not_finite().map_err(|cause| failed(cause.into()))?,
            };
            if let Some((what, value)) = broken {
                return Err(TrainingError::NotFinite { epoch, place: place(), what, value });
            }
            steps.loss_sum += loss * places.len() as f64;
            steps.right += right;
            on_event(&Event::Batch { epoch, batch, batches, loss });
        }
        Ok(Some(steps))
    }

    /// One step on the clips at these places: the loss, and how many were answered rightly, a mean over members that see the same. A
    /// loss that is not finite moves nothing.
    fn step(
        &mut self,
        places: &[usize],
        inputs: Inputs,
        learning_rate: f64,
    ) -> Result<(f64, f64), TrainingError> {
        let (config, batches) = (&self.run.config, self.model.batches());
        let labels: Vec<usize> =
            places.iter().map(|place| self.training_labels[place % self.training_labels.len()]).collect();
        let targets = self.loss.targets(&labels, DType::F32, &Device::Cpu)?;
        let mut targets = targets.flatten_all()?.to_vec1::<f32>()?;
        let step = self.optimizer.steps();
        let mut generators: Vec<Generator> =
            (0..batches).map(|member| self.generator(Purpose::Step, step, member)).collect();
        let inputs = augmented(&config.augmentation, inputs, &mut targets, &mut generators);
        let mut generator = generators.swap_remove(0);

        // Members that see the same learn the same.
        let members = self.model.members() / batches;
        let shape = (members * places.len(), self.label_names.len());
        let targets = Tensor::from_vec(targets.repeat(members), shape, &Device::Cpu)?;
        let labels = labels.repeat(members);
        let logits = self.model.forward(&inputs.into_batch()?, &mut Mode::Training(&mut generator))?;
        let loss = self.loss.loss(&logits, &targets)?;
        let value = f64::from(loss.to_scalar::<f32>()?);
        let answers = logits.detach().to_vec2::<f32>()?;
        let right =
            answers.iter().zip(&labels).filter(|(logits, label)| largest(logits) == **label).count() as f64;
        if value.is_finite() {
            let parameters = self.model.parameters();
            let mut gradients = backward(&loss)?;
            if let Some(limit) = config.clip_norm {
                clip_gradients(parameters, &mut gradients, limit)?;
            }
            self.optimizer.step(parameters, &gradients, learning_rate)?;
            if let Some(decay) = config.ema_decay {
                update_average(&mut self.average, decay, self.optimizer.steps(), parameters)?;
            }
        }
        Ok((value, right / members as f64))
    }

    /// The first weight, statistic or average of one that is NaN or infinite: what it is, and its value.
    fn not_finite(&self) -> CandleResult<Option<(String, f64)>> {
        let wrong = |values: &[f32]| values.iter().find(|x| !x.is_finite()).map(|x| f64::from(*x));
        for parameter in self.model.parameters().iter() {
            let (storage, _) = parameter.var().storage_and_layout();
            let Storage::Cpu(storage) = &*storage else { continue };
            if let Some(value) = wrong(storage.as_slice()?) {
                return Ok(Some((format!("a value of {}", parameter.name()), value)));
            }
        }
        let mut average = self.average.0.iter();
        Ok(average.find_map(|(name, average)| {
            wrong(&average.values).map(|value| (format!("a value of the average of {name}"), value))
        }))
    }

    /// What the validation part says of the weights, or of their average where one is taken.
    fn validate(&mut self) -> Result<Option<Evaluation>, TrainingError> {
        let Some(part) = &self.validation else { return Ok(None) };
        let parameters = self.model.parameters();
        let mut weights = crate::weights::Weights::default();
        if self.run.config.ema_decay.is_some() {
            weights.add("", parameters)?;
            self.average.apply(parameters)?;
        }
        let evaluation = evaluate(&*self.model, &part.inputs, &part.labels, &self.label_names);
        weights.apply(parameters)?;
        Ok(Some(evaluation?))
    }
}

/// Changes batches that lie one after the other, each with its own generator.
fn augmented(
    augmentation: &Augmentation,
    mut inputs: Inputs,
    targets: &mut [f32],
    generators: &mut [Generator],
) -> Inputs {
    if let [generator] = generators {
        augmentation.apply(&mut inputs, targets, generator);
        return inputs;
    }
    let each = inputs.len() / generators.len();
    let targets = targets.chunks_exact_mut(targets.len() / generators.len());
    let own = generators.iter_mut().zip(targets).enumerate().map(|(at, (generator, targets))| {
        let mut own = inputs.select(&(at * each..(at + 1) * each).collect::<Vec<_>>());
        augmentation.apply(&mut own, targets, generator);
        own
    });
    Inputs::concat(own.collect()).unwrap_or(inputs)
}

/// An epoch's order in batches. One example that would be left over alone joins the batch before it: batch normalisation
/// cannot learn from one.
pub(super) fn batches(order: &[usize], batch_size: usize) -> Vec<&[usize]> {
    let alone = order.len() % batch_size == 1 && order.len() > batch_size;
    let (whole, last) = order.split_at(if alone { order.len() - batch_size - 1 } else { 0 });
    let mut batches: Vec<&[usize]> = whole.chunks(batch_size).collect();
    if alone {
        batches.push(last);
    } else {
        batches.extend(last.chunks(batch_size));
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_batch_has_one_example_and_all_are_there_in_order() {
        let sizes = |n, size| {
            let order: Vec<usize> = (0..n).collect();
            let batches = batches(&order, size);
            assert_eq!(batches.concat(), order);
            batches.iter().map(|batch| batch.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(64, 32), [32, 32]);
        assert_eq!(sizes(65, 32), [32, 33]);
        assert_eq!(sizes(66, 32), [32, 32, 2]);
        assert_eq!(sizes(33, 32), [33]);
        assert_eq!(sizes(5, 32), [5]);
        assert_eq!(sizes(3, 2), [3]);
    }
}
