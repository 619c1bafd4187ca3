//! What a catalogue of songs holds, as a picture: its moods, what songs of each mood have more of, and what goes with what.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use mood_recommender::Catalog;
use ser_examples::{cli, progress};
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
    /// A catalogue with the columns of data_moods.csv.
    #[arg(long, value_name = "CSV")]
    catalog: Option<PathBuf>,
    #[command(flatten)]
    picture: PictureFile,
}

fn main() -> ExitCode {
    cli::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.picture.check()?;
    let (name, catalog) = match &arguments.catalog {
        Some(path) => {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            (name, progress::busy(format_args!("reading {}", path.display()), || Catalog::open(path))?)
        }
        None => ("the bundled catalogue".to_string(), Catalog::starter()),
    };
    arguments.picture.save(charts::catalog(&name, &catalog))
}
