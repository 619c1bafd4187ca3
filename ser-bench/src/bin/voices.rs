//! Measures and makes the bundled model `voices`: heads on what Whisper's encoder heard of several corpora.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, ensure};
use clap::Parser;
use ser_bench::experiments::{Disturbance, Predictions, RecordingScores};
use ser_bench::voices::{MoodReadout, VoiceClips, answer, in_weighted_moods, tells_moods_apart, train_head};
use ser_data::{leave_corpus_out, published_folds};
use ser_examples::speech::Labelling;
use ser_examples::{cli, interrupt, output};
use ser_models::encoder::WhisperEncoder;
use ser_models::input::ModelInput;
use ser_models::models::Architecture;
use ser_models::training::EncodedClips;
use ser_models::{Checkpoint, Recipe, RecipeFile, Recognizer};

/// Encodes the clips of all corpora once, clean and in changed copies, and trains heads on what was encoded.
///
/// Heads are measured on the five published folds of RAVDESS's actors (all other corpora train beside): on the validation actors, or with
/// --test on the test actors, which decide nothing. With --leave-out they are measured on each other corpus, which then does not train.
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
    /// Keeps what was encoded from run to run.
    #[arg(long, value_name = "FILE")]
    cache: PathBuf,
    /// The head and its training, as a file for `train --config`, instead of recipes/voices.toml.
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Seeds of each fold; their probabilities are averaged, and the mean of the single ones is printed too.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Measure on the test actors, with the validation actors in training. Do so once for a recipe.
    #[arg(long)]
    test: bool,
    /// Measure on clips in noise and over a telephone too.
    #[arg(long)]
    disturbed: bool,
    /// Then let the heads hear long recordings, joined from the clips of the actors that they are measured on, clean and in noise, and
    /// print how much of the time their timeline is right.
    #[arg(long)]
    recordings: bool,
    /// Measure on each corpus but RAVDESS, never trained on: neutral, happy, sad and angry clips as the four moods.
    #[arg(long, conflicts_with_all = ["test", "disturbed", "recordings"])]
    leave_out: bool,
    /// Train on all clips, and write the model with a readout that is fitted to the validation actors' answers.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["test", "disturbed", "leave_out"])]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    cli::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let file = match &arguments.recipe {
        Some(path) => RecipeFile::read(path)?,
        None => RecipeFile::parse("voices.toml", include_str!("../../recipes/voices.toml"))?,
    };
    let recipe = Recipe::of(&file)?;
    let layers = match recipe.architecture.input() {
        ModelInput::Encoded { layers, frames: None, .. } => layers,
        other => anyhow::bail!("a head must read statistics of an encoder's outputs, got {other:?}"),
    };
    if let Some(path) = &arguments.output {
        output::check_folder(path)?;
    }
    let encoder = Arc::new(WhisperEncoder::load(&arguments.encoder, layers - 1)?);
    let sources = arguments.labelling.sources(&arguments.data)?;
    let clips = VoiceClips::load(&sources, &recipe, &encoder, &arguments.cache)?;
    let stop = interrupt::on_ctrl_c()?;
    let bench = Bench { arguments, recipe, encoder, clips, stop };
    if arguments.leave_out { bench.leave_out() } else { bench.folds() }
}

struct Bench<'a> {
    arguments: &'a Arguments,
    recipe: Recipe,
    encoder: Arc<WhisperEncoder>,
    clips: VoiceClips,
    stop: Arc<AtomicBool>,
}

/// One kind of recordings, what the encoder heard of them, and the answers of each fold's heads.
struct Condition {
    name: String,
    encoded: EncodedClips,
    folds: Vec<Vec<Predictions>>,
}

