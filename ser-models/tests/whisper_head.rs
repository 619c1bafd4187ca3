//! From sound through an encoder and a head to a mood.

use crate::common::encoder::{file, small};
use safetensors::tensor::Dtype;
use ser_features::PreparationConfig;
use ser_models::encoder::{WhisperEncoder, quantize};
use ser_models::input::{Ear, ModelInput};
use ser_models::models::{Architecture, HeadPooling, WhisperHeadConfig};
use ser_models::training::{
    AudioAugmentation, Dataset, EncodedClips, EncodedError, EncodingConfig, Trainer, TrainingConfig,
};
use ser_models::{Checkpoint, CheckpointError, CheckpointSource, Generator, Recognizer};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const LABELS: [&str; 2] = ["low", "high"];

fn encoder() -> Arc<WhisperEncoder> {
    Arc::new(WhisperEncoder::from_bytes(&file(&small(), Dtype::F32), 2).unwrap())
}

/// Tones of 300 and 2,500 Hz in turn, in noise, 0.3 to 0.9 s long: the encoder takes 0.4 s at once.
fn clips(n: usize) -> Vec<Vec<f32>> {
    let mut generator = Generator::new(7);
    let clip = |clip: usize| {
        let hertz = [300.0, 2500.0][clip % 2] * (1.0 + 0.01 * clip as f32);
        let samples = 4800 + clip % 5 * 2400;
        let tone = |i: usize| (std::f32::consts::TAU * hertz * i as f32 / 16_000.0).sin();
        (0..samples).map(|i| 0.5 * tone(i) + generator.uniform(-0.1, 0.1) as f32).collect()
    };
    (0..n).map(clip).collect()
}

fn ids(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("clip-{i}")).collect()
}

fn config(copies: usize) -> EncodingConfig {
    let augmentation =
        AudioAugmentation { snr: Some([5.0, 20.0]), speed: Some([0.9, 1.1]), ..Default::default() };
    EncodingConfig { preparation: PreparationConfig::raw(16_000), augmentation, copies, seed: 3 }
}

fn head(encoder: &WhisperEncoder, pooling: HeadPooling) -> Architecture {
    let encoder = encoder.sha256().to_owned();
    WhisperHeadConfig { blocks: 2, width: 128, encoder, pooling, dense: vec![16], ..Default::default() }
        .into()
}

fn trained(architecture: Architecture, data: &Dataset) -> Checkpoint {
    let config = TrainingConfig { epochs: 20, batch_size: 8, log_skewed: false, ..Default::default() };
    let features = architecture.features();
    let mut trainer = Trainer::new(config, architecture, data, None, 0).unwrap();
    trainer.run(|_| {}, &AtomicBool::new(false)).unwrap();
    let preparation = PreparationConfig::raw(16_000);
    let source =
        CheckpointSource { preparation, features, protocol: "none".into(), split_seed: 0, test: vec![] };
    trainer.checkpoint(source).unwrap()
}

