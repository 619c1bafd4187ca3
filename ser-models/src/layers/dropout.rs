//! Dropout.

use crate::generator::Generator;
use crate::kernels::{ForEachItem, Real, keep_mask, map2};
use crate::layer::{
    Forward, Fusion, FusionKind, Layer, LayerError, Mode, Padded, checked_shape, elements, for_element_type,
    tensor,
};
use crate::setting::Settings;
use rayon::prelude::*;

/// In training, sets each element to zero with probability `rate` and multiplies the others by 1 / (1 − rate), so that
/// the expected value stays; otherwise returns its input (Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*,
/// 2014; in its inverted form).
#[derive(Debug)]
pub struct Dropout {
    rate: f64,
    /// Whether whole channels are dropped.
    channels: bool,
}

impl Dropout {
    /// `rate` is 0 or more and below 1.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if the rate is out of its range.
    pub fn new(rate: f64) -> Result<Self, LayerError> {
        Self { rate, channels: false }.checked()
    }

    /// Spatial dropout, which drops whole channels: neighbouring steps are so similar that dropping single ones hides little from a
    /// convolution (Tompson et al., *Efficient object localization using convolutional networks*, 2015).
    ///
    /// Input and output [batch, channels, …], any number of further axes: Keras's `SpatialDropout1D` and `SpatialDropout2D` in one.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if the rate is out of its range.
    pub fn spatial(rate: f64) -> Result<Self, LayerError> {
        Self { rate, channels: true }.checked()
    }

    fn checked(self) -> Result<Self, LayerError> {
        Settings(self.kind()).zero_or_more_and_below_1("rate", self.rate)?;
        Ok(self)
    }
}

impl Layer for Dropout {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        let run = if self.channels {
            checked_shape(self, x)?;
            x.dims()[2..].iter().product()
        } else {
            1
        };
        for_element_type!(x.values(), drop(x, self.rate, run, mode))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        if self.channels && (input.is_empty() || input.contains(&0)) {
            return Err(LayerError::input_shape(self.kind(), "[channels, …]", input));
        }
        Ok(input.to_vec())
    }

    fn kind(&self) -> &'static str {
        if self.channels { "SpatialDropout" } else { "Dropout" }
    }

    fn fusion(&self) -> Fusion<'_> {
        Fusion(FusionKind::Dropout { rate: self.rate, channels: self.channels })
    }
}

/// Drops each group of `run` consecutive elements together.
fn drop<T: Real>(x: &Padded, rate: f64, run: usize, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
    let generator = match mode {
        Mode::Training(generator) => generator,
        Mode::Inference => return Ok(Forward::inference(x.clone())),
    };
    if rate == 0.0 {
        return Ok(Forward::training(x.clone(), |dy, _, _| Ok(Some(dy.clone()))));
    }
    let values = x.values().contiguous()?;
    let (mask, scale) = draw(values.elem_count() / run, rate, generator);
    let y = scaled::<T>(elements(&values)?.slice()?, &mask, run, scale);
    let output = x.with_values(tensor(y, x.dims())?);
    Ok(Forward::training(output, move |dy, _, _| {
        let dy = dy.contiguous()?;
        Ok(Some(tensor(scaled::<T>(elements(&dy)?.slice()?, &mask, run, scale), dy.dims())?))
    }))
}

/// Draws which of `n` elements are kept, and returns the factor of these.
pub(super) fn draw(n: usize, rate: f64, generator: &mut Generator) -> (Vec<bool>, f64) {
    (keep_mask(n, rate, generator), 1.0 / (1.0 - rate))
}

/// Returns the kept elements times `scale`, and zeros for the others.
fn scaled<T: Real>(x: &[T], mask: &[bool], run: usize, scale: f64) -> Vec<T> {
    let scale = T::from_f64(scale);
    if run == 1 {
        return map2(x, mask, |x, kept| if kept { x * scale } else { T::ZERO });
    }
    let mut y = vec![T::ZERO; x.len()];
    let runs = y.par_chunks_mut(run).zip(x.par_chunks(run)).zip(mask);
    runs.with_min_len(64).for_each_item(&|((y, x), kept)| {
        if *kept {
            y.iter_mut().zip(x).for_each(|(y, x)| *y = *x * scale);
        }
    });
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{answer, check_layer, input, train, variable};
    use candle_core::{DType, Device, Tensor};

    fn dropped(rate: f64, x: &Tensor, seed: u64) -> Tensor {
        train(&Dropout::new(rate).unwrap(), x, seed)
    }

    #[test]
    fn gradients_are_correct() {
        check_layer("dropout", &Dropout::new(0.4).unwrap(), &variable(&[3, 2, 7], 4), None);
        check_layer("dropout at rate 0", &Dropout::new(0.0).unwrap(), &variable(&[3, 2, 7], 4), None);
        for shape in [&[3, 4][..], &[3, 4, 5], &[2, 5, 3, 2]] {
            check_layer("spatial dropout", &Dropout::spatial(0.4).unwrap(), &variable(shape, 4), None);
        }
    }

    #[test]
    fn spatial_dropout_drops_whole_channels() {
        let x = Tensor::ones((50, 40, 3, 4), DType::F32, &Device::Cpu).unwrap();
        let spatial = Dropout::spatial(0.25).unwrap();
        let y = train(&spatial, x, 1);
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
        let y = answer(&Dropout::new(0.5).unwrap(), &x);
        assert_eq!(values(y), values(x));
    }

    #[test]
    fn rates_out_of_range_are_refused() {
        for rate in [-0.1, 1.0, f64::NAN] {
            assert!(Dropout::new(rate).is_err(), "{rate}");
            assert!(Dropout::spatial(rate).is_err(), "{rate}");
        }
    }
}
