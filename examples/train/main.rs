//! Trains a network on labelled speech in one command, and writes a self-describing checkpoint.

mod member;
mod tuning;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use clap::{Parser, ValueEnum};
use ser_data::{CorpusOptions, LabelSet};
use ser_examples::inputs::Decoding;
use ser_examples::speech::Labelling;
use ser_examples::training_set::{Encoding, Inputs, TrainingSet, Voices, corpus_options};
use ser_examples::{assets, cli, interrupt, model, output};
use ser_models::models::{Architecture, TunedBlocks};
use ser_models::training::{EncodingConfig, OptimizerConfig, Preset, Sampling, TrainingConfig};
use ser_models::{Checkpoint, Recipe, RecipeFile};

use member::Member;
use tuning::Tuning;

/// Trains a network on labelled speech: RAVDESS, other corpora, or your own recordings. One fifth of the clips is kept for testing, one
/// tenth is used for validation and selects the best epoch, and the network is trained on the others.
///
/// Your own recordings are in a folder with one subfolder for each class (`recordings/happy/1.wav`), or listed in a table
/// (`path,label,speaker`).
///
/// The architecture decides which features are extracted. A preset is an architecture with its published training. A file (`--config`) can
/// change every setting and overrides the preset; the command line overrides both.
///
/// The same seed, data and settings give the same file, bit for bit, on one machine. If one network is trained, Ctrl-C keeps the best
/// checkpoint so far. `--resume` continues the run and writes the same file as an uninterrupted run.
#[derive(Parser)]
#[command(after_help = cli::epilogue(
    "  cargo run --release --example train -- --data Audio_Speech_Actors_01-24.zip --output model.safetensors\n  cargo run --release --example train -- --data Audio_Speech_Actors_01-24.zip --output model.safetensors --config examples/train.toml\n  cargo run --release --example train -- --data Audio_Speech_Actors_01-24.zip --output model.safetensors --preset report-hybrid\n  cargo run --release --example train -- --data recordings --output own.safetensors\n  cargo run --release --example train -- --data recordings --arch whisper-head --output own.safetensors\n  cargo run --release --example train -- --data recordings --arch whisper-head --tune-blocks 1 --output own.safetensors\n  cargo run --release --example train -- --data dogs --corpus folders --labels own --output own.safetensors\n  cargo run --release --example train -- --data ravdess --data emodb --data nemo --test-corpus emodb --output model.safetensors"
))]
struct Arguments {
    /// Labelled speech: a corpus (its folder, or its .zip as downloaded), a folder with one subfolder for each class, or a CSV or TSV
    /// table. May be given several times.
    #[arg(long, value_name = "DIR", required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    labelling: Labelling,
    /// Checkpoint to write.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Network to train [default: that of --config, or cnn-1d].
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Architecture::NAMES))]
    arch: Option<String>,
    /// Network to train, with its published training.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Preset::NAMES), conflicts_with = "arch")]
    preset: Option<String>,
    /// TOML file with settings. examples/train.toml explains them.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File of the encoder to use instead of the bundled one. Only for an architecture that reads an encoder.
    #[arg(long, value_name = "FILE")]
    encoder: Option<PathBuf>,
    /// Number of augmented copies of each training clip to encode. Only for an architecture that reads an encoder. A head with attentive
    /// pooling keeps the frames of clips and copies in memory: three seconds take 0.3 MB for each output of the encoder that the head
    /// mixes.
    #[arg(long, value_name = "N", default_value_t = 2)]
    copies: usize,
    /// Train the encoder's last N blocks together with the head, in a second run after the training of the head alone. The bundled encoder
    /// has 4 blocks, and its convolutions are not trained. The inputs of the first tuned block are kept in memory: with the bundled
    /// encoder, 0.6 MB for each training clip and each copy of three seconds or more.
    #[arg(long, value_name = "N")]
    tune_blocks: Option<usize>,
    /// TOML file with settings of the second run of --tune-blocks. Its table [training] overrides that of examples/assets/tuning.toml.
    /// Options such as --epochs change the first run only. --history and the printed seconds are those of the second run.
    #[arg(long, value_name = "FILE")]
    tuning: Option<PathBuf>,
    /// Classes to recognise.
    #[arg(long, value_enum, default_value_t = Labels::Moods)]
    labels: Labels,
    /// Share of the clips that is used for validation, 0 or more. The network is not trained on these clips: they select the best epoch.
    /// With 0, the last epoch is kept. With --test-corpus, the share is taken from the clips of the other corpora. With --speakers other,
    /// it is a share of the speakers instead of the clips.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    validation: f64,
    /// Whether a speaker may occur in more than one of the parts training, validation and test.
    #[arg(long, value_enum, default_value_t = Speakers::Same)]
    speakers: Speakers,
    /// Test on this corpus and train on the others. A corpus has the name of its format, such as emodb, or of its folder or table.
    #[arg(long, value_name = "NAME")]
    test_corpus: Option<String>,
    /// Seed of the split, initial weights, order of the clips, dropout and augmentation.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Number of networks to train, each from its own seed. They are joined into one checkpoint that averages their probabilities [default:
    /// that of --config, or 1].
    #[arg(long, value_name = "N")]
    members: Option<NonZeroUsize>,
    /// Number of passes over the training part [default: that of --config or of the preset, or 100; a network that reads an encoder makes
    /// fewer passes over many clips].
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Number of clips in a step [default: that of --config or of the preset].
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Optimiser, with the default settings of PyTorch or of Keras [default: that of --config or of the preset].
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(OptimizerConfig::NAMES))]
    optimizer: Option<String>,
    /// Learning rate before the schedule changes it [default: that of --config or of the preset].
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Continue an interrupted run. The other options must be those of that run.
    #[arg(long)]
    resume: bool,
    /// Folder to keep extracted features in for the next run.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Write the figures of every epoch to this file: JSON if its name ends in .json, otherwise CSV. The example plot_training draws the
    /// JSON.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Print only one JSON object to standard output, at the end.
    #[arg(long)]
    json: bool,
    /// Report clips that can't be used, and continue without them.
    #[arg(long)]
    skip_bad: bool,
    #[command(flatten)]
    decoding: Decoding,
}

