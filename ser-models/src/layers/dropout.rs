//! Random silence of activations.

use super::kernels::{Real, Scaling, kept, map2, scale as scaled};
use super::{Layer, LayerError, Mode, checked_shape};
use crate::generator::Generator;
use candle_core::{Device, Result as CandleResult, Tensor};
use rayon::prelude::*;

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
        check_rate("Dropout", rate)?;
        Ok(Self { rate })
    }

    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }
}

impl Layer for Dropout {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        Ok(drop(x, self.rate, 1, mode)?)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        Ok(input.to_vec())
    }

    fn kind(&self) -> &'static str {
        "Dropout"
    }
}

/// As [`Dropout`], for whole channels: neighbouring steps are so alike that dropping single ones hides little from a
/// convolution (Tompson et al. 2015).
///
/// Input and output [batch, channels, …], any number of further axes: Keras's `SpatialDropout1D` and `SpatialDropout2D`
/// in one.
#[derive(Debug)]
pub struct SpatialDropout {
    rate: f64,
}

impl SpatialDropout {
    /// `rate` is 0 or more and below 1.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if the rate is out of its range.
    pub fn new(rate: f64) -> Result<Self, LayerError> {
        check_rate("SpatialDropout", rate)?;
        Ok(Self { rate })
    }

    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }
}

impl Layer for SpatialDropout {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        checked_shape(self, x)?;
        Ok(drop(x, self.rate, x.elem_count() / (x.dim(0)? * x.dim(1)?), mode)?)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        if input.is_empty() || input.contains(&0) {
            return Err(LayerError::InputShape {
                layer: "SpatialDropout",
                expected: "[channels, …]".to_owned(),
                given: input.to_vec(),
            });
        }
        Ok(input.to_vec())
    }

    fn kind(&self) -> &'static str {
        "SpatialDropout"
    }
}

fn check_rate(layer: &str, rate: f64) -> Result<(), LayerError> {
    match (0.0..1.0).contains(&rate) {
        true => Ok(()),
        false => Err(LayerError::setting(layer, "rate", "must be 0 or more and below 1", rate)),
    }
}

/// Drops every `run` neighbouring elements together.
fn drop(x: &Tensor, rate: f64, run: usize, mode: &mut Mode<'_>) -> CandleResult<Tensor> {
    let Mode::Training(generator) = mode else { return Ok(x.clone()) };
    if rate == 0.0 {
        return Ok(x.clone());
    }
    let (kept, scale) = draw(x.elem_count() / run, rate, generator);
    if x.device().is_cpu() {
        return scaled(x, Drop { kept, run, scale });
    }
    composed(x, &kept, run, scale)
}

/// The same as [`Drop`] from Candle's own operations.
fn composed(x: &Tensor, kept: &[bool], run: usize, scale: f64) -> CandleResult<Tensor> {
    let mask: Vec<f64> = kept.iter().map(|kept| if *kept { scale } else { 0.0 }).collect();
    let mask = Tensor::from_vec(mask, (kept.len(), 1), &Device::Cpu)?;
    let mask = mask.to_dtype(x.dtype())?.to_device(x.device())?;
    x.mul(&mask.broadcast_as((kept.len(), run))?.reshape(x.shape())?)
}

/// Which of `n` elements are kept, and by what these are multiplied.
pub(crate) fn draw(n: usize, rate: f64, generator: &mut Generator) -> (Vec<bool>, f64) {
    (kept(n, rate, generator), 1.0 / (1.0 - rate))
}

/// Multiplies with a fixed mask. Candle's own product would also compute a gradient for the mask.
#[derive(Debug)]
struct Drop {
    kept: Vec<bool>,
    run: usize,
    scale: f64,
}

impl Scaling for Drop {
    const NAME: &'static str = "Dropout";

    fn apply<T: Real>(&self, x: &[T]) -> Vec<T> {
        let scale = T::from_f64(self.scale);
        if self.run == 1 {
            return map2(x, &self.kept, |x, kept| if kept { x * scale } else { T::ZERO });
        }
        let mut y = vec![T::ZERO; x.len()];
        let runs = y.par_chunks_mut(self.run).zip(x.par_chunks(self.run)).zip(&self.kept);
        runs.with_min_len(64).filter(|(_, kept)| **kept).for_each(|((y, x), _)| {
            for (y, x) in y.iter_mut().zip(x) {
                *y = *x * scale;
            }
        });
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, difference, input};
    use candle_core::{DType, Var};

    fn dropped(rate: f64, x: &Tensor, seed: u64) -> Tensor {
        Dropout::new(rate).unwrap().forward(x, &mut Mode::Training(&mut Generator::new(seed))).unwrap()
    }

    #[test]
    fn gradients_are_right() {
        let x = Var::from_tensor(&input(&[3, 2, 7], 4)).unwrap();
        check("dropout", &[&x], || dropped(0.4, &x, 1));
        let spatial = SpatialDropout::new(0.4).unwrap();
        for shape in [&[3, 4][..], &[3, 4, 5], &[2, 5, 3, 2]] {
            let x = Var::from_tensor(&input(shape, 4)).unwrap();
            check("spatial dropout", &[&x], || {
                spatial.forward(&x, &mut Mode::Training(&mut Generator::new(1))).unwrap()
            });
        }
    }

    #[test]
    fn the_composition_drops_the_same_elements() {
        for (shape, run) in [(&[3, 2, 7][..], 1), (&[3, 4, 5], 5), (&[2, 5, 3, 2], 6)] {
            let x = Var::from_tensor(&input(shape, 4)).unwrap();
            let (kept, scale) = draw(x.elem_count() / run, 0.4, &mut Generator::new(1));
            let composition = || composed(&x, &kept, run, scale).unwrap();
            let ours = drop(&x, 0.4, run, &mut Mode::Training(&mut Generator::new(1))).unwrap();
            assert!(difference(&ours, &composition()) < 1e-15);
            check("dropout, composed", &[&x], composition);
        }
    }

    #[test]
    fn spatial_dropout_drops_whole_channels() {
        let x = Tensor::ones((50, 40, 3, 4), DType::F32, &Device::Cpu).unwrap();
        let spatial = SpatialDropout::new(0.25).unwrap();
        let y = spatial.forward(&x, &mut Mode::Training(&mut Generator::new(1))).unwrap();
        let y = y.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let channels = y.chunks(12).map(|channel| channel[0]).collect::<Vec<_>>();
        assert!(y.chunks(12).all(|channel| channel.iter().all(|y| *y == channel[0])));
        let share = channels.iter().filter(|y| **y == 0.0).count() as f64 / 2000.0;
        assert!((share - 0.25).abs() < 0.03, "{share}");
        assert!(channels.iter().all(|y| *y == 0.0 || (y - 4.0 / 3.0).abs() < 1e-6));
        assert!(spatial.output_shape(&[]).is_err());
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
            assert!(SpatialDropout::new(rate).is_err(), "{rate}");
        }
    }
}
