//! What a model consists of, in a table.

use super::ModelInput;
use crate::layers::{Layer, LayerError, NamedLayer, Sequential};
use crate::parameters::Parameters;
use std::fmt;

/// A model's layers with their output shapes and parameters. Printed, it is a table as Keras's `model.summary()`.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The architecture's name.
    pub name: &'static str,
    /// What goes in.
    pub input: ModelInput,
    /// The layers, in order.
    pub rows: Vec<SummaryRow>,
    /// Numbers that training moves.
    pub trainable: usize,
    /// Running statistics.
    pub statistics: usize,
}

/// One layer of a [`Summary`].
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryRow {
    /// The layer's name, the beginning of its parameters' names.
    pub name: String,
    /// The layer's kind, e.g. `Conv1d`.
    pub kind: &'static str,
    /// What it gives out, without the batch axis.
    pub output_shape: Vec<usize>,
    /// Its weights and statistics together.
    pub parameters: usize,
}

impl Summary {
    /// Of a model with these layers.
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

impl SummaryRow {
    /// Of one layer that gets examples of shape `input`.
    pub(crate) fn of(name: &str, layer: &dyn Layer, input: &[usize]) -> Result<Self, LayerError> {
        Ok(Self {
            name: name.to_owned(),
            kind: layer.kind(),
            output_shape: layer.output_shape(input)?,
            parameters: count(layer),
        })
    }

    /// Of several layers as one.
    pub(crate) fn block(name: &str, kind: &'static str, net: &Sequential) -> Self {
        let output_shape = net.output_shape().to_vec();
        Self { name: name.to_owned(), kind, output_shape, parameters: count(net) }
    }

    /// Of a chain of layers.
    pub(crate) fn chain(net: &Sequential) -> Vec<Self> {
        let row = |layer: &NamedLayer| Self {
            name: layer.name.clone(),
            kind: layer.layer.kind(),
            output_shape: layer.output_shape.clone(),
            parameters: count(&*layer.layer),
        };
        net.layers().iter().map(row).collect()
    }
}

fn count(layer: &dyn Layer) -> usize {
    layer.vars().iter().map(|var| var.elem_count()).sum()
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
