//! Draws a picture of a catalogue of songs: its moods, and the correlations of features with moods and with each other.

use std::process::ExitCode;

use clap::Parser;
use ser_examples::catalog::CatalogArguments;
use ser_examples::cli;
use ser_plots::{PictureFile, charts};

/// Draws the mood distribution of a catalogue, the correlation of each feature with each mood, and the correlations between the features.
/// The extension of the output file decides the format, PNG or SVG.
///
/// Without a catalogue it draws the bundled one.
#[derive(Parser)]
#[command(after_help = cli::epilogue(
    "  cargo run --release --example plot_catalog -- --catalog data_moods.csv --output catalog.png"
))]
struct Arguments {
    #[command(flatten)]
    catalog: CatalogArguments,
    #[command(flatten)]
    picture: PictureFile,
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.picture.check()?;
    let catalog = arguments.catalog.open()?;
    let name = match &arguments.catalog.catalog {
        Some(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        None => arguments.catalog.name(),
    };
    arguments.picture.save(charts::catalog(&name, &catalog))
}
