//! Trains one network, writes its checkpoint and history, and prints its results.

use std::fmt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, anyhow};
use indicatif::ProgressBar;
use ser_examples::cli::Stopped;
use ser_examples::{cli, memory, output, progress};
use ser_models::training::{Dataset, Epoch, Event, Finish, History, Trainer, TrainingError, member_seed};
use ser_models::{Checkpoint, CheckpointSource, Recipe};
use serde::Serialize;

use crate::Arguments;

/// Training of one network of an ensemble, or of the only network.
pub(crate) struct Member<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) recipe: &'a Recipe,
    /// Number of the network among the members, from 0.
    pub(crate) number: usize,
    /// Number of clips in each part of the split, as text for the summary.
    pub(crate) parts: &'a str,
    /// File that keeps the state of the training.
    pub(crate) state: &'a Path,
    /// Trained network whose weights are the initial weights, if this is the second run.
    pub(crate) start: Option<&'a Checkpoint>,
    /// Whether no further run of this network follows.
    pub(crate) is_last: bool,
}

impl Member<'_> {
    /// Trains the network, or continues its training. Writes the checkpoint of its best epoch if it is the only network.
    pub(crate) fn train(
        &self,
        training: &Dataset,
        validation: Option<&Dataset>,
        source: &CheckpointSource,
        stop: &AtomicBool,
    ) -> anyhow::Result<Checkpoint> {
        let Self { arguments, recipe, number, .. } = *self;
        let seed = member_seed(arguments.seed, recipe.members, number);
        let (config, architecture) = (recipe.training.clone(), recipe.architecture.clone());
        let trainer = match self.start {
            Some(start) => Trainer::from_checkpoint(config, start, training, validation, seed),
            None => Trainer::new(config, architecture, training, validation, seed),
        };
        let mut trainer = trainer.map_err(with_advice)?;
        let summary = match number {
            0 => format!("{}\n\n{}", self.parts, trainer.model().summary()),
            _ => format!("network {} of {}", number + 1, recipe.members),
        };
        if arguments.json {
            eprintln!("{summary}");
        } else {
            // Training continues if standard output is closed.
            let _ = cli::print(summary);
        }
        // With --resume, a run that had not begun has no state yet.
        if arguments.resume && self.state.exists() {
            trainer.resume(self.state).context("--resume: cannot be continued")?;
        } else {
            trainer.keep_state(self.state);
        }
        let bar = progress::bar(0, "training");
        let begin = Instant::now();
        let finish = trainer.run(|event| draw(&bar, event), stop);
        let seconds = begin.elapsed().as_secs_f64();
        bar.finish_and_clear();

        // The best epoch is written even if the run failed. If writing fails too, the error of the run is reported.
        let kept = match (recipe.members, self.is_last) {
            (1, true) => keep(arguments, &trainer, source.clone(), seconds),
            (1, false) => save(arguments, &trainer, source.clone()).map(|_| ()),
            _ => Ok(()),
        };
        let finish = finish?;
        kept?;
        match finish {
            Finish::Stopped => Err(Stopped::new("the same command with --resume continues").into()),
            _ => Ok(trainer.checkpoint(source.clone())?),
        }
    }
}

/// Adds advice to the error that a class has no clips.
fn with_advice(error: TrainingError) -> anyhow::Error {
    match error {
        TrainingError::ClassWithoutExamples { .. } => {
            anyhow!("{error} (try `--labels own`, which trains on the labels of the clips)")
        }
        error => error.into(),
    }
}

/// Writes the checkpoint of the best epoch so far and returns the epoch. Returns `None` if no epoch has ended.
fn save<'a>(
    arguments: &Arguments,
    trainer: &'a Trainer,
    source: CheckpointSource,
) -> anyhow::Result<Option<&'a Epoch>> {
    let Some(best) = trainer.history().best() else { return Ok(None) };
    trainer.checkpoint(source)?.save(&arguments.output)?;
    Ok(Some(best))
}

/// Writes the checkpoint of the best epoch so far, and the history if `--history` is given, and prints the result. Does nothing if no epoch
/// has ended.
fn keep(
    arguments: &Arguments,
    trainer: &Trainer,
    source: CheckpointSource,
    seconds: f64,
) -> anyhow::Result<()> {
    let Some(best) = save(arguments, trainer, source)? else { return Ok(()) };
    if let Some(path) = &arguments.history {
        output::write(path, written(trainer.history(), path)?.as_bytes())?;
    }
    let reached = Reached {
        model: arguments.output.display().to_string(),
        epoch: best.epoch,
        epochs: trainer.history().epochs.len(),
        validation_accuracy: best.validation.as_ref().map(|validation| validation.confusion.accuracy()),
        validation_uar: best.validation.as_ref().map(|validation| validation.confusion.uar()),
        seconds,
        peak_memory_bytes: memory::peak_memory(),
    };
    // The training succeeded even if standard output is closed.
    let _ = if arguments.json {
        cli::print(serde_json::to_string_pretty(&reached)?)
    } else {
        cli::print(reached)
    };
    Ok(())
}

/// Result of a run.
#[derive(Serialize)]
struct Reached {
    model: String,
    /// The best epoch, which the checkpoint holds.
    epoch: usize,
    /// Number of epochs that were run.
    epochs: usize,
    validation_accuracy: Option<f64>,
    validation_uar: Option<f64>,
    seconds: f64,
    peak_memory_bytes: Option<u64>,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: epoch {} of {}", self.model, self.epoch, self.epochs)?;
        if let (Some(accuracy), Some(uar)) = (self.validation_accuracy, self.validation_uar) {
            write!(f, ", validation accuracy {:.1} %, UAR {:.1} %", accuracy * 100.0, uar * 100.0)?;
        }
        write!(f, "\ntrained for {:.1} s", self.seconds)?;
        if let Some(bytes) = self.peak_memory_bytes {
            write!(f, ", peak memory {} MiB", bytes >> 20)?;
        }
        Ok(())
    }
}

/// Formats the history as JSON if the file's extension is `.json`, otherwise as CSV.
fn written(history: &History, path: &Path) -> anyhow::Result<String> {
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    Ok(if is_json { serde_json::to_string_pretty(history)? } else { history.to_csv() })
}

fn draw(bar: &ProgressBar, event: &Event<'_>) {
    match event {
        Event::Begin { epochs, done, batches } => {
            bar.set_length((epochs * batches) as u64);
            bar.set_position((done * batches) as u64);
            bar.reset_eta();
        }
        Event::Batch { loss, .. } => {
            bar.inc(1);
            bar.set_message(format!("loss {loss:.3}"));
        }
        Event::Epoch(epoch) => {
            if let Some(validation) = epoch.validation.as_ref().filter(|_| epoch.best) {
                let uar = validation.confusion.uar() * 100.0;
                bar.println(format!("epoch {}: best so far, validation UAR {uar:.1} %", epoch.epoch));
            }
        }
        _ => {}
    }
}
