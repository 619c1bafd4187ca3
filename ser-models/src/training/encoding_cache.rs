//! Encoded clips, kept in a file.

use super::EncodedError;
use crate::encoder::WhisperEncoder;
use crate::files::{FileError, read_file, read_weights, save_file};
use crate::weights::{Values, Weights, WeightsError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const KIND: &str = "file of encoded clips";
const TENSOR: &str = "statistics";

/// The statistics of an encoder's outputs, each under the digest of all that they depend on beside the encoder. So one file serves any
/// clips, with any preparation and changes: what one run adds, another may use, and nothing is replaced.
#[derive(Debug)]
pub(super) struct EncodingCache {
    path: PathBuf,
    /// Digest of the encoder's file.
    encoder: String,
    /// Numbers of each row.
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
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or was made with another encoder.
    pub(super) fn open(path: &Path, encoder: &WhisperEncoder) -> Result<Self, EncodedError> {
        let size = 2 * encoder.layers() * encoder.width();
        let (path, encoder) = (path.to_owned(), encoder.digest().to_owned());
        if !path.exists() {
            return Ok(Self { path, encoder, size, rows: BTreeMap::new() });
        }
        let (bytes, file) = (read_file(&path)?, path.display().to_string());
        let wrong = |cause: WeightsError| FileError::weights(&file, cause);
        let (mut weights, metadata) = read_weights(&bytes, &file, KIND)?;
        weights.check_digest(&metadata).map_err(wrong)?;
        // The digest after it is no field of it.
        let record: Record =
            serde_json::from_str(&metadata).map_err(|error| FileError::not_a(KIND, &file, error))?;
        if (&record.encoder, record.size) != (&encoder, size) {
            let (given, other) = (record.encoder, record.size);
            let rule = format!("the encoder must be {encoder} ({size} numbers), got {given} ({other})");
            return Err(FileError::damaged(&file, rule).into());
        }
        let values = weights.take(TENSOR, &[record.keys.len(), size]).map_err(wrong)?;
        let rows = record.keys.into_iter().zip(values.chunks_exact(size).map(<[f32]>::to_vec)).collect();
        Ok(Self { path, encoder, size, rows })
    }

    /// The row under a key.
    pub(super) fn get(&self, key: &str) -> Option<&[f32]> {
        self.rows.get(key).map(Vec::as_slice)
    }

    /// Adds rows and writes the file, whole or not at all.
    pub(super) fn add(&mut self, rows: impl Iterator<Item = (String, Vec<f32>)>) -> Result<(), EncodedError> {
        self.rows.extend(rows);
        let file = self.path.display().to_string();
        let damaged = |error: &dyn std::error::Error| FileError::damaged(&file, error);
        let (encoder, size) = (self.encoder.clone(), self.size);
        let record = Record { encoder, size, keys: self.rows.keys().cloned().collect() };
        let metadata = serde_json::to_string(&record).map_err(|error| damaged(&error))?;
        let shape = vec![self.rows.len(), size];
        let values = Values { shape, values: self.rows.values().flatten().copied().collect() };
        let weights = Weights(BTreeMap::from([(TENSOR.to_owned(), values)]));
        let bytes = weights.to_safetensors(&metadata).map_err(|error| damaged(&error))?;
        Ok(save_file(&self.path, &bytes)?)
    }
}
