//! From audio through an encoder and a head to a mood.

use crate::common::encoder::{file, small};
use safetensors::tensor::Dtype;
use ser_features::PreparationConfig;
use ser_models::encoder::{WhisperEncoder, quantize};
use ser_models::input::{ClipEncoder, ModelInput};
use ser_models::models::{Architecture, HeadPooling, WhisperHeadConfig};
use ser_models::training::{
    AudioAugmentation, Augmentation, Dataset, EncodedClips, EncodedError, EncodingConfig, Masks, Trainer,
    TrainingConfig,
};
use ser_models::{
    Checkpoint, CheckpointError, CheckpointSource, FileError, Generator, ProfileError, Recognizer,
    TimelineConfig, VoiceProfile,
};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const LABELS: [&str; 2] = ["low", "high"];

fn encoder() -> Arc<WhisperEncoder> {
    Arc::new(WhisperEncoder::from_bytes(&file(&small(), Dtype::F32), 2).unwrap())
}

/// Makes tones of 300 and 2,500 Hz alternately, in noise, 0.3 to 0.9 s long. The encoder can process 0.4 s at once.
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
    let encoder = encoder.digest().to_owned();
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
    assert_eq!((data.len(), data.ids()[13].as_str()), (24, "clip-1/copy 1"));
    let checkpoint = trained(head(&encoder, HeadPooling::Statistics), &data);
    let back = Checkpoint::from_bytes(&checkpoint.to_bytes().unwrap()).unwrap();
    assert_eq!(back, checkpoint);
    assert_eq!(back.architecture.encoder(), Some(encoder.digest()));
    assert_eq!(EncodingConfig::of_record(&back.training).unwrap(), Some(config(1)));
    let clean = encoded.dataset(&ids(16)[..12], &labels[..12], &names, 0).unwrap();
    let clean = trained(head(&encoder, HeadPooling::Statistics), &clean);
    assert_eq!(EncodingConfig::of_record(&clean.training).unwrap(), Some(config(0)));

    let mut recognizer = Recognizer::with_encoder(&back, encoder).unwrap();
    let rest = encoded.dataset(&ids(16)[12..], &labels[12..], &names, 0).unwrap();
    let expected = back.classifier().unwrap().probabilities(rest.inputs()).unwrap();
    for ((clip, label), expected) in clips[12..].iter().zip(&labels[12..]).zip(expected.outer_iter()) {
        let recognition = recognizer.recognize_window(clip, 16_000).unwrap();
        assert_eq!(recognition.label, LABELS[*label]);
        let probabilities: Vec<f32> = recognition.probabilities.iter().map(|(_, p)| *p).collect();
        assert!(probabilities.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

#[test]
fn augmentation_that_statistics_or_an_encoder_cannot_have_is_refused() {
    let encoder = encoder();
    let encoded = EncodedClips::new(&encoder, config(0), ids(4), &clips(4)).unwrap();
    let data = encoded.dataset(&ids(4), &[0, 1, 0, 1], &LABELS.map(String::from), 0).unwrap();
    let features = head(&encoder, HeadPooling::Statistics).features();
    let data = data.with_audio(clips(4), PreparationConfig::raw(16_000), features).unwrap();
    let refused = |change: fn(&mut Augmentation)| {
        let mut config = TrainingConfig { epochs: 1, batch_size: 2, ..Default::default() };
        change(&mut config.augmentation);
        let architecture = head(&encoder, HeadPooling::Statistics);
        Trainer::new(config, architecture, &data, None, 0).unwrap_err().to_string()
    };
    let masks = refused(|a| a.time_masks = Masks { count: 1, width: 5 });
    assert_eq!(masks, "training: augmentation.time_masks must be off for inputs without frames, got on");
    let masks = refused(|a| a.frequency_masks = Masks { count: 1, width: 5 });
    assert_eq!(masks, "training: augmentation.frequency_masks must be off for inputs without frames, got on");
    let audio = refused(|a| a.audio.shift = 0.1);
    let expected = "training: augmentation.audio must be off for networks that read an encoder \
                    (EncodingConfig::augmentation changes their clips), got on";
    assert_eq!(audio, expected);
}

#[test]
fn a_record_of_the_encoding_may_be_missing_or_of_another_version() {
    let mut bundled = Checkpoint::from_bytes(include_bytes!("../../models/voices.safetensors")).unwrap();
    assert_eq!(EncodingConfig::of_record(&bundled.training).unwrap(), None);
    bundled.training.encoding = Some(serde_json::json!({ "copies": 2, "echo": true }));
    let error = EncodingConfig::of_record(&bundled.training).unwrap_err().to_string();
    assert!(error.contains("unknown field `echo`"), "{error}");
    let back = Checkpoint::from_bytes(&bundled.to_bytes().unwrap()).unwrap();
    assert_eq!(back, bundled, "it can be used nevertheless");
}

#[test]
fn a_head_with_attention_reads_frames() {
    let encoder = encoder();
    let architecture = head(&encoder, HeadPooling::Attentive { units: 8, frames: 30 });
    let mut clip_encoder = ClipEncoder::new(encoder.clone()).unwrap();
    let input = architecture.input();
    let inputs: Vec<_> = clips(12).iter().map(|clip| clip_encoder.encode(clip, input).unwrap()).collect();
    // 0.3 s are 30 frames, 15 after the convolutions. Clips of 0.9 s are cut.
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
    let mut clip_encoder = ClipEncoder::new(encoder()).unwrap();
    for clip in clips(5) {
        let input = ModelInput::Encoded { layers: 3, width: 128 };
        let statistics = clip_encoder.encode(&clip, input).unwrap().into_values();
        let statistics = statistics.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let input = ModelInput::EncodedFrames { skipped: 0, layers: 3, width: 128, frames: 45 };
        let frames = clip_encoder.encode(&clip, input).unwrap();
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
fn encoded_clips_repeat_on_any_number_of_threads_and_settings_are_checked() {
    let (encoder, clips) = (encoder(), clips(5));
    let encode = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| EncodedClips::new(&encoder, config(2), ids(5), &clips).unwrap())
    };
    let encoded = encode(1);
    assert_eq!(encode(3), encoded);
    assert_eq!(encoded.config(), &config(2));

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
    for copies in [1_001, usize::MAX] {
        let error = refused(config(copies), &clips);
        assert_eq!(error, format!("encoding: copies must be 0 to 1000, got {copies}"));
    }
    let mut short = clips.clone();
    short[3].truncate(100);
    assert!(refused(config(0), &short).starts_with("clip clip-3: "));
    assert_eq!(refused(config(0), &clips[..4]), "encoding: clips must be as many as ids, 5, got 4");
}

#[test]
fn a_file_keeps_what_was_encoded_and_only_the_rest_is_added() {
    let (encoder, clips) = (encoder(), clips(6));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("encoded.safetensors");
    let keep = |config: EncodingConfig, from: usize, to: usize| {
        EncodedClips::kept(&path, &encoder, config, ids(6)[from..to].to_vec(), &clips[from..to]).unwrap()
    };
    let fresh = |config: EncodingConfig, from: usize, to: usize| {
        EncodedClips::new(&encoder, config, ids(6)[from..to].to_vec(), &clips[from..to]).unwrap()
    };
    let rows = || {
        let bytes = std::fs::read(&path).unwrap();
        safetensors::SafeTensors::deserialize(&bytes).unwrap().tensor("statistics").unwrap().shape()[0]
    };
    // The result for a clip does not depend on the clips before it.
    assert_eq!(keep(config(1), 2, 4), fresh(config(1), 2, 4));
    assert_eq!(rows(), 4);
    assert_eq!(keep(config(1), 0, 3), fresh(config(1), 0, 3));
    assert_eq!(rows(), 8);
    // The file is not written if nothing is missing.
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(keep(config(1), 0, 4), fresh(config(1), 0, 4));
    assert!(std::fs::read(&path).unwrap() == bytes);
    // More copies are added to the present ones. Another seed makes other copies, and fewer copies remove none.
    assert_eq!(keep(config(2), 0, 4), fresh(config(2), 0, 4));
    assert_eq!(rows(), 12);
    let other = EncodingConfig { seed: 4, ..config(2) };
    assert!(keep(other.clone(), 0, 4) != fresh(config(2), 0, 4));
    assert_eq!(rows(), 20);
    assert_eq!(keep(config(0), 4, 6), fresh(config(0), 4, 6));
    assert_eq!(rows(), 22);
    // The same ids with other samples are other clips.
    let moved = EncodedClips::kept(&path, &encoder, config(0), ids(3), &clips[3..]).unwrap();
    assert_eq!(moved, EncodedClips::new(&encoder, config(0), ids(3), &clips[3..]).unwrap());
    assert_eq!(rows(), 22);
}

#[test]
fn a_damaged_file_or_that_of_another_encoder_is_refused_and_stays() {
    let (encoder, clips) = (encoder(), clips(2));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("encoded.safetensors");
    let keep = |encoder| EncodedClips::kept(&path, encoder, config(0), ids(2), &clips);
    keep(&encoder).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let other = Arc::new(WhisperEncoder::from_bytes(&file(&small(), Dtype::F16), 2).unwrap());
    let error = keep(&other).unwrap_err().to_string();
    let numbers = |encoder: &WhisperEncoder| format!("768 numbers of the encoder {}", encoder.digest());
    let expected = format!("outputs must be {}, got {}", numbers(&other), numbers(&encoder));
    assert!(error.starts_with(path.to_str().unwrap()) && error.ends_with(&expected), "{error}");
    assert!(std::fs::read(&path).unwrap() == whole);
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    let error = keep(&encoder).unwrap_err();
    assert!(error.to_string().contains("a file of encoded clips: content: checksum must be "), "{error}");
    std::fs::write(&path, &whole[..100]).unwrap();
    assert!(matches!(keep(&encoder), Err(EncodedError::File(FileError::Damaged { .. }))));
    let error = EncodedClips::kept(folder.path(), &encoder, config(0), ids(2), &clips).unwrap_err();
    assert!(matches!(error, EncodedError::File(FileError::Read { .. })), "{error}");
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
    assert!(none.contains("encoder must be given") && none.contains(encoder.digest()), "{none}");
    let eight = quantize(&file(&small(), Dtype::F32)).unwrap();
    let other =
        refused(Recognizer::with_encoder(&checkpoint, WhisperEncoder::from_bytes(&eight, 2).unwrap()));
    assert!(other.contains(&format!("must be that with digest {}, got", encoder.digest())), "{other}");
    let bundled = Checkpoint::from_bytes(include_bytes!("../../models/moods.safetensors")).unwrap();
    let features = refused(Recognizer::with_encoder(&bundled, encoder.clone()));
    assert!(features.contains("none because the network reads features"), "{features}");

    // An encoder whose sizes differ from those of the model's input.
    let mut clip_encoder = ClipEncoder::new(encoder).unwrap();
    let error = clip_encoder.encode(&clips(1)[0], ModelInput::Encoded { layers: 5, width: 512 }).unwrap_err();
    assert!(error.to_string().ends_with("got 3 layers of 128"), "{error}");
}

/// Returns a recogniser with a head on statistics, which accepts any sound.
fn recognizer() -> Recognizer {
    let encoder = encoder();
    let encoded = EncodedClips::new(&encoder, config(0), ids(16), &clips(16)).unwrap();
    let labels: Vec<usize> = (0..16).map(|i| i % 2).collect();
    let data = encoded.dataset(&ids(16), &labels, &LABELS.map(String::from), 0).unwrap();
    let mut checkpoint = trained(head(&encoder, HeadPooling::Statistics), &data);
    checkpoint.preparation =
        PreparationConfig { trim_top_db: Some(40.0), normalize: true, ..PreparationConfig::raw(16_000) };
    let recognizer = Recognizer::with_encoder(&checkpoint, encoder).unwrap();
    recognizer.with_config(TimelineConfig { detect_speech: false, ..TimelineConfig::default() }).unwrap()
}

/// Concatenates clips of increasing loudness, with a second of silence after every third.
fn long_recording(seconds: usize) -> Vec<f32> {
    let mut samples = Vec::new();
    for (number, clip) in clips(16).iter().enumerate().cycle() {
        samples.extend(clip.iter().map(|x| x * (0.2 + 0.05 * number as f32)));
        if number % 3 == 2 {
            samples.extend(vec![0.0; 16_000]);
        }
        if samples.len() > seconds * 16_000 {
            samples.truncate(seconds * 16_000);
            return samples;
        }
    }
    samples
}

#[test]
fn windows_of_a_long_recording_share_what_the_encoder_heard() {
    let mut recognizer = recognizer();
    let samples = long_recording(40);
    let timeline = recognizer.timeline(&samples, 16_000).unwrap();
    assert_eq!(timeline.windows.len(), 38);
    let (mut equal, mut differences) = (0, Vec::new());
    for window in &timeline.windows {
        let place = |seconds: f64| (seconds * 16_000.0) as usize;
        let alone =
            recognizer.recognize_window(&samples[place(window.start)..place(window.end)], 16_000).unwrap();
        let recognition = window.recognition.as_ref().unwrap();
        let difference = (recognition.probabilities[0].1 - alone.probabilities[0].1).abs();
        // Every third window is a chunk.
        if window.start % 3.0 == 0.0 {
            assert!(difference < 1e-4, "{window:?} for {alone:?}");
        }
        equal += usize::from(recognition.label == alone.label);
        differences.push(difference);
    }
    let mean = differences.iter().sum::<f32>() / differences.len() as f32;
    assert!(equal >= 28 && mean < 0.2, "{equal} of 38 equal, {mean}");
}

#[test]
fn neither_pieces_nor_threads_change_the_answers_of_a_head() {
    let samples = long_recording(50);
    let timeline = |threads: usize, piece: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut recognizer = recognizer();
            let mut listening = recognizer.listen(16_000).unwrap();
            samples.chunks(piece).for_each(|piece| listening.push(piece).unwrap());
            listening.finish().unwrap()
        })
    };
    let whole = timeline(1, samples.len());
    for (threads, piece) in [(1, 997), (3, 40_000), (2, samples.len())] {
        assert_eq!(timeline(threads, piece), whole, "{threads} threads, pieces of {piece}");
    }
    assert!((whole.windows.last().unwrap().end - 50.0).abs() < 1e-9);
}

