//! What all architectures share: parameters, input, classes and summary around the layers.

use super::summary::SummaryRow;
use super::{Batch, Model, ModelInput, Summary};
use crate::layers::{LayerError, Mode};
use crate::parameters::Parameters;
use candle_core::Tensor;

/// The layers of an architecture.
pub(super) trait Network: std::fmt::Debug + Send + Sync + Sized {
    /// Its sizes.
    type Config;
    /// What it is called in errors and summaries.
    const NAME: &'static str;

    /// What one input is.
    fn input(config: &Self::Config) -> ModelInput;

    /// The layers, with their rows of the summary.
    fn new(
        config: &Self::Config,
        classes: usize,
        parameters: &mut Parameters,
    ) -> Result<(Self, Vec<SummaryRow>), LayerError>;

    /// As [`Model::forward`], for inputs of this shape.
    fn forward(&self, batch: &Batch, input: &[usize], mode: &mut Mode<'_>) -> Result<Tensor, LayerError>;
}

/// A network with what a [`Model`] has beside its layers.
#[derive(Debug)]
pub(super) struct Framed<N> {
    network: N,
    parameters: Parameters,
    input: ModelInput,
    classes: usize,
    summary: Summary,
}

impl<N: Network> Framed<N> {
    /// The network with its tensors made in `parameters`, which decide on seed, element type and device.
    pub(super) fn new(
        config: &N::Config,
        classes: usize,
        mut parameters: Parameters,
    ) -> Result<Self, LayerError> {
        if classes < 2 {
            return Err(LayerError::setting(N::NAME, "classes", "must be 2 or more", classes));
        }
        let (network, rows) = N::new(config, classes, &mut parameters)?;
        let input = N::input(config);
        let summary = Summary::new(N::NAME, input, rows, &parameters);
        Ok(Self { network, parameters, input, classes, summary })
    }

    /// In `f32` on the CPU, with initial weights from a seed.
    #[cfg(test)]
    pub(super) fn seeded(config: &N::Config, classes: usize, seed: u64) -> Result<Self, LayerError> {
        use candle_core::{DType, Device};
        Self::new(config, classes, Parameters::new(seed, DType::F32, &Device::Cpu))
    }
}

impl<N: Network> Model for Framed<N> {
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

    fn summary(&self) -> Summary {
        self.summary.clone()
    }
}
