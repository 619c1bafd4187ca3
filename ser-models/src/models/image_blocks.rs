//! Blocks of two-dimensional convolutions, as more than one network has them.

use crate::layers::{BatchNormConfig, Conv2dConfig, Init, LayerError, Sequential};
use crate::parameters::Parameters;
use serde::{Deserialize, Serialize};

/// A convolution with stride 1 and same padding, then batch normalisation, ReLU, max pooling, dropout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageBlock {
    /// Output channels.
    pub filters: usize,
    /// Rows and frames of the kernel.
    pub kernel_size: [usize; 2],
    /// Whether the convolution is batch-normalised.
    pub batch_norm: bool,
    /// Rows and frames that are pooled into one.
    pub pool_size: [usize; 2],
    /// Dropout, 0 or more and below 1.
    pub dropout: f64,
}

impl ImageBlock {
    /// A kernel of 3 × 3, pooling by 2 × 2, dropout 0.25.
    pub fn new(filters: usize, batch_norm: bool) -> Self {
        Self { filters, kernel_size: [3; 2], batch_norm, pool_size: [2; 2], dropout: 0.25 }
    }
}

/// The convolutions of all blocks.
pub(super) fn convolutions(
    shape: [usize; 3],
    blocks: &[ImageBlock],
    batch_norm: BatchNormConfig,
    init: Init,
    parameters: &mut Parameters,
) -> Result<Sequential, LayerError> {
    let mut net = Sequential::new(shape);
    for block in blocks {
        net.conv2d(Conv2dConfig { init, ..Conv2dConfig::new(block.filters, block.kernel_size) }, parameters)?;
        if block.batch_norm {
            net.batch_norm(batch_norm, parameters)?;
        }
        net.relu()?;
        if block.pool_size != [1, 1] {
            net.max_pool2d(block.pool_size)?;
        }
        if block.dropout != 0.0 {
            net.dropout(block.dropout)?;
        }
    }
    Ok(net)
}

/// How many frames a clip must have for the pooling of all blocks.
pub(super) fn frames_for_pooling(blocks: &[ImageBlock]) -> usize {
    blocks.iter().fold(1, |product: usize, block| product.saturating_mul(block.pool_size[1]))
}
