//! Files of features that are written clip by clip, so that memory does not grow with their number: tensors and the entries of the header
//! wait on the disk.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use mood_recommender::mark_formula;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use ser_features::ndarray::Array1;
use ser_features::{FeatureConfig, Features, Functional};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The one entry of a file's metadata: with several, their order would differ from run to run.
const METADATA_KEY: &str = "extraction";

/// Longest header that is read and written: as long as the safetensors crate allows.
const MAX_HEADER: u64 = 100_000_000;

/// Description of a file's content.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Content {
    /// The stems of clips that could not be read.
    pub skipped: Vec<String>,
    /// SHA-256 of a safetensors file's tensors, name and data of each in the file's order, or of a CSV file's bytes.
    pub sha256: String,
}

/// Format of a file of features, by the file's extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For each clip a tensor of each feature and one of the vector.
    Safetensors,
    /// For each clip a row: its name, then the vector or the functionals. The description is in a second file, with `.json` appended to the
    /// name.
    Csv,
}

impl Format {
    /// CSV where a name ends in `.csv`, in either case.
    pub fn of(path: &Path) -> Self {
        let csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        if csv { Self::Csv } else { Self::Safetensors }
    }
}

/// The statistics in a clip's vector.
#[derive(Debug, Clone, Copy, Default)]
pub struct Statistics<'a> {
    /// The functionals of each row; the means where none are named.
    pub functionals: &'a [Functional],
    /// Of the voiced frames alone: those whose `f0`, which must be one of the features, is above 0.
    pub voiced: bool,
}

impl Statistics<'_> {
    fn of(&self, features: &Features) -> anyhow::Result<Array1<f32>> {
        if self.functionals.is_empty() && !self.voiced {
            return Ok(features.vector());
        }
        let functionals = if self.functionals.is_empty() { &[Functional::Mean] } else { self.functionals };
        let voiced = if self.voiced {
            Some(features.voiced().context("--voiced: features must hold f0, got none")?)
        } else {
            None
        };
        let keep = |t: usize| voiced.as_ref().is_none_or(|voiced| voiced.get(t).copied().unwrap_or(false));
        Ok(features.functionals_where(functionals, keep)?)
    }
}

/// A file that is being made. Nothing is at its path until [`finish`](Self::finish).
#[derive(Debug)]
pub struct FeatureFile<'a> {
    path: PathBuf,
    format: Format,
    statistics: Statistics<'a>,
    /// The clips written so far, in a file without a name in the same folder.
    spool: BufWriter<File>,
    length: usize,
    /// The tensors' entries of the header, joined by commas, in another such file.
    entries: BufWriter<File>,
    entries_length: u64,
    tensors: usize,
    digest: Sha256,
}

impl<'a> FeatureFile<'a> {
    /// Starts a file. `about` names what a CSV file says of a clip after its id.
    ///
    /// # Errors
    /// If nothing can be written to its folder; the error names the file.
    pub fn create(
        path: &Path,
        about: &[&str],
        features: &FeatureConfig,
        statistics: Statistics<'a>,
    ) -> anyhow::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Beside the file there is room for as much again. The folder of a device takes no files of users.
        let device = std::fs::metadata(path).is_ok_and(|found| !found.is_file());
        let spool = || {
            let made = if device { tempfile::tempfile() } else { tempfile::tempfile_in(folder) };
            made.with_context(unwritten(path))
        };
        let mut file = Self {
            path: path.into(),
            format: Format::of(path),
            statistics,
            spool: BufWriter::new(spool()?),
            length: 0,
            entries: BufWriter::new(spool()?),
            entries_length: 0,
            tensors: 0,
            digest: Sha256::new(),
        };
        if file.format == Format::Csv {
            let about = about.iter().map(|name| (*name).into());
            let names =
                std::iter::once("id".into()).chain(about).chain(columns(features, statistics.functionals));
            file.append(&row(names)?)?;
        }
        Ok(file)
    }

    /// Appends a clip, with what a CSV file says of it.
    ///
    /// # Errors
    /// If the disk is full or the header gets longer than readers take; the error names the file.
    pub fn add(&mut self, stem: &str, about: &[String], features: &Features) -> anyhow::Result<()> {
        let vector = self.statistics.of(features)?;
        if self.format == Format::Csv {
            let values = vector.iter().map(f32::to_string);
            let about = about.iter().cloned();
            return self.append(&row(std::iter::once(stem.into()).chain(about).chain(values))?);
        }
        for (feature, matrix) in features.iter() {
            self.add_tensor(&format!("{stem}.{feature}"), matrix.shape(), &bytes(matrix.iter()))?;
        }
        self.add_tensor(&format!("{stem}.vector"), &[vector.len()], &bytes(vector.iter()))
    }

    fn add_tensor(&mut self, name: &str, shape: &[usize], data: &[u8]) -> anyhow::Result<()> {
        let data_offsets = (self.length, self.length + data.len());
        let info = TensorInfo { dtype: Dtype::F32, shape: shape.to_vec(), data_offsets };
        let comma = if self.tensors == 0 { "" } else { "," };
        let entry = format!("{comma}{}:{}", serde_json::to_string(name)?, serde_json::to_string(&info)?);
        self.entries_length += entry.len() as u64;
        // What describes the file stands in the header too.
        let fits = self.entries_length < MAX_HEADER / 2;
        ensure!(
            fits,
            "{}: header must have at most {MAX_HEADER} bytes, as readers take, got more; --shard I/N divides the clips",
            self.path.display()
        );
        self.entries.write_all(entry.as_bytes()).with_context(unwritten(&self.path))?;
        self.tensors += 1;
        self.digest.update(name);
        self.append(data)
    }

    fn append(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.digest.update(bytes);
        self.length += bytes.len();
        self.spool.write_all(bytes).with_context(unwritten(&self.path))
    }

    /// Puts the file at its path, with the text that `describe` makes of its content's SHA-256. Returns how many tensors it has.
    ///
    /// # Errors
    /// If it can't be written; the error names it.
    pub fn finish(self, describe: impl FnOnce(String) -> anyhow::Result<String>) -> anyhow::Result<usize> {
        let Self { path, format, spool, entries, entries_length, tensors, digest, .. } = self;
        let name = unwritten(&path);
        let text = describe(hex::encode(digest.finalize()))?;
        let rewound = |spool: BufWriter<File>| {
            let mut file = spool.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.rewind().map(|()| file)
        };
        let (mut spool, mut entries) =
            (rewound(spool).with_context(name)?, rewound(entries).with_context(name)?);
        let head = if format == Format::Safetensors {
            let about = HashMap::from([(METADATA_KEY, &text)]);
            let about = format!("{{\"__metadata__\":{}", serde_json::to_string(&about)?);
            let comma = if tensors == 0 { "" } else { "," };
            Some(format!("{about}{comma}"))
        } else {
            None
        };
        let copy = |file: &mut dyn Write| {
            if let Some(head) = &head {
                let length = head.len() as u64 + entries_length + 1;
                // Data is aligned to eight bytes, by spaces.
                let padded = length.next_multiple_of(8);
                file.write_all(&padded.to_le_bytes())?;
                file.write_all(head.as_bytes())?;
                io::copy(&mut entries, file)?;
                file.write_all(&b"}       "[..1 + (padded - length) as usize])?;
            }
            io::copy(&mut spool, file).map(drop)
        };
        ser_models::write_file_with(&path, copy).with_context(name)?;
        if format == Format::Csv {
            let description = description_of(&path);
            ser_models::write_file(&description, text.as_bytes()).with_context(unwritten(&description))?;
        }
        Ok(tensors)
    }
}

