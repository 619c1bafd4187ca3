//! Extracts librosa's features from audio files: writes one safetensors file with MFCC, chroma, mel, contrast and tonnetz of every clip.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context, bail};
use clap::Parser;
use ser_data::{AudioFile, Clips, ClipsOptions, ExtractConfig, ExtractError, extract_each};
use ser_examples::feature_file::{Content, FeatureFile, Format, Statistics, columns, read_whole};
use ser_examples::inputs::{Decoding, recordings_in};
use ser_examples::shard::Shard;
use ser_examples::speech::Labelling;
use ser_examples::{cli, interrupt, output, progress};
use ser_features::{Feature, FeatureConfig, FeatureExtractor, Functional, PreparationConfig};
use serde::Serialize;

/// Writes, for each clip, the tensors STEM.mfcc [40, T], STEM.chroma [12, T], STEM.mel [128, T] (power), STEM.contrast
/// [7, T], STEM.tonnetz [6, T] and STEM.vector [193] (their means over time, in that order), all f32.
///
/// If the output's name ends in .csv, the file has one row for each clip instead: id (its STEM), then the vector's values, mfcc_0 to
/// tonnetz_5. The settings are then written to OUTPUT.json.
///
/// STEM is a file's path below the given folder without its extension, or the stem of a single file. With --data, STEM is the id of a clip
/// of labelled speech, and the clip's label, speaker and corpus are written to the settings and to the CSV columns after id. Clips are
/// prepared: resampled to 22,050 Hz, mixed to mono, trimmed of silence (30 dB below the loudest frame), peak-normalised and brought to 3
/// seconds.
///
/// The safetensors file's metadata has one entry, `extraction`: JSON with the settings, the clips and the skipped clips. Each clip is
/// written as soon as it is extracted, so memory does not grow with the number of clips. The file appears when it is complete.
#[derive(Parser)]
#[command(after_help = cli::epilogue(
    "  cargo run --release --example extract_features -- ravdess/Actor_01 --output actor-01.safetensors\n  \
     cargo run --release --example extract_features -- ravdess --features mfcc,rms --output means.csv\n  \
     cargo run --release --example extract_features -- ravdess --features f0,mfcc --functionals mean,std,slope --output table.csv\n  \
     cargo run --release --example extract_features -- ravdess --features f0,jitter,hnr --voiced --output voices.csv\n  \
     cargo run --release --example extract_features -- --data emodb --data recordings --output labelled.csv"
))]
struct Arguments {
    /// Audio files, or folders that are searched for them.
    #[arg(required_unless_present = "data", conflicts_with = "data")]
    input: Vec<PathBuf>,
    /// Read labelled speech instead, as for `train`. May be given several times.
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,
    #[command(flatten)]
    labelling: Labelling,
    /// File to write: CSV if its name ends in .csv, otherwise safetensors.
    #[arg(long)]
    output: PathBuf,
    // The help text is built at run time because it lists the names that `Feature` has.
    #[arg(long, value_delimiter = ',', default_values_t = Feature::ISSA, help = features_help())]
    features: Vec<Feature>,
    /// Statistics of each row of the features that the vector holds instead of the means, separated by commas: mean, std, min, max, range,
    /// median, percentile_P, skewness, kurtosis, slope. Columns are then named mfcc_0_mean, mfcc_0_std and so on.
    #[arg(long, value_delimiter = ',')]
    functionals: Vec<Functional>,
    /// Compute the statistics from voiced frames only. Needs f0 in --features. A clip without voiced frames gets zeros.
    #[arg(long)]
    voiced: bool,
    /// Only decode, mix to mono and resample. Silence, level and length stay as they are.
    #[arg(long)]
    raw: bool,
    /// Sample rate in hertz to which clips are resampled.
    #[arg(long, default_value_t = 22_050)]
    sample_rate: u32,
    /// Report files that can't be read and continue with the others.
    #[arg(long)]
    skip_bad: bool,
    #[command(flatten)]
    decoding: Decoding,
    /// Extract only the I-th of N parts of the inputs, into a file of its own: features.safetensors becomes
    /// features-003-of-012.safetensors. A part whose file is already complete is skipped.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Print one JSON object instead of a line.
    #[arg(long)]
    json: bool,
}

