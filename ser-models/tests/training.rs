//! Runs of the trainer, from end to end.

use crate::common::{LABELS, architecture, clips, config, source};
use ndarray::Array2;
use ser_models::FileError;
use ser_models::models::EnsembleConfig;
use ser_models::training::{
    ClassWeights, Dataset, EarlyStopping, Event, Finish, Masks, Monitor, OptimizerConfig, Schedule,
    StateError, Trainer, TrainingConfig, TrainingError,
};
use std::sync::atomic::{AtomicBool, Ordering};

static GO: AtomicBool = AtomicBool::new(false);

fn trainer(config: TrainingConfig) -> Trainer {
    Trainer::new(config, architecture(), &clips(70, 0), Some(&clips(30, 100)), 7).unwrap()
}

fn bytes(trainer: &Trainer) -> Vec<u8> {
    trainer.checkpoint(source()).unwrap().to_bytes().unwrap()
}

#[test]
fn training_learns_and_the_best_epoch_is_what_the_checkpoint_holds() {
    let mut trainer = trainer(config(30));
    assert_eq!(trainer.run(|_| {}, &GO).unwrap(), Finish::Completed);
    let history = trainer.history();
    let (first, best) = (&history.epochs[0], history.best().unwrap());
    assert_eq!(history.epochs.len(), 30);
    assert!(best.train_loss < 0.8 * first.train_loss);
    let uar = best.validation.as_ref().unwrap().confusion.uar();
    assert!(uar > 0.9, "{uar}");
    assert!(history.epochs.iter().all(|e| e.validation.as_ref().unwrap().confusion.uar() <= uar));

    let checkpoint = trainer.checkpoint(source()).unwrap();
    assert_eq!(checkpoint.training.epoch, best.epoch);
    assert_eq!(checkpoint.training.metrics["validation_uar"], uar);
    assert_eq!(checkpoint.split.train.len(), 70);
    assert_eq!(checkpoint.split.validation[0], "clip-100");
    let again = checkpoint.classifier().unwrap().evaluate(&clips(30, 100)).unwrap();
    assert_eq!(&again, best.validation.as_ref().unwrap());
}

#[test]
fn one_seed_gives_one_file_and_another_seed_another() {
    let run = |seed| {
        let mut trainer =
            Trainer::new(config(3), architecture(), &clips(70, 0), Some(&clips(30, 100)), seed).unwrap();
        trainer.run(|_| {}, &GO).unwrap();
        bytes(&trainer)
    };
    assert!(run(1) == run(1));
    assert!(run(1) != run(2));
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = trainer(config(2));
            trainer.run(|_| {}, &GO).unwrap();
            bytes(&trainer)
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(5));
}

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
fn averaged_weights_are_what_is_validated_and_kept() {
    let run = |ema_decay| {
        let mut trainer = trainer(TrainingConfig { ema_decay, ..config(4) });
        trainer.run(|_| {}, &GO).unwrap();
        let checkpoint = trainer.checkpoint(source()).unwrap();
        let again = checkpoint.classifier().unwrap().evaluate(&clips(30, 100)).unwrap();
        assert_eq!(&again, trainer.history().best().unwrap().validation.as_ref().unwrap());
        let losses: Vec<f64> = trainer.history().epochs.iter().map(|epoch| epoch.train_loss).collect();
        (losses, again)
    };
    let (plain, averaged) = (run(None), run(Some(0.9)));
    // The average moves nothing that trains.
    assert_eq!(plain.0, averaged.0);
    assert_ne!(plain.1, averaged.1);
    assert_eq!(run(Some(0.0)), plain);
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
            error.to_string().contains("state: no training state, or a damaged one: safetensors finds"),
            "{error}"
        );
    }
    let error = trainer(config(2)).resume(folder.path().join("none")).unwrap_err();
    assert!(matches!(error, TrainingError::State(StateError::File(FileError::Io { .. }))), "{error}");
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

    // The lowest bit of a value in every part of the file, and a digit of the history.
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
        assert!(error.contains("checksum mismatch: the file is corrupted"), "byte {place}: {error}");
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

