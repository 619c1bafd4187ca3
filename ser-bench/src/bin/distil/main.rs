//! Trains and measures a small network on the answers of the large model (knowledge distillation). No bundled model is made by it.

mod student;
mod teacher;
mod unlabelled;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Parser;
use ser_bench::voices::{Discriminant, VoiceBench, VoiceClips, VoiceOptions, statistics_read};
use ser_data::{CorpusOptions, LabelSet};
use ser_examples::training_set::{TrainingSet, corpus_options};
use ser_examples::{assets, cli, interrupt, output};
use ser_models::{Recipe, RecipeFile};
use serde::Serialize;

use student::Student;
use teacher::Teacher;
use unlabelled::Unlabelled;

/// Trains small networks on the large model's answers, mixed with the labels.
///
/// The large model is heads on the outputs of Whisper's encoder for all corpora, as `voices` makes them. Each clip's answer comes from heads
/// that were not trained on its speaker: the speakers of a training part are divided into --parts groups, and heads that are trained on the
/// other groups answer for each group. Recordings without labels (--unlabelled) train too, on the answers of heads that are trained on the
/// whole training part. Their speakers must be none of the labelled clips': the answers would be those for known speakers, and speakers that
/// are measured would train. A recording whose name is that of a labelled speaker's clip, such as a song of RAVDESS, is refused.
///
/// Small networks are measured on the five published folds of RAVDESS's actors, with all other corpora in the training part too: on the
/// validation actors, or with --test on the test actors, by which no choice is made. An interrupted run resumes from the files in --folder.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: VoiceOptions,
    /// Recordings without labels: files, or folders with all recordings below; may be given more than once. They train in each fold, on the
    /// large model's answers alone, and are measured in none. They are the corpus `unlabelled` of the recipe's sampling. A recording
    /// of twice the small network's input or more (six seconds, as recipes are by default) is cut into equal windows of about that length,
    /// which both models read; windows without speech are left out. Copies of labelled clips are left out; in another format they are known
    /// if they are not cut.
    #[arg(long, value_name = "PATH")]
    unlabelled: Vec<PathBuf>,
    /// Folder for the networks; each is written as soon as it is trained.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// The small network and its training, as a file for `train --config`, instead of recipes/small.toml.
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Share of the large model's answer in the small one's target for a labelled clip, 0 to 1; the rest is the label.
    #[arg(long, default_value_t = 0.8)]
    teacher: f32,
    /// Trained heads of each large model, of different seeds; the discriminant answers beside them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    heads: u64,
    /// Leave out the linear discriminant that answers beside the trained heads.
    #[arg(long)]
    trained_only: bool,
    /// Groups that the speakers of a training part are divided into.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=100))]
    parts: u32,
    /// Seed of the small network's training.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Measure these folds alone, counted from 1.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=5))]
    fold: Vec<u8>,
    /// Measure on the test actors, with the validation actors in training. Use it only once for each recipe.
    #[arg(long)]
    test: bool,
    /// Measure on clips in noise and over a telephone too.
    #[arg(long)]
    disturbed: bool,
    /// Measure the large model too, and the mean of both.
    #[arg(long)]
    beside: bool,
    /// Train on all clips, and write the model with a readout that is fitted to the validation actors' answers.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["test", "disturbed", "fold"])]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!((0.0..=1.0).contains(&arguments.teacher), "--teacher must be 0 to 1, got {}", arguments.teacher);
    let small = match &arguments.recipe {
        Some(path) => RecipeFile::read(path)?,
        None => RecipeFile::parse("small.toml", include_str!("../../../recipes/small.toml"))?,
    };
    let small = Recipe::of(&small)?;
    let large = Recipe::of(&RecipeFile::parse("voices.toml", assets::VOICES_RECIPE)?)?;
    let layers = statistics_read(&large.architecture)?;
    if let Some(path) = &arguments.output {
        output::check_folder(path)?;
    }
    std::fs::create_dir_all(&arguments.folder).with_context(|| arguments.folder.display().to_string())?;
    let encoder = arguments.options.encoder(layers - 1)?;
    let voices = arguments.options.clips(&large, &encoder, VoiceClips::COPIES)?;
    let unlabelled = match &arguments.unlabelled[..] {
        [] => None,
        named => Some(Unlabelled::load(named, &voices, &encoder, &small)?),
    };
    let claim = Claim {
        version: env!("CARGO_PKG_VERSION"),
        small: &small,
        large: &large,
        discriminant: !arguments.trained_only,
        encoder: encoder.digest(),
        clips: voices.clips.iter().map(|clip| (clip.id.as_str(), clip.label.as_str())).collect(),
        unlabelled: unlabelled.iter().flat_map(|clips| clips.dataset.ids()).map(String::as_str).collect(),
    };
    claim.write(&arguments.folder)?;
    let options = CorpusOptions {
        label_map: arguments.options.label_map()?,
        ..corpus_options(&small, LabelSet::Emotions, None)?
    };
    let set = TrainingSet::load(&arguments.options.sources()?, &options, small.architecture.input())?;
    ensure!(
        voices.clips.iter().map(|clip| &clip.id).eq(set.clips.iter().map(|clip| &clip.id)),
        "small model: clips must be those of the large one, got others"
    );
    let stop = interrupt::on_ctrl_c()?;
    let discriminant = (!arguments.trained_only).then(Discriminant::bundled);
    let bench =
        VoiceBench { clips: voices, recipe: large, encoder, seeds: arguments.heads, discriminant, stop };
    let teacher = Teacher { bench, parts: arguments.parts, folder: &arguments.folder };
    Student { arguments, recipe: small, teacher, set, unlabelled }.folds()
}

