//! What features cost, as JSON: the Rust side of `reference/compare_librosa.py`.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};
use realfft::RealFftPlanner;
use ser_bench::cli;
use ser_data::{AudioFile, ExtractConfig, extract_all, is_audio_path};
use ser_features::{
    Chroma, ChromaConfig, ChromaCqt, ChromaCqtConfig, ContrastConfig, Cqt, CqtConfig, FeatureConfig,
    FeatureExtractor, HarmonicPercussive, HpssConfig, MelConfig, MelSpectrogram, Mfcc, MfccConfig, Resampler,
    SpectralContrast, Stft, StftConfig, Trim, TrimConfig, extract_batch,
};
use serde_json::{Map, Value, json};
use walkdir::WalkDir;

/// Measures features and prints JSON.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The median time of each feature of a clip in microseconds, on one thread, with plans made beforehand.
    Features {
        /// Samples at 22,050 Hz: raw little-endian f32.
        clip: PathBuf,
    },
    /// The time of `issa193` in milliseconds by the seconds of sound, and of a batch by the number of threads.
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
    /// Seconds and peak memory for the vectors of all audio files below a folder.
    Corpus {
        /// The folder.
        folder: PathBuf,
        /// Threads.
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
}

const SAMPLE_RATE: usize = 22_050;

fn main() -> ExitCode {
    cli::exit(run(&Arguments::parse().what))
}

fn run(what: &What) -> anyhow::Result<()> {
    let figures = match what {
        What::Features { clip } => features(&read_samples(clip)?)?,
        What::Scaling { clip } => scaling(&read_samples(clip)?)?,
        What::Memory { clip, seconds } => memory(&read_samples(clip)?, *seconds)?,
        What::Corpus { folder, threads } => corpus(folder, *threads)?,
    };
    cli::print(figures)
}

fn read_samples(path: &Path) -> anyhow::Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let (samples, rest) = bytes.as_chunks();
    ensure!(
        rest.is_empty() && samples.len() >= 2048,
        "{}: must hold 2048 or more f32 samples",
        path.display()
    );
    Ok(samples.iter().map(|&b| f32::from_le_bytes(b)).collect())
}

fn repeated(clip: &[f32], length: usize) -> Vec<f32> {
    clip.iter().copied().cycle().take(length).collect()
}

