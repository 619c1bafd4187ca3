//! From samples to a mood, with a model trained on made-up voices.
#![allow(clippy::unwrap_used)]

mod common;

use common::{RATE, voice};
use ndarray::Array2;
use ser_features::{Feature, FeatureConfig, FeatureExtractor, Preparation, PreparationConfig, SignalError};
use ser_models::models::{Cnn1dConfig, ConvBlock};
use ser_models::training::{Dataset, Trainer, TrainingConfig};
use ser_models::{Checkpoint, CheckpointError, CheckpointSource, RecognizeError, Recognizer};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

fn checkpoint() -> &'static Checkpoint {
    static CHECKPOINT: OnceLock<Checkpoint> = OnceLock::new();
    CHECKPOINT.get_or_init(|| {
        let preparation = PreparationConfig { sample_rate: RATE, length: Some(16_000), ..Default::default() };
        let features = vec![Feature::Mfcc, Feature::Contrast];
        let features = FeatureConfig { sample_rate: RATE, n_mfcc: 13, features, ..Default::default() };
        let mut prepare = Preparation::new(preparation.clone()).unwrap();
        let mut extractor = FeatureExtractor::new(features.clone()).unwrap();
        let rows = (0..40).flat_map(|i| {
            let clip = prepare.process(&voice(i % 2, i as u64), RATE).unwrap();
            extractor.extract(&clip).unwrap().vector()
        });
        let inputs = Array2::from_shape_vec((40, 20), rows.collect()).unwrap();
        let labels = (0..40).map(|i| i % 2).collect();
        let data = Dataset::new(inputs, labels, ["Calm", "Energetic"], (0..40).map(|i| format!("voice-{i}")));
        let architecture =
            Cnn1dConfig { features: 20, blocks: vec![ConvBlock::new(8, 5, 2, 0.2)], ..Default::default() };
        let config = TrainingConfig { epochs: 15, batch_size: 8, ..Default::default() };
        let mut trainer = Trainer::new(config, architecture.into(), &data.unwrap(), None, 1).unwrap();
        trainer.run(|_| {}, &AtomicBool::new(false)).unwrap();
        let (protocol, test) = ("all for training".to_owned(), Vec::new());
        let source = CheckpointSource { preparation, features, protocol, split_seed: 0, test };
        trainer.checkpoint(source).unwrap()
    })
}

#[test]
fn new_voices_are_recognised_alike_from_file_and_from_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    checkpoint().save(&path).unwrap();
    let mut from_file = Recognizer::load(&path).unwrap();
    let mut from_bytes = Recognizer::from_bytes(&checkpoint().to_bytes().unwrap()).unwrap();
    assert_eq!(from_file.labels(), ["Calm", "Energetic"]);
    for seed in 100..106 {
        for (class, label) in ["Calm", "Energetic"].into_iter().enumerate() {
            let recognition = from_file.recognize(&voice(class, seed), RATE).unwrap();
            assert_eq!(recognition.label, label);
            let names: Vec<&str> = recognition.probabilities.iter().map(|p| p.0.as_str()).collect();
            assert_eq!(names, ["Calm", "Energetic"]);
            assert!((recognition.probabilities.iter().map(|p| p.1).sum::<f32>() - 1.0).abs() < 1e-5);
            assert_eq!(from_bytes.recognize(&voice(class, seed), RATE).unwrap(), recognition);
        }
    }
}

#[test]
fn one_recogniser_gives_one_answer_however_often_it_is_used_and_wherever_it_runs() {
    let mut recognizer = Recognizer::new(checkpoint()).unwrap();
    let first = recognizer.recognize(&voice(0, 7), RATE).unwrap();
    recognizer.recognize(&voice(1, 8), 48_000).unwrap();
    let later = std::thread::spawn(move || recognizer.recognize(&voice(0, 7), RATE).unwrap());
    assert_eq!(later.join().unwrap(), first);
}

#[test]
fn what_cannot_be_speech_is_refused() {
    let mut recognizer = Recognizer::new(checkpoint()).unwrap();
    let mut refused = |samples: &[f32], rate| match recognizer.recognize(samples, rate).unwrap_err() {
        RecognizeError::Signal(error) => error,
        error => panic!("{error}"),
    };
    assert_eq!(refused(&[], RATE), SignalError::Empty);
    assert_eq!(refused(&[0.1; 10], RATE), SignalError::TooShort { minimum: 4000, given: 10 });
    assert_eq!(refused(&[0.0; 16_000], RATE), SignalError::Silent { peak: 0.0 });
    let mut broken = voice(0, 1);
    broken[5] = f32::NAN;
    assert_eq!(refused(&broken, RATE), SignalError::NotFinite { index: 5 });
    assert!(matches!(refused(&voice(0, 1), 0), SignalError::SampleRate { .. }));
}

#[test]
fn a_checkpoint_with_features_that_cannot_be_computed_is_refused() {
    let mut broken = checkpoint().clone();
    broken.features.hop_length = 0;
    let error = Recognizer::new(&broken).unwrap_err();
    assert!(matches!(error, CheckpointError::Front { .. }), "{error}");
    assert!(error.to_string().contains("hop_length"), "{error}");
}
