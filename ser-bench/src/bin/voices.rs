//! Measures and makes the bundled model `voices`: heads on the outputs of Whisper's encoder for several corpora.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use ser_bench::experiments::{Disturbance, Predictions};
use ser_bench::voices::{
    CORPORA, Discriminant, FOLDS, Heads, MoodReadout, ProfileScore, VoiceBench, VoiceClips, VoiceOptions,
    all_of, corpus_rows, fold_rows, recalls, statistics_read,
};
use ser_examples::{assets, cli, interrupt, output};
use ser_models::input::ClipEncoder;
use ser_models::models::Architecture;
use ser_models::training::EncodedClips;
use ser_models::{Checkpoint, Recipe, RecipeFile};

/// Encodes the clips of all corpora once, clean and in augmented copies, and trains heads on the result.
///
/// Heads are measured on the five published folds of RAVDESS's actors, with all other corpora in the training part too: on the validation
/// actors, or with --test on the test actors, by which no choice is made. With --leave-out they are measured on each other corpus, which is
/// then left out of the training.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: VoiceOptions,
    /// The head and its training, as a file for `train --config`, instead of examples/assets/voices.toml.
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Augmented copies of each clip that heads are trained on in addition to the clean one.
    #[arg(long, default_value_t = VoiceClips::COPIES)]
    copies: usize,
    /// Leave out the linear discriminant that answers beside the trained heads.
    #[arg(long)]
    trained_only: bool,
    /// Seeds of each fold; their probabilities are averaged, and those of single ones are printed too.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Measure on the test actors, with the validation actors in training. Use it only once for each recipe.
    #[arg(long)]
    test: bool,
    /// Measure on clips in noise and over a telephone too.
    #[arg(long)]
    disturbed: bool,
    /// Then measure the heads' timelines on long recordings, joined from the clips of the actors that the heads are measured on, clean and
    /// in noise, and print the share of correct time.
    #[arg(long)]
    recordings: bool,
    /// Then make a profile of five unlabelled clips of each voice that the heads are measured on, and measure them on the voice's other
    /// clips without and with it.
    #[arg(long)]
    profiles: bool,
    /// Measure on each corpus but RAVDESS, left out of the training in turn: neutral, happy, sad and angry clips count as the four moods.
    #[arg(long, conflicts_with_all = ["test", "disturbed", "recordings"])]
    leave_out: bool,
    /// Train on all clips, and write the model with a readout that is fitted to the validation actors' answers.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["test", "disturbed", "leave_out"])]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let file = match &arguments.recipe {
        Some(path) => RecipeFile::read(path)?,
        None => RecipeFile::parse("voices.toml", assets::VOICES_RECIPE)?,
    };
    let recipe = Recipe::of(&file)?;
    let layers = statistics_read(&recipe.architecture)?;
    if let Some(path) = &arguments.output {
        output::check_folder(path)?;
    }
    let encoder = arguments.options.encoder(layers - 1)?;
    let clips = arguments.options.clips(&recipe, &encoder, arguments.copies)?;
    let stop = interrupt::on_ctrl_c()?;
    let discriminant = (!arguments.trained_only).then(Discriminant::bundled);
    let bench = VoiceBench { clips, recipe, encoder, seeds: arguments.seeds, discriminant, stop };
    if arguments.leave_out { left_out(&bench, arguments) } else { folds(&bench, arguments) }
}

fn folds(bench: &VoiceBench, arguments: &Arguments) -> anyhow::Result<()> {
    let folds = bench.folds(arguments.test)?;
    let part = if arguments.test { "test" } else { "validation" };
    cli::print(format!("{part} actors of {} folds, {} seeds", folds.len(), arguments.seeds))?;
    cli::print(FOLDS)?;
    let answers = |encoded: &EncodedClips| {
        folds.iter().map(|fold| bench.answers(fold, encoded)).collect::<anyhow::Result<Vec<_>>>()
    };
    let clean = answers(&bench.clips.encoded)?;
    cli::print(fold_rows(&Disturbance::None.name(), &clean)?)?;
    if arguments.disturbed {
        for way in [Disturbance::Noise(10.0), Disturbance::Noise(5.0), Disturbance::Telephone] {
            cli::print(fold_rows(&way.name(), &answers(&bench.disturbed(&folds, way)?)?)?)?;
        }
    }
    let means = clean.iter().map(Heads::mean).collect::<anyhow::Result<Vec<_>>>()?;
    let answers = all_of(&means)?;
    cli::print(recalls(&answers))?;
    let fitted = MoodReadout::fit(&answers, 0.9)?;
    cli::print(fitted.to_string())?;
    cli::print(with_bundled_readout(&answers)?)?;
    if arguments.profiles {
        cli::print(format!("\n{}\n{}\n", ProfileScore::TABLE, bench.profiles(&folds)?.row("ravdess")))?;
    }
    if arguments.recordings {
        cli::print(format!("long recordings:\n\n{}", bench.recordings(&folds, &fitted.readout)?))?;
    }
    match &arguments.output {
        Some(path) => make(bench, path, fitted),
        None => Ok(()),
    }
}

fn left_out(bench: &VoiceBench, arguments: &Arguments) -> anyhow::Result<()> {
    let left_out = bench.left_out()?;
    cli::print(format!("each corpus left out of the training, {} seeds", arguments.seeds))?;
    cli::print(CORPORA)?;
    for (corpus, fold) in &left_out {
        let answers = bench.answers(fold, &bench.clips.encoded)?;
        cli::print(corpus_rows(corpus, &answers)?)?;
        let answers = answers.mean()?;
        cli::print(recalls(&answers))?;
        cli::print(with_bundled_readout(&answers)?)?;
    }
    if arguments.profiles {
        cli::print(format!("\n{}", ProfileScore::TABLE))?;
        for (corpus, fold) in &left_out {
            match bench.profiles([fold]) {
                Ok(score) => cli::print(score.row(corpus))?,
                Err(error) => cli::print(format!("| {corpus} | not measured: {error} | | | |"))?,
            }
        }
    }
    Ok(())
}

/// Confidence of these answers with the bundled model's readout, which was fitted to validation actors.
fn with_bundled_readout(answers: &Predictions) -> anyhow::Result<String> {
    let readout = Checkpoint::from_bytes(assets::VOICES)?.readout;
    Ok(format!("with the bundled readout: {}", MoodReadout::of(&readout, answers)))
}

/// Trains on all clips.
fn make(bench: &VoiceBench, path: &Path, fitted: MoodReadout) -> anyhow::Result<()> {
    let all: Vec<usize> = (0..bench.clips.clips.len()).collect();
    let mut heads = bench.heads(&all, "all clips")?;
    for head in heads.trained.iter_mut().chain(&mut heads.discriminant) {
        if let Architecture::WhisperHead(config) = &mut head.architecture {
            bench.encoder.digest().clone_into(&mut config.encoder);
        }
        head.features = ClipEncoder::features(bench.encoder.n_mels());
    }
    let mut model = heads.together()?;
    model.readout = fitted.readout;
    model.save(path)?;
    cli::print(format!("{}: {} clips, {} heads", path.display(), all.len(), heads.votes().count()))
}
