//! Rectified linear unit.

use super::kernels::{Real, contiguous_slice, map, map2, with_slice};
use super::{Layer, LayerError, Mode};
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result as CandleResult, Shape, Tensor, bail};

/// `max(x, 0)`, for an input of any shape. The gradient at 0 is 0, as in PyTorch.
#[derive(Debug, Clone, Copy)]
pub struct Relu;

impl Layer for Relu {
    fn forward(&self, x: &Tensor, _mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        if x.device().is_cpu() { Ok(x.contiguous()?.apply_op1(Rectify)?) } else { Ok(x.relu()?) }
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        Ok(input.to_vec())
    }

    fn kind(&self) -> &'static str {
        "Relu"
    }
}

#[derive(Debug)]
struct Rectify;

fn forward<T: Real>(storage: &CpuStorage, layout: &Layout) -> CandleResult<CpuStorage> {
    // A NaN fails the comparison and is handed on.
    let y = map(contiguous_slice::<T>(storage, layout)?, |x| if x < T::ZERO { T::ZERO } else { x });
    Ok(T::to_cpu_storage_owned(y))
}

fn backward<T: Real>(y: &Tensor, dy: &Tensor) -> CandleResult<Tensor> {
    let dx = with_slice::<T, _>(y, |y| {
        with_slice::<T, _>(dy, |dy| Ok(map2(y, dy, |y, dy| if y > T::ZERO { dy } else { T::ZERO })))
    })?;
    Tensor::from_vec(dx, y.shape(), y.device())
}

impl CustomOp1 for Rectify {
    fn name(&self) -> &'static str {
        "ser-models-relu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let y = match storage {
            CpuStorage::F32(_) => forward::<f32>(storage, layout)?,
            CpuStorage::F64(_) => forward::<f64>(storage, layout)?,
            _ => bail!("Relu works on f32 and f64"),
        };
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, y: &Tensor, dy: &Tensor) -> CandleResult<Option<Tensor>> {
        Ok(Some(match dy.dtype() {
            DType::F32 => backward::<f32>(y, dy)?,
            _ => backward::<f64>(y, dy)?,
        }))
    }
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
    }

    #[test]
    fn the_gradient_at_zero_is_zero() {
        let x = Var::new(&[-1.0f32, 0.0, 2.0], &Device::Cpu).unwrap();
        let y = Relu.forward(&x, &mut Mode::Inference).unwrap();
        assert_eq!(y.to_vec1::<f32>().unwrap(), [0.0, 0.0, 2.0]);
        let gradient = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(gradient.get(&x).unwrap().to_vec1::<f32>().unwrap(), [0.0, 0.0, 1.0]);
    }
}
