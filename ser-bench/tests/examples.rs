//! The examples as their users run them: what they print, what they write, and how they fail.

#![allow(clippy::unwrap_used)] // a test may panic

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::SafeTensors;
use ser_models::Checkpoint;
use ser_models::models::Architecture;
use ser_models::training::{OptimizerConfig, Preset, TrainingConfig};
use serde_json::Value;
use tempfile::TempDir;

/// Runs an example, which `cargo test` has built beside this test.
fn example<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Output {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(program.exists(), "{}: build it with `cargo test --workspace`", program.display());
    Command::new(program).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs an example that must succeed, and gives what it prints.
fn prints<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> String {
    let output = example(name, arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs an example that must fail with exit code 1 and one line that holds all of `expected`.
fn fails<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>, expected: &[&str]) {
    let output = example(name, arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{error}");
    for part in expected {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    assert_eq!(text(&output.stdout), "");
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/assets/sample.wav")
}

fn bundled_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/cnn-1d.safetensors")
}

fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_string()
}

fn write_wav(folder: &TempDir, name: &str, samples: &[f32]) -> String {
    let path = folder.path().join(name);
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 22_050,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn the_main_job_needs_no_arguments() {
    let answer = prints("recommend_songs", [] as [&str; 0]);
    assert!(answer.starts_with("the bundled sample: 4.3 s at 22050 Hz\n\nMood: "), "{answer}");
    for mood in ["Calm", "Happy", "Sad", "Energetic"] {
        assert!(answer.contains(&format!("\n  {mood}")), "{answer}");
    }
    assert!(answer.contains("\nSongs:\n  1. "), "{answer}");
}

#[test]
fn json_holds_mood_probabilities_and_songs() {
    let answer: Value = serde_json::from_str(&prints("recommend_songs", ["--json", "--count", "3"])).unwrap();
    let probabilities = answer["probabilities"].as_object().unwrap();
    let total: f64 = probabilities.values().map(|p| p.as_f64().unwrap()).sum();
    assert!((total - 1.0).abs() < 1e-5, "{answer}");
    let most = probabilities.iter().max_by(|a, b| a.1.as_f64().unwrap().total_cmp(&b.1.as_f64().unwrap()));
    assert_eq!(answer["mood"], *most.unwrap().0);
    let songs = answer["songs"].as_array().unwrap();
    assert_eq!(songs.len(), 3);
    for song in songs {
        let keys: Vec<&String> = song.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["artist", "key", "link", "name", "reason", "score"]);
        assert!(song["score"].as_f64().unwrap() > 0.0 && song["reason"].as_str().unwrap().len() > 10);
    }
}

#[test]
fn a_file_gives_what_the_same_bundled_clip_gives() {
    let given = prints("recommend_songs", [sample().to_str().unwrap(), "--json"]);
    assert_eq!(given, prints("recommend_songs", ["--json"]));
}

#[test]
fn clips_that_hold_no_speech_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let wav = std::fs::read(sample()).unwrap();
    let tone: Vec<f32> = (0..22_050).map(|n| (n as f32 * 0.05).sin()).collect();
    let mut broken = tone.clone();
    broken[7_000] = f32::NAN;
    for (clip, expected) in [
        (write(&folder, "letter.wav", "Dear Sir or Madam"), "is not audio"),
        (write(&folder, "empty.wav", ""), "holds no samples"),
        (write(&folder, "cut.wav", &wav[..50_000]), "is cut short"),
        (write_wav(&folder, "none.wav", &[]), "holds no samples"),
        (write_wav(&folder, "ten.wav", &tone[..10]), "at least 5513 samples, but has 10"),
        (write_wav(&folder, "silence.wav", &[0.0; 22_050]), "must not be silent"),
        (write_wav(&folder, "nan.wav", &broken), "sample 7000 (channel 0) is NaN"),
        (folder.path().join("missing.wav").to_str().unwrap().to_string(), "cannot be read"),
    ] {
        fails("recommend_songs", [clip.as_str()], &[&clip, expected]);
    }
}

#[test]
fn bad_catalogues_and_models_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let catalog = write(&folder, "songs.csv", "name,artist\nA,B\n");
    fails("recommend_songs", ["--catalog", catalog.as_str()], &[&catalog, "must have a column"]);

    let model = std::fs::read(bundled_model()).unwrap();
    let cut = write(&folder, "cut.safetensors", &model[..model.len() / 2]);
    fails("recommend_songs", ["--model", cut.as_str()], &[&cut, "no checkpoint, or a damaged one"]);
    let sample = sample();
    let sample = sample.to_str().unwrap();
    fails("recommend_songs", ["--model", sample], &[sample, "no checkpoint, or a damaged one"]);
}

