//! Random silence of activations.

use super::kernels::{Real, contiguous_slice, map2, with_slice};
use super::{Layer, LayerError, Mode};
use crate::generator::Generator;
use candle_core::{
    CpuStorage, CustomOp1, DType, Device, Layout, Result as CandleResult, Shape, Tensor, bail,
};

/// In training, sets each element to zero with probability `rate` and multiplies the others by 1 / (1 − rate), so that
/// the expected value stays; otherwise hands its input on (Srivastava et al. 2014, in its inverted form).
#[derive(Debug)]
pub struct Dropout {
    rate: f64,
}

impl Dropout {
    /// `rate` is 0 or more and below 1.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if the rate is out of its range.
    pub fn new(rate: f64) -> Result<Self, LayerError> {
        if !(0.0..1.0).contains(&rate) {
            return Err(LayerError::setting("Dropout", "rate", "must be 0 or more and below 1", rate));
        }
        Ok(Self { rate })
    }

    /// 0 or 1 / (1 − rate) for each of `n` elements.
    fn mask<T: Real>(&self, n: usize, generator: &mut Generator) -> Vec<T> {
        let dropped = (self.rate * 2f64.powi(32)).round() as u64;
        let kept = T::from_f64(1.0 / (1.0 - self.rate));
        (0..n).map(|_| if u64::from(generator.bits()) < dropped { T::ZERO } else { kept }).collect()
    }

    fn drop<T: Real>(&self, x: &Tensor, generator: &mut Generator) -> CandleResult<Tensor> {
        let mask = self.mask::<T>(x.elem_count(), generator);
        if x.device().is_cpu() {
            x.contiguous()?.apply_op1(Drop { mask })
        } else {
            x.mul(&Tensor::from_vec(mask, x.shape(), &Device::Cpu)?.to_device(x.device())?)
        }
    }
}

impl Layer for Dropout {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        match mode {
            Mode::Training(generator) if self.rate > 0.0 => Ok(match x.dtype() {
                DType::F32 => self.drop::<f32>(x, generator)?,
                _ => self.drop::<f64>(x, generator)?,
            }),
            _ => Ok(x.clone()),
        }
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        Ok(input.to_vec())
    }

    fn kind(&self) -> &'static str {
        "Dropout"
    }
}

/// Multiplies with a fixed mask. Candle's own product would also compute a gradient for the mask.
#[derive(Debug)]
struct Drop<T> {
    mask: Vec<T>,
}

impl<T: Real> CustomOp1 for Drop<T> {
    fn name(&self) -> &'static str {
        "ser-models-dropout"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let x = contiguous_slice::<T>(storage, layout)?;
        if x.len() != self.mask.len() {
            bail!("Dropout: {} elements, the mask has {}", x.len(), self.mask.len());
        }
        Ok((T::to_cpu_storage_owned(map2(x, &self.mask, |x, m| x * m)), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> CandleResult<Option<Tensor>> {
        let dx = with_slice::<T, _>(dy, |dy| Ok(map2(dy, &self.mask, |dy, m| dy * m)))?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, input};
    use candle_core::Var;

    fn dropped(rate: f64, x: &Tensor, seed: u64) -> Tensor {
        Dropout::new(rate).unwrap().forward(x, &mut Mode::Training(&mut Generator::new(seed))).unwrap()
    }

    #[test]
    fn gradients_are_right() {
        let x = Var::from_tensor(&input(&[3, 2, 7], 4)).unwrap();
        check("dropout", &[&x], || dropped(0.4, &x, 1));
    }

    #[test]
    fn the_share_of_zeros_is_the_rate_and_the_others_are_scaled() {
        let x = Tensor::ones((100, 1000), DType::F32, &Device::Cpu).unwrap();
        let y = dropped(0.3, &x, 1).flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let zeros = y.iter().filter(|y| **y == 0.0).count() as f64 / y.len() as f64;
        assert!((zeros - 0.3).abs() < 0.005, "{zeros}");
        assert!(y.iter().all(|y| *y == 0.0 || (y - 1.0 / 0.7).abs() < 1e-6));
    }

    #[test]
    fn one_seed_gives_one_mask_and_inference_gives_none() {
        let x = input(&[4, 50], 1);
        let values = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        assert_eq!(values(dropped(0.5, &x, 1)), values(dropped(0.5, &x, 1)));
        assert_ne!(values(dropped(0.5, &x, 1)), values(dropped(0.5, &x, 2)));
        let y = Dropout::new(0.5).unwrap().forward(&x, &mut Mode::Inference).unwrap();
        assert_eq!(values(y), values(x));
    }

    #[test]
    fn rates_out_of_range_are_refused() {
        for rate in [-0.1, 1.0, f64::NAN] {
            assert!(Dropout::new(rate).is_err(), "{rate}");
        }
    }
}
