//! Dilated convolutions, forward and backward in time (`tim-net`).

use super::blocks::with_head;
use crate::input::ModelInput;
use crate::kernels::{Real, gated, gated_backward, sum_pairs};
use crate::layer::{checked_shape, elements, for_element_type, tensor};
use crate::layers::{
    BatchNormConfig, Conv1dConfig, Forward, Init, Layer, LayerError, Mode, Padded, Padding, Sequential,
    SummaryRow, add_gradient,
};
use crate::parameters::Parameters;
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};

/// The largest number of blocks. The last one's kernel then reaches over 2³¹ frames.
const MAX_BLOCKS: usize = 32;

/// Sizes of `tim-net`.
///
/// The default has the sizes of Ye et al. (*Temporal modeling matters: a novel temporal emotional modeling approach for speech emotion
/// recognition*, ICASSP 2023): 39 MFCC of five seconds at 22,050 Hz; for each direction of time a convolution of 1, then eight
/// temporal-aware blocks with dilations 1, 2, …, 128.
///
/// | layer | output shape | parameters |
/// | --- | --- | --- |
/// | input | [39, 215] | |
/// | for each direction: projection (a convolution of 1) | [39, 215] | 1,560 |
/// | for each direction and block: twice a causal convolution of 2, batch normalisation, ReLU, spatial dropout 0.1; the sigmoid of that times the block's input | [39, 215] | 6,474 |
/// | after each block: both directions added, mean over time | \[39\] | |
/// | sum of the eight means with trained weights | \[39\] | 8 |
/// | dense | \[classes\] | 160 for 4 classes |
///
/// These are 106,872 parameters for 4 classes, including running statistics. Reversal and means of a clip cover its valid frames only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimNetConfig {
    /// Features of each frame.
    pub rows: usize,
    /// Frames of the input after padding; 215 are five seconds at 22,050 Hz.
    pub frames: usize,
    /// Channels of every convolution.
    pub filters: usize,
    /// Taps of every causal convolution.
    pub kernel_size: usize,
    /// Blocks of each direction, 1 to 32. The dilation doubles from one block to the next.
    pub blocks: usize,
    /// Spatial dropout in the blocks, 0 or more and below 1.
    pub spatial_dropout: f64,
    /// Dropout before each dense layer, 0 or more and below 1.
    pub dropout: f64,
    /// Units of dense layers with ReLU before the last one, which has one unit for each class.
    pub dense: Vec<usize>,
    /// Settings of every batch normalisation.
    pub batch_norm: BatchNormConfig,
    /// Initial weights of convolutions and dense layers.
    pub init: Init,
}

impl Default for TimNetConfig {
    fn default() -> Self {
        Self {
            rows: 39,
            frames: 215,
            filters: 39,
            kernel_size: 2,
            blocks: 8,
            spatial_dropout: 0.1,
            dropout: 0.0,
            dense: Vec::new(),
            batch_norm: BatchNormConfig::default(),
            init: Init::GlorotUniform,
        }
    }
}

impl TimNetConfig {
    pub(crate) fn input(&self) -> ModelInput {
        ModelInput::Sequence { rows: self.rows, frames: self.frames }
    }
}

/// Builds temporal-aware blocks in both directions of time, then dense layers.
pub(super) fn network(
    config: &TimNetConfig,
    classes: usize,
    parameters: &Parameters,
) -> Result<Sequential, LayerError> {
    if !(1..=MAX_BLOCKS).contains(&config.blocks) {
        return Err(LayerError::setting("tim-net", "blocks", "1 to 32", config.blocks));
    }
    let mut net = Sequential::new([config.rows, config.frames]);
    net.push("temporal_blocks", TemporalBlocks::new(config, parameters)?)?;
    with_head(net, &config.dense, config.dropout, classes, config.init, parameters)
}

/// Blocks over the clip and over the reversed clip. Their means over time are weighted for each receptive field and summed: [batch, rows,
/// time] becomes [batch, filters].
#[derive(Debug)]
struct TemporalBlocks {
    directions: [Direction; 2],
    /// The weight of each pair of blocks, [1, blocks].
    weight: Var,
    rows: usize,
    filters: usize,
}

