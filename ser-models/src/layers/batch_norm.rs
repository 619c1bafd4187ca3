//! Batch normalisation.

use super::frames::{keep_composed, own_frames, spread_frames};
use super::kernels::{Chain, Gradients, Norm, Operation, Real, Statistics, apply3};
use super::recurrent::check_lengths;
use super::{Init, Layer, LayerError, Mode, checked_shape};
use crate::parameters::Scope;
use candle_core::{D, DType, Device, Result as CandleResult, Shape, Tensor, Var, bail};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

/// Settings of a [`BatchNorm`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BatchNormConfig {
    /// How far the running statistics move towards a batch's, above 0 and at most 1, as PyTorch counts it: Keras's
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

/// Batch normalisation of each channel (Ioffe and Szegedy 2015): `y = (x − mean) / √(variance + eps) · weight + bias`.
///
/// Input and output [batch, channels, …], any number of further axes, also none: PyTorch's `BatchNorm1d` and
/// `BatchNorm2d` in one. In training the mean and the (biased) variance are the batch's, over all axes but the
/// channels', and the running statistics move towards them (towards the unbiased variance, as in PyTorch); in inference
/// they are the running ones.
#[derive(Debug)]
pub struct BatchNorm {
    weight: Var,
    bias: Var,
    running_mean: Var,
    running_var: Var,
    channels: usize,
    config: BatchNormConfig,
}

impl BatchNorm {
    /// Makes `weight` (ones), `bias` (zeros), `running_mean` (zeros) and `running_var` (ones), each of shape (channels).
    ///
    /// # Errors
    /// [`LayerError::Setting`] if there are no channels or a setting is out of its range.
    pub fn new(channels: usize, config: BatchNormConfig, scope: &mut Scope<'_>) -> Result<Self, LayerError> {
        if channels == 0 {
            return Err(LayerError::setting("BatchNorm", "channels", "must be 1 or more", 0));
        }
        if !(config.momentum > 0.0 && config.momentum <= 1.0) {
            let rule = "must be above 0 and at most 1";
            return Err(LayerError::setting("BatchNorm", "momentum", rule, config.momentum));
        }
        if !(config.eps > 0.0 && config.eps.is_finite()) {
            return Err(LayerError::setting("BatchNorm", "eps", "must be positive", config.eps));
        }
        Ok(Self {
            weight: scope.weight("weight", &[channels], Init::Ones)?,
            bias: scope.weight("bias", &[channels], Init::Zeros)?,
            running_mean: scope.statistic("running_mean", &[channels], Init::Zeros)?,
            running_var: scope.statistic("running_var", &[channels], Init::Ones)?,
            channels,
            config,
        })
    }

