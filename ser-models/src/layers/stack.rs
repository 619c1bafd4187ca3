//! Convolutions and what follows them as one operation.
//!
//! Layer by layer, every activation would go out to memory and come back, be allocated anew, and its gradient be added to
//! zeros by Candle's graph. Here ReLU, pooling and dropout work on a channel while it lies in the cache, only what the
//! backward pass needs is kept, in memory that is used again at the next step, and batch normalisation folds into one
//! multiplication in inference. The layers' own operations remain for every other order; both give the same numbers.
//!
//! Beside PyTorch 2.15 on two cores with AVX-512, whole networks, a step of 32 and an inference of one (medians of
//! `ser-bench/reference/compare_torch.py`): two 2D blocks and an LSTM on 40 by 862 MFCC are 3.1 and 1.8 times as fast (3.2
//! and 2.2 times with batch normalisation), three 1D blocks and two LSTMs 1.4 and 1.6 times, six 1D convolutions on 193
//! features 1.6 and 1.4 times.

use super::convolution::Convolution;
use super::dropout::draw;
use super::fused::{Fused, Kind, Stage};
use super::kernels::{Act, Chain, ConvShape, Statistics};
use super::padding::Placed;
use super::{
    BatchNorm, Conv1d, Conv2d, Dropout, Flatten, Layer, LayerError, MaxPool1d, MaxPool2d, Mode, NamedLayer,
    Relu, SpatialDropout,
};
use candle_core::{DType, Tensor, Var};
use std::any::Any;
use std::sync::{Arc, OnceLock};

/// A run of layers that are applied together.
#[derive(Debug)]
pub(crate) struct Stack<'a> {
    /// How many layers these are.
    pub(crate) layers: usize,
    batch: usize,
    stages: Vec<Stage>,
    vars: Vec<[&'a Var; 2]>,
    norms: Vec<(&'a BatchNorm, Arc<OnceLock<Statistics>>, usize)>,
    output: Vec<usize>,
    /// Whether the output's channels are gone.
    flat: bool,
}

/// A convolution over any axes.
fn convolution<'a>(layer: &'a dyn Layer, x: &[usize]) -> Result<Option<Found<'a>>, LayerError> {
    fn found<'a, const AXES: usize>(
        conv: &'a Convolution<AXES>,
        x: &[usize],
    ) -> Result<Option<Found<'a>>, LayerError> {
        let windows = conv.placed(x)?;
        Ok(Some(Found { vars: [&conv.weight, &conv.bias], windows }))
    }
    let layer: &dyn Any = layer;
    if let Some(conv) = layer.downcast_ref::<Conv1d>() {
        found(&conv.0, x)
    } else if let Some(conv) = layer.downcast_ref::<Conv2d>() {
        found(&conv.0, x)
    } else {
        Ok(None)
    }
}

struct Found<'a> {
    vars: [&'a Var; 2],
    windows: [Placed; 2],
}

impl<'a> Stack<'a> {
    /// The layers from the first on that can be applied together to `x`: none if the first is not a convolution. Draws the
    /// masks of dropout as these layers would.
    pub(crate) fn of(
        layers: &'a [NamedLayer],
        x: &Tensor,
        mode: &mut Mode<'_>,
    ) -> Result<Option<Self>, LayerError> {
        let tracked = !mode.is_training() && x.track_op();
        let typed = matches!(x.dtype(), DType::F32 | DType::F64);
        let [batch, shape @ ..] = x.dims() else { return Ok(None) };
        if *batch == 0 || tracked || !typed || !x.device().is_cpu() {
            return Ok(None);
        }
        let mut stack = Self {
            layers: 0,
            batch: *batch,
            stages: Vec::new(),
            vars: Vec::new(),
            norms: Vec::new(),
            output: shape.to_vec(),
            flat: false,
        };
        for layer in layers {
            if !stack.add(&*layer.layer, mode)? {
                break;
            }
            stack.layers += 1;
        }
        Ok((stack.layers > 0).then_some(stack))
    }

