//! Trains the models of one experiment one after the other and keeps each when it is finished.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail, ensure};
use indicatif::ProgressBar;
use ndarray::Array2;
use rayon::prelude::*;
use ser_data::{Clip, Clips as FoundClips, ClipsOptions, CorpusFormat, LabelSet, Source};
use ser_examples::cli::Stopped;
use ser_examples::output;
use ser_examples::training_set::{TrainingSet, corpus_options};
use ser_models::training::{Dataset, Event, Finish, History, Trainer, member_seed};
use ser_models::{Checkpoint, CheckpointSource, Recipe, Recognizer};

use super::recordings::RecordingScores;
use super::{Clips, Disturbance, Experiment, Finished, Folder, Learner, Part, Predictions, Unit, baseline};

/// Message of a run that was stopped.
const STOPPED: Stopped = Stopped::new("the same command continues");

/// The models of one experiment. A model whose predictions exist is not trained again; an interrupted training resumes.
#[derive(Debug)]
pub struct Run {
    folder: Folder,
    recipe: Recipe,
    part: Part,
    seeds: u64,
}

impl Run {
    /// A run of `seeds` seeds that keeps its results below `results`. The recipe is the experiment's own unless one is given.
    ///
    /// # Errors
    /// If the folder cannot be made, or holds results of another recipe.
    pub fn new(
        experiment: Experiment,
        recipe: Option<Recipe>,
        part: Part,
        seeds: u64,
        results: &Path,
    ) -> anyhow::Result<Self> {
        let recipe = recipe.map_or_else(|| experiment.recipe(), Ok)?;
        let folder = Folder::new(experiment, part, results);
        folder.claim(&recipe)?;
        Ok(Self { folder, recipe, part, seeds })
    }

    /// The clips as this experiment reads them.
    ///
    /// # Errors
    /// As [`TrainingSet::load`].
    pub fn clips(&self, data: &Path, cache: Option<PathBuf>) -> anyhow::Result<TrainingSet> {
        let options = corpus_options(&self.recipe, self.folder.experiment.labels, cache)?;
        TrainingSet::load(&[ravdess(data)], &options, self.recipe.architecture.input())
    }

    /// The models to train, of all seeds.
    fn units(&self, set: &TrainingSet) -> anyhow::Result<Vec<Unit>> {
        let (labels, speakers) = (set.named_labels(), set.speakers()?);
        let clips = Clips { labels: &labels, groups: &set.groups, speakers: &speakers };
        let mut units = Vec::new();
        for seed in 0..self.seeds {
            let protocol = self.folder.experiment.protocol;
            units.append(&mut protocol.units(&clips, seed, self.part)?);
        }
        Ok(units)
    }

    /// Trains all units that are not done yet. `bar` counts epochs.
    ///
    /// # Errors
    /// If a training fails, or files cannot be used, e.g. because they have answers to other clips. `stop` ends it with [`Stopped`];
    /// finished work is kept.
    pub fn train(&self, set: &TrainingSet, bar: &ProgressBar, stop: &AtomicBool) -> anyhow::Result<()> {
        let units = self.units(set)?;
        let epochs = self.recipe.training.epochs * self.recipe.members;
        bar.set_length((units.len() * epochs) as u64);
        let (todo, done): (Vec<_>, Vec<_>) =
            units.into_iter().partition(|unit| !self.file(unit, "csv").exists());
        for unit in &done {
            let file = self.file(unit, "csv");
            let asked = unit.split.test.iter().map(|&at| &set.clips[at].id);
            ensure!(
                asked.eq(&Predictions::load(&file)?.clips),
                "{}: clips must be those of the test part, got others; choose another folder, or delete the file",
                file.display()
            );
        }
        bar.set_position((done.len() * epochs) as u64);
        bar.reset_eta();
        for unit in todo {
            ensure!(!stop.load(Ordering::Relaxed), STOPPED);
            bar.set_message(unit.name.clone());
            let begin = bar.position();
            self.train_unit(set, &unit, bar, stop)
                .with_context(|| format!("{}: {}", self.folder.experiment.name, unit.name))?;
            // Baselines have no epochs.
            bar.set_position(begin + epochs as u64);
        }
        Ok(())
    }

