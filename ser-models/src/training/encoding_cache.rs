//! Encoded clips, kept in a file.

use super::EncodedError;
use crate::encoder::WhisperEncoder;
use crate::files::{FileError, read_file, read_weights, save_file};
use crate::weights::{Values, Weights, WeightsError, one_line};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const KIND: &str = "a file of encoded clips";
const TENSOR: &str = "statistics";

/// Statistics of an encoder's outputs. The key of each row is a digest of everything that the row depends on except the encoder. So one
/// file serves any clips with any settings: later runs use the rows of earlier ones, and nothing is replaced.
#[derive(Debug)]
pub(super) struct EncodingCache {
    path: PathBuf,
    /// Digest of the encoder's file.
    encoder: String,
    /// Length of each row.
    size: usize,
    rows: BTreeMap<String, Vec<f32>>,
}

/// The metadata of the file.
#[derive(Serialize, Deserialize)]
struct Record {
    encoder: String,
    size: usize,
    keys: Vec<String>,
}

impl EncodingCache {
    /// Reads the file. Returns an empty cache if there is none.
    ///
    /// # Errors
    /// [`EncodedError::File`] if the file cannot be read or is damaged, [`EncodedError::OtherEncoder`] if it was made with another encoder.
    pub(super) fn open(path: &Path, encoder: &WhisperEncoder) -> Result<Self, EncodedError> {
        let size = 2 * encoder.layers() * encoder.width();
        let (path, encoder) = (path.to_owned(), encoder.digest().to_owned());
        let rows = Self::read(&path, &encoder, size)?;
        Ok(Self { path, encoder, size, rows })
    }

    fn read(path: &Path, encoder: &str, size: usize) -> Result<BTreeMap<String, Vec<f32>>, EncodedError> {
        if !path.exists() {
            return Ok(BTreeMap::new());
        }
        let (bytes, file) = (read_file(path)?, path.display().to_string());
        let wrong = |cause: WeightsError| FileError::weights(&file, cause);
        let (mut weights, metadata) = read_weights(&bytes, &file, KIND)?;
        weights.check_digest(&metadata).map_err(|cause| FileError::not_a(KIND, &file, cause))?;
        // The digest at the end of the metadata is no field of `Record`.
        let record: Record =
            serde_json::from_str(&metadata).map_err(|error| FileError::not_a(KIND, &file, error))?;
        if (&*record.encoder, record.size) != (encoder, size) {
            let outputs = |digest: &str, size| format!("{size} numbers of the encoder {}", one_line(digest));
            let (expected, given) = (outputs(encoder, size), outputs(&record.encoder, record.size));
            return Err(EncodedError::OtherEncoder { file, expected, given });
        }
        let values = weights.take(TENSOR, &[record.keys.len(), size]).map_err(wrong)?;
        Ok(record.keys.into_iter().zip(values.chunks_exact(size).map(<[f32]>::to_vec)).collect())
    }

    /// Returns the row of a key.
    pub(super) fn get(&self, key: &str) -> Option<&[f32]> {
        self.rows.get(key).map(Vec::as_slice)
    }

    /// Adds rows and writes the file atomically. Rows that another run has added to the file before are kept. If two runs write at the same
    /// moment, the rows of one are not in the file, and a later run encodes their clips again.
    pub(super) fn add(&mut self, rows: impl Iterator<Item = (String, Vec<f32>)>) -> Result<(), EncodedError> {
        self.rows.extend(rows);
        self.rows.extend(Self::read(&self.path, &self.encoder, self.size)?);
        let file = self.path.display().to_string();
        let (encoder, size) = (self.encoder.clone(), self.size);
        let record = Record { encoder, size, keys: self.rows.keys().cloned().collect() };
        let metadata =
            serde_json::to_string(&record).map_err(|cause| FileError::not_written(&file, cause))?;
        let shape = vec![self.rows.len(), size];
        let values = Values { shape, values: self.rows.values().flatten().copied().collect() };
        let weights = Weights(BTreeMap::from([(TENSOR.to_owned(), values)]));
        let bytes = weights.to_safetensors(&metadata).map_err(|cause| FileError::weights(&file, cause))?;
        Ok(save_file(&self.path, &bytes)?)
    }
}