fn features_help() -> String {
    format!("Features to extract, separated by commas: {}", Feature::ALL.map(Feature::as_str).join(", "))
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    output::check_folder(&arguments.output)?;
    let mut inputs = if arguments.data.is_empty() {
        find_inputs(&arguments.input, arguments.skip_bad)?
    } else {
        find_clips(arguments)?
    };
    let mut output = arguments.output.clone();
    if let Some(shard) = arguments.shard {
        inputs = shard.part(inputs).collect();
        output = shard.path(&output);
    }
    let stems: Vec<&String> = inputs.iter().map(|input| &input.stem).collect();
    let audio: Vec<&AudioFile> = inputs.iter().map(|input| &input.file).collect();
    let config = config(arguments);
    if arguments.voiced && !arguments.features.contains(&Feature::F0) {
        let given: Vec<&str> = arguments.features.iter().map(|feature| feature.as_str()).collect();
        bail!("--features: names must include f0 for --voiced, got {}", given.join(","));
    }
    check_features(&config.features, audio.first().copied())?;
    let extraction = Extraction {
        version: env!("CARGO_PKG_VERSION"),
        shard: arguments.shard,
        preparation: &config.preparation,
        features: &config.features,
        functionals: &arguments.functionals,
        voiced: arguments.voiced,
        allow_truncated: arguments.decoding.allow_truncated,
        clips: &stems,
        labelled: inputs.iter().filter_map(|input| input.about.as_ref()).collect(),
        content: Content { skipped: Vec::new(), sha256: String::new() },
    };
    let csv = Format::of(&output) == Format::Csv;
    let written = |clips, tensors, skipped, already_complete| Written {
        output: output.display().to_string(),
        clips,
        tensors,
        columns: csv.then(|| columns(&config.features, &arguments.functionals).len()),
        skipped,
        already_complete,
    };
    if arguments.shard.is_some() && extraction.is_whole_at(&output, arguments.skip_bad) {
        return written(stems.len(), None, Vec::new(), true).print(arguments.json);
    }

    let stop = interrupt::on_ctrl_c()?;
    let bar = progress::bar(audio.len() as u64, "extracting");
    let about: &[&str] = if arguments.data.is_empty() { &[] } else { &About::COLUMNS };
    let statistics = Statistics { functionals: &arguments.functionals, voiced: arguments.voiced };
    let mut file = FeatureFile::create(&output, about, &config.features, statistics)?;
    let (mut skipped, mut errors, mut warnings) = (Vec::new(), Vec::new(), HashSet::new());
    extract_each(
        &audio,
        &config,
        |features| features,
        |clip| {
            if stop.load(Ordering::Relaxed) {
                return Err(cli::Stopped::new("nothing was written").into());
            }
            let stem = stems[clip.position];
            // All parts of a recording have the same warnings: print each once.
            for warning in clip.warnings {
                if !warnings.contains(&warning) {
                    bar.suspend(|| cli::note(format_args!("warning: {warning}")));
                    warnings.insert(warning);
                }
            }
            match clip.result {
                Ok(features) => {
                    let about = inputs[clip.position].about.as_ref().map(About::values);
                    file.add(stem, &about.unwrap_or_default(), &features)?;
                }
                Err(error) => {
                    bar.suspend(|| cli::note(format_args!("skipped: {error}")));
                    skipped.push(stem.clone());
                    errors.push(error.to_string());
                }
            }
            bar.inc(1);
            Ok::<(), anyhow::Error>(())
        },
    )?;
    bar.finish_and_clear();
    let clips = stems.len() - skipped.len();
    if clips == 0 && arguments.shard.is_none() {
        bail!("clips: one must be read, got {} that were skipped", stems.len());
    }
    let tensors =
        file.finish(|sha256| Extraction { content: Content { skipped, sha256 }, ..extraction }.text())?;
    written(clips, (!csv).then_some(tensors), errors, false).print(arguments.json)
}

