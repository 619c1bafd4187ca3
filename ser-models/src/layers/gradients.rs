//! The way of gradients from operations to those who asked for them.

use super::LayerError;
use candle_core::backprop::GradStore;
use candle_core::{Result as CandleResult, Tensor};
use std::cell::RefCell;

thread_local! {
    /// What the operations of the call of [`backward`] under way on this thread have handed over: (variable, gradient).
    static HANDED_OVER: RefCell<Option<Vec<(Tensor, Tensor)>>> = const { RefCell::new(None) };
}

/// The gradients of a scalar, as Candle's own `backward` gives them, without a pass over each to add it to zeros: Candle does
/// that with threads of its own, which wait for work in a loop and keep the layers' from their cores. The layers of this
/// crate hand the gradients of their parameters over instead.
///
/// # Errors
/// If an operation has no gradient.
pub fn backward(loss: &Tensor) -> Result<GradStore, LayerError> {
    // From one of its own threads rayon starts the others without waking and waiting at every layer.
    rayon::join(|| collect(loss), || ()).0
}

fn collect(loss: &Tensor) -> Result<GradStore, LayerError> {
    // Calls may lie within each other: a thread that waits for others may be lent to another training meanwhile.
    let outer = HANDED_OVER.replace(Some(Vec::new()));
    let gradients = loss.backward();
    let handed_over = HANDED_OVER.replace(outer).unwrap_or_default();
    let mut gradients = gradients?;
    for (variable, gradient) in handed_over {
        let sum = match gradients.remove(&variable) {
            Some(other) => (other + gradient)?,
            None => gradient,
        };
        gradients.insert(&variable, sum);
    }
    Ok(gradients)
}

/// What an operation gives Candle for one of its inputs: nothing if this is a variable whose gradient [`backward`] takes.
pub(crate) fn hand_over(input: &Tensor, gradient: Tensor) -> CandleResult<Option<Tensor>> {
    if !input.is_variable() {
        return Ok(Some(gradient));
    }
    HANDED_OVER.with_borrow_mut(|handed_over| match handed_over {
        Some(handed_over) => {
            handed_over.push((input.clone(), gradient));
            Ok(None)
        }
        None => Ok(Some(gradient)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::input;
    use crate::layers::{Dense, Init, Layer, Mode};
    use crate::{Generator, Parameters};
    use candle_core::{DType, Device};

    #[test]
    fn gradients_are_candles_also_where_a_parameter_is_used_twice_and_by_candles_operations() {
        let mut parameters = Parameters::new(3, DType::F64, &Device::Cpu);
        let dense = Dense::new(4, 4, Init::GlorotUniform, &mut parameters.scope("dense")).unwrap();
        let weight = dense.vars()[0];
        let mut mode = Generator::new(0);
        let mut mode = Mode::Training(&mut mode);
        let once = dense.forward(&input(&[3, 4], 1), &mut mode).unwrap();
        let twice = dense.forward(&once, &mut mode).unwrap();
        let penalty = weight.sqr().unwrap().sum_all().unwrap();
        let loss = (twice.sqr().unwrap().sum_all().unwrap() + penalty).unwrap();
        let (ours, candles) = (backward(&loss).unwrap(), loss.backward().unwrap());
        for parameter in parameters.iter() {
            let values = |g: &GradStore| g.get(parameter.var()).unwrap().flatten_all().unwrap();
            let difference = (values(&ours) - values(&candles)).unwrap().abs().unwrap().max(0).unwrap();
            assert!(difference.to_scalar::<f64>().unwrap() < 1e-12, "{}", parameter.name());
        }
    }
}
