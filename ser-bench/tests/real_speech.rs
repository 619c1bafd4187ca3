//! Training, resuming, evaluating and recommending on real clips of RAVDESS, where they are at hand.

#![allow(clippy::unwrap_used)] // a test may panic

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use ser_bench::corpus::{Corpus, CorpusOptions, LabelSet};
use ser_bench::recipe;
use ser_models::models::{Architecture, Cnn1dConfig};
use ser_models::training::{Event, Finish, Trainer, TrainingConfig};
use ser_models::{Checkpoint, Recognizer};
use tempfile::TempDir;

/// A folder with two actors' clips, or nothing where RAVDESS is not at hand.
fn two_actors() -> Option<TempDir> {
    let ravdess = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/ravdess");
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

fn trainer(corpus: &Corpus, epochs: usize) -> Trainer {
    let split = recipe::split(corpus, 0.1, 5).unwrap();
    let training = corpus.dataset.select(&split.train).unwrap();
    let validation = corpus.dataset.select(&split.validation).unwrap();
    let architecture = Architecture::Cnn1d(Cnn1dConfig::default());
    let config = TrainingConfig { epochs, ..TrainingConfig::default() };
    Trainer::new(config, architecture, &training, Some(&validation), 5).unwrap()
}

fn bytes(trainer: &Trainer, corpus: &Corpus) -> Vec<u8> {
    let split = recipe::split(corpus, 0.1, 5).unwrap();
    let source = corpus.checkpoint_source(recipe::PROTOCOL, 5, &split).unwrap();
    trainer.checkpoint(source).unwrap().to_bytes().unwrap()
}

#[test]
fn a_run_on_real_speech_learns_resumes_bit_for_bit_and_answers() {
    let Some(folder) = two_actors() else { return };
    let corpus = Corpus::load(folder.path(), CorpusOptions::default()).unwrap();
    assert_eq!(corpus.dataset.len(), 120);
    let never = AtomicBool::new(false);

    // Actor 7's two identical clips are on one side.
    let split = recipe::split(&corpus, 0.1, 5).unwrap();
    let part = |id: &str| {
        let at = corpus.dataset.ids().iter().position(|other| other == id).unwrap();
        [&split.train, &split.validation, &split.test].iter().position(|part| part.contains(&at)).unwrap()
    };
    assert_eq!(part("03-01-03-01-02-01-07"), part("03-01-03-01-02-02-07"));

    let mut whole = trainer(&corpus, 8);
    assert_eq!(whole.run(|_| {}, &never).unwrap(), Finish::Completed);
    let epochs = &whole.history().epochs;
    assert!(
        epochs[7].train_loss < 0.8 * epochs[0].train_loss,
        "{} {}",
        epochs[0].train_loss,
        epochs[7].train_loss
    );

    // Cut in the middle of the third epoch, and gone on from the file.
    let state = folder.path().join("run.training");
    let mut cut = trainer(&corpus, 8);
    cut.keep_state(&state);
    let stop = AtomicBool::new(false);
    let draw = |event: &Event<'_>| {
        if let Event::Batch { epoch: 3, batch: 2, .. } = event {
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    };
    assert_eq!(cut.run(draw, &stop).unwrap(), Finish::Stopped);
    assert_eq!(cut.history().epochs.len(), 2);
    let mut resumed = trainer(&corpus, 8);
    resumed.resume(&state).unwrap();
    resumed.run(|_| {}, &never).unwrap();
    assert_eq!(bytes(&whole, &corpus), bytes(&resumed, &corpus));

    // The checkpoint measures on its own test part and answers for a recording.
    let checkpoint = Checkpoint::from_bytes(&bytes(&whole, &corpus)).unwrap();
    let options = CorpusOptions { labels: LabelSet::Moods, ..CorpusOptions::default() };
    let test = Corpus::load_clips(folder.path(), &checkpoint.split.test, options).unwrap();
    let confusion = checkpoint.classifier().unwrap().evaluate(&test.dataset).unwrap().confusion;
    assert_eq!(confusion.total(), 24);
    let clip: PathBuf = folder.path().join("Actor_08/03-01-05-02-01-01-08.flac");
    let audio = ser_data::Audio::open(clip).unwrap();
    let mono = audio.to_mono().unwrap();
    let answer = Recognizer::new(&checkpoint).unwrap().recognize(&mono, audio.sample_rate).unwrap();
    assert!(checkpoint.labels.contains(&answer.label));
    let alone = Corpus::load_clips(folder.path(), &["03-01-05-02-01-01-08".into()], CorpusOptions::default())
        .unwrap();
    let together = checkpoint.classifier().unwrap().probabilities(alone.dataset.inputs(), None).unwrap();
    for ((_, alone), together) in answer.probabilities.iter().zip(together.iter()) {
        assert_eq!(alone, together, "recogniser and data set take one way to the features");
    }
}
