//! One-dimensional convolutions over a feature vector (`cnn-1d`).

use super::blocks::{BlockLayer, ConvBlock, add_blocks, add_dense};
use crate::input::ModelInput;
use crate::layers::{BatchNormConfig, Init, LayerError, Sequential};
use crate::parameters::Parameters;
use serde::{Deserialize, Serialize};

/// Sizes of `cnn-1d`.
///
/// The default has the layers of the 1D CNN of the student report that this project reimplements: three blocks of convolution,
/// ReLU, batch normalisation, max pooling and dropout, then a dense layer. The report gives no sizes; those here were
/// chosen on validation parts of RAVDESS.
///
/// | layer | output shape | parameters |
/// | --- | --- | --- |
/// | input | [1, 193] | |
/// | convolution, 32 filters of 5, ReLU, batch normalisation, pooling by 2, dropout 0.3 | [32, 96] | 320 |
/// | convolution, 64 filters of 5, ReLU, batch normalisation, pooling by 2, dropout 0.3 | [64, 48] | 10,560 |
/// | convolution, 128 filters of 5, ReLU, batch normalisation, pooling by 2, dropout 0.3 | [128, 24] | 41,600 |
/// | flatten, dense | \[classes\] | 12,292 for 4 classes |
///
/// Running statistics are counted among the parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cnn1dConfig {
    /// Length of the feature vector.
    pub features: usize,
    /// The convolutions, each with the layers after it.
    pub blocks: Vec<ConvBlock>,
    /// Dropout before each dense layer, 0 or more and below 1.
    pub dropout: f64,
    /// Units of dense layers with ReLU before the last one, which has one unit for each class.
    pub dense: Vec<usize>,
    /// Whether the logits are batch-normalised.
    pub normalize_logits: bool,
    /// Settings of every batch normalisation.
    pub batch_norm: BatchNormConfig,
    /// Initial weights of convolutions and dense layers.
    pub init: Init,
}

impl Default for Cnn1dConfig {
    fn default() -> Self {
        Self {
            features: 193,
            blocks: [32, 64, 128].map(|filters| ConvBlock::new(filters, 5, 2, 0.3)).to_vec(),
            dropout: 0.0,
            dense: Vec::new(),
            normalize_logits: false,
            batch_norm: BatchNormConfig::default(),
            init: Init::GlorotUniform,
        }
    }
}

impl Cnn1dConfig {
    /// `cnn-1d-issa`: the six-convolution network of Issa, Demirci and Yazici (*Speech emotion recognition with deep convolutional neural networks*,
    /// 2020), as it is commonly replicated.
    ///
    /// | layer | output shape | parameters |
    /// | --- | --- | --- |
    /// | input | [1, 193] | |
    /// | convolution, 256 filters of 5, batch normalisation, ReLU | [256, 193] | 2,560 |
    /// | convolution, 128 filters of 5, ReLU, dropout 0.1, batch normalisation, pooling by 8 | [128, 24] | 164,480 |
    /// | convolution, 128 filters of 5, ReLU | [128, 24] | 82,048 |
    /// | convolution, 128 filters of 5, ReLU | [128, 24] | 82,048 |
    /// | convolution, 128 filters of 5, batch normalisation, ReLU, dropout 0.2 | [128, 24] | 82,560 |
    /// | convolution, 128 filters of 5, ReLU | [128, 24] | 82,048 |
    /// | flatten, dropout 0.2, dense | \[classes\] | 12,292 for 4 classes |
    /// | batch normalisation | \[classes\] | 16 for 4 classes |
    ///
    /// With running statistics these are 508,052 for 4 classes.
    pub fn issa() -> Self {
        use BlockLayer::{BatchNorm, Dropout, MaxPool, Relu};
        let block = |filters, then: &[BlockLayer]| ConvBlock { filters, kernel_size: 5, then: then.to_vec() };
        Self {
            blocks: vec![
                block(256, &[BatchNorm, Relu]),
                block(128, &[Relu, Dropout(0.1), BatchNorm, MaxPool(8)]),
                block(128, &[Relu]),
                block(128, &[Relu]),
                block(128, &[BatchNorm, Relu, Dropout(0.2)]),
                block(128, &[Relu]),
            ],
            dropout: 0.2,
            normalize_logits: true,
            ..Self::default()
        }
    }

