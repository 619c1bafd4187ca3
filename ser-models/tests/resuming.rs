//! Training runs that stop and resume.

use crate::common::{architecture, clips, config, source};
use crate::training::{GO, bytes, trainer};
use ser_models::FileError;
use ser_models::training::{
    Dataset, Event, Finish, OptimizerConfig, Schedule, StateError, Trainer, TrainingConfig, TrainingError,
};
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_run_cut_at_any_batch_and_resumed_ends_bit_for_bit_like_an_uncut_one() {
    let optimizers = [OptimizerConfig::adam(), OptimizerConfig::rmsprop_keras(), OptimizerConfig::sgd()];
    for (optimizer, ema_decay) in optimizers.into_iter().zip([None, None, Some(0.95)]) {
        let config = || TrainingConfig {
            optimizer,
            ema_decay,
            schedule: Schedule::Cosine { warm_up: 0.25, minimum: 0.1 },
            clip_norm: Some(1.0),
            learning_rate: 3e-3,
            ..config(4)
        };
        let mut uncut = trainer(config());
        uncut.run(|_| {}, &GO).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for cut in [1, 5, 6, 9, 13] {
            let path = folder.path().join(format!("state-{cut}"));
            let stop = AtomicBool::new(false);
            let mut seen = 0;
            let mut cut_run = trainer(config());
            cut_run.keep_state(&path);
            let finish = cut_run.run(
                |event| {
                    if let Event::Batch { .. } = event {
                        seen += 1;
                        stop.store(seen == cut, Ordering::Relaxed);
                    }
                },
                &stop,
            );
            assert_eq!(finish.unwrap(), Finish::Stopped);
            drop(cut_run);
            let mut resumed = trainer(config());
            resumed.resume(&path).unwrap();
            assert_eq!(resumed.history().epochs.len(), cut / 5);
            assert_eq!(resumed.run(|_| {}, &GO).unwrap(), Finish::Completed);
            assert_eq!(resumed.history(), uncut.history());
            assert!(bytes(&resumed) == bytes(&uncut), "cut at batch {cut}");
        }
    }
}

#[test]
fn a_stopped_trainer_can_also_go_on_without_a_file() {
    let mut uncut = trainer(config(3));
    uncut.run(|_| {}, &GO).unwrap();
    let mut stopped = trainer(config(3));
    let stop = AtomicBool::new(false);
    let stop_late = |event: &Event<'_>| {
        stop.store(matches!(event, Event::Batch { epoch: 2, batch: 3, .. }), Ordering::Relaxed);
    };
    assert_eq!(stopped.run(stop_late, &stop).unwrap(), Finish::Stopped);
    assert_eq!(stopped.history().epochs.len(), 1);
    assert!(stopped.checkpoint(source()).is_ok());
    stopped.run(|_| {}, &GO).unwrap();
    assert!(bytes(&stopped) == bytes(&uncut));
}

#[test]
fn another_runs_state_and_damaged_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut first = trainer(config(2));
    first.keep_state(&path);
    first.run(|_| {}, &GO).unwrap();

    let refused = |trainer: &mut Trainer| match trainer.resume(&path).unwrap_err() {
        TrainingError::State(StateError::AnotherRun { what, .. }) => what,
        error => panic!("{error}"),
    };
    assert_eq!(refused(&mut trainer(config(3))), "training.epochs");
    let error = trainer(config(3)).resume(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("training.epochs must be this run's, 3, got 2: the state is of another run"),
        "{error}"
    );
    let (train, validation) = (clips(70, 0), clips(30, 100));
    let build = |train: &Dataset, validation: Option<&Dataset>, seed| {
        Trainer::new(config(2), architecture(), train, validation, seed).unwrap()
    };
    assert_eq!(refused(&mut build(&train, Some(&validation), 8)), "the seed");
    assert_eq!(refused(&mut build(&clips(70, 1), Some(&validation), 7)), "the training part");
    assert_eq!(refused(&mut build(&train, None, 7)), "the validation part");

    let whole = std::fs::read(&path).unwrap();
    for cut in [0, 4, 100, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let error = trainer(config(2)).resume(&path).unwrap_err();
        assert!(
            matches!(error, TrainingError::State(StateError::File(FileError::Damaged { .. }))),
            "{error}"
        );
        assert!(
            error.to_string().contains("state: cannot be read as a training state: safetensors: "),
            "{error}"
        );
    }
    let error = trainer(config(2)).resume(folder.path().join("none")).unwrap_err();
    assert!(matches!(error, TrainingError::State(StateError::File(FileError::Read { .. }))), "{error}");
}

#[test]
fn a_state_with_a_flipped_bit_or_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let build = || trainer(TrainingConfig { ema_decay: Some(0.9), ..config(2) });
    let mut first = build();
    first.keep_state(&path);
    first.run(|_| {}, &GO).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut second = build();
    let mut refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        second.resume(&path).unwrap_err()
    };
    for place in (0..whole.len()).step_by(211) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        let error = refused(&bytes);
        let TrainingError::State(error) = error else { panic!("byte {place}: {error}") };
        assert!(!matches!(error, StateError::AnotherRun { .. }), "byte {place}: {error}");
    }

    // Changes the lowest bit of a value in every part of the file, and a digit of the history.
    let data = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let file = safetensors::SafeTensors::deserialize(&whole).unwrap();
    let place = |name: &str| {
        let tensor = file.tensor(name).unwrap().data();
        tensor.as_ptr() as usize - whole.as_ptr() as usize
    };
    let mut places: Vec<usize> = ["model/", "best/", "average/", "optimizer/"]
        .iter()
        .flat_map(|part| file.names().into_iter().filter(move |name| name.starts_with(part)).take(3))
        .map(place)
        .collect();
    assert!(places.len() == 12 && places.iter().all(|place| *place >= data));
    let loss = whole.windows(10).position(|window| window == b"train_loss").unwrap();
    places.push(loss + whole[loss..].iter().position(|byte| *byte == b'.').unwrap() + 2);
    for place in places {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        let error = refused(&bytes).to_string();
        assert!(
            error.contains("cannot be read as a training state: content: checksum must be "),
            "byte {place}: {error}"
        );
    }

    let format = whole.windows(6).position(|window| window == b"format").unwrap();
    let digit = format + whole[format..].iter().position(u8::is_ascii_digit).unwrap();
    let mut bytes = whole.clone();
    bytes[digit] = b'9';
    let error = refused(&bytes);
    let TrainingError::State(StateError::File(FileError::Format { given: 9, expected, .. })) = error else {
        panic!("{error}")
    };
    assert_eq!(whole[digit], b'0' + expected as u8);
    std::fs::write(&path, &whole).unwrap();
    second.resume(&path).unwrap();
}