#[test]
fn a_loss_that_is_not_finite_stops_with_its_place_and_keeps_what_was_good() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut trainer =
        trainer(TrainingConfig { learning_rate: 1e30, optimizer: OptimizerConfig::sgd(), ..config(3) });
    trainer.keep_state(&path);
    let error = trainer.run(|_| {}, &GO).unwrap_err();
    let TrainingError::NotFinite { epoch: 1, .. } = &error else { panic!("{error}") };
    assert!(error.to_string().starts_with("epoch 1, batch 2 of 5: the loss is"), "{error}");
    assert!(matches!(trainer.checkpoint(source()), Err(TrainingError::NoEpoch)));
}

#[test]
fn the_last_good_epoch_survives_a_later_nan() {
    // Each step turns every weight to −14 times itself: it takes some epochs to overflow.
    let mut trainer = trainer(TrainingConfig {
        learning_rate: 0.5,
        optimizer: OptimizerConfig::Sgd { momentum: 0.0, nesterov: false, weight_decay: 30.0 },
        ..config(60)
    });
    let error = trainer.run(|_| {}, &GO).unwrap_err();
    let TrainingError::NotFinite { epoch, .. } = error else { panic!("{error}") };
    assert!(epoch > 1);
    assert_eq!(trainer.history().epochs.len(), epoch - 1);
    let checkpoint = trainer.checkpoint(source()).unwrap();
    assert!(checkpoint.classifier().unwrap().evaluate(&clips(30, 100)).unwrap().loss.is_finite());
}

#[test]
fn weights_that_break_in_an_epochs_last_step_are_noticed_without_a_validation_part() {
    let folder = tempfile::tempdir().unwrap();
    for ema_decay in [None, Some(0.9)] {
        let path = folder.path().join("state");
        let build = || {
            // One step makes an epoch, and each turns every weight to −10¹⁵ times itself.
            let config = TrainingConfig {
                batch_size: 70,
                learning_rate: 1.0,
                optimizer: OptimizerConfig::Sgd { momentum: 0.0, nesterov: false, weight_decay: 1e15 },
                ema_decay,
                ..config(9)
            };
            Trainer::new(config, architecture(), &clips(70, 0), None, 7).unwrap()
        };
        let mut trainer = build();
        trainer.keep_state(&path);
        let mut losses = Vec::new();
        let each = |event: &Event<'_>| {
            if let Event::Batch { loss, .. } = event {
                losses.push(*loss);
            }
        };
        let error = trainer.run(each, &GO).unwrap_err();
        println!("{error} {losses:?}");
        let TrainingError::NotFinite { epoch, place, what, value } = error else { panic!("{error}") };
        assert!(epoch > 1 && place == "batch 1 of 1", "{epoch}, {place}");
        assert!(what.starts_with("a value of ") && !value.is_finite(), "{what}, {value}");
        assert_eq!(trainer.history().epochs.len(), epoch - 1);
        let good = bytes(&trainer);
        let mut resumed = build();
        resumed.resume(&path).unwrap();
        assert_eq!(resumed.history(), trainer.history());
        assert!(bytes(&resumed) == good);
    }
}

#[test]
fn early_stopping_waits_for_its_patience() {
    let stopping = TrainingConfig { early_stopping: Some(EarlyStopping { patience: 3 }), ..config(60) };
    let mut trainer = trainer(stopping);
    assert_eq!(trainer.run(|_| {}, &GO).unwrap(), Finish::EarlyStopped);
    let history = trainer.history();
    assert_eq!(history.epochs.len(), history.best().unwrap().epoch + 3);
    assert_eq!(trainer.run(|_| {}, &GO).unwrap(), Finish::EarlyStopped);
}

