//! Convolutions and normalisations with what follows them, computed together.
//!
//! ReLU, pooling and dropout work on a channel while it lies in the cache, only what the backward pass needs is kept, in
//! memory that is used again at the next step, and batch normalisation folds into one multiplication in inference. Padding
//! is set to zero before each convolution, so that it sees there what it sees beyond the end of an example alone.

use super::dropout::draw;
use super::windows::{fill_padding, lengths_after, place, sees_padding};
use crate::kernels::{
    ConvShape, Epilogue, Norm, Padding, PoolShape, Real, Statistics, Step, Valid, convolve, convolve_backward,
};
use crate::layer::{
    Backward, ConvolutionParameters, Forward, FusionKind, Layer, LayerError, Mode, NormParameters, Padded,
    add_gradient, elements, for_element_type, tensor,
};
use crate::memory::{Buffer, Memory};
use candle_core::{Tensor, Var};

/// A convolution or a batch normalisation, and the steps after it.
#[derive(Debug)]
struct Stage {
    kind: Kind,
    weight: Var,
    bias: Var,
    epilogue: Epilogue,
    memory: Memory,
    /// Channels of an example that come out, and elements of each of them.
    channels: usize,
    plane: usize,
}

#[derive(Debug)]
enum Kind {
    Convolution(ConvShape),
    /// Batch normalisation in training, with the valid columns of each example and the columns of a row.
    Norm {
        parameters: NormParameters,
        valid: Option<(Vec<usize>, usize)>,
    },
}

/// Layers that are computed together on a batch.
#[derive(Debug)]
pub(super) struct Fused {
    batch: usize,
    stages: Vec<Stage>,
    /// The shape of an example that comes out, and the valid frames where examples are padded.
    shape: Vec<usize>,
    lengths: Option<Vec<usize>>,
    /// The valid frames that the first convolution sees, where examples are padded.
    masked: Option<Vec<usize>>,
    /// Whether the channels are gone.
    is_flat: bool,
    /// The kind of the first layer, for errors.
    first: &'static str,
}

/// What the backward pass needs of the forward pass.
struct Saved<T: Real> {
    /// What goes into each stage but the first.
    inputs: Vec<Buffer<T>>,
    /// Of each stage's epilogue.
    argmax: Vec<Buffer<u8>>,
    /// Of each stage that normalises.
    statistics: Vec<Option<Statistics>>,
}

impl Fused {
    /// No layer yet, for this batch.
    pub(super) fn new(x: &Padded) -> Self {
        let shape = x.dims().get(1..).unwrap_or_default().to_vec();
        let lengths = x.lengths().map(<[usize]>::to_vec);
        Self { batch: x.len(), stages: Vec::new(), shape, lengths, masked: None, is_flat: false, first: "" }
    }

    /// One layer on its own, whose input was checked.
    pub(super) fn single(layer: &dyn Layer, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        let mut fused = Self::new(x);
        let FusionKind::Norm(norm) = layer.fusion().0 else {
            fused.push(layer, mode)?;
            return fused.forward(x, mode.is_training());
        };
        match mode.is_training() {
            true => {
                fused.push_norm(layer.kind(), norm)?;
                fused.forward(x, true)
            }
            false => for_element_type!(x.values(), affine(norm, x)),
        }
    }