#[test]
fn a_head_trains_on_encoded_clips_and_answers_for_sound() {
    let (encoder, clips, labels) = (encoder(), clips(16), (0..16).map(|i| i % 2).collect::<Vec<_>>());
    let names = LABELS.map(String::from);
    let encoded = EncodedClips::new(&encoder, config(1), ids(16), &clips).unwrap();
    let data = encoded.dataset(&ids(16)[..12], &labels[..12], &names, 1).unwrap();
    assert_eq!((data.len(), data.ids()[13].as_str()), (24, "clip-1~1"));
    let checkpoint = trained(head(&encoder, HeadPooling::Statistics), &data);
    let back = Checkpoint::from_bytes(&checkpoint.to_bytes().unwrap()).unwrap();
    assert_eq!(back, checkpoint);
    assert_eq!(back.architecture.encoder(), Some(encoder.sha256()));

    let mut recognizer = Recognizer::with_encoder(&back, encoder).unwrap();
    let rest = encoded.dataset(&ids(16)[12..], &labels[12..], &names, 0).unwrap();
    let expected = back.classifier().unwrap().probabilities(rest.inputs(), None).unwrap();
    for ((clip, label), expected) in clips[12..].iter().zip(&labels[12..]).zip(expected.outer_iter()) {
        let recognition = recognizer.recognize_window(clip, 16_000).unwrap();
        assert_eq!(recognition.label, LABELS[*label]);
        let probabilities: Vec<f32> = recognition.probabilities.iter().map(|(_, p)| *p).collect();
        assert!(probabilities.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

#[test]
fn a_head_with_attention_reads_frames() {
    let encoder = encoder();
    let architecture = head(&encoder, HeadPooling::Attentive { units: 8, frames: 30 });
    let mut ear = Ear::new(encoder.clone()).unwrap();
    let input = architecture.input();
    let inputs: Vec<_> = clips(12).iter().map(|clip| ear.hear(clip, input).unwrap()).collect();
    // 0.3 s are 30 frames, 15 after the convolutions; 0.9 s are cut.
    assert_eq!(inputs[0].lengths(), Some(&[15][..]));
    assert_eq!((inputs[4].lengths(), inputs[4].dims()), (Some(&[30][..]), &[1, 384, 30][..]));
    let data = Dataset::of_clips(input, inputs, (0..12).map(|i| i % 2).collect(), LABELS, ids(12)).unwrap();
    let checkpoint = trained(architecture, &data);
    let mut recognizer = Recognizer::with_encoder(&checkpoint, encoder).unwrap();
    for (number, clip) in clips(4).iter().enumerate() {
        assert_eq!(recognizer.recognize_window(clip, 16_000).unwrap().label, LABELS[number % 2]);
    }
}

#[test]
fn frames_of_a_long_clip_are_those_of_its_statistics() {
    let mut ear = Ear::new(encoder()).unwrap();
    for clip in clips(5) {
        let input = |frames| ModelInput::Encoded { layers: 3, width: 128, frames };
        let statistics = ear.hear(&clip, input(None)).unwrap().into_values();
        let statistics = statistics.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let frames = ear.hear(&clip, input(Some(45))).unwrap();
        let own = frames.lengths().unwrap()[0];
        assert_eq!(own, (clip.len() / 160).div_ceil(2));
        let rows = frames.values().squeeze(0).unwrap().narrow(1, 0, own).unwrap().to_vec2::<f32>().unwrap();
        for (row, values) in rows.iter().enumerate() {
            let values: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
            let mean = values.iter().sum::<f64>() / own as f64;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / own as f64;
            let at = row / 128 * 256 + row % 128;
            assert!((f64::from(statistics[at]) - mean).abs() < 1e-4);
            assert!((f64::from(statistics[at + 128]) - (variance + 1e-5).sqrt()).abs() < 1e-4);
        }
    }
}

#[test]
fn encoded_clips_come_back_from_their_file_and_repeat() {
    let (encoder, clips) = (encoder(), clips(5));
    let encode = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| EncodedClips::new(&encoder, config(2), ids(5), &clips).unwrap())
    };
    let encoded = encode(1);
    assert_eq!(encode(3), encoded);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("encoded.safetensors");
    encoded.save(&path).unwrap();
    assert_eq!(EncodedClips::load(&path).unwrap(), encoded);
    assert_eq!((encoded.encoder(), encoded.config()), (encoder.sha256(), &config(2)));

    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = EncodedClips::load(&path).unwrap_err();
    assert!(error.to_string().ends_with("checksum mismatch: the file is corrupted"), "{error}");
    std::fs::write(&path, &bytes[..100]).unwrap();
    assert!(matches!(EncodedClips::load(&path), Err(EncodedError::Damaged { .. })));
    assert!(matches!(EncodedClips::load(folder.path().join("none")), Err(EncodedError::Io { .. })));

    let names = LABELS.map(String::from);
    let error = |ids: &[String], copies| {
        encoded.dataset(ids, &vec![0; ids.len()], &names, copies).unwrap_err().to_string()
    };
    assert_eq!(error(&ids(5), 3), "encoded clips: copies must be 0 to 2, got 3");
    assert!(error(&["other".to_owned()], 0).ends_with("got other"));
    let refused = |config: EncodingConfig, clips: &[Vec<f32>]| {
        EncodedClips::new(&encoder, config, ids(5), clips).unwrap_err().to_string()
    };
    let rate = EncodingConfig { preparation: PreparationConfig::raw(22_050), ..config(0) };
    assert_eq!(refused(rate, &clips), "encoding: preparation.sample_rate must be 16000, got 22050");
    let mut short = clips.clone();
    short[3].truncate(100);
    assert!(refused(config(0), &short).starts_with("clip clip-3: "));
    assert_eq!(refused(config(0), &clips[..4]), "encoding: clips must be as many as ids, got 4 for 5");
}

#[test]
fn a_head_takes_its_own_encoder_alone() {
    let encoder = encoder();
    let encoded = EncodedClips::new(&encoder, config(0), ids(4), &clips(4)).unwrap();
    let data = encoded.dataset(&ids(4), &[0, 1, 0, 1], &LABELS.map(String::from), 0).unwrap();
    let checkpoint = trained(head(&encoder, HeadPooling::Statistics), &data);
    let refused = |result: Result<Recognizer, CheckpointError>| match result {
        Err(error @ CheckpointError::Encoder { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let none = refused(Recognizer::new(&checkpoint));
    assert!(none.contains("the encoder must be given") && none.contains(encoder.sha256()), "{none}");
    let eight = quantize(&file(&small(), Dtype::F32)).unwrap();
    let other =
        refused(Recognizer::with_encoder(&checkpoint, WhisperEncoder::from_bytes(&eight, 2).unwrap()));
    assert!(other.contains(&format!("must be that of SHA-256 {}, got", encoder.sha256())), "{other}");
    let bundled = Checkpoint::from_bytes(include_bytes!("../../models/moods.safetensors")).unwrap();
    let features = refused(Recognizer::with_encoder(&bundled, encoder.clone()));
    assert!(features.contains("none, for the network reads features"), "{features}");

    // One of other sizes, where the checkpoint names none.
    let mut ear = Ear::new(encoder).unwrap();
    let error =
        ear.hear(&clips(1)[0], ModelInput::Encoded { layers: 5, width: 512, frames: None }).unwrap_err();
    assert!(error.to_string().ends_with("got 3 layers of 128"), "{error}");
}
