//! Models that were trained separately and are joined.

use crate::common::{architecture, clips, config, source};
use ndarray::Array2;
use ser_models::models::{Architecture, Cnn1dConfig, EnsembleConfig};
use ser_models::training::{Trainer, TrainingConfig};
use ser_models::{Checkpoint, CheckpointSource};
use std::sync::atomic::AtomicBool;

fn trained(config: TrainingConfig, seed: u64, source: CheckpointSource) -> Checkpoint {
    let mut trainer = Trainer::new(config, architecture(), &clips(70, 0), None, seed).unwrap();
    trainer.run(|_| {}, &AtomicBool::new(false)).unwrap();
    trainer.checkpoint(source).unwrap()
}

fn answers(model: &Checkpoint) -> Array2<f32> {
    model.classifier().unwrap().probabilities(clips(9, 500).inputs()).unwrap()
}

#[test]
fn the_answer_is_the_weighted_mean_of_the_models_and_the_file_keeps_every_record() {
    let alone = trained(config(2), 1, source());
    let quiet = TrainingConfig { label_smoothing: 0.0, ..config(3) };
    // Another seed of the split, but the same clips.
    let elsewhere = CheckpointSource { split_seed: 4, ..source() };
    let members = [2, 3].map(|seed| trained(quiet.clone(), seed, elsewhere.clone()));
    let pair = Checkpoint::join(&members.each_ref().map(|of| (of.clone(), 1.0))).unwrap();
    let mean = (answers(&members[0]) + answers(&members[1])) / 2.0;
    assert!(answers(&members[0]) != answers(&members[1]));
    assert!(answers(&pair).iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-6));
    let joined = Checkpoint::join(&[(alone.clone(), 3.0), (pair.clone(), 1.0)]).unwrap();
    let Architecture::Ensemble(of) = &joined.architecture else { panic!("it must be an ensemble") };
    assert_eq!((of.members, &*of.network, &of.weights[..]), (3, &architecture(), &[3.0, 0.5, 0.5][..]));
    let mean = answers(&alone) * 0.75 + answers(&pair) * 0.25;
    assert!(answers(&joined).iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-6));

    // A temperature applies to the mean of the probabilities, not to each member's.
    let soft = [&alone, &pair, &joined].map(|model| {
        let mut model = model.clone();
        model.readout.temperature = 2.0;
        model
    });
    let mut roots = mean.mapv(f32::sqrt);
    roots.outer_iter_mut().for_each(|mut row| row /= row.sum());
    let [first, second, softened] = soft;
    let again = Checkpoint::join(&[(first, 3.0), (second, 1.0)]).unwrap();
    assert_eq!(again.readout, softened.readout);
    assert!(answers(&again).iter().zip(&roots).all(|(a, b)| (a - b).abs() < 1e-5));

    assert_eq!((&joined.training, &joined.split), (&alone.training, &alone.split));
    let configs: Vec<_> = joined.joined.iter().map(|of| TrainingConfig::of_record(of).unwrap()).collect();
    assert_eq!(joined.joined.iter().map(|record| record.seed).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(configs, [quiet.clone(), quiet]);
    let bytes = joined.to_bytes().unwrap();
    let read = Checkpoint::from_bytes(&bytes).unwrap();
    assert_eq!(read, joined);
    assert!(read.to_bytes().unwrap() == bytes);

    // Joined models may be joined again, and a single model stays unchanged.
    let again = Checkpoint::join(&[(joined, 1.0), (alone.clone(), 1.0)]).unwrap();
    assert_eq!(again.joined.iter().map(|record| record.seed).collect::<Vec<_>>(), [2, 3, 1]);
    let Architecture::Ensemble(of) = &again.architecture else { panic!("it must be an ensemble") };
    assert_eq!((of.members, &of.weights[..]), (4, &[0.75, 0.125, 0.125, 1.0][..]));
    assert_eq!(Checkpoint::join(&[(alone.clone(), 1.0)]).unwrap(), alone);
}

