//! Recurrent layers with attention over time (`attention-lstm`).

use super::framed::{Built, Network};
use super::frames::{Frames, head};
use super::summary::SummaryRow;
use super::{Batch, ModelInput};
use crate::layers::{
    AttentionPool, BatchNorm, BatchNormConfig, Conv1dConfig, Init, Layer, LayerError, Lstm, LstmConfig, Mode,
    Sequential, States, TimeSteps,
};
use crate::parameters::Parameters;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// Sizes of `attention-lstm`.
///
/// The report that this project follows names attention over LSTM states as future work. The default has the structure of
/// ResLSTM-SA, the best model trained from nothing that was found on RAVDESS with unseen speakers: a first LSTM with a residual
/// connection and batch normalisation, a second one, attention over its states. Both read the clip in both directions here,
/// and all features of a frame are first projected to a common width.
///
/// | layer | output shape | parameters |
/// | --- | --- | --- |
/// | input | [193, 130] | |
/// | projection to 64 (a convolution of 1) | [64, 130] | 12,416 |
/// | time before features | [130, 64] | |
/// | bidirectional LSTM of 32, added to its input | [130, 64] | 24,832 |
/// | batch normalisation of each frame | [130, 64] | 256 |
/// | bidirectional LSTM of 32, all states | [130, 64] | 24,832 |
/// | attention of 32 units over the clip's own frames | \[64\] | 2,112 |
/// | batch normalisation | \[64\] | 256 |
/// | dropout 0.3, dense | \[classes\] | 260 for 4 classes |
///
/// Running statistics are counted among the parameters. Padding is neither read nor attended to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionLstmConfig {
    /// Features of each frame: all five together, or MFCC alone.
    pub rows: usize,
    /// Frames of the input after padding; 130 are three seconds at 22,050 Hz.
    pub frames: usize,
    /// Units of each LSTM in each direction. The projection has as many units as all directions together.
    pub lstm_units: usize,
    /// Whether the LSTM layers read both forward and backward.
    pub bidirectional: bool,
    /// Units of the attention.
    pub attention_units: usize,
    /// Dropout before each dense layer, 0 or more and below 1.
    pub dropout: f64,
    /// Units of dense layers with ReLU before the last one, which has one unit for each class.
    pub dense: Vec<usize>,
    /// Settings of every batch normalisation.
    pub batch_norm: BatchNormConfig,
    /// Initial weights of all but the recurrence.
    pub init: Init,
}

impl Default for AttentionLstmConfig {
    fn default() -> Self {
        Self {
            rows: 193,
            frames: 130,
            lstm_units: 32,
            bidirectional: true,
            attention_units: 32,
            dropout: 0.3,
            dense: Vec::new(),
            batch_norm: BatchNormConfig::default(),
            init: Init::GlorotUniform,
        }
    }
}

impl AttentionLstmConfig {
    pub(crate) fn input(&self) -> ModelInput {
        ModelInput::Sequence { rows: self.rows, frames: self.frames }
    }
}

/// Two LSTM layers, the first with a residual connection, then attention over time and dense layers.
#[derive(Debug)]
pub(super) struct AttentionLstm {
    projection: Sequential,
    residual: Lstm,
    frame_norm: BatchNorm,
    lstm: Lstm,
    attention: AttentionPool,
    norm: BatchNorm,
    head: Sequential,
}

impl AttentionLstm {
    const NAME: &'static str = "attention-lstm";

