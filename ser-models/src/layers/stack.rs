//! Convolutions and what follows them as one operation.
//!
//! Layer by layer, every activation would go out to memory and come back, be allocated anew, and its gradient be added to
//! zeros by Candle's graph. Here ReLU, pooling and dropout work on a channel while it lies in the cache, only what the
//! backward pass needs is kept, in memory that is used again at the next step, and batch normalisation folds into one
//! multiplication in inference. The layers' own operations remain for every other order; both give the same numbers.
//!
//! Beside PyTorch 2.15 on two cores with AVX-512, whole networks, a step of 32 and an inference of one (medians of
//! `ser-bench/reference/compare_torch.py`): two 2D blocks and an LSTM on 40 by 862 MFCC are 3.1 and 2.0 times as fast (3.4
//! and 2.2 times with batch normalisation), three 1D blocks and two LSTMs 1.0 and 1.1 times, six 1D convolutions on 193
//! features 0.95 and 1.15 times: these last two rows are within the noise of such runs.

use super::convolution::Convolution;
use super::dropout::draw;
use super::kernels::{
    Act, Buffer, Chain, ConvShape, Gradients, Norm, Operation, Pooled, Real, Statistics, apply2, slices,
};
use super::padding::Placed;
use super::{
    BatchNorm, Conv1d, Conv2d, Dropout, Layer, LayerError, MaxPool1d, MaxPool2d, Mode, NamedLayer, Relu,
    SpatialDropout,
};
use candle_core::{DType, Device, Result as CandleResult, Shape, Tensor, Var, bail};
use std::any::Any;
use std::sync::{Arc, OnceLock};

/// What a stage does before its chain.
#[derive(Debug)]
enum Kind {
    Convolution(ConvShape),
    /// Batch normalisation in training; the statistics come to be in the forward pass.
    Norm {
        channels: usize,
        eps: f64,
        statistics: Arc<OnceLock<Statistics>>,
    },
}

/// A convolution or a batch normalisation, and the chain after it.
#[derive(Debug)]
struct Stage {
    kind: Kind,
    chain: Chain,
    /// Elements of weight and bias.
    sizes: [usize; 2],
    /// Channels of an example that come out, and elements of each of them before and after the chain.
    channels: usize,
    planes: [usize; 2],
}

impl Stage {
    fn forward<T: Real>(&self, batch: usize, [x, weight, bias]: [&[T]; 3], y: &mut [T], codes: &mut [u8]) {
        match &self.kind {
            Kind::Convolution(shape) => shape.forward([x, weight, bias], &self.chain, y, codes),
            Kind::Norm { channels, eps, statistics } => {
                let statistics = statistics.get_or_init(|| Statistics::of(x, batch, *channels));
                self.norm(batch, *channels, *eps, statistics).forward(x, weight, bias, y, codes);
            }
        }
    }

    fn norm<'a>(&'a self, batch: usize, channels: usize, eps: f64, statistics: &'a Statistics) -> Norm<'a> {
        Norm { batch, channels, eps, statistics, chain: &self.chain }
    }

    /// Elements of a batch that come out.
    fn output(&self, batch: usize) -> usize {
        batch * self.channels * self.planes[1]
    }
}

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
        if let Some(Found { vars, windows }) = convolution(layer, &self.output)? {
            let (in_channels, out_channels) = (self.output[0], output[0]);
            let shape = ConvShape { batch: self.batch, in_channels, out_channels, windows };
            self.push(Kind::Convolution(shape), vars, &output);
            return Ok(true);
        }
        let Some(stage) = self.stages.last_mut() else { return Ok(false) };
        let any: &dyn Any = layer;
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
        let sizes = vars.map(|var| var.elem_count());
        let chain = Chain::default();
        self.stages.push(Stage { kind, chain, sizes, channels: output[0], planes: [plane; 2] });
        self.vars.push(vars);
        self.output = output.to_vec();
    }

    /// Applies the layers.
    pub(crate) fn forward(self, x: &Tensor, mode: &Mode<'_>) -> Result<Tensor, LayerError> {
        let x = x.contiguous()?;
        let mut output = vec![self.batch];
        output.extend(self.output);
        let fused =
            Fused { batch: self.batch, stages: self.stages, output: output.into(), saved: OnceLock::new() };
        if !mode.is_training() {
            let vars = self.vars.into_iter().flatten().map(Var::as_detached_tensor).collect::<Vec<_>>();
            return Ok(match x.dtype() {
                DType::F32 => fused.infer::<f32>(&x, &vars)?,
                _ => fused.infer::<f64>(&x, &vars)?,
            });
        }
        let vars = self.vars.iter().flatten().map(|var| var.flatten_all());
        let packed = Tensor::cat(&vars.collect::<CandleResult<Vec<_>>>()?, 0)?;
        let y = apply2(&x, &packed, fused)?;
        for (norm, statistics, n) in self.norms {
            if let Some(statistics) = statistics.get() {
                norm.record_statistics(statistics, n)?;
            }
        }
        Ok(y)
    }
}