fn config(arguments: &Arguments) -> ExtractConfig {
    let Arguments { sample_rate, skip_bad, .. } = *arguments;
    let preparation = if arguments.raw {
        PreparationConfig::raw(sample_rate)
    } else {
        PreparationConfig { sample_rate, ..PreparationConfig::default() }
    };
    ExtractConfig {
        preparation,
        features: FeatureConfig {
            sample_rate,
            features: arguments.features.clone(),
            ..FeatureConfig::default()
        },
        skip_bad,
        allow_truncated: arguments.decoding.allow_truncated,
        // Silent clips are extracted too.
        speech_only: false,
        ..ExtractConfig::default()
    }
}

/// Checks that every feature is available at the sample rate.
///
/// # Errors
/// Names the feature that is not available, and the first file.
fn check_features(config: &FeatureConfig, first: Option<&AudioFile>) -> anyhow::Result<()> {
    for &feature in &config.features {
        let alone = FeatureConfig { features: vec![feature], ..config.clone() };
        FeatureExtractor::new(alone).with_context(|| {
            let file = first.map(|file| format!("{file}: ")).unwrap_or_default();
            let rate = config.sample_rate;
            format!("{file}{feature} cannot be computed at {rate} Hz (choose others with --features)")
        })?;
    }
    // Finds errors of the whole list, such as a feature that is named twice.
    FeatureExtractor::new(config.clone()).map_err(ExtractError::from)?;
    Ok(())
}

/// Summary of the run.
#[derive(Serialize)]
struct Written {
    /// Path of the file.
    output: String,
    /// Number of clips in the file. If the file was already complete, the number of clips requested.
    clips: usize,
    /// Number of tensors in the file, if a safetensors file was written.
    tensors: Option<usize>,
    /// Number of values in each row of a CSV file.
    columns: Option<usize>,
    /// Reasons for the clips that this run skipped.
    skipped: Vec<String>,
    /// Whether the file was already complete, so that nothing was extracted.
    already_complete: bool,
}

impl Written {
    fn print(&self, json: bool) -> anyhow::Result<()> {
        let Self { output, clips, already_complete, .. } = self;
        match (self.tensors, self.columns) {
            _ if json => cli::print(cli::json(&serde_json::to_string_pretty(self)?)),
            _ if *already_complete => cli::print(format!("{output}: already complete, {clips} clips")),
            (Some(tensors), _) => cli::print(format!("{output}: {clips} clips, {tensors} tensors")),
            (None, columns) => {
                cli::print(format!("{output}: {clips} clips, {} values each", columns.unwrap_or(0)))
            }
        }
    }
}

/// Description of a file's content.
#[derive(Clone, Serialize)]
struct Extraction<'a> {
    version: &'static str,
    shard: Option<Shard>,
    preparation: &'a PreparationConfig,
    features: &'a FeatureConfig,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    functionals: &'a [Functional],
    /// Whether the statistics are computed from voiced frames only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    voiced: bool,
    /// Whether truncated files were read up to the damage.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_truncated: bool,
    /// The stems of all requested clips, including skipped ones.
    clips: &'a [&'a String],
    /// Label, speaker and corpus of each clip of labelled speech.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labelled: Vec<&'a About>,
    #[serde(flatten)]
    content: Content,
}

