//! The clips of one part of a split, prepared for a model, and the training steps of an epoch.

use super::sampling::Order;
use super::source::{AudioSource, Source};
use super::{Event, Learner, Targets, TrainingConfig, TrainingError};
use crate::generator::{Generator, Purpose};
use crate::input::{Dataset, ModelInput, Normalization};
use crate::layers::Padded;
use crate::metrics::Evaluation;
use crate::setting::TRAINING;
use ndarray::Array2;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The training part.
#[derive(Debug)]
pub(super) struct TrainingPart {
    source: Source,
    order: Order,
    labels: Vec<usize>,
    /// For each example, true for the classes among which it was labelled. `None` if every example was labelled among all classes.
    labelled: Option<Vec<Arc<[bool]>>>,
    /// For each example the probability of each class, instead of its label.
    soft_labels: Option<Array2<f32>>,
    pub(super) ids: Vec<String>,
}

/// The validation part, with normalised inputs.
#[derive(Debug)]
pub(super) struct ValidationPart {
    inputs: Padded,
    labels: Vec<usize>,
    label_names: Vec<String>,
    pub(super) ids: Vec<String>,
}

/// The results of an epoch's steps, as means over its examples.
pub(super) struct Steps {
    pub(super) loss: f64,
    pub(super) accuracy: f64,
    /// The learning rate of the last step.
    pub(super) learning_rate: f64,
}

impl TrainingPart {
    /// Makes the training part, and checks that it has the data that the configuration's augmentation needs.
    pub(super) fn new(
        config: &TrainingConfig,
        data: &Dataset,
        normalization: &Normalization,
        input: ModelInput,
        seed: u64,
    ) -> Result<Self, TrainingError> {
        let source = source(config, data, normalization, input, seed)?;
        let order = Order::new(&config.sampling, data);
        let (labelled, soft_labels) = (data.labelled_classes(), data.soft_labels().cloned());
        let (labels, ids) = (data.labels().to_vec(), data.ids().to_vec());
        Ok(Self { source, order, labels, labelled, soft_labels, ids })
    }

    /// The number of steps of an epoch.
    pub(super) fn batches(&self, batch_size: usize) -> usize {
        batches(&vec![0; self.order.len()], batch_size).len()
    }

    /// Takes all steps of epoch `epoch`, counted from 1. Returns `None` if it was stopped.
    pub(super) fn epoch(
        &self,
        learner: &mut Learner,
        (config, seed, epoch): (&TrainingConfig, u64, usize),
        on_event: &mut impl FnMut(&Event<'_>),
        stop: &AtomicBool,
    ) -> Result<Option<Steps>, TrainingError> {
        let order = self.order.epoch(&mut Generator::for_run(seed, Purpose::Shuffle, epoch as u64));
        let places = batches(&order, config.batch_size);
        let total = places.len();
        let mut steps = Steps { loss: 0.0, accuracy: 0.0, learning_rate: config.learning_rate };
        let mut train = |inputs: &mut dyn Iterator<Item = Result<Padded, TrainingError>>| {
            for (places, batch) in places.iter().zip(1..) {
                let Some(inputs) = inputs.next().filter(|_| !stop.load(Ordering::Relaxed)) else {
                    return Ok(false);
                };
                let place = || format!("batch {batch} of {total}");
                let failed = |cause| TrainingError::Failed { epoch, place: place(), cause: Box::new(cause) };
                let factor = config.schedule.factor(learner.steps(), total, config.epochs);
                steps.learning_rate = config.learning_rate * factor;
                let taken = inputs.and_then(|inputs| {
                    let mut generator = Generator::for_run(seed, Purpose::Step, learner.steps());
                    let mut targets = self.targets(learner, places)?;
                    let inputs = config.augmentation.apply(&inputs, &mut targets, &mut generator)?;
                    learner.step(&inputs, &targets, steps.learning_rate, &mut generator)
                });
                let step = taken.map_err(failed)?;
                // A finite loss may have a gradient that is not finite. After the epoch's last step no further loss would reveal that.
                let broken = match step.loss.is_finite() {
                    false => Some(("the loss".to_owned(), step.loss)),
                    true => learner.not_finite().map_err(|cause| failed(cause.into()))?,
                };
                if let Some((what, value)) = broken {
                    return Err(TrainingError::NotFinite { epoch, place: place(), what, value });
                }
                steps.loss += step.loss * places.len() as f64;
                steps.accuracy += step.correct as f64;
                on_event(&Event::Batch { epoch, batch, batches: total, loss: step.loss });
            }
            Ok(true)
        };
        if !self.source.batches(epoch, &places, &mut train)? {
            return Ok(None);
        }
        let examples = self.order.len() as f64;
        Ok(Some(Steps { loss: steps.loss / examples, accuracy: steps.accuracy / examples, ..steps }))
    }

    /// Returns the targets of the examples at these places.
    fn targets(&self, learner: &Learner, places: &[usize]) -> Result<Targets, TrainingError> {
        if let Some(soft) = &self.soft_labels {
            return Ok(Targets::soft(places.iter().map(|at| soft.row(*at)), soft.ncols()));
        }
        let labels: Vec<usize> = places.iter().map(|at| self.labels[*at]).collect();
        let targets = learner.targets(&labels)?;
        Ok(match &self.labelled {
            Some(labelled) => targets.among(places.iter().map(|at| &*labelled[*at])),
            None => targets,
        })
    }
}

impl ValidationPart {
    pub(super) fn new(data: &Dataset, normalization: &Normalization) -> Result<Self, TrainingError> {
        let inputs = normalization.normalized(data.inputs())?;
        let (labels, label_names) = (data.labels().to_vec(), data.label_names().to_vec());
        Ok(Self { inputs, labels, label_names, ids: data.ids().to_vec() })
    }

    pub(super) fn evaluate(&self, learner: &Learner) -> Result<Evaluation, TrainingError> {
        learner.evaluate(&self.inputs, &self.labels, &self.label_names)
    }
}

/// Makes the source of the training part's batches.
fn source(
    config: &TrainingConfig,
    training: &Dataset,
    normalization: &Normalization,
    input: ModelInput,
    seed: u64,
) -> Result<Source, TrainingError> {
    let refused = |setting, rule| Err(TRAINING.error(setting, rule, "on").into());
    if let Some(setting) = config.augmentation.needs_frames()
        && matches!(input, ModelInput::Vector { .. } | ModelInput::Encoded { .. })
    {
        return refused(setting, "off for inputs without frames");
    }
    if !config.augmentation.audio.is_on() {
        if let ModelInput::EncodedFrames { .. } = input {
            return Ok(Source::Frames(training.inputs().clone(), normalization.clone()));
        }
        return Ok(Source::Features(normalization.normalized(training.inputs())?));
    }
    if let ModelInput::Encoded { .. } | ModelInput::EncodedFrames { .. } = input {
        return refused(
            "augmentation.audio",
            "off for networks that read an encoder (EncodingConfig::augmentation changes their clips)",
        );
    }
    let Some(audio) = training.audio() else {
        return refused(
            "augmentation.audio",
            "off for clips without samples (Dataset::with_audio adds them)",
        );
    };
    let (ids, augmentation) = (training.ids().to_vec(), config.augmentation.audio);
    let source = AudioSource::new(audio.clone(), ids, augmentation, input, normalization.clone(), seed)?;
    Ok(Source::Audio(Box::new(source)))
}

/// Splits an epoch's order into batches. If one example would remain alone, it joins the batch before, because batch normalisation cannot
/// be trained on one example.
fn batches(order: &[usize], batch_size: usize) -> Vec<&[usize]> {
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