/// A projection, then blocks whose sigmoid gates each block's input.
#[derive(Debug)]
struct Direction {
    projection: Sequential,
    /// Blocks with their names.
    blocks: Vec<(String, Sequential)>,
}

impl Direction {
    fn new(name: &str, config: &TimNetConfig, parameters: &Parameters) -> Result<Self, LayerError> {
        let init = config.init;
        let mut projection = Sequential::named(name, [config.rows, config.frames]);
        projection.conv1d(Conv1dConfig { init, ..Conv1dConfig::new(config.filters, 1) }, parameters)?;
        let block = |number: usize| {
            let name = format!("{name}.block_{}", number + 1);
            let mut net = Sequential::named(&name, projection.output_shape());
            for _ in 0..2 {
                let convolution = Conv1dConfig {
                    dilation: 1 << number,
                    padding: Padding::Causal,
                    init,
                    ..Conv1dConfig::new(config.filters, config.kernel_size)
                };
                net.conv1d(convolution, parameters)?;
                net.batch_norm(config.batch_norm, parameters)?;
                net.relu()?;
                if config.spatial_dropout != 0.0 {
                    net.spatial_dropout(config.spatial_dropout)?;
                }
            }
            Ok((name, net))
        };
        let blocks = (0..config.blocks).map(block).collect::<Result<_, LayerError>>()?;
        Ok(Self { projection, blocks })
    }

    /// Returns the output of each block, [batch, filters, time], and in training the backward pass.
    fn forward<T: Real>(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Outputs, LayerError> {
        // A causal convolution does not see the padding after a clip, but batch normalisation in training would.
        let lengths = x.lengths().filter(|_| mode.is_training()).map(<[usize]>::to_vec);
        let (projected, projection) = self.projection.forward(x, mode)?.into_parts();
        let mut outputs = vec![projected.into_values()];
        let mut gates = Vec::new();
        for (_, block) in &self.blocks {
            let x = outputs[outputs.len() - 1].clone();
            let (gate, backward) = block.forward(&Padded::of(x.clone(), lengths.clone()), mode)?.into_parts();
            let gate = gate.into_values();
            let y = gated::<T>(elements(&x)?.slice()?, elements(&gate)?.slice()?);
            outputs.push(tensor(y, x.dims())?);
            gates.extend(backward.map(|backward| (x, gate, backward)));
        }
        outputs.remove(0);
        let Some(projection) = projection else { return Ok((outputs, None)) };
        let backward: BlocksBackward = Box::new(move |douts, input_wanted, gradients| {
            let mut dx: Option<Tensor> = None;
            for ((x, gate, backward), dout) in gates.into_iter().zip(douts).rev() {
                let dy = match dx {
                    Some(dx) => (dx + dout)?,
                    None => dout.clone(),
                };
                let (direct, dgate) = {
                    let (x, gate, dy) = (elements(&x)?, elements(&gate)?, elements(&dy)?);
                    gated_backward::<T>(x.slice()?, gate.slice()?, dy.slice()?)
                };
                let through = backward(&tensor(dgate, x.dims())?, true, gradients)?;
                let direct = tensor(direct, x.dims())?;
                dx = Some(match through {
                    Some(through) => (direct + through)?,
                    None => direct,
                });
            }
            match dx {
                Some(dx) => projection(&dx, input_wanted, gradients),
                None => Ok(None),
            }
        });
        Ok((outputs, Some(backward)))
    }
}

/// The output of each block, and the backward pass from the gradients for all of them.
type Outputs = (Vec<Tensor>, Option<BlocksBackward>);
type BlocksBackward =
    Box<dyn FnOnce(&[Tensor], bool, &mut GradStore) -> Result<Option<Tensor>, LayerError> + Send>;

impl TemporalBlocks {
    fn new(config: &TimNetConfig, parameters: &Parameters) -> Result<Self, LayerError> {
        let forward = Direction::new("forward", config, parameters)?;
        let backward = Direction::new("backward", config, parameters)?;
        let weight = parameters.scope("fusion").weight("weight", &[1, config.blocks], Init::Ones)?;
        let (rows, filters) = (config.rows, config.filters);
        Ok(Self { directions: [forward, backward], weight, rows, filters })
    }

