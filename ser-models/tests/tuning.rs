//! Heads that are trained together with upper blocks of the encoder.

use crate::common::encoder::{file, small};
use safetensors::tensor::Dtype;
use ser_features::PreparationConfig;
use ser_models::encoder::{EncoderBlocks, WhisperEncoder, quantize};
use ser_models::input::{ClipEncoder, ModelInput};
use ser_models::models::{Architecture, HeadLayers, HeadPooling, WhisperHeadConfig};
use ser_models::training::{
    AudioAugmentation, Dataset, EncodingConfig, Event, Finish, Trainer, TrainingConfig, encode_frames,
};
use ser_models::{Checkpoint, CheckpointError, CheckpointSource, Generator, Recognizer};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const LABELS: [&str; 2] = ["low", "high"];
static GO: AtomicBool = AtomicBool::new(false);
/// Frames of the longest clip.
const FRAMES: usize = 20;

fn bytes() -> Vec<u8> {
    file(&small(), Dtype::F32)
}

fn encoder(blocks: usize) -> Arc<WhisperEncoder> {
    Arc::new(WhisperEncoder::from_bytes(&bytes(), blocks).unwrap())
}

fn last_block() -> EncoderBlocks {
    EncoderBlocks::from_bytes(&bytes(), 1..2).unwrap()
}

/// Makes tones of 300 and 2,500 Hz alternately, in noise, 0.3 to 0.4 s long, which the encoder can process at once.
fn clips(n: usize) -> Vec<Vec<f32>> {
    let mut generator = Generator::new(7);
    let clip = |clip: usize| {
        let hertz = [300.0, 2500.0][clip % 2] * (1.0 + 0.01 * clip as f32);
        let tone = |i: usize| (std::f32::consts::TAU * hertz * i as f32 / 16_000.0).sin();
        (0..4800 + clip % 3 * 800).map(|i| 0.5 * tone(i) + generator.uniform(-0.3, 0.3) as f32).collect()
    };
    (0..n).map(clip).collect()
}

fn ids(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("clip-{i}")).collect()
}

fn labels(n: usize) -> Vec<usize> {
    (0..n).map(|i| i % 2).collect()
}

fn source(architecture: &Architecture) -> CheckpointSource {
    CheckpointSource {
        preparation: PreparationConfig::raw(16_000),
        features: architecture.features(),
        protocol: "none".into(),
        split_seed: 0,
        test: vec![],
    }
}

/// Returns a head on the frozen encoder, trained on the first 12 clips.
fn head(config: WhisperHeadConfig, log_skewed: bool) -> Checkpoint {
    let encoder = encoder(2);
    let config = WhisperHeadConfig {
        blocks: 2,
        width: 128,
        encoder: encoder.digest().to_owned(),
        dense: vec![16],
        ..config
    };
    let architecture = Architecture::from(config);
    let (input, mut clip_encoder) = (architecture.input(), ClipEncoder::new(encoder).unwrap());
    let inputs: Vec<_> = clips(12).iter().map(|clip| clip_encoder.encode(clip, input).unwrap()).collect();
    let data = Dataset::of_clips(input, inputs, labels(12), LABELS, ids(12)).unwrap();
    let training = TrainingConfig { epochs: 3, batch_size: 8, log_skewed, ..Default::default() };
    let source = source(&architecture);
    let mut trainer = Trainer::new(training, architecture, &data, None, 0).unwrap();
    trainer.run(|_| {}, &GO).unwrap();
    trainer.checkpoint(source).unwrap()
}

fn means() -> WhisperHeadConfig {
    WhisperHeadConfig { pooling: HeadPooling::Means, skipped: 1, ..Default::default() }
}

#[test]
fn before_it_is_trained_a_network_with_blocks_answers_as_the_head() {
    let attentive = HeadPooling::Attentive { units: 8, frames: FRAMES };
    let default = WhisperHeadConfig::default;
    for (config, log_skewed) in [
        (default(), true),
        (means(), false),
        (WhisperHeadConfig { skipped: 2, ..default() }, false),
        (WhisperHeadConfig { layers: HeadLayers::Concatenation, ..default() }, false),
        (WhisperHeadConfig { pooling: attentive, skipped: 1, ..default() }, false),
        (WhisperHeadConfig { pooling: attentive, skipped: 2, ..default() }, false),
    ] {
        let checkpoint = head(config.clone(), log_skewed);
        let mut before = Recognizer::with_encoder(&checkpoint, encoder(2)).unwrap();
        // First the last block alone is tuned, then both.
        for first in [1, 0] {
            let blocks = EncoderBlocks::from_bytes(&bytes(), first..2).unwrap();
            let tuned = checkpoint.with_tuned_blocks(&blocks, FRAMES).unwrap();
            assert_eq!(tuned.architecture.encoder_blocks(), Some(first));
            let skipped = config.skipped.min(first);
            let layers = first + 1 - skipped;
            let input = ModelInput::EncodedFrames { skipped, layers, width: 128, frames: FRAMES };
            assert_eq!(tuned.architecture.input(), input);
            let tuned = Checkpoint::from_bytes(&tuned.to_bytes().unwrap()).unwrap();
            let mut after = Recognizer::with_encoder(&tuned, encoder(first)).unwrap();
            // No window is longer than the frames that the network reads.
            assert_eq!(after.window_seconds(), 0.4);
            for clip in clips(16) {
                let expected = before.recognize_window(&clip, 16_000).unwrap();
                let given = after.recognize_window(&clip, 16_000).unwrap();
                for (given, expected) in given.probabilities.iter().zip(&expected.probabilities) {
                    assert!((given.1 - expected.1).abs() < 1e-4, "{config:?}: {given:?} for {expected:?}");
                }
            }
            let error = after.profile(&clips(1)[0], 16_000).unwrap_err().to_string();
            assert!(error.contains("one whose statistics the model reads"), "{error}");
        }
    }
}

