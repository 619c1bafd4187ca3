//! Files of features that are written clip by clip. Tensors and the entries of the header are kept in temporary files, so that memory does
//! not grow with the number of clips.

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

/// Key of the only entry of a file's metadata. The order of several entries would differ from run to run.
const METADATA_KEY: &str = "extraction";

/// Maximum length in bytes of a header that is read or written, as in the safetensors crate.
const MAX_HEADER: u64 = 100_000_000;

/// Part of a file's description that is known only when the file is complete.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Content {
    /// The stems of clips that could not be read.
    pub skipped: Vec<String>,
    /// SHA-256 of the content. For a safetensors file it covers the name and the data of each tensor, in the file's order. For a CSV file
    /// it covers all bytes.
    pub sha256: String,
}

/// Format of a file of features. The file's extension decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For each clip, one tensor for each feature and one for the vector.
    Safetensors,
    /// For each clip, one row with its id and then its vector. The description is in a second file, with `.json` appended to the name.
    Csv,
}

impl Format {
    /// Returns CSV if the extension is `.csv`, in upper or lower case, otherwise safetensors.
    pub fn of(path: &Path) -> Self {
        let csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        if csv { Self::Csv } else { Self::Safetensors }
    }
}

/// The statistics in a clip's vector.
#[derive(Debug, Clone, Copy, Default)]
pub struct Statistics<'a> {
    /// The functionals of each row. If there are none, the means.
    pub functionals: &'a [Functional],
    /// Whether only voiced frames are used: those whose `f0` is above 0. `f0` must be one of the features.
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

/// A file that is being written. It appears at its path when [`finish`](Self::finish) is called.
#[derive(Debug)]
pub struct FeatureFile<'a> {
    path: PathBuf,
    format: Format,
    statistics: Statistics<'a>,
    /// The data of the clips written so far, in an unnamed temporary file in the same folder.
    spool: BufWriter<File>,
    length: usize,
    /// The tensors' entries of the header, joined by commas, in another unnamed temporary file.
    entries: BufWriter<File>,
    entries_length: u64,
    tensors: usize,
    digest: Sha256,
}

impl<'a> FeatureFile<'a> {
    /// Starts a file. `about` names the columns of a CSV file between the id and the vector.
    ///
    /// # Errors
    /// If nothing can be written to the file's folder. The error names the file.
    pub fn create(
        path: &Path,
        about: &[&str],
        features: &FeatureConfig,
        statistics: Statistics<'a>,
    ) -> anyhow::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The disk that takes the file is expected to have room for the temporary files too. Users cannot create files in a device's
        // folder.
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

    /// Appends a clip. `about` holds its values in the columns of the same name, which only a CSV file has.
    ///
    /// # Errors
    /// If the disk is full, or if the header gets longer than readers accept. The error names the file.
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
        // Half of the header is left for the description of the file.
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

    /// Writes the complete file to its path. `describe` gets the SHA-256 of the content and returns the text of the description. Returns
    /// the number of tensors.
    ///
    /// # Errors
    /// If the file cannot be written. The error names it.
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
                // Spaces after the header align the data to eight bytes.
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

/// Returns the context of an error of writing a file.
fn unwritten(path: &Path) -> impl Fn() -> String + Copy {
    move || format!("{}: cannot be written", path.display())
}

/// Returns the path of the file that describes a CSV file.
fn description_of(csv: &Path) -> PathBuf {
    let mut name = csv.as_os_str().to_os_string();
    name.push(".json");
    name.into()
}

/// Reads a complete file and checks its SHA-256. Returns the text of its description, and the shapes of its tensors by name. A CSV file has
/// no tensors.
///
/// # Errors
/// If the file does not exist or is damaged. The error names it.
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

/// Returns the names of the vector's values. A feature with several rows gives a name for each row (`mfcc_0` to `mfcc_39`). A feature with
/// one row gives its own name (`rms`). With functionals, the functional's name is appended (`mfcc_0_mean`).
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

/// Formats a row of a CSV file. Marks fields that a spreadsheet would run as formulas as text.
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