#[test]
fn a_clip_that_fits_a_window_is_encoded_by_itself() {
    let mut recognizer = recognizer();
    let samples = &long_recording(3)[..45_000];
    let expected = recognizer.recognize_window(samples, 16_000).unwrap();
    let timeline = recognizer.timeline(samples, 16_000).unwrap();
    assert_eq!((timeline.windows.len(), timeline.overall), (1, expected));
}

#[test]
fn a_profile_moves_what_is_heard_by_a_share_and_comes_back_from_its_file() {
    let mut recognizer = recognizer();
    let clips = clips(6);
    let profile = |recognizer: &mut Recognizer, range: std::ops::Range<usize>| {
        let mut of = clips[range].iter().map(|clip| recognizer.profile(clip, 16_000).unwrap());
        let first = of.next().unwrap();
        of.fold(first, |all, clip| all.and(&clip).unwrap())
    };
    let all = profile(&mut recognizer, 0..6);
    let parts = profile(&mut recognizer, 0..2).and(&profile(&mut recognizer, 2..6)).unwrap();
    assert_eq!((all.clips(), parts.clips()), (6, 6));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("voice.json");
    all.save(&path).unwrap();
    assert_eq!(VoiceProfile::load(&path).unwrap(), all);

    let answer = |recognizer: &mut Recognizer| recognizer.recognize_window(&clips[0], 16_000).unwrap();
    let plain = answer(&mut recognizer);
    let mut known = recognizer.with_profile(&all).unwrap();
    let moved = answer(&mut known);
    assert_ne!(moved.probabilities, plain.probabilities);
    assert_eq!(answer(&mut known.try_clone().unwrap()), moved);
    // A profile replaces the previous one. The combined profiles of parts equal that of the whole except for rounding.
    let mut again = known.with_profile(&all).unwrap();
    assert_eq!(answer(&mut again), moved);
    let mut of_parts = again.with_profile(&parts).unwrap();
    let near = |(a, b): (&(String, f32), &(String, f32))| (a.1 - b.1).abs() < 1e-4;
    assert!(answer(&mut of_parts).probabilities.iter().zip(&moved.probabilities).all(near));

    let again_with = |profile: &VoiceProfile| self::recognizer().with_profile(profile);
    // Another preparation gives other statistics. Files of older versions do not say which one it was.
    let text = std::fs::read_to_string(&path).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["preparation"]["trim_top_db"] = 17.5.into();
    let other = VoiceProfile::from_json(json.to_string().as_bytes(), "x").unwrap();
    let error = all.and(&other).unwrap_err().to_string();
    assert!(error.starts_with("profile: preparation must be {") && error.contains("17.5"), "{error}");
    let error = again_with(&other).unwrap_err().to_string();
    assert!(error.starts_with("profile: preparation must be {") && error.contains("17.5"), "{error}");
    json.as_object_mut().unwrap().remove("preparation");
    let old = VoiceProfile::from_json(json.to_string().as_bytes(), "x").unwrap();
    assert_eq!(all.and(&old).unwrap().clips(), 12);
    again_with(&old).unwrap();

    let small = || Recognizer::from_bytes(include_bytes!("../../models/moods.safetensors")).unwrap();
    let error = small().with_profile(&all).unwrap_err().to_string();
    assert!(error.contains("encoder must be one with digest") && error.ends_with("got none"), "{error}");
    let error = small().profile(&clips[0], 16_000).unwrap_err().to_string();
    assert!(error.contains("encoder must be one whose statistics the model reads, got none"), "{error}");
    let refused = |json: &str| {
        std::fs::write(&path, json).unwrap();
        VoiceProfile::load(&path).unwrap_err().to_string()
    };
    assert!(refused("{}").contains("missing field"));
    assert!(refused(r#"{"encoder":"a","clips":0,"mean":[]}"#).ends_with("clips must be 1 or more, got 0"));
    let infinite = refused(r#"{"encoder":"a","clips":1,"mean":[1e99]}"#);
    assert!(infinite.contains("number out of range"), "{infinite}");
    assert!(matches!(
        VoiceProfile::load(folder.path().join("none")),
        Err(ProfileError::File(FileError::Read { .. }))
    ));
}
