//! Measures the gain of training an encoder's last blocks together with a head.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;
use rayon::prelude::*;
use ser_bench::experiments::Predictions;
use ser_bench::voices::{
    VoiceClips, VoiceOptions, answer, in_weighted_moods, statistics_read, tells_moods_apart, train_head,
};
use ser_data::{published_folds, speakers_of};
use ser_examples::{assets, cli, interrupt, memory};
use ser_features::{Preparation, PreparationConfig};
use ser_models::encoder::{EncoderBlocks, WhisperEncoder};
use ser_models::input::{ClipEncoder, ModelInput};
use ser_models::models::{Architecture, WhisperHeadConfig};
use ser_models::training::{Dataset, EncodingConfig, Finish, Trainer, TrainingConfig, encode_frames};
use ser_models::{Checkpoint, CheckpointSource, Recipe, RecipeFile};

/// Trains a head on the training actors of one published fold of RAVDESS and on other corpora, then the encoder's last blocks with it, on
/// clean clips. Prints the UAR of the fold's validation actors and of each corpus that is left out, before and after. The validation actors
/// choose the epoch.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: VoiceOptions,
    /// Changed copies of each clip that the head trains on; the blocks train on clean clips.
    #[arg(long, default_value_t = VoiceClips::COPIES)]
    copies: usize,
    /// The fold, 1 to 5.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    fold: u8,
    /// A corpus that does not train; may be given more than once.
    #[arg(long, value_name = "NAME")]
    leave_out: Vec<String>,
    /// Measure every N-th clip of a corpus that is left out.
    #[arg(long, value_name = "N", default_value_t = 2)]
    every: usize,
    /// Blocks to train.
    #[arg(long, default_value_t = 1)]
    blocks: usize,
    /// Frames that are read of each clip; 150 are three seconds.
    #[arg(long, default_value_t = 150)]
    frames: usize,
    /// Settings of the blocks' training, as a file for `train --tuning`, over those of examples/assets/tuning.toml.
    #[arg(long, value_name = "FILE")]
    tuning: Option<PathBuf>,
    /// Epochs of the blocks' training, instead of the settings'.
    #[arg(long)]
    epochs: Option<usize>,
    /// Seed of both trainings.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Keeps the state of the blocks' training, which continues from it.
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let recipe = Recipe::of(&RecipeFile::parse("voices.toml", assets::VOICES_RECIPE)?)?;
    let total = statistics_read(&recipe.architecture)? - 1;
    ensure!(
        (1..=total).contains(&arguments.blocks),
        "--blocks must be 1 to {total}, got {}",
        arguments.blocks
    );
    let whole = arguments.options.encoder(total)?;
    let clips = arguments.options.clips(&recipe, &whole, arguments.copies)?;
    let folds = published_folds(&speakers_of(&clips.clips)?, &clips.groups)?;
    let fold = folds
        .get(usize::from(arguments.fold) - 1)
        .with_context(|| format!("--fold must be 1 to {}, got {}", folds.len(), arguments.fold))?;
    let of = |at: &usize, corpus: &str| clips.clips[*at].corpus == corpus;
    let is_left_out = |at: &usize| arguments.leave_out.iter().any(|corpus| of(at, corpus));
    let train: Vec<usize> = fold.train.iter().copied().filter(|at| !is_left_out(at)).collect();
    let validation: Vec<usize> = fold.validation.iter().copied().filter(|at| of(at, "ravdess")).collect();
    let mut parts = vec![("validation actors".to_owned(), validation.clone())];
    for corpus in &arguments.leave_out {
        let tells = |at: &usize| of(at, corpus) && tells_moods_apart(&clips.label_names[clips.labels[*at]]);
        let places: Vec<usize> =
            (0..clips.clips.len()).filter(tells).step_by(arguments.every.max(1)).collect();
        ensure!(!places.is_empty(), "--leave-out must be a corpus among the data, got {corpus}");
        parts.push((corpus.clone(), places));
    }

    let stop = interrupt::on_ctrl_c()?;
    let protocol = format!("fold {} of 5 published folds", arguments.fold);
    let mut recipe = recipe;
    if let Architecture::WhisperHead(config) = &mut recipe.architecture {
        whole.digest().clone_into(&mut config.encoder);
    }
    let head = train_head(&clips, &recipe, &train, arguments.seed, &protocol, &stop)?;
    cli::print("| part | clips | UAR of emotions | UAR of moods |\n| --- | --- | --- | --- |")?;
    for (name, places) in &parts {
        let answers = answer(&head.classifier()?, &clips, &clips.encoded, places)?;
        cli::print(row(&format!("{name}, head alone"), &answers))?;
    }

    let lower = arguments.options.encoder(total - arguments.blocks)?;
    let blocks = EncoderBlocks::load(&arguments.options.encoder, total - arguments.blocks..total)?;
    let start = head.with_tuned_blocks(&blocks, arguments.frames)?;
    let config = EncodingConfig { preparation: recipe.preparation.clone(), ..EncodingConfig::default() };
    let input = start.architecture.input();
    let begin = Instant::now();
    let frames = |places: &[usize]| frames(&clips, &lower, &config, input, places);
    let training = frames(&train)?.with_corpora(train.iter().map(|&at| clips.clips[at].corpus.as_str()))?;
    let measured = parts.iter().map(|(_, places)| frames(places)).collect::<anyhow::Result<Vec<_>>>()?;
    let frames: usize = training.inputs().lengths().into_iter().flatten().sum();
    let (clips, mean, seconds) = (training.len(), frames / training.len(), begin.elapsed().as_secs_f64());
    eprintln!("{clips} clips of {mean} frames on average, encoded in {seconds:.0} s with those to measure");
    let measure = |checkpoint: &Checkpoint, when: &str| -> anyhow::Result<()> {
        let classifier = checkpoint.classifier()?;
        for ((name, _), data) in parts.iter().zip(&measured) {
            let probabilities = classifier.probabilities(data.inputs())?;
            let (labels, truth) = (data.label_names().to_vec(), data.labels().to_vec());
            let answers = Predictions { labels, clips: data.ids().to_vec(), truth, probabilities };
            cli::print(row(&format!("{name}, {when}"), &answers))?;
        }
        Ok(())
    };
    measure(&start, "before the blocks are trained")?;

    let mut training_config = tuning(arguments.tuning.as_ref())?;
    training_config.epochs = arguments.epochs.unwrap_or(training_config.epochs);
    let steps = training.len().div_ceil(training_config.batch_size);
    let mut trainer =
        Trainer::from_checkpoint(training_config, &start, &training, Some(&measured[0]), arguments.seed)?;
    if arguments.state.exists() {
        trainer.resume(&arguments.state)?;
    } else {
        trainer.keep_state(&arguments.state);
    }
    let done = trainer.history().epochs.len();
    let begin = Instant::now();
    if trainer.run(|_| {}, &stop)? == Finish::Stopped {
        return Err(cli::Stopped::new("the same command continues").into());
    }
    let seconds = begin.elapsed().as_secs_f64();
    for epoch in &trainer.history().epochs {
        let uar = epoch.validation.as_ref().map_or(0.0, |validation| 100.0 * validation.confusion.uar());
        eprintln!("epoch {}: loss {:.3}, validation UAR {uar:.1}", epoch.epoch, epoch.train_loss);
    }
    let taken = (trainer.history().epochs.len() - done) * steps;
    if taken > 0 {
        let rate = 1e3 * seconds / taken as f64;
        eprintln!("{taken} steps in {seconds:.1} s: {rate:.0} ms each, epochs' validation included");
    }
    let source = CheckpointSource {
        preparation: recipe.preparation,
        features: recipe.features,
        protocol,
        split_seed: arguments.seed,
        test: Vec::new(),
    };
    let kept = trainer.checkpoint(source)?;
    let (epoch, epochs) = (kept.training.epoch, trainer.history().epochs.len());
    measure(&kept, &format!("after epoch {epoch} of {epochs}, {steps} steps each"))?;
    eprintln!("peak memory: {} MiB", memory::peak_memory().unwrap_or(0) >> 20);
    Ok(())
}