    /// As [`Layer::forward`] for clips [batch, channels, …, time] of which only the first frames are real, as many as
    /// `lengths` says: in training the statistics are those of the real frames, and what comes out is zero in place of the
    /// others. `None` if no clip is padded.
    ///
    /// # Errors
    /// [`LayerError::InputShape`], [`LayerError::BatchOfOne`] in training, or [`LayerError::Lengths`] if the lengths don't
    /// fit the batch.
    pub fn forward_masked(
        &self,
        x: &Tensor,
        lengths: Option<&[usize]>,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor, LayerError> {
        checked_shape(self, x)?;
        let (Some(lengths), true) = (lengths, mode.is_training()) else {
            return self.forward(x, mode);
        };
        let (batch, frames) = (x.dim(0)?, if x.rank() > 2 { x.dim(D::Minus1)? } else { 1 });
        check_lengths("BatchNorm", lengths, batch, frames)?;
        if batch < 2 {
            return Err(LayerError::BatchOfOne);
        }
        if x.rank() < 3 || lengths.iter().all(|length| *length == frames) {
            return self.forward(x, mode);
        }
        if !x.device().is_cpu() {
            return Ok(self.train_composed(x, Some(lengths))?);
        }
        let own = self.train(&own_frames(x, lengths)?)?;
        Ok(spread_frames(&own, x.dims(), lengths)?)
    }

    fn train(&self, x: &Tensor) -> Result<Tensor, LayerError> {
        if x.device().is_cpu() {
            let statistics = Arc::new(OnceLock::new());
            let (shape, eps) = (x.shape().clone(), self.config.eps);
            let normalize = Normalize { shape, eps, statistics: statistics.clone() };
            let y = apply3(x, &self.weight, &self.bias, normalize)?;
            let Some(statistics) = statistics.get() else {
                return Err(candle_core::Error::Msg("BatchNorm: no statistics".to_owned()).into());
            };
            self.record_statistics(statistics, x.elem_count() / self.channels)?;
            return Ok(y);
        }
        Ok(self.train_composed(x, None)?)
    }

    /// [`BatchNorm::forward_masked`] in training from Candle's own operations.
    fn train_composed(&self, x: &Tensor, lengths: Option<&[usize]>) -> CandleResult<Tensor> {
        let mut n = x.elem_count() / self.channels;
        if let Some(lengths) = lengths {
            n = n / (x.dim(0)? * x.dim(D::Minus1)?) * lengths.iter().sum::<usize>();
        }
        let (y, mean, variance) = composed(x, lengths, n, [&self.weight, &self.bias], self.config.eps)?;
        self.record_both(&mean, &variance, n)?;
        Ok(y)
    }

    /// Moves the running statistics towards those of a batch of `n` values in each channel.
    pub(crate) fn record_statistics(&self, statistics: &Statistics, n: usize) -> CandleResult<()> {
        let tensor = |v: &[f64]| Tensor::new(v, &Device::Cpu)?.to_dtype(self.weight.dtype());
        self.record_both(&tensor(&statistics.mean)?, &tensor(&statistics.variance)?, n)
    }

    fn record_both(&self, mean: &Tensor, variance: &Tensor, n: usize) -> CandleResult<()> {
        let n = n as f64;
        self.record(&self.running_mean, mean)?;
        self.record(&self.running_var, &(variance * (n / (n - 1.0)))?)
    }

    /// Weight and bias.
    pub(crate) fn weights(&self) -> [&Var; 2] {
        [&self.weight, &self.bias]
    }

    pub(crate) fn eps(&self) -> f64 {
        self.config.eps
    }

    /// What inference multiplies each channel with, and adds to it.
    pub(crate) fn affine(&self) -> CandleResult<Vec<(f64, f64)>> {
        let values = |var: &Var| var.as_detached_tensor().to_dtype(DType::F64)?.to_vec1::<f64>();
        let (weight, bias) = (values(&self.weight)?, values(&self.bias)?);
        let (mean, variance) = (values(&self.running_mean)?, values(&self.running_var)?);
        let channels = weight.iter().zip(&bias).zip(mean.iter().zip(&variance));
        let pair = |((weight, bias), (mean, variance)): ((&f64, &f64), (&f64, &f64))| {
            let scale = weight / (variance + self.config.eps).sqrt();
            (scale, bias - mean * scale)
        };
        Ok(channels.map(pair).collect())
    }

    /// Moves a running statistic towards the batch's.
    fn record(&self, running: &Var, batch: &Tensor) -> CandleResult<()> {
        let momentum = self.config.momentum;
        let moved = ((running.as_detached_tensor() * (1.0 - momentum))? + (batch.detach() * momentum)?)?;
        running.set(&moved)
    }

    fn infer(&self, x: &Tensor) -> CandleResult<Tensor> {
        let detached = Var::as_detached_tensor;
        let deviation = (detached(&self.running_var) + self.config.eps)?.sqrt()?;
        let scale = detached(&self.weight).div(&deviation)?;
        let shift = (detached(&self.bias) - detached(&self.running_mean).mul(&scale)?)?;
        let shape = channel_shape(x, self.channels);
        x.broadcast_mul(&scale.reshape(&*shape)?)?.broadcast_add(&shift.reshape(&*shape)?)
    }
}

impl Layer for BatchNorm {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        checked_shape(self, x)?;
        match mode.is_training() {
            true if x.dim(0)? < 2 => Err(LayerError::BatchOfOne),
            true => self.train(x),
            false => Ok(self.infer(x)?),
        }
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        if input.first() != Some(&self.channels) || input.contains(&0) {
            return Err(LayerError::InputShape {
                layer: "BatchNorm",
                expected: format!("[{}, …]", self.channels),
                given: input.to_vec(),
            });
        }
        Ok(input.to_vec())
    }

    fn kind(&self) -> &'static str {
        "BatchNorm"
    }

    fn vars(&self) -> Vec<&Var> {
        vec![&self.weight, &self.bias, &self.running_mean, &self.running_var]
    }
}

/// [1, channels, 1, …], as many axes as `x` has.
fn channel_shape(x: &Tensor, channels: usize) -> Vec<usize> {
    (0..x.rank()).map(|axis| if axis == 1 { channels } else { 1 }).collect()
}

/// The operation on the CPU in training: (x, weight, bias).
#[derive(Debug)]
struct Normalize {
    shape: Shape,
    eps: f64,
    statistics: Arc<OnceLock<Statistics>>,
}

impl Operation<3> for Normalize {
    const NAME: &'static str = "BatchNorm";

