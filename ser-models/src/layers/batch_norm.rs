//! Batch normalisation.

use super::Init;
use super::fused::Fused;
use crate::kernels::Real;
use crate::layer::{
    Forward, Fusion, FusionKind, Layer, LayerError, Mode, NormParameters, Padded, checked_shape, elements,
    for_element_type, tensor,
};
use crate::parameters::Scope;
use crate::setting::Settings;
use candle_core::Var;
use serde::{Deserialize, Serialize};

/// Settings of a [`BatchNorm`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BatchNormConfig {
    /// Weight of a batch in the running statistics, above 0 and at most 1, as PyTorch counts it: Keras's
    /// `momentum` is 1 minus this.
    pub momentum: f64,
    /// Added to the variance, positive.
    pub eps: f64,
}

/// PyTorch's settings: momentum 0.1 and eps 10⁻⁵.
impl Default for BatchNormConfig {
    fn default() -> Self {
        Self { momentum: 0.1, eps: 1e-5 }
    }
}

impl BatchNormConfig {
    /// Keras's settings: momentum 0.01 (0.99 as Keras counts it) and eps 10⁻³. Running statistics then need some
    /// hundred steps to follow the batches.
    pub fn keras() -> Self {
        Self { momentum: 0.01, eps: 1e-3 }
    }
}

/// Batch normalisation of each channel (Ioffe and Szegedy, *Batch normalization: accelerating deep network training by reducing internal
/// covariate shift*, 2015): `y = (x − mean) / √(variance + eps) · weight + bias`.
///
/// Input and output [batch, channels, …], with any number of further axes or none: PyTorch's `BatchNorm1d` and `BatchNorm2d` in one. In
/// training the mean and the (biased) variance are the batch's, over all axes except the channels', and the running statistics move towards
/// them (towards the unbiased variance, as in PyTorch). In inference they are the running ones. In training padding is not counted, and its
/// output is zero. Training needs 2 or more examples ([`LayerError::BatchOfOne`]), even if a single one has many frames, which PyTorch
/// accepts.
#[derive(Debug)]
pub struct BatchNorm(NormParameters);

impl BatchNorm {
    /// Makes `weight` (ones), `bias` (zeros), `running_mean` (zeros) and `running_var` (ones), each of shape (channels).
    ///
    /// # Errors
    /// [`LayerError::Setting`] if there are no channels or a setting is out of its range;
    /// [`LayerError::Parameter`] if a tensor cannot be made, e.g. because its name is taken.
    pub fn new(channels: usize, config: BatchNormConfig, scope: &Scope<'_>) -> Result<Self, LayerError> {
        let BatchNormConfig { momentum, eps } = config;
        let settings = Settings("BatchNorm");
        settings.one_or_more([("channels", channels)])?;
        settings.above_0_and_at_most_1("momentum", momentum)?;
        settings.positive("eps", eps)?;
        Ok(Self(NormParameters {
            weight: scope.weight("weight", &[channels], Init::Ones)?,
            bias: scope.weight("bias", &[channels], Init::Zeros)?,
            running_mean: scope.statistic("running_mean", &[channels], Init::Zeros)?,
            running_var: scope.statistic("running_var", &[channels], Init::Ones)?,
            channels,
            momentum,
            eps,
            memory: scope.memory(),
        }))
    }
}

impl Layer for BatchNorm {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        checked_shape(self, x)?;
        match mode.is_training() {
            true => Fused::single(self, x, mode),
            false => for_element_type!(x.values(), affine(&self.0, x)),
        }
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        if input.first() != Some(&self.0.channels) || input.contains(&0) {
            return Err(LayerError::input_shape("BatchNorm", format!("[{}, …]", self.0.channels), input));
        }
        Ok(input.to_vec())
    }

    fn kind(&self) -> &'static str {
        "BatchNorm"
    }

    fn weights(&self) -> Vec<&Var> {
        vec![&self.0.weight, &self.0.bias]
    }

    fn statistics(&self) -> Vec<&Var> {
        vec![&self.0.running_mean, &self.0.running_var]
    }

    fn fusion(&self) -> Fusion<'_> {
        Fusion(FusionKind::Norm(&self.0))
    }
}