    /// The networks of both directions with their names and kinds, in the order of their parameters.
    fn networks(&self) -> impl Iterator<Item = (&str, &'static str, &Sequential)> {
        self.directions.iter().zip(["forward.conv1d_1", "backward.conv1d_1"]).flat_map(|(direction, name)| {
            let blocks = direction.blocks.iter().map(|(name, block)| (&**name, "Block", block));
            std::iter::once((name, "Projection", &direction.projection)).chain(blocks)
        })
    }

    fn run<T: Real>(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        let (batch, _, time) = x.values().dims3()?;
        let (filters, shape) = (self.filters, x.dims().to_vec());
        let lengths = x.lengths_of(time);
        let [ahead, reverse] = &self.directions;
        let (ahead, ahead_backward) = ahead.forward::<T>(x, mode)?;
        let values = x.values().contiguous()?;
        let mut reversed = elements(&values)?.slice::<T>()?.to_vec();
        reverse_valid(&mut reversed, &shape, &lengths);
        let reversed = x.with_values(tensor(reversed, &shape[..])?);
        let (reverse, reverse_backward) = reverse.forward::<T>(&reversed, mode)?;

        // The mean of a sum does not depend on the order of the frames, so the reversed outputs need not be reversed back.
        let pairs = ahead.iter().zip(&reverse);
        let means = pairs.map(|(a, b)| means::<T>(a, b, &lengths)).collect::<Result<Vec<_>, _>>()?;
        let weight = self.weight.clone();
        let factors = elements(&weight)?.slice::<T>()?.to_vec();
        let mut fused = vec![T::ZERO; batch * filters];
        for (means, factor) in means.iter().zip(&factors) {
            fused.iter_mut().zip(means).for_each(|(sum, mean)| *sum += *factor * *mean);
        }
        let fused = tensor(fused, (batch, filters))?;
        let (Some(ahead_backward), Some(reverse_backward)) = (ahead_backward, reverse_backward) else {
            return Ok(Forward::inference(fused));
        };
        Ok(Forward::training(fused, move |dy, input_wanted, gradients| {
            let dy = dy.contiguous()?;
            let dy = elements(&dy)?;
            let dy = dy.slice::<T>()?;
            let dweight = means.iter().map(|means| sum_pairs(means, dy, |mean, dy| mean * dy)).collect();
            add_gradient(gradients, &weight, tensor(dweight, weight.dims())?)?;
            let of = |factor: &T| tensor(spread(dy, *factor, time, &lengths), (batch, filters, time));
            let douts = factors.iter().map(of).collect::<Result<Vec<_>, _>>()?;
            let dx = ahead_backward(&douts, input_wanted, gradients)?;
            let dreversed = reverse_backward(&douts, input_wanted, gradients)?;
            let (Some(dx), Some(dreversed)) = (dx, dreversed) else { return Ok(None) };
            let mut dreversed = elements(&dreversed)?.slice::<T>()?.to_vec();
            reverse_valid(&mut dreversed, &shape, &lengths);
            Ok(Some((dx + tensor(dreversed, &shape[..])?)?))
        }))
    }
}

/// Reverses each example's valid frames. Frames are the last axis.
fn reverse_valid<T>(values: &mut [T], shape: &[usize], lengths: &[usize]) {
    let (size, time) = (shape[1] * shape[2], shape[2]);
    for (example, length) in values.chunks_exact_mut(size).zip(lengths) {
        example.chunks_exact_mut(time).for_each(|row| row[..*length].reverse());
    }
}

/// Returns the means of the sum of two outputs over each example's valid frames, [batch, filters].
fn means<T: Real>(a: &Tensor, b: &Tensor, lengths: &[usize]) -> Result<Vec<T>, LayerError> {
    let (_, filters, time) = a.dims3()?;
    let (a, b) = (elements(a)?, elements(b)?);
    let rows = a.slice::<T>()?.chunks_exact(time).zip(b.slice::<T>()?.chunks_exact(time));
    let mean = |(number, (a, b)): (usize, (&[T], &[T]))| {
        let length = lengths[number / filters];
        sum_pairs(&a[..length], &b[..length], |a, b| a + b) * T::from_f64(1.0 / length as f64)
    };
    Ok(rows.enumerate().map(mean).collect())
}

/// Returns the gradients of outputs whose means over the valid frames have the gradient `factor · dy`.
fn spread<T: Real>(dy: &[T], factor: T, time: usize, lengths: &[usize]) -> Vec<T> {
    let filters = dy.len() / lengths.len();
    let mut spread = vec![T::ZERO; dy.len() * time];
    for (number, (row, dy)) in spread.chunks_exact_mut(time).zip(dy).enumerate() {
        let length = lengths[number / filters];
        row[..length].fill(factor * *dy * T::from_f64(1.0 / length as f64));
    }
    spread
}

impl Layer for TemporalBlocks {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        checked_shape(self, x)?;
        x.check(self.kind(), x.dims()[2])?;
        for_element_type!(x.values(), self.run(x, mode))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        match *input {
            [rows, time] if rows == self.rows && time > 0 => Ok(vec![self.filters]),
            _ => Err(LayerError::input_shape(self.kind(), format!("[{}, time]", self.rows), input)),
        }
    }