#[test]
fn each_monitor_picks_the_epoch_that_is_best_by_it() {
    for monitor in [Monitor::Loss, Monitor::Accuracy, Monitor::Uar] {
        let mut trainer = trainer(TrainingConfig { monitor, ..config(8) });
        trainer.run(|_| {}, &GO).unwrap();
        let score = |e: &ser_models::training::Epoch| {
            let v = e.validation.as_ref().unwrap();
            match monitor {
                Monitor::Loss => -v.loss,
                Monitor::Accuracy => v.confusion.accuracy(),
                _ => v.confusion.uar(),
            }
        };
        let history = trainer.history();
        let best = history.best().unwrap();
        let first_best = history.epochs.iter().find(|e| history.epochs.iter().all(|o| score(o) <= score(e)));
        assert_eq!(best.epoch, first_best.unwrap().epoch);
    }
}

#[test]
fn without_a_validation_part_the_last_epoch_counts() {
    let mut trainer = Trainer::new(config(3), architecture(), &clips(70, 0), None, 7).unwrap();
    trainer.run(|_| {}, &GO).unwrap();
    let checkpoint = trainer.checkpoint(source()).unwrap();
    assert_eq!(checkpoint.training.epoch, 3);
    assert!(checkpoint.split.validation.is_empty());
    assert!(!checkpoint.training.metrics.contains_key("validation_uar"));
    assert!(trainer.history().to_csv().lines().nth(1).unwrap().ends_with(",,,,,true"));
}

#[test]
fn events_and_history_tell_the_whole_run() {
    let mut trainer = trainer(config(2));
    let (mut batches, mut epochs, mut begun) = (0, Vec::new(), None);
    trainer
        .run(
            |event| match event {
                Event::Begin { epochs, done, batches } => begun = Some((*epochs, *done, *batches)),
                Event::Batch { loss, .. } => {
                    assert!(loss.is_finite());
                    batches += 1;
                }
                Event::Epoch(epoch) => epochs.push((*epoch).clone()),
                _ => {}
            },
            &GO,
        )
        .unwrap();
    assert_eq!((begun, batches), (Some((2, 0, 5)), 10));
    assert_eq!(epochs, trainer.history().epochs);
    let csv = trainer.history().to_csv();
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.starts_with("epoch,learning_rate,train_loss,"));
    let json = serde_json::to_string(trainer.history()).unwrap();
    assert_eq!(&serde_json::from_str::<ser_models::training::History>(&json).unwrap(), trainer.history());
}

#[test]
fn normalisation_and_weights_come_from_the_training_part_alone() {
    let run = |validation: &Dataset| {
        let mut trainer =
            Trainer::new(config(1), architecture(), &clips(70, 0), Some(validation), 7).unwrap();
        trainer.run(|_| {}, &GO).unwrap();
        trainer.checkpoint(source()).unwrap()
    };
    let (a, b) = (run(&clips(30, 100)), run(&clips(45, 200)));
    assert_eq!(a.normalization, b.normalization);
    let x = clips(30, 300);
    let answers = |c: &ser_models::Checkpoint| c.classifier().unwrap().probabilities(x.inputs()).unwrap();
    assert_eq!(answers(&a), answers(&b));
}

#[test]
fn class_weights_pull_towards_the_rare_class() {
    // 60 clips of two classes, 6 of the third.
    let all = clips(90, 0);
    let rare: Vec<usize> = (0..90).filter(|i| i % 3 != 2 || i % 15 == 2).collect();
    let train = all.select(&rare).unwrap();
    let recall = |class_weights| {
        let config = TrainingConfig { class_weights, ..config(6) };
        let mut trainer = Trainer::new(config, architecture(), &train, None, 7).unwrap();
        trainer.run(|_| {}, &GO).unwrap();
        let classifier = trainer.checkpoint(source()).unwrap().classifier().unwrap();
        classifier.evaluate(&clips(300, 1000)).unwrap().confusion.recall(2)
    };
    let (uniform, balanced) = (recall(ClassWeights::Uniform), recall(ClassWeights::Balanced));
    assert!(balanced > uniform, "{uniform} {balanced}");
    assert_eq!(balanced, recall(ClassWeights::Given(vec![22.0 / 30.0, 22.0 / 30.0, 22.0 / 6.0])));
}