    fn train_unit(
        &self,
        set: &TrainingSet,
        unit: &Unit,
        bar: &ProgressBar,
        stop: &AtomicBool,
    ) -> anyhow::Result<()> {
        let training = set.part(&unit.split.train)?;
        let test = set.part(&unit.split.test)?;
        let predictions = match self.folder.experiment.learner {
            Learner::Network { .. } => self.train_network(set, unit, &training, &test, bar, stop)?,
            Learner::Combined(_) => bail!(
                "{}: learner must be a network or a baseline, got the models of other experiments",
                self.folder.experiment.name
            ),
            Learner::Majority => baseline::majority(&training, &test),
            Learner::Forest => baseline::forest(&training, &test, unit.seed)?,
        };
        // What an earlier model of this name answered to disturbed clips is not this one's.
        for way in Disturbance::ALL {
            let file = self.folder.disturbed(way).file(&format!("{}.csv", unit.name));
            if file.exists() {
                std::fs::remove_file(&file)
                    .with_context(|| format!("{}: cannot be removed", file.display()))?;
            }
        }
        predictions.save(&self.file(unit, "csv"))?;
        remove_states(&self.recipe, &self.file(unit, "training"));
        Ok(())
    }

    /// Writes the checkpoint and the history, and returns the answers to the test part.
    fn train_network(
        &self,
        set: &TrainingSet,
        unit: &Unit,
        training: &Dataset,
        test: &Dataset,
        bar: &ProgressBar,
        stop: &AtomicBool,
    ) -> anyhow::Result<Predictions> {
        let protocol = self.folder.experiment.protocol.name();
        let source = set.checkpoint_source(&protocol, unit.seed, &unit.split)?;
        let state = self.file(unit, "training");
        let (checkpoint, histories) = train(&self.recipe, training, unit.seed, &source, &state, bar, stop)?;
        checkpoint.save(self.file(unit, "safetensors"))?;
        for (number, history) in histories.iter().enumerate() {
            let extension =
                if number == 0 { "history.csv".to_owned() } else { format!("{}.history.csv", number + 1) };
            output::write(&self.file(unit, &extension), history.to_csv().as_bytes())?;
        }
        predict(&checkpoint, test)
    }

    /// Measures all finished models again on their test clips, degraded in every way of [`Disturbance::ALL`]. Results that exist are kept.
    /// `bar` counts models.
    ///
    /// # Errors
    /// If a clip or a file cannot be read or written, or a disturbance fails.
    pub fn disturb(&self, data: &Path, bar: &ProgressBar, stop: &AtomicBool) -> anyhow::Result<()> {
        let finished = self.folder.finished()?;
        let ways: Vec<(Disturbance, Folder)> =
            Disturbance::ALL.into_iter().map(|way| (way, self.folder.disturbed(way))).collect();
        ways.iter().try_for_each(|(_, folder)| folder.make())?;
        let clips: HashMap<String, Clip> = FoundClips::open(&[ravdess(data)], &ClipsOptions::default())?
            .clips
            .into_iter()
            .map(|clip| (clip.id.clone(), clip))
            .collect();
        bar.set_length((finished.len() * ways.len()) as u64);
        for Finished { name, predictions, .. } in finished {
            let checkpoint = Checkpoint::load(self.folder.file(&format!("{name}.safetensors")))?;
            for (way, folder) in &ways {
                ensure!(!stop.load(Ordering::Relaxed), STOPPED);
                let file = folder.file(&format!("{name}.csv"));
                if !file.exists() {
                    match disturbed(&checkpoint, &predictions, &clips, *way)? {
                        Some(answers) => answers.save(&file)?,
                        None => bar.println(format!("{} is left out: there is no ffmpeg", way.name())),
                    }
                }
                bar.inc(1);
            }
        }
        Ok(())
    }

    /// Measures the timelines of all models that are done on long recordings, joined from the clips that they were measured on.
    ///
    /// # Errors
    /// If a clip or a checkpoint cannot be read, its labels are no emotions or moods, or a disturbance fails.
    pub fn recordings(
        &self,
        data: &Path,
        bar: &ProgressBar,
        stop: &AtomicBool,
    ) -> anyhow::Result<RecordingScores> {
        let clips = FoundClips::open(&[ravdess(data)], &ClipsOptions::default())?.clips;
        let finished = self.folder.finished()?;
        let ways = RecordingScores::WAYS;
        bar.set_length((finished.len() * ways.len()) as u64);
        let mut scores = RecordingScores::default();
        for Finished { name, seed, predictions, .. } in finished {
            let mut checkpoint = Checkpoint::load(self.folder.file(&format!("{name}.safetensors")))?;
            if let Some(moods) = LabelSet::moods_of_emotions(&checkpoint.labels) {
                checkpoint.readout.classes = moods;
            }
            let measured: HashSet<&str> = predictions.clips.iter().map(String::as_str).collect();
            let clips: Vec<&Clip> = clips.iter().filter(|clip| measured.contains(clip.id.as_str())).collect();
            for way in ways {
                ensure!(!stop.load(Ordering::Relaxed), STOPPED);
                let recognizer = || Ok(Recognizer::new(&checkpoint)?);
                scores.measure(recognizer, &clips, way, seed)?;
                bar.inc(1);
            }
        }
        Ok(scores)
    }

    fn file(&self, unit: &Unit, extension: &str) -> PathBuf {
        self.folder.file(&format!("{}.{extension}", unit.name))
    }
}