    fn kind(&self) -> &'static str {
        "TemporalBlocks"
    }

    fn weights(&self) -> Vec<&Var> {
        self.networks().flat_map(|(.., net)| net.weights()).chain([&self.weight]).collect()
    }

    fn statistics(&self) -> Vec<&Var> {
        self.networks().flat_map(|(.., net)| net.statistics()).collect()
    }

    fn summary(&self, _name: &str, output_shape: &[usize]) -> Vec<SummaryRow> {
        let row = |(name, kind, net): (&str, &'static str, &Sequential)| SummaryRow {
            name: name.to_owned(),
            kind,
            output_shape: net.output_shape().to_vec(),
            parameters: net.weights().into_iter().chain(net.statistics()).map(|var| var.elem_count()).sum(),
        };
        let fusion = SummaryRow {
            name: "fusion".to_owned(),
            kind: "WeightedSum",
            output_shape: output_shape.to_vec(),
            parameters: self.weight.elem_count(),
        };
        self.networks().map(row).chain([fusion]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Architecture;
    use super::*;

    #[test]
    fn the_default_has_the_documented_shapes_and_parameters() {
        let summary = Architecture::from(TimNetConfig::default()).build(4, 0).unwrap().summary();
        let starting = |start: &str| -> usize {
            summary.rows.iter().filter(|row| row.name.starts_with(start)).map(|row| row.parameters).sum()
        };
        for direction in ["forward", "backward"] {
            assert_eq!(starting(&format!("{direction}.conv1d_1")), 1_560);
            assert_eq!(starting(&format!("{direction}.block_8")), 6_474);
        }
        assert_eq!([starting("fusion"), starting("head")], [8, 160]);
        assert_eq!(summary.trainable + summary.statistics, 106_872);
        assert_eq!(summary.statistics, 2 * 16 * 2 * 39);
        assert_eq!(summary.rows.len(), 2 * 9 + 2);
        assert!(summary.rows.iter().all(|row| row.output_shape[0] == 39 || row.name.starts_with("head")));
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let refused = |config: TimNetConfig| {
            Architecture::from(config).build(3, 0).map(|_| ()).unwrap_err().to_string()
        };
        for blocks in [0, 33] {
            assert!(refused(TimNetConfig { blocks, ..Default::default() }).contains("must be 1 to 32"));
        }
        assert!(refused(TimNetConfig { filters: 0, ..Default::default() }).contains("filters"));
    }
}