#[test]
fn bad_data_and_settings_are_refused_by_name() {
    let (train, validation) = (clips(70, 0), clips(30, 100));
    let build = |config, train: &Dataset, validation: Option<&Dataset>| {
        Trainer::new(config, architecture(), train, validation, 7).map(|_| ()).unwrap_err().to_string()
    };
    let setting = |change: fn(&mut TrainingConfig)| {
        let mut config = config(5);
        change(&mut config);
        build(config, &train, Some(&validation))
    };
    assert_eq!(setting(|c| c.epochs = 0), "training: epochs must be 1 or more, got 0");
    assert_eq!(setting(|c| c.batch_size = 1), "training: batch_size must be 2 or more, got 1");
    assert_eq!(setting(|c| c.learning_rate = -1.0), "training: learning_rate must be positive, got -1");
    assert!(setting(|c| c.learning_rate = f64::NAN).starts_with("training: learning_rate must"));
    assert!(setting(|c| c.clip_norm = Some(0.0)).starts_with("training: clip_norm must"));
    assert!(setting(|c| c.label_smoothing = 1.0).starts_with("CrossEntropy: label_smoothing must"));
    assert!(setting(|c| c.ema_decay = Some(1.0)).starts_with("training: ema_decay must"));
    assert!(
        setting(|c| c.augmentation.audio.snr = Some([9.0, 3.0]))
            .starts_with("training: augmentation.audio.snr")
    );
    assert_eq!(
        setting(|c| c.augmentation.audio.shift = 0.1),
        "training: augmentation.audio needs the training clips themselves (Dataset::with_audio), got none"
    );
    let masks = setting(|c| c.augmentation.time_masks = Masks { count: 1, width: 5 });
    assert!(masks.starts_with("training: augmentation.time_masks needs inputs with frames"), "{masks}");
    let shift = setting(|c| c.augmentation.frequency_shift = 2);
    assert!(shift.starts_with("training: augmentation.frequency_shift needs inputs with frames"), "{shift}");
    assert!(setting(|c| c.augmentation.noise = -0.1).starts_with("training: augmentation.noise must"));
    assert!(
        setting(|c| c.schedule = Schedule::Cosine { warm_up: 1.0, minimum: 0.0 }).contains("warm_up must")
    );
    assert!(
        setting(|c| c.optimizer = OptimizerConfig::adamw(-1.0))
            .starts_with("training: optimizer.weight_decay must")
    );
    assert!(
        setting(|c| c.class_weights = ClassWeights::Given(vec![1.0]))
            .starts_with("training: class_weights must")
    );
    let unclear = TrainingConfig { early_stopping: Some(EarlyStopping { patience: 3 }), ..config(5) };
    assert_eq!(build(unclear, &train, None), "training: early_stopping needs a validation part, got none");

    assert_eq!(
        build(config(5), &train, Some(&clips(30, 60))),
        "validation part: clips must not be in the training part, got clip-060"
    );
    let two: Vec<usize> = (0..70).filter(|i| i % 3 != 1).collect();
    assert_eq!(
        build(config(5), &train.select(&two).unwrap(), None),
        "training part: examples of class \"Happy\" must be 1 or more, got 0"
    );
    let narrow = Dataset::new(Array2::zeros((3, 19)), vec![0, 1, 2], LABELS, ["a", "b", "c"]).unwrap();
    assert_eq!(build(config(5), &narrow, None), "training part: inputs must have shape [20], got [19]");
    let renamed =
        Dataset::new(Array2::zeros((3, 20)), vec![0, 1, 2], ["Calm", "Sad", "Happy"], ["a", "b", "c"])
            .unwrap();
    assert!(
        build(config(5), &train, Some(&renamed))
            .contains("validation part: classes must be the training part's")
    );
    let ensemble = EnsembleConfig::new(3, architecture()).into();
    let error = Trainer::new(config(5), ensemble, &train, None, 7).map(|_| ()).unwrap_err().to_string();
    let rule = "architecture must be one network: train each member and join their checkpoints";
    assert_eq!(error, format!("training: {rule}, got ensemble"));
}