    fn output_shape(&self) -> Shape {
        self.shape.clone()
    }

    fn forward<T: Real>(&self, [x, weight, bias]: [&[T]; 3]) -> CandleResult<Vec<T>> {
        let (batch, channels) = (self.shape.dims()[0], weight.len());
        let statistics = self.statistics.get_or_init(|| Statistics::of(x, batch, channels));
        let norm = Norm { batch, channels, eps: self.eps, statistics, chain: &Chain::default() };
        let mut y = vec![T::ZERO; x.len()];
        norm.forward(x, weight, bias, &mut y, &mut []);
        Ok(y)
    }

    fn backward<T: Real>(
        &self,
        [x, weight, _]: [&[T]; 3],
        _y: &[T],
        dy: &[T],
        _wanted: [bool; 3],
    ) -> CandleResult<Gradients<T, 3>> {
        let Some(statistics) = self.statistics.get() else { bail!("BatchNorm: backward before forward") };
        let (batch, channels) = (self.shape.dims()[0], weight.len());
        let norm = Norm { batch, channels, eps: self.eps, statistics, chain: &Chain::default() };
        let mut dx = vec![T::ZERO; x.len()];
        let (dweight, dbias) = norm.backward(x, weight, &[], dy, &mut dx);
        Ok([Some(dx), Some(dweight), Some(dbias)])
    }
}

