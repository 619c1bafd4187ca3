//! A network with its input and its classes.

use super::{Architecture, Summary};
use crate::input::ModelInput;
use crate::layers::{Forward, Layer, LayerError, Mode, Padded, Sequential, softmax};
use crate::parameters::Parameters;
use candle_core::{D, Tensor, Var};
use rayon::prelude::*;

/// A network that classifies, or an ensemble of several.
///
/// As a [`Layer`] it gives logits [batch, classes] of inputs [batch, …], each of [`Model::input`]'s shape. An ensemble gives the logarithms
/// of its mean probabilities; its forward pass in training is [`LayerError::Setting`]. Padding that all inputs of a batch share is cut off
/// first, so that it costs nothing.
#[derive(Debug)]
pub struct Model {
    members: Vec<Sequential>,
    /// The weight of each member's probabilities, with a mean of 1.
    weights: Vec<f64>,
    parameters: Parameters,
    name: &'static str,
    input: ModelInput,
    classes: usize,
    /// The fewest frames that the network accepts.
    min_frames: usize,
}

impl Model {
    /// Builds the network with its tensors in `parameters`, which determine seed and element type.
    pub(super) fn new(
        architecture: &Architecture,
        classes: usize,
        parameters: Parameters,
    ) -> Result<Self, LayerError> {
        let (name, input) = (architecture.name(), architecture.input());
        if classes < 2 {
            return Err(LayerError::setting(name, "classes", "2 or more", classes));
        }
        let (members, weights) = match architecture {
            Architecture::Ensemble(config) => {
                config.check()?;
                let member = |(number, network): (usize, &Architecture)| {
                    network.network(classes, &parameters.within(&format!("member_{number}.")))
                };
                let members = (1..).zip(config.networks()).map(member).collect::<Result<Vec<_>, _>>()?;
                let axes = |net: &Sequential| net.input_shape().len();
                if members.iter().any(|net| axes(net) != axes(&members[0])) {
                    let rule = "networks that all read images, or none of them";
                    return Err(LayerError::setting(name, "members", rule, "some that do"));
                }
                (members, config.scaled_weights()?)
            }
            single => (vec![single.network(classes, &parameters)?], vec![1.0]),
        };
        let min_frames = members.iter().map(min_frames).max().unwrap_or(1);
        Ok(Self { members, weights, parameters, name, input, classes, min_frames })
    }

    /// All weights and statistics, named, in a fixed order.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Kind and shape of one input.
    pub fn input(&self) -> ModelInput {
        self.input
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The layers with their output shapes and parameters, as Keras prints them.
    pub fn summary(&self) -> Summary {
        let rows = self.members.iter().zip(1..).flat_map(|(net, number)| {
            let mut rows = Layer::summary(net, "", &[]);
            if self.members.len() > 1 {
                rows.iter_mut().for_each(|row| row.name.insert_str(0, &format!("member_{number}.")));
            }
            rows
        });
        Summary::new(self.name, self.input, rows.collect(), &self.parameters)
    }

    /// Returns the inputs in the network's form: without padding that all of them share, and with a channel axis for networks that read
    /// images.
    fn cut(&self, batch: &Padded) -> Result<Padded, LayerError> {
        let Some((1.., given)) = batch.dims().split_first() else {
            return Err(LayerError::EmptyBatch { layer: self.name, given: batch.dims().to_vec() });
        };
        self.output_shape(given)?;
        let mut values = batch.values().clone();
        let mut lengths = None;
        if let Some(valid) = batch.lengths().filter(|_| self.input.is_padded()) {
            let frames = self.input.frames();
            batch.check(self.name, frames)?;
            let longest = valid.iter().copied().max().unwrap_or(frames).max(self.min_frames).min(frames);
            if valid.iter().any(|length| *length < longest) {
                lengths = Some(valid.to_vec());
            }
            values = values.narrow(D::Minus1, 0, longest)?.contiguous()?;
        }
        if self.members[0].input_shape().len() > self.input.shape().len() {
            values = values.unsqueeze(1)?;
        }
        Ok(Padded::of(values, lengths))
    }

    fn answer(&self, batch: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        let x = self.cut(batch)?;
        if let [network] = &self.members[..] {
            let (logits, backward) = network.forward(&x, mode)?.into_parts();
            let Some(backward) = backward else { return Ok(Forward::inference(logits)) };
            let dims = batch.dims().to_vec();
            return Ok(Forward::training(logits, move |dy, input_wanted, gradients| {
                let Some(mut dx) = backward(dy, input_wanted, gradients)? else { return Ok(None) };
                if dx.rank() > dims.len() {
                    dx = dx.squeeze(1)?;
                }
                let cut = dims[dims.len() - 1] - dx.dim(D::Minus1)?;
                Ok(Some(dx.pad_with_zeros(D::Minus1, 0, cut)?))
            }));
        }
        if mode.is_training() {
            let rule = "inference (train each member, then Checkpoint::join)";
            return Err(LayerError::setting(self.name, "mode", rule, "training"));
        }
        // The members run in parallel, so that no thread waits for another at the end of a layer.
        let answers = self.members.par_iter().zip(&self.weights).map(|(network, weight)| {
            let logits = network.forward(&x, &mut Mode::Inference)?.into_output().into_values();
            Ok((softmax(&logits)? * *weight)?)
        });
        let answers = answers.collect::<Result<Vec<Tensor>, LayerError>>()?;
        let mut sum = Tensor::zeros((x.len(), self.classes), x.values().dtype(), x.values().device())?;
        for answer in &answers {
            sum = (sum + answer)?;
        }
        // A probability may be too small for `f32`, but its logarithm must be finite.
        let mean = (sum / self.members.len() as f64)?.clamp(f64::from(f32::MIN_POSITIVE), 1.0)?;
        Ok(Forward::inference(mean.log()?))
    }
}

impl Layer for Model {
    fn forward(&self, batch: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        // On one of its own threads rayon starts the others without waking and waiting for them at every layer.
        rayon::join(|| self.answer(batch, mode), || ()).0
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        let shape = self.input.shape();
        if input != shape {
            return Err(LayerError::input_shape(self.name, format!("{shape:?}"), input));
        }
        Ok(vec![self.classes])
    }

    fn kind(&self) -> &'static str {
        "Model"
    }

    fn weights(&self) -> Vec<&Var> {
        self.members.iter().flat_map(Layer::weights).collect()
    }

    fn statistics(&self) -> Vec<&Var> {
        self.members.iter().flat_map(Layer::statistics).collect()
    }
}

/// Returns the smallest number of frames, the last axis, with which every window of the network fits.
fn min_frames(net: &Sequential) -> usize {
    let Some((frames, rest)) = net.input_shape().split_last() else { return 1 };
    let fits = |frames: usize| Layer::output_shape(net, &[rest, &[frames]].concat()).is_ok();
    // If a number of frames fits, all larger ones do.
    let (mut least, mut most) = (1, *frames);
    while least < most {
        let middle = least.midpoint(most);
        if fits(middle) { most = middle } else { least = middle + 1 }
    }
    least
}
