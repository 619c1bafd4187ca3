//! One tensor as the gate of another.

use super::kernels::{Gradients, Operation, Real, apply2, gated, gated_back};
use candle_core::{Result as CandleResult, Shape, Tensor};

/// `x · σ(a)`, element by element, for two tensors of one shape.
pub(crate) fn gate(x: &Tensor, a: &Tensor) -> CandleResult<Tensor> {
    if x.device().is_cpu() { apply2(x, a, Gate(x.shape().clone())) } else { composed(x, a) }
}

fn composed(x: &Tensor, a: &Tensor) -> CandleResult<Tensor> {
    x.div(&(a.neg()?.exp()? + 1.0)?)
}

/// The operation on the CPU: (x, a).
#[derive(Debug)]
struct Gate(Shape);

impl Operation<2> for Gate {
    const NAME: &'static str = "ser-models-gate";

    fn output_shape(&self) -> Shape {
        self.0.clone()
    }

    fn forward<T: Real>(&self, [x, a]: [&[T]; 2]) -> CandleResult<Vec<T>> {
        Ok(gated(x, a))
    }

    fn backward<T: Real>(
        &self,
        [x, a]: [&[T]; 2],
        _y: &[T],
        dy: &[T],
        _wanted: [bool; 2],
    ) -> CandleResult<Gradients<T, 2>> {
        let (dx, da) = gated_back(x, a, dy);
        Ok([Some(dx), Some(da)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, input};
    use candle_core::Var;

    #[test]
    fn gradients_are_right() {
        let [x, a] = [4, 5].map(|seed| Var::from_tensor(&input(&[3, 2, 7], seed)).unwrap());
        check("gate", &[&x, &a], || gate(&x, &a).unwrap());
        check("gate composed", &[&x, &a], || composed(&x, &a).unwrap());
        let error = (gate(&x, &a).unwrap() - composed(&x, &a).unwrap()).unwrap().abs().unwrap();
        assert!(error.max_all().unwrap().to_scalar::<f64>().unwrap() < 1e-15);
    }
}
