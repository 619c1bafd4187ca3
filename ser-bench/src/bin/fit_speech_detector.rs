//! Fits the detector of speech of `ser-models` to recorded voices and to generated sounds, and prints its numbers.
//!
//! The recordings in the folders of `--held-out` and `--sounds` are for measurement only.

use anyhow::{Context, Result, bail};
use clap::Parser;
use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;
use ser_bench::sounds::{RATE, Sound};
use ser_data::Audio;
use ser_examples::cli;
use ser_features::{BandPass, Resampler};
use ser_models::Generator;
use ser_models::recording::{CUES, SpeechCues};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use walkdir::WalkDir;

/// Fits the detector of speech, and measures it.
#[derive(Parser)]
struct Arguments {
    /// A folder with recordings of speech; one for each corpus.
    #[arg(long, required = true)]
    speech: Vec<PathBuf>,
    /// Folders with recordings of speech for measurement only, in addition to those of --speech.
    #[arg(long)]
    held_out: Vec<PathBuf>,
    /// Folders with recordings of other sounds, for measurement only.
    #[arg(long)]
    sounds: Vec<PathBuf>,
    /// Windows of each corpus, and of each kind of sound.
    #[arg(long, default_value_t = 400)]
    count: usize,
    /// Smallest probability of speech, 0 to 1, that is not refused.
    #[arg(long, default_value_t = 0.2)]
    threshold: f64,
    /// The seed of windows and sounds.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Windows of one origin.
struct Group {
    name: String,
    speech: bool,
    fits: bool,
    cues: Vec<[f32; CUES]>,
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> Result<()> {
    let mut groups = Vec::new();
    for folder in arguments.speech.iter().chain(&arguments.held_out) {
        groups.push(recorded(folder, true, arguments.speech.contains(folder), arguments)?);
    }
    for (kind, sound) in Sound::ALL.into_iter().enumerate() {
        let cues = (0..arguments.count as u64).into_par_iter().map(|number| {
            let mut random = Generator::with_stream(arguments.seed, 1_000_000 * (kind as u64 + 1) + number);
            let samples = sound.make(random.uniform(0.8, 3.0), &mut random);
            Ok(SpeechCues::new(RATE)?.of(&samples)?)
        });
        let cues = cues.collect::<Result<_>>()?;
        groups.push(Group { name: sound.name().to_owned(), speech: false, fits: true, cues });
    }
    for folder in &arguments.sounds {
        groups.push(recorded(folder, false, false, arguments)?);
    }
    let regression = Regression::fit(&groups);
    regression.print();
    println!("| windows | speech | refused |");
    println!("| --- | --- | --- |");
    for group in &groups {
        let refused =
            group.cues.iter().filter(|cues| regression.probability(cues) < arguments.threshold).count();
        let share = 100.0 * refused as f64 / group.cues.len().max(1) as f64;
        let kind = if group.speech { "yes" } else { "no" };
        println!("| {}{} | {kind} | {share:.1} % |", group.name, if group.fits { "" } else { " (held out)" });
    }
    Ok(())
}

/// Windows of 0.8 to 3 s of the recordings below a folder; half of those of speech are in noise, and some by telephone.
fn recorded(folder: &Path, speech: bool, fits: bool, arguments: &Arguments) -> Result<Group> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder) {
        let path = entry?.into_path();
        if path.extension().is_some_and(|e| ["wav", "flac", "ogg", "mp3"].iter().any(|kind| e == *kind)) {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("{}: a folder must hold recordings, got none", folder.display());
    }
    let cues = (0..arguments.count as u64).into_par_iter().map(|number| -> Result<Option<[f32; CUES]>> {
        let mut random = Generator::with_stream(arguments.seed, number);
        let path = &files[(random.uniform(0.0, files.len() as f64) as usize).min(files.len() - 1)];
        let audio = Audio::open(path)?;
        let samples = Resampler::new(audio.sample_rate, RATE)?.process(&audio.to_mono()?)?;
        let length = (random.uniform(0.8, 3.0) * f64::from(RATE)) as usize;
        // A random part that is not silent: at least a tenth of the whole recording's mean power.
        let power = |part: &[f32]| part.iter().map(|x| x * x).sum::<f32>() / part.len().max(1) as f32;
        let mut part = samples.clone();
        for _ in 0..20 {
            if samples.len() <= length {
                break;
            }
            let start = random.uniform(0.0, (samples.len() - length) as f64) as usize;
            part = samples[start..start + length].to_vec();
            if power(&part) > 0.1 * power(&samples) {
                break;
            }
        }
        if speech && random.uniform(0.0, 1.0) < 0.5 {
            let (snr, color) = (random.uniform(3.0, 30.0), random.uniform(0.0, 0.95) as f32);
            let mut low = 0.0;
            let noise: Vec<f32> = part
                .iter()
                .map(|_| {
                    low = color * low + random.uniform(-1.0, 1.0) as f32;
                    low
                })
                .collect();
            let gain = (power(&part) / power(&noise) / 10f32.powf(snr as f32 / 10.0)).sqrt();
            part.iter_mut().zip(noise).for_each(|(x, noise)| *x += gain * noise);
        }
        if speech && random.uniform(0.0, 1.0) < 0.2 {
            part = BandPass::new(RATE).process(&part, 300.0..3_400.0)?;
        }
        if part.len() < (RATE / 4) as usize {
            return Ok(None);
        }
        Ok(Some(SpeechCues::new(RATE)?.of(&part).with_context(|| path.display().to_string())?))
    });
    let cues = cues.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let name =
        folder.file_name().map_or_else(|| folder.display().to_string(), |n| n.to_string_lossy().into_owned());
    Ok(Group { name, speech, fits, cues })
}

/// A logistic regression on standardised cues and their squares.
struct Regression {
    scales: Vec<(f64, f64)>,
    /// The intercept, then for each cue its weight and that of its square.
    weights: Array1<f64>,
}

impl Regression {
    /// By Newton's method with a little decay; speech and other sounds weigh the same, and within each all groups.
    fn fit(groups: &[Group]) -> Self {
        let fitting: Vec<&Group> = groups.iter().filter(|group| group.fits).collect();
        let all: Vec<&[f32; CUES]> = fitting.iter().flat_map(|group| &group.cues).collect();
        let table = Array2::from_shape_fn((all.len(), CUES), |(row, cue)| f64::from(all[row][cue]));
        let (means, deviations) = (table.mean_axis(Axis(0)), table.std_axis(Axis(0), 0.0));
        let means = means.unwrap_or_else(|| Array1::zeros(CUES));
        let scales = means.into_iter().zip(deviations.into_iter().map(|d| d.max(1e-6))).collect();
        let mut regression = Self { scales, weights: Array1::zeros(2 * CUES + 1) };
        let count = |speech| fitting.iter().filter(|group| group.speech == speech).count() as f64;
        for _ in 0..30 {
            let size = regression.weights.len();
            let mut gradient = regression.weights.mapv(|w| -1e-3 * w);
            let mut hessian: Array2<f64> = Array2::eye(size) * 1e-3;
            for group in &fitting {
                let weight = 0.5 / count(group.speech) / group.cues.len().max(1) as f64;
                for cues in &group.cues {
                    let x = regression.terms(cues);
                    let p = 1.0 / (1.0 + (-x.dot(&regression.weights)).exp());
                    gradient.scaled_add(weight * (f64::from(u8::from(group.speech)) - p), &x);
                    for i in 0..size {
                        for j in 0..size {
                            hessian[[i, j]] += weight * p * (1.0 - p) * x[i] * x[j];
                        }
                    }
                }
            }
            regression.weights += &solve(hessian, gradient);
        }
        regression
    }

