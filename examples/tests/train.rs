//! Tests the files, results and errors of `train` and `evaluate`.

use std::path::Path;
use std::process::{Command, Stdio};

use ser_models::Checkpoint;
use ser_models::models::Architecture;
use ser_models::training::{EncodingConfig, OptimizerConfig, Preset, TrainingConfig};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{bundled_model, example, fails, made_up_ravdess, prints, program, sample, text, write};

/// Returns the training settings in a checkpoint.
fn settings(checkpoint: &Checkpoint) -> TrainingConfig {
    serde_json::from_value(checkpoint.training.config.clone()).unwrap()
}

#[test]
fn a_configuration_reaches_everything_and_the_command_line_counts_more() {
    let data = made_up_ravdess();
    let data = data.path().to_str().unwrap();
    let folder = TempDir::new().unwrap();
    let config = "arch = 'cnn-1d'\n[features]\nfeatures = ['mfcc']\n[architecture]\nfeatures = 40\n[training]\nepochs = 7\n\
                  optimizer = { name = 'sgd', momentum = 0.5 }\naugmentation.audio = { snr = [10, 20], shift = 0.1 }";
    let config = write(&folder, "config.toml", config);
    let run = |output: &str, more: &[&str]| {
        let output = folder.path().join(output);
        let history = folder.path().join("history.json");
        let arguments =
            ["--data", data, "--config", &config, "--epochs", "2", "--output", output.to_str().unwrap()];
        let history = ["--history", history.to_str().unwrap()];
        prints("train", arguments.iter().chain(&history).chain(more))
    };
    let said = run("one.safetensors", &[]);
    assert_eq!(said.contains("peak memory"), cfg!(target_os = "linux"), "{said}");
    let checkpoint = Checkpoint::load(folder.path().join("one.safetensors")).unwrap();
    let training = &checkpoint.training;
    let config = settings(&checkpoint);
    assert_eq!((training.epochs, config.epochs), (2, 2));
    let expected = OptimizerConfig::Sgd { momentum: 0.5, nesterov: false, weight_decay: 0.0 };
    assert_eq!(config.optimizer, expected);
    assert_eq!(config.augmentation.audio.snr, Some([10.0, 20.0]));
    let history: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("history.json")).unwrap()).unwrap();
    assert_eq!(history.as_array().unwrap().len(), 2);

    run("two.safetensors", &[]);
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(bytes("one.safetensors") == bytes("two.safetensors"));
    run("adam.safetensors", &["--optimizer", "adam-keras"]);
    let checkpoint = Checkpoint::load(folder.path().join("adam.safetensors")).unwrap();
    assert_eq!(settings(&checkpoint).optimizer, OptimizerConfig::adam_keras());

    let wrong = write(&folder, "wrong.toml", "[training]\nepoch = 3");
    let output = folder.path().join("none.safetensors");
    let arguments = ["--data", data, "--config", &wrong, "--output", output.to_str().unwrap()];
    fails("train", arguments, &[&wrong, "[training] epoch: unknown field `epoch`"]);
    let model = folder.path().join("one.safetensors");
    let model = model.to_str().unwrap();
    for other in Architecture::KINDS.into_iter().filter(|kind| *kind != "cnn-1d") {
        let arguments = ["--data", data, "--model", model, "--arch", other];
        let expected = format!("architecture must be {other:?}, got \"cnn-1d\"");
        fails("evaluate", arguments, &[model, &expected]);
    }
}

#[test]
fn a_run_that_breaks_says_where_and_keeps_its_last_good_epoch() {
    let data = made_up_ravdess();
    let folder = TempDir::new().unwrap();
    // An epoch has one step, and each step multiplies every weight by about −10¹⁵.
    let config = "[features]\nfeatures = ['mfcc']\n[architecture]\nfeatures = 40\n[training]\nbatch_size = 64\n\
                  learning_rate = 1.0\noptimizer = { name = 'sgd', weight_decay = 1e15 }";
    let config = write(&folder, "config.toml", config);
    let output = folder.path().join("model.safetensors");
    let output = output.to_str().unwrap();
    let data = data.path().to_str().unwrap();
    let arguments = ["--data", data, "--config", &config, "--validation", "0", "--output", output];
    let ended = example("train", arguments);
    let error = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{error}");
    assert!(
        error.contains("batch 1 of 1: a value of ")
            && error.contains(" (a lower learning_rate or clip_norm may help)"),
        "{error}"
    );
    let checkpoint = Checkpoint::load(output).unwrap();
    let training = &checkpoint.training;
    assert!(training.epoch == training.epochs && training.epochs < settings(&checkpoint).epochs);
}

