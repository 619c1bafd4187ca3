//! Matrix products and normalisation of rows, the parts of a transformer block with weights.

use super::Init;
use crate::kernels::{LayerNorm, Matrix, Real, add_to_rows, column_sums, matmul_parallel};
use crate::layer::{LayerError, add_gradient, elements, tensor};
use crate::parameters::Scope;
use candle_core::Var;
use candle_core::backprop::GradStore;

/// PyTorch's default, with which Whisper was trained.
const EPS: f64 = 1e-5;

/// `y = x · weightᵀ + bias` of each row.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    weight: Var,
    bias: Option<Var>,
    inputs: usize,
    outputs: usize,
}

impl Linear {
    pub(super) fn new(
        inputs: usize,
        outputs: usize,
        init: Init,
        scope: &Scope<'_>,
    ) -> Result<Self, LayerError> {
        let bias = Some(scope.weight("bias", &[outputs], Init::Zeros)?);
        Ok(Self { bias, ..Self::without_bias(inputs, outputs, init, scope)? })
    }

    pub(super) fn without_bias(
        inputs: usize,
        outputs: usize,
        init: Init,
        scope: &Scope<'_>,
    ) -> Result<Self, LayerError> {
        Ok(Self { weight: scope.weight("weight", &[outputs, inputs], init)?, bias: None, inputs, outputs })
    }

    pub(super) fn weights(&self) -> impl Iterator<Item = &Var> {
        std::iter::once(&self.weight).chain(&self.bias)
    }

    pub(super) fn forward<T: Real>(&self, x: &[T]) -> Result<Vec<T>, LayerError> {
        let weight = elements(&self.weight)?;
        let weight = Matrix::new(weight.slice::<T>()?, self.outputs, self.inputs);
        let mut y = matmul_parallel(Matrix::new(x, x.len() / self.inputs, self.inputs), weight.transposed());
        if let Some(bias) = &self.bias {
            add_to_rows(&mut y, elements(bias)?.slice()?);
        }
        Ok(y)
    }

    /// Adds the gradients for the weights to `gradients`, and returns that for `x`.
    pub(super) fn backward<T: Real>(
        &self,
        x: &[T],
        dy: &[T],
        gradients: &mut GradStore,
    ) -> Result<Vec<T>, LayerError> {
        let Self { inputs, outputs, .. } = *self;
        let rows = x.len() / inputs;
        let of_rows = Matrix::new(dy, rows, outputs);
        let dweight = matmul_parallel(of_rows.transposed(), Matrix::new(x, rows, inputs));
        add_gradient(gradients, &self.weight, tensor(dweight, (outputs, inputs))?)?;
        if let Some(bias) = &self.bias {
            add_gradient(gradients, bias, tensor(column_sums(dy, outputs), outputs)?)?;
        }
        let weight = elements(&self.weight)?;
        Ok(matmul_parallel(of_rows, Matrix::new(weight.slice()?, outputs, inputs)))
    }
}

/// Layer normalisation of each row.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    weight: Var,
    bias: Var,
}

impl Norm {
    pub(super) fn new(width: usize, scope: &Scope<'_>) -> Result<Self, LayerError> {
        let weight = scope.weight("weight", &[width], Init::Ones)?;
        Ok(Self { weight, bias: scope.weight("bias", &[width], Init::Zeros)? })
    }

    pub(super) fn weights(&self) -> impl Iterator<Item = &Var> {
        [&self.weight, &self.bias].into_iter()
    }

    pub(super) fn forward<T: Real>(&self, x: &[T]) -> Result<Vec<T>, LayerError> {
        let (weight, bias) = (elements(&self.weight)?, elements(&self.bias)?);
        Ok(LayerNorm { weight: weight.slice()?, bias: bias.slice()?, eps: EPS }.forward(x))
    }

    /// Adds the gradients for the weights to `gradients`, and replaces `dy` by the gradient for `x`.
    pub(super) fn backward<T: Real>(
        &self,
        x: &[T],
        mut dy: Vec<T>,
        gradients: &mut GradStore,
    ) -> Result<Vec<T>, LayerError> {
        let (dweight, dbias) = {
            let (weight, bias) = (elements(&self.weight)?, elements(&self.bias)?);
            LayerNorm { weight: weight.slice()?, bias: bias.slice()?, eps: EPS }.backward(x, &mut dy)
        };
        let width = dweight.len();
        add_gradient(gradients, &self.weight, tensor(dweight, width)?)?;
        add_gradient(gradients, &self.bias, tensor(dbias, width)?)?;
        Ok(dy)
    }
}