    /// Adds a layer at the end if it can be computed with those that are there, and draws its dropout mask as the layer
    /// alone would. The first layer must be a convolution.
    pub(super) fn push(&mut self, layer: &dyn Layer, mode: &mut Mode<'_>) -> Result<bool, LayerError> {
        let output = layer.output_shape(&self.shape)?;
        let fusion = layer.fusion().0;
        if self.is_flat && !matches!(fusion, FusionKind::Relu | FusionKind::Dropout { channels: false, .. }) {
            return Ok(false);
        }
        if let FusionKind::Convolution(convolution) = fusion {
            self.push_convolution(layer.kind(), convolution, output)?;
            return Ok(true);
        }
        if let (FusionKind::Norm(norm), true) = (&fusion, mode.is_training() && !self.stages.is_empty()) {
            self.push_norm(layer.kind(), norm)?;
            return Ok(true);
        }
        let Some(stage) = self.stages.last_mut() else { return Ok(false) };
        let steps = &mut stage.epilogue.0;
        match fusion {
            FusionKind::Alone | FusionKind::Convolution(_) => return Ok(false),
            FusionKind::Norm(norm) => steps.push(Step::Affine(norm.affine()?)),
            FusionKind::Relu => steps.push(Step::Relu),
            FusionKind::Flatten if self.lengths.is_some() => return Ok(false),
            FusionKind::Flatten => self.is_flat = true,
            FusionKind::MaxPool(windows) => {
                let shape = PoolShape { windows: place(layer.kind(), windows, None, &self.shape)? };
                let lengths = lengths_after(layer.kind(), windows, self.lengths.as_deref(), last(&output))?;
                let taps = shape.windows[0].kernel.saturating_mul(shape.windows[1].kernel);
                let padded = self.lengths.as_deref().zip(lengths.as_deref());
                let same = windows.last().is_some_and(|window| window.padding == Padding::Same);
                let padded =
                    same && padded.is_some_and(|(own, after)| sees_padding(&shape.windows[1], own, after));
                if stage.epilogue.pool().is_some() || taps > Epilogue::TAPS || padded {
                    return Ok(false);
                }
                stage.plane = shape.out_plane();
                stage.epilogue.0.push(Step::Pool(shape));
                self.lengths = lengths;
            }
            FusionKind::Dropout { rate, channels } => {
                let Mode::Training(generator) = mode else { return Ok(true) };
                if rate == 0.0 {
                    return Ok(true);
                }
                if steps.iter().any(|step| matches!(step, Step::Drop { .. })) {
                    return Ok(false);
                }
                let run = if channels { stage.plane } else { 1 };
                let n = self.batch * stage.channels * stage.plane;
                let (kept, scale) = draw(n / run, rate, generator);
                steps.push(Step::Drop { kept, run, scale });
            }
        }
        self.shape = output;
        Ok(true)
    }

    fn push_convolution(
        &mut self,
        layer: &'static str,
        convolution: &ConvolutionParameters,
        output: Vec<usize>,
    ) -> Result<(), LayerError> {
        let ConvolutionParameters { weight, bias, in_channels, filters, windows, memory } = convolution;
        if let (Some(lengths), Some(width)) = (&self.lengths, self.shape.last()) {
            match self.stages.last_mut() {
                Some(Stage { epilogue, channels, .. }) => {
                    let (lengths, channels) = (lengths.clone(), *channels);
                    epilogue.0.push(Step::Mask { lengths, channels, width: *width });
                }
                None => self.masked = Some(lengths.clone()),
            }
        }
        let shape = ConvShape {
            batch: self.batch,
            in_channels: *in_channels,
            out_channels: *filters,
            windows: place(layer, windows, Some(*in_channels), &self.shape)?,
            memory: memory.clone(),
        };
        self.lengths = lengths_after(layer, windows, self.lengths.as_deref(), last(&output))?;
        self.push_stage(layer, Kind::Convolution(shape), [weight, bias], memory, &output);
        self.shape = output;
        Ok(())
    }

    fn push_norm(&mut self, layer: &'static str, norm: &NormParameters) -> Result<(), LayerError> {
        if self.batch < 2 {
            return Err(LayerError::BatchOfOne);
        }
        let width = last(&self.shape);
        let valid = self.lengths.clone().filter(|_| self.shape.len() > 1).map(|lengths| (lengths, width));
        let shape = self.shape.clone();
        let kind = Kind::Norm { parameters: norm.clone(), valid };
        self.push_stage(layer, kind, [&norm.weight, &norm.bias], &norm.memory, &shape);
        Ok(())
    }

    fn push_stage(
        &mut self,
        layer: &'static str,
        kind: Kind,
        [weight, bias]: [&Var; 2],
        memory: &Memory,
        output: &[usize],
    ) {
        if self.stages.is_empty() {
            self.first = layer;
        }
        self.stages.push(Stage {
            kind,
            weight: weight.clone(),
            bias: bias.clone(),
            epilogue: Epilogue::default(),
            memory: memory.clone(),
            channels: output[0],
            plane: output[1..].iter().product(),
        });
    }

    /// Computes the layers.
    pub(super) fn forward(self, x: &Padded, training: bool) -> Result<Forward, LayerError> {
        x.check(self.first, last(x.dims()))?;
        for_element_type!(x.values(), self.run(x, training))
    }

