//! The largest value in a moving window.

use super::kernels::{Real, contiguous_slice, with_slice};
use super::padding::Window;
use super::{Layer, LayerError, Mode, Padding, checked_shape};
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result as CandleResult, Shape, Tensor, bail};
use rayon::prelude::*;
use std::sync::OnceLock;

/// The largest value in a moving window. Its gradient goes to the first of equal values.
///
/// Input [batch, channels, length], output [batch, channels, output length]. Nothing beyond the ends is ever the
/// largest.
#[derive(Debug)]
pub struct MaxPool1d {
    window: Window,
}

impl MaxPool1d {
    /// A window of `pool_size` steps that moves by `stride`; the two may differ. [`Padding::Causal`] is not offered.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0 or the padding causal.
    pub fn new(pool_size: usize, stride: usize, padding: Padding) -> Result<Self, LayerError> {
        let window = Window { kernel: pool_size, stride, dilation: 1, padding };
        window.check("MaxPool1d")?;
        if padding == Padding::Causal {
            return Err(LayerError::setting("MaxPool1d", "padding", "must be valid or same", "causal"));
        }
        Ok(Self { window })
    }
}

impl Layer for MaxPool1d {
    fn forward(&self, x: &Tensor, _mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        checked_shape(self, x)?;
        let (pad_left, out_length) = self.window.over("MaxPool1d", x.dim(2)?)?;
        if x.device().is_cpu() {
            let pool = Pool { window: self.window, pad_left, out_length, largest: OnceLock::new() };
            Ok(x.contiguous()?.apply_op1(pool)?)
        } else {
            Ok(composed(x, self.window, pad_left, out_length)?)
        }
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        match *input {
            [channels, length] => Ok(vec![channels, self.window.over("MaxPool1d", length)?.1]),
            _ => Err(LayerError::InputShape {
                layer: "MaxPool1d",
                expected: "[channels, length]".to_owned(),
                given: input.to_vec(),
            }),
        }
    }

    fn kind(&self) -> &'static str {
        "MaxPool1d"
    }
}

/// The operation on the CPU, with the places of the largest values kept for its gradient.
#[derive(Debug)]
struct Pool {
    window: Window,
    pad_left: usize,
    out_length: usize,
    largest: OnceLock<Vec<u32>>,
}

