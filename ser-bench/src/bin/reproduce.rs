//! Runs the experiments of *Speech Emotion Recognition with Music Recommendation* (the student report that this project reimplements) and
//! related ones, with protocols that keep test clips out of training, and reports the results.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use ser_bench::experiments::{Experiment, Folder, Part, Results, Run, report, save_combined};
use ser_bench::voices::VoiceRows;
use ser_data::CorpusFormat;
use ser_examples::{cli, interrupt, output, progress};
use ser_models::{Recipe, RecipeFile};

/// Trains the report's networks on RAVDESS by several protocols and measures each model once on its own test part, which had no influence
/// on it.
///
/// The folder of results holds each model's predictions, history and checkpoint, pictures, and all figures as `results.json` and
/// `results.md`. Finished work there is not repeated: the same command resumes an interrupted run.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  cargo run --release -p ser-bench --bin reproduce -- --data Audio_Speech_Actors_01-24.zip\n  cargo run --release -p ser-bench --bin reproduce -- --data Audio_Speech_Actors_01-24.zip --only cnn-1d --seeds 1"
)]
struct Arguments {
    /// RAVDESS: the folder, or the .zip as downloaded.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Other labelled speech beside RAVDESS (EMO-DB, nEMO, ASED), for the rows of heads on Whisper's encoder; may be given more than once.
    #[arg(long, value_name = "DIR")]
    corpora: Vec<PathBuf>,
    /// Only this experiment, or the rows of heads on Whisper's encoder (voices); may be given more than once.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    only: Vec<String>,
    /// Number of seeds, from 0 up, instead of each protocol's own number.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// Folder of the results.
    #[arg(long, value_name = "DIR", default_value = "results")]
    output: PathBuf,
    /// Folder to keep extracted features in [default: `features` in the folder of the results].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Measure on validation parts cut from the training parts, to choose a recipe: the test parts are not used.
    #[arg(long)]
    validate: bool,
    /// Then measure the speaker-independent models on disturbed recordings: with noise, at other levels, through a telephone and through
    /// MP3 (where the program `ffmpeg` is there).
    #[arg(long)]
    robustness: bool,
    /// Then measure the timelines of the speaker-independent models and of heads on Whisper's encoder on long recordings, joined from clips
    /// of actors that were not in training, clean and in noise, and print the share of correct time.
    #[arg(long)]
    recordings: bool,
    /// Another recipe than the experiment's own, as a file for `train --config`.
    #[arg(long, value_name = "FILE", requires = "only")]
    recipe: Option<PathBuf>,
}

/// Values of `--only`.
fn names() -> Vec<&'static str> {
    Experiment::ALL.iter().map(|experiment| experiment.name).chain([VOICES]).collect()
}

/// The name of the rows of heads on Whisper's encoder.
const VOICES: &str = "voices";

