//! Fully connected layer.

use super::kernels::{Gradients, Matrix, Operation, Real, apply3, matmul_parallel};
use super::{Init, Layer, LayerError, Mode, checked_shape};
use crate::parameters::Scope;
use candle_core::{Result as CandleResult, Shape, Tensor, Var};

/// Fully connected layer: `y = x · weightᵀ + bias`.
///
/// Input [batch, inputs], output [batch, units].
#[derive(Debug)]
pub struct Dense {
    weight: Var,
    bias: Var,
    inputs: usize,
    units: usize,
}

impl Dense {
    /// Makes `weight` of shape (units, inputs) and `bias` of shape (units), which starts at zero.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0.
    pub fn new(inputs: usize, units: usize, init: Init, scope: &mut Scope<'_>) -> Result<Self, LayerError> {
        for (setting, size) in [("inputs", inputs), ("units", units)] {
            if size == 0 {
                return Err(LayerError::setting("Dense", setting, "must be 1 or more", 0));
            }
        }
        let weight = scope.weight("weight", &[units, inputs], init)?;
        let bias = scope.weight("bias", &[units], Init::Zeros)?;
        Ok(Self { weight, bias, inputs, units })
    }
}

impl Layer for Dense {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        checked_shape(self, x)?;
        let (weight, bias) = (mode.tensor(&self.weight), mode.tensor(&self.bias));
        if x.device().is_cpu() {
            let product = Product { batch: x.dim(0)?, inputs: self.inputs, units: self.units };
            Ok(apply3(x, &weight, &bias, product)?)
        } else {
            Ok(composed(x, &weight, &bias)?)
        }
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        if input != [self.inputs] {
            return Err(LayerError::InputShape {
                layer: "Dense",
                expected: format!("[{}]", self.inputs),
                given: input.to_vec(),
            });
        }
        Ok(vec![self.units])
    }

    fn kind(&self) -> &'static str {
        "Dense"
    }

    fn vars(&self) -> Vec<&Var> {
        vec![&self.weight, &self.bias]
    }
}

/// The operation on the CPU: (x, weight, bias).
#[derive(Debug)]
struct Product {
    batch: usize,
    inputs: usize,
    units: usize,
}

impl Operation<3> for Product {
    const NAME: &'static str = "Dense";

    fn output_shape(&self) -> Shape {
        (self.batch, self.units).into()
    }

    fn forward<T: Real>(&self, [x, weight, bias]: [&[T]; 3]) -> CandleResult<Vec<T>> {
        let mut y = matmul_parallel(
            Matrix::new(x, self.batch, self.inputs),
            Matrix::new(weight, self.units, self.inputs).transposed(),
        );
        for row in y.chunks_exact_mut(self.units) {
            for (y, bias) in row.iter_mut().zip(bias) {
                *y += *bias;
            }
        }
        Ok(y)
    }

    fn backward<T: Real>(
        &self,
        [x, weight, _]: [&[T]; 3],
        _y: &[T],
        dy: &[T],
        [input_wanted, ..]: [bool; 3],
    ) -> CandleResult<Gradients<T, 3>> {
        let rows = Matrix::new(dy, self.batch, self.units);
        let dx = input_wanted.then(|| matmul_parallel(rows, Matrix::new(weight, self.units, self.inputs)));
        let dweight = matmul_parallel(rows.transposed(), Matrix::new(x, self.batch, self.inputs));
        let mut dbias = vec![T::ZERO; self.units];
        for row in dy.chunks_exact(self.units) {
            for (total, dy) in dbias.iter_mut().zip(row) {
                *total += *dy;
            }
        }
        Ok([dx, Some(dweight), Some(dbias)])
    }
}

/// The same from Candle's own operations.
fn composed(x: &Tensor, weight: &Tensor, bias: &Tensor) -> CandleResult<Tensor> {
    x.matmul(&weight.t()?)?.broadcast_add(bias)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, difference, input};
    use crate::{Generator, Parameters};
    use candle_core::{DType, Device};

    #[test]
    fn gradients_are_right() {
        for (batch, inputs, units) in [(2, 5, 3), (7, 3, 1), (3, 1, 4)] {
            let mut parameters = Parameters::new(3, DType::F64, &Device::Cpu);
            let scope = &mut parameters.scope("dense");
            let dense = Dense::new(inputs, units, Init::GlorotUniform, scope).unwrap();
            let x = Var::from_tensor(&input(&[batch, inputs], 4)).unwrap();
            let vars = [&x, &dense.weight, &dense.bias];
            let forward = || dense.forward(&x, &mut Mode::Training(&mut Generator::new(0))).unwrap();
            let composition = || composed(&x, &dense.weight, &dense.bias).unwrap();
            assert!(difference(&forward(), &composition()) < 1e-13);
            check("dense", &vars, forward);
            check("dense, composed", &vars, composition);
        }
    }

    #[test]
    fn sizes_of_zero_and_wrong_inputs_are_refused() {
        let mut parameters = Parameters::new(0, DType::F32, &Device::Cpu);
        assert!(Dense::new(0, 3, Init::Zeros, &mut parameters.scope("a")).is_err());
        assert!(Dense::new(3, 0, Init::Zeros, &mut parameters.scope("a")).is_err());
        let dense = Dense::new(3, 2, Init::Zeros, &mut parameters.scope("a")).unwrap();
        let error = dense.output_shape(&[4]).unwrap_err().to_string();
        assert_eq!(error, "Dense: each example must have shape [3], [4] was given");
        let empty = Tensor::zeros((0, 3), DType::F32, &Device::Cpu).unwrap();
        assert!(dense.forward(&empty, &mut Mode::Inference).is_err());
    }
}
