//! Summaries of models.

use crate::input::ModelInput;
use crate::layers::SummaryRow;
use crate::parameters::Parameters;
use std::fmt;

/// A model's layers with their output shapes and parameters. It is displayed as a table, as Keras's `model.summary()`.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The architecture's name.
    pub name: &'static str,
    /// Kind and shape of one input.
    pub input: ModelInput,
    /// The layers, in order.
    pub rows: Vec<SummaryRow>,
    /// Number of trained values.
    pub trainable: usize,
    /// Number of running statistics.
    pub statistics: usize,
}

impl Summary {
    /// Makes the summary of a model with these layers.
    pub(crate) fn new(
        name: &'static str,
        input: ModelInput,
        rows: Vec<SummaryRow>,
        parameters: &Parameters,
    ) -> Self {
        let trainable = parameters.trainable_count();
        let all: usize = parameters.iter().map(|p| p.var().elem_count()).sum();
        Self { name, input, rows, trainable, statistics: all - trainable }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, input {:?}", self.name, self.input.shape())?;
        writeln!(f, "{:<32} {:<14} {:<16} {:>12}", "layer", "kind", "output shape", "parameters")?;
        for row in &self.rows {
            let shape = format!("{:?}", row.output_shape);
            writeln!(f, "{:<32} {:<14} {shape:<16} {:>12}", row.name, row.kind, row.parameters)?;
        }
        let (trainable, statistics) = (self.trainable, self.statistics);
        writeln!(
            f,
            "{} parameters: {trainable} trainable, {statistics} running statistics",
            trainable + statistics
        )
    }
}
