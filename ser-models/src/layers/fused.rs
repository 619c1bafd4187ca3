//! Convolutions and normalisations with what follows them as one operation.

use super::gradients::hand_over;
use super::kernels::{
    Buffer, Chain, ConvShape, Gradients, Norm, Operation, Pooled, Real, Statistics, all_slices, apply2,
};
use candle_core::{
    CpuStorage, CustomOp3, DType, Device, Layout, Result as CandleResult, Shape, Tensor, bail,
};
use std::any::Any;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What a stage does before its chain.
#[derive(Debug)]
pub(crate) enum Kind {
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
pub(crate) struct Stage {
    pub(crate) kind: Kind,
    pub(crate) chain: Chain,
    /// Channels of an example that come out, and elements of each of them before and after the chain.
    pub(crate) channels: usize,
    pub(crate) planes: [usize; 2],
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
    pub(crate) fn output(&self, batch: usize) -> usize {
        batch * self.channels * self.planes[1]
    }
}

/// The operation on the CPU: (x, a [`Handle`] to the weights).
#[derive(Debug)]
pub(crate) struct Fused {
    batch: usize,
    stages: Vec<Stage>,
    /// Weight and bias of each stage.
    weights: Vec<[Tensor; 2]>,
    output: Shape,
    /// A [`Saved`] of the element type.
    saved: OnceLock<Box<dyn Any + Send + Sync>>,
    gradients: Arc<WeightGradients>,
}

/// What the backward pass needs.
struct Saved<T: Pooled> {
    /// What goes into each stage but the first.
    inputs: Vec<Buffer<T>>,
    /// The codes of each stage's chain.
    codes: Vec<Buffer<u8>>,
}

impl Fused {
    pub(crate) fn new(batch: usize, stages: Vec<Stage>, weights: Vec<[Tensor; 2]>, output: Shape) -> Self {
        Self { batch, stages, weights, output, saved: OnceLock::new(), gradients: Arc::default() }
    }

    /// The output for `x`, without anything kept for a backward pass.
    pub(crate) fn infer(self, x: &Tensor) -> CandleResult<Tensor> {
        fn infer<T: Real>(fused: &Fused, x: &Tensor) -> CandleResult<Tensor> {
            let guard = [x.storage_and_layout()];
            let [x] = all_slices::<T, _, 1>(&guard)?;
            let y = fused.run(x, false)?.0;
            Tensor::from_vec(y, fused.output.clone(), &Device::Cpu)
        }
        match x.dtype() {
            DType::F32 => infer::<f32>(&self, x),
            _ => infer::<f64>(&self, x),
        }
    }

    /// The output for `x`, through which gradients go back to `x` and to the weights.
    pub(crate) fn train(self, x: &Tensor) -> CandleResult<Tensor> {
        let mut handle = Tensor::zeros(1, x.dtype(), &Device::Cpu)?;
        for (stage, [weight, bias]) in self.weights.iter().enumerate() {
            let next = Handle { stage, gradients: Arc::clone(&self.gradients) };
            handle = weight.apply_op3(bias, &handle, next)?;
        }
        apply2(x, &handle, self)
    }

    /// Calls `f` with weight and bias of a stage.
    fn with_weights<T: Real, R>(&self, stage: usize, f: impl FnOnce([&[T]; 2]) -> R) -> CandleResult<R> {
        let [weight, bias] = &self.weights[stage];
        let guards = [weight.storage_and_layout(), bias.storage_and_layout()];
        Ok(f(all_slices(&guards)?))
    }

    fn run<T: Real>(&self, x: &[T], training: bool) -> CandleResult<(Vec<T>, Saved<T>)> {
        let mut saved = Saved { inputs: Vec::<Buffer<T>>::new(), codes: Vec::new() };
        let mut last = Vec::new();
        for (number, stage) in self.stages.iter().enumerate() {
            let n = stage.output(self.batch);
            let mut codes = Buffer::new(if training && !stage.chain.0.is_empty() { n } else { 0 });
            let input = saved.inputs.last().map_or(x, |buffer| buffer);
            let mut forward = |y: &mut [T]| {
                self.with_weights(number, |[weight, bias]| {
                    stage.forward(self.batch, [input, weight, bias], y, &mut codes);
                })
            };
            if number + 1 == self.stages.len() {
                last = vec![T::ZERO; n];
                forward(&mut last)?;
            } else {
                let mut y = Buffer::new(n);
                forward(&mut y)?;
                saved.inputs.push(y);
            }
            saved.codes.push(codes);
        }
        Ok((last, saved))
    }
}

impl Operation<2> for Fused {
    const NAME: &'static str = "convolution";