/// Seeds of those heads.
const HEAD_SEEDS: u64 = 3;

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let chosen = |experiment: &Experiment| {
        arguments.only.is_empty() || arguments.only.iter().any(|name| name == experiment.name)
    };
    let sources: Vec<Experiment> =
        Experiment::ALL.into_iter().filter(chosen).flat_map(Experiment::sources).collect();
    let experiments: Vec<Experiment> = Experiment::ALL.into_iter().filter(|e| sources.contains(e)).collect();
    let recipe = arguments.recipe.as_deref().map(|path| Recipe::of(&RecipeFile::read(path)?)).transpose()?;
    if recipe.is_some() && experiments.len() > 1 {
        let names: Vec<&str> = experiments.iter().map(|experiment| experiment.name).collect();
        bail!("--recipe must be given with one experiment, got {}: {}", names.len(), names.join(", "));
    }
    let stop = interrupt::on_ctrl_c()?;

    let cache = arguments.cache.clone().unwrap_or_else(|| arguments.output.join("features"));
    let part = if arguments.validate { Part::Validation } else { Part::Test };
    // Other experiments in the folder of results are shown with the default seeds of their protocols.
    let seeds = |experiment: &Experiment| {
        let asked = arguments
            .seeds
            .filter(|_| experiment.sources().iter().all(|source| experiments.contains(source)));
        asked.unwrap_or(experiment.protocol.seeds())
    };
    // Opens all folders first, so that a conflict or a damaged file is reported at once and not after hours.
    let runs: Vec<Run> = experiments
        .iter()
        .map(|experiment| Run::new(*experiment, recipe.clone(), part, seeds(experiment), &arguments.output))
        .collect::<anyhow::Result<_>>()?;
    std::fs::create_dir_all(&arguments.output).with_context(|| arguments.output.display().to_string())?;
    report(&arguments.output, part, seeds)?;
    for (number, (run, experiment)) in runs.iter().zip(&experiments).enumerate() {
        let set = run.clips(&arguments.data, Some(cache.clone()))?;
        let clips = set.groups.len();
        if number == 0 && clips != CorpusFormat::RAVDESS_SPEECH {
            let data = arguments.data.display();
            cli::note(format_args!(
                "note: {data} holds {clips} clips, RAVDESS {}: figures cannot be compared with published ones",
                CorpusFormat::RAVDESS_SPEECH
            ));
        }
        let bar = progress::bar(0, "epochs");
        bar.set_prefix(format!("{} of {}: {}", number + 1, experiments.len(), experiment.name));
        run.train(&set, &bar, &stop)?;
        bar.finish_and_clear();
        if arguments.robustness && experiment.is_shown_robustness() {
            let bar = progress::bar(0, "disturbed");
            run.disturb(&arguments.data, &bar, &stop)?;
            bar.finish_and_clear();
        }
        if arguments.recordings && experiment.is_shown_robustness() {
            let bar = progress::bar(0, "recordings");
            let scores = run.recordings(&arguments.data, &bar, &stop)?;
            bar.finish_and_clear();
            cli::print(format!("Long recordings, {}:\n\n{scores}", experiment.name))?;
        }
        // Writes the tables after each experiment, so that they can be read while the others run.
        report(&arguments.output, part, seeds)?;
    }
    cli::print(report(&arguments.output, part, seeds)?.trim_end())?;
    if arguments.only.is_empty() || arguments.only.iter().any(|name| name == VOICES) {
        let rows = VoiceRows {
            ravdess: &arguments.data,
            corpora: &arguments.corpora,
            cache: &cache,
            seeds: arguments.seeds.unwrap_or(HEAD_SEEDS),
            test: part == Part::Test,
            recordings: arguments.recordings,
            stop: &stop,
        };
        let table = rows.measure()?;
        let name = if part == Part::Test { "voices.md" } else { "voices-validation.md" };
        output::write(&arguments.output.join(name), table.as_bytes())?;
        cli::print(format!("\n{}", table.trim_end()))?;
    }
    Ok(())
}

/// Writes the results of all experiments in a folder so far, and returns the tables.
fn report(output: &Path, part: Part, seeds: impl Fn(&Experiment) -> u64) -> anyhow::Result<String> {
    let mut all = Vec::new();
    for experiment in Experiment::ALL {
        let folder = Folder::new(experiment, part, output);
        let validation = Folder::new(experiment, Part::Validation, output);
        if let Some(results) = Results::of(&folder, &validation, seeds(&experiment))? {
            save_combined(&folder, seeds(&experiment))?;
            report::draw(&folder, &results)?;
            all.push(results);
        }
    }
    let parts = [
        ("", report::table(&all)),
        ("What is left where recordings are worse", report::robustness_table(&all)),
        ("Whether probabilities are true, in percent", report::calibration_table(&all)),
        ("What else the report says", report::claims(&all)),
    ];
    let mut text = String::new();
    for (title, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
        let title = if title.is_empty() { String::new() } else { format!("\n{title}:\n\n") };
        text += &(title + &part);
    }
    let name = if part == Part::Test { "results" } else { "validation" };
    output::write(&output.join(format!("{name}.json")), &serde_json::to_vec_pretty(&all)?)?;
    output::write(&output.join(format!("{name}.md")), text.as_bytes())?;
    Ok(text)
}
