//! Two-dimensional convolutions over a spectrogram, then a recurrent layer over time (`cnn-lstm`, `cnn-lstm-bn`).

use super::blocks::{ConvBlock, add_blocks, with_head};
use crate::input::ModelInput;
use crate::layers::{BatchNormConfig, Init, LayerError, LstmConfig, Sequential};
use crate::parameters::Parameters;
use serde::{Deserialize, Serialize};

/// Sizes of `cnn-lstm`.
///
/// The default, `cnn-lstm`, has the layers of the student report that this project reimplements (§5.3): two convolutions over the MFCC of
/// 40 × 862, each with max pooling and dropout, flattened for each time step, an LSTM, a dense layer. The report gives no
/// sizes.
///
/// | layer | output shape | parameters |
/// | --- | --- | --- |
/// | input | [1, 40, 862] | |
/// | convolution, 16 filters of 3 × 3, ReLU, pooling by 2 × 2, dropout 0.25 | [16, 20, 431] | 160 |
/// | convolution, 32 filters of 3 × 3, ReLU, pooling by 2 × 2, dropout 0.25 | [32, 10, 215] | 4,640 |
/// | flattened for each time step | [215, 320] | |
/// | LSTM of 64, last state | \[64\] | 98,560 |
/// | dropout 0.25, dense | \[classes\] | 260 for 4 classes |
///
/// Clips are padded in time with zeros after extraction: three seconds are 130 frames of the 862. The LSTM's state is read at the clip's
/// last valid frame after pooling, not after the padding. Neither the convolutions nor the LSTM see padding, and padding that all clips of
/// a batch share is not computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CnnLstmConfig {
    /// Number of features stacked as channels (§5.1 of the same report), each of `rows` rows. With 1, the input is one matrix of `rows`
    /// rows, such as MFCC.
    pub channels: usize,
    /// Rows of the input.
    pub rows: usize,
    /// Frames of the input after padding.
    pub frames: usize,
    /// The convolutions, each with the layers after it.
    pub blocks: Vec<ConvBlock<[usize; 2]>>,
    /// Units of the LSTM.
    pub lstm_units: usize,
    /// Dropout before each dense layer, 0 or more and below 1.
    pub dropout: f64,
    /// Units of dense layers with ReLU before the last one, which has one unit for each class.
    pub dense: Vec<usize>,
    /// Settings of every batch normalisation.
    pub batch_norm: BatchNormConfig,
    /// Initial weights of convolutions, dense layers, and the LSTM's input.
    pub init: Init,
}

impl Default for CnnLstmConfig {
    fn default() -> Self {
        Self {
            channels: 1,
            rows: 40,
            frames: 862,
            blocks: [16, 32].map(|filters| block(filters, false)).to_vec(),
            lstm_units: 64,
            dropout: 0.25,
            dense: Vec::new(),
            batch_norm: BatchNormConfig::default(),
            init: Init::GlorotUniform,
        }
    }
}

impl CnnLstmConfig {
    /// `cnn-lstm-bn` (§5.4 of the same report): deeper, with batch normalisation.
    ///
    /// | layer | output shape | parameters |
    /// | --- | --- | --- |
    /// | input | [1, 40, 862] | |
    /// | convolution, 16 filters of 3 × 3, batch normalisation, ReLU, pooling by 2 × 2, dropout 0.25 | [16, 20, 431] | 224 |
    /// | convolution, 32 filters of 3 × 3, the same | [32, 10, 215] | 4,768 |
    /// | convolution, 64 filters of 3 × 3, the same | [64, 5, 107] | 18,752 |
    /// | flattened for each time step | [107, 320] | |
    /// | LSTM of 64, last state | \[64\] | 98,560 |
    /// | dropout 0.25, dense | \[classes\] | 260 for 4 classes |
    ///
    /// Running statistics are counted among the parameters.
    pub fn batch_normalized() -> Self {
        Self { blocks: [16, 32, 64].map(|filters| block(filters, true)).to_vec(), ..Self::default() }
    }

    /// The sizes by which this crate is compared with PyTorch: two convolutions of 32 and 64 filters, an LSTM of 128, no dropout after it;
    /// 413,060 parameters for 4 classes without batch normalisation, 413,444 with it and its running statistics.
    pub fn benchmark(batch_norm: bool) -> Self {
        let blocks = [32, 64].map(|filters| block(filters, batch_norm)).to_vec();
        Self { blocks, lstm_units: 128, dropout: 0.0, ..Self::default() }
    }

    pub(crate) fn input(&self) -> ModelInput {
        let Self { channels, rows, frames, .. } = *self;
        match channels {
            1 => ModelInput::Sequence { rows, frames },
            _ => ModelInput::Channels { channels, rows, frames },
        }
    }
}