/// Settings of the blocks' training.
fn tuning(settings: Option<&PathBuf>) -> anyhow::Result<TrainingConfig> {
    let bundled = RecipeFile::parse("tuning.toml", assets::TUNING_RECIPE)?;
    let recipe =
        Recipe::new(WhisperHeadConfig::default().into(), TrainingConfig::default()).with(&bundled)?;
    Ok(match settings {
        Some(path) => recipe.with(&RecipeFile::read(path)?)?.training,
        None => recipe.training,
    })
}

/// Frames of these clips, clean.
fn frames(
    clips: &VoiceClips,
    encoder: &Arc<WhisperEncoder>,
    config: &EncodingConfig,
    input: ModelInput,
    places: &[usize],
) -> anyhow::Result<Dataset> {
    let read = |&at: &usize| -> anyhow::Result<Vec<f32>> {
        let audio = clips.clips[at].read()?;
        let raw = PreparationConfig::raw(ClipEncoder::SAMPLE_RATE);
        Ok(Preparation::new(raw)?.process(&audio.to_mono()?, audio.sample_rate)?)
    };
    let samples = places.par_iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let ids: Vec<String> = places.iter().map(|&at| clips.clips[at].id.clone()).collect();
    let labels: Vec<usize> = places.iter().map(|&at| clips.labels[at]).collect();
    Ok(encode_frames(encoder, config, input, &samples, (&ids, &labels, &clips.label_names))?)
}

fn row(name: &str, answers: &Predictions) -> String {
    let (emotions, moods) = (answers.confusion(), in_weighted_moods(answers).confusion());
    let [emotions, moods] = [emotions, moods].map(|confusion| 100.0 * confusion.uar());
    format!("| {name} | {} | {emotions:.1} | {moods:.1} |", answers.clips.len())
}
