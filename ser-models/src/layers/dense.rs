//! Fully connected layer.

use super::kernels::{Matrix, Real, contiguous_slice, matmul_parallel, with_slice};
use super::{Init, Layer, LayerError, Mode, checked_shape};
use crate::parameters::Scope;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result as CandleResult, Shape, Tensor, Var, bail};

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
            let product = Product { inputs: self.inputs, units: self.units };
            Ok(x.contiguous()?.apply_op3(&weight, &bias, product)?)
        } else {
            Ok(x.matmul(&weight.t()?)?.broadcast_add(&bias)?)
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
    inputs: usize,
    units: usize,
}

impl Product {
    fn forward<T: Real>(
        &self,
        (s1, l1): (&CpuStorage, &Layout),
        (s2, l2): (&CpuStorage, &Layout),
        (s3, l3): (&CpuStorage, &Layout),
    ) -> CandleResult<CpuStorage> {
        let x = contiguous_slice::<T>(s1, l1)?;
        let weight = contiguous_slice::<T>(s2, l2)?;
        let bias = contiguous_slice::<T>(s3, l3)?;
        let batch = x.len() / self.inputs;
        let mut y = matmul_parallel(
            Matrix::new(x, batch, self.inputs),
            Matrix::new(weight, self.units, self.inputs).transposed(),
        );
        for row in y.chunks_exact_mut(self.units) {
            for (y, bias) in row.iter_mut().zip(bias) {
                *y += *bias;
            }
        }
        Ok(T::to_cpu_storage_owned(y))
    }

    fn backward<T: Real>(
        &self,
        x: &Tensor,
        weight: &Tensor,
        dy: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Tensor, Tensor)> {
        let batch = x.dim(0)?;
        let (dx, dweight, dbias) = with_slice::<T, _>(dy, |dy| {
            let rows = Matrix::new(dy, batch, self.units);
            let dx = if x.track_op() {
                let weight = with_slice::<T, _>(weight, |weight| {
                    Ok(matmul_parallel(rows, Matrix::new(weight, self.units, self.inputs)))
                });
                Some(weight?)
            } else {
                None
            };
            let dweight = with_slice::<T, _>(x, |x| {
                Ok(matmul_parallel(rows.transposed(), Matrix::new(x, batch, self.inputs)))
            })?;
            let mut dbias = vec![T::ZERO; self.units];
            for row in dy.chunks_exact(self.units) {
                for (total, dy) in dbias.iter_mut().zip(row) {
                    *total += *dy;
                }
            }
            Ok((dx, dweight, dbias))
        })?;
        let device = dy.device();
        let dx = dx.map(|dx| Tensor::from_vec(dx, x.shape(), device)).transpose()?;
        let dweight = Tensor::from_vec(dweight, weight.shape(), device)?;
        Ok((dx, dweight, Tensor::from_vec(dbias, self.units, device)?))
    }
}

impl CustomOp3 for Product {
    fn name(&self) -> &'static str {
        "ser-models-dense"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        let y = match s1 {
            CpuStorage::F32(_) => self.forward::<f32>((s1, l1), (s2, l2), (s3, l3))?,
            CpuStorage::F64(_) => self.forward::<f64>((s1, l1), (s2, l2), (s3, l3))?,
            _ => bail!("Dense works on f32 and f64"),
        };
        Ok((y, (l1.dims()[0], self.units).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dweight, dbias) = match dy.dtype() {
            DType::F32 => self.backward::<f32>(x, weight, dy)?,
            _ => self.backward::<f64>(x, weight, dy)?,
        };
        Ok((dx, Some(dweight), Some(dbias)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, input};
    use crate::{Generator, Parameters};
    use candle_core::Device;

    #[test]
    fn gradients_are_right() {
        for (batch, inputs, units) in [(2, 5, 3), (7, 3, 1), (3, 1, 4)] {
            let mut parameters = Parameters::new(3, DType::F64, &Device::Cpu);
            let scope = &mut parameters.scope("dense");
            let dense = Dense::new(inputs, units, Init::GlorotUniform, scope).unwrap();
            let x = Var::from_tensor(&input(&[batch, inputs], 4)).unwrap();
            check("dense", &[&x, &dense.weight, &dense.bias], || {
                dense.forward(&x, &mut Mode::Training(&mut Generator::new(0))).unwrap()
            });
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