/// A folder of made-up clips with RAVDESS's names: five of each emotion, each emotion a pitch.
fn made_up_ravdess() -> TempDir {
    let folder = TempDir::new().unwrap();
    for emotion in 1..=8u16 {
        for repetition in 1..=5u16 {
            let pitch = 0.01 * f32::from(emotion) + 0.0004 * f32::from(repetition);
            let tone: Vec<f32> = (0..11_025u16).map(|n| 0.3 * (f32::from(n) * pitch).sin()).collect();
            let intensity = if emotion > 1 && repetition % 2 == 0 { 2 } else { 1 };
            let name =
                format!("03-01-{emotion:02}-{intensity:02}-01-{:02}-{repetition:02}.wav", repetition % 2 + 1);
            write_wav(&folder, &name, &tone);
        }
    }
    folder
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
    assert_eq!((training.epochs, training.config.epochs), (2, 2));
    let expected = OptimizerConfig::Sgd { momentum: 0.5, nesterov: false, weight_decay: 0.0 };
    assert_eq!(training.config.optimizer, expected);
    assert_eq!(training.config.augmentation.audio.snr, Some([10.0, 20.0]));
    let history: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("history.json")).unwrap()).unwrap();
    assert_eq!(history.as_array().unwrap().len(), 2);

    run("two.safetensors", &[]);
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(bytes("one.safetensors") == bytes("two.safetensors"));
    run("adam.safetensors", &["--optimizer", "adam-keras"]);
    let checkpoint = Checkpoint::load(folder.path().join("adam.safetensors")).unwrap();
    assert_eq!(checkpoint.training.config.optimizer, OptimizerConfig::adam_keras());

    let wrong = write(&folder, "wrong.toml", "[training]\nepoch = 3");
    let output = folder.path().join("none.safetensors");
    let arguments = ["--data", data, "--config", &wrong, "--output", output.to_str().unwrap()];
    fails("train", arguments, &[&wrong, "[training]: unknown field `epoch`"]);
    let model = folder.path().join("one.safetensors");
    let model = model.to_str().unwrap();
    for other in Architecture::KINDS.into_iter().filter(|kind| *kind != "cnn-1d") {
        let arguments = ["--data", data, "--model", model, "--arch", other];
        let expected = format!("{other:?} was expected");
        fails("evaluate", arguments, &[model, "this checkpoint holds \"cnn-1d\"", &expected]);
    }
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
    assert_eq!(checkpoint.training.config, expected);
    assert_ne!(checkpoint.architecture, architecture);
    assert_eq!(checkpoint.architecture.name(), "tim-net");

    let other = write(&folder, "other.toml", "arch = 'cnn-1d'");
    let other = other.as_str();
    let named = ["--config", other];
    fails(
        "train",
        arguments.iter().chain(&named),
        &[other, "arch must be the preset's network", "cnn-1d", "tim-net"],
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
fn a_checkpoint_without_a_test_part_is_not_measured() {
    let folder = TempDir::new().unwrap();
    let mut checkpoint = Checkpoint::load(bundled_model()).unwrap();
    checkpoint.split.test.clear();
    let path = folder.path().join("all.safetensors");
    checkpoint.save(&path).unwrap();
    let path = path.to_str().unwrap();
    fails("evaluate", ["--data", "none", "--model", path], &[path, "records no test part"]);
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
    train(&data, &[&data, "no clips in it"]);
    write(&folder, "Actor_01/03-01-09-01-01-01-01.wav", "");
    train(&data, &["03-01-09-01-01-01-01.wav", "emotion"]);
    write(&folder, "Actor_01/03-01-09-01-01-01-01.wav", "");
    std::fs::remove_file(folder.path().join("Actor_01/03-01-09-01-01-01-01.wav")).unwrap();
    write(&folder, "Actor_01/01-01-03-01-01-01-01.mp4", "");
    train(&data, &["01-01-03-01-01-01-01.mp4", "modality is 01", "expected 03"]);
    assert!(!Path::new(output).exists());
}

#[test]
fn features_are_written_by_stem() {
    let folder = TempDir::new().unwrap();
    let wav = std::fs::read(sample()).unwrap();
    write(&folder, "clips/Actor_01/one.wav", &wav);
    write(&folder, "clips/two.wav", &wav);
    write(&folder, "clips/notes.txt", "not a clip");
    let output = folder.path().join("features.safetensors");
    let clips = folder.path().join("clips");
    prints("extract_features", [clips.as_os_str(), "--output".as_ref(), output.as_ref()]);

    let bytes = std::fs::read(&output).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.len(), 12);
    let shape = |name: &str| tensors.tensor(name).unwrap().shape().to_vec();
    for stem in ["Actor_01/one", "two"] {
        for (feature, rows) in [("mfcc", 40), ("chroma", 12), ("mel", 128), ("contrast", 7), ("tonnetz", 6)] {
            assert_eq!(shape(&format!("{stem}.{feature}")), [rows, 130]);
        }
        assert_eq!(shape(&format!("{stem}.vector")), [193]);
    }
    let vector = |stem: &str| tensors.tensor(&format!("{stem}.vector")).unwrap().data().to_vec();
    assert_eq!(vector("two"), vector("Actor_01/one"));
}

