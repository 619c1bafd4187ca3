//! Files of features that are written clip by clip, so that memory does not grow with their number.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use ser_features::{FeatureConfig, Features, Functional};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The one entry of a file's metadata: with several, their order would differ from run to run.
const METADATA_KEY: &str = "extraction";

/// Longest header that is read: as long as the safetensors crate allows.
const MAX_HEADER: u64 = 100_000_000;

/// What a file says about its content.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Content {
    /// The stems of clips that could not be read.
    pub skipped: Vec<String>,
    /// SHA-256 of a safetensors file's tensors, name and data of each in the file's order, or of a CSV file's bytes.
    pub sha256: String,
}

/// How features are kept, by the file's ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For each clip a tensor of each feature and one of the vector.
    Safetensors,
    /// For each clip a row: its name, then the vector or the functionals. What describes the file stands in another beside it, with `.json` after its name.
    Csv,
}

impl Format {
    /// CSV where a name ends in `.csv`, in either case.
    pub fn of(path: &Path) -> Self {
        let csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        if csv { Self::Csv } else { Self::Safetensors }
    }
}

/// A file that is being made. Nothing is at its path until [`finish`](Self::finish).
pub struct FeatureFile {
    path: PathBuf,
    format: Format,
    functionals: Vec<Functional>,
    /// What was written so far, in a file without a name in the same folder.
    spool: BufWriter<File>,
    length: usize,
    tensors: Vec<(String, TensorInfo)>,
    digest: Sha256,
}

impl FeatureFile {
    /// Starts a file. `about` names what a CSV file says of a clip after its id; its vectors hold the functionals of each row of the
    /// features, or the means where none are named.
    ///
    /// # Errors
    /// If nothing can be written to its folder; the error names the file.
    pub fn create(
        path: &Path,
        about: &[&str],
        features: &FeatureConfig,
        functionals: &[Functional],
    ) -> anyhow::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let spool = tempfile::tempfile_in(folder).with_context(|| path.display().to_string())?;
        let mut file = Self {
            path: path.into(),
            format: Format::of(path),
            functionals: functionals.to_vec(),
            spool: BufWriter::new(spool),
            length: 0,
            tensors: Vec::new(),
            digest: Sha256::new(),
        };
        if file.format == Format::Csv {
            let about = about.iter().map(|name| (*name).into());
            let names = std::iter::once("id".into()).chain(about).chain(columns(features, functionals));
            file.append(&row(names)?)?;
        }
        Ok(file)
    }

    /// Appends a clip, with what a CSV file says of it.
    ///
    /// # Errors
    /// If the disk is full; the error names the file.
    pub fn add(&mut self, stem: &str, about: &[String], features: &Features) -> anyhow::Result<()> {
        let vector = if self.functionals.is_empty() {
            features.vector()
        } else {
            features.functionals(&self.functionals)?
        };
        if self.format == Format::Csv {
            let values = vector.iter().map(f32::to_string);
            let about = about.iter().cloned();
            return self.append(&row(std::iter::once(stem.into()).chain(about).chain(values))?);
        }
        for (feature, matrix) in features.iter() {
            self.add_tensor(format!("{stem}.{feature}"), matrix.shape().to_vec(), bytes(matrix.iter()))?;
        }
        self.add_tensor(format!("{stem}.vector"), vec![vector.len()], bytes(vector.iter()))
    }

    fn add_tensor(&mut self, name: String, shape: Vec<usize>, data: Vec<u8>) -> anyhow::Result<()> {
        let data_offsets = (self.length, self.length + data.len());
        self.digest.update(&name);
        self.tensors.push((name, TensorInfo { dtype: Dtype::F32, shape, data_offsets }));
        self.append(&data)
    }

    fn append(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.digest.update(bytes);
        self.length += bytes.len();
        self.spool.write_all(bytes).with_context(|| self.path.display().to_string())
    }

    /// Puts the file at its path, with the text that `describe` makes of its content's SHA-256. Returns how many tensors it has.
    ///
    /// # Errors
    /// If it can't be written; the error names it.
    pub fn finish(self, describe: impl FnOnce(String) -> anyhow::Result<String>) -> anyhow::Result<usize> {
        let Self { path, format, spool, tensors, digest, .. } = self;
        let name = || path.display().to_string();
        let text = describe(hex::encode(digest.finalize()))?;
        let mut spool = spool.into_inner().map_err(io::IntoInnerError::into_error).with_context(name)?;
        spool.rewind().with_context(name)?;
        let count = tensors.len();
        let mut head = Vec::new();
        if format == Format::Safetensors {
            let metadata =
                Metadata::new(Some(HashMap::from([(METADATA_KEY.to_string(), text.clone())])), tensors)?;
            let mut header = serde_json::to_vec(&metadata)?;
            // Data is aligned to eight bytes, by spaces.
            header.resize(header.len().next_multiple_of(8), b' ');
            head.extend((header.len() as u64).to_le_bytes());
            head.extend(header);
        }
        let copy = |file: &mut dyn Write| {
            file.write_all(&head)?;
            io::copy(&mut spool, file).map(drop)
        };
        ser_models::write_file_with(&path, copy).with_context(name)?;
        if format == Format::Csv {
            let description = description_of(&path);
            ser_models::write_file(&description, text.as_bytes())
                .with_context(|| description.display().to_string())?;
        }
        Ok(count)
    }
}

