//! Measures a checkpoint on the clips that it records as its test part, and on no others.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use ser_data::{CorpusOptions, LabelSet};
use ser_examples::cli;
use ser_examples::inputs::Decoding;
use ser_examples::model::encoder;
use ser_examples::speech::Labelling;
use ser_examples::training_set::{Encoding, Inputs, TrainingSet};
use ser_models::models::Architecture;
use ser_models::training::EncodingConfig;
use ser_models::{Checkpoint, ConfusionMatrix, TrainingRecord};
use serde::Serialize;
use serde_json::Value;

/// Prints accuracy, UAR, macro-F1 and the confusion matrix of a checkpoint on the test part that it records.
///
/// Refuses a checkpoint without a test part, because it was trained on all clips.
#[derive(Parser)]
#[command(after_help = cli::epilogue(
    "  cargo run --release --example evaluate -- --data Audio_Speech_Actors_01-24.zip --model model.safetensors"
))]
struct Arguments {
    /// Labelled speech that the checkpoint was trained on, as for `train`. May be given several times.
    #[arg(long, value_name = "DIR", required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    labelling: Labelling,
    /// The checkpoint.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// File of the encoder, if the model was trained with an encoder other than the bundled one.
    #[arg(long, value_name = "FILE")]
    encoder: Option<PathBuf>,
    /// Refuse a checkpoint of any other kind of network.
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(Architecture::KINDS))]
    arch: Option<String>,
    /// Report files that are not clips, and continue. All clips of the test part must still be readable.
    #[arg(long)]
    skip_bad: bool,
    #[command(flatten)]
    decoding: Decoding,
    /// Folder to keep extracted features in.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Print one JSON object instead of a table. The example plot_training draws its confusion matrix.
    #[arg(long)]
    json: bool,
}

/// The output of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    model: String,
    protocol: &'a str,
    split_seed: u64,
    test_clips: u64,
    accuracy: f64,
    uar: f64,
    macro_f1: f64,
    /// Rows are true classes and columns are predicted classes, both in the order of `labels`.
    confusion: &'a ConfusionMatrix,
    /// Settings and results of the training, and of the encoding of its clips.
    training: &'a TrainingRecord,
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let model = arguments.model.display().to_string();
    let checkpoint = Checkpoint::load(&arguments.model)?;
    if let Some(kind) = &arguments.arch {
        checkpoint.expect_architecture(kind).with_context(|| model.clone())?;
    }
    let split = &checkpoint.split;
    if split.test.is_empty() {
        bail!("{model}: test part must have clips, got none: the model was trained on all of them");
    }
    let classifier = checkpoint.classifier()?;
    let options = CorpusOptions {
        labels: LabelSet::of_names(classifier.labels()).unwrap_or(LabelSet::Own),
        own_classes: classifier.labels().to_vec(),
        label_map: arguments.labelling.label_map()?,
        preparation: checkpoint.preparation.clone(),
        features: checkpoint.features.clone(),
        audio: false,
        cache: arguments.cache.clone(),
        skip_bad: arguments.skip_bad,
        allow_truncated: arguments.decoding.allow_truncated,
    };
    let inputs = match checkpoint.architecture.encoder_blocks() {
        None => Inputs::Features(classifier.model().input()),
        Some(blocks) => {
            let encoder = encoder(arguments.encoder.as_deref(), blocks)?;
            checkpoint.expect_encoder(&encoder).with_context(|| model.clone())?;
            Inputs::Encoded(Box::new(Encoding::of(encoder, classifier.model().input())))
        }
    };
    let sources = arguments.labelling.sources(&arguments.data)?;
    let set = TrainingSet::load_clips(&sources, &split.test, &options, inputs)
        .with_context(|| format!("{model}: cannot be measured"))?;
    let confusion = classifier.evaluate(&set.dataset()?)?.confusion;

    if arguments.json {
        let report = Report {
            model,
            protocol: &split.protocol,
            split_seed: split.seed,
            test_clips: confusion.total(),
            accuracy: confusion.accuracy(),
            uar: confusion.uar(),
            macro_f1: confusion.macro_f1(),
            confusion: &confusion,
            training: &checkpoint.training,
        };
        cli::print(serde_json::to_string_pretty(&report)?)
    } else {
        let (protocol, seed, clips) = (&split.protocol, split.seed, confusion.total());
        let copies = copies(&checkpoint.training).map(|copies| format!("\n{copies}")).unwrap_or_default();
        cli::print(format!("{model}: {protocol}, seed {seed}, {clips} test clips{copies}\n\n{confusion}"))
    }
}

/// Describes the augmented copies that a network was trained on. Returns `None` unless the network reads an encoder.
fn copies(training: &TrainingRecord) -> Option<String> {
    let EncodingConfig { augmentation, copies, seed, .. } = match EncodingConfig::of_record(training) {
        Ok(config) => config?,
        Err(error) => return Some(format!("trained on copies with settings of another version: {error}")),
    };
    if copies == 0 {
        return Some("trained on clips without changed copies".to_owned());
    }
    let settings = serde_json::to_value(augmentation).ok()?;
    let is_off = |value: &Value| value.is_null() || value.as_f64() == Some(0.0);
    let changes = settings.as_object()?.iter().filter(|(_, value)| !is_off(value));
    let changes: Vec<String> = changes.map(|(name, value)| format!("{name} {value}")).collect();
    Some(format!(
        "trained on clips and changed copies, {copies} of each: {}, seed {seed}",
        changes.join(", ")
    ))
}