#[test]
fn raw_features_have_the_clips_own_length() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("raw.safetensors");
    let arguments =
        [sample().into_os_string(), "--raw".into(), "--output".into(), output.clone().into_os_string()];
    prints("extract_features", arguments);
    let bytes = std::fs::read(&output).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("sample.mfcc").unwrap().shape(), [40, 1 + 95_144 / 512]);
}

/// The clips in a file of features.
fn stems(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut stems: Vec<String> =
        tensors.names().iter().filter_map(|name| Some(name.strip_suffix(".vector")?.to_string())).collect();
    assert_eq!(tensors.len(), 6 * stems.len());
    stems.sort();
    stems
}

#[test]
fn shards_are_disjoint_complete_and_made_once() {
    let folder = TempDir::new().unwrap();
    let tone: Vec<f32> = (0..22_050u16).map(|n| 0.3 * (f32::from(n) * 0.05).sin()).collect();
    let mut clips: Vec<String> =
        ["a", "b", "c", "d", "e"].map(|name| write_wav(&folder, &format!("{name}.wav"), &tone)).to_vec();
    let output = folder.path().join("features.safetensors");
    let shard = |clips: &[String], shard: &str, more: &[&str]| {
        let options = ["--output", output.to_str().unwrap(), "--shard", shard];
        prints(
            "extract_features",
            clips.iter().map(String::as_str).chain(options).chain(more.iter().copied()),
        )
    };
    let file = |index: usize| folder.path().join(format!("features-{index:03}-of-003.safetensors"));

    assert!(shard(&clips, "1/3", &[]).contains("features-001-of-003.safetensors: 2 clips, 12 tensors"));
    shard(&clips, "2/3", &[]);
    // The order of the arguments changes nothing.
    clips.reverse();
    shard(&clips, "3/3", &[]);
    assert_eq!([1, 2, 3].map(|index| stems(&file(index))), [vec!["a", "d"], vec!["b", "e"], vec!["c"]]);
    assert!(shard(&clips, "1/3", &[]).contains("whole already, 2 clips"));

    // A file that is not what this run would write is made anew: damaged in its values or its header, cut, of other clips or settings.
    let whole = std::fs::read(file(1)).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut header = whole.clone();
    header[20] ^= 1;
    let other = std::fs::read(file(2)).unwrap();
    for damaged in [&flipped[..], &header, &whole[..whole.len() - 1], b"", &other] {
        std::fs::write(file(1), damaged).unwrap();
        assert!(shard(&clips, "1/3", &[]).contains("2 clips, 12 tensors"));
        assert!(std::fs::read(file(1)).unwrap() == whole);
    }
    assert!(shard(&clips, "1/3", &["--raw"]).contains("2 clips, 12 tensors"));
    assert!(shard(&clips, "1/3", &[]).contains("2 clips, 12 tensors"));
    assert!(shard(&clips[..4], "1/3", &[]).contains("2 clips, 12 tensors"));

    // Nothing else is left beside them, and a part without clips is whole too.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5 + 3);
    assert!(shard(&clips[..1], "2/2", &[]).contains("features-002-of-002.safetensors: 0 clips, 0 tensors"));
    assert!(shard(&clips[..1], "2/2", &[]).contains("whole already"));
}

#[test]
fn a_shard_that_leaves_out_bad_clips_is_whole_only_for_those_who_allow_it() {
    let folder = TempDir::new().unwrap();
    write(&folder, "clips/good.wav", std::fs::read(sample()).unwrap());
    let bad = write(&folder, "clips/bad.wav", "RIFF");
    let clips = folder.path().join("clips");
    let output = folder.path().join("features.safetensors");
    let arguments =
        [clips.to_str().unwrap(), "--output", output.to_str().unwrap(), "--shard", "1/1", "--skip-bad"];
    assert!(prints("extract_features", arguments).contains("1 clips, 6 tensors"));
    assert!(prints("extract_features", arguments).contains("whole already"));
    fails("extract_features", &arguments[..5], &[&bad]);
}

