//! Draws learning curves and confusion matrices from the output of `train` and `evaluate`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use ser_examples::cli;
use ser_models::ConfusionMatrix;
use ser_models::training::{Evaluation, History};
use ser_plots::{Page, PictureFile, charts};
use serde::Deserialize;

/// Draws the learning curves of a run, or a confusion matrix. The extension of the output file decides the format, PNG or SVG.
///
/// From a history of `train --history FILE.json` it draws the curves of loss, accuracy and UAR, or with --confusion the confusion matrix of
/// the validation part. From the output of `evaluate --json` it draws the confusion matrix of the test part.
#[derive(Parser)]
#[command(after_help = cli::epilogue(
    "  cargo run --release --example plot_training -- history.json --output curves.png\n  \
       cargo run --release --example plot_training -- history.json --confusion --output confusion.svg\n  \
       cargo run --release --example plot_training -- evaluation.json --output confusion.png"
))]
struct Arguments {
    /// The JSON file of `train --history` or of `evaluate --json`.
    file: PathBuf,
    /// Draw the confusion matrix of a history instead of its curves.
    #[arg(long)]
    confusion: bool,
    #[command(flatten)]
    picture: PictureFile,
}

/// The part of the output of `evaluate --json` that is drawn.
#[derive(Deserialize)]
struct Measured {
    confusion: ConfusionMatrix,
}

/// The content of the file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Run(History),
    Test(Measured),
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.picture.check()?;
    let file = || arguments.file.display().to_string();
    let bytes = std::fs::read(&arguments.file).with_context(|| format!("{}: cannot be read", file()))?;
    let content: Content = serde_json::from_slice(&bytes).with_context(|| {
        format!("{}: JSON must be that of `train --history` or of `evaluate --json`, got another", file())
    })?;
    let page = match content {
        Content::Run(history) if arguments.confusion => chosen(&history).with_context(file)?,
        Content::Run(history) => charts::learning_curves(&history),
        Content::Test(Measured { confusion }) => tested(&confusion),
    };
    arguments.picture.save(page)
}

/// Draws the confusion matrix of the validation part in the best epoch.
fn chosen(history: &History) -> anyhow::Result<Page> {
    let best = history.best().context("epochs must be 1 or more, got 0")?;
    let Evaluation { confusion, .. } = best.validation.as_ref().with_context(|| {
        format!("epoch {}: validation part must have clips for --confusion, got none", best.epoch)
    })?;
    let title = format!("{} clips that chose epoch {}", confusion.total(), best.epoch);
    Ok(charts::confusion(title, confusion))
}

fn tested(confusion: &ConfusionMatrix) -> Page {
    let [accuracy, uar] = [confusion.accuracy(), confusion.uar()].map(|share| share * 100.0);
    let title = format!("{} test clips: accuracy {accuracy:.1} %, UAR {uar:.1} %", confusion.total());
    charts::confusion(title, confusion)
}