    pub(super) fn build(
        config: &AttentionLstmConfig,
        classes: usize,
        parameters: &mut Parameters,
    ) -> Result<Built, LayerError> {
        let init = config.init;
        let width = config.lstm_units.saturating_mul(1 + usize::from(config.bidirectional));
        let mut projection = Sequential::new([config.rows, config.frames]);
        projection.conv1d(Conv1dConfig { init, ..Conv1dConfig::new(width, 1) }, parameters)?;
        let lstm = LstmConfig {
            bidirectional: config.bidirectional,
            states: States::Sequence,
            init,
            ..LstmConfig::new(config.lstm_units)
        };
        let residual = Lstm::new(width, lstm, &mut parameters.scope("lstm_1"))?;
        let frame_norm = BatchNorm::new(width, config.batch_norm, &mut parameters.scope("batch_norm_1"))?;
        let lstm = Lstm::new(width, lstm, &mut parameters.scope("lstm_2"))?;
        let scope = &mut parameters.scope("attention_1");
        let attention = AttentionPool::new(width, config.attention_units, init, scope)?;
        let norm = BatchNorm::new(width, config.batch_norm, &mut parameters.scope("batch_norm_2"))?;
        let head = head(width, &config.dense, config.dropout, classes, init, parameters)?;
        let steps = TimeSteps.output_shape(projection.output_shape())?;
        let mut rows = SummaryRow::chain(&projection);
        rows.extend([
            SummaryRow::of("time_steps_1", &TimeSteps, projection.output_shape())?,
            SummaryRow::of("lstm_1", &residual, &steps)?,
            SummaryRow {
                output_shape: steps.clone(),
                ..SummaryRow::of("batch_norm_1", &frame_norm, &[width])?
            },
            SummaryRow::of("lstm_2", &lstm, &steps)?,
            SummaryRow::of("attention_1", &attention, &steps)?,
            SummaryRow::of("batch_norm_2", &norm, &[width])?,
        ]);
        rows.extend(SummaryRow::chain(&head));
        Ok((Box::new(Self { projection, residual, frame_norm, lstm, attention, norm, head }), rows))
    }
}

impl Network for AttentionLstm {
    fn forward(&self, batch: &Batch, input: &[usize], mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        let frames = Frames::new(Self::NAME, batch, input, 1)?;
        let frames = frames.through(&self.projection, mode)?;
        let lengths = frames.lengths();
        let x = TimeSteps.forward(&frames.x, mode)?;
        let x = (&x + self.residual.forward_masked(&x, lengths, mode)?)?;
        let shape = x.dims3()?;
        let x = if lengths.is_some() && mode.is_training() {
            let x = TimeSteps.forward(&x, mode)?;
            TimeSteps.forward(&self.frame_norm.forward_masked(&x, lengths, mode)?, mode)?
        } else {
            self.frame_norm.forward(&x.reshape((shape.0 * shape.1, shape.2))?, mode)?.reshape(shape)?
        };
        let states = self.lstm.forward_masked(&x, lengths, mode)?;
        let pooled = self.attention.forward_masked(&states, lengths, mode)?;
        self.head.forward(&self.norm.forward(&pooled, mode)?, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Model;
    use super::super::framed::Framed;
    use super::*;

    #[test]
    fn the_default_has_the_documented_shapes_and_parameters() {
        let summary = Framed::seeded(AttentionLstmConfig::default(), 4, 0).unwrap().summary();
        let row = |name: &str| {
            let row = summary.rows.iter().find(|row| row.name == name).unwrap();
            (row.output_shape.clone(), row.parameters)
        };
        assert_eq!(row("conv1d_1"), (vec![64, 130], 12_416));
        assert_eq!(row("lstm_1"), (vec![130, 64], 24_832));
        assert_eq!(row("batch_norm_1"), (vec![130, 64], 256));
        assert_eq!(row("lstm_2"), (vec![130, 64], 24_832));
        assert_eq!(row("attention_1"), (vec![64], 2_112));
        assert_eq!(row("head.dense_1"), (vec![4], 260));
        assert_eq!(summary.trainable, 12_416 + 2 * 24_832 + 2 * 128 + 2_112 + 260);
        assert_eq!(summary.statistics, 256);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let refused = |config| Framed::seeded(config, 3, 0).map(|_| ()).unwrap_err().to_string();
        assert!(refused(AttentionLstmConfig { lstm_units: 0, ..Default::default() }).contains("filters"));
        let config = AttentionLstmConfig { attention_units: 0, ..Default::default() };
        assert!(refused(config).contains("AttentionPool"));
    }
}