    fn run<T: Real>(self, x: &Padded, training: bool) -> Result<Forward, LayerError> {
        let mut x = x.values().contiguous()?;
        if let Some(lengths) = &self.masked {
            let mut valid = elements(&x)?.slice::<T>()?.to_vec();
            fill_padding(&mut valid, x.dims(), lengths, T::ZERO);
            x = tensor(valid, x.dims())?;
        }
        let (y, saved) = self.stages_forward::<T>(&x, training)?;
        let mut dims = vec![self.batch];
        dims.extend(&self.shape);
        let output = Padded::of(tensor(y, dims)?, self.lengths.clone());
        if !training {
            return Ok(Forward::inference(output));
        }
        for (stage, statistics) in self.stages.iter().zip(&saved.statistics) {
            if let (Kind::Norm { parameters, .. }, Some(statistics)) = (&stage.kind, statistics) {
                parameters.record(statistics)?;
            }
        }
        let backward: Backward = Box::new(move |dy, input_wanted, gradients| {
            self.backward(&x, saved, dy, input_wanted, gradients)
        });
        Ok(Forward::training(output, backward))
    }

    fn stages_forward<T: Real>(&self, x: &Tensor, training: bool) -> Result<(Vec<T>, Saved<T>), LayerError> {
        let x = elements(x)?;
        let x = x.slice::<T>()?;
        let mut saved = Saved { inputs: Vec::<Buffer<T>>::new(), argmax: Vec::new(), statistics: Vec::new() };
        let mut last = Vec::new();
        for (number, stage) in self.stages.iter().enumerate() {
            let n = self.batch * stage.channels * stage.plane;
            let kept = if training && !stage.epilogue.0.is_empty() { n } else { 0 };
            let mut argmax = stage.memory.buffer(kept);
            let input = saved.inputs.last().map_or(x, |buffer| buffer);
            if number + 1 == self.stages.len() {
                last = vec![T::ZERO; n];
                saved.statistics.push(stage.forward(self.batch, input, &mut last, &mut argmax)?);
            } else {
                let mut y = stage.memory.buffer(n);
                saved.statistics.push(stage.forward(self.batch, input, &mut y, &mut argmax)?);
                saved.inputs.push(y);
            }
            saved.argmax.push(argmax);
        }
        Ok((last, saved))
    }

    fn backward<T: Real>(
        self,
        x: &Tensor,
        saved: Saved<T>,
        dy: &Tensor,
        input_wanted: bool,
        gradients: &mut candle_core::backprop::GradStore,
    ) -> Result<Option<Tensor>, LayerError> {
        let dy = dy.contiguous()?;
        let (first, dy) = (elements(x)?, elements(&dy)?);
        let (first, last) = (first.slice::<T>()?, dy.slice::<T>()?);
        let mut dx = Vec::new();
        // The gradient for what comes out of the stage at hand: of all stages but the last.
        let mut outer: Option<Buffer<T>> = None;
        for (number, stage) in self.stages.iter().enumerate().rev() {
            let input = if number == 0 { first } else { &saved.inputs[number - 1] };
            let argmax = &saved.argmax[number];
            let dy = outer.as_deref().unwrap_or(last);
            let wanted = number > 0 || input_wanted;
            let mut inner = stage.memory.buffer(if number > 0 { input.len() } else { 0 });
            if number == 0 && wanted {
                dx = vec![T::ZERO; input.len()];
            }
            let di = if number == 0 { &mut dx[..] } else { &mut inner[..] };
            let di = wanted.then_some(di);
            let (dweight, dbias) =
                stage.backward(self.batch, input, saved.statistics[number].as_ref(), argmax, dy, di)?;
            add_gradient(gradients, &stage.weight, tensor(dweight, stage.weight.dims())?)?;
            add_gradient(gradients, &stage.bias, tensor(dbias, stage.bias.dims())?)?;
            outer = Some(inner);
        }
        if !input_wanted {
            return Ok(None);
        }
        if let Some(lengths) = &self.masked {
            fill_padding(&mut dx, x.dims(), lengths, T::ZERO);
        }
        Ok(Some(tensor(dx, x.dims())?))
    }
}

