//! Features on disk: one safetensors file a clip and configuration.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ndarray::Array2;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use ser_features::{FeatureConfig, Features};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ExtractConfig, ExtractError, Worker};
use crate::audio::is_of_mpeg;
use crate::file::AudioFile;
use crate::span::Span;

/// Changes with the layout of the entries.
const FORMAT: u32 = 2;

/// The one metadata key: safetensors writes several in random order.
const KEY: &str = "ser-data";

/// Metadata of an entry.
#[derive(Serialize, Deserialize, PartialEq)]
struct Record {
    format: u32,
    /// Of the clip's file.
    content_sha256: String,
    /// Of the matrices, one after the other as configured: a header alone doesn't tell a damaged value.
    features_sha256: String,
    /// Warnings about the file, one line each.
    warnings: Vec<String>,
}

/// The entries of one configuration: a folder of the cache named by it.
pub(super) struct Cache {
    folder: PathBuf,
    features: FeatureConfig,
}

impl Cache {
    /// Makes the folder. The features that the worker computes for a known signal are part of the digest that names the folder: features of
    /// another version or processor may differ, and are not reused.
    pub(super) fn open(
        folder: &Path,
        config: &ExtractConfig,
        worker: &mut Worker,
    ) -> Result<Self, ExtractError> {
        let error = |path: &Path, cause| ExtractError::Cache { path: path.into(), cause };
        let json = serde_json::to_string(&(&config.preparation, &config.features, config.speech_only))
            .map_err(|e| error(folder, io::Error::other(e)))?;
        let mut name = Sha256::new();
        name.update(FORMAT.to_le_bytes());
        // Changes when files decode to other samples than before.
        name.update("decoding 2");
        name.update(env!("CARGO_PKG_VERSION"));
        name.update([0]);
        name.update(json);
        // Runs without the option must not reuse entries of truncated files.
        if config.allow_truncated {
            name.update("allow_truncated");
        }
        name.update([0]);
        match worker.compute(&known_signal(), KNOWN_RATE) {
            Ok(features) => features.iter().for_each(|(_, matrix)| name.update(bytes(matrix.iter()))),
            Err(e) => name.update(e.to_string()),
        }
        let folder = folder.join(&hex::encode(name.finalize())[..32]);
        std::fs::create_dir_all(&folder).map_err(|e| error(&folder, e))?;
        Ok(Self { folder, features: config.features.clone() })
    }

    /// The entry of a clip, by the digest of its file's content, the part of it, and whether its extension helps to decode it.
    pub(super) fn entry(&self, content_sha256: String, file: &AudioFile) -> Entry<'_> {
        let kind = if file.extension().is_some_and(is_of_mpeg) { "-mpeg" } else { "" };
        let part = file.span().map(|Span { start, end }| {
            let end = end.map_or("end".to_owned(), |end| end.as_nanos().to_string());
            format!("-{}-{end}", start.as_nanos())
        });
        let name = format!("{content_sha256}{kind}{}.safetensors", part.unwrap_or_default());
        Entry { path: self.folder.join(name), content_sha256, cache: self }
    }
}

pub(super) struct Entry<'a> {
    cache: &'a Cache,
    path: PathBuf,
    content_sha256: String,
}

impl Entry<'_> {
    /// The features and the file's warnings, if the entry exists and is undamaged.
    pub(super) fn load(&self) -> Option<(Features, Vec<String>)> {
        let file = std::fs::read(&self.path).ok()?;
        let (_, metadata) = SafeTensors::read_metadata(&file).ok()?;
        let record: Record = serde_json::from_str(metadata.metadata().as_ref()?.get(KEY)?).ok()?;
        let tensors = SafeTensors::deserialize(&file).ok()?;
        let config = &self.cache.features;
        let tensor = |name: &str| {
            let tensor = tensors.tensor(name).ok().filter(|t| t.dtype() == Dtype::F32)?;
            let values = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            Some((tensor.shape().to_vec(), values.collect::<Vec<_>>()))
        };
        let mut matrices = Vec::new();
        for &feature in &config.features {
            let (shape, values) = tensor(feature.as_str())?;
            let &[rows, frames] = &shape[..] else { return None };
            matrices.push((feature, Array2::from_shape_vec((rows, frames), values).ok()?));
        }
        let features = Features::from_parts(matrices)?;
        (record == self.record(&features, &record.warnings)).then_some((features, record.warnings))
    }

    /// Writes the features to a temporary file in the same folder and gives it its name when it is whole, so that
    /// another process sees all of an entry or nothing.
    pub(super) fn store(&self, features: &Features, warnings: &[String]) -> Result<(), ExtractError> {
        let written = self.write(features, warnings);
        written.map_err(|cause| ExtractError::Cache { path: self.path.clone(), cause })
    }

    fn write(&self, features: &Features, warnings: &[String]) -> io::Result<()> {
        let matrices =
            features.iter().map(|(feature, matrix)| (feature.as_str(), matrix.shape(), bytes(matrix.iter())));
        let data: Vec<_> = matrices.collect();
        let views: Vec<_> = data
            .iter()
            .map(|(name, shape, data)| {
                Ok((*name, TensorView::new(Dtype::F32, shape.to_vec(), data).map_err(io::Error::other)?))
            })
            .collect::<io::Result<_>>()?;
        let record = serde_json::to_string(&self.record(features, warnings))?;
        let file = safetensors::serialize(views, Some(HashMap::from([(KEY.to_string(), record)])))
            .map_err(io::Error::other)?;
        let mut temporary = tempfile::Builder::new();
        // Others may share the folder, as far as the process's mask allows.
        #[cfg(unix)]
        temporary.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut temporary = temporary.tempfile_in(&self.cache.folder)?;
        temporary.write_all(&file)?;
        temporary.as_file().sync_all()?;
        temporary.persist(&self.path)?;
        Ok(())
    }

    fn record(&self, features: &Features, warnings: &[String]) -> Record {
        let mut digest = Sha256::new();
        for (_, matrix) in features.iter() {
            matrix.shape().iter().for_each(|&n| digest.update((n as u64).to_le_bytes()));
            digest.update(bytes(matrix.iter()));
        }
        Record {
            format: FORMAT,
            content_sha256: self.content_sha256.clone(),
            features_sha256: hex::encode(digest.finalize()),
            warnings: warnings.to_vec(),
        }
    }
}

fn bytes<'a>(values: impl Iterator<Item = &'a f32>) -> Vec<u8> {
    values.flat_map(|x| x.to_le_bytes()).collect()
}

const KNOWN_RATE: u32 = 32_000;

/// Half a second of a rising tone with two overtones, made of multiplications alone so that it is the same everywhere.
fn known_signal() -> Vec<f32> {
    let triangle = |phase: f32| 4.0 * (phase.fract() - 0.5).abs() - 1.0;
    let tone = |n: u16| {
        let t = f32::from(n) / KNOWN_RATE as f32;
        let phase = t * (110.0 + 600.0 * t);
        0.5 * triangle(phase) + 0.2 * triangle(2.0 * phase) + 0.1 * triangle(7.0 * phase)
    };
    (0..(KNOWN_RATE / 2) as u16).map(tone).collect()
}
