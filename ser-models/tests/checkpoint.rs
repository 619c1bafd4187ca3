//! Checkpoints: complete, self-describing, rejected if anything is wrong.

use crate::common::{LABELS, architecture, clips, config, source};
use candle_core::{DType, Device, Tensor};
use ndarray::Array2;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use ser_models::training::{Dataset, Trainer, TrainingConfig};
use ser_models::{Checkpoint, CheckpointError, ClassifyError, FileError, Readout, WeightsError};
use std::collections::HashMap;
use std::error::Error;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

fn checkpoint() -> &'static Checkpoint {
    static CHECKPOINT: OnceLock<Checkpoint> = OnceLock::new();
    CHECKPOINT.get_or_init(|| {
        let (train, validation) = (clips(70, 0), clips(30, 100));
        let mut trainer = Trainer::new(config(2), architecture(), &train, Some(&validation), 7).unwrap();
        trainer.run(|_| {}, &AtomicBool::new(false)).unwrap();
        trainer.checkpoint(source()).unwrap()
    })
}

/// Returns the checkpoint's file with changed metadata and tensors.
fn changed(
    metadata: impl FnOnce(&mut serde_json::Value),
    tensors: impl FnOnce(&mut Vec<(String, Dtype, Vec<usize>, Vec<u8>)>),
) -> Vec<u8> {
    let bytes = checkpoint().to_bytes().unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut json = serde_json::from_str(&header.metadata().as_ref().unwrap()["ser-models"]).unwrap();
    metadata(&mut json);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut parts: Vec<_> = file
        .iter()
        .map(|(name, view)| (name.to_owned(), view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        .collect();
    tensors(&mut parts);
    let views = parts.iter().map(|(name, dtype, shape, data)| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    let metadata = HashMap::from([("ser-models".to_owned(), json.to_string())]);
    safetensors::serialize(views, Some(metadata)).unwrap()
}

fn error(bytes: &[u8]) -> String {
    Checkpoint::from_bytes(bytes).unwrap_err().to_string()
}

#[test]
fn a_file_gives_back_what_was_saved_and_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    checkpoint().save(&path).unwrap();
    let loaded = Checkpoint::load(&path).unwrap();
    assert_eq!(&loaded, checkpoint());
    assert!(loaded.to_bytes().unwrap() == std::fs::read(&path).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let x = clips(9, 500);
    let answers = |c: &Checkpoint| c.classifier().unwrap().probabilities(x.inputs()).unwrap();
    assert_eq!(answers(&loaded), answers(checkpoint()));
}

#[test]
fn the_file_says_everything_under_one_key() {
    let bytes = checkpoint().to_bytes().unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().as_ref().unwrap();
    assert_eq!(metadata.keys().collect::<Vec<_>>(), ["ser-models"]);
    let json: serde_json::Value = serde_json::from_str(&metadata["ser-models"]).unwrap();
    assert_eq!(json["format"], 3);
    assert_eq!(json["crate_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["architecture"]["name"], "cnn-1d");
    assert_eq!(json["labels"], serde_json::json!(LABELS));
    assert_eq!(json["preparation"]["length"], 66_150);
    assert_eq!(json["features"]["n_mfcc"], 13);
    assert_eq!(json["split"]["protocol"], "stratified 80/20");
    assert_eq!(json["split"]["test"], serde_json::json!(["clip-900", "clip-901"]));
    assert_eq!(json["split"]["validation"].as_array().unwrap().len(), 30);
    assert_eq!(json["training"]["seed"], 7);
    assert_eq!(json["training"]["epochs"], 2);
}

#[test]
fn a_model_answers_whatever_settings_another_version_trained_it_with() {
    assert_eq!(TrainingConfig::of_record(&checkpoint().training).unwrap(), config(2));
    let mut other = checkpoint().clone();
    other.training.config["phase_of_the_moon"] = 0.5.into();
    let back = Checkpoint::from_bytes(&other.to_bytes().unwrap()).unwrap();
    assert_eq!(back, other);
    let x = clips(9, 500);
    let answers = |c: &Checkpoint| c.classifier().unwrap().probabilities(x.inputs()).unwrap();
    assert_eq!(answers(&back), answers(checkpoint()));
    let message = TrainingConfig::of_record(&back.training).unwrap_err().to_string();
    assert!(message.contains("phase_of_the_moon"), "{message}");
}

#[test]
fn the_readout_is_kept_and_decides_what_is_answered() {
    let mut summed = checkpoint().clone();
    assert!(!String::from_utf8_lossy(&summed.to_bytes().unwrap()).contains("readout"));
    let classes = ["Low", "High", "Low"].map(String::from).to_vec();
    summed.readout = Readout { temperature: 1.5, classes, confidence: 0.6, ..Default::default() };
    let back = Checkpoint::from_bytes(&summed.to_bytes().unwrap()).unwrap();
    assert_eq!(back, summed);
    let classifier = back.classifier().unwrap();
    assert_eq!(classifier.labels(), ["Low", "High"]);
    let x = clips(9, 500);
    let plain = checkpoint().classifier().unwrap().probabilities(x.inputs()).unwrap();
    let answers = classifier.probabilities(x.inputs()).unwrap();
    for (plain, answer) in plain.outer_iter().zip(answers.outer_iter()) {
        let softened: Vec<f32> = plain.iter().map(|p| p.powf(1.0 / 1.5)).collect();
        let sum: f32 = softened.iter().sum();
        assert!((answer[1] - softened[1] / sum).abs() < 1e-5 && (answer.sum() - 1.0).abs() < 1e-6);
    }
    let labels = ["Low", "High"];
    let truth: Vec<usize> = x.labels().iter().map(|label| label % 2).collect();
    let ids = x.ids().to_vec();
    let rows = x.inputs().values().to_vec2::<f32>().unwrap();
    let rows = Array2::from_shape_fn((9, 20), |(clip, feature)| rows[clip][feature]);
    let data = Dataset::new(rows, truth.clone(), labels, ids).unwrap();
    let measured = classifier.evaluate(&data).unwrap();
    let loss: f64 =
        answers.outer_iter().zip(&truth).map(|(row, label)| -f64::from(row[*label]).ln()).sum::<f64>() / 9.0;
    assert!((measured.loss - loss).abs() < 1e-6 && measured.confusion.total() == 9);
    assert!(matches!(classifier.evaluate(&x), Err(ClassifyError::Labels { .. })));

    let mut wrong = checkpoint().clone();
    wrong.readout.temperature = 0.0;
    assert!(wrong.to_bytes().unwrap_err().to_string().contains("temperature must be 0.01 to 100, got 0"));
    let text = error(&changed(|json| json["readout"] = serde_json::json!({"classes": ["Low"]}), |_| {}));
    assert!(text.ends_with("readout: classes must be none, or as many as labels, 3, got 1"), "{text}");
}

#[test]
fn a_cut_file_is_refused_at_every_length_and_named() {
    let bytes = checkpoint().to_bytes().unwrap();
    for cut in (0..bytes.len()).step_by(97).chain([7, 8, 9, bytes.len() - 1]) {
        let refused = Checkpoint::from_bytes(&bytes[..cut]).unwrap_err();
        assert!(matches!(refused, CheckpointError::File(FileError::Damaged { .. })), "{cut}: {refused}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.safetensors");
    std::fs::write(&path, &bytes[..1000]).unwrap();
    let cut = Checkpoint::load(&path).unwrap_err();
    let (message, place) = (cut.to_string(), path.display());
    assert!(
        message.starts_with(&format!("{place}: cannot be read as a checkpoint: safetensors: ")),
        "{message}"
    );
    // The causes are kept, and the text ends with that of the last one.
    let cause = cut.source().unwrap();
    let first = cause.source().unwrap();
    assert!(cause.is::<WeightsError>() && first.is::<SafeTensorError>(), "{cause:?}");
    assert!(message.ends_with(&first.to_string()), "{message}");
    let none = Checkpoint::load(folder.path().join("none")).unwrap_err();
    assert!(
        matches!(none, CheckpointError::File(FileError::Read { .. })) && none.to_string().contains("none: "),
        "{none}"
    );
    let sound = error(b"RIFF....WAVEfmt ");
    assert!(
        sound.starts_with("checkpoint in memory: cannot be read as a checkpoint: safetensors: "),
        "{sound}"
    );
    let foreign = safetensors::serialize(Vec::<(String, TensorView<'_>)>::new(), None).unwrap();
    let rule = "header: metadata must have the key \"ser-models\", got 0 others";
    assert_eq!(error(&foreign), format!("checkpoint in memory: cannot be read as a checkpoint: {rule}"));
}

#[test]
fn a_flipped_bit_is_noticed_wherever_it_is() {
    let whole = checkpoint().to_bytes().unwrap();
    for place in (0..whole.len()).step_by(101).chain([whole.len() - 2]) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        assert!(Checkpoint::from_bytes(&bytes).is_err(), "byte {place}");
    }
    let mut bytes = whole.clone();
    bytes[whole.len() - 2] ^= 1;
    let message = error(&bytes);
    let expected = "checkpoint in memory: cannot be read as a checkpoint: content: checksum must be ";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_plausible_change_is_noticed_and_so_is_a_digest_taken_away() {
    type Change = fn(&mut serde_json::Value);
    let changes: [Change; 5] = [
        |json| json["normalization"]["mean"][3] = 0.5.into(),
        |json| json["labels"][0] = "Calk".into(),
        |json| json["features"]["hop_length"] = 513.into(),
        |json| json["training"]["metrics"]["validation_uar"] = 1.0.into(),
        |json| assert!(json.as_object_mut().unwrap().remove("sha256").is_some()),
    ];
    for change in changes {
        let message = error(&changed(change, |_| {}));
        assert!(message.contains("content: checksum must be "), "{message}");
        assert!(message.ends_with(": the file is damaged"), "{message}");
    }
}

#[test]
fn other_formats_and_architectures_are_refused_by_name() {
    for other in [2, 4] {
        let expected = format!("format must be 3, got {other}");
        assert_eq!(
            error(&changed(|json| json["format"] = other.into(), |_| {})),
            format!(
                "checkpoint in memory: {expected} (make the file again, or read it with the version of ser-models that made it)"
            )
        );
    }
    let other = changed(|json| json["architecture"]["name"] = "transformer".into(), |_| {});
    let message = error(&other);
    let expected = "checkpoint in memory: architecture must be one of [\"cnn-1d\"";
    assert!(message.starts_with(expected) && message.ends_with("], got \"transformer\""), "{message}");
    assert_eq!(
        checkpoint().expect_architecture("cnn-lstm").unwrap_err().to_string(),
        "checkpoint: architecture must be \"cnn-lstm\", got \"cnn-1d\""
    );
    assert!(checkpoint().expect_architecture("cnn-1d").is_ok());
    let unknown = changed(|json| json["architecture"]["filterz"] = 3.into(), |_| {});
    assert!(error(&unknown).contains("filterz"));
    let without = changed(|json| json["labels"] = serde_json::Value::Null, |_| {});
    let without = Checkpoint::from_bytes(&without).unwrap_err();
    assert!(without.source().unwrap().is::<serde_json::Error>(), "{without}");
    let numberless = error(&changed(|json| json["format"] = "3".into(), |_| {}));
    assert!(numberless.ends_with("a checkpoint: metadata: format must be 3, got none"), "{numberless}");
}

#[test]
fn tensors_that_do_not_fit_are_refused_with_name_and_shapes() {
    let find = |parts: &[(String, Dtype, Vec<usize>, Vec<u8>)], name: &str| {
        parts.iter().position(|part| part.0 == name).unwrap()
    };
    let missing = changed(
        |_| {},
        |parts| {
            parts.remove(find(parts, "conv1d_2.weight"));
        },
    );
    assert_eq!(
        error(&missing),
        "checkpoint in memory: tensor conv1d_2.weight: shape must be [12, 8, 3], got no such tensor"
    );
    let extra = changed(|_| {}, |parts| parts.push(("lstm.weight".into(), Dtype::F32, vec![1], vec![0; 4])));
    assert_eq!(
        error(&extra),
        "checkpoint in memory: tensors: names must be those of the model, got lstm.weight"
    );
    let turned = changed(
        |_| {},
        |parts| {
            let i = find(parts, "conv1d_2.weight");
            parts[i].2 = vec![8, 12, 3];
        },
    );
    assert_eq!(
        error(&turned),
        "checkpoint in memory: tensor conv1d_2.weight: shape must be [12, 8, 3], got [8, 12, 3]"
    );
    let ints = changed(
        |_| {},
        |parts| {
            let i = find(parts, "dense_1.bias");
            parts[i].1 = Dtype::I32;
        },
    );
    assert_eq!(error(&ints), "checkpoint in memory: tensor dense_1.bias: element type must be F32, got I32");
    let broken = changed(
        |_| {},
        |parts| {
            let i = find(parts, "dense_1.bias");
            parts[i].3[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
        },
    );
    assert_eq!(
        error(&broken),
        "checkpoint in memory: tensor dense_1.bias: element 1 must be finite, got NaN"
    );
    let wider = changed(|json| json["architecture"]["blocks"][0]["filters"] = 9.into(), |_| {});
    assert!(error(&wider).contains("tensor conv1d_1.weight: shape must be [9, 1, 5], got [8, 1, 5]"));
    let huge = changed(|json| json["architecture"]["blocks"][0]["filters"] = (1u64 << 62).into(), |_| {});
    assert!(error(&huge).contains("tensor conv1d_1.weight: shape must be [4611686018427387904, 1, 5]"));
}

#[test]
fn parts_that_contradict_each_other_are_refused() {
    type Change = fn(&mut serde_json::Value);
    let cases: [(Change, &str); 8] = [
        (
            |j| j["features"]["n_mfcc"] = 14.into(),
            "features: rows must be as many as the model's input has, 20, got 21",
        ),
        (
            |j| j["features"]["sample_rate"] = 16_000.into(),
            "features: sample_rate must be the preparation's, 22050 Hz, got 16000 Hz",
        ),
        (|j| j["normalization"]["std"][3] = 0.0.into(), "normalization: std must be positive, got 0"),
        (
            |j| j["normalization"]["mean"] = serde_json::json!([0.0]),
            "normalization: floor, mean and std must be as many as the input's features, 20, got [20, 1, 20]",
        ),
        (
            |j| j["normalization"]["floor"][0] = (-1.0).into(),
            "normalization: floor must be 0 or more, got -1",
        ),
        (|j| j["labels"][1] = "Calm".into(), "metadata: labels must be different, got \"Calm\" twice"),
        (|j| j["labels"] = serde_json::json!(["Calm"]), "cnn-1d: classes must be 2 or more, got 1"),
        (
            |j| j["split"]["test"][0] = "clip-105".into(),
            "split: clips of the test part must be in no other part, got clip-105",
        ),
    ];
    for (change, expected) in cases {
        let message = error(&changed(change, |_| {}));
        assert!(message.contains(expected), "{message}");
    }
    let mut wrong = checkpoint().clone();
    wrong.labels[0] = "Happy".to_owned();
    assert!(wrong.to_bytes().is_err() && wrong.classifier().is_err());
    // JSON has no NaN, so that a file with it could not be read.
    for value in [f64::NAN, f64::INFINITY] {
        let mut wrong = checkpoint().clone();
        wrong.training.metrics.insert("test_uar".to_owned(), value);
        let message = wrong.to_bytes().unwrap_err().to_string();
        let expected = format!("training: metrics must be finite, got {value} of test_uar");
        assert!(message.ends_with(&expected), "{message}");
    }
}

#[test]
fn a_classifier_refuses_inputs_that_do_not_fit() {
    let classifier = checkpoint().classifier().unwrap();
    let probabilities = classifier.probabilities(clips(70, 0).inputs()).unwrap();
    assert_eq!(probabilities.dim(), (70, 3));
    assert!(probabilities.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-5));
    let zeros = |shape: (usize, usize)| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let message = |inputs: Tensor| classifier.probabilities(&inputs.into()).unwrap_err().to_string();
    assert_eq!(message(zeros((2, 19))), "classifier: inputs must have shape [20], got [19]");
    let mut broken = [0.0; 40];
    broken[24] = f32::INFINITY;
    let broken = Tensor::from_slice(&broken, (2, 20), &Device::Cpu).unwrap();
    assert_eq!(message(broken), "input 1: element 4 must be finite, got inf");
    assert!(classifier.probabilities(&zeros((0, 20)).into()).is_err());
    // One length exceeds the time axis, but not the longest axis.
    let beyond = ser_models::layers::Padded::new(zeros((2, 20)), Some(vec![2, 1])).unwrap();
    let error = classifier.probabilities(&beyond).unwrap_err().to_string();
    assert_eq!(error, "Classifier: lengths must be 1 to 1 frames for each of 2 examples, got 2");
    let turned = zeros((20, 2)).t().unwrap();
    assert_eq!(classifier.probabilities(&turned.into()).unwrap().dim(), (2, 3));
    let renamed = ser_models::training::Dataset::new(
        Array2::zeros((2, 20)),
        vec![0, 1],
        ["Happy", "Calm", "Sad"],
        ["a", "b"],
    );
    let error = classifier.evaluate(&renamed.unwrap()).unwrap_err();
    assert!(matches!(error, ClassifyError::Labels { .. }), "{error}");
}

#[test]
fn another_network_for_the_same_input_takes_its_place() {
    use ser_models::models::{Architecture, Cnn1dConfig};
    let Architecture::Cnn1d(sizes) = architecture() else { panic!("another kind: {:?}", architecture()) };
    let wider = Architecture::from(Cnn1dConfig { dense: vec![11], ..sizes.clone() });
    let model = wider.build(LABELS.len(), 3).unwrap();
    let other = checkpoint().with_network(wider.clone(), model.parameters()).unwrap();
    assert_eq!((&other.labels, &other.split), (&checkpoint().labels, &checkpoint().split));
    assert_eq!(Checkpoint::from_bytes(&other.to_bytes().unwrap()).unwrap(), other);
    let x = clips(9, 500);
    assert!(other.classifier().unwrap().probabilities(x.inputs()).is_ok());

    // Tensors of another network are rejected, and so is another input.
    let mixed = checkpoint().with_network(architecture(), model.parameters()).unwrap_err();
    assert!(matches!(mixed, CheckpointError::File(FileError::Weights { .. })), "{mixed}");
    let longer = Architecture::from(Cnn1dConfig { features: sizes.features + 1, ..sizes });
    let parameters = longer.build(LABELS.len(), 3).unwrap();
    let refused = checkpoint().with_network(longer, parameters.parameters()).unwrap_err().to_string();
    assert_eq!(
        refused,
        "checkpoint in memory: network: input must be the old network's, Vector { features: 20 }, got Vector { features: 21 }"
    );
}