#[derive(Clone, Copy, ValueEnum)]
enum Labels {
    /// Calm, Happy, Sad and Energetic.
    Moods,
    /// RAVDESS's eight emotions.
    Emotions,
    /// The labels of the clips, in alphabetical order.
    Own,
}

#[derive(Clone, Copy, ValueEnum)]
enum Speakers {
    /// A speaker may be in several parts, with different clips in each. Each class has the same share in each part.
    Same,
    /// Each speaker is in one part. All speakers must be known.
    Other,
}

impl From<Speakers> for Voices {
    fn from(speakers: Speakers) -> Self {
        match speakers {
            Speakers::Same => Self::Same,
            Speakers::Other => Self::Other,
        }
    }
}

impl From<Labels> for LabelSet {
    fn from(labels: Labels) -> Self {
        match labels {
            Labels::Moods => Self::Moods,
            Labels::Emotions => Self::Emotions,
            Labels::Own => Self::Own,
        }
    }
}

impl Arguments {
    /// Returns the recipe. Settings of the file override those of the preset or the architecture, and the command line overrides both.
    fn recipe(&self, file: &RecipeFile) -> anyhow::Result<Recipe> {
        let Preset { architecture, training } = self.base(file)?;
        let mut recipe = Recipe::new(architecture, training).with(file)?;
        recipe.members = self.members.map_or(recipe.members, NonZeroUsize::get);
        match (&mut recipe.architecture, self.tune_blocks) {
            (Architecture::WhisperHead(config), Some(blocks)) => {
                config.tuned = Some(TunedBlocks { blocks, ..config.tuned.unwrap_or_default() });
            }
            (other, Some(blocks)) => {
                bail!(
                    "--tune-blocks: number must be left out where {} reads features, got {blocks}",
                    other.name()
                );
            }
            _ => {}
        }
        let training = &mut recipe.training;
        training.epochs = self.epochs.unwrap_or(training.epochs);
        training.batch_size = self.batch_size.unwrap_or(training.batch_size);
        training.learning_rate = self.learning_rate.unwrap_or(training.learning_rate);
        let optimizer = self.optimizer.as_deref().and_then(OptimizerConfig::named);
        training.optimizer = optimizer.unwrap_or(training.optimizer);
        Ok(recipe)
    }