    /// Adds a layer if it fits.
    fn add(&mut self, layer: &'a dyn Layer, mode: &mut Mode<'_>) -> Result<bool, LayerError> {
        let output = layer.output_shape(&self.output)?;
        let any: &dyn Any = layer;
        if self.flat && !(any.is::<Relu>() || any.is::<Dropout>()) {
            return Ok(false);
        }
        if let Some(Found { vars, windows }) = convolution(layer, &self.output)? {
            let (in_channels, out_channels) = (self.output[0], output[0]);
            let shape = ConvShape { batch: self.batch, in_channels, out_channels, windows };
            self.push(Kind::Convolution(shape), vars, &output);
            return Ok(true);
        }
        let Some(stage) = self.stages.last_mut() else { return Ok(false) };
        if any.is::<Flatten>() {
            (self.flat, self.output) = (true, output);
            return Ok(true);
        }
        if let Some(norm) = any.downcast_ref::<BatchNorm>() {
            if !mode.is_training() {
                stage.chain.0.push(Act::Affine(norm.affine()?));
                return Ok(true);
            }
            if self.batch < 2 {
                return Err(LayerError::BatchOfOne);
            }
            let statistics = Arc::new(OnceLock::new());
            let (channels, eps) = (self.output[0], norm.eps());
            self.norms.push((norm, statistics.clone(), self.batch * stage.planes[1]));
            self.push(Kind::Norm { channels, eps, statistics }, norm.weights(), &output);
            return Ok(true);
        }
        if any.is::<Relu>() {
            stage.chain.0.push(Act::Relu);
            return Ok(true);
        }
        let pool = if let Some(pool) = any.downcast_ref::<MaxPool1d>() {
            Some(pool.0.shape(&self.output)?)
        } else if let Some(pool) = any.downcast_ref::<MaxPool2d>() {
            Some(pool.0.shape(&self.output)?)
        } else {
            None
        };
        if let Some(shape) = pool {
            let taps = shape.windows[0].kernel.saturating_mul(shape.windows[1].kernel);
            if stage.chain.pool().is_some() || taps > Chain::TAPS {
                return Ok(false);
            }
            stage.planes[1] = shape.out_plane();
            stage.chain.0.push(Act::Pool(shape));
            self.output = output;
            return Ok(true);
        }
        let rate = if let Some(dropout) = any.downcast_ref::<Dropout>() {
            Some((dropout.rate(), 1))
        } else {
            any.downcast_ref::<SpatialDropout>().map(|dropout| (dropout.rate(), stage.planes[1]))
        };
        let Some((rate, run)) = rate else { return Ok(false) };
        if let Mode::Training(generator) = mode
            && rate > 0.0
        {
            if stage.chain.0.iter().any(|act| matches!(act, Act::Drop { .. })) {
                return Ok(false);
            }
            let (kept, scale) = draw(stage.output(self.batch) / run, rate, generator);
            stage.chain.0.push(Act::Drop { kept, run, scale });
        }
        Ok(true)
    }

