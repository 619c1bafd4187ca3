//! Classification of inputs.

use crate::input::{Dataset, Normalization, frames_of};
use crate::layer::elements;
use crate::layers::{Layer, LayerError, Mode, Padded};
use crate::metrics::{ConfusionMatrix, Evaluation};
use crate::models::Model;
use crate::profile::VoiceProfile;
use crate::readout::Readout;
use candle_core::Tensor;
use ndarray::Array2;
use std::sync::Arc;

/// Number of inputs that are classified together.
const BATCH: usize = 32;

/// A trained model with its normalisation and its readout, which returns class probabilities of inputs.
#[derive(Debug)]
pub struct Classifier {
    model: Arc<Model>,
    normalization: Normalization,
    /// Names of the model's classes.
    outputs: Vec<String>,
    readout: Readout,
    /// Names of the answer's classes, after the readout has summed those of the model.
    labels: Vec<String>,
}

/// Errors of a classifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClassifyError {
    /// The inputs do not have the model's input shape.
    #[error("classifier: inputs must have shape {expected:?}, got {given:?}")]
    InputShape {
        /// The model's input shape.
        expected: Vec<usize>,
        /// The value given.
        given: Vec<usize>,
    },
    /// An element of an input is NaN or infinite.
    #[error("input {input}: element {element} must be finite, got {given}")]
    NotFinite {
        /// The input, counted from 0.
        input: usize,
        /// Position in the input, in row-major order.
        element: usize,
        /// The element.
        given: f32,
    },
    /// The network's output for an input is NaN or infinite: weights, or the means of a voice profile, are too large.
    #[error(
        "input {input}: logits must be finite, got {given}: the model's weights or the profile's means are too large"
    )]
    Logits {
        /// The input, counted from 0.
        input: usize,
        /// The first such logit.
        given: f32,
    },
    /// The data set has other classes than the model.
    #[error("dataset: classes must be the model's, {expected:?}, got {given:?}")]
    Labels {
        /// The model's classes.
        expected: Vec<String>,
        /// The data set's classes.
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
    /// Makes a classifier. Classes, normalisation and readout must fit the model.
    pub(crate) fn new(
        model: Model,
        normalization: Normalization,
        outputs: Vec<String>,
        readout: Readout,
    ) -> Self {
        let labels = readout.names(&outputs);
        Self { model: Arc::new(model), normalization, outputs, readout, labels }
    }

    /// This classifier adapted to the voice of a profile, as [`Recognizer::with_profile`](crate::Recognizer::with_profile) uses it. Whether
    /// the profile comes from the model's encoder is not checked; [`Recognizer::with_profile`](crate::Recognizer::with_profile) does.
    ///
    /// # Errors
    /// [`ClassifyError::InputShape`] if the profile and an input differ in length.
    pub fn with_profile(&self, profile: &VoiceProfile) -> Result<Self, ClassifyError> {
        let expected = self.model.input().shape();
        let given = vec![profile.mean().len()];
        if expected == given {
            Ok(self.adapted_to(profile))
        } else {
            Err(ClassifyError::InputShape { expected, given })
        }
    }

    /// Returns this classifier adapted to a profile that fits the model. Inputs are then normalised by a mean between that of the training
    /// part and the voice's.
    pub(crate) fn adapted_to(&self, profile: &VoiceProfile) -> Self {
        let normalization = self.normalization.adapted_to(profile.clips(), profile.mean());
        let (model, outputs) = (Arc::clone(&self.model), self.outputs.clone());
        let (readout, labels) = (self.readout.clone(), self.labels.clone());
        Self { model, normalization, outputs, readout, labels }
    }

    /// The names of the classes, in the order of the probabilities.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The network.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Returns probabilities [inputs, classes] of inputs [inputs, …] that are not normalised yet.
    ///
    /// # Errors
    /// If shape or valid frames don't fit the model, or an element of an input or an output is not finite.
    pub fn probabilities(&self, inputs: &Padded) -> Result<Array2<f32>, ClassifyError> {
        let probabilities = self.answer(inputs)?;
        let (expected, given) = (self.model.input().shape(), inputs.dims().to_vec());
        Array2::from_shape_vec((inputs.len(), self.labels.len()), probabilities)
            .map_err(|_| ClassifyError::InputShape { expected, given })
    }

    /// Returns probabilities [inputs, classes] in row-major order. The inputs have the model's shape and are not normalised yet.
    pub(crate) fn answer(&self, inputs: &Padded) -> Result<Vec<f32>, ClassifyError> {
        check_shape(inputs.dims(), &self.model.input().shape())?;
        inputs.check("Classifier", frames_of(&inputs.dims()[1..]))?;
        let inputs = &inputs.with_values(inputs.values().contiguous()?);
        let size: usize = inputs.dims()[1..].iter().product();
        for (input, values) in elements(inputs.values())?.slice::<f32>()?.chunks_exact(size).enumerate() {
            if let Some((element, given)) = values.iter().copied().enumerate().find(|(_, x)| !x.is_finite()) {
                return Err(ClassifyError::NotFinite { input, element, given });
            }
        }
        let logits = logits(&self.model, &self.normalization.normalized(inputs)?)?;
        for (input, row) in elements(&logits)?.slice::<f32>()?.chunks_exact(self.outputs.len()).enumerate() {
            if let Some(given) = row.iter().copied().find(|logit| !logit.is_finite()) {
                return Err(ClassifyError::Logits { input, given });
            }
        }
        Ok(self.readout.probabilities(&logits, &self.outputs)?)
    }

    /// Loss and confusion matrix of the answers on a set whose classes are [`Classifier::labels`] in the same order.
    ///
    /// # Errors
    /// [`ClassifyError::Labels`] if the classes differ; as [`Classifier::probabilities`].
    pub fn evaluate(&self, data: &Dataset) -> Result<Evaluation, ClassifyError> {
        if data.label_names() != self.labels {
            let given = data.label_names().to_vec();
            return Err(ClassifyError::Labels { expected: self.labels.clone(), given });
        }
        let probabilities = self.answer(data.inputs())?;
        Ok(measure(&probabilities, data.labels(), &self.labels))
    }
}