#[test]
fn unlike_networks_answer_together_and_may_be_joined_again() {
    let Architecture::Cnn1d(network) = architecture() else { panic!("it must be a cnn-1d") };
    let unlike: Architecture = Cnn1dConfig { dense: vec![7], ..network }.into();
    let trained_as = |network: &Architecture, seed: u64| {
        let mut trainer = Trainer::new(config(1), network.clone(), &clips(70, 0), None, seed).unwrap();
        trainer.run(|_| {}, &AtomicBool::new(false)).unwrap();
        trainer.checkpoint(source()).unwrap()
    };
    let [a, b, c] = [(architecture(), 1), (unlike.clone(), 2), (architecture(), 3)]
        .map(|(of, seed)| trained_as(&of, seed));
    let pair = Checkpoint::join(&[(a.clone(), 1.0), (b.clone(), 3.0)]).unwrap();
    let joined = Checkpoint::join(&[(pair, 2.0), (c.clone(), 1.0)]).unwrap();
    let Architecture::Ensemble(of) = &joined.architecture else { panic!("it must be an ensemble") };
    // Members with the first model's architecture come first.
    assert_eq!((of.members, &of.others[..], &of.weights[..]), (2, &[unlike][..], &[0.5, 1.0, 1.5][..]));
    assert_eq!(joined.joined.iter().map(|record| record.seed).collect::<Vec<_>>(), [3, 2]);
    let mean = (answers(&a) * 0.5 + answers(&c) + answers(&b) * 1.5) / 3.0;
    assert!(answers(&joined).iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-6));
    let back = Checkpoint::from_bytes(&joined.to_bytes().unwrap()).unwrap();
    assert_eq!(back, joined);
    assert!(answers(&back) == answers(&joined));
}

#[test]
fn models_that_do_not_agree_are_refused() {
    type Change<'a> = &'a dyn Fn(&mut Checkpoint);
    let one = trained(config(1), 1, source());
    let refused = |change: Change<'_>| {
        let mut other = one.clone();
        change(&mut other);
        Checkpoint::join(&[one.clone(), one.clone(), other].map(|of| (of, 1.0))).unwrap_err().to_string()
    };
    let other_clips = {
        let mut trainer = Trainer::new(config(1), architecture(), &clips(70, 100), None, 1).unwrap();
        trainer.run(|_| {}, &AtomicBool::new(false)).unwrap();
        trainer.checkpoint(source()).unwrap()
    };
    let cases: [(&str, Change<'_>); 7] = [
        ("input", &|of| of.architecture = Architecture::named("hybrid").unwrap()),
        ("labels", &|of| of.labels.swap(0, 1)),
        ("readout", &|of| of.readout.temperature = 2.0),
        ("preparation", &|of| of.preparation.length = None),
        ("features", &|of| of.features.n_fft *= 2),
        ("normalization", &|of| *of = other_clips.clone()),
        ("clips of each part", &|of| of.split.train.truncate(9)),
    ];
    for (expected, change) in cases {
        let error = refused(change);
        let rule = format!("model 3: {expected} must be the first model's, got another");
        assert_eq!(error, format!("checkpoint in memory: {rule}"));
    }
    let error = Checkpoint::join(&[]).unwrap_err().to_string();
    assert_eq!(error, "checkpoint in memory: join: models must be 1 or more, got 0");
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = Checkpoint::join(&[(one.clone(), weight)]).unwrap_err().to_string();
        let expected = format!("model 1: weight must be a finite number above 0, got {weight}");
        assert!(error.ends_with(&expected), "{error}");
    }
    // Models that could not be written are not joined either.
    for (members, weights) in
        [(usize::MAX, vec![]), (0, vec![]), (1, vec![]), (2, vec![1.0]), (2, vec![-1.0; 2])]
    {
        let mut pair = Checkpoint::join(&[(one.clone(), 1.0), (one.clone(), 1.0)]).unwrap();
        pair.architecture = EnsembleConfig { weights, ..EnsembleConfig::new(members, architecture()) }.into();
        let error = Checkpoint::join(&[(one.clone(), 1.0), (pair, 1.0)]).unwrap_err().to_string();
        assert!(error.starts_with("model 2: "), "{error}");
    }
}