#[test]
fn what_is_no_shard_is_refused_with_the_rule() {
    let sample = sample();
    for shard in ["0/4", "5/4", "x"] {
        let arguments = [sample.to_str().unwrap(), "--output", "features.safetensors", "--shard", shard];
        let output = example("extract_features", arguments);
        assert_eq!(output.status.code(), Some(2));
        let error = text(&output.stderr);
        assert!(error.contains(shard) && error.contains("must be I/N with I from 1 to N"), "{error}");
    }
}

#[test]
fn one_bad_file_among_many_is_named_and_left_out_only_when_asked() {
    let folder = TempDir::new().unwrap();
    write(&folder, "clips/good.wav", std::fs::read(sample()).unwrap());
    let bad = write(&folder, "clips/bad.wav", "RIFF");
    let clips = folder.path().join("clips");
    let output = folder.path().join("features.safetensors");
    let arguments = [clips.to_str().unwrap(), "--output", output.to_str().unwrap(), "--skip-bad"];
    fails("extract_features", &arguments[..3], &[&bad]);
    assert!(!output.exists());
    let run = example("extract_features", arguments);
    assert!(run.status.success());
    assert!(text(&run.stderr).contains(&format!("skipped: {bad}")), "{}", text(&run.stderr));
    assert_eq!(SafeTensors::deserialize(&std::fs::read(output).unwrap()).unwrap().len(), 6);
}

#[test]
fn two_inputs_with_one_stem_are_refused() {
    let folder = TempDir::new().unwrap();
    let other = write(&folder, "sample.wav", std::fs::read(sample()).unwrap());
    let output = folder.path().join("features.safetensors");
    let sample = sample();
    let arguments = [sample.to_str().unwrap(), &other, "--output", output.to_str().unwrap()];
    fails("extract_features", arguments, &["sample.*"]);
}

#[test]
fn a_reader_that_stops_reading_is_no_error_and_a_full_disk_is_one() {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples/recommend_songs");
    let mut child = Command::new(&program).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    if let Ok(full) = std::fs::File::create("/dev/full") {
        let output =
            Command::new(&program).stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    }
}

#[test]
fn nothing_is_done_for_a_folder_that_is_not_there() {
    let sample = sample();
    let arguments = [sample.to_str().unwrap(), "--output", "nowhere/features.safetensors"];
    fails("extract_features", arguments, &["nowhere/features.safetensors", "there is no folder nowhere"]);
    let arguments = ["--data", "none", "--output", "nowhere/model.safetensors"];
    fails("train", arguments, &["nowhere/model.safetensors", "there is no folder nowhere"]);
}

#[test]
fn no_error_says_a_thing_twice() {
    let folder = TempDir::new().unwrap();
    let silence = write_wav(&folder, "silence.wav", &[0.0; 22_050]);
    let output = folder.path().join("model.safetensors");
    for arguments in [["--model", "missing.safetensors"], ["--catalog", "missing.csv"]] {
        let error = text(&example("recommend_songs", arguments).stderr);
        assert_eq!(error.matches("os error 2").count(), 1, "{error}");
    }
    let named = folder.path().join("03-01-01-01-01-01-01.wav");
    std::fs::rename(&silence, &named).unwrap();
    let arguments = ["--data", folder.path().to_str().unwrap(), "--output", output.to_str().unwrap()];
    let error = text(&example("train", arguments).stderr);
    assert_eq!(error.matches("must not be silent").count(), 1, "{error}");
}

#[test]
fn features_are_drawn_as_png_and_svg() {
    let folder = TempDir::new().unwrap();
    let (png, svg) = (folder.path().join("one.png"), folder.path().join("two.svg"));
    let clip = sample();
    prints("plot_features", ["--output", png.to_str().unwrap()]);
    assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    let arguments = [clip.to_str().unwrap(), clip.to_str().unwrap(), "--show", "waveform,mel", "--output"];
    let said = prints("plot_features", arguments.into_iter().chain([svg.to_str().unwrap()]));
    assert!(said.ends_with("two.svg: 1280 × 514 pixels\n"), "{said}");
    assert!(std::fs::read_to_string(&svg).unwrap().contains("sample.wav · sample.wav"));
    let jpeg = folder.path().join("three.jpg");
    fails("plot_features", ["--output", jpeg.to_str().unwrap()], &["three.jpg", "must end in .png or .svg"]);
    let letter = write(&folder, "letter.wav", "Dear Sir or Madam");
    fails("plot_features", [&letter, "--output", png.to_str().unwrap()], &["letter.wav", "is not audio"]);
}
