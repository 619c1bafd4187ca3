//! Training runs from start to end.

use crate::common::{LABELS, architecture, clips, config, source};
use ndarray::Array2;
use ser_models::models::EnsembleConfig;
use ser_models::training::{
    ClassWeights, Dataset, EarlyStopping, Event, Finish, Masks, Monitor, OptimizerConfig, Schedule, Trainer,
    TrainingConfig, TrainingError,
};
use std::sync::atomic::AtomicBool;

pub(crate) static GO: AtomicBool = AtomicBool::new(false);

pub(crate) fn trainer(config: TrainingConfig) -> Trainer {
    Trainer::new(config, architecture(), &clips(70, 0), Some(&clips(30, 100)), 7).unwrap()
}

pub(crate) fn bytes(trainer: &Trainer) -> Vec<u8> {
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
    // The average has no influence on training.
    assert_eq!(plain.0, averaged.0);
    assert_ne!(plain.1, averaged.1);
    assert_eq!(run(Some(0.0)), plain);
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
    assert!(error.to_string().starts_with("epoch 1, batch 2 of 5: the loss must be finite, got "), "{error}");
    assert!(error.to_string().ends_with(" (a lower learning_rate or clip_norm may help)"), "{error}");
    let none = trainer.checkpoint(source()).unwrap_err();
    assert!(matches!(none, TrainingError::NoEpoch));
    assert_eq!(none.to_string(), "training: whole epochs must be 1 or more for a checkpoint, got 0");
}

#[test]
fn the_last_good_epoch_survives_a_later_nan() {
    // Each step multiplies every weight by −14, so that it takes some epochs to overflow.
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
            // An epoch has one step, and each multiplies every weight by about −10¹⁵.
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
    // 60 clips are of two classes, 6 of the third.
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
        "training: augmentation.audio must be off for clips without samples (Dataset::with_audio adds them), got on"
    );
    let masks = setting(|c| c.augmentation.time_masks = Masks { count: 1, width: 5 });
    assert_eq!(masks, "training: augmentation.time_masks must be off for inputs without frames, got on");
    let shift = setting(|c| c.augmentation.frequency_shift = 2);
    assert_eq!(shift, "training: augmentation.frequency_shift must be off for inputs without frames, got on");
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
    let rule = "clips must be 1 or more where early_stopping is set";
    assert_eq!(build(unclear, &train, None), format!("validation part: {rule}, got 0"));

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
    let rule = "architecture must be one network (Checkpoint::join joins trained ones)";
    assert_eq!(error, format!("training: {rule}, got ensemble"));
}
