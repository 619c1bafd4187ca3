//! Tests training, resuming, evaluation and recommendation with real clips of RAVDESS. Skipped if they are missing.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use ser_data::{CorpusOptions, Source};
use ser_examples::training_set::{PROTOCOL, TrainingSet};
use ser_models::models::{Architecture, Cnn1dConfig, ModelInput};
use ser_models::training::{Event, Finish, Trainer, TrainingConfig};
use ser_models::{Checkpoint, Recognizer};
use tempfile::TempDir;

use crate::support::repository;

/// Input of `cnn-1d`.
const INPUT: ModelInput = ModelInput::Vector { features: 193 };

/// Returns a folder with the clips of two actors, or `None` if RAVDESS is missing.
fn two_actors() -> Option<TempDir> {
    let ravdess = repository().join("../shared/data/ravdess");
    if !ravdess.is_dir() {
        println!("skipped: {} is not there", ravdess.display());
        return None;
    }
    let folder = TempDir::new().unwrap();
    for actor in ["Actor_07", "Actor_08"] {
        std::fs::create_dir(folder.path().join(actor)).unwrap();
        for file in std::fs::read_dir(ravdess.join(actor)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), folder.path().join(actor).join(file.file_name())).unwrap();
        }
    }
    Some(folder)
}

fn trainer(set: &TrainingSet, epochs: usize) -> Trainer {
    let split = set.split(0.1, 5).unwrap();
    let training = set.part(&split.train).unwrap();
    let validation = set.part(&split.validation).unwrap();
    let architecture = Architecture::Cnn1d(Cnn1dConfig::default());
    let config = TrainingConfig { epochs, ..TrainingConfig::default() };
    Trainer::new(config, architecture, &training, Some(&validation), 5).unwrap()
}

fn bytes(trainer: &Trainer, set: &TrainingSet) -> Vec<u8> {
    let split = set.split(0.1, 5).unwrap();
    let source = set.checkpoint_source(PROTOCOL, 5, &split).unwrap();
    trainer.checkpoint(source).unwrap().to_bytes().unwrap()
}

#[test]
fn a_run_on_real_speech_learns_resumes_bit_for_bit_and_answers() {
    let Some(folder) = two_actors() else { return };
    let options = CorpusOptions::default();
    let data = [Source::auto(folder.path())];
    let set = TrainingSet::load(&data, &options, INPUT).unwrap();
    assert_eq!(set.clips.len(), 120);
    let never = AtomicBool::new(false);

    // The two identical clips of actor 7 are in the same part.
    let split = set.split(0.1, 5).unwrap();
    let part = |id: &str| {
        let at = set.clips.iter().position(|clip| clip.id == id).unwrap();
        [&split.train, &split.validation, &split.test].iter().position(|part| part.contains(&at)).unwrap()
    };
    assert_eq!(part("03-01-03-01-02-01-07"), part("03-01-03-01-02-02-07"));

    let mut whole = trainer(&set, 8);
    assert_eq!(whole.run(|_| {}, &never).unwrap(), Finish::Completed);
    let epochs = &whole.history().epochs;
    assert!(
        epochs[7].train_loss < 0.8 * epochs[0].train_loss,
        "{} {}",
        epochs[0].train_loss,
        epochs[7].train_loss
    );

    // Interrupted in the middle of the third epoch, and resumed from the state file.
    let state = folder.path().join("run.training");
    let mut cut = trainer(&set, 8);
    cut.keep_state(&state);
    let stop = AtomicBool::new(false);
    let draw = |event: &Event<'_>| {
        if let Event::Batch { epoch: 3, batch: 2, .. } = event {
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    };
    assert_eq!(cut.run(draw, &stop).unwrap(), Finish::Stopped);
    assert_eq!(cut.history().epochs.len(), 2);
    let mut resumed = trainer(&set, 8);
    resumed.resume(&state).unwrap();
    resumed.run(|_| {}, &never).unwrap();
    assert_eq!(bytes(&whole, &set), bytes(&resumed, &set));

    // The checkpoint can be evaluated on its own test part, and recognises a recording.
    let checkpoint = Checkpoint::from_bytes(&bytes(&whole, &set)).unwrap();
    let test = TrainingSet::load_clips(&data, &checkpoint.split.test, &options, INPUT).unwrap();
    let confusion = checkpoint.classifier().unwrap().evaluate(&test.dataset().unwrap()).unwrap().confusion;
    assert_eq!(confusion.total(), 24);
    let clip: PathBuf = folder.path().join("Actor_08/03-01-05-02-01-01-08.flac");
    let audio = ser_data::Audio::open(clip).unwrap();
    let mono = audio.to_mono().unwrap();
    let answer = Recognizer::new(&checkpoint).unwrap().recognize(&mono, audio.sample_rate).unwrap();
    assert!(checkpoint.labels.contains(&answer.label));
    let id = "03-01-05-02-01-01-08".to_owned();
    let alone = TrainingSet::load_clips(&data, &[id], &options, INPUT).unwrap();
    let alone = alone.dataset().unwrap();
    let together = checkpoint.classifier().unwrap().probabilities(alone.inputs()).unwrap();
    for ((_, alone), together) in answer.probabilities.iter().zip(together.iter()) {
        assert_eq!(alone, together, "recogniser and data set take one way to the features");
    }
}