/// The file that describes a CSV file.
fn description_of(csv: &Path) -> PathBuf {
    let mut name = csv.as_os_str().to_os_string();
    name.push(".json");
    name.into()
}

/// What a file says about itself, where it is whole: its text, and its tensors' shapes by name (of a CSV file, none).
///
/// # Errors
/// If it is not there, or damaged.
pub fn read_whole(path: &Path) -> anyhow::Result<(String, HashMap<String, Vec<usize>>)> {
    let mut file = BufReader::new(File::open(path)?);
    let mut digest = Sha256::new();
    if Format::of(path) == Format::Csv {
        loop {
            let block = file.fill_buf()?;
            if block.is_empty() {
                break;
            }
            digest.update(block);
            let length = block.len();
            file.consume(length);
        }
        let text = std::fs::read_to_string(description_of(path))?;
        check(&text, digest)?;
        return Ok((text, HashMap::new()));
    }
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let left = file.get_ref().metadata()?.len().saturating_sub(8);
    ensure!(length <= left.min(MAX_HEADER), "the header is too long");
    let mut header = Vec::new();
    (&mut file).take(length).read_to_end(&mut header)?;
    let metadata: Metadata = serde_json::from_slice(&header)?;
    let mut shapes = HashMap::new();
    let mut data = Vec::new();
    for name in metadata.offset_keys() {
        let Some(TensorInfo { dtype: Dtype::F32, shape, data_offsets: (start, end) }) = metadata.info(&name)
        else {
            anyhow::bail!("{name} is not f32");
        };
        data.clear();
        (&mut file).take((end - start) as u64).read_to_end(&mut data)?;
        digest.update(&name);
        digest.update(&data);
        shapes.insert(name, shape.clone());
    }
    ensure!(file.read(&mut [0])? == 0, "there is more than the tensors");
    let text = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY));
    let text = text.context("there is no description")?.clone();
    check(&text, digest)?;
    Ok((text, shapes))
}

fn check(text: &str, digest: Sha256) -> anyhow::Result<()> {
    let content: Content = serde_json::from_str(text)?;
    ensure!(content.sha256 == hex::encode(digest.finalize()), "the content is damaged");
    Ok(())
}

/// Names of the vector's values: `mfcc_0` to `mfcc_39`, and a feature's own name where it has one row; with functionals
/// `mfcc_0_mean` and so on.
pub fn columns(features: &FeatureConfig, functionals: &[Functional]) -> Vec<String> {
    if !functionals.is_empty() {
        return features.column_names(functionals);
    }
    let names = features.features.iter().flat_map(|&feature| match features.rows(feature) {
        1 => vec![feature.to_string()],
        rows => (0..rows).map(|row| format!("{feature}_{row}")).collect(),
    });
    names.collect()
}

fn row(fields: impl Iterator<Item = String>) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields)?;
    Ok(writer.into_inner().map_err(|error| error.into_error())?)
}

fn bytes<'a>(values: impl ExactSizeIterator<Item = &'a f32>) -> Vec<u8> {
    let mut bytes = vec![0; 4 * values.len()];
    bytes.as_chunks_mut().0.iter_mut().zip(values).for_each(|(to, value)| *to = value.to_le_bytes());
    bytes
}