impl Bench<'_> {
    fn heads(&self, train: &[usize], protocol: &str) -> anyhow::Result<Vec<Checkpoint>> {
        let head = |seed| train_head(&self.clips, &self.recipe, train, seed, protocol, &self.stop);
        (0..self.arguments.seeds).map(head).collect()
    }

    fn folds(&self) -> anyhow::Result<()> {
        let Self { arguments, clips, .. } = self;
        let speakers: Vec<&str> = ser_data::speakers_of(&clips.clips)?;
        let folds = published_folds(&speakers, &clips.groups)?;
        let of_ravdess = |at: &usize| clips.clips[*at].corpus == "ravdess";
        let measured = |fold: &ser_data::Split| -> Vec<usize> {
            let part = if arguments.test { &fold.test } else { &fold.validation };
            part.iter().copied().filter(of_ravdess).collect()
        };
        let clean =
            Condition { name: Disturbance::None.name(), encoded: clips.encoded.clone(), folds: Vec::new() };
        let mut conditions = vec![clean];
        if arguments.disturbed {
            let places: Vec<usize> = folds.iter().flat_map(measured).collect();
            for way in [Disturbance::Noise(10.0), Disturbance::Noise(5.0), Disturbance::Telephone] {
                let encoded = clips.disturbed(&places, &self.recipe.preparation, &self.encoder, way)?;
                conditions.push(Condition { name: way.name(), encoded, folds: Vec::new() });
            }
        }
        let mut of_folds = Vec::new();
        for (fold, number) in folds.iter().zip(1..) {
            let mut train = fold.train.clone();
            if arguments.test {
                train.extend(&fold.validation);
            }
            let heads = self.heads(&train, "5 published folds").with_context(|| format!("fold {number}"))?;
            for condition in &mut conditions {
                let answers = heads
                    .iter()
                    .map(|head| answer(&head.classifier()?, clips, &condition.encoded, &measured(fold)))
                    .collect::<anyhow::Result<_>>()?;
                condition.folds.push(answers);
            }
            of_folds.push((heads, measured(fold)));
        }
        let part = if arguments.test { "test" } else { "validation" };
        cli::print(format!("{part} actors of {} folds, {} seeds", folds.len(), arguments.seeds))?;
        cli::print("| clips | heads | UAR, 8 emotions | accuracy | UAR, 4 moods | accuracy |")?;
        cli::print("| --- | --- | --- | --- | --- | --- |")?;
        for Condition { name, folds, .. } in &conditions {
            let single: Vec<Predictions> = folds.iter().flatten().cloned().collect();
            print_row(name, "one", &single)?;
            print_row(name, "mean of seeds", &means(folds)?)?;
        }
        let answers = together(&means(&conditions[0].folds)?)?;
        print_recalls(&answers)?;
        let fitted = MoodReadout::fit(&answers, 0.9)?;
        cli::print(format!(
            "temperature {:.2}; sure from {:.2} on: {:.0} % of the answers, {:.1} % of them right",
            fitted.readout.temperature,
            fitted.readout.confidence,
            100.0 * fitted.sure,
            100.0 * fitted.right
        ))?;
        if arguments.recordings {
            self.recordings(&of_folds, &fitted.readout)?;
        }
        match &arguments.output {
            Some(path) => self.make(path, fitted),
            None => Ok(()),
        }
    }

    /// Lets each fold's heads together hear long recordings of its actors.
    fn recordings(
        &self,
        folds: &[(Vec<Checkpoint>, Vec<usize>)],
        readout: &ser_models::Readout,
    ) -> anyhow::Result<()> {
        let mut scores = RecordingScores::default();
        for way in RecordingScores::WAYS {
            for (heads, measured) in folds {
                let mut model =
                    Checkpoint::join(&heads.iter().map(|head| (head.clone(), 1.0)).collect::<Vec<_>>())?;
                model.readout = readout.clone();
                let clips: Vec<&ser_data::Clip> = measured.iter().map(|&at| &self.clips.clips[at]).collect();
                let recognizer = || Ok(Recognizer::with_encoder(&model, Arc::clone(&self.encoder))?);
                scores.measure(recognizer, &clips, way, 0)?;
            }
        }
        cli::print(format!("long recordings:\n\n{scores}"))
    }

    /// Trains on all clips.
    fn make(&self, path: &std::path::Path, fitted: MoodReadout) -> anyhow::Result<()> {
        let all: Vec<usize> = (0..self.clips.clips.len()).collect();
        let mut models = Vec::new();
        for mut head in self.heads(&all, "all clips")? {
            if let Architecture::WhisperHead(config) = &mut head.architecture {
                config.encoder = self.encoder.sha256().to_owned();
            }
            models.push((head, 1.0));
        }
        let mut model = Checkpoint::join(&models)?;
        model.readout = fitted.readout;
        model.save(path)?;
        cli::print(format!("{}: {} clips, {} heads", path.display(), all.len(), models.len()))
    }

    fn leave_out(&self) -> anyhow::Result<()> {
        let Self { arguments, clips, .. } = self;
        let corpora = clips.corpora();
        let mut others: Vec<&str> = corpora.iter().copied().filter(|corpus| *corpus != "ravdess").collect();
        others.sort_unstable();
        others.dedup();
        ensure!(!others.is_empty(), "--leave-out needs another corpus beside RAVDESS");
        cli::print(format!("each corpus left out of the training, {} seeds", arguments.seeds))?;
        cli::print("| corpus | clips | heads | UAR, 4 moods | accuracy |")?;
        cli::print("| --- | --- | --- | --- | --- |")?;
        for corpus in others {
            let split = leave_corpus_out(&corpora, &clips.groups, corpus)?;
            let measured: Vec<usize> = split
                .test
                .iter()
                .copied()
                .filter(|&at| tells_moods_apart(&clips.label_names[clips.labels[at]]))
                .collect();
            let answers = self
                .heads(&split.train, &format!("all corpora but {corpus}"))?
                .iter()
                .map(|head| answer(&head.classifier()?, clips, &clips.encoded, &measured))
                .collect::<anyhow::Result<Vec<_>>>()?;
            let mean = together_of(&answers)?;
            for (heads, answers) in [("one", &answers[..]), ("mean of seeds", std::slice::from_ref(&mean))] {
                let moods: Vec<Predictions> = answers.iter().map(in_weighted_moods).collect();
                let (uar, accuracy) = scores(&moods);
                cli::print(format!("| {corpus} | {} | {heads} | {uar} | {accuracy} |", measured.len()))?;
            }
            print_recalls(&mean)?;
        }
        Ok(())
    }
}

