//! Convolution blocks and final dense layers that several networks share.

use crate::layers::{BatchNormConfig, Conv1dConfig, Conv2dConfig, Init, LayerError, Sequential};
use crate::parameters::Parameters;
use serde::{Deserialize, Serialize};

/// A convolution with stride 1 and same padding, and the layers after it. It is over one axis with sizes `usize`, or over two with sizes
/// `[usize; 2]` (rows and frames).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvBlock<Size = usize> {
    /// Output channels, 1 or more.
    pub filters: usize,
    /// Taps of the kernel, 1 or more on each axis.
    pub kernel_size: Size,
    /// The layers after the convolution, in order.
    pub then: Vec<BlockLayer<Size>>,
}

/// A layer after a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlockLayer<Size = usize> {
    /// `max(x, 0)`.
    Relu,
    /// Batch normalisation.
    BatchNorm,
    /// The largest value of each window of this size; windows do not overlap.
    MaxPool(Size),
    /// Dropout at this rate, 0 or more and below 1.
    Dropout(f64),
}

impl ConvBlock {
    /// The block of the student report's 1D CNN ([`Cnn1dConfig`](super::Cnn1dConfig)): convolution, ReLU, batch normalisation, max pooling
    /// by `pool_size`, dropout.
    pub fn new(filters: usize, kernel_size: usize, pool_size: usize, dropout: f64) -> Self {
        use BlockLayer::{BatchNorm, Dropout, MaxPool, Relu};
        Self { filters, kernel_size, then: vec![Relu, BatchNorm, MaxPool(pool_size), Dropout(dropout)] }
    }
}

impl ConvBlock<[usize; 2]> {
    /// A convolution of 3 × 3, batch normalisation if `batch_norm` is true, ReLU, max pooling by `pool_size` (rows, frames), and dropout
    /// unless it is 0.
    pub fn image(filters: usize, batch_norm: bool, pool_size: [usize; 2], dropout: f64) -> Self {
        let mut then = Vec::new();
        if batch_norm {
            then.push(BlockLayer::BatchNorm);
        }
        then.extend([BlockLayer::Relu, BlockLayer::MaxPool(pool_size)]);
        if dropout != 0.0 {
            then.push(BlockLayer::Dropout(dropout));
        }
        Self { filters, kernel_size: [3; 2], then }
    }
}

/// The size type of a block: one number, or one for rows and one for frames.
pub(super) trait Size: Copy {
    fn convolution(self, net: &mut Sequential, filters: usize, init: Init, parameters: &Parameters) -> Added;
    fn max_pool(self, net: &mut Sequential) -> Added;
}

type Added = Result<(), LayerError>;

impl Size for usize {
    fn convolution(self, net: &mut Sequential, filters: usize, init: Init, parameters: &Parameters) -> Added {
        net.conv1d(Conv1dConfig { init, ..Conv1dConfig::new(filters, self) }, parameters)
    }

    fn max_pool(self, net: &mut Sequential) -> Added {
        net.max_pool1d(self)
    }
}

impl Size for [usize; 2] {
    fn convolution(self, net: &mut Sequential, filters: usize, init: Init, parameters: &Parameters) -> Added {
        net.conv2d(Conv2dConfig { init, ..Conv2dConfig::new(filters, self) }, parameters)
    }

    fn max_pool(self, net: &mut Sequential) -> Added {
        net.max_pool2d(self)
    }
}

/// Adds the layers of all blocks.
pub(super) fn add_blocks<S: Size>(
    net: &mut Sequential,
    blocks: &[ConvBlock<S>],
    batch_norm: BatchNormConfig,
    init: Init,
    parameters: &Parameters,
) -> Added {
    for block in blocks {
        block.kernel_size.convolution(net, block.filters, init, parameters)?;
        for layer in &block.then {
            match *layer {
                BlockLayer::Relu => net.relu(),
                BlockLayer::BatchNorm => net.batch_norm(batch_norm, parameters),
                BlockLayer::MaxPool(size) => size.max_pool(net),
                BlockLayer::Dropout(rate) => net.dropout(rate),
            }?;
        }
    }
    Ok(())
}

/// Appends the final layers, named `head`: dense layers with ReLU, then one with a unit for each class, and dropout before each.
pub(super) fn with_head(
    mut net: Sequential,
    dense: &[usize],
    dropout: f64,
    classes: usize,
    init: Init,
    parameters: &Parameters,
) -> Result<Sequential, LayerError> {
    let mut head = Sequential::named("head", net.output_shape());
    add_dense(&mut head, dense, dropout, classes, init, parameters)?;
    net.append(head)?;
    Ok(net)
}

/// Adds the layers of [`with_head`] directly to `net`, without the name `head`.
pub(super) fn add_dense(
    net: &mut Sequential,
    dense: &[usize],
    dropout: f64,
    classes: usize,
    init: Init,
    parameters: &Parameters,
) -> Added {
    for units in dense.iter().map(Some).chain([None]) {
        if dropout != 0.0 {
            net.dropout(dropout)?;
        }
        net.dense(units.copied().unwrap_or(classes), init, parameters)?;
        if units.is_some() {
            net.relu()?;
        }
    }
    Ok(())
}
