//! The outputs of an encoder, extended by those of its upper blocks, which are trained.

use super::{TimeFirst, TransformerBlock};
use crate::layer::{Forward, Layer, LayerError, Mode, Padded, checked_shape};
use candle_core::{Tensor, Var};

/// Runs the last of several outputs of an encoder through further blocks, and appends the output of each.
///
/// Input [batch, layers · width, time], the features of one output after those of another; output [batch, (layers + blocks) · width, time].
#[derive(Debug)]
pub(crate) struct BlockOutputs {
    blocks: Vec<TransformerBlock>,
    layers: usize,
    width: usize,
}

impl BlockOutputs {
    /// Makes a layer for `layers` outputs of `width` features each, 1 or more.
    pub(crate) fn new(blocks: Vec<TransformerBlock>, layers: usize, width: usize) -> Self {
        Self { blocks, layers, width }
    }

    /// Returns the features of output `number` of values [batch, rows, time].
    fn output(&self, values: &Tensor, number: usize) -> Result<Tensor, LayerError> {
        Ok(values.narrow(1, number * self.width, self.width)?.contiguous()?)
    }
}

impl Layer for BlockOutputs {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        checked_shape(self, x)?;
        let last = self.output(x.values(), self.layers - 1)?;
        let (mut frames, begin) = TimeFirst.forward(&x.with_values(last), mode)?.into_parts();
        let mut outputs = vec![x.values().clone()];
        let mut passes = Vec::new();
        for block in &self.blocks {
            let (y, through) = block.forward(&frames, mode)?.into_parts();
            let (output, out) = TimeFirst.forward(&y, mode)?.into_parts();
            outputs.push(output.into_values());
            passes.extend(through.zip(out));
            frames = y;
        }
        let output = x.with_values(Tensor::cat(&outputs, 1)?);
        let Some(begin) = begin else { return Ok(Forward::inference(output)) };
        let own = Self { blocks: Vec::new(), ..*self };
        Ok(Forward::training(output, move |dy, input_wanted, gradients| {
            // The gradient for the frames after a block is the sum of that for its output and that through the next block.
            let mut dframes: Option<Tensor> = None;
            for (number, (through, out)) in passes.into_iter().enumerate().rev() {
                let of_output = out(&own.output(dy, own.layers + number)?, true, gradients)?;
                let dy = match (of_output, dframes) {
                    (Some(of_output), Some(further)) => (of_output + further)?,
                    (of_output, further) => of_output.or(further).ok_or(LayerError::NoBackward)?,
                };
                dframes = through(&dy, input_wanted || number > 0, gradients)?;
            }
            let (Some(dframes), true) = (dframes, input_wanted) else { return Ok(None) };
            let through = begin(&dframes, true, gradients)?.ok_or(LayerError::NoBackward)?;
            let last = (own.output(dy, own.layers - 1)? + through)?;
            let before = dy.narrow(1, 0, (own.layers - 1) * own.width)?.contiguous()?;
            Ok(Some(Tensor::cat(&[before, last], 1)?))
        }))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        match *input {
            [rows, time] if rows == self.layers.saturating_mul(self.width) && time > 0 => {
                Ok(vec![rows.saturating_add(self.blocks.len().saturating_mul(self.width)), time])
            }
            _ => {
                let expected = format!("[{} · {}, time]", self.layers, self.width);
                Err(LayerError::input_shape("BlockOutputs", expected, input))
            }
        }
    }

    fn kind(&self) -> &'static str {
        "BlockOutputs"
    }

    fn weights(&self) -> Vec<&Var> {
        self.blocks.iter().flat_map(Layer::weights).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::layers::Init;
    use crate::layers::gradient_check::{answer, check_layer, difference, input, padded, variable};
    use candle_core::DType;

    fn outputs(blocks: usize, layers: usize, width: usize) -> BlockOutputs {
        let parameters = Parameters::new(3, DType::F64);
        let block = |number| {
            let scope = parameters.scope(format!("block_{number}"));
            TransformerBlock::new(width, 2, 3, Init::GlorotNormal, &scope).unwrap()
        };
        BlockOutputs::new((0..blocks).map(block).collect(), layers, width)
    }

    #[test]
    fn gradients_are_correct() {
        for (blocks, layers) in [(1, 1), (1, 2), (2, 2)] {
            let outputs = outputs(blocks, layers, 4);
            let x = variable(&[2, layers * 4, 3], 4);
            for lengths in [None, Some(&[3, 1][..])] {
                check_layer("outputs of blocks", &outputs, &x, lengths);
            }
        }
    }

    #[test]
    fn outputs_of_each_block_follow_those_that_were_given() {
        let outputs = outputs(2, 2, 4);
        let x = input(&[2, 8, 3], 4);
        let y = answer(&outputs, padded(&x, Some(&[3, 2])));
        assert_eq!(y.dims(), [2, 16, 3]);
        assert_eq!(difference(&y.narrow(1, 0, 8).unwrap(), &x), 0.0);
        let turned = |x: &Tensor| x.transpose(1, 2).unwrap().contiguous().unwrap();
        let mut frames = turned(&x.narrow(1, 4, 4).unwrap());
        for (number, block) in outputs.blocks.iter().enumerate() {
            frames = answer(block, padded(&frames, Some(&[3, 2])));
            assert_eq!(difference(&y.narrow(1, 8 + number * 4, 4).unwrap(), &turned(&frames)), 0.0);
        }
        assert!(outputs.output_shape(&[4, 3]).is_err() && outputs.output_shape(&[8, 0]).is_err());
    }
}