impl Stage {
    fn forward<T: Real>(
        &self,
        batch: usize,
        x: &[T],
        y: &mut [T],
        argmax: &mut [u8],
    ) -> Result<Option<Statistics>, LayerError> {
        let (weight, bias) = (elements(&self.weight)?, elements(&self.bias)?);
        let (weight, bias) = (weight.slice()?, bias.slice()?);
        match &self.kind {
            Kind::Convolution(shape) => {
                convolve(shape, [x, weight, bias], &self.epilogue, y, argmax);
                Ok(None)
            }
            Kind::Norm { parameters, valid } => {
                let valid = valid.as_ref().map(|(lengths, width)| Valid { lengths, width: *width });
                let statistics = Statistics::of(x, batch, parameters.channels, valid);
                self.norm(batch, parameters, &statistics, valid).forward(x, weight, bias, y, argmax);
                Ok(Some(statistics))
            }
        }
    }

    fn norm<'a>(
        &'a self,
        batch: usize,
        parameters: &NormParameters,
        statistics: &'a Statistics,
        valid: Option<Valid<'a>>,
    ) -> Norm<'a> {
        let (channels, eps) = (parameters.channels, parameters.eps);
        Norm { batch, channels, eps, statistics, epilogue: &self.epilogue, valid, memory: &self.memory }
    }

    fn backward<T: Real>(
        &self,
        batch: usize,
        x: &[T],
        statistics: Option<&Statistics>,
        argmax: &[u8],
        dy: &[T],
        dx: Option<&mut [T]>,
    ) -> Result<(Vec<T>, Vec<T>), LayerError> {
        let weight = elements(&self.weight)?;
        let weight = weight.slice()?;
        match (&self.kind, statistics) {
            (Kind::Norm { parameters, valid }, Some(statistics)) => {
                let valid = valid.as_ref().map(|(lengths, width)| Valid { lengths, width: *width });
                let norm = self.norm(batch, parameters, statistics, valid);
                let mut unwanted = self.memory.buffer(if dx.is_some() { 0 } else { x.len() });
                Ok(norm.backward(x, weight, argmax, dy, dx.unwrap_or(&mut unwanted)))
            }
            (Kind::Convolution(shape), _) => {
                Ok(convolve_backward(shape, [x, weight], &self.epilogue, argmax, dy, dx))
            }
            (Kind::Norm { .. }, None) => Err(LayerError::NoBackward),
        }
    }
}

/// Batch normalisation in inference on its own.
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
    Ok(Forward::inference(Padded::of(tensor(y, x.dims())?, x.lengths().map(<[usize]>::to_vec))))
}

