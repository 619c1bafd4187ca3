//! From inputs to probabilities.

use crate::layers::{CrossEntropy, LayerError, Mode, softmax};
use crate::metrics::ConfusionMatrix;
use crate::models::Model;
use crate::training::{Dataset, Evaluation, Normalization};
use candle_core::{Device, Tensor};
use ndarray::{Array2, ArrayD, Axis};

/// Inputs that are answered together.
const BATCH: usize = 64;

/// A trained model with its normalisation and its classes: from inputs to probabilities.
#[derive(Debug)]
pub struct Classifier {
    model: Box<dyn Model>,
    normalization: Normalization,
    labels: Vec<String>,
}

/// Why a classifier does not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClassifyError {
    /// The inputs do not have the shape that the model takes.
    #[error("inputs must have shape {expected:?}, {given:?} was given")]
    InputShape {
        /// What the model takes.
        expected: Vec<usize>,
        /// What was given.
        given: Vec<usize>,
    },
    /// A number of an input is NaN or infinite.
    #[error("input {input}: element {element} must be finite")]
    NotFinite {
        /// The input, counted from 0.
        input: usize,
        /// Position in it, in row-major order.
        element: usize,
    },
    /// The set to measure on names other classes.
    #[error("the set must name the model's classes, {expected:?}: {given:?} was given")]
    Labels {
        /// The model's classes.
        expected: Vec<String>,
        /// The set's.
        given: Vec<String>,
    },
    /// A layer failed.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// An operation on tensors failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Classifier {
    /// A model whose classes and normalisation fit it.
    pub(crate) fn new(model: Box<dyn Model>, normalization: Normalization, labels: Vec<String>) -> Self {
        Self { model, normalization, labels }
    }

    /// The names of the classes, in the order of the probabilities.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The model behind it.
    pub fn model(&self) -> &dyn Model {
        &*self.model
    }

    /// Probabilities [inputs, classes] of inputs [inputs, …] that are not normalised yet.
    ///
    /// # Errors
    /// If the shape is not the model's or a number is not finite.
    pub fn probabilities(&self, inputs: &ArrayD<f32>) -> Result<Array2<f32>, ClassifyError> {
        let shape = self.model.input().shape();
        check_shape(inputs, &shape)?;
        for (input, values) in inputs.outer_iter().enumerate() {
            if let Some(element) = values.iter().position(|x| !x.is_finite()) {
                return Err(ClassifyError::NotFinite { input, element });
            }
        }
        let mut values: Vec<f32> = inputs.iter().copied().collect();
        self.normalization.apply(&mut values);
        let logits = logits(&*self.model, &values, &shape)?;
        let probabilities = softmax(&logits)?.flatten_all()?.to_vec1::<f32>()?;
        let given = inputs.shape().to_vec();
        Array2::from_shape_vec((inputs.len_of(Axis(0)), self.labels.len()), probabilities)
            .map_err(|_| ClassifyError::InputShape { expected: shape, given })
    }

    /// Loss and confusion matrix on a set that names the same classes in the same order.
    ///
    /// # Errors
    /// If classes or shape are not the model's.
    pub fn evaluate(&self, data: &Dataset) -> Result<Evaluation, ClassifyError> {
        if data.label_names() != self.labels {
            let given = data.label_names().to_vec();
            return Err(ClassifyError::Labels { expected: self.labels.clone(), given });
        }
        check_shape(data.inputs(), &self.model.input().shape())?;
        let mut values: Vec<f32> = data.inputs().iter().copied().collect();
        self.normalization.apply(&mut values);
        Ok(evaluate(&*self.model, &values, data.labels(), &self.labels)?)
    }
}

fn check_shape(inputs: &ArrayD<f32>, expected: &[usize]) -> Result<(), ClassifyError> {
    if inputs.ndim() == 0 || inputs.shape()[1..] != *expected || inputs.is_empty() {
        let given = inputs.shape().get(1..).unwrap_or_default().to_vec();
        return Err(ClassifyError::InputShape { expected: expected.to_vec(), given });
    }
    Ok(())
}

/// Logits of normalised inputs, row-major, each of `shape`.
fn logits(model: &dyn Model, values: &[f32], shape: &[usize]) -> Result<Tensor, LayerError> {
    let size: usize = shape.iter().product();
    let batches = values.chunks(BATCH * size).map(|batch| {
        let mut dims = vec![batch.len() / size];
        dims.extend(shape);
        model.forward(&Tensor::from_slice(batch, dims, &Device::Cpu)?.into(), &mut Mode::Inference)
    });
    Ok(Tensor::cat(&batches.collect::<Result<Vec<_>, _>>()?, 0)?)
}

/// Loss and confusion matrix on normalised inputs, row-major.
pub(crate) fn evaluate(
    model: &dyn Model,
    values: &[f32],
    labels: &[usize],
    label_names: &[String],
) -> Result<Evaluation, LayerError> {
    let logits = logits(model, values, &model.input().shape())?;
    let loss = CrossEntropy::new(vec![1.0; label_names.len()], 0.0)?;
    let targets = loss.targets(labels, logits.dtype(), logits.device())?;
    let loss = f64::from(loss.loss(&logits, &targets)?.to_scalar::<f32>()?);
    let mut confusion = ConfusionMatrix::new(label_names);
    for (logits, label) in logits.to_vec2::<f32>()?.iter().zip(labels) {
        confusion.add(*label, largest(logits));
    }
    Ok(Evaluation { loss, confusion })
}

/// The place of the first largest value.
pub(crate) fn largest(values: &[f32]) -> usize {
    values.iter().enumerate().fold(0, |best, (i, value)| if *value > values[best] { i } else { best })
}
