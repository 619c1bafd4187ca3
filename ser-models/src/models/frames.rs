//! What the models that read clips frame by frame share.

use super::Batch;
use crate::layers::{BatchNorm, Init, Layer, LayerError, Mode, Sequential, keep_frames};
use crate::parameters::Parameters;
use candle_core::{D, Tensor};
use std::any::Any;

/// A batch on its way through a model: a tensor [batch, …, time], and the real frames of each clip where one is padded.
#[derive(Debug, Clone)]
pub(crate) struct Frames {
    pub(crate) x: Tensor,
    pub(crate) lengths: Option<Vec<usize>>,
}

impl Frames {
    /// The inputs, cut after the last real frame of the longest one, but to no less than `least` frames: padding that all
    /// clips share costs nothing.
    pub(crate) fn new(
        model: &'static str,
        batch: &Batch,
        input: &[usize],
        least: usize,
    ) -> Result<Self, LayerError> {
        let (x, Some(frames)) = (&batch.values, input.last().copied()) else {
            return Ok(Self { x: batch.values.clone(), lengths: None });
        };
        match x.dims() {
            [] | [0, ..] => {
                return Err(LayerError::EmptyBatch { layer: model, given: x.dims().to_vec() });
            }
            [_, given @ ..] if given == input => {}
            [_, given @ ..] => {
                let expected = format!("{input:?}");
                return Err(LayerError::InputShape { layer: model, expected, given: given.to_vec() });
            }
        }
        if batch.lengths.is_none() {
            return Ok(Self { x: x.clone(), lengths: None });
        }
        let lengths = batch.checked_lengths(frames)?;
        let longest = lengths.iter().copied().max().unwrap_or(frames).max(least).min(frames);
        let padded = lengths.iter().any(|length| *length < longest);
        let x = x.narrow(D::Minus1, 0, longest)?.contiguous()?;
        Ok(Self { x, lengths: padded.then_some(lengths) })
    }

    pub(crate) fn lengths(&self) -> Option<&[usize]> {
        self.lengths.as_deref()
    }

    /// Sends the batch through convolutions and what stands between them. No convolution sees anything but zeros beyond a
    /// clip's own frames, batch normalisation counts only these, and pooling leaves so many frames as it would of the clip
    /// alone, but at least one: the padding changes nothing.
    pub(crate) fn through(mut self, net: &Sequential, mode: &mut Mode<'_>) -> Result<Self, LayerError> {
        if self.lengths.is_none() {
            self.x = net.forward(&self.x, mode)?;
            return Ok(self);
        }
        for named in net.layers() {
            let layer = &*named.layer;
            if matches!(layer.kind(), "Conv1d" | "Conv2d") {
                self.x = keep_frames(&self.x, self.lengths.as_deref())?;
            }
            let mut shape = self.x.dims().get(1..).unwrap_or_default().to_vec();
            let any: &dyn Any = layer;
            self.x = match any.downcast_ref::<BatchNorm>() {
                Some(norm) => norm.forward_masked(&self.x, self.lengths.as_deref(), mode)?,
                None => layer.forward(&self.x, mode)?,
            };
            let after = self.x.dim(D::Minus1)?;
            for length in self.lengths.iter_mut().flatten() {
                if let Some(last) = shape.last_mut() {
                    *last = *length;
                }
                let left = layer.output_shape(&shape).ok().and_then(|shape| shape.last().copied());
                *length = left.unwrap_or(1).clamp(1, after);
            }
        }
        Ok(self)
    }
}

/// The layers after the last state: dense layers with ReLU, then one with a unit for each class, dropout before each.
pub(crate) fn head(
    inputs: usize,
    dense: &[usize],
    dropout: f64,
    classes: usize,
    init: Init,
    parameters: &mut Parameters,
) -> Result<Sequential, LayerError> {
    let mut net = Sequential::named("head", [inputs]);
    for units in dense.iter().map(Some).chain([None]) {
        if dropout != 0.0 {
            net.dropout(dropout)?;
        }
        net.dense(units.copied().unwrap_or(classes), init, parameters)?;
        if units.is_some() {
            net.relu()?;
        }
    }
    Ok(net)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Conv1dConfig, Padding};
    use candle_core::{DType, Device};

    #[test]
    fn convolutions_and_pooling_give_a_padded_clip_what_they_give_it_alone() {
        let mut parameters = Parameters::new(3, DType::F64, &Device::Cpu);
        let mut net = Sequential::new([2, 19]);
        for _ in 0..2 {
            net.conv1d(Conv1dConfig { padding: Padding::Same, ..Conv1dConfig::new(3, 5) }, &mut parameters)
                .unwrap();
            net.relu().unwrap();
            net.max_pool1d(2).unwrap();
        }
        for p in parameters.iter().filter(|p| p.name().ends_with("bias")) {
            p.var().set(&Tensor::new(&[0.3, 0.2, 0.1], &Device::Cpu).unwrap()).unwrap();
        }
        let x = crate::layers::gradient_check::input(&[3, 2, 19], 1);
        let lengths = [11, 3, 8];
        let batch = Batch { values: x.clone(), lengths: Some(lengths.to_vec()) };
        let frames = Frames::new("test", &batch, &[2, 19], 4).unwrap();
        assert_eq!(frames.x.dims(), [3, 2, 11]);
        let together = frames.through(&net, &mut Mode::Inference).unwrap();
        assert_eq!(together.lengths.as_deref(), Some(&[2, 1, 2][..]));
        for (clip, own) in [(0, 11), (2, 8)] {
            let alone = x.narrow(0, clip, 1).unwrap().narrow(2, 0, own).unwrap().contiguous().unwrap();
            let alone = Frames { x: alone, lengths: None }.through(&net, &mut Mode::Inference).unwrap().x;
            let among = together.x.narrow(0, clip, 1).unwrap().narrow(2, 0, 2).unwrap();
            let error = (alone - among).unwrap().abs().unwrap().max_all().unwrap();
            assert!(error.to_scalar::<f64>().unwrap() < 1e-14);
        }
    }

    #[test]
    fn other_shapes_and_lengths_are_refused() {
        let values = Tensor::zeros((2, 3, 5), DType::F32, &Device::Cpu).unwrap();
        let error = |lengths: Option<Vec<usize>>, input: &[usize]| {
            Frames::new("test", &Batch { values: values.clone(), lengths }, input, 1).unwrap_err().to_string()
        };
        assert_eq!(error(None, &[3, 6]), "test: each example must have shape [3, 6], [3, 5] was given");
        assert!(error(Some(vec![6, 1]), &[3, 5]).contains("6 of 5"));
    }
}
