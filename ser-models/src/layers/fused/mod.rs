//! Convolutions and normalisations, computed together with the layers after them.
//!
//! ReLU, pooling and dropout process a channel while it is in the cache. Only what the backward pass needs is kept, in memory that is
//! reused in the next step. In inference batch normalisation is one multiplication and one addition. Padding is set to zero before each
//! convolution, so that a convolution reads the same zeros there as beyond the end of an unpadded example.

mod stage;

use super::dropout::draw;
use super::windows::{fill_padding, lengths_after, place, sees_padding};
use crate::kernels::{ConvShape, Epilogue, Padding, PoolShape, Real, Statistics, Step};
use crate::layer::{
    ConvolutionParameters, Forward, FusionKind, Layer, LayerError, Mode, NormParameters, Padded,
    add_gradient, elements, for_element_type, tensor,
};
use crate::memory::{Buffer, Memory};
use candle_core::{Tensor, Var};
use stage::{Kind, Stage};

/// Layers that are computed together on a batch.
#[derive(Debug)]
pub(super) struct Fused {
    batch: usize,
    stages: Vec<Stage>,
    /// The output shape of an example, and the valid output frames if examples are padded.
    shape: Vec<usize>,
    lengths: Option<Vec<usize>>,
    /// The valid frames of the first convolution's input, if examples are padded.
    masked: Option<Vec<usize>>,
    /// Whether the output is flattened and has no channels.
    is_flat: bool,
    /// The kind of the first layer, for errors.
    first: &'static str,
}

/// Values of the forward pass that the backward pass needs.
struct Saved<T: Real> {
    /// The input of each stage except the first.
    inputs: Vec<Buffer<T>>,
    /// The argmax of each stage's epilogue.
    argmax: Vec<Buffer<u8>>,
    /// The statistics of each stage that normalises.
    statistics: Vec<Option<Statistics>>,
}

impl Fused {
    /// Starts without layers, for this batch.
    pub(super) fn new(x: &Padded) -> Self {
        let shape = x.dims().get(1..).unwrap_or_default().to_vec();
        let lengths = x.lengths().map(<[usize]>::to_vec);
        Self { batch: x.len(), stages: Vec::new(), shape, lengths, masked: None, is_flat: false, first: "" }
    }

    /// Computes one layer alone. It must be able to be the first, and its input was checked.
    pub(super) fn single(layer: &dyn Layer, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        let mut fused = Self::new(x);
        fused.push(layer, mode)?;
        fused.forward(x, mode.is_training())
    }

    /// Appends a layer if it can be computed with the present ones, and draws its dropout mask as the layer alone would. Returns whether it
    /// was appended. The first layer must be a convolution, or a normalisation in training.
    pub(super) fn push(&mut self, layer: &dyn Layer, mode: &mut Mode<'_>) -> Result<bool, LayerError> {
        let output = layer.output_shape(&self.shape)?;
        let fusion = layer.fusion().0;
        if self.is_flat && !matches!(fusion, FusionKind::Relu | FusionKind::Dropout { channels: false, .. }) {
            return Ok(false);
        }
        if let FusionKind::Convolution(convolution) = fusion {
            self.push_convolution(layer.kind(), convolution, output, mode.is_training())?;
            return Ok(true);
        }
        if let (FusionKind::Norm(norm), true) = (&fusion, mode.is_training()) {
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
        training: bool,
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
            training,
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
        for (stage, statistics) in self.stages.iter().zip(&saved.statistics) {
            if let (Kind::Norm { parameters, .. }, Some(statistics)) = (&stage.kind, statistics) {
                parameters.record(statistics)?;
            }
        }
        Ok(Forward::of(training, output, move |dy, input_wanted, gradients| {
            self.backward(&x, saved, dy, input_wanted, gradients)
        }))
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
        // The gradient for the output of the current stage; `None` for the last stage, whose gradient is `dy`.
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

/// Returns the frames of a shape: its last axis.
fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

#[cfg(test)]
mod tests;