#[test]
fn a_preset_is_trained_as_published_but_for_what_file_and_command_line_say() {
    let data = made_up_ravdess();
    let data = data.path().to_str().unwrap();
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("model.safetensors");
    let output = output.to_str().unwrap();
    let arguments = ["--data", data, "--output", output, "--preset", "tim-net"];
    let config =
        "arch = 'tim-net'\n[architecture]\nblocks = 3\n[training]\nepochs = 9\nlearning_rate = 0.002";
    let config = write(&folder, "config.toml", config);
    prints("train", arguments.iter().chain(&["--config", &config, "--epochs", "1"]));
    let checkpoint = Checkpoint::load(output).unwrap();
    let Preset { architecture, training } = Preset::named("tim-net").unwrap();
    let expected = TrainingConfig { epochs: 1, learning_rate: 0.002, ..training };
    assert_eq!(settings(&checkpoint), expected);
    assert_ne!(checkpoint.architecture, architecture);
    assert_eq!(checkpoint.architecture.name(), "tim-net");

    let other = write(&folder, "other.toml", "arch = 'cnn-1d'");
    let other = other.as_str();
    let named = ["--config", other];
    fails(
        "train",
        arguments.iter().chain(&named),
        &[other, "arch must be that of the preset tim-net, tim-net, got cnn-1d"],
    );
    let both = example("train", arguments.iter().chain(&["--arch", "tim-net"]));
    assert_eq!(both.status.code(), Some(2));
    assert!(text(&both.stderr).contains("cannot be used with"), "{}", text(&both.stderr));
    let help = prints("train", ["--help"]);
    for name in Preset::NAMES {
        assert!(help.contains(name), "{name} is not in {help}");
    }
}

#[test]
fn every_architecture_is_trained_measured_and_listened_with() {
    let data = made_up_ravdess();
    let data = data.path().to_str().unwrap();
    let folder = TempDir::new().unwrap();
    for arch in Architecture::NAMES.into_iter().filter(|name| !name.ends_with("-benchmark")) {
        let model = folder.path().join(format!("{arch}.safetensors"));
        let model = model.to_str().unwrap();
        prints("train", ["--data", data, "--arch", arch, "--epochs", "1", "--output", model]);
        let measured = prints("evaluate", ["--data", data, "--model", model]);
        assert!(measured.contains("8 test clips"), "{arch}: {measured}");
        let heard = prints("recommend_songs", ["--model", model, "--count", "1"]);
        assert!(heard.contains("Mood: "), "{arch}: {heard}");
    }
}

#[test]
fn a_head_with_attention_trains_on_frames_of_clips_and_copies_and_resumes() {
    let data = made_up_ravdess();
    let data = data.path().to_str().unwrap();
    let folder = TempDir::new().unwrap();
    let config = "arch = 'whisper-head'\n[architecture]\nskipped = 3\ndense = [8]\n\
                  pooling = { attentive = { units = 8, frames = 40 } }\n[training]\nepochs = 30";
    let config = write(&folder, "config.toml", config);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (whole, cut) = (path("whole.safetensors"), path("cut.safetensors"));
    let arguments = ["--data", data, "--config", &config, "--output"];
    let said = prints("train", arguments.iter().chain(&[whole.as_str()]));
    // The head mixes the last two of the encoder's five outputs.
    assert!(said.contains("input [1024, 40]") && said.contains("attention_1"), "{said}");

    let state = path("cut.safetensors.training");
    let mut child = Command::new(program("train"));
    let child = child.args(arguments).arg(&cut).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = child.stderr(Stdio::null()).spawn().unwrap();
    while !Path::new(&state).exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it kept a state");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    prints("train", arguments.iter().chain(&[cut.as_str(), "--resume"]));
    assert!(std::fs::read(&whole).unwrap() == std::fs::read(&cut).unwrap());

    let checkpoint = Checkpoint::load(&whole).unwrap();
    let encoding = EncodingConfig::of_record(&checkpoint.training).unwrap().unwrap();
    assert_eq!((encoding.copies, &encoding.preparation), (2, &checkpoint.preparation));
    assert_eq!(encoding.augmentation.snr, Some([5.0, 30.0]));
    let measured = prints("evaluate", ["--data", data, "--model", &whole]);
    assert!(
        measured.contains("8 test clips\ntrained on clips and changed copies, 2 of each: "),
        "{measured}"
    );
    assert!(measured.contains("snr [5.0,30.0]") && !measured.contains("gain"), "{measured}");
    let measured = prints("evaluate", ["--data", data, "--model", &whole, "--json"]);
    let measured: Value = serde_json::from_str(&measured).unwrap();
    assert_eq!(measured["training"]["encoding"]["copies"], 2);
    let sample = sample();
    let heard = ["--model", &whole, "--format", "jsonl", sample.to_str().unwrap()];
    let heard: Value = serde_json::from_str(&prints("recognize", heard)).unwrap();
    assert_eq!(
        (&heard["model"]["name"], &heard["model"]["architecture"]),
        (&whole.into(), &"whisper-head".into())
    );

    let blocks = ["--output", &path("none.safetensors"), "--tune-blocks", "1"];
    let expected = "whisper-head: tuned.frames must be those of the pooling, 40, got 150";
    fails("train", arguments[..4].iter().chain(&blocks), &[expected]);
}