/// The median of runs that fill `budget` seconds, after three that warm up, in microseconds.
fn median(budget: f64, mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    for _ in 0..3 {
        run()?;
    }
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || begin.elapsed().as_secs_f64() < budget {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn features(clip: &[f32]) -> anyhow::Result<Value> {
    let mut times = Map::new();
    let mut measure = |name: &str, run: &mut dyn FnMut() -> anyhow::Result<()>| {
        times.insert(name.into(), median(0.6, run)?.into());
        anyhow::Ok(())
    };
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(2048);
    let (mut input, mut spectrum) = (fft.make_input_vec(), fft.make_output_vec());
    let mut scratch = fft.make_scratch_vec();
    let hop = (clip.len() - 2048) / 129;
    measure("floor", &mut || {
        for frame in 0..130 {
            input.copy_from_slice(&clip[frame * hop..][..2048]);
            fft.process_with_scratch(&mut input, &mut spectrum, &mut scratch)?;
            black_box(&spectrum);
        }
        Ok(())
    })?;

    let (mut complex, mut matrix, mut signal) = Default::default();
    let stft = StftConfig::default;
    let mut plan = Stft::new(stft())?;
    measure("stft", &mut || Ok(plan.process_into(clip, &mut complex)?))?;
    let mut plan = MelSpectrogram::new(MelConfig::default())?;
    measure("mel", &mut || Ok(plan.process_into(clip, &mut matrix)?))?;
    let mut plan = Mfcc::new(MfccConfig { n_mfcc: 40, ..Default::default() })?;
    measure("mfcc", &mut || Ok(plan.process_into(clip, &mut matrix)?))?;
    let mut plan = Chroma::new(ChromaConfig::default())?;
    measure("chroma_stft", &mut || Ok(plan.process_into(clip, &mut matrix)?))?;
    let mut plan = SpectralContrast::new(ContrastConfig::default())?;
    measure("contrast", &mut || Ok(plan.process_into(clip, &mut matrix)?))?;
    let mut plan = HarmonicPercussive::new(stft(), HpssConfig::default())?;
    measure("harmonic", &mut || Ok(plan.harmonic_into(clip, &mut signal)?))?;
    let mut plan = Cqt::new(CqtConfig::default())?;
    measure("cqt", &mut || Ok(plan.process_into(clip, &mut matrix)?))?;
    let mut plan = ChromaCqt::new(ChromaCqtConfig::default())?;
    measure("chroma_cqt", &mut || Ok(plan.process_into(clip, &mut matrix)?))?;
    let mut plan = FeatureExtractor::new(FeatureConfig::default())?;
    measure("issa193", &mut || {
        black_box(plan.extract(clip)?.vector());
        Ok(())
    })?;
    let plan = Trim::new(TrimConfig { top_db: 30.0, ..Default::default() })?;
    measure("trim", &mut || {
        black_box(plan.trim(clip)?);
        Ok(())
    })?;
    let recording = repeated(clip, 144_000);
    let mut plan = Resampler::new(48_000, SAMPLE_RATE as u32)?;
    measure("resample", &mut || {
        black_box(plan.process(&recording)?);
        Ok(())
    })?;
    Ok(times.into())
}

fn scaling(clip: &[f32]) -> anyhow::Result<Value> {
    let mut by_length = Map::new();
    let mut extractor = FeatureExtractor::new(FeatureConfig::default())?;
    for seconds in [1, 3, 10, 60, 600] {
        let signal = repeated(clip, seconds * SAMPLE_RATE);
        let mut run = || {
            black_box(extractor.extract(&signal)?);
            anyhow::Ok(())
        };
        let microseconds = if seconds < 600 {
            median(0.5, run)?
        } else {
            let start = Instant::now();
            run()?;
            start.elapsed().as_secs_f64() * 1e6
        };
        by_length.insert(seconds.to_string(), (microseconds / 1e3).into());
    }

    let clips = vec![repeated(clip, 3 * SAMPLE_RATE); 256];
    let mut by_threads = Map::new();
    for threads in [1, std::thread::available_parallelism()?.get()] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let run = || {
            black_box(pool.install(|| extract_batch(&FeatureConfig::default(), &clips))?);
            anyhow::Ok(())
        };
        by_threads.insert(threads.to_string(), (median(1.5, run)? / 1e3).into());
    }
    Ok(json!({ "milliseconds_by_seconds": by_length, "milliseconds_of_256_clips_by_threads": by_threads }))
}

fn memory(clip: &[f32], seconds: usize) -> anyhow::Result<Value> {
    let signal = repeated(clip, seconds * SAMPLE_RATE);
    let vector = FeatureExtractor::new(FeatureConfig::default())?.extract(&signal)?.vector();
    ensure!(vector.len() == 193, "the recipe has 193 features");
    Ok(json!({ "peak_bytes": peak_memory()?, "sample_bytes": 4 * signal.len() }))
}

fn corpus(folder: &Path, threads: usize) -> anyhow::Result<Value> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() && is_audio_path(entry.path()) {
            files.push(AudioFile::new(entry.path()));
        }
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let start = Instant::now();
    let extracted = pool
        .install(|| extract_all(&files, &ExtractConfig::default(), |_| {}, |features| features.vector()))?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(json!({ "clips": extracted.features.len(), "seconds": seconds, "peak_bytes": peak_memory()? }))
}

fn peak_memory() -> anyhow::Result<u64> {
    cli::peak_memory().context("peak memory is known on Linux only")
}
