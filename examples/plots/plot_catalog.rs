//! What a catalogue of songs holds, as a picture: its moods, what songs of each mood have more of, and what goes with what.

use std::process::ExitCode;

use clap::Parser;
use ser_examples::catalog::CatalogArguments;
use ser_examples::cli;
use ser_plots::{PictureFile, charts};

/// Draws the mood distribution of a catalogue, the correlation of every feature with every mood, and that of the features with each
/// other, as PNG or SVG by the output's name.
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
