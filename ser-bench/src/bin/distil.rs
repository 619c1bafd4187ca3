//! Trains and measures a small network on the answers of the large model (knowledge distillation). No bundled model is made by it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Parser;
use ndarray::Array2;
use ser_bench::experiments::{Disturbance, Predictions, disturbed, predict, remove_states, train};
use ser_bench::voices::{
    Discriminant, FOLDS, MoodReadout, VoiceBench, VoiceClips, all_of, answer, fold_row, recalls,
};
use ser_data::{Clip, LabelSet, Split, published_folds, speakers_of};
use ser_examples::speech::Labelling;
use ser_examples::training_set::{TrainingSet, corpus_options};
use ser_examples::{assets, cli, interrupt, output, progress};
use ser_models::encoder::WhisperEncoder;
use ser_models::input::ModelInput;
use ser_models::training::member_seed;
use ser_models::{Checkpoint, Recipe, RecipeFile};

/// Trains small networks on the large model's answers, mixed with the labels.
///
/// The large model is heads on the outputs of Whisper's encoder for all corpora, as `voices` makes them. Each clip's answer comes from heads
/// that were not trained on its speaker: the speakers of a training part are divided into --parts groups, and heads that are trained on the
/// other groups answer for each group.
///
/// They are measured on the five published folds of RAVDESS's actors, with all other corpora in the training part too: on the validation
/// actors, or with --test on the test actors, by which no choice is made. An interrupted run resumes from the files in --folder.
#[derive(Parser)]
struct Arguments {
    /// Labelled speech: a folder, an archive or a table; may be given more than once. One of them is RAVDESS.
    #[arg(long, value_name = "DIR", required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    labelling: Labelling,
    /// The encoder: a safetensors file in f32, f16 or i8.
    #[arg(long, value_name = "FILE")]
    encoder: PathBuf,
    /// File that keeps the encoder's outputs for the next run.
    #[arg(long, value_name = "FILE")]
    cache: PathBuf,
    /// Folder for the networks; each is written as soon as it is trained.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// The small network and its training, as a file for `train --config`, instead of recipes/small.toml.
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Share of the large model's answer in the small one's target, 0 to 1; the rest is the label.
    #[arg(long, default_value_t = 0.8)]
    teacher: f32,
    /// Trained heads of each large model, of different seeds; the discriminant answers beside them.
    #[arg(long, default_value_t = 1)]
    heads: u64,
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
        None => RecipeFile::parse("small.toml", include_str!("../../recipes/small.toml"))?,
    };
    let small = Recipe::of(&small)?;
    let large = Recipe::of(&RecipeFile::parse("voices.toml", assets::VOICES_RECIPE)?)?;
    let layers = match large.architecture.input() {
        ModelInput::Encoded { layers, .. } => layers,
        other => anyhow::bail!("a head must read statistics of an encoder's outputs, got {other:?}"),
    };
    if let Some(path) = &arguments.output {
        output::check_folder(path)?;
    }
    std::fs::create_dir_all(&arguments.folder).with_context(|| arguments.folder.display().to_string())?;
    let encoder = Arc::new(WhisperEncoder::load(&arguments.encoder, layers - 1)?);
    let sources = arguments.labelling.sources(&arguments.data)?;
    let voices = VoiceClips::load(&sources, &large, &encoder, &arguments.cache, VoiceClips::COPIES)?;
    let ids: Vec<&str> = voices.clips.iter().map(|clip| clip.id.as_str()).collect();
    claim(&arguments.folder, &[&small, &large], encoder.digest(), &ids)?;
    let options = corpus_options(&small, LabelSet::Emotions, None)?;
    let set = TrainingSet::load(&sources, &options, small.architecture.input())?;
    ensure!(
        voices.clips.iter().map(|clip| &clip.id).eq(set.clips.iter().map(|clip| &clip.id)),
        "the large and the small model must read the same clips"
    );
    let (stop, discriminant) = (interrupt::on_ctrl_c()?, Some(Discriminant::bundled()));
    let large =
        VoiceBench { clips: voices, recipe: large, encoder, seeds: arguments.heads, discriminant, stop };
    Bench { arguments, small, large, set }.folds()
}

