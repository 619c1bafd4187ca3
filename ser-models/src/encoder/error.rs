//! What can go wrong with an encoder.

use crate::layer::LayerError;
use crate::weights::WeightsError;

/// Why an encoder could not be read, or does not take an input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncoderError {
    /// The file cannot be read.
    #[error("{file}: {cause}")]
    Io {
        /// The file.
        file: String,
        /// The system's reason.
        #[source]
        cause: std::io::Error,
    },
    /// A tensor is missing or does not fit, or the file is damaged.
    #[error("{file}: {cause}")]
    Weights {
        /// The file.
        file: String,
        /// What is wrong.
        #[source]
        cause: WeightsError,
    },
    /// The file has not as many blocks as are wanted.
    #[error("{file}: blocks must be 1 to {most}, got {given}")]
    Blocks {
        /// The file.
        file: String,
        /// Blocks in the file.
        most: usize,
        /// Blocks that were wanted.
        given: usize,
    },
    /// The input is no batch of log-mel spectrograms of this encoder.
    #[error("encoder: mel must have shape [batch, {n_mels}, 1 to {most}], got {given:?}")]
    Mel {
        /// Mel bands of the encoder.
        n_mels: usize,
        /// The most frames.
        most: usize,
        /// The shape given.
        given: Vec<usize>,
    },
    /// The numbers of valid frames don't fit the batch, or an operation on tensors failed.
    #[error(transparent)]
    Layer(#[from] LayerError),
}