#[test]
fn training_and_measuring_are_told_as_json() {
    let data = made_up_ravdess();
    let data = data.path().to_str().unwrap();
    let folder = TempDir::new().unwrap();
    let model = folder.path().join("model.safetensors");
    let model = model.to_str().unwrap();
    let arguments = ["--data", data, "--output", model, "--epochs", "3", "--json"];
    let reached: Value = serde_json::from_str(&prints("train", arguments)).unwrap();
    assert_eq!((&reached["model"], &reached["epochs"]), (&model.into(), &3.into()));
    assert!(reached["validation_uar"].is_number() && reached["seconds"].is_number(), "{reached}");
    let measured: Value =
        serde_json::from_str(&prints("evaluate", ["--data", data, "--model", model, "--json"])).unwrap();
    assert_eq!(measured["test_clips"], 8);
    assert!(measured["accuracy"].is_number() && measured["confusion"].is_object(), "{measured}");
}

#[test]
fn truncated_clips_are_learnt_from_where_that_is_allowed_and_told() {
    let data = made_up_ravdess();
    for file in std::fs::read_dir(data.path()).unwrap() {
        let path = file.unwrap().path();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() * 3 / 4]).unwrap();
    }
    let model = data.path().join("model.safetensors");
    let [data, model] = [data.path(), &model].map(|path| path.to_str().unwrap());
    let training = ["--data", data, "--output", model, "--epochs", "1", "--allow-truncated"];
    let measuring = ["--data", data, "--model", model, "--allow-truncated"];
    fails("train", &training[..6], &[".wav: bytes of WAV data must be ", "the file is truncated"]);
    for (program, arguments, clips) in [("train", &training[..], 40), ("evaluate", &measuring[..], 8)] {
        let output = example(program, arguments);
        let told = text(&output.stderr);
        assert!(output.status.success(), "{told}");
        let is_told = |line: &&str| {
            line.starts_with("warning: ")
                && line.contains(" the file was read up to the damage: bytes of WAV data must be ")
        };
        assert_eq!(told.lines().filter(is_told).count(), clips, "{program}: {told}");
    }
    fails("evaluate", &measuring[..4], &[".wav: bytes of WAV data must be ", "the file is truncated"]);
}

#[test]
fn a_checkpoint_without_a_test_part_is_not_measured() {
    let folder = TempDir::new().unwrap();
    let mut checkpoint = Checkpoint::load(bundled_model()).unwrap();
    checkpoint.split.test.clear();
    let path = folder.path().join("all.safetensors");
    checkpoint.save(&path).unwrap();
    let path = path.to_str().unwrap();
    fails("evaluate", ["--data", "none", "--model", path], &[path, "test part must have clips, got none"]);
}

#[test]
fn folders_without_clips_or_with_other_names_are_refused() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("model.safetensors");
    let output = output.to_str().unwrap();
    let data = folder.path().join("Actor_01");
    std::fs::create_dir(&data).unwrap();
    let data = data.to_str().unwrap().to_string();
    let train =
        |data: &str, expected: &[&str]| fails("train", ["--data", data, "--output", output], expected);
    train(&data, &[&data, "source must hold 1 or more clips"]);
    write(&folder, "Actor_01/03-01-09-01-01-01-01.wav", "");
    train(&data, &["03-01-09-01-01-01-01.wav", "emotion"]);
    write(&folder, "Actor_01/03-01-09-01-01-01-01.wav", "");
    std::fs::remove_file(folder.path().join("Actor_01/03-01-09-01-01-01-01.wav")).unwrap();
    write(&folder, "Actor_01/01-01-03-01-01-01-01.mp4", "");
    train(&data, &["01-01-03-01-01-01-01.mp4", "modality must be 03", "got 01"]);
    assert!(!Path::new(output).exists());
}

#[test]
fn several_members_are_trained_from_their_own_seeds_and_joined() {
    let data = made_up_ravdess();
    let data = data.path().to_str().unwrap();
    let folder = TempDir::new().unwrap();
    let run = |name: &str, more: &[&str]| {
        let output = folder.path().join(name);
        let arguments = ["--data", data, "--epochs", "1", "--output", output.to_str().unwrap()];
        prints("train", arguments.iter().chain(more));
        Checkpoint::load(output).unwrap()
    };
    let both = run("both.safetensors", &["--members", "2", "--seed", "3"]);
    assert!(matches!(&both.architecture, Architecture::Ensemble(config) if config.members == 2));
    assert_eq!((both.training.seed, both.joined[0].seed), (6, 7));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let history = folder.path().join("history.csv");
    let arguments =
        ["--data", data, "--members", "2", "--output", "none", "--history", history.to_str().unwrap()];
    fails("train", arguments, &["--history: members must be 1, got 2"]);
}
