//! From samples to a mood, with a model trained on synthetic voices.

use crate::common::{RATE, voice};
use ndarray::{Array2, ArrayD, IxDyn};
use ser_features::{Feature, FeatureConfig, FeatureExtractor, Preparation, PreparationConfig, SignalError};
use ser_models::layers::Padded;
use ser_models::models::{
    Architecture, AttentionLstmConfig, Cnn1dConfig, CnnLstmConfig, ConvBlock, HybridConfig, RnnLstmConfig,
    TimNetConfig,
};
use ser_models::training::{Dataset, Trainer, TrainingConfig};
use ser_models::{Checkpoint, CheckpointError, CheckpointSource, RecognizeError, Recognizer, TimelineConfig};
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

/// Returns a recogniser that accepts synthetic voices, which are no speech.
fn any_sound(recognizer: Recognizer) -> Recognizer {
    recognizer.with_config(TimelineConfig { detect_speech: false, ..TimelineConfig::default() }).unwrap()
}

#[test]
fn new_voices_are_recognised_alike_from_file_and_from_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    checkpoint().save(&path).unwrap();
    let mut from_file = any_sound(Recognizer::load(&path).unwrap());
    let mut from_bytes = any_sound(Recognizer::from_bytes(&checkpoint().to_bytes().unwrap()).unwrap());
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
    let mut recognizer = any_sound(Recognizer::new(checkpoint()).unwrap());
    let first = recognizer.recognize(&voice(0, 7), RATE).unwrap();
    recognizer.recognize(&voice(1, 8), 48_000).unwrap();
    let later = std::thread::spawn(move || recognizer.recognize(&voice(0, 7), RATE).unwrap());
    assert_eq!(later.join().unwrap(), first);
}

#[test]
fn a_clone_gives_the_same_answers() {
    let mut recognizer = any_sound(Recognizer::new(checkpoint()).unwrap());
    let mut clone = recognizer.try_clone().unwrap();
    assert_eq!(clone.config(), recognizer.config());
    for (clip, rate) in [(voice(0, 7), RATE), (voice(1, 8), 48_000)] {
        assert_eq!(clone.recognize(&clip, rate).unwrap(), recognizer.recognize(&clip, rate).unwrap());
    }
}

