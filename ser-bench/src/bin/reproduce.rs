//! Runs the report's experiments with honest protocols and prints what they give.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use ser_bench::cli;
use ser_bench::corpus::{Corpus, CorpusOptions};
use ser_bench::recipe;
use ser_models::ConfusionMatrix;
use ser_models::models::Architecture;
use ser_models::training::{Event, Trainer, TrainingConfig};

/// Trains the report's 1D CNN on stratified 80/20 splits of RAVDESS in four classes, one for each seed, and measures each
/// model once on its own test part, which decided nothing.
#[derive(Parser)]
#[command(
    after_help = "Example:\n  cargo run --release -p ser-bench --bin reproduce -- --data Audio_Speech_Actors_01-24.zip --seeds 5"
)]
struct Arguments {
    /// RAVDESS: the folder, or the .zip as downloaded.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many seeds, from 0 up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Folder to keep extracted features in.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

fn main() -> ExitCode {
    cli::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let corpus = Corpus::load(
        &arguments.data,
        CorpusOptions { cache: arguments.cache.clone(), ..CorpusOptions::default() },
    )?;
    cli::print("| model | protocol | seed | accuracy | UAR | macro-F1 |")?;
    cli::print("| --- | --- | --- | --- | --- | --- |")?;
    let mut all = Vec::new();
    for seed in 0..arguments.seeds {
        let confusion = measure(&corpus, Architecture::Cnn1d(Default::default()), seed)?;
        let [accuracy, uar, macro_f1] = figures(&confusion).map(|x| x * 100.0);
        cli::print(format!(
            "| cnn-1d | {} | {seed} | {accuracy:.1} | {uar:.1} | {macro_f1:.1} |",
            recipe::PROTOCOL
        ))?;
        all.push([accuracy, uar, macro_f1]);
    }
    let [accuracy, uar, macro_f1] = [0, 1, 2].map(|figure| {
        let (mean, deviation) = mean_and_deviation(&all.iter().map(|row| row[figure]).collect::<Vec<f64>>());
        format!("{mean:.1} ± {deviation:.1}")
    });
    cli::print(format!("| cnn-1d | {} | all | {accuracy} | {uar} | {macro_f1} |", recipe::PROTOCOL))?;
    Ok(())
}

/// Trains with one seed, on all of the training part and to the last epoch, and answers for the test part.
fn measure(corpus: &Corpus, architecture: Architecture, seed: u64) -> anyhow::Result<ConfusionMatrix> {
    let split = recipe::split(corpus, 0.0, seed)?;
    let config = TrainingConfig::default();
    let bar = cli::progress_bar(config.epochs as u64, "training");
    let mut trainer = Trainer::new(config, architecture, &corpus.dataset.select(&split.train)?, None, seed)?;
    let draw = |event: &Event<'_>| {
        if let Event::Epoch(_) = event {
            bar.inc(1);
        }
    };
    trainer.run(draw, &AtomicBool::new(false))?;
    bar.finish_and_clear();
    let checkpoint = trainer.checkpoint(corpus.checkpoint_source(recipe::PROTOCOL, seed, &split)?)?;
    Ok(checkpoint.classifier()?.evaluate(&corpus.dataset.select(&split.test)?)?.confusion)
}

fn figures(confusion: &ConfusionMatrix) -> [f64; 3] {
    [confusion.accuracy(), confusion.uar(), confusion.macro_f1()]
}

/// The mean and the sample standard deviation, which is 0 for one value.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0)).sqrt())
}