impl Extraction<'_> {
    fn text(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// Returns whether a file is undamaged and holds exactly the clips and settings of this run. Otherwise the file is written again.
    fn is_whole_at(&self, path: &Path, skip_bad: bool) -> bool {
        read_whole(path).is_ok_and(|(text, shapes)| {
            let csv = Format::of(path) == Format::Csv;
            let described = serde_json::from_str::<Content>(&text).is_ok_and(|content| {
                let allowed = skip_bad || content.skipped.is_empty();
                let clips = self.clips.len() - content.skipped.len().min(self.clips.len());
                let tensors = if csv { 0 } else { clips * (self.features.features.len() + 1) };
                let same = Extraction { content, ..self.clone() }.text().is_ok_and(|own| own == text);
                allowed && same && shapes.len() == tensors
            });
            let fits = |(name, shape): (&String, &Vec<usize>)| {
                let feature = self.features.features.iter().find(|f| name.ends_with(&format!(".{f}")));
                match feature {
                    Some(&feature) => {
                        shape.len() == 2 && shape[0] == self.features.rows(feature) && shape[1] > 0
                    }
                    None => shape[..] == [self.features.total_rows() * self.functionals.len().max(1)],
                }
            };
            described && shapes.iter().all(fits)
        })
    }
}

/// A file to read.
struct Input {
    stem: String,
    file: AudioFile,
    about: Option<About>,
}

/// Label, speaker and corpus of a clip of labelled speech.
#[derive(Serialize)]
struct About {
    label: String,
    speaker: Option<String>,
    corpus: String,
}

impl About {
    const COLUMNS: [&'static str; 3] = ["label", "speaker", "corpus"];

    fn values(&self) -> Vec<String> {
        vec![self.label.clone(), self.speaker.clone().unwrap_or_default(), self.corpus.clone()]
    }
}

/// Finds the clips of labelled speech. Their ids become the stems.
fn find_clips(arguments: &Arguments) -> anyhow::Result<Vec<Input>> {
    let options = ClipsOptions { label_map: arguments.labelling.label_map()?, skip_bad: arguments.skip_bad };
    let found = Clips::open(&arguments.labelling.sources(&arguments.data)?, &options)?;
    found.corpora.iter().filter(|corpus| corpus.detected || corpus.left_out() > 0).for_each(cli::note);
    found.warnings.iter().for_each(|warning| cli::note(format_args!("warning: {warning}")));
    found.skipped.iter().for_each(|bad| cli::note(format_args!("skipped: {bad}")));
    let inputs = found.clips.into_iter().map(|clip| Input {
        stem: clip.id,
        file: clip.file,
        about: Some(About { label: clip.label, speaker: clip.speaker, corpus: clip.corpus }),
    });
    Ok(inputs.collect())
}

/// Finds the files to read, sorted by STEM.
fn find_inputs(inputs: &[PathBuf], skip_bad: bool) -> anyhow::Result<Vec<Input>> {
    let mut found = BTreeMap::new();
    for input in inputs {
        if !input.is_dir() {
            let stem = input.file_stem().with_context(|| {
                format!("{}: input must be a file or a folder, got neither", input.display())
            })?;
            insert(&mut found, Path::new(stem), AudioFile::new(input))?;
            continue;
        }
        let before = found.len();
        for (inner, file) in recordings_in(input, skip_bad)? {
            insert(&mut found, &Path::new(&inner).with_extension(""), file)?;
        }
        if found.len() == before {
            bail!("{}: folder must hold audio files, got none", input.display());
        }
    }
    Ok(found.into_iter().map(|(stem, file)| Input { stem, file, about: None }).collect())
}

fn insert(found: &mut BTreeMap<String, AudioFile>, stem: &Path, file: AudioFile) -> anyhow::Result<()> {
    let parts: Vec<_> = stem.iter().map(|part| part.to_string_lossy()).collect();
    let stem = parts.join("/");
    let name = file.to_string();
    if let Some(other) = found.insert(stem.clone(), file) {
        bail!("{name}: stem must differ from those of the other inputs, got {stem}, that of {other}");
    }
    Ok(())
}