    /// Returns the architecture and its training before the settings of the file are applied.
    fn base(&self, file: &RecipeFile) -> anyhow::Result<Preset> {
        if let Some(name) = &self.preset {
            let preset = Preset::named(name).with_context(|| {
                format!("--preset: name must be one of {}, got {name}", Preset::NAMES.join(", "))
            })?;
            if let (Some(config), Some(given)) = (&self.config, file.architecture()?)
                && given != preset.architecture
            {
                let (config, given, arch) = (config.display(), given.name(), preset.architecture.name());
                bail!("{config}: arch must be that of the preset {name}, {arch}, got {given}");
            }
            return Ok(preset);
        }
        let named = self.arch.as_deref().and_then(Architecture::named);
        let architecture = match named.map_or_else(|| file.architecture(), |named| Ok(Some(named)))? {
            Some(architecture) => architecture,
            None => {
                Architecture::named("cnn-1d").context("--arch: name must be an architecture's, got cnn-1d")?
            }
        };
        if architecture.encoder().is_some() {
            let Recipe { architecture, training, .. } = voices()?;
            return Ok(Preset { architecture, training });
        }
        Ok(Preset { architecture, training: TrainingConfig::default() })
    }

    /// Returns the inputs of the network, and the settings of the second run if blocks of the encoder are tuned.
    ///
    /// Changes `recipe` for a network that reads an encoder. The encoder's digest is written into the architecture. The augmentation of
    /// audio is moved from the training to the encoding, because it must be applied before a clip is encoded. The tuned blocks are removed,
    /// because the head is trained alone first.
    fn inputs(&self, recipe: &mut Recipe) -> anyhow::Result<(Inputs, Option<Tuning>)> {
        let Architecture::WhisperHead(config) = &mut recipe.architecture else {
            if let Some(encoder) = &self.encoder {
                let arch = recipe.architecture.name();
                bail!(
                    "--encoder: file must be left out where {arch} reads features, got {}",
                    encoder.display()
                );
            }
            return Ok((Inputs::Features(recipe.architecture.input()), None));
        };
        let encoder = model::encoder(self.encoder.as_deref(), config.blocks)?;
        encoder.digest().clone_into(&mut config.encoder);
        let tuning = Tuning::take(config, self.encoder.as_deref(), self.tuning.as_ref())?;
        let tuned = match &tuning {
            Some(tuning) => {
                let architecture = tuning.architecture(config);
                let blocks = architecture
                    .encoder_blocks()
                    .context("--tune-blocks: architecture must read an encoder, got another")?;
                Some((model::encoder(self.encoder.as_deref(), blocks)?, architecture.input()))
            }
            None => None,
        };
        let input = recipe.architecture.input();
        let mut copies = EncodingConfig::with_copies(recipe.preparation.clone(), self.copies);
        let augmentation = std::mem::take(&mut recipe.training.augmentation.audio);
        if augmentation.is_on() {
            copies.augmentation = augmentation;
        }
        let cache = self.cache.as_ref().map(|folder| folder.join("encoded.safetensors"));
        let encoding = Encoding { encoder, input, tuned, config: copies, cache };
        Ok((Inputs::Encoded(Box::new(encoding)), tuning))
    }
}

/// Settings with which the bundled heads were trained.
fn voices() -> anyhow::Result<Recipe> {
    Ok(Recipe::of(&RecipeFile::parse("voices.toml", assets::VOICES_RECIPE)?)?)
}