#[test]
fn blocks_that_do_not_fit_are_refused() {
    let checkpoint = head(means(), false);
    let refused = |checkpoint: &Checkpoint, blocks: &EncoderBlocks, frames| {
        checkpoint.with_tuned_blocks(blocks, frames).unwrap_err()
    };
    let of = |numbers| EncoderBlocks::from_bytes(&bytes(), numbers).unwrap();
    let not_last = refused(&checkpoint, &of(0..1), FRAMES).to_string();
    let expected = "whisper-head: blocks must be the head's last, up to 2, got 0..1";
    assert_eq!(not_last, format!("checkpoint in memory: {expected}"));
    let none = refused(&checkpoint, &last_block(), 0).to_string();
    assert!(none.contains("got shape [128, 0]"), "{none}");
    let twice = checkpoint.with_tuned_blocks(&last_block(), FRAMES).unwrap();
    let twice = refused(&twice, &last_block(), FRAMES);
    assert!(matches!(twice, CheckpointError::Inconsistent { .. }), "{twice}");
    assert!(twice.to_string().ends_with("tuned must be none before blocks are added, got some"), "{twice}");
    let eight = EncoderBlocks::from_bytes(&quantize(&bytes()).unwrap(), 1..2).unwrap();
    assert!(matches!(refused(&checkpoint, &eight, FRAMES), CheckpointError::Encoder { .. }));
    let small = Checkpoint::from_bytes(include_bytes!("../../models/moods.safetensors")).unwrap();
    assert!(matches!(refused(&small, &last_block(), FRAMES), CheckpointError::AnotherArchitecture { .. }));
}

/// Returns frames of clips from the encoder's first block, with one copy of each clip.
fn frames(input: ModelInput, clips: &[Vec<f32>], first: usize) -> Dataset {
    let ids: Vec<String> = (first..first + clips.len()).map(|i| format!("clip-{i}")).collect();
    let (labels, names) = (labels(clips.len()), LABELS.map(String::from));
    encode_frames(&encoder(1), &encoding_config(), input, clips, (&ids, &labels, &names)).unwrap()
}

fn encoding_config() -> EncodingConfig {
    let augmentation = AudioAugmentation { snr: Some([5.0, 20.0]), ..Default::default() };
    EncodingConfig { preparation: PreparationConfig::raw(16_000), augmentation, copies: 1, seed: 3 }
}

fn trainer(start: &Checkpoint, epochs: usize) -> Trainer {
    let config = TrainingConfig {
        epochs,
        batch_size: 8,
        learning_rate: 1e-3,
        learning_rates: BTreeMap::from([("transformer_block".to_owned(), 1e-4)]),
        ema_decay: Some(0.9),
        ..Default::default()
    };
    let (clips, input) = (clips(24), start.architecture.input());
    let (training, validation) = (frames(input, &clips[..12], 0), frames(input, &clips[16..], 16));
    assert_eq!((training.len(), training.ids()[13].as_str()), (24, "clip-1/copy 1"));
    Trainer::from_checkpoint(config, start, &training, Some(&validation), 5).unwrap()
}

fn saved(trainer: &Trainer, start: &Checkpoint) -> Checkpoint {
    trainer.checkpoint(source(&start.architecture)).unwrap()
}

