//! Fully connected layer.

use super::Init;
use crate::kernels::{Matrix, Real, add_to_rows, matmul_parallel};
use crate::layer::{
    Forward, Layer, LayerError, Mode, Padded, add_gradient, checked_shape, elements, for_element_type, tensor,
};
use crate::parameters::Scope;
use crate::setting::Settings;
use candle_core::Var;

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
    /// [`LayerError::Setting`] if a size is 0;
    /// [`LayerError::Parameter`] if a tensor cannot be made, e.g. because its name is taken.
    pub fn new(inputs: usize, units: usize, init: Init, scope: &Scope<'_>) -> Result<Self, LayerError> {
        Settings("Dense").one_or_more([("inputs", inputs), ("units", units)])?;
        let weight = scope.weight("weight", &[units, inputs], init)?;
        let bias = scope.weight("bias", &[units], Init::Zeros)?;
        Ok(Self { weight, bias, inputs, units })
    }

    fn product<T: Real>(&self, x: &Padded, mode: &Mode<'_>) -> Result<Forward, LayerError> {
        let (batch, inputs, units) = (x.len(), self.inputs, self.units);
        let x = x.values().contiguous()?;
        let (weight, bias) = (self.weight.clone(), self.bias.clone());
        let y = {
            let (x, weight, bias) = (elements(&x)?, elements(&weight)?, elements(&bias)?);
            let weight = Matrix::new(weight.slice::<T>()?, units, inputs);
            let mut y = matmul_parallel(Matrix::new(x.slice()?, batch, inputs), weight.transposed());
            add_to_rows(&mut y, bias.slice()?);
            tensor(y, (batch, units))?
        };
        Ok(Forward::of(mode.is_training(), y, move |dy, input_wanted, gradients| {
            let dy = dy.contiguous()?;
            let (dx, dweight, dbias) = {
                let (x, dy, weight) = (elements(&x)?, elements(&dy)?, elements(&weight)?);
                let (dy, weight) = (dy.slice::<T>()?, Matrix::new(weight.slice()?, units, inputs));
                let rows = Matrix::new(dy, batch, units);
                let dx = input_wanted.then(|| matmul_parallel(rows, weight));
                let dweight = matmul_parallel(rows.transposed(), Matrix::new(x.slice()?, batch, inputs));
                let mut dbias = vec![T::ZERO; units];
                for row in dy.chunks_exact(units) {
                    dbias.iter_mut().zip(row).for_each(|(total, dy)| *total += *dy);
                }
                (dx, dweight, dbias)
            };
            add_gradient(gradients, &weight, tensor(dweight, (units, inputs))?)?;
            add_gradient(gradients, &bias, tensor(dbias, units)?)?;
            dx.map(|dx| tensor(dx, (batch, inputs))).transpose()
        }))
    }
}

impl Layer for Dense {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        checked_shape(self, x)?;
        for_element_type!(x.values(), self.product(x, mode))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        if input != [self.inputs] {
            return Err(LayerError::input_shape("Dense", format!("[{}]", self.inputs), input));
        }
        Ok(vec![self.units])
    }

    fn kind(&self) -> &'static str {
        "Dense"
    }

    fn weights(&self) -> Vec<&Var> {
        vec![&self.weight, &self.bias]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::layers::gradient_check::{check_layer, difference, input, train, variable};
    use candle_core::{DType, Device, Tensor};

    #[test]
    fn gradients_are_correct() {
        for (batch, inputs, units) in [(2, 5, 3), (7, 3, 1), (3, 1, 4)] {
            let parameters = Parameters::new(3, DType::F64);
            let dense = Dense::new(inputs, units, Init::GlorotUniform, &parameters.scope("dense")).unwrap();
            dense.bias.set(&input(&[units], 9)).unwrap();
            let x = variable(&[batch, inputs], 4);
            let expected = x.matmul(&dense.weight.t().unwrap()).unwrap().broadcast_add(&dense.bias).unwrap();
            assert!(difference(&train(&dense, x.as_tensor(), 0), &expected) < 1e-13);
            check_layer("dense", &dense, &x, None);
        }
    }

    #[test]
    fn sizes_of_zero_and_wrong_inputs_are_refused() {
        let parameters = Parameters::new(0, DType::F32);
        assert!(Dense::new(0, 3, Init::Zeros, &parameters.scope("a")).is_err());
        assert!(Dense::new(3, 0, Init::Zeros, &parameters.scope("a")).is_err());
        let dense = Dense::new(3, 2, Init::Zeros, &parameters.scope("a")).unwrap();
        let error = dense.output_shape(&[4]).unwrap_err().to_string();
        assert_eq!(error, "Dense: each example must have shape [3], got [4]");
        let empty = Tensor::zeros((0, 3), DType::F32, &Device::Cpu).unwrap();
        assert!(dense.forward(&empty.into(), &mut Mode::Inference).is_err());
        let halves = Tensor::zeros((1, 3), DType::F16, &Device::Cpu).unwrap();
        let error = dense.forward(&halves.into(), &mut Mode::Inference).unwrap_err().to_string();
        assert_eq!(error, "layer: element type must be F32, or F64 with the cargo feature f64, got F16");
    }
}
