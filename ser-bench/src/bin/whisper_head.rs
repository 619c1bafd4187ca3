//! Trains heads on what Whisper's encoder heard of RAVDESS, on the five published folds of whole actors.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, ensure};
use clap::Parser;
use ndarray::Array2;
use rayon::prelude::*;
use ser_bench::experiments::{Disturbance, Predictions, ravdess};
use ser_data::{
    Clip, Clips as FoundClips, ClipsOptions, Corpus, CorpusOptions, LabelSet, Split, published_folds,
};
use ser_examples::cli;
use ser_features::Preparation;
use ser_models::encoder::WhisperEncoder;
use ser_models::input::{Ear, ModelInput};
use ser_models::training::{AudioAugmentation, EncodedClips, EncodingConfig, Trainer};
use ser_models::{CheckpointSource, Classifier, Recipe, RecipeFile};

/// Changed copies of each training clip.
const COPIES: usize = 2;

/// Encodes RAVDESS once, clean and in two changed copies of each clip, and trains a head for each fold and seed. Without --test heads are
/// measured on each fold's validation actors, and the test actors neither train nor test.
#[derive(Parser)]
struct Arguments {
    /// RAVDESS speech: a folder with its WAV files, or the ZIP archive.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The encoder: a safetensors file in f32, f16 or i8.
    #[arg(long, value_name = "FILE")]
    encoder: PathBuf,
    /// Keeps what was encoded from run to run.
    #[arg(long, value_name = "FILE")]
    cache: PathBuf,
    /// The head and its training, as a file for `train --config`, instead of recipes/whisper-head.toml.
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Seeds of each fold; their probabilities are averaged, and the mean of the single ones is printed too.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Changed copies that train beside each clean clip.
    #[arg(long, default_value_t = COPIES)]
    copies: usize,
    /// Measure on the test actors, with the validation actors in training. Do so once for a recipe.
    #[arg(long)]
    test: bool,
    /// Measure on clips in noise and over a telephone too.
    #[arg(long)]
    disturbed: bool,
}

fn main() -> ExitCode {
    cli::exit(run(&Arguments::parse()))
}

/// RAVDESS as it is encoded.
struct Clips {
    ids: Vec<String>,
    labels: Vec<usize>,
    label_names: Vec<String>,
    folds: Vec<Split>,
    encoded: EncodedClips,
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let file = match &arguments.recipe {
        Some(path) => RecipeFile::read(path)?,
        None => RecipeFile::parse("whisper-head.toml", include_str!("../../recipes/whisper-head.toml"))?,
    };
    let recipe = Recipe::of(&file)?;
    let layers = match recipe.architecture.input() {
        ModelInput::Encoded { layers, frames: None, .. } => layers,
        other => anyhow::bail!("a head must read statistics of an encoder's outputs, got {other:?}"),
    };
    let encoder = Arc::new(WhisperEncoder::load(&arguments.encoder, layers - 1)?);
    let clips = clips(arguments, &recipe, &encoder)?;
    let mut conditions = vec![(Disturbance::None, clips.encoded.clone())];
    if arguments.disturbed {
        for way in [Disturbance::Noise(10.0), Disturbance::Noise(5.0), Disturbance::Telephone] {
            conditions.push((way, disturbed(arguments, &recipe, &encoder, &clips, way)?));
        }
    }
    let mut answers: Vec<Vec<Vec<Predictions>>> = vec![Vec::new(); conditions.len()];
    for (fold, number) in clips.folds.iter().zip(1..) {
        let mut train = fold.train.clone();
        let measured = if arguments.test {
            train.extend(&fold.validation);
            &fold.test
        } else {
            &fold.validation
        };
        let mut of_fold = vec![Vec::new(); conditions.len()];
        for seed in 0..arguments.seeds {
            let head = head(&recipe, &clips, &train, seed, arguments.copies)
                .with_context(|| format!("fold {number}"))?;
            for ((_, encoded), answers) in conditions.iter().zip(&mut of_fold) {
                answers.push(answer(&head, &clips, encoded, measured)?);
            }
        }
        answers.iter_mut().zip(of_fold).for_each(|(all, of_fold)| all.push(of_fold));
    }
    let part = if arguments.test { "test" } else { "validation" };
    println!("{part} actors of {} folds, {} seeds", clips.folds.len(), arguments.seeds);
    println!(
        "| clips | models | UAR, 8 emotions | accuracy | UAR, moods by sums | accuracy | with Calm halved | with Happy doubled |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for ((way, _), folds) in conditions.iter().zip(&answers) {
        let single = folds.iter().flat_map(|fold| fold.iter().cloned()).collect::<Vec<_>>();
        print_row(&way.name(), "single", &single)?;
        let mean =
            |fold: &Vec<Predictions>| Predictions::mean(&fold.iter().map(|p| (p, 1)).collect::<Vec<_>>());
        let means = folds.iter().map(mean).collect::<anyhow::Result<Vec<_>>>()?;
        print_row(&way.name(), "mean of seeds", &means)?;
        if *way == Disturbance::None {
            println!();
            print_recalls(&means, &clips.label_names);
            println!();
        }
    }
    Ok(())
}