    fn push(&mut self, kind: Kind, vars: [&'a Var; 2], output: &[usize]) {
        let plane = output[1..].iter().product();
        let chain = Chain::default();
        self.stages.push(Stage { kind, chain, channels: output[0], planes: [plane; 2] });
        self.vars.push(vars);
        self.output = output.to_vec();
    }

    /// Applies the layers.
    pub(crate) fn forward(self, x: &Tensor, mode: &Mode<'_>) -> Result<Tensor, LayerError> {
        let x = x.contiguous()?;
        let mut output = vec![self.batch];
        output.extend(self.output);
        let weights = self.vars.into_iter().map(|pair| pair.map(|var| mode.tensor(var))).collect();
        let fused = Fused::new(self.batch, self.stages, weights, output.into());
        if !mode.is_training() {
            return Ok(fused.infer(&x)?);
        }
        let y = fused.train(&x)?;
        for (norm, statistics, n) in self.norms {
            if let Some(statistics) = statistics.get() {
                norm.record_statistics(statistics, n)?;
            }
        }
        Ok(y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, input};
    use crate::layers::{BatchNormConfig, Conv1dConfig, Conv2dConfig, Padding, Sequential};
    use crate::{Generator, Parameters};
    use candle_core::Device;

    type Build = fn(&mut Sequential, &mut Parameters) -> Result<(), LayerError>;

    /// Networks with every order of layers that is applied together, with their input shapes.
    fn networks() -> Vec<(&'static [usize], Build)> {
        vec![
            (&[2, 7, 9], |net, parameters| {
                net.conv2d(Conv2dConfig::new(3, [3, 3]), parameters)?;
                net.relu()?;
                net.max_pool2d([2, 2])?;
                net.dropout(0.3)?;
                net.conv2d(Conv2dConfig { stride: [2, 1], ..Conv2dConfig::new(4, [2, 3]) }, parameters)?;
                net.batch_norm(BatchNormConfig::default(), parameters)?;
                net.relu()?;
                net.max_pool2d([1, 3])?;
                net.dropout(0.2)
            }),
            (&[2, 19], |net, parameters| {
                net.conv1d(Conv1dConfig::new(3, 5), parameters)?;
                net.batch_norm(BatchNormConfig::default(), parameters)?;
                net.relu()?;
                net.conv1d(Conv1dConfig::new(4, 3), parameters)?;
                net.relu()?;
                net.dropout(0.1)?;
                net.batch_norm(BatchNormConfig::default(), parameters)?;
                net.max_pool1d(4)?;
                net.conv1d(Conv1dConfig::new(2, 2), parameters)?;
                net.relu()
            }),
            (&[3, 21], |net, parameters| {
                net.conv1d(
                    Conv1dConfig { padding: Padding::Causal, dilation: 2, ..Conv1dConfig::new(4, 3) },
                    parameters,
                )?;
                net.relu()?;
                net.batch_norm(BatchNormConfig::default(), parameters)?;
                net.dropout(0.4)?;
                net.push("max_pool1d", MaxPool1d::new(3, 2, Padding::Same)?)?;
                net.dropout(0.2)?;
                net.max_pool1d(2)?;
                net.flatten()?;
                net.dropout(0.3)?;
                net.dense(3, crate::layers::Init::GlorotUniform, parameters)
            }),
            (&[2, 6, 5], |net, parameters| {
                net.relu()?;
                net.conv2d(Conv2dConfig::new(5, [3, 1]), parameters)?;
                net.spatial_dropout(0.4)?;
                net.push("max_pool2d", MaxPool2d::new([3, 2], [1, 2], Padding::Same)?)?;
                net.relu()?;
                net.batch_norm(BatchNormConfig::default(), parameters)
            }),
            (&[1, 23], |net, parameters| {
                net.conv1d(Conv1dConfig::new(9, 4), parameters)?;
                net.conv1d(Conv1dConfig { padding: Padding::Valid, ..Conv1dConfig::new(5, 3) }, parameters)?;
                net.flatten()?;
                net.dropout(0.3)?;
                net.relu()?;
                net.batch_norm(BatchNormConfig::default(), parameters)
            }),
        ]
    }

    fn network(shape: &[usize], build: Build) -> (Sequential, Parameters) {
        let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu);
        let mut net = Sequential::new(shape);
        build(&mut net, &mut parameters).unwrap();
        for (seed, parameter) in parameters.iter().filter(|p| p.is_trainable()).enumerate() {
            let shift = if parameter.name().contains("batch_norm") { 0.3 } else { 0.0 };
            let values = input(parameter.var().dims(), seed as u64).affine(0.7, shift).unwrap();
            parameter.var().set(&values).unwrap();
        }
        (net, parameters)
    }

    fn one_by_one(net: &Sequential, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        net.layers().iter().fold(x.clone(), |x, layer| layer.layer.forward(&x, mode).unwrap())
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn close(a: &Tensor, b: &Tensor) -> bool {
        a.dims() == b.dims()
            && values(a).iter().zip(values(b)).all(|(a, b)| (a - b).abs() < 1e-11 * b.abs().max(1.0))
    }

    #[test]
    fn layers_together_give_what_they_give_one_by_one() {
        for (shape, build) in networks() {
            for batch in [2, 3, 5, 41] {
                let dims: Vec<usize> = std::iter::once(batch).chain(shape.iter().copied()).collect();
                let x = Var::from_tensor(&input(&dims, 7)).unwrap();
                let ((net, parameters), (other, others)) = (network(shape, build), network(shape, build));
                for step in 0..2 {
                    let ours = net.forward(&x, &mut Mode::Training(&mut Generator::new(step))).unwrap();
                    let theirs = one_by_one(&other, &x, &mut Mode::Training(&mut Generator::new(step)));
                    assert!(close(&ours, &theirs));
                    let gradients = |y: Tensor| y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
                    let (ours, theirs) = (gradients(ours), gradients(theirs));
                    assert!(close(ours.get(&x).unwrap(), theirs.get(&x).unwrap()));
                    for (a, b) in parameters.iter().zip(others.iter()) {
                        assert!(close(a.var(), b.var()), "{}", a.name());
                        if a.is_trainable() {
                            let (a, b, name) = (ours.get(a.var()), theirs.get(b.var()), a.name());
                            assert!(close(a.unwrap(), b.unwrap()), "gradient of {name}");
                        }
                    }
                }
                let x = x.as_detached_tensor();
                let theirs = one_by_one(&other, &x, &mut Mode::Inference);
                assert!(close(&net.forward(&x, &mut Mode::Inference).unwrap(), &theirs));
            }
        }
    }

    #[test]
    fn gradients_are_right() {
        for (shape, build) in networks() {
            let (net, parameters) = network(shape, build);
            let dims: Vec<usize> = std::iter::once(3).chain(shape.iter().copied()).collect();
            let x = Var::from_tensor(&input(&dims, 7)).unwrap();
            let mut vars = vec![&x];
            vars.extend(parameters.iter().filter(|p| p.is_trainable()).map(|p| p.var()));
            check("stack", &vars, || net.forward(&x, &mut Mode::Training(&mut Generator::new(2))).unwrap());
            check("stack, inference", &[&x], || net.forward(&x, &mut Mode::Inference).unwrap());
        }
    }

    #[test]
    fn a_batch_of_one_and_wrong_shapes_are_refused() {
        let (shape, build) = networks()[1];
        let (net, _parameters) = network(shape, build);
        let forward = |dims: &[usize], mode: &mut Mode<'_>| net.forward(&input(dims, 1), mode);
        assert!(forward(&[1, 2, 19], &mut Mode::Inference).is_ok());
        let error = forward(&[1, 2, 19], &mut Mode::Training(&mut Generator::new(0))).unwrap_err();
        assert!(matches!(error, LayerError::BatchOfOne));
        assert!(matches!(forward(&[0, 2, 19], &mut Mode::Inference), Err(LayerError::EmptyBatch { .. })));
        assert!(matches!(forward(&[2, 3, 19], &mut Mode::Inference), Err(LayerError::InputShape { .. })));
    }

    #[test]
    fn a_nan_is_handed_on() {
        let (shape, build) = networks()[0];
        let (net, _parameters) = network(shape, build);
        let x = Tensor::full(f64::NAN, (2, 2, 7, 9), &Device::Cpu).unwrap();
        assert!(values(&net.forward(&x, &mut Mode::Inference).unwrap()).iter().all(|y| y.is_nan()));
    }
}
