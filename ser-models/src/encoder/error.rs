//! Errors of encoders.

use crate::files::FileError;
use crate::layer::LayerError;

/// Errors of reading an encoder, and of its inputs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncoderError {
    /// The file could not be read, is damaged, or a tensor is missing or does not fit.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file has fewer blocks than requested, or no block was requested where one is needed.
    #[error("{file}: blocks must be {least} to {most}, got {given}")]
    Blocks {
        /// The file.
        file: String,
        /// Least number: 0 where the output of the convolutions is enough.
        least: usize,
        /// Blocks in the file.
        most: usize,
        /// Blocks requested; of a range, its end, or 0 if it is empty.
        given: usize,
    },
    /// The input is not a batch of log-mel spectrograms for this encoder.
    #[error("encoder: mel must have shape [batch, {n_mels}, 1 to {most}], got {given:?}")]
    Mel {
        /// Mel bands of the encoder.
        n_mels: usize,
        /// Largest number of frames of a spectrogram.
        most: usize,
        /// The shape given.
        given: Vec<usize>,
    },
    /// The numbers of valid frames don't fit the batch, or an operation on tensors failed.
    #[error(transparent)]
    Layer(#[from] LayerError),
}
