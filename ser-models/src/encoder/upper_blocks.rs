//! The weights of single blocks, for training.

use super::EncoderError;
use super::IN_MEMORY;
use super::file::File;
use crate::files::read_file;
use crate::weights::{Values, Weights};
use std::ops::Range;
use std::path::Path;

/// The weights of some of an encoder's blocks in `f32`, from which a network that trains them begins
/// ([`Checkpoint::with_tuned_blocks`](crate::Checkpoint::with_tuned_blocks)).
///
/// ```no_run
/// use ser_models::encoder::EncoderBlocks;
///
/// // The fourth block alone.
/// let blocks = EncoderBlocks::load("whisper-base-encoder.safetensors", 3..4)?;
/// # Ok::<(), ser_models::encoder::EncoderError>(())
/// ```
#[derive(Debug, Clone)]
pub struct EncoderBlocks {
    /// The weights of each block by their names in the file, without the name of the block.
    blocks: Vec<Weights>,
    numbers: Range<usize>,
    hidden: usize,
    digest: String,
}

impl EncoderBlocks {
    /// Reads the blocks with these numbers, counted from 0, of a file that [`WhisperEncoder`](super::WhisperEncoder) reads.
    ///
    /// # Errors
    /// As [`WhisperEncoder::load`](super::WhisperEncoder::load); [`EncoderError::Blocks`] if the range is empty or ends after the file's
    /// last block.
    pub fn load(path: impl AsRef<Path>, numbers: Range<usize>) -> Result<Self, EncoderError> {
        let path = path.as_ref();
        Self::read(&read_file(path)?, &path.display().to_string(), numbers)
    }

    /// Like [`EncoderBlocks::load`], for the bytes of a file, e.g. of `include_bytes!`.
    ///
    /// # Errors
    /// As [`EncoderBlocks::load`].
    pub fn from_bytes(bytes: &[u8], numbers: Range<usize>) -> Result<Self, EncoderError> {
        Self::read(bytes, IN_MEMORY, numbers)
    }

    fn read(bytes: &[u8], file: &str, numbers: Range<usize>) -> Result<Self, EncoderError> {
        let file = File::new(bytes, file)?;
        let sizes = file.sizes()?;
        if numbers.is_empty() || numbers.end > sizes.blocks {
            let (most, given) = (sizes.blocks, if numbers.is_empty() { 0 } else { numbers.end });
            return Err(EncoderError::Blocks { file: file.name().to_owned(), least: 1, most, given });
        }
        let (width, hidden) = (sizes.width, sizes.hidden);
        let square = ["q_proj", "k_proj", "v_proj", "out_proj"]
            .map(|part| (format!("self_attn.{part}"), width, width));
        let dense = [("fc1".to_owned(), hidden, width), ("fc2".to_owned(), width, hidden)];
        let mut shapes = Vec::new();
        for (name, outputs, inputs) in square.into_iter().chain(dense) {
            shapes.push((format!("{name}.weight"), vec![outputs, inputs]));
            if !name.ends_with("k_proj") {
                shapes.push((format!("{name}.bias"), vec![outputs]));
            }
        }
        for norm in ["self_attn_layer_norm", "final_layer_norm"] {
            shapes.extend(["weight", "bias"].map(|part| (format!("{norm}.{part}"), vec![width])));
        }
        let block = |number: usize| {
            let tensor = |(name, shape): &(String, Vec<usize>)| {
                let values = file.values(&format!("layers.{number}.{name}"), shape)?;
                Ok((name.clone(), Values { shape: shape.clone(), values }))
            };
            Ok(Weights(shapes.iter().map(tensor).collect::<Result<_, EncoderError>>()?))
        };
        let blocks = numbers.clone().map(block).collect::<Result<_, EncoderError>>()?;
        Ok(Self { blocks, numbers, hidden, digest: file.digest() })
    }

    /// The weights of each block by their names in the file, without the name of the block.
    pub(crate) fn weights(&self) -> &[Weights] {
        &self.blocks
    }

    /// The blocks' numbers, counted from 0.
    pub(crate) fn numbers(&self) -> Range<usize> {
        self.numbers.clone()
    }

    /// Number of units of a block's hidden layer.
    pub(crate) fn hidden(&self) -> usize {
        self.hidden
    }

    /// The digest of the file, as [`WhisperEncoder::digest`](super::WhisperEncoder::digest).
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }
}