#[test]
fn blocks_learn_with_the_head_and_a_cut_run_ends_like_an_uncut_one() {
    let start = head(means(), false).with_tuned_blocks(&last_block(), FRAMES).unwrap();
    let mut uncut = trainer(&start, 4);
    assert_eq!(uncut.run(|_| {}, &GO).unwrap(), Finish::Completed);
    let epochs = &uncut.history().epochs;
    assert!(epochs[3].train_loss < 0.9 * epochs[0].train_loss, "{epochs:?}");
    let checkpoint = saved(&uncut, &start);
    assert_eq!(
        (&checkpoint.normalization, &checkpoint.architecture),
        (&start.normalization, &start.architecture)
    );
    let encoding = EncodingConfig::of_record(&checkpoint.training).unwrap().unwrap();
    assert_eq!((encoding, start.training.encoding.as_ref()), (encoding_config(), None));
    // The clips of the head's training are listed too, once each.
    assert_eq!((checkpoint.split.train.len(), checkpoint.split.validation.len()), (24, 16));
    let values = |checkpoint: &Checkpoint, name: &str| {
        let classifier = checkpoint.classifier().unwrap();
        let parameter = classifier.model().parameters().get(name).unwrap();
        parameter.var().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    for part in ["self_attn.q_proj.weight", "self_attn.k_proj.weight", "fc1.bias", "final_layer_norm.weight"]
    {
        let name = format!("transformer_block_1.{part}");
        let (before, after) = (values(&start, &name), values(&checkpoint, &name));
        let moved = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // A step of AdamW changes a weight by about its learning rate, which falls along a cosine from 1e-4 in 12 steps.
        assert!(moved > 1e-5 && moved < 1.2e-3, "{name}: {moved}");
    }
    assert_eq!(values(&start, "standardization_1.std"), values(&checkpoint, "standardization_1.std"));

    let folder = tempfile::tempdir().unwrap();
    for cut in [2, 5] {
        let path = folder.path().join(format!("state-{cut}"));
        let (stop, mut seen) = (AtomicBool::new(false), 0);
        let mut cut_run = trainer(&start, 4);
        cut_run.keep_state(&path);
        let count = |event: &Event<'_>| {
            if let Event::Batch { .. } = event {
                seen += 1;
                stop.store(seen == cut, Ordering::Relaxed);
            }
        };
        assert_eq!(cut_run.run(count, &stop).unwrap(), Finish::Stopped);
        let mut resumed = trainer(&start, 4);
        resumed.resume(&path).unwrap();
        assert_eq!(resumed.run(|_| {}, &GO).unwrap(), Finish::Completed);
        assert!(
            saved(&resumed, &start).to_bytes().unwrap() == checkpoint.to_bytes().unwrap(),
            "cut at {cut}"
        );
    }
    let other = head(means(), true).with_tuned_blocks(&last_block(), FRAMES).unwrap();
    let error = trainer(&other, 4).resume(folder.path().join("state-2")).unwrap_err().to_string();
    assert!(error.contains("the checkpoint to begin from must be this run's"), "{error}");

    let mut recognizer = Recognizer::with_encoder(&checkpoint, encoder(1)).unwrap();
    let rest = frames(start.architecture.input(), &clips(24)[16..], 16);
    let expected = checkpoint.classifier().unwrap().probabilities(rest.inputs()).unwrap();
    for (clip, expected) in clips(24)[16..].iter().zip(expected.outer_iter()) {
        let given = recognizer.recognize_window(clip, 16_000).unwrap();
        assert!(given.probabilities.iter().zip(expected).all(|((_, a), b)| (a - b).abs() < 1e-6));
    }
}

#[test]
fn data_that_does_not_fit_the_checkpoint_is_refused() {
    let start = head(means(), false).with_tuned_blocks(&last_block(), FRAMES).unwrap();
    let (clips, input) = (clips(24), start.architecture.input());
    let training = frames(input, &clips[12..20], 12);
    let refused = |config: TrainingConfig, training: &Dataset, validation: Option<&Dataset>| {
        Trainer::from_checkpoint(config, &start, training, validation, 0).map(|_| ()).unwrap_err().to_string()
    };
    let config = TrainingConfig::default;
    assert_eq!(
        refused(config(), &training, Some(&frames(input, &clips[4..6], 4))),
        "validation part: clips must not have trained the checkpoint to begin from, got clip-4"
    );
    let mut clip_encoder = ClipEncoder::new(encoder(1)).unwrap();
    let encoded = clips[..8].iter().map(|clip| clip_encoder.encode(clip, input).unwrap());
    let others = Dataset::of_clips(input, encoded, labels(8), ["a", "b"], ids(8)).unwrap();
    assert_eq!(
        refused(config(), &others, None),
        r#"training part: classes must be those of the checkpoint to begin from, ["low", "high"], got ["a", "b"]"#
    );
    let learning_rates = BTreeMap::from([("encoder".to_owned(), 1e-4)]);
    assert_eq!(
        refused(TrainingConfig { learning_rates, ..config() }, &training, None),
        "training: learning_rates must be the beginning of the name of a weight of the network, got encoder"
    );
    let learning_rates = BTreeMap::from([("head".to_owned(), 0.0)]);
    assert_eq!(
        refused(TrainingConfig { learning_rates, ..config() }, &training, None),
        "training: learning_rates must be positive, got 0"
    );
}
