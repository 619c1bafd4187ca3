//! Audio files in, librosa's features out: one safetensors file with MFCC, chroma, mel, contrast and tonnetz of every clip.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use ser_data::{AudioFile, ExtractConfig, extract_all, is_audio_path};
use ser_examples::shard::Shard;
use ser_examples::{cli, output, progress};
use ser_features::{FeatureConfig, Features, PreparationConfig};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

/// Writes, for each clip, the tensors STEM.mfcc [40, T], STEM.chroma [12, T], STEM.mel [128, T] (power), STEM.contrast
/// [7, T], STEM.tonnetz [6, T] and STEM.vector [193] (their means over time, in that order), all f32.
///
/// STEM is a file's path below the given folder without its ending, or a single file's stem. Clips are prepared as in
/// the report: 22,050 Hz, mono, silence trimmed (30 dB below the loudest frame), peak-normalised, 3 seconds.
///
/// The file's metadata has one entry, `extraction`: JSON with the settings, the clips and those left out.
#[derive(Parser)]
#[command(after_help = cli::epilogue(
    "  cargo run --release --example extract_features -- ravdess/Actor_01 --output actor-01.safetensors"
))]
struct Arguments {
    /// Audio files, or folders that are searched for them.
    #[arg(required = true)]
    input: Vec<PathBuf>,
    /// The safetensors file to write.
    #[arg(long)]
    output: PathBuf,
    /// Only decode, mix to mono and resample: no trimming, no normalisation, the clip's own length.
    #[arg(long)]
    raw: bool,
    /// Sample rate in hertz that clips are brought to.
    #[arg(long, default_value_t = 22_050)]
    sample_rate: u32,
    /// Report files that can't be read and go on with the others.
    #[arg(long)]
    skip_bad: bool,
    /// Take only the I-th of N parts of the inputs and write it to a file of its own: features.safetensors becomes
    /// features-003-of-012.safetensors. A part whose file is there and whole is not made again.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Print one JSON object instead of a line.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    cli::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    output::check_folder(&arguments.output)?;
    let mut inputs = find_inputs(&arguments.input)?;
    let mut output = arguments.output.clone();
    if let Some(shard) = arguments.shard {
        inputs = shard.part(inputs).collect();
        output = shard.path(&output);
    }
    let (stems, audio): (Vec<&String>, Vec<&AudioFile>) = inputs.iter().unzip();
    let preparation = if arguments.raw {
        PreparationConfig::raw(arguments.sample_rate)
    } else {
        PreparationConfig { sample_rate: arguments.sample_rate, ..PreparationConfig::default() }
    };
    let config = ExtractConfig {
        preparation,
        features: FeatureConfig { sample_rate: arguments.sample_rate, ..FeatureConfig::default() },
        skip_bad: arguments.skip_bad,
        // Features of silence are taken too.
        speech_only: false,
        ..ExtractConfig::default()
    };
    let extraction = Extraction {
        version: env!("CARGO_PKG_VERSION"),
        shard: arguments.shard,
        preparation: &config.preparation,
        features: &config.features,
        clips: &stems,
        found: Found::default(),
    };
    if arguments.shard.is_some() && extraction.is_whole_at(&output, arguments.skip_bad) {
        let (clips, skipped) = (stems.len(), Vec::new());
        let written = Written {
            output: output.display().to_string(),
            clips,
            tensors: None,
            skipped,
            whole_already: true,
        };
        return written.print(arguments.json);
    }

    let bar = progress::bar(audio.len() as u64, "extracting");
    let extracted = extract_all(&audio, &config, |at| bar.set_position(at.done as u64), |features| features)?;
    bar.finish_and_clear();
    for (_, error) in &extracted.skipped {
        eprintln!("skipped: {error}");
    }
    if extracted.features.is_empty() && arguments.shard.is_none() {
        bail!("no clip could be read");
    }

    let mut tensors = BTreeMap::new();
    for (at, features) in &extracted.features {
        insert_tensors(&mut tensors, stems[*at], features);
    }
    let found = Found {
        skipped: extracted.skipped.iter().map(|(at, _)| stems[*at].clone()).collect(),
        tensors_sha256: sha256(tensors.iter().map(|(name, (_, data))| (name.as_str(), &data[..]))),
    };
    write(&output, &tensors, &Extraction { found, ..extraction }.text()?)?;
    let written = Written {
        output: output.display().to_string(),
        clips: extracted.features.len(),
        tensors: Some(tensors.len()),
        skipped: extracted.skipped.iter().map(|(_, error)| error.to_string()).collect(),
        whole_already: false,
    };
    written.print(arguments.json)
}

/// What was done.
#[derive(Serialize)]
struct Written {
    /// The file.
    output: String,
    /// The clips in it; of a file that was whole already, those that were asked for.
    clips: usize,
    /// The tensors in it, where it was written.
    tensors: Option<usize>,
    /// Why clips were left out now.
    skipped: Vec<String>,
    /// Whether the file was there, so that nothing was done.
    whole_already: bool,
}