    pub(crate) fn input(&self) -> ModelInput {
        ModelInput::Vector { features: self.features }
    }
}

/// Builds convolutions over the vector as one channel of a sequence [1, features], then dense layers.
pub(super) fn network(
    config: &Cnn1dConfig,
    classes: usize,
    parameters: &Parameters,
) -> Result<Sequential, LayerError> {
    let (init, batch_norm) = (config.init, config.batch_norm);
    let mut net = Sequential::new([1, config.features]);
    add_blocks(&mut net, &config.blocks, batch_norm, init, parameters)?;
    net.flatten()?;
    add_dense(&mut net, &config.dense, config.dropout, classes, init, parameters)?;
    if config.normalize_logits {
        net.batch_norm(batch_norm, parameters)?;
    }
    Ok(net)
}

#[cfg(test)]
mod tests {
    use super::super::Architecture;
    use super::*;
    use crate::layers::{Layer, Mode};
    use candle_core::{DType, Device, Tensor};

    #[test]
    fn the_default_has_the_documented_shapes_and_parameters() {
        let summary = Architecture::from(Cnn1dConfig::default()).build(4, 0).unwrap().summary();
        let block = |name: &str| -> usize {
            summary.rows.iter().filter(|row| row.name.ends_with(name)).map(|row| row.parameters).sum()
        };
        assert_eq!([block("_1") - 12_292, block("_2"), block("_3")], [320, 10_560, 41_600]);
        let shape = |name: &str| &summary.rows.iter().find(|row| row.name == name).unwrap().output_shape;
        assert_eq!(shape("dropout_1"), &[32, 96]);
        assert_eq!(shape("dropout_2"), &[64, 48]);
        assert_eq!(shape("dropout_3"), &[128, 24]);
        assert_eq!(shape("dense_1"), &[4]);
        assert_eq!(summary.trainable + summary.statistics, 320 + 10_560 + 41_600 + 12_292);
        assert_eq!(summary.statistics, 2 * (32 + 64 + 128));
    }

    #[test]
    fn the_network_of_issa_has_the_documented_shapes_and_parameters() {
        let summary = Architecture::from(Cnn1dConfig::issa()).build(4, 0).unwrap().summary();
        // Output shape and parameters of each block: a convolution or the dense layer, and all layers before the next one.
        let mut blocks: Vec<(Vec<usize>, usize)> = Vec::new();
        for row in &summary.rows {
            if row.name.starts_with("conv1d") || row.name.starts_with("flatten") {
                blocks.push((Vec::new(), 0));
            }
            let block = blocks.last_mut().unwrap();
            *block = (row.output_shape.clone(), block.1 + row.parameters);
        }
        let expected = [
            (vec![256, 193], 2_560),
            (vec![128, 24], 164_480),
            (vec![128, 24], 82_048),
            (vec![128, 24], 82_048),
            (vec![128, 24], 82_560),
            (vec![128, 24], 82_048),
            (vec![4], 12_292 + 16),
        ];
        assert_eq!(blocks, expected);
        assert_eq!(summary.trainable + summary.statistics, 508_052);
        assert_eq!(summary.statistics, 2 * (256 + 128 + 128 + 4));
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let build = |config: Cnn1dConfig, classes| {
            Architecture::from(config).build(classes, 0).map(|_| ()).unwrap_err().to_string()
        };
        let deep = Cnn1dConfig { blocks: vec![ConvBlock::new(2, 3, 8, 0.1); 3], ..Default::default() };
        assert_eq!(
            build(deep, 4),
            "MaxPool1d: the input must have as many steps as the window spans, 8, got 3"
        );
        let empty = Cnn1dConfig { features: 0, ..Default::default() };
        assert!(build(empty, 4).contains("got 0"));
        assert_eq!(build(Cnn1dConfig::default(), 1), "cnn-1d: classes must be 2 or more, got 1");
        let model = Architecture::from(Cnn1dConfig::default()).build(4, 0).unwrap();
        let x = Tensor::zeros((2, 192), DType::F32, &Device::Cpu).unwrap();
        let error = model.forward(&x.into(), &mut Mode::Inference).unwrap_err().to_string();
        assert_eq!(error, "cnn-1d: each example must have shape [193], got [192]");
    }
}