fn check_shape(dims: &[usize], expected: &[usize]) -> Result<(), ClassifyError> {
    match dims.split_first() {
        Some((1.., given)) if given == expected => Ok(()),
        given => {
            let given = given.map(|(_, given)| given.to_vec()).unwrap_or_default();
            Err(ClassifyError::InputShape { expected: expected.to_vec(), given })
        }
    }
}

fn logits(model: &Model, inputs: &Padded) -> Result<Tensor, LayerError> {
    let places: Vec<usize> = (0..inputs.len()).collect();
    let batches = places.chunks(BATCH).map(|places| {
        let pass = model.forward(&inputs.select(places)?, &mut Mode::Inference)?;
        Ok(pass.into_output().into_values())
    });
    Ok(Tensor::cat(&batches.collect::<Result<Vec<_>, LayerError>>()?, 0)?)
}

/// Returns loss and confusion matrix on normalised inputs.
pub(crate) fn evaluate(
    model: &Model,
    inputs: &Padded,
    labels: &[usize],
    label_names: &[String],
) -> Result<Evaluation, LayerError> {
    let probabilities = Readout::default().probabilities(&logits(model, inputs)?, label_names)?;
    Ok(measure(&probabilities, labels, label_names))
}

/// Returns mean loss and confusion matrix of probabilities [clips, classes] in row-major order.
fn measure(probabilities: &[f32], labels: &[usize], label_names: &[String]) -> Evaluation {
    let mut confusion = ConfusionMatrix::new(label_names);
    let mut loss = 0.0;
    for (row, &label) in probabilities.chunks_exact(label_names.len().max(1)).zip(labels) {
        confusion.add(label, largest(row));
        loss -= f64::from(row[label].max(f32::MIN_POSITIVE)).ln();
    }
    Evaluation { loss: loss / labels.len().max(1) as f64, confusion }
}

/// Returns the index of the largest value, the first one of equal values.
pub(crate) fn largest(values: &[f32]) -> usize {
    values.iter().enumerate().fold(0, |best, (i, value)| if *value > values[best] { i } else { best })
}