/// In inference each channel is scaled and shifted.
fn affine<T: Real>(norm: &NormParameters, x: &Padded) -> Result<Forward, LayerError> {
    let values = x.values().contiguous()?;
    let mut y = elements(&values)?.slice::<T>()?.to_vec();
    let plane: usize = x.dims()[2..].iter().product();
    let pairs = norm.affine()?;
    for (number, plane) in y.chunks_exact_mut(plane.max(1)).enumerate() {
        let (scale, shift) = pairs[number % norm.channels];
        let (scale, shift) = (T::from_f64(scale), T::from_f64(shift));
        plane.iter_mut().for_each(|y| *y = *y * scale + shift);
    }
    Ok(Forward::inference(x.with_values(tensor(y, x.dims())?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Statistics;
    use crate::layers::gradient_check::{
        check, check_layer, difference, input, padded, train, values, variable,
    };
    use crate::layers::reference;
    use crate::{Generator, Parameters};
    use candle_core::{D, DType, Device, Tensor};

    fn batch_norm(channels: usize, config: BatchNormConfig) -> BatchNorm {
        let parameters = Parameters::new(0, DType::F64);
        let layer = BatchNorm::new(channels, config, &parameters.scope("bn")).unwrap();
        layer.0.weight.set(&(input(&[channels], 8) + 0.5).unwrap()).unwrap();
        layer.0.bias.set(&input(&[channels], 9)).unwrap();
        layer
    }

    #[test]
    fn gradients_are_correct_for_vectors_sequences_and_images() {
        for shape in [&[5, 3][..], &[3, 4, 7], &[2, 3, 1], &[2, 3, 3, 5]] {
            let layer = batch_norm(shape[1], BatchNormConfig::keras());
            let x = variable(shape, 4);
            let composition = || reference::batch_norm(&x, None, &layer.0).unwrap().0;
            assert!(difference(&train(&layer, x.as_tensor(), 0), &composition()) < 1e-13);
            check_layer("batch_norm", &layer, &x, None);
            check("batch_norm, reference", &[&x, &layer.0.weight, &layer.0.bias], composition);
        }
    }

    #[test]
    fn inference_uses_the_running_statistics() {
        for shape in [&[5, 3][..], &[3, 3, 7], &[2, 3, 3, 5]] {
            let layer = batch_norm(3, BatchNormConfig::default());
            layer.0.running_mean.set(&input(&[3], 5)).unwrap();
            layer.0.running_var.set(&(input(&[3], 6).sqr().unwrap() + 0.1).unwrap()).unwrap();
            let x = input(shape, 4);
            let y = layer.forward(&x.clone().into(), &mut Mode::Inference).unwrap().into_output();
            let axes: Vec<usize> = (0..x.rank()).map(|axis| if axis == 1 { 3 } else { 1 }).collect();
            let of = |var: &Var| var.reshape(&*axes).unwrap();
            let deviation = (of(&layer.0.running_var) + layer.0.eps).unwrap().sqrt().unwrap();
            let expected =
                x.broadcast_sub(&of(&layer.0.running_mean)).unwrap().broadcast_div(&deviation).unwrap();
            let expected = expected.broadcast_mul(&of(&layer.0.weight)).unwrap();
            let expected = expected.broadcast_add(&of(&layer.0.bias)).unwrap();
            assert!(difference(y.values(), &expected) < 1e-13);
        }
    }

    #[test]
    fn running_statistics_move_towards_the_batch_by_momentum() {
        let layer = batch_norm(2, BatchNormConfig { momentum: 0.25, ..Default::default() });
        let x = Tensor::new(&[[1.0f64, 10.0], [3.0, 10.0], [5.0, 40.0]], &Device::Cpu).unwrap();
        train(&layer, x, 0);
        // The means are 3 and 20, the unbiased variances 4 and 300.
        assert_eq!(layer.0.running_mean.to_vec1::<f64>().unwrap(), [0.75, 5.0]);
        let variance = layer.0.running_var.to_vec1::<f64>().unwrap();
        assert!((variance[0] - 1.75).abs() < 1e-14 && (variance[1] - 75.75).abs() < 1e-12);
    }

    #[test]
    fn padding_counts_for_nothing_and_its_output_is_zero() {
        for shape in [&[3, 2, 5][..], &[3, 2, 2, 5]] {
            let config = BatchNormConfig { momentum: 1.0, ..Default::default() };
            let (layer, other) = (batch_norm(2, config), batch_norm(2, config));
            let lengths = [5, 1, 3];
            let x = variable(shape, 4);
            check_layer("batch_norm, padded", &layer, &x, Some(&lengths));
            let composition = || reference::batch_norm(&x, Some(&lengths), &layer.0).unwrap();
            check("batch_norm, padded, reference", &[&x, &layer.0.weight], || composition().0);
            let y = train(&layer, padded(&x, Some(&lengths)), 0);
            let (expected, mean, variance, n) = composition();
            assert!(difference(&y, &expected) < 1e-13);
            assert!(difference(&layer.0.running_mean, &mean) < 1e-13);
            assert!(difference(&layer.0.running_var, &(variance * (n / (n - 1.0))).unwrap()) < 1e-13);
            // The same frames as clips of one frame each, without padding.
            let frame =
                |t: &Tensor, clip, at| t.narrow(0, clip, 1).unwrap().narrow(D::Minus1, at, 1).unwrap();
            let valid: Vec<(usize, usize)> =
                (0..3).flat_map(|c| (0..lengths[c]).map(move |t| (c, t))).collect();
            let frames: Vec<Tensor> = valid.iter().map(|(clip, at)| frame(&x, *clip, *at)).collect();
            let expected = train(&other, Tensor::cat(&frames, 0).unwrap(), 0);
            for (i, (clip, at)) in valid.iter().enumerate() {
                let (ours, theirs) =
                    (values(&frame(&y, *clip, *at)), values(&expected.narrow(0, i, 1).unwrap()));
                assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-12));
            }
            assert!(values(&frame(&y, 1, 1)).iter().chain(&values(&frame(&y, 2, 4))).all(|y| *y == 0.0));
            assert!(difference(&layer.0.running_mean, &other.0.running_mean) < 1e-12);
            assert!(difference(&layer.0.running_var, &other.0.running_var) < 1e-12);
        }
        let layer = batch_norm(2, BatchNormConfig::default());
        let wrong = Padded::of(input(&[3, 2, 5], 4), Some(vec![5, 6, 1]));
        let error = layer.forward(&wrong, &mut Mode::Training(&mut Generator::new(0)));
        assert!(matches!(error, Err(LayerError::Lengths { .. })));
    }

    #[test]
    fn a_large_mean_loses_no_digits() {
        let small = input(&[4, 1, 50], 3).to_dtype(DType::F32).unwrap();
        let statistics = |x: &Tensor| {
            let x = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            Statistics::of(&x, 4, 1, None).variance[0]
        };
        let (near, far) = (statistics(&small), statistics(&(&small + 1000.0).unwrap()));
        assert!((near - far).abs() < 1e-3 * near, "{near} {far}");
    }

    #[test]
    fn a_batch_of_one_is_refused_in_training_and_answered_in_inference() {
        let layer = batch_norm(2, BatchNormConfig::default());
        let x = Padded::from(input(&[1, 2, 5], 3));
        let error = layer.forward(&x, &mut Mode::Training(&mut Generator::new(0))).unwrap_err().to_string();
        assert_eq!(error, "BatchNorm: the batch must have 2 or more examples in training, got 1");
        assert!(layer.forward(&x, &mut Mode::Inference).is_ok());
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let parameters = Parameters::new(0, DType::F32);
        let build = |channels, momentum, eps| {
            BatchNorm::new(channels, BatchNormConfig { momentum, eps }, &parameters.scope("bn"))
        };
        assert!(build(0, 0.1, 1e-3).is_err());
        assert!(build(2, 0.0, 1e-3).is_err());
        assert!(build(2, 1.5, 1e-3).is_err());
        assert!(build(2, 0.1, 0.0).is_err());
        assert!(build(2, f64::NAN, 1e-3).is_err());
    }
}