/// Writes down in the folder of what its results will be: of these recipes, encoder and clips. Its files are named by all else that they
/// depend on.
fn claim(folder: &Path, recipes: &[&Recipe; 2], encoder: &str, clips: &[&str]) -> anyhow::Result<()> {
    let [small, large] = recipes;
    let claim = serde_json::json!({ "small": small, "large": large, "encoder": encoder, "clips": clips });
    let (claim, file) = (serde_json::to_string(&claim)?, folder.join("recipes.json"));
    if file.exists() {
        let known = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let is_same = known == claim;
        ensure!(
            is_same,
            "{}: recipes, encoder and clips must be these, got others: choose another --folder",
            file.display()
        );
        return Ok(());
    }
    let is_empty = std::fs::read_dir(folder)?.next().is_none();
    ensure!(is_empty, "{}: the folder must be empty or hold recipes.json, got other files", folder.display());
    output::write(&file, claim.as_bytes())
}

struct Bench<'a> {
    arguments: &'a Arguments,
    small: Recipe,
    large: VoiceBench,
    set: TrainingSet,
}

impl Bench<'_> {
    /// What the large model answers for each of these clips, by heads that did not learn from its speaker. Kept in a file.
    fn answers(&self, train: &[usize], clips: &str) -> anyhow::Result<Predictions> {
        let voices = &self.large.clips;
        let Arguments { parts, heads, folder, .. } = self.arguments;
        let file = folder.join(format!("{clips}-answers-of-{heads}-heads-of-{parts}-parts.csv"));
        let ids: Vec<&String> = train.iter().map(|&at| &voices.clips[at].id).collect();
        if file.exists() {
            let kept = Predictions::load(&file)?;
            ensure!(
                kept.clips.iter().eq(ids),
                "{}: clips must be those that are asked for, got others",
                file.display()
            );
            return Ok(kept);
        }
        let part_of = dealt(train.iter().map(|&at| voices.clips[at].speaker.as_deref()), *parts as usize)?;
        let mut probabilities = Array2::zeros((train.len(), voices.label_names.len()));
        for part in 0..*parts as usize {
            let (asked, others): (Vec<usize>, Vec<usize>) =
                (0..train.len()).partition(|&place| part_of[place] == part);
            let of = |places: &[usize]| places.iter().map(|&place| train[place]).collect::<Vec<_>>();
            let answers = self
                .large
                .heads(&of(&others), &format!("{clips}, all parts but {part}"))?
                .try_map(|head| answer(&head.classifier()?, voices, &voices.encoded, &of(&asked)))?
                .mean()?;
            asked.iter().zip(answers.probabilities.outer_iter()).for_each(|(&place, row)| {
                probabilities.row_mut(place).assign(&row);
            });
        }
        let answers = Predictions {
            labels: voices.label_names.clone(),
            clips: ids.into_iter().cloned().collect(),
            truth: train.iter().map(|&at| voices.labels[at]).collect(),
            probabilities,
        };
        answers.save(&file)?;
        Ok(answers)
    }

    /// The small network's target for each of these clips: the large model's answer, mixed with the label.
    fn soft_labels(&self, train: &[usize], clips: &str) -> anyhow::Result<Array2<f32>> {
        let answers = self.answers(train, clips)?;
        let teacher = self.arguments.teacher;
        let mut soft = answers.probabilities * teacher;
        for (mut row, label) in soft.outer_iter_mut().zip(&answers.truth) {
            row[*label] += 1.0 - teacher;
        }
        Ok(soft)
    }

    /// What a network of this seed is called that learns from these clips.
    fn name(&self, clips: &str, seed: u64) -> String {
        let Arguments { teacher, heads, parts, .. } = self.arguments;
        format!("{clips}-teacher-{teacher}-heads-{heads}-parts-{parts}-seed-{seed}")
    }

    /// The small model of a fold: its networks, joined.
    fn network(&self, clips: &str, split: &Split) -> anyhow::Result<Checkpoint> {
        let members = self.small.members;
        let networks = (0..members)
            .map(|member| {
                let seed = member_seed(self.arguments.seed, members, member);
                Ok((self.member(clips, split, seed)?, 1.0))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Checkpoint::join(&networks)?)
    }

    /// A network of a fold: trained, or read where it was trained before.
    fn member(&self, clips: &str, split: &Split, seed: u64) -> anyhow::Result<Checkpoint> {
        let recipe = Recipe { members: 1, ..self.small.clone() };
        let name = self.name(clips, seed);
        let file = self.arguments.folder.join(format!("{name}.safetensors"));
        if file.exists() {
            return Ok(Checkpoint::load(&file)?);
        }
        let places = &split.train;
        let corpora: Vec<&str> = places.iter().map(|&at| self.set.clips[at].corpus.as_str()).collect();
        let soft = self.soft_labels(places, clips)?;
        let training = self.set.part(places)?.with_corpora(corpora)?.with_soft_labels(soft)?;
        let source = self.set.checkpoint_source(&name, seed, split)?;
        let state = file.with_extension("training");
        let bar = progress::bar(recipe.training.epochs as u64, "epochs");
        bar.set_prefix(name);
        let (model, _) = train(&recipe, &training, seed, &source, &state, &bar, &self.large.stop)?;
        bar.finish_and_clear();
        model.save(&file)?;
        remove_states(&recipe, &state);
        Ok(model)
    }

    /// What heads that learnt from these clips answer to others. Kept in a file.
    fn large_answers(&self, train: &[usize], clips: &str, measured: &[usize]) -> anyhow::Result<Predictions> {
        let voices = &self.large.clips;
        let file = self.arguments.folder.join(format!("{clips}-large-{}-heads.csv", self.arguments.heads));
        if file.exists() {
            let kept = Predictions::load(&file)?;
            let ids = measured.iter().map(|&at| &voices.clips[at].id);
            ensure!(
                kept.clips.iter().eq(ids),
                "{}: clips must be those that are asked for, got others",
                file.display()
            );
            return Ok(kept);
        }
        let answers = self
            .large
            .heads(train, clips)?
            .try_map(|head| answer(&head.classifier()?, voices, &voices.encoded, measured))?
            .mean()?;
        answers.save(&file)?;
        Ok(answers)
    }

    fn folds(&self) -> anyhow::Result<()> {
        let Self { arguments, set, .. } = self;
        let voices = &self.large.clips;
        let speakers: Vec<&str> = speakers_of(&voices.clips)?;
        let (part, asked) = if arguments.test { ("test", "with") } else { ("validation", "without") };
        let mut ways = vec![Disturbance::None];
        if arguments.disturbed {
            ways.extend([Disturbance::Noise(10.0), Disturbance::Noise(5.0), Disturbance::Telephone]);
        }
        let mut answers: Vec<(Disturbance, Vec<Predictions>)> =
            ways.into_iter().map(|way| (way, Vec::new())).collect();
        let (mut large, mut both) = (Vec::new(), Vec::new());
        let clips: HashMap<String, Clip> =
            voices.clips.iter().map(|clip| (clip.id.clone(), clip.clone())).collect();
        for (mut fold, number) in published_folds(&speakers, &voices.groups)?.into_iter().zip(1..) {
            if !arguments.fold.is_empty() && !arguments.fold.contains(&number) {
                continue;
            }
            if arguments.test {
                fold.train.append(&mut fold.validation);
                fold.train.sort_unstable();
            }
            let name = format!("fold-{number}-{asked}-validation");
            let network = self.network(&name, &fold)?;
            let measured = if arguments.test { &fold.test } else { &fold.validation };
            let of_ravdess = |at: &&usize| voices.clips[**at].corpus == "ravdess";
            let places: Vec<usize> = measured.iter().filter(of_ravdess).copied().collect();
            let clean = predict(&network, &set.part(&places)?)?;
            let name_of_answers = self.name(&name, arguments.seed);
            clean.save(&arguments.folder.join(format!("{name_of_answers}-of-{}.csv", self.small.members)))?;
            if arguments.beside {
                let heads = self.large_answers(&fold.train, &name, &places)?;
                both.push(Predictions::mean(&[(&clean, 1), (&heads, 1)])?);
                large.push(heads);
            }
            for (way, answers) in &mut answers {
                answers.push(match way {
                    Disturbance::None => clean.clone(),
                    way => disturbed(&network, &clean, &clips, *way)?.context("a program is missing")?,
                });
            }
        }
        cli::print(format!("{part} actors"))?;
        cli::print(FOLDS)?;
        for (way, answers) in &answers {
            cli::print(fold_row(&way.name(), "small", answers))?;
        }
        if arguments.beside {
            cli::print(fold_row("clean", "large", &large))?;
            cli::print(fold_row("clean", "both", &both))?;
        }
        let all = all_of(&answers[0].1)?;
        cli::print(recalls(&all))?;
        let fitted = MoodReadout::fit(&all, 0.9)?;
        cli::print(fitted.to_string())?;
        match &arguments.output {
            Some(path) => self.make(path, fitted),
            None => Ok(()),
        }
    }

    /// Trains on all clips.
    fn make(&self, path: &Path, fitted: MoodReadout) -> anyhow::Result<()> {
        let all = Split { train: (0..self.set.clips.len()).collect(), ..Split::default() };
        let mut model = self.network("all-clips", &all)?;
        model.readout = fitted.readout;
        model.save(path)?;
        cli::print(format!("{}: {} clips", path.display(), all.train.len()))
    }
}