/// A convolution of 3 × 3 with pooling by 2 × 2 and dropout 0.25.
fn block(filters: usize, batch_norm: bool) -> ConvBlock<[usize; 2]> {
    ConvBlock::image(filters, batch_norm, [2; 2], 0.25)
}

/// Builds convolutions over frequency and time, then an LSTM over time and dense layers.
pub(super) fn network(
    config: &CnnLstmConfig,
    classes: usize,
    parameters: &Parameters,
) -> Result<Sequential, LayerError> {
    let init = config.init;
    let mut net = Sequential::new([config.channels, config.rows, config.frames]);
    add_blocks(&mut net, &config.blocks, config.batch_norm, init, parameters)?;
    net.time_first()?;
    net.lstm(LstmConfig { init, ..LstmConfig::new(config.lstm_units) }, parameters)?;
    with_head(net, &config.dense, config.dropout, classes, init, parameters)
}

#[cfg(test)]
mod tests {
    use super::super::{Architecture, Summary};
    use super::*;
    use crate::layers::{Layer, Mode};
    use candle_core::{DType, Device, Tensor};

    fn rows(config: &CnnLstmConfig) -> (Summary, impl Fn(&str) -> (Vec<usize>, usize) + use<>) {
        let summary = Architecture::from(config.clone()).build(4, 0).unwrap().summary();
        let rows = summary.rows.clone();
        (summary, move |name: &str| {
            let row = rows.iter().find(|row| row.name == name).unwrap();
            (row.output_shape.clone(), row.parameters)
        })
    }

    #[test]
    fn the_default_has_the_documented_shapes_and_parameters() {
        let (summary, row) = rows(&CnnLstmConfig::default());
        assert_eq!(row("conv2d_1"), (vec![16, 40, 862], 160));
        assert_eq!(row("dropout_1"), (vec![16, 20, 431], 0));
        assert_eq!(row("conv2d_2").1, 4_640);
        assert_eq!(row("dropout_2").0, [32, 10, 215]);
        assert_eq!(row("time_first_1").0, [215, 320]);
        assert_eq!(row("lstm_1"), (vec![64], 98_560));
        assert_eq!(row("head.dense_1"), (vec![4], 260));
        assert_eq!((summary.trainable, summary.statistics), (160 + 4_640 + 98_560 + 260, 0));
    }

    #[test]
    fn the_normalised_one_has_the_documented_shapes_and_parameters() {
        let (summary, row) = rows(&CnnLstmConfig::batch_normalized());
        let block = |n: usize| row(&format!("conv2d_{n}")).1 + row(&format!("batch_norm_{n}")).1;
        assert_eq!([block(1), block(2), block(3)], [224, 4_768, 18_752]);
        assert_eq!(row("dropout_3").0, [64, 5, 107]);
        assert_eq!(row("time_first_1").0, [107, 320]);
        assert_eq!(row("lstm_1").1, 98_560);
        assert_eq!(summary.statistics, 2 * (16 + 32 + 64));
    }

    #[test]
    fn the_sizes_compared_with_pytorch_have_its_parameters() {
        // PyTorch's LSTM has a second bias, so its count is larger by 4 · 128.
        let count = |batch_norm| rows(&CnnLstmConfig::benchmark(batch_norm)).0.trainable;
        assert_eq!(count(false), 320 + 18_496 + 4 * 128 * (640 + 128 + 1) + 516);
        assert_eq!(count(true), count(false) + 2 * 96);
    }

    #[test]
    fn features_as_channels_are_taken_and_sizes_that_do_not_fit_are_refused() {
        let config = CnnLstmConfig { channels: 5, rows: 12, frames: 16, ..Default::default() };
        let model = Architecture::from(config).build(3, 0).unwrap();
        assert_eq!(model.input(), ModelInput::Channels { channels: 5, rows: 12, frames: 16 });
        let x = Tensor::ones((2, 5, 12, 16), DType::F32, &Device::Cpu).unwrap();
        let y = model.forward(&x.into(), &mut Mode::Inference).unwrap();
        assert_eq!(y.output().dims(), [2, 3]);
        let refused = |config: CnnLstmConfig| {
            Architecture::from(config).build(3, 0).map(|_| ()).unwrap_err().to_string()
        };
        let short = CnnLstmConfig { frames: 3, ..Default::default() };
        assert!(refused(short).contains("MaxPool2d"));
        assert!(refused(CnnLstmConfig { lstm_units: 0, ..Default::default() }).contains("units"));
        let error = Architecture::from(CnnLstmConfig::default()).build(1, 0).unwrap_err().to_string();
        assert_eq!(error, "cnn-lstm: classes must be 2 or more, got 1");
    }
}
