//! The result of a forward pass, with the backward pass.

use super::{LayerError, Padded};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use std::fmt;

/// The backward pass of one forward pass: computes the gradient for the input, if that is wanted, from the gradient for the output. It adds
/// the gradients for the layer's weights to the store.
pub(crate) type Backward =
    Box<dyn FnOnce(&Tensor, bool, &mut GradStore) -> Result<Option<Tensor>, LayerError> + Send>;

/// The output of a forward pass, with the backward pass that belongs to it.
///
/// ```
/// use candle_core::backprop::GradStore;
/// use candle_core::{DType, Device, Tensor};
/// use ser_models::layers::{Dense, Init, Layer, Mode};
/// use ser_models::{Generator, Parameters};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let parameters = Parameters::new(0, DType::F32);
/// let dense = Dense::new(3, 2, Init::GlorotUniform, &parameters.scope("dense"))?;
/// let x = Tensor::ones((4, 3), DType::F32, &Device::Cpu)?;
/// let pass = dense.forward(&x.into(), &mut Mode::Training(&mut Generator::new(1)))?;
///
/// let mut gradients = GradStore::default();
/// let dy = pass.output().values().ones_like()?; // the gradient for the output: of its sum
/// let dx = pass.backward(&dy, &mut gradients)?;
/// assert_eq!(dx.dims(), [4, 3]);
/// assert_eq!(gradients.get(parameters.get("dense.bias").unwrap().var()).unwrap().to_vec1::<f32>()?, [4.0, 4.0]);
/// # Ok(())
/// # }
/// ```
pub struct Forward {
    output: Padded,
    backward: Option<Backward>,
}

impl Forward {
    /// The result of inference, without a backward pass.
    pub fn inference(output: impl Into<Padded>) -> Self {
        Self { output: output.into(), backward: None }
    }

    /// The result of training with its backward pass. `backward` gets the gradient for the output, whether the gradient for the input is
    /// wanted, and a store, to which it adds the gradients for the layer's weights ([`add_gradient`]). It returns the gradient for the
    /// input, of the input's shape, if that is wanted.
    pub fn training(
        output: impl Into<Padded>,
        backward: impl FnOnce(&Tensor, bool, &mut GradStore) -> Result<Option<Tensor>, LayerError>
        + Send
        + 'static,
    ) -> Self {
        Self { output: output.into(), backward: Some(Box::new(backward)) }
    }

    /// The result in either mode. `backward`, as for [`Forward::training`], is kept in training only.
    pub(crate) fn of(
        training: bool,
        output: impl Into<Padded>,
        backward: impl FnOnce(&Tensor, bool, &mut GradStore) -> Result<Option<Tensor>, LayerError>
        + Send
        + 'static,
    ) -> Self {
        if training { Self::training(output, backward) } else { Self::inference(output) }
    }

    /// The result of inner layers, which have a backward pass only in training.
    pub(crate) fn from_parts(output: impl Into<Padded>, backward: Option<Backward>) -> Self {
        Self { output: output.into(), backward }
    }

    /// The output.
    pub fn output(&self) -> &Padded {
        &self.output
    }

    /// The output alone.
    pub fn into_output(self) -> Padded {
        self.output
    }

    /// The output, and the backward pass if this was training.
    pub(crate) fn into_parts(self) -> (Padded, Option<Backward>) {
        (self.output, self.backward)
    }

    /// The backward pass. `dy` is the gradient of the loss for the output, of the output's shape and element type. The gradients for all
    /// weights are added to `gradients`; the gradient for the input is returned.
    ///
    /// # Errors
    /// [`LayerError::NoBackward`] if the forward pass was inference; [`LayerError::Setting`] if `dy` has another shape than the output;
    /// [`LayerError::Candle`] if it has another element type.
    pub fn backward(self, dy: &Tensor, gradients: &mut GradStore) -> Result<Tensor, LayerError> {
        self.run_backward(dy, true, gradients)?.ok_or(LayerError::NoBackward)
    }

    /// As [`Forward::backward`], but does not compute the gradient for the input.
    ///
    /// # Errors
    /// As [`Forward::backward`].
    pub fn backward_weights(self, dy: &Tensor, gradients: &mut GradStore) -> Result<(), LayerError> {
        self.run_backward(dy, false, gradients).map(|_| ())
    }

    fn run_backward(
        self,
        dy: &Tensor,
        input_wanted: bool,
        gradients: &mut GradStore,
    ) -> Result<Option<Tensor>, LayerError> {
        let Some(backward) = self.backward else { return Err(LayerError::NoBackward) };
        // Loops over slices rely on equal shapes.
        if dy.dims() != self.output.dims() {
            let rule = format!("of the output's shape, {:?}", self.output.dims());
            return Err(LayerError::setting("backward pass", "dy", rule, format!("{:?}", dy.dims())));
        }
        backward(dy, input_wanted, gradients)
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let training = self.backward.is_some();
        f.debug_struct("Forward").field("output", &self.output).field("training", &training).finish()
    }
}

/// Combines the backward passes of layers that were applied one after another. The flag of each says whether its layer has weights.
pub(crate) fn chain(passes: Vec<(Backward, bool)>) -> Backward {
    Box::new(move |dy, input_wanted, gradients| {
        let first = passes.iter().position(|(_, has_weights)| *has_weights).unwrap_or(passes.len());
        let mut dy = Some(dy.clone());
        for (number, (backward, _)) in passes.into_iter().enumerate().rev() {
            // Layers before the first one with weights only matter for the input's gradient.
            if number < first && !input_wanted {
                return Ok(None);
            }
            let Some(gradient) = dy else { return Err(LayerError::NoBackward) };
            dy = backward(&gradient, input_wanted || number > first, gradients)?;
        }
        Ok(dy.filter(|_| input_wanted))
    })
}

/// Adds the gradient for a weight to the store: weights may be used more than once.
///
/// # Errors
/// If its shape differs from that of the gradient already in the store.
pub fn add_gradient(gradients: &mut GradStore, weight: &Var, gradient: Tensor) -> Result<(), LayerError> {
    let sum = match gradients.remove(weight) {
        Some(before) => (before + gradient)?,
        None => gradient,
    };
    gradients.insert(weight, sum);
    Ok(())
}
