//! What all architectures share: parameters, input, classes and summary around the layers.

use super::summary::SummaryRow;
use super::{Architecture, Batch, Model, ModelInput, Summary};
use crate::layers::{LayerError, Mode};
use crate::parameters::Parameters;
use candle_core::Tensor;

/// The layers of an architecture.
pub(super) trait Network: std::fmt::Debug + Send + Sync {
    /// As [`Model::forward`], for inputs of this shape.
    fn forward(&self, batch: &Batch, input: &[usize], mode: &mut Mode<'_>) -> Result<Tensor, LayerError>;
}

/// Layers, with their rows of the summary.
pub(super) type Built = (Box<dyn Network>, Vec<SummaryRow>);

/// A network with what a [`Model`] has beside its layers.
#[derive(Debug)]
pub(super) struct Framed {
    network: Box<dyn Network>,
    parameters: Parameters,
    input: ModelInput,
    classes: usize,
    members: usize,
    batches: usize,
    summary: Summary,
}

impl Framed {
    /// The network with its tensors made in `parameters`, which decide on seed, element type and device.
    pub(super) fn new(
        architecture: &Architecture,
        classes: usize,
        mut parameters: Parameters,
    ) -> Result<Self, LayerError> {
        let name = architecture.name();
        if classes < 2 {
            return Err(LayerError::setting(name, "classes", "must be 2 or more", classes));
        }
        let (network, rows) = architecture.network(classes, &mut parameters)?;
        let input = architecture.input();
        let (members, batches) = (architecture.members(), architecture.batches());
        let summary = Summary::new(name, input, rows, &parameters);
        Ok(Self { network, parameters, input, classes, members, batches, summary })
    }

    /// In `f32` on the CPU, with initial weights from a seed.
    #[cfg(test)]
    pub(super) fn seeded(
        architecture: impl Into<Architecture>,
        classes: usize,
        seed: u64,
    ) -> Result<Self, LayerError> {
        use candle_core::{DType, Device};
        Self::new(&architecture.into(), classes, Parameters::new(seed, DType::F32, &Device::Cpu))
    }
}

impl Model for Framed {
    fn forward(&self, batch: &Batch, mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        // From one of its own threads rayon starts the others without waking and waiting at every layer.
        rayon::join(|| self.network.forward(batch, &self.input.shape(), mode), || ()).0
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn input(&self) -> ModelInput {
        self.input
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn members(&self) -> usize {
        self.members
    }

    fn batches(&self) -> usize {
        self.batches
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }
}