/// The same from Candle's own operations, of clips with `n` own values in each channel: (y, mean, biased variance).
fn composed(
    x: &Tensor,
    lengths: Option<&[usize]>,
    n: usize,
    [weight, bias]: [&Tensor; 2],
    eps: f64,
) -> CandleResult<(Tensor, Tensor, Tensor)> {
    let keep = |x: Tensor| lengths.map_or_else(|| Ok(x.clone()), |lengths| keep_composed(&x, lengths));
    let axes: Vec<usize> = (0..x.rank()).filter(|axis| *axis != 1).collect();
    let channels = weight.elem_count();
    let shape = channel_shape(x, channels);
    let mean = (keep(x.clone())?.sum_keepdim(&*axes)? / n as f64)?;
    let centred = keep(x.broadcast_sub(&mean)?)?;
    let variance = (centred.sqr()?.sum_keepdim(&*axes)? / n as f64)?;
    let scale = weight.reshape(&*shape)?.div(&(&variance + eps)?.sqrt()?)?;
    let y = keep(centred.broadcast_mul(&scale)?.broadcast_add(&bias.reshape(&*shape)?)?)?;
    Ok((y, mean.flatten_all()?, variance.flatten_all()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, difference, input};
    use crate::{Generator, Parameters};

    fn batch_norm(channels: usize, config: BatchNormConfig) -> BatchNorm {
        let mut parameters = Parameters::new(0, DType::F64, &Device::Cpu);
        let layer = BatchNorm::new(channels, config, &mut parameters.scope("bn")).unwrap();
        layer.weight.set(&(input(&[channels], 8) + 0.5).unwrap()).unwrap();
        layer.bias.set(&input(&[channels], 9)).unwrap();
        layer
    }

    #[test]
    fn gradients_are_right_for_vectors_sequences_and_images() {
        for shape in [&[5, 3][..], &[3, 4, 7], &[2, 3, 1], &[2, 3, 3, 5]] {
            let layer = batch_norm(shape[1], BatchNormConfig::keras());
            let x = Var::from_tensor(&input(shape, 4)).unwrap();
            let vars = [&x, &layer.weight, &layer.bias];
            let forward = || layer.forward(&x, &mut Mode::Training(&mut Generator::new(0))).unwrap();
            let composition = || layer.train_composed(&x, None).unwrap();
            assert!(difference(&forward(), &composition()) < 1e-13);
            check("batch_norm", &vars, forward);
            check("batch_norm, composed", &vars, composition);
            check("batch_norm, inference", &[&x], || layer.forward(&x, &mut Mode::Inference).unwrap());
        }
    }

    #[test]
    fn running_statistics_move_towards_the_batch_by_momentum() {
        let layer = batch_norm(2, BatchNormConfig { momentum: 0.25, ..Default::default() });
        let x = Tensor::new(&[[1.0f64, 10.0], [3.0, 10.0], [5.0, 40.0]], &Device::Cpu).unwrap();
        layer.forward(&x, &mut Mode::Training(&mut Generator::new(0))).unwrap();
        // Means 3 and 20, unbiased variances 4 and 300.
        assert_eq!(layer.running_mean.to_vec1::<f64>().unwrap(), [0.75, 5.0]);
        assert_eq!(layer.running_var.to_vec1::<f64>().unwrap(), [0.75 + 1.0, 0.75 + 75.0]);
    }

    #[test]
    fn padding_counts_for_nothing_and_its_output_is_zero() {
        for shape in [&[3, 2, 5][..], &[3, 2, 2, 5]] {
            let layer = batch_norm(2, BatchNormConfig { momentum: 1.0, ..Default::default() });
            let other = batch_norm(2, BatchNormConfig { momentum: 1.0, ..Default::default() });
            let lengths = [5, 1, 3];
            let x = Var::from_tensor(&input(shape, 4)).unwrap();
            let vars = [&x, &layer.weight, &layer.bias];
            let forward = |layer: &BatchNorm, x: &Tensor, lengths: &[usize]| {
                layer.forward_masked(x, Some(lengths), &mut Mode::Training(&mut Generator::new(0))).unwrap()
            };
            check("batch_norm, masked", &vars, || forward(&layer, &x, &lengths));
            check("batch_norm, masked, composed", &vars, || {
                layer.train_composed(&x, Some(&lengths)).unwrap()
            });
            let composition = batch_norm(2, layer.config);
            let composed = composition.train_composed(&x, Some(&lengths)).unwrap();
            assert!(difference(&forward(&layer, &x, &lengths), &composed) < 1e-13);
            assert!(difference(&layer.running_mean, &composition.running_mean) < 1e-13);
            assert!(difference(&layer.running_var, &composition.running_var) < 1e-13);
            // The same frames laid out as clips of one frame, none of which is padded.
            let frame =
                |t: &Tensor, clip, at| t.narrow(0, clip, 1).unwrap().narrow(D::Minus1, at, 1).unwrap();
            let own: Vec<(usize, usize)> =
                (0..3).flat_map(|c| (0..lengths[c]).map(move |t| (c, t))).collect();
            let frames: Vec<Tensor> = own.iter().map(|(clip, at)| frame(&x, *clip, *at)).collect();
            let expected = forward(&other, &Tensor::cat(&frames, 0).unwrap(), &[1; 9]);
            let y = forward(&layer, &x, &lengths);
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            for (i, (clip, at)) in own.iter().enumerate() {
                let (ours, theirs) = (flat(&frame(&y, *clip, *at)), flat(&expected.narrow(0, i, 1).unwrap()));
                assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-12));
            }
            assert!(flat(&frame(&y, 1, 1)).iter().chain(&flat(&frame(&y, 2, 4))).all(|y| *y == 0.0));
            for (ours, theirs) in
                [(&layer.running_mean, &other.running_mean), (&layer.running_var, &other.running_var)]
            {
                assert!(flat(ours).iter().zip(flat(theirs)).all(|(a, b)| (a - b).abs() < 1e-12));
            }
        }
        let layer = batch_norm(2, BatchNormConfig::default());
        let mut generator = Generator::new(0);
        let wrong = layer.forward_masked(
            &input(&[3, 2, 5], 4),
            Some(&[5, 6, 1]),
            &mut Mode::Training(&mut generator),
        );
        assert!(matches!(wrong, Err(LayerError::Lengths { .. })));
    }

    #[test]
    fn a_large_mean_loses_no_digits() {
        let small = input(&[4, 1, 50], 3).to_dtype(DType::F32).unwrap();
        let statistics = |x: &Tensor| {
            let x = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            Statistics::of(&x, 4, 1).variance[0]
        };
        let (near, far) = (statistics(&small), statistics(&(&small + 1000.0).unwrap()));
        assert!((near - far).abs() < 1e-3 * near, "{near} {far}");
    }

    #[test]
    fn a_batch_of_one_is_refused_in_training_and_answered_in_inference() {
        let layer = batch_norm(2, BatchNormConfig::default());
        let x = input(&[1, 2, 5], 3);
        let error = layer.forward(&x, &mut Mode::Training(&mut Generator::new(0))).unwrap_err().to_string();
        assert_eq!(error, "BatchNorm: training needs a batch of 2 or more examples, 1 was given");
        assert!(layer.forward(&x, &mut Mode::Inference).is_ok());
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let mut parameters = Parameters::new(0, DType::F32, &Device::Cpu);
        let mut build = |channels, momentum, eps| {
            BatchNorm::new(channels, BatchNormConfig { momentum, eps }, &mut parameters.scope("bn"))
        };
        assert!(build(0, 0.1, 1e-3).is_err());
        assert!(build(2, 0.0, 1e-3).is_err());
        assert!(build(2, 1.5, 1e-3).is_err());
        assert!(build(2, 0.1, 0.0).is_err());
        assert!(build(2, f64::NAN, 1e-3).is_err());
    }
}