/// The settings that all results in a folder share. The names of their files contain all other settings.
#[derive(Serialize)]
struct Claim<'a> {
    /// Version of this program: another one may compute other results.
    version: &'static str,
    small: &'a Recipe,
    large: &'a Recipe,
    discriminant: bool,
    /// Digest of its file.
    encoder: &'a str,
    /// Ids and labels.
    clips: Vec<(&'a str, &'a str)>,
    unlabelled: Vec<&'a str>,
}

impl Claim<'_> {
    /// Writes the settings to the folder, or compares them with those that are there.
    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let (claim, file) = (serde_json::to_string(self)?, folder.join("recipes.json"));
        if file.exists() {
            let known = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let is_same = known == claim;
            ensure!(
                is_same,
                "{}: version, recipes, encoder and clips must be this run's, got others; choose another --folder",
                file.display()
            );
            return Ok(());
        }
        let is_empty = std::fs::read_dir(folder)?.next().is_none();
        ensure!(is_empty, "{}: folder must be empty or have recipes.json, got other files", folder.display());
        output::write(&file, claim.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_results_of_one_pair_of_recipes_and_of_the_same_clips() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = Recipe::of(&RecipeFile::parse("a", "arch = 'cnn-1d'").unwrap()).unwrap();
        let other = RecipeFile::parse("b", "arch = 'cnn-1d'\n[training]\nepochs = 7").unwrap();
        let other = Recipe::of(&other).unwrap();
        let path = folder.path();
        let claim = || Claim {
            version: "1.2.3",
            small: &recipe,
            large: &recipe,
            discriminant: true,
            encoder: "x",
            clips: vec![("a", "happy"), ("b", "sad")],
            unlabelled: vec!["c"],
        };
        claim().write(path).unwrap();
        claim().write(path).unwrap();
        for refused in [
            Claim { small: &other, ..claim() },
            Claim { large: &other, ..claim() },
            Claim { discriminant: false, ..claim() },
            Claim { encoder: "y", ..claim() },
            Claim { clips: vec![("a", "happy")], ..claim() },
            Claim { clips: vec![("a", "happy"), ("b", "calm")], ..claim() },
            Claim { version: "1.2.4", ..claim() },
            Claim { unlabelled: vec![], ..claim() },
        ] {
            let error = refused.write(path).unwrap_err().to_string();
            assert!(error.ends_with("must be this run's, got others; choose another --folder"), "{error}");
        }
        std::fs::remove_file(path.join("recipes.json")).unwrap();
        std::fs::write(path.join("old.safetensors"), "").unwrap();
        let error = claim().write(path).unwrap_err().to_string();
        assert!(error.ends_with("folder must be empty or have recipes.json, got other files"), "{error}");
    }
}