/// Number of steps with which the bundled heads were trained. If the number of epochs is not given, a head is trained for the fewest epochs
/// that reach this number of steps, at most [`HEAD_EPOCHS`].
const HEAD_STEPS: usize = 1_200;
/// Maximum number of epochs of a head if the number is not given.
const HEAD_EPOCHS: usize = 100;

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let file = arguments.config.as_deref().map(RecipeFile::read).transpose()?.unwrap_or_default();
    let mut recipe = arguments.recipe(&file)?;
    let states_of = |run: &str| -> Vec<PathBuf> {
        (0..recipe.members).map(|member| state_file(arguments, &recipe, member, run)).collect()
    };
    let (states, tuning_states) = (states_of("training"), states_of("tuning"));
    let mut all_states = states.iter().chain(&tuning_states);
    if let Some(state) = all_states.find(|state| !arguments.resume && state.exists()) {
        let state = state.display();
        bail!(
            "{state}: interrupted run must be continued by --resume, or deleted by `rm {state}`, got neither"
        );
    }
    if arguments.resume && !states.iter().any(|state| state.exists()) {
        bail!("--resume: file of an interrupted run must exist, got none such as {}", states[0].display());
    }
    if recipe.members > 1 && arguments.history.is_some() {
        bail!("--history: members must be 1, got {}", recipe.members);
    }

    output::check_folder(&arguments.output)?;
    arguments.history.as_deref().map_or(Ok(()), output::check_folder)?;
    let options = CorpusOptions {
        skip_bad: arguments.skip_bad,
        allow_truncated: arguments.decoding.allow_truncated,
        label_map: arguments.labelling.label_map()?,
        ..corpus_options(&recipe, arguments.labels.into(), arguments.cache.clone())?
    };
    let sources = arguments.labelling.sources(&arguments.data)?;
    let (inputs, tuning) = arguments.inputs(&mut recipe)?;
    if let (Some(path), None) = (&arguments.tuning, &tuning) {
        bail!(
            "--tuning: file must be left out where no block is tuned (--tune-blocks), got {}",
            path.display()
        );
    }
    let is_encoded = matches!(inputs, Inputs::Encoded(_));
    let set = TrainingSet::load(&sources, &options, inputs)?;
    if let Some(config) = &arguments.config {
        note_unknown_corpora(config, &recipe.training.sampling, &set);
    }
    let Arguments { validation, seed, .. } = *arguments;
    let (protocol, split) =
        set.split_by(arguments.speakers.into(), arguments.test_corpus.as_deref(), validation, seed)?;
    let training = set.training_part(&split.train)?;
    if is_encoded && arguments.epochs.is_none() && !file.sets("training", "epochs") {
        let steps = training.len().div_ceil(recipe.training.batch_size);
        recipe.training.epochs = HEAD_STEPS.div_ceil(steps).min(HEAD_EPOCHS);
    }
    let validation = match &split.validation[..] {
        [] => None,
        chosen => Some(set.part(chosen)?),
    };
    let source = set.checkpoint_source(&protocol, seed, &split)?;
    let parts = format!(
        "{} clips: {} train, {} choose the epoch, {} are kept apart for testing",
        set.clips.len(),
        split.train.len(),
        split.validation.len(),
        split.test.len(),
    );
    let stop = interrupt::on_ctrl_c()?;
    let tuning = tuning.map(|tuning| tuning.parts(&set, &split, recipe.members)).transpose()?;
    // The parts are copies: free the memory of the set before training.
    drop(set);
    let mut models = Vec::new();
    for (number, (state, tuning_state)) in states.iter().zip(&tuning_states).enumerate() {
        let is_last = tuning.is_none();
        let run = Member { arguments, recipe: &recipe, number, parts: &parts, state, start: None, is_last };
        let mut checkpoint = run.train(&training, validation.as_ref(), &source, &stop)?;
        if let Some(tuning) = &tuning {
            let start = Some(tuning.start(&checkpoint)?);
            let start = start.as_ref();
            let run = Member { recipe: &tuning.recipe, state: tuning_state, start, is_last: true, ..run };
            checkpoint = run.train(&tuning.training, tuning.validation.as_ref(), &source, &stop)?;
        }
        models.push((checkpoint, 1.0));
    }
    if recipe.members > 1 {
        Checkpoint::join(&models)?.save(&arguments.output)?;
        // The training succeeded even if standard output is closed.
        let file = arguments.output.display();
        let _ = cli::print(format!("{file}: {} networks answer together", recipe.members));
    }
    // The states of the second run are deleted first, because they cannot be used without those of the first run.
    let mut made = tuning_states.iter().chain(&states).filter(|state| state.exists());
    made.try_for_each(|state| {
        std::fs::remove_file(state).with_context(|| format!("{}: cannot be deleted", state.display()))
    })
}

/// Warns of corpora in the recipe's shares that no clip belongs to, because the name is misspelt or the corpus is not in the data.
fn note_unknown_corpora(config: &Path, sampling: &Sampling, set: &TrainingSet) {
    let Sampling::Balanced { corpora } = sampling else { return };
    let known: BTreeSet<&str> = set.corpora().into_iter().collect();
    for name in corpora.keys().filter(|name| !known.contains(name.as_str())) {
        let known = known.iter().copied().collect::<Vec<_>>().join(", ");
        let config = config.display();
        cli::note(format_args!(
            "warning: {config}: sampling.corpora must name corpora of the clips, {known}, got {name}"
        ));
    }
}

/// Returns the path of the file that keeps the state of a member's run, `training` or `tuning`. It is next to the output. If there are
/// several members, each has its own file.
fn state_file(arguments: &Arguments, recipe: &Recipe, member: usize, run: &str) -> PathBuf {
    let mut name = arguments.output.clone().into_os_string();
    if recipe.members > 1 {
        name.push(format!(".{}", member + 1));
    }
    name.push(format!(".{run}"));
    name.into()
}