/// The frames of a shape: its last axis.
fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::chain;
    use crate::layers::gradient_check::{answer, check_layer, input, padded, train, values, variable};
    use crate::layers::{
        BatchNormConfig, Conv1dConfig, Conv2dConfig, MaxPool1d, MaxPool2d, Padding, Sequential, reference,
    };
    use crate::{Generator, Parameters};
    use candle_core::{DType, Device};

    type Build = fn(&mut Sequential, &Parameters) -> Result<(), LayerError>;

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
        let parameters = Parameters::new(1, DType::F64);
        let mut net = Sequential::new(shape);
        build(&mut net, &parameters).unwrap();
        for (seed, parameter) in parameters.iter().filter(|p| p.is_trainable()).enumerate() {
            let shift = if parameter.name().contains("batch_norm") { 0.3 } else { 0.0 };
            let values = input(parameter.var().dims(), seed as u64).affine(0.7, shift).unwrap();
            parameter.var().set(&values).unwrap();
        }
        (net, parameters)
    }

    /// The layers of a network, each on its own.
    #[derive(Debug)]
    struct OneByOne(Sequential);

    impl Layer for OneByOne {
        fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
            let (mut x, mut backwards) = (x.clone(), Vec::new());
            for layer in &self.0.layers {
                if layer.name.starts_with("conv") && x.lengths().is_some() {
                    x = Padded::of(
                        reference::keep_valid(x.values(), x.lengths().unwrap())?,
                        x.lengths().map(<[usize]>::to_vec),
                    );
                }
                let (y, backward) = layer.layer.forward(&x, mode)?.into_parts();
                backwards.extend(backward.map(|backward| (backward, true)));
                x = y;
            }
            Ok(if mode.is_training() {
                Forward::training(x, chain(backwards))
            } else {
                Forward::inference(x)
            })
        }

        fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
            self.0.shape_for(input)
        }

        fn kind(&self) -> &'static str {
            "OneByOne"
        }

        fn weights(&self) -> Vec<&Var> {
            self.0.weights()
        }
    }

    fn close(a: &Tensor, b: &Tensor) -> bool {
        a.dims() == b.dims()
            && values(a).iter().zip(values(b)).all(|(a, b)| (a - b).abs() < 1e-11 * b.abs().max(1.0))
    }

    /// Valid lengths for the networks that keep a time axis, and none.
    fn all_lengths(shape: &[usize], batch: usize, flat: bool) -> Vec<Option<Vec<usize>>> {
        let frames = shape[shape.len() - 1];
        let some = (0..batch).map(|i| frames - (3 * i) % (frames - 1)).collect();
        if flat { vec![None] } else { vec![None, Some(some)] }
    }

    fn is_flat(net: &Sequential) -> bool {
        net.layers.iter().any(|layer| layer.name.starts_with("flatten"))
    }

    #[test]
    fn layers_together_give_what_they_give_one_by_one() {
        for (shape, build) in networks() {
            for batch in [2, 3, 5, 41] {
                let dims: Vec<usize> = std::iter::once(batch).chain(shape.iter().copied()).collect();
                let x = variable(&dims, 7);
                for lengths in all_lengths(shape, batch, is_flat(&network(shape, build).0)) {
                    let ((net, parameters), (other, others)) = (network(shape, build), network(shape, build));
                    let other = OneByOne(other);
                    for step in 0..2 {
                        let ours = train(&net, padded(&x, lengths.as_deref()), step);
                        let theirs = train(&other, padded(&x, lengths.as_deref()), step);
                        assert!(close(&ours, &theirs), "{lengths:?}");
                        let gradients = |y: Tensor| y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
                        let (ours, theirs) = (gradients(ours), gradients(theirs));
                        if lengths.is_none() {
                            assert!(close(ours.get(&x).unwrap(), theirs.get(&x).unwrap()));
                        }
                        for (a, b) in parameters.iter().zip(others.iter()) {
                            assert!(close(a.var(), b.var()), "{}", a.name());
                            if a.is_trainable() {
                                let (a, b, name) = (ours.get(a.var()), theirs.get(b.var()), a.name());
                                assert!(close(a.unwrap(), b.unwrap()), "gradient of {name}, {lengths:?}");
                            }
                        }
                    }
                    let x = padded(&x.as_detached_tensor(), lengths.as_deref());
                    assert!(close(&answer(&net, x.clone()), &answer(&other, x)));
                }
            }
        }
    }

    #[test]
    fn gradients_are_correct_with_and_without_padding() {
        for (shape, build) in networks() {
            let (net, _parameters) = network(shape, build);
            let dims: Vec<usize> = std::iter::once(3).chain(shape.iter().copied()).collect();
            for lengths in all_lengths(shape, 3, is_flat(&net)) {
                check_layer("stages", &net, &variable(&dims, 7), lengths.as_deref());
            }
        }
    }

    #[test]
    fn padding_changes_no_valid_output() {
        let (shape, build) = networks()[1];
        let (net, _parameters) = network(shape, build);
        let x = input(&[2, 2, 19], 3);
        let alone = answer(&net, x.narrow(2, 0, 12).unwrap());
        let among = answer(&net, padded(&x, Some(&[12, 12])));
        let valid = among.narrow(2, 0, alone.dim(2).unwrap()).unwrap();
        assert!(close(&valid.contiguous().unwrap(), &alone));
    }

    #[test]
    fn a_batch_of_one_and_wrong_shapes_are_refused() {
        let (shape, build) = networks()[1];
        let (net, _parameters) = network(shape, build);
        let forward = |dims: &[usize], mode: &mut Mode<'_>| net.forward(&input(dims, 1).into(), mode);
        assert!(forward(&[1, 2, 19], &mut Mode::Inference).is_ok());
        let error = forward(&[1, 2, 19], &mut Mode::Training(&mut Generator::new(0))).unwrap_err();
        assert!(matches!(error, LayerError::BatchOfOne));
        assert!(matches!(forward(&[0, 2, 19], &mut Mode::Inference), Err(LayerError::EmptyBatch { .. })));
        assert!(matches!(forward(&[2, 3, 19], &mut Mode::Inference), Err(LayerError::InputShape { .. })));
    }

    #[test]
    fn a_nan_stays() {
        let (shape, build) = networks()[0];
        let (net, _parameters) = network(shape, build);
        let x = Tensor::full(f64::NAN, (2, 2, 7, 9), &Device::Cpu).unwrap();
        assert!(values(&answer(&net, x)).iter().all(|y| y.is_nan()));
    }
}
