//! Times and memory of features as JSON: the Rust side of `reference/compare_librosa.py`.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};
use ser_bench::subjects::{CLIP, SAMPLE_RATE, feature_subjects, repeated};
use ser_bench::timing;
use ser_examples::{cli, memory::peak_memory};
use ser_features::{FeatureConfig, FeatureExtractor, extract_batch};
use serde_json::{Map, Value, json};

/// Measures features and prints JSON.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The median time of each feature of a clip in microseconds, on one thread, in turns, with plans made beforehand.
    Features {
        /// Samples at 22,050 Hz: raw little-endian f32.
        clip: PathBuf,
    },
    /// The time of `issa193` in milliseconds by the seconds of sound (of long ones on all cores), and of a batch by the number of threads.
    Scaling {
        /// As for features; repeated to each length.
        clip: PathBuf,
    },
    /// The peak of this process's memory in bytes, for `issa193` of one long signal (Linux only).
    Memory {
        /// As for features; repeated to the length.
        clip: PathBuf,
        /// Seconds of sound.
        #[arg(default_value_t = 600)]
        seconds: usize,
    },
}

fn main() -> ExitCode {
    cli::exit(|arguments: &Arguments| run(&arguments.what))
}

fn run(what: &What) -> anyhow::Result<()> {
    let figures = match what {
        What::Features { clip } => features(&read_samples(clip)?)?,
        What::Scaling { clip } => scaling(&read_samples(clip)?)?,
        What::Memory { clip, seconds } => memory(&read_samples(clip)?, *seconds)?,
    };
    cli::print(figures)
}

fn read_samples(path: &Path) -> anyhow::Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let (samples, rest) = bytes.as_chunks();
    ensure!(
        rest.is_empty() && samples.len() >= 2048,
        "{}: samples must be 2048 or more of f32, got {} bytes",
        path.display(),
        bytes.len()
    );
    Ok(samples.iter().map(|&b| f32::from_le_bytes(b)).collect())
}

/// The median time in milliseconds, after three calls that warm up.
fn median_time(seconds: f64, run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    Ok(timing::median(timing::times(3, Duration::from_secs_f64(seconds), run)?))
}

/// Rounds in which the features take turns. The processor's clock may change within a run: then it changes for all of them.
const ROUNDS: usize = 10;

fn features(clip: &[f32]) -> anyhow::Result<Value> {
    let mut subjects = feature_subjects(clip)?;
    let mut times = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for (subject, times) in subjects.iter_mut().zip(&mut times) {
            times.extend(timing::times(1, Duration::from_millis(30), || subject.run())?);
        }
    }
    let medians = subjects.iter().zip(times).map(|(subject, times)| {
        let milliseconds = timing::median(times);
        (subject.name.into(), (milliseconds * 1e3).into())
    });
    Ok(medians.collect::<Map<_, _>>().into())
}

fn scaling(clip: &[f32]) -> anyhow::Result<Value> {
    let mut by_length = Map::new();
    let mut extractor = FeatureExtractor::new(FeatureConfig::default())?;
    for seconds in [1, 3, 10, 60, 600, 3_600] {
        let signal = repeated(clip, seconds * SAMPLE_RATE);
        let mut run = || {
            black_box(extractor.extract(&signal)?);
            anyhow::Ok(())
        };
        // Ten minutes of sound and more take long enough to be timed in three calls, of which none warms up.
        let milliseconds = if seconds < 600 {
            median_time(0.5, run)?
        } else {
            timing::median(timing::times(0, Duration::ZERO, &mut run)?)
        };
        by_length.insert(seconds.to_string(), milliseconds.into());
    }

    let clips = vec![repeated(clip, CLIP); 256];
    let mut by_threads = Map::new();
    for threads in [1, std::thread::available_parallelism()?.get()] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let run = || {
            black_box(pool.install(|| extract_batch(&FeatureConfig::default(), &clips))?);
            anyhow::Ok(())
        };
        by_threads.insert(threads.to_string(), median_time(1.5, run)?.into());
    }
    Ok(json!({ "milliseconds_by_seconds": by_length, "milliseconds_of_256_clips_by_threads": by_threads }))
}

fn memory(clip: &[f32], seconds: usize) -> anyhow::Result<Value> {
    let signal = repeated(clip, seconds * SAMPLE_RATE);
    let vector = FeatureExtractor::new(FeatureConfig::default())?.extract(&signal)?.vector();
    ensure!(vector.len() == 193, "features: numbers must be 193, got {}", vector.len());
    Ok(json!({ "peak_bytes": peak()?, "sample_bytes": 4 * signal.len() }))
}

fn peak() -> anyhow::Result<u64> {
    peak_memory().context("peak memory must be known, as on Linux, got none")
}