impl Written {
    fn print(&self, json: bool) -> anyhow::Result<()> {
        let Self { output, clips, tensors, .. } = self;
        match tensors {
            _ if json => cli::print(serde_json::to_string_pretty(self)?),
            Some(tensors) => cli::print(format!("{output}: {clips} clips, {tensors} tensors")),
            None => cli::print(format!("{output}: whole already, {clips} clips")),
        }
    }
}

/// What a file says about itself.
#[derive(Serialize)]
struct Extraction<'a> {
    version: &'static str,
    shard: Option<Shard>,
    preparation: &'a PreparationConfig,
    features: &'a FeatureConfig,
    /// The stems of all clips that were to be read.
    clips: &'a [&'a String],
    #[serde(flatten)]
    found: Found,
}

/// What is known only once the clips have been read.
#[derive(Default, Serialize, Deserialize)]
struct Found {
    /// The stems of those that could not be.
    skipped: Vec<String>,
    /// SHA-256 of each tensor's name and data, in the order of their names.
    tensors_sha256: String,
}

impl Extraction<'_> {
    fn text(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// Whether a file holds just what this run would write to it. Where it does not, or is damaged, it is made anew.
    fn is_whole_at(&self, path: &Path, skip_bad: bool) -> bool {
        std::fs::read(path).is_ok_and(|bytes| self.describes(&bytes, skip_bad).unwrap_or(false))
    }

    fn describes(&self, bytes: &[u8], skip_bad: bool) -> anyhow::Result<bool> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let Some(text) = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA_KEY)) else {
            return Ok(false);
        };
        let found: Found = serde_json::from_str(text)?;
        let tensors: BTreeMap<_, _> = SafeTensors::deserialize(bytes)?.tensors().into_iter().collect();
        let undamaged = found.tensors_sha256
            == sha256(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.data())));
        let mut expected = 0;
        for stem in self.clips.iter().filter(|stem| !found.skipped.contains(stem)) {
            let shape = |name: &str| match tensors.get(&format!("{stem}.{name}")) {
                Some(tensor) if tensor.dtype() == Dtype::F32 => tensor.shape(),
                _ => &[],
            };
            let frames = shape(self.features.features[0].as_str()).get(1);
            let fits = |&feature| {
                let rows = self.features.rows(feature);
                frames.is_some_and(|&frames| frames > 0 && shape(feature.as_str()) == [rows, frames])
            };
            if !self.features.features.iter().all(fits) || shape("vector") != [self.features.total_rows()] {
                return Ok(false);
            }
            expected += self.features.features.len() + 1;
        }
        let allowed = skip_bad || found.skipped.is_empty();
        let same = *text == Extraction { found, ..*self }.text()?;
        Ok(undamaged && allowed && same && tensors.len() == expected)
    }
}

fn sha256<'a>(tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut digest = Sha256::new();
    for (name, data) in tensors {
        digest.update(name);
        digest.update(data);
    }
    hex::encode(digest.finalize())
}

/// The files to read by their STEM, in its order.
fn find_inputs(inputs: &[PathBuf]) -> anyhow::Result<BTreeMap<String, AudioFile>> {
    let mut found = BTreeMap::new();
    for input in inputs {
        if !input.is_dir() {
            let stem = input.file_stem().with_context(|| format!("{}: is no file", input.display()))?;
            insert(&mut found, Path::new(stem), input)?;
            continue;
        }
        let before = found.len();
        for entry in WalkDir::new(input).follow_links(true) {
            let entry = entry?;
            if entry.file_type().is_file() && is_audio_path(entry.path()) {
                let inner = entry.path().strip_prefix(input).unwrap_or(entry.path());
                insert(&mut found, &inner.with_extension(""), entry.path())?;
            }
        }
        if found.len() == before {
            bail!("{}: no audio files in it", input.display());
        }
    }
    Ok(found)
}

fn insert(found: &mut BTreeMap<String, AudioFile>, stem: &Path, path: &Path) -> anyhow::Result<()> {
    let parts: Vec<_> = stem.iter().map(|part| part.to_string_lossy()).collect();
    let stem = parts.join("/");
    if let Some(other) = found.insert(stem.clone(), AudioFile::new(path)) {
        bail!("{}: its tensors would have the names of those of {other}: both are {stem}.*", path.display());
    }
    Ok(())
}

/// A file's tensors by name: shape, little-endian f32.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

fn insert_tensors(tensors: &mut Tensors, stem: &str, features: &Features) {
    for (feature, matrix) in features.iter() {
        tensors.insert(format!("{stem}.{feature}"), (matrix.shape().to_vec(), bytes(matrix)));
    }
    let vector = features.vector();
    tensors.insert(format!("{stem}.vector"), (vec![vector.len()], bytes(&vector)));
}

fn bytes<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<u8> {
    values.into_iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The one entry of a file's metadata: with several, their order would differ from run to run.
const METADATA_KEY: &str = "extraction";

fn write(path: &Path, tensors: &Tensors, extraction: &str) -> anyhow::Result<()> {
    let views: Vec<(&String, TensorView<'_>)> = tensors
        .iter()
        .map(|(name, (shape, data))| Ok((name, TensorView::new(Dtype::F32, shape.clone(), data)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()?;
    let metadata = HashMap::from([(METADATA_KEY.to_string(), extraction.to_string())]);
    output::write(path, &safetensors::serialize(views, Some(metadata))?)
}