/// The part of each clip, by its speaker: the speakers, in the order of their names, are dealt in turn.
fn dealt<'a>(
    speakers: impl IntoIterator<Item = Option<&'a str>>,
    parts: usize,
) -> anyhow::Result<Vec<usize>> {
    let speakers: Vec<&str> = speakers
        .into_iter()
        .map(|speaker| speaker.context("the speaker of each clip must be known"))
        .collect::<anyhow::Result<_>>()?;
    let mut part_of: BTreeMap<&str, usize> = speakers.iter().map(|&speaker| (speaker, 0)).collect();
    ensure!(part_of.len() >= parts, "--parts must be at most the speakers, {}, got {parts}", part_of.len());
    part_of.values_mut().enumerate().for_each(|(at, part)| *part = at % parts);
    Ok(speakers.into_iter().map(|speaker| part_of[speaker]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_results_of_one_pair_of_recipes() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = Recipe::of(&RecipeFile::parse("a", "arch = 'cnn-1d'").unwrap()).unwrap();
        let other = RecipeFile::parse("b", "arch = 'cnn-1d'\n[training]\nepochs = 7").unwrap();
        let other = Recipe::of(&other).unwrap();
        let path = folder.path();
        claim(path, &[&recipe, &recipe], "x", &["a", "b"]).unwrap();
        claim(path, &[&recipe, &recipe], "x", &["a", "b"]).unwrap();
        for refused in [
            claim(path, &[&other, &recipe], "x", &["a", "b"]),
            claim(path, &[&recipe, &other], "x", &["a", "b"]),
            claim(path, &[&recipe, &recipe], "y", &["a", "b"]),
            claim(path, &[&recipe, &recipe], "x", &["a"]),
        ] {
            assert!(refused.unwrap_err().to_string().ends_with("choose another --folder"));
        }
        std::fs::remove_file(path.join("recipes.json")).unwrap();
        std::fs::write(path.join("old.safetensors"), "").unwrap();
        let error = claim(path, &[&recipe, &recipe], "x", &["a", "b"]).unwrap_err().to_string();
        assert!(error.ends_with("must be empty or hold recipes.json, got other files"), "{error}");
    }

    #[test]
    fn a_speaker_is_in_one_part_and_each_part_has_speakers() {
        let speakers = ["b", "a", "b", "c", "d", "a"].map(Some);
        assert_eq!(dealt(speakers, 2).ok(), Some(vec![1, 0, 1, 0, 1, 0]));
        assert!(dealt(speakers, 5).is_err() && dealt([None], 1).is_err());
    }
}