/// The experiments' corpus.
pub fn ravdess(data: &Path) -> Source {
    Source::new(data, Some(CorpusFormat::Ravdess))
}

/// Trains all members of a recipe to the last epoch, without a validation part, and joins them; a member resumes where its state
/// was left. `bar` counts epochs.
///
/// # Errors
/// If settings, data or a state's file are refused, or the training fails; `stop` ends it with [`Stopped`]; finished work is kept.
pub fn train(
    recipe: &Recipe,
    training: &Dataset,
    seed: u64,
    source: &CheckpointSource,
    state: &Path,
    bar: &ProgressBar,
    stop: &AtomicBool,
) -> anyhow::Result<(Checkpoint, Vec<History>)> {
    let (mut models, mut histories) = (Vec::new(), Vec::new());
    for member in 0..recipe.members {
        let (config, architecture) = (recipe.training.clone(), recipe.architecture.clone());
        let seed = member_seed(seed, recipe.members, member);
        let mut trainer = Trainer::new(config, architecture, training, None, seed)?;
        let state = member_state(recipe, state, member);
        if state.exists() {
            trainer.resume(state)?;
        } else {
            trainer.keep_state(state);
        }
        let begin = bar.position();
        let finish = trainer.run(
            |event| match event {
                Event::Begin { done, .. } => bar.set_position(begin + *done as u64),
                Event::Epoch(_) => bar.inc(1),
                _ => {}
            },
            stop,
        )?;
        ensure!(finish != Finish::Stopped, STOPPED);
        // The last epoch: there is no validation part that could choose one.
        models.push((trainer.checkpoint(source.clone())?, 1.0));
        histories.push(trainer.history().clone());
    }
    Ok((Checkpoint::join(&models)?, histories))
}

/// File of a member's state: a file of its own for each of several.
fn member_state(recipe: &Recipe, state: &Path, member: usize) -> PathBuf {
    if recipe.members == 1 {
        return state.to_path_buf();
    }
    let mut name = state.as_os_str().to_owned();
    name.push(format!(".{}", member + 1));
    name.into()
}

/// Removes the states of a finished training. It is no error if they cannot be removed.
pub fn remove_states(recipe: &Recipe, state: &Path) {
    for member in 0..recipe.members {
        let _ = std::fs::remove_file(member_state(recipe, state, member));
    }
}

/// Answers of a model for disturbed clips; `None` if a program for the disturbance is missing.
///
/// # Errors
/// If a clip cannot be read, the model cannot be used, or a program fails.
pub fn disturbed(
    checkpoint: &Checkpoint,
    clean: &Predictions,
    clips: &HashMap<String, Clip>,
    way: Disturbance,
) -> anyhow::Result<Option<Predictions>> {
    let answer =
        |recognizer: &mut Recognizer, (seed, id): (usize, &String)| -> anyhow::Result<Option<Vec<f32>>> {
            let clip =
                clips.get(id).with_context(|| format!("clips: ids must be those of the corpus, got {id}"))?;
            let audio = clip.read()?;
            let Some((samples, rate)) = way.apply(&audio.to_mono()?, audio.sample_rate, seed as u64)? else {
                return Ok(None);
            };
            let recognition = recognizer.recognize_window(&samples, rate).with_context(|| id.clone())?;
            Ok(Some(recognition.probabilities.into_iter().map(|(_, p)| p).collect()))
        };
    // One recogniser for many clips, because its plans take time to make.
    let parts: Vec<Vec<Option<Vec<f32>>>> = clean
        .clips
        .par_chunks(clean.clips.len().div_ceil(rayon::current_num_threads()))
        .enumerate()
        .map(|(part, ids)| {
            let mut recognizer = Recognizer::new(checkpoint)?;
            let first = part * clean.clips.len().div_ceil(rayon::current_num_threads());
            ids.iter().enumerate().map(|(at, id)| answer(&mut recognizer, (first + at, id))).collect()
        })
        .collect::<anyhow::Result<_>>()?;
    let Some(rows) = parts.into_iter().flatten().collect::<Option<Vec<Vec<f32>>>>() else { return Ok(None) };
    let probabilities = Array2::from_shape_vec(clean.probabilities.dim(), rows.concat())?;
    Ok(Some(Predictions { probabilities, ..clean.clone() }))
}

/// Answers of a model for these clips.
///
/// # Errors
/// If they do not fit the model.
pub fn predict(checkpoint: &Checkpoint, data: &Dataset) -> anyhow::Result<Predictions> {
    Ok(Predictions {
        labels: data.label_names().to_vec(),
        clips: data.ids().to_vec(),
        truth: data.labels().to_vec(),
        probabilities: checkpoint.classifier()?.probabilities(data.inputs())?,
    })
}