#[test]
fn what_cannot_be_speech_is_refused() {
    let mut recognizer = any_sound(Recognizer::new(checkpoint()).unwrap());
    let mut refused = |samples: &[f32], rate| match recognizer.recognize(samples, rate).unwrap_err() {
        RecognizeError::Signal(error) => error,
        error => panic!("{error}"),
    };
    assert_eq!(refused(&[], RATE), SignalError::Empty);
    assert_eq!(refused(&[0.1; 10], RATE), SignalError::TooShort { minimum: 4000, given: 10 });
    assert_eq!(refused(&[0.0; 16_000], RATE), SignalError::Silent { peak: 0.0 });
    let mut broken = voice(0, 1);
    broken[5] = f32::NAN;
    assert!(matches!(refused(&broken, RATE), SignalError::NotFinite { index: 5, .. }));
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

/// Returns every kind of network that reads frames, in small sizes, with the features that it reads.
fn of_frames() -> Vec<(Architecture, Vec<Feature>)> {
    let (rows, frames, mfcc) = (13, 24, vec![Feature::Mfcc]);
    let image = || CnnLstmConfig {
        rows,
        frames,
        blocks: [true, false].map(|batch_norm| ConvBlock::image(4, batch_norm, [2; 2], 0.25)).to_vec(),
        lstm_units: 6,
        ..Default::default()
    };
    let blocks = vec![ConvBlock::new(6, 3, 4, 0.2), ConvBlock::new(6, 3, 4, 0.2)];
    vec![
        (image().into(), mfcc.clone()),
        (CnnLstmConfig { channels: 2, ..image() }.into(), vec![Feature::Mfcc, Feature::Mel]),
        (
            HybridConfig { rows, frames, blocks, lstm_units: 6, dense: vec![4], ..Default::default() }.into(),
            mfcc.clone(),
        ),
        (
            RnnLstmConfig { rows: 16, frames: 16, rnn_units: 6, lstm_units: 6, ..Default::default() }.into(),
            vec![Feature::Mel],
        ),
        (
            AttentionLstmConfig { rows, frames, lstm_units: 6, attention_units: 4, ..Default::default() }
                .into(),
            mfcc.clone(),
        ),
        (TimNetConfig { rows, frames, filters: 6, blocks: 4, ..Default::default() }.into(), mfcc),
    ]
}

fn source(features: FeatureConfig) -> CheckpointSource {
    let (protocol, test) = ("all for training".to_owned(), Vec::new());
    let preparation = PreparationConfig::raw(RATE);
    CheckpointSource { preparation, features, protocol, split_seed: 0, test }
}

#[test]
fn clips_shorter_and_longer_than_the_networks_frames_are_heard_as_far_as_it_reads() {
    // From the shortest clip that can be speech, whose 8 frames are fewer than the hybrid's pooling needs, to more than twice the frames.
    let clips = [4_000, 6_000, 12_000, 16_000, 32_000].map(|length| {
        let voice = voice(length % 2, length as u64).repeat(2);
        voice[..length].to_vec()
    });
    for (architecture, features) in of_frames() {
        let (name, input) = (architecture.name(), architecture.input());
        let features = FeatureConfig { sample_rate: RATE, n_mfcc: 13, features, ..Default::default() };
        let mut extractor = FeatureExtractor::new(features.clone()).unwrap();
        let of = |clip: &Vec<f32>| input.of(&extractor.extract(clip).unwrap()).unwrap();
        let inputs: Vec<_> = clips.iter().map(of).collect();
        let own: Option<Vec<usize>> =
            inputs.iter().map(|clip| clip.lengths().map(|lengths| lengths[0])).collect();
        assert_eq!(own, input.is_padded().then(|| vec![8, 12, 24, 24, 24]), "{name}");
        let ids = (0..clips.len()).map(|i| format!("voice-{i}"));
        let data = Dataset::of_clips(input, inputs, vec![0, 1, 0, 1, 0], ["Calm", "Energetic"], ids).unwrap();
        let config = TrainingConfig { epochs: 2, batch_size: 5, ..Default::default() };
        let mut trainer = Trainer::new(config, architecture, &data, None, 1).unwrap();
        trainer.run(|_| {}, &AtomicBool::new(false)).unwrap();
        let checkpoint = trainer.checkpoint(source(features)).unwrap();
        let together = checkpoint.classifier().unwrap().probabilities(data.inputs()).unwrap();
        let mut recognizer = any_sound(Recognizer::new(&checkpoint).unwrap());
        for (clip, expected) in clips.iter().zip(together.outer_iter()) {
            let recognition = recognizer.recognize(clip, RATE).unwrap();
            let near = |(a, b): (&(String, f32), &f32)| (a.1 - b).abs() < 1e-5;
            assert!(recognition.probabilities.iter().zip(expected).all(near), "{name}: {recognition:?}");
        }
        let error = recognizer.recognize(&clips[0][..3_999], RATE).unwrap_err().to_string();
        assert!(error.contains("4000") && error.contains("3999"), "{name}: {error}");
    }
}

#[test]
fn a_clip_of_a_single_frame_is_answered_and_one_of_none_refused() {
    for (architecture, features) in of_frames() {
        let (name, input) = (architecture.name(), architecture.input());
        if !input.is_padded() {
            continue;
        }
        let shape: Vec<usize> = std::iter::once(2).chain(input.shape()).collect();
        let values = ArrayD::from_shape_fn(IxDyn(&shape), |at| (at[shape.len() - 1] as f32).sin());
        let data = Dataset::new(values.clone(), vec![0, 1], ["Calm", "Energetic"], ["a", "b"]).unwrap();
        let data = data.with_frames(vec![24, 1]).unwrap();
        let config = TrainingConfig { epochs: 1, batch_size: 2, ..Default::default() };
        let mut trainer = Trainer::new(config, architecture, &data, None, 1).unwrap();
        trainer.run(|_| {}, &AtomicBool::new(false)).unwrap();
        let loss = trainer.history().epochs[0].train_loss;
        assert!(loss.is_finite(), "{name}");
        let features = FeatureConfig { sample_rate: RATE, n_mfcc: 13, features, ..Default::default() };
        let classifier = trainer.checkpoint(source(features)).unwrap().classifier().unwrap();
        let tensor = data.inputs().values();
        let of = |lengths| Padded::new(tensor.clone(), Some(lengths)).unwrap();
        let answer = classifier.probabilities(&of(vec![1, 2])).unwrap();
        assert!(answer.iter().all(|p| (0.0..=1.0).contains(p)), "{name}: {answer}");
        for wrong in [vec![0, 24], vec![1, 25], vec![24]] {
            let error = Padded::new(tensor.clone(), Some(wrong)).unwrap_err().to_string();
            assert!(error.contains("1 to 24 frames for each of 2 examples"), "{name}: {error}");
        }
    }
}
