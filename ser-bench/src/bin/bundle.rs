//! Trains a model to carry along: a speaker-independent recipe, on every clip of RAVDESS.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use clap::Parser;
use ser_bench::corpus::{Corpus, emotions_as_moods};
use ser_bench::experiments::{Experiment, train};
use ser_bench::recipe::{Recipe, RecipeFile};
use ser_bench::{cli, files};
use ser_data::Split;
use ser_models::Readout;

/// Trains the recipe of the experiment `speaker-independent-robust-moods` on all clips, none left to test it, and lets it answer moods. The same
/// command gives the same file, byte for byte on one machine; one that was cut goes on.
#[derive(Parser)]
struct Arguments {
    /// RAVDESS speech: a folder with its WAV files, or the ZIP archive.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The model's file.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// What logits are divided by: the temperature that `reproduce --only speaker-independent-robust-moods --validate --seeds 1` prints
    /// for its sums to moods.
    #[arg(long, default_value_t = 1.0)]
    temperature: f64,
    /// Another recipe than the experiment's own, as a file for `train --config`.
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Seed of the training.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder that keeps extracted features from run to run.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

fn main() -> ExitCode {
    cli::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let range = Readout::TEMPERATURES;
    ensure!(
        range.contains(&arguments.temperature),
        "--temperature must be {} to {}, {} was given",
        range.start(),
        range.end(),
        arguments.temperature
    );
    files::check_folder(&arguments.output)?;
    let experiment = Experiment::named(Experiment::BUNDLED)
        .and_then(|experiment| experiment.sources().into_iter().next())
        .context("there is no such experiment")?;
    let given = arguments.recipe.as_deref().map(|path| Recipe::of(&RecipeFile::read(path)?));
    let recipe = given.unwrap_or_else(|| experiment.recipe())?;
    let options = recipe.corpus_options(experiment.labels, arguments.cache.clone())?;
    let corpus = Corpus::load(&arguments.data, options)?;

    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("cannot listen for Ctrl-C")?;
    let bar = cli::progress_bar(recipe.training.epochs as u64, "epochs");
    let mut state = arguments.output.clone().into_os_string();
    state.push(".training");
    let state = PathBuf::from(state);
    let trainer = train(&recipe, &corpus.dataset, arguments.seed, &state, &bar, &stop)?;
    bar.finish_and_clear();

    let all = Split { train: (0..corpus.groups.len()).collect(), ..Split::default() };
    let source = corpus.checkpoint_source("all clips", arguments.seed, &all)?;
    let mut checkpoint = trainer.checkpoint(source)?;
    let classes = emotions_as_moods(&checkpoint.labels).context("the experiment must tell emotions apart")?;
    checkpoint.readout = Readout { temperature: arguments.temperature, classes };
    checkpoint.save(&arguments.output)?;
    // Not needed any more, and nothing is lost where it stays.
    let _ = std::fs::remove_file(state);
    let Arguments { output, .. } = arguments;
    cli::print(format!("{}: {} clips, {} epochs", output.display(), all.train.len(), recipe.training.epochs))
}