impl Pool {
    fn forward<T: Real>(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<CpuStorage> {
        let x = contiguous_slice::<T>(storage, layout)?;
        let length = layout.dims()[2];
        let rows = x.len() / length;
        let mut y = vec![T::ZERO; rows * self.out_length];
        let mut largest = vec![0u32; y.len()];
        y.par_chunks_mut(self.out_length)
            .zip(largest.par_chunks_mut(self.out_length))
            .zip(x.par_chunks(length))
            .with_min_len(64)
            .for_each(|((y, largest), x)| {
                for (j, (y, largest)) in y.iter_mut().zip(largest).enumerate() {
                    let start = j * self.window.stride;
                    let end = (start + self.window.kernel).saturating_sub(self.pad_left).min(length);
                    let start = start.saturating_sub(self.pad_left);
                    let mut best = (start, T::NEG_INFINITY);
                    for (i, value) in x[start..end].iter().enumerate() {
                        // A NaN is handed on, so that the loss shows it.
                        if *value > best.1 || value.partial_cmp(value).is_none() {
                            best = (start + i, *value);
                        }
                    }
                    (*largest, *y) = (best.0 as u32, best.1);
                }
            });
        // One operation is one forward pass: the lock is always empty here.
        let _ = self.largest.set(largest);
        Ok(T::to_cpu_storage_owned(y))
    }

    fn backward<T: Real>(&self, x: &Tensor, dy: &Tensor) -> CandleResult<Tensor> {
        let Some(largest) = self.largest.get() else { bail!("MaxPool1d: backward before forward") };
        let length = x.dim(2)?;
        let mut dx = vec![T::ZERO; x.elem_count()];
        with_slice::<T, _>(dy, |dy| {
            dx.par_chunks_mut(length)
                .zip(dy.par_chunks(self.out_length).zip(largest.par_chunks(self.out_length)))
                .with_min_len(64)
                .for_each(|(dx, (dy, largest))| {
                    for (dy, at) in dy.iter().zip(largest) {
                        dx[*at as usize] += *dy;
                    }
                });
            Ok(())
        })?;
        Tensor::from_vec(dx, x.shape(), x.device())
    }
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        "ser-models-max-pool1d"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let y = match storage {
            CpuStorage::F32(_) => self.forward::<f32>(storage, layout)?,
            CpuStorage::F64(_) => self.forward::<f64>(storage, layout)?,
            _ => bail!("MaxPool1d works on f32 and f64"),
        };
        let (batch, channels, _) = layout.shape().dims3()?;
        Ok((y, (batch, channels, self.out_length).into()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> CandleResult<Option<Tensor>> {
        Ok(Some(match dy.dtype() {
            DType::F32 => self.backward::<f32>(x, dy)?,
            _ => self.backward::<f64>(x, dy)?,
        }))
    }
}

/// The same from Candle's own operations. Its `max` would give every one of equal values the whole gradient.
fn composed(x: &Tensor, window: Window, pad_left: usize, out_length: usize) -> CandleResult<Tensor> {
    let (batch, channels, length) = x.dims3()?;
    let pad_right = window.pad_right(length, pad_left, out_length);
    let beyond = |n| Tensor::full(f32::NEG_INFINITY, (batch, channels, n), x.device())?.to_dtype(x.dtype());
    let padded = match (pad_left, pad_right) {
        (0, 0) => x.clone(),
        (0, right) => Tensor::cat(&[x.clone(), beyond(right)?], 2)?,
        (left, 0) => Tensor::cat(&[beyond(left)?, x.clone()], 2)?,
        (left, right) => Tensor::cat(&[beyond(left)?, x.clone(), beyond(right)?], 2)?,
    };
    let positions = Tensor::new(window.positions(out_length), x.device())?;
    let seen = padded.index_select(&positions, 2)?.reshape((batch, channels, out_length, window.kernel))?;
    let largest = seen.detach().argmax_keepdim(3)?;
    seen.gather(&largest, 3)?.squeeze(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, input};
    use candle_core::{Device, Var};

    #[test]
    fn gradients_are_right_at_every_size_stride_and_padding() {
        for padding in [Padding::Valid, Padding::Same] {
            for pool_size in [1, 2, 3, 4] {
                for stride in [1, 2, 3, 5] {
                    let pool = MaxPool1d::new(pool_size, stride, padding).unwrap();
                    let x = Var::from_tensor(&input(&[2, 3, 11], 4)).unwrap();
                    let (pad_left, out_length) = pool.window.over("MaxPool1d", 11).unwrap();
                    let composition = || composed(&x, pool.window, pad_left, out_length).unwrap();
                    check("max_pool1d", &[&x], || pool.forward(&x, &mut Mode::Inference).unwrap());
                    check("max_pool1d, composed", &[&x], composition);
                    let ours = pool.forward(&x, &mut Mode::Inference).unwrap();
                    assert_eq!(ours.to_vec3::<f64>().unwrap(), composition().to_vec3::<f64>().unwrap());
                }
            }
        }
    }

    #[test]
    fn the_first_of_equal_values_gets_the_whole_gradient() {
        let x = Var::new(&[[[0.0f32, 0.0, 0.0, 0.0, 2.0, 2.0]]], &Device::Cpu).unwrap();
        let pool = MaxPool1d::new(3, 3, Padding::Valid).unwrap();
        let y = pool.forward(&x, &mut Mode::Inference).unwrap();
        let gradient = y.sum_all().unwrap().backward().unwrap();
        let gradient = gradient.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(gradient, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn a_nan_is_handed_on() {
        let x = Tensor::new(&[[[1.0f32, f32::NAN, 0.5]]], &Device::Cpu).unwrap();
        let pool = MaxPool1d::new(3, 1, Padding::Valid).unwrap();
        let y = pool.forward(&x, &mut Mode::Inference).unwrap().flatten_all().unwrap();
        assert!(y.to_vec1::<f32>().unwrap()[0].is_nan());
    }

    #[test]
    fn a_window_that_is_too_long_or_causal_is_refused() {
        let pool = MaxPool1d::new(8, 8, Padding::Valid).unwrap();
        let error = pool.output_shape(&[4, 7]).unwrap_err().to_string();
        assert_eq!(error, "MaxPool1d: the window reaches over 8 steps, the input has only 7");
        assert!(MaxPool1d::new(2, 2, Padding::Causal).is_err());
        assert!(MaxPool1d::new(2, 0, Padding::Valid).is_err());
    }
}
