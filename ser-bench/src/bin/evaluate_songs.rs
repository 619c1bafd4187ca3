//! Measures the recommender with simulated listeners of a catalogue, as tables: strategies, taste, journeys.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use mood_recommender::{Catalog, Recommender};
use ser_bench::songs;
use ser_examples::cli;

/// Measures strategies, taste and journeys on a catalogue with simulated listeners. One seed gives one result.
#[derive(Parser)]
struct Arguments {
    /// A catalogue, such as data_moods.csv.
    #[arg(long, value_name = "FILE")]
    catalog: PathBuf,
    /// Simulated listeners.
    #[arg(long, default_value_t = 1000)]
    listeners: usize,
    /// The seed of the listeners.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Largest difference of scores at which songs may change places, for the second table of strategies.
    #[arg(long, default_value_t = 0.05)]
    shuffle: f32,
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> Result<()> {
    let recommender = Recommender::new(Catalog::open(&arguments.catalog)?)?;
    let listeners = songs::listeners(recommender.catalog(), arguments.listeners, arguments.seed);
    for shuffle in [0.0, arguments.shuffle] {
        println!(
            "\n| strategy, shuffle {shuffle} | valence shift | energy shift | popularity bias | coverage | diversity | repeats |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- |");
        for effect in songs::effects(&recommender, &listeners, shuffle)? {
            println!(
                "| {} | {:+.2} | {:+.2} | {:+.0} | {:.0} % | {:.2} | {:.0} % |",
                effect.strategy,
                effect.valence_shift,
                effect.energy_shift,
                effect.popularity_bias,
                effect.coverage * 100.0,
                effect.diversity,
                effect.repeats * 100.0
            );
        }
    }
    let recall = songs::recall(&recommender, &listeners)?;
    println!("\n| recall at 20, {} listeners | |\n| --- | --- |", recall.listeners);
    for (name, value) in [
        ("profile", recall.profile),
        ("no profile", recall.no_profile),
        ("random", recall.random),
        ("popularity", recall.popularity),
        ("cosine to the mean like", recall.cosine),
        ("nearest like", recall.nearest),
    ] {
        println!("| {name} | {value:.3} |");
    }
    let journeys = songs::smoothness(&recommender)?;
    println!("\n| journeys of ten songs | detour | deviation | longest step |\n| --- | --- | --- | --- |");
    println!(
        "| recommender | {:.2} | {:.3} | {:.2} |",
        journeys.detour, journeys.deviation, journeys.longest_step
    );
    println!(
        "| nearest song to each place | {:.2} | {:.3} | {:.2} |",
        journeys.nearest_detour, journeys.nearest_deviation, journeys.nearest_longest_step
    );
    Ok(())
}