/// The operation on the CPU: (x, all weights and biases one after another).
#[derive(Debug)]
struct Fused {
    batch: usize,
    stages: Vec<Stage>,
    output: Shape,
    /// A [`Saved`] of the element type.
    saved: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// What the backward pass needs.
struct Saved<T: Pooled> {
    /// What goes into each stage but the first.
    inputs: Vec<Buffer<T>>,
    /// The codes of each stage's chain.
    codes: Vec<Buffer<u8>>,
}

impl Fused {
    /// Weight and bias of each stage.
    fn weights<'a, T>(&self, mut packed: &'a [T]) -> Vec<[&'a [T]; 2]> {
        let mut take = |n| {
            let (head, tail) = packed.split_at(n);
            packed = tail;
            head
        };
        self.stages.iter().map(|stage| stage.sizes.map(&mut take)).collect()
    }

    fn run<T: Real>(&self, x: &[T], weights: &[[&[T]; 2]], training: bool) -> (Vec<T>, Saved<T>) {
        let mut saved = Saved { inputs: Vec::<Buffer<T>>::new(), codes: Vec::new() };
        let mut last = Vec::new();
        for (number, (stage, [weight, bias])) in self.stages.iter().zip(weights).enumerate() {
            let n = stage.output(self.batch);
            let mut codes = Buffer::new(if training && !stage.chain.0.is_empty() { n } else { 0 });
            let input = saved.inputs.last().map_or(x, |buffer| buffer);
            if number + 1 == self.stages.len() {
                last = vec![T::ZERO; n];
                stage.forward(self.batch, [input, weight, bias], &mut last, &mut codes);
            } else {
                let mut y = Buffer::new(n);
                stage.forward(self.batch, [input, weight, bias], &mut y, &mut codes);
                saved.inputs.push(y);
            }
            saved.codes.push(codes);
        }
        (last, saved)
    }

    fn infer<T: Real>(&self, x: &Tensor, vars: &[Tensor]) -> CandleResult<Tensor> {
        let guards: Vec<_> = std::iter::once(x).chain(vars).map(Tensor::storage_and_layout).collect();
        let all = slices::<T, _>(&guards)?;
        let weights: Vec<[&[T]; 2]> = all[1..].chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
        Tensor::from_vec(self.run(all[0], &weights, false).0, self.output.clone(), &Device::Cpu)
    }
}

impl Operation<2> for Fused {
    const NAME: &'static str = "convolution";

    fn output_shape(&self) -> Shape {
        self.output.clone()
    }

    fn forward<T: Real>(&self, [x, packed]: [&[T]; 2]) -> Vec<T> {
        let (y, saved) = self.run(x, &self.weights(packed), true);
        // One operation is one forward pass: the lock is always empty here.
        let _ = self.saved.set(Box::new(saved));
        y
    }

    fn backward<T: Real>(
        &self,
        [x, packed]: [&[T]; 2],
        _y: &[T],
        dy: &[T],
        [input_wanted, _]: [bool; 2],
    ) -> CandleResult<Gradients<T, 2>> {
        let Some(saved) = self.saved.get().and_then(|saved| saved.downcast_ref::<Saved<T>>()) else {
            bail!("convolution: backward before forward")
        };
        let weights = self.weights(packed);
        let mut gradients: Vec<[Vec<T>; 2]> = Vec::new();
        let mut dx = Vec::new();
        // The gradient for what came out of the stage at hand: all stages but the last.
        let mut outer: Option<Buffer<T>> = None;
        for (number, stage) in self.stages.iter().enumerate().rev() {
            let input = if number == 0 { x } else { &saved.inputs[number - 1] };
            let (weight, codes) = (weights[number][0], &saved.codes[number]);
            let dy = outer.as_deref().unwrap_or(dy);
            let wanted = number > 0 || input_wanted;
            let mut inner = Buffer::new(if wanted && number > 0 { input.len() } else { 0 });
            if number == 0 && wanted {
                dx = vec![T::ZERO; input.len()];
            }
            let di = if number == 0 { &mut dx[..] } else { &mut inner[..] };
            let (dweight, dbias) = match &stage.kind {
                Kind::Convolution(shape) => {
                    di.fill(T::ZERO);
                    shape.backward([input, weight], &stage.chain, codes, dy, wanted.then_some(di))
                }
                Kind::Norm { channels, eps, statistics } => {
                    let Some(statistics) = statistics.get() else {
                        bail!("BatchNorm: backward before forward")
                    };
                    let norm = stage.norm(self.batch, *channels, *eps, statistics);
                    norm.backward(input, weight, codes, dy, di)
                }
            };
            gradients.push([dweight, dbias]);
            outer = Some(inner);
        }
        let packed = gradients.into_iter().rev().flatten().flatten().collect();
        Ok([input_wanted.then_some(dx), Some(packed)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, input};
    use crate::layers::{BatchNormConfig, Conv1dConfig, Conv2dConfig, Padding, Sequential};
    use crate::{Generator, Parameters};

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