/// The clips, and what the encoder heard of them: read from the cache where that fits.
fn clips(arguments: &Arguments, recipe: &Recipe, encoder: &Arc<WhisperEncoder>) -> anyhow::Result<Clips> {
    let options = CorpusOptions {
        labels: LabelSet::Emotions,
        preparation: recipe.preparation.clone(),
        features: Ear::features(),
        audio: true,
        ..CorpusOptions::default()
    };
    let corpus = Corpus::load(&[ravdess(&arguments.data)], &options, |_, _| (), |_| ())?;
    let augmentation = AudioAugmentation {
        speed: Some([0.9, 1.1]),
        snr: Some([5.0, 30.0]),
        low_pass: Some([3_000.0, 8_000.0]),
        high_pass: Some([50.0, 400.0]),
        probability: 0.5,
        ..AudioAugmentation::default()
    };
    let preparation = recipe.preparation.clone();
    let config = EncodingConfig { preparation, augmentation, copies: COPIES, seed: 0 };
    let kept = arguments.cache.exists().then(|| EncodedClips::load(&arguments.cache)).transpose()?;
    let ids = corpus.ids();
    let kept = kept
        .filter(|kept| (kept.config(), kept.encoder(), kept.ids()) == (&config, encoder.sha256(), &ids[..]));
    let encoded = match kept {
        Some(kept) => kept,
        None => {
            let begin = std::time::Instant::now();
            let samples = corpus.audio.as_deref().context("samples were asked for")?;
            let encoded = EncodedClips::new(encoder, config, ids.clone(), samples)?;
            let seconds: usize = samples.iter().map(Vec::len).sum::<usize>() * (1 + COPIES) / 16_000;
            eprintln!("encoded {seconds} s of speech in {:.0} s", begin.elapsed().as_secs_f64());
            encoded.save(&arguments.cache)?;
            encoded
        }
    };
    ensure!(encoded.input() == recipe.architecture.input(), "the head does not fit the encoder");
    let folds = published_folds(&corpus.speakers()?, &corpus.groups)?;
    let Corpus { labels, label_names, .. } = corpus;
    Ok(Clips { ids, labels, label_names, folds, encoded })
}

/// What the encoder hears of all clips when this happens to them.
fn disturbed(
    arguments: &Arguments,
    recipe: &Recipe,
    encoder: &Arc<WhisperEncoder>,
    clips: &Clips,
    way: Disturbance,
) -> anyhow::Result<EncodedClips> {
    let files: HashMap<String, Clip> =
        FoundClips::open(&[ravdess(&arguments.data)], &ClipsOptions::default())?
            .clips
            .into_iter()
            .map(|clip| (clip.id.clone(), clip))
            .collect();
    let prepare = |(seed, id): (usize, &String)| -> anyhow::Result<Vec<f32>> {
        let audio = files.get(id).with_context(|| format!("there is no clip {id}"))?.read()?;
        let (samples, rate) =
            way.apply(&audio.to_mono()?, audio.sample_rate, seed as u64)?.context("a program is missing")?;
        Ok(Preparation::new(recipe.preparation.clone())?.process(&samples, rate)?)
    };
    let samples = clips.ids.par_iter().enumerate().map(prepare).collect::<anyhow::Result<Vec<_>>>()?;
    let config = EncodingConfig { preparation: recipe.preparation.clone(), ..EncodingConfig::default() };
    Ok(EncodedClips::new(encoder, config, clips.ids.clone(), &samples)?)
}