    fn terms(&self, cues: &[f32; CUES]) -> Array1<f64> {
        let terms = cues.iter().zip(&self.scales).flat_map(|(cue, (mean, deviation))| {
            let z = ((f64::from(*cue) - mean) / deviation).clamp(-3.0, 3.0);
            [z, z * z]
        });
        std::iter::once(1.0).chain(terms).collect()
    }

    fn probability(&self, cues: &[f32; CUES]) -> f64 {
        1.0 / (1.0 + (-self.terms(cues).dot(&self.weights)).exp())
    }

    fn print(&self) {
        println!("const INTERCEPT: f32 = {:.3};", self.weights[0]);
        let pairs = |values: Vec<(f64, f64)>| {
            values.iter().map(|(a, b)| format!("({a:.4}, {b:.4})")).collect::<Vec<_>>().join(", ")
        };
        let weights = (0..CUES).map(|cue| (self.weights[1 + 2 * cue], self.weights[2 + 2 * cue])).collect();
        println!("const WEIGHTS: [(f32, f32); CUES] = [{}];", pairs(weights));
        println!("const SCALES: [(f32, f32); CUES] = [{}];\n", pairs(self.scales.clone()));
    }
}

/// Gaussian elimination; the matrix is symmetric and positive definite.
fn solve(mut matrix: Array2<f64>, mut right: Array1<f64>) -> Array1<f64> {
    let n = right.len();
    for pivot in 0..n {
        for row in pivot + 1..n {
            let factor = matrix[[row, pivot]] / matrix[[pivot, pivot]];
            for column in pivot..n {
                matrix[[row, column]] -= factor * matrix[[pivot, column]];
            }
            right[row] -= factor * right[pivot];
        }
    }
    for row in (0..n).rev() {
        let rest: f64 = (row + 1..n).map(|column| matrix[[row, column]] * right[column]).sum();
        right[row] = (right[row] - rest) / matrix[[row, row]];
    }
    right
}
