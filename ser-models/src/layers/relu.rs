//! Rectified linear unit.

use super::kernels::{Gradients, Operation, Real, apply1, map, map2};
use super::{Layer, LayerError, Mode};
use candle_core::{Result as CandleResult, Shape, Tensor};

/// `max(x, 0)`, for an input of any shape. The gradient at 0 is 0, as in PyTorch.
#[derive(Debug, Clone, Copy)]
pub struct Relu;

impl Layer for Relu {
    fn forward(&self, x: &Tensor, _mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        Ok(if x.device().is_cpu() { apply1(x, Rectify(x.shape().clone())) } else { composed(x) }?)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        Ok(input.to_vec())
    }

    fn kind(&self) -> &'static str {
        "Relu"
    }
}

/// The operation on the CPU, for a tensor of this shape.
#[derive(Debug)]
struct Rectify(Shape);

impl Operation<1> for Rectify {
    const NAME: &'static str = "Relu";

    fn output_shape(&self) -> Shape {
        self.0.clone()
    }

    fn forward<T: Real>(&self, [x]: [&[T]; 1]) -> CandleResult<Vec<T>> {
        // A NaN fails the comparison and is handed on.
        Ok(map(x, |x| if x < T::ZERO { T::ZERO } else { x }))
    }

    fn backward<T: Real>(
        &self,
        _: [&[T]; 1],
        y: &[T],
        dy: &[T],
        _: [bool; 1],
    ) -> CandleResult<Gradients<T, 1>> {
        Ok([Some(map2(y, dy, |y, dy| if y > T::ZERO { dy } else { T::ZERO }))])
    }
}

/// The same from Candle's own operations, whose `relu` has the gradient 1 at 0.
fn composed(x: &Tensor) -> CandleResult<Tensor> {
    // A NaN fails this comparison too.
    x.detach().le(0.0)?.where_cond(&x.zeros_like()?, x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, input};
    use candle_core::{Device, Var};

    #[test]
    fn gradients_are_right() {
        let x = Var::from_tensor(&input(&[3, 2, 7], 4)).unwrap();
        check("relu", &[&x], || Relu.forward(&x, &mut Mode::Inference).unwrap());
        check("relu, composed", &[&x], || composed(&x).unwrap());
    }

    #[test]
    fn the_gradient_at_zero_is_zero() {
        let x = Var::new(&[-1.0f32, 0.0, 2.0], &Device::Cpu).unwrap();
        for y in [Relu.forward(&x, &mut Mode::Inference).unwrap(), composed(&x).unwrap()] {
            assert_eq!(y.to_vec1::<f32>().unwrap(), [0.0, 0.0, 2.0]);
            let gradient = y.sum_all().unwrap().backward().unwrap();
            assert_eq!(gradient.get(&x).unwrap().to_vec1::<f32>().unwrap(), [0.0, 0.0, 1.0]);
        }
    }

    #[test]
    fn infinities_are_cut_and_a_nan_is_handed_on() {
        let x = Tensor::new(&[f32::NEG_INFINITY, f32::INFINITY, f32::NAN], &Device::Cpu).unwrap();
        for y in [Relu.forward(&x, &mut Mode::Inference).unwrap(), composed(&x).unwrap()] {
            let y = y.to_vec1::<f32>().unwrap();
            assert_eq!(y[..2], [0.0, f32::INFINITY]);
            assert!(y[2].is_nan());
        }
    }
}