/// The mean of each fold's heads.
fn means(folds: &[Vec<Predictions>]) -> anyhow::Result<Vec<Predictions>> {
    folds.iter().map(|heads| together_of(heads)).collect()
}

/// The mean of heads that answered for the same clips.
fn together_of(heads: &[Predictions]) -> anyhow::Result<Predictions> {
    Predictions::mean(&heads.iter().map(|head| (head, 1)).collect::<Vec<_>>())
}

/// The answers of all folds, one after the other.
fn together(folds: &[Predictions]) -> anyhow::Result<Predictions> {
    let mut all = folds.first().context("there are no folds")?.clone();
    for fold in &folds[1..] {
        all.clips.extend_from_slice(&fold.clips);
        all.truth.extend_from_slice(&fold.truth);
        all.probabilities.append(ndarray::Axis(0), fold.probabilities.view())?;
    }
    Ok(all)
}

/// UAR and accuracy, mean and deviation.
fn scores(answers: &[Predictions]) -> (String, String) {
    let of = |score: fn(&ser_models::ConfusionMatrix) -> f64| {
        spread(&answers.iter().map(|p| score(&p.confusion())).collect::<Vec<_>>())
    };
    (of(ser_models::ConfusionMatrix::uar), of(ser_models::ConfusionMatrix::accuracy))
}

/// Mean and deviation over the models.
fn spread(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
    format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * deviation)
}

fn print_row(clips: &str, heads: &str, answers: &[Predictions]) -> anyhow::Result<()> {
    let moods: Vec<Predictions> = answers.iter().map(in_weighted_moods).collect();
    let ((uar, accuracy), (mood_uar, mood_accuracy)) = (scores(answers), scores(&moods));
    cli::print(format!("| {clips} | {heads} | {uar} | {accuracy} | {mood_uar} | {mood_accuracy} |"))
}

fn print_recalls(answers: &Predictions) -> anyhow::Result<()> {
    for of in [answers.clone(), in_weighted_moods(answers)] {
        let confusion = of.confusion();
        let recalls = of.labels.iter().enumerate().filter(|(class, _)| of.truth.contains(class));
        let recalls: Vec<String> =
            recalls.map(|(class, label)| format!("{label} {:.2}", confusion.recall(class))).collect();
        cli::print(format!("recalls: {}", recalls.join(", ")))?;
    }
    Ok(())
}
