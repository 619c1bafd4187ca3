//! Trains a model to bundle, by the speaker-independent recipes, on every clip of RAVDESS.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Parser;
use ser_bench::experiments::{Experiment, ravdess, remove_states, train};
use ser_data::{LabelSet, Split};
use ser_examples::training_set::{TrainingSet, corpus_options};
use ser_examples::{cli, interrupt, output, progress};
use ser_models::{Checkpoint, Readout, Recipe, RecipeFile};

/// Trains the recipes of the experiment `speaker-independent-moods` on all clips, without a test part, and joins their networks into one
/// file that recognises moods. The same command gives the same bytes on one machine; an interrupted run resumes.
#[derive(Parser)]
struct Arguments {
    /// RAVDESS speech: a folder with its WAV files, or the ZIP archive.
    #[arg(long, value_name = "DIR", required_unless_present = "weights")]
    data: Option<PathBuf>,
    /// The model's file.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Divisor of the logits: the temperature that `reproduce --only speaker-independent-moods --validate --seeds 1` prints for its sums to
    /// moods. Left out, it is 1, or with `--weights` that model's own.
    #[arg(long)]
    temperature: Option<f64>,
    /// The least probability of a confident answer, 0 to 1: the one that the same run prints for its sums to moods. Left out, it is 0, or
    /// with `--weights` that model's own.
    #[arg(long)]
    confidence: Option<f64>,
    /// Model whose weights are kept; only its temperature and confidence are changed.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "recipe", "cache"])]
    weights: Option<PathBuf>,
    /// Another recipe, which is then trained alone, instead of the experiment's own: as a file for `train --config`.
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
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let range = Readout::TEMPERATURES;
    if let Some(temperature) = arguments.temperature {
        let (least, most) = (range.start(), range.end());
        ensure!(range.contains(&temperature), "--temperature must be {least} to {most}, got {temperature}");
    }
    if let Some(confidence) = arguments.confidence {
        ensure!((0.0..=1.0).contains(&confidence), "--confidence must be 0 to 1, got {confidence}");
    }
    output::check_folder(&arguments.output)?;
    if let Some(path) = &arguments.weights {
        let mut model = Checkpoint::load(path)?;
        model.readout = asked(model.readout, arguments);
        model.save(&arguments.output)?;
        return cli::print(format!("{}: the weights of {}", arguments.output.display(), path.display()));
    }
    let data = arguments.data.as_deref().context("--data must be given, got none")?;
    let experiment = Experiment::named(Experiment::BUNDLED)
        .with_context(|| format!("experiments: names must have {}, got none", Experiment::BUNDLED))?;
    let recipes: Vec<(Recipe, u16)> = match &arguments.recipe {
        Some(path) => vec![(Recipe::of(&RecipeFile::read(path)?)?, 1)],
        None => experiment
            .sources()
            .iter()
            .zip(experiment.weights())
            .map(|(source, weight)| Ok((source.recipe()?, weight)))
            .collect::<anyhow::Result<_>>()?,
    };
    // All recipes have the same input, as networks in one file must.
    let (first, _) = recipes.first().context("experiment: recipes must be 1 or more, got 0")?;
    let options = corpus_options(first, LabelSet::Emotions, arguments.cache.clone())?;
    let set = TrainingSet::load(&[ravdess(data)], &options, first.architecture.input())?;
    let all = Split { train: (0..set.groups.len()).collect(), ..Split::default() };
    let source = set.checkpoint_source("all clips", arguments.seed, &all)?;
    let (clips, stop) = (set.dataset()?, interrupt::on_ctrl_c()?);
    let (mut models, mut states) = (Vec::new(), Vec::new());
    for (number, (recipe, weight)) in (1..).zip(&recipes) {
        let mut state = arguments.output.clone().into_os_string();
        state.push(format!(".{number}.training"));
        let state = PathBuf::from(state);
        let bar = progress::bar((recipe.training.epochs * recipe.members) as u64, "epochs");
        bar.set_prefix(format!("{number} of {}", recipes.len()));
        let (model, _) = train(recipe, &clips, arguments.seed, &source, &state, &bar, &stop)?;
        models.push((model, f64::from(*weight)));
        bar.finish_and_clear();
        states.push(state);
    }
    let mut model = Checkpoint::join(&models)?;
    let classes = LabelSet::moods_of_emotions(&model.labels)
        .with_context(|| format!("model: labels must be emotions, got {:?}", model.labels))?;
    model.readout = asked(Readout { classes, ..Readout::default() }, arguments);
    model.save(&arguments.output)?;
    for ((recipe, _), state) in recipes.iter().zip(&states) {
        remove_states(recipe, state);
    }
    let epochs: Vec<_> = recipes.iter().map(|(recipe, _)| recipe.training.epochs.to_string()).collect();
    let (file, clips) = (arguments.output.display(), model.split.train.len());
    cli::print(format!("{file}: {clips} clips, {} epochs", epochs.join(" and ")))
}

/// The readout with the temperature and the confidence of the command line, where they are given.
fn asked(readout: Readout, arguments: &Arguments) -> Readout {
    let temperature = arguments.temperature.unwrap_or(readout.temperature);
    let confidence = arguments.confidence.unwrap_or(readout.confidence);
    Readout { temperature, confidence, ..readout }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_stays() {
        let before = Readout { temperature: 1.7, confidence: 0.4, ..Readout::default() };
        let of = |options: &[&str]| {
            let line = ["bundle", "--output", "a", "--weights", "b"].iter().chain(options);
            let readout = asked(before.clone(), &Arguments::parse_from(line));
            (readout.temperature, readout.confidence)
        };
        assert_eq!(of(&[]), (1.7, 0.4));
        assert_eq!(of(&["--confidence", "0.5"]), (1.7, 0.5));
        assert_eq!(of(&["--temperature", "2"]), (2.0, 0.4));
    }
}