    fn output_shape(&self) -> Shape {
        self.output.clone()
    }

    fn forward<T: Real>(&self, [x, _]: [&[T]; 2]) -> CandleResult<Vec<T>> {
        let (y, saved) = self.run(x, true)?;
        // One operation is one forward pass: the lock is always empty here.
        let _ = self.saved.set(Box::new(saved));
        Ok(y)
    }

    fn backward<T: Real>(
        &self,
        [x, handle]: [&[T]; 2],
        _y: &[T],
        dy: &[T],
        [input_wanted, _]: [bool; 2],
    ) -> CandleResult<Gradients<T, 2>> {
        let Some(saved) = self.saved.get().and_then(|saved| saved.downcast_ref::<Saved<T>>()) else {
            bail!("convolution: backward before forward")
        };
        let mut dx = Vec::new();
        // The gradient for what came out of the stage at hand: all stages but the last.
        let mut outer: Option<Buffer<T>> = None;
        for (number, stage) in self.stages.iter().enumerate().rev() {
            let input = if number == 0 { x } else { &saved.inputs[number - 1] };
            let codes = &saved.codes[number];
            let dy = outer.as_deref().unwrap_or(dy);
            let wanted = number > 0 || input_wanted;
            let mut inner = Buffer::new(if number > 0 { input.len() } else { 0 });
            if number == 0 && wanted {
                dx = vec![T::ZERO; input.len()];
            }
            let di = if number == 0 { &mut dx[..] } else { &mut inner[..] };
            let (dweight, dbias) = self.with_weights(number, |[weight, _]| match &stage.kind {
                Kind::Convolution(shape) => {
                    Ok(shape.backward([input, weight], &stage.chain, codes, dy, wanted.then_some(di)))
                }
                Kind::Norm { channels, eps, statistics } => {
                    let Some(statistics) = statistics.get() else {
                        bail!("BatchNorm: backward before forward")
                    };
                    let norm = stage.norm(self.batch, *channels, *eps, statistics);
                    Ok(norm.backward(input, weight, codes, dy, di))
                }
            })??;
            let [weight, bias] = &self.weights[number];
            let dweight = Tensor::from_vec(dweight, weight.shape(), &Device::Cpu)?;
            self.gradients.put(number, [dweight, Tensor::from_vec(dbias, bias.shape(), &Device::Cpu)?]);
            outer = Some(inner);
        }
        Ok([input_wanted.then_some(dx), Some(handle.to_vec())])
    }
}

/// Gradients of weight and bias of each stage on their way from [`Fused`] to the [`Handle`]s.
#[derive(Debug, Default)]
struct WeightGradients(Mutex<Vec<(usize, [Tensor; 2])>>);

impl WeightGradients {
    fn put(&self, stage: usize, gradients: [Tensor; 2]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((stage, gradients));
    }

    fn take(&self, stage: usize) -> Option<[Tensor; 2]> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|(number, _)| *number == stage)?;
        Some(all.swap_remove(at).1)
    }
}

/// One number that stands for weight and bias of a stage and, through another handle, of those before it: an operation takes
/// three tensors at most. Candle goes back through it after [`Fused`], and gets from it what that has put ready.
#[derive(Debug)]
struct Handle {
    stage: usize,
    gradients: Arc<WeightGradients>,
}

impl CustomOp3 for Handle {
    fn name(&self) -> &'static str {
        "weights"
    }

    fn cpu_fwd(
        &self,
        weight: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        let zero = match weight {
            CpuStorage::F32(_) => CpuStorage::F32(vec![0.0]),
            _ => CpuStorage::F64(vec![0.0]),
        };
        Ok((zero, 1.into()))
    }

    fn bwd(
        &self,
        weight: &Tensor,
        bias: &Tensor,
        before: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some([dweight, dbias]) = self.gradients.take(self.stage) else {
            bail!("convolution: weights before their layer")
        };
        let before = before.track_op().then(|| dy.clone());
        Ok((hand_over(weight, dweight)?, hand_over(bias, dbias)?, before))
    }
}