fn at<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
    places.iter().map(|&at| all[at].clone()).collect()
}

fn head(
    recipe: &Recipe,
    clips: &Clips,
    train: &[usize],
    seed: u64,
    copies: usize,
) -> anyhow::Result<Classifier> {
    let (ids, labels) = (at(&clips.ids, train), at(&clips.labels, train));
    let training = clips.encoded.dataset(&ids, &labels, &clips.label_names, copies)?;
    let mut trainer =
        Trainer::new(recipe.training.clone(), recipe.architecture.clone(), &training, None, seed)?;
    trainer.run(|_| {}, &AtomicBool::new(false))?;
    let source = CheckpointSource {
        preparation: recipe.preparation.clone(),
        features: recipe.features.clone(),
        protocol: "speaker-independent, 5 published folds".to_owned(),
        split_seed: seed,
        test: Vec::new(),
    };
    Ok(trainer.checkpoint(source)?.classifier()?)
}

fn answer(
    head: &Classifier,
    clips: &Clips,
    encoded: &EncodedClips,
    places: &[usize],
) -> anyhow::Result<Predictions> {
    let (ids, truth) = (at(&clips.ids, places), at(&clips.labels, places));
    let data = encoded.dataset(&ids, &truth, &clips.label_names, 0)?;
    let probabilities = head.probabilities(data.inputs(), None)?;
    Ok(Predictions { labels: clips.label_names.clone(), clips: ids, truth, probabilities })
}

/// Sums of classes, each emotion counted by `weight`.
fn moods(predictions: &Predictions, weight: impl Fn(&str) -> f32) -> anyhow::Result<Predictions> {
    let classes = LabelSet::moods_of_emotions(&predictions.labels).context("labels must be emotions")?;
    let mut labels: Vec<String> = Vec::new();
    for class in &classes {
        if !labels.contains(class) {
            labels.push(class.clone());
        }
    }
    let place = |emotion: usize| labels.iter().position(|label| *label == classes[emotion]).unwrap_or(0);
    let mut probabilities = Array2::zeros((predictions.truth.len(), labels.len()));
    for (mut sums, row) in probabilities.outer_iter_mut().zip(predictions.probabilities.outer_iter()) {
        for (emotion, p) in row.iter().enumerate() {
            sums[place(emotion)] += p * weight(&classes[emotion]);
        }
    }
    let truth = predictions.truth.iter().map(|&emotion| place(emotion)).collect();
    Ok(Predictions { labels, clips: predictions.clips.clone(), truth, probabilities })
}

/// Mean and deviation over the models.
fn spread(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
    format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * deviation)
}

fn print_row(clips: &str, models: &str, answers: &[Predictions]) -> anyhow::Result<()> {
    let sums = |mood: &'static str, factor: f32| -> anyhow::Result<Vec<Predictions>> {
        answers.iter().map(|p| moods(p, |class| if class == mood { factor } else { 1.0 })).collect()
    };
    let (plain, halved, doubled) = (sums("", 1.0)?, sums("Calm", 0.5)?, sums("Happy", 2.0)?);
    let uar = |p: &[Predictions]| spread(&p.iter().map(|p| p.confusion().uar()).collect::<Vec<_>>());
    let accuracy =
        |p: &[Predictions]| spread(&p.iter().map(|p| p.confusion().accuracy()).collect::<Vec<_>>());
    println!(
        "| {clips} | {models} | {} | {} | {} | {} | {} | {} |",
        uar(answers),
        accuracy(answers),
        uar(&plain),
        accuracy(&plain),
        uar(&halved),
        uar(&doubled)
    );
    Ok(())
}

fn print_recalls(answers: &[Predictions], labels: &[String]) {
    let recalls = labels.iter().enumerate().map(|(class, label)| {
        let of_folds: Vec<f64> = answers.iter().map(|p| p.confusion().recall(class)).collect();
        format!("{label} {:.2}", of_folds.iter().sum::<f64>() / of_folds.len() as f64)
    });
    println!("recalls: {}", recalls.collect::<Vec<_>>().join(", "));
}
