//! Audio files in, librosa's features out: one safetensors file with MFCC, chroma, mel, contrast and tonnetz of every clip.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use safetensors::tensor::{Dtype, TensorView};
use ser_bench::{cli, files};
use ser_data::{AudioFile, ExtractConfig, extract_all, is_audio_path};
use ser_features::{FeatureConfig, Features, PreparationConfig};
use walkdir::WalkDir;

/// Writes, for each clip, the tensors STEM.mfcc [40, T], STEM.chroma [12, T], STEM.mel [128, T] (power), STEM.contrast
/// [7, T], STEM.tonnetz [6, T] and STEM.vector [193] (their means over time, in that order), all f32.
///
/// STEM is a file's path below the given folder without its ending, or a single file's stem. Clips are prepared as in
/// the report: 22,050 Hz, mono, silence trimmed (30 dB below the loudest frame), peak-normalised, 3 seconds.
#[derive(Parser)]
#[command(
    after_help = "Example:\n  cargo run --release --example extract_features -- ravdess/Actor_01 --output actor-01.safetensors"
)]
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
}

fn main() -> ExitCode {
    cli::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    files::check_folder(&arguments.output)?;
    let inputs = find_inputs(&arguments.input)?;
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
        // Whoever asks for the features of silence gets them.
        speech_only: false,
        ..ExtractConfig::default()
    };
    let bar = cli::progress_bar(audio.len() as u64, "extracting");
    let extracted = extract_all(&audio, &config, |at| bar.set_position(at.done as u64), |features| features)?;
    bar.finish_and_clear();
    for (_, error) in &extracted.skipped {
        eprintln!("skipped: {error}");
    }
    if extracted.features.is_empty() {
        bail!("no clip could be read");
    }

    let mut tensors = Vec::new();
    for (at, features) in &extracted.features {
        push_tensors(&mut tensors, stems[*at], features);
    }
    write(&arguments.output, &tensors)?;
    let (clips, output) = (extracted.features.len(), arguments.output.display());
    cli::print(format!("{output}: {clips} clips, {} tensors", tensors.len()))
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

/// A tensor of the output: name, shape, little-endian f32.
type Tensor = (String, Vec<usize>, Vec<u8>);

fn push_tensors(tensors: &mut Vec<Tensor>, stem: &str, features: &Features) {
    for (feature, matrix) in features.iter() {
        tensors.push((format!("{stem}.{feature}"), matrix.shape().to_vec(), bytes(matrix)));
    }
    let vector = features.vector();
    tensors.push((format!("{stem}.vector"), vec![vector.len()], bytes(&vector)));
}

fn bytes<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<u8> {
    values.into_iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn write(path: &Path, tensors: &[Tensor]) -> anyhow::Result<()> {
    let views: HashMap<&str, TensorView<'_>> = tensors
        .iter()
        .map(|(name, shape, data)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()?;
    files::write(path, &safetensors::serialize(views, None)?)
}