/// The place and the kind of an error of writing.
fn unwritten(path: &Path) -> impl Fn() -> String + Copy {
    move || format!("{}: cannot be written", path.display())
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
/// If it is not there, or damaged; the error names it.
pub fn read_whole(path: &Path) -> anyhow::Result<(String, HashMap<String, Vec<usize>>)> {
    read(path).with_context(|| format!("{}: cannot be read", path.display()))
}

fn read(path: &Path) -> anyhow::Result<(String, HashMap<String, Vec<usize>>)> {
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
    let most = left.min(MAX_HEADER);
    ensure!(length <= most, "header: length must be at most {most}, got {length}");
    let mut header = Vec::new();
    (&mut file).take(length).read_to_end(&mut header)?;
    let metadata: Metadata = serde_json::from_slice(&header)?;
    let mut shapes = HashMap::new();
    let mut data = Vec::new();
    for name in metadata.offset_keys() {
        let Some(TensorInfo { dtype: Dtype::F32, shape, data_offsets: (start, end) }) = metadata.info(&name)
        else {
            anyhow::bail!("tensor {name}: element type must be f32, got another");
        };
        data.clear();
        (&mut file).take((end - start) as u64).read_to_end(&mut data)?;
        digest.update(&name);
        digest.update(&data);
        shapes.insert(name, shape.clone());
    }
    ensure!(file.read(&mut [0])? == 0, "tensors: file must end with them, got more");
    let text = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY));
    let text = text.with_context(|| format!("metadata: key {METADATA_KEY} must exist, got none"))?.clone();
    check(&text, digest)?;
    Ok((text, shapes))
}

fn check(text: &str, digest: Sha256) -> anyhow::Result<()> {
    let content: Content = serde_json::from_str(text)?;
    let found = hex::encode(digest.finalize());
    ensure!(content.sha256 == found, "content: SHA-256 must be {}, got {found}", content.sha256);
    Ok(())
}

/// Names of the vector's values. A feature with several rows gives a name for each row (`mfcc_0` to `mfcc_39`), a feature with one row
/// gives its own name (`rms`). With functionals, the functional's name follows (`mfcc_0_mean`).
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

/// A row of a CSV file. Names that a spreadsheet would run as formulas are marked as text.
fn row(fields: impl Iterator<Item = String>) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields.map(|field| mark_formula(&field).into_owned()))?;
    Ok(writer.into_inner().map_err(|error| error.into_error())?)
}

fn bytes<'a>(values: impl ExactSizeIterator<Item = &'a f32>) -> Vec<u8> {
    let mut bytes = vec![0; 4 * values.len()];
    bytes.as_chunks_mut().0.iter_mut().zip(values).for_each(|(to, value)| *to = value.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_row_holds_no_formula() {
        let fields = ["=HYPERLINK(\"http://a.example\")", "-7.5e-3", "-inf", "clip-1", "@me"];
        let row = String::from_utf8(row(fields.into_iter().map(String::from)).unwrap()).unwrap();
        assert_eq!(row, "\"'=HYPERLINK(\"\"http://a.example\"\")\",-7.5e-3,-inf,clip-1,'@me\n");
    }
}
