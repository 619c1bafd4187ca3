//! Tests of all kinds of labelled speech on the command line: folders, tables, and several corpora.

use std::path::Path;

use ser_models::Checkpoint;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{example, fails, made_up_ravdess, prints, text, write, write_wav};

/// Returns a tone of half a second. The number decides its pitch.
fn tone(number: u16) -> Vec<f32> {
    let pitch = 0.01 + 0.0021 * f32::from(number);
    (0..11_025u16).map(|n| 0.3 * (f32::from(n) * pitch).sin()).collect()
}

/// Ten recordings in folders of four classes.
fn ten_recordings() -> TempDir {
    let folder = TempDir::new().unwrap();
    let names = [
        "Happy/1.wav",
        "Happy/2.wav",
        "Happy/3.wav",
        "sad/1.wav",
        "sad/2.wav",
        "sad/3.wav",
        "anger/1.wav",
        "anger/2.wav",
        "calm/1.wav",
        "calm/2.wav",
    ];
    for (number, name) in (0..).zip(names) {
        write_wav(&folder, &format!("recordings/{name}"), &tone(number));
    }
    folder
}

/// Writes clips with names as in EMO-DB: four speakers, each with four emotions and boredom.
fn made_up_emodb(folder: &TempDir) -> String {
    for (number, speaker) in (20..).step_by(10).zip(["03", "08", "09", "10"]) {
        for (emotion, letter) in (0..).zip(["F", "T", "W", "N", "L"]) {
            write_wav(folder, &format!("emodb/{speaker}a01{letter}a.wav"), &tone(number + emotion));
        }
    }
    folder.path().join("emodb").to_str().unwrap().to_owned()
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_folder_of_ten_recordings_becomes_a_model_that_answers() {
    let folder = ten_recordings();
    let (data, model) = (path(&folder, "recordings"), path(&folder, "own.safetensors"));
    let trained = example("train", ["--data", &data, "--output", &model, "--epochs", "2"]);
    let said = text(&trained.stderr);
    assert!(trained.status.success(), "{said}");
    assert!(said.contains(&format!("{data}: folders (detected), 10 clips, speakers unknown")), "{said}");
    assert!(text(&trained.stdout).contains("10 clips: 7 train, 1 choose the epoch, 2 are kept apart"));
    let checkpoint = Checkpoint::load(&model).unwrap();
    assert_eq!(checkpoint.labels, ["Calm", "Happy", "Sad", "Energetic"]);
    assert!(checkpoint.split.test.iter().all(|id| id.starts_with("recordings/")));
    assert!(prints("evaluate", ["--data", &data, "--model", &model]).contains("2 test clips"));
    let heard = prints("recognize", [data.as_str(), "--model", &model, "--any-sound", "--labels", &data]);
    assert_eq!(heard.lines().count(), 10);

    // The model is the same if the command line names the format that was detected from the names.
    let again = path(&folder, "again.safetensors");
    prints("train", ["--data", &data, "--output", &again, "--epochs", "2", "--corpus", "folders"]);
    assert!(std::fs::read(&model).unwrap() == std::fs::read(&again).unwrap());
}

#[test]
fn ten_recordings_train_a_head_on_the_encoder() {
    let folder = ten_recordings();
    let (data, model) = (path(&folder, "recordings"), path(&folder, "own.safetensors"));
    let run = ["--data", &data, "--arch", "whisper-head", "--validation", "0", "--output", &model];
    let said = prints("train", run);
    assert!(said.contains("10 clips: 8 train, 0 choose the epoch, 2 are kept apart"), "{said}");
    // The 24 examples fit in one batch, so an epoch has one step, and the number of epochs is the maximum of 100.
    assert!(said.contains("epoch 100 of 100"), "{said}");
    let checkpoint = Checkpoint::load(&model).unwrap();
    assert_eq!(checkpoint.architecture.encoder().unwrap().len(), 32);
    assert!(checkpoint.split.test.iter().all(|id| !id.contains('~')));
    assert!(prints("evaluate", ["--data", &data, "--model", &model]).contains("2 test clips"));
    let heard = prints("recognize", [data.as_str(), "--model", &model, "--any-sound"]);
    assert_eq!(heard.lines().count(), 10);

    let cache = path(&folder, "cache");
    let again = path(&folder, "again.safetensors");
    let run = [&run[..6], &["--cache", &cache, "--output", &again]].concat();
    prints("train", &run);
    assert!(std::fs::read(&model).unwrap() == std::fs::read(&again).unwrap());
    prints("train", &run);
    assert!(std::fs::read(&model).unwrap() == std::fs::read(&again).unwrap());
    let none = ["--data", &data, "--encoder", "none", "--output", &again];
    fails("train", none, &["--encoder: file must be left out where cnn-1d reads features, got none"]);
}

#[test]
fn a_block_of_the_encoder_is_trained_with_a_head() {
    let folder = ten_recordings();
    let (data, model) = (path(&folder, "recordings"), path(&folder, "tuned.safetensors"));
    let rates = "learning_rates = { transformer_block = 1e-5 }";
    let tuning = write(&folder, "tuning.toml", format!("[training]\nepochs = 2\nbatch_size = 4\n{rates}\n"));
    let run =
        ["--data", &data, "--arch", "whisper-head", "--epochs", "3", "--copies", "1", "--output", &model];
    let run = [&run[..], &["--tune-blocks", "1", "--tuning", &tuning]].concat();
    let said = prints("train", &run);
    let lines = |part: &str| said.lines().filter(|line| line.contains(part)).count();
    // The head is trained alone first. Only the result of the second run is printed.
    assert_eq!(
        (lines("transformer_blocks_1"), lines("layer_mixture_1"), lines(" of 2")),
        (1, 2, 1),
        "{said}"
    );
    let checkpoint = Checkpoint::load(&model).unwrap();
    assert_eq!(checkpoint.architecture.encoder_blocks(), Some(3));
    assert!(prints("evaluate", ["--data", &data, "--model", &model]).contains("2 test clips"));
    let heard = prints("recognize", [data.as_str(), "--model", &model, "--any-sound"]);
    assert_eq!(heard.lines().count(), 10);
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");

    let again = path(&folder, "again.safetensors");
    let mut twice = run.clone();
    twice[9] = &again;
    prints("train", &twice);
    assert!(std::fs::read(&model).unwrap() == std::fs::read(&again).unwrap());
    let refused = |arch, blocks, expected: &str| {
        let run = ["--data", &data, "--arch", arch, "--tune-blocks", blocks, "--output", &again];
        fails("train", run, &[expected]);
    };
    refused("whisper-head", "5", "tuned.blocks must be 1 to 4, got 5");
    refused("cnn-1d", "1", "--tune-blocks: number must be left out where cnn-1d reads features, got 1");
    for arch in ["cnn-1d", "whisper-head"] {
        let run = ["--data", &data, "--arch", arch, "--tuning", &tuning, "--output", &again];
        fails(
            "train",
            run,
            &["--tuning: file must be left out where no block is tuned (--tune-blocks), got "],
        );
    }
    let run = ["--data", &data, "--resume", "--output", &again];
    fails("train", run, &["--resume: file of an interrupted run must exist, got none such as ", ".training"]);
}

#[test]
fn labels_of_its_own_go_from_folders_to_answers() {
    let folder = TempDir::new().unwrap();
    for (number, name) in (0..).zip(["bark", "purr"].repeat(5)) {
        write_wav(&folder, &format!("animals/{name}/{number}.wav"), &tone(number));
    }
    let (data, model) = (path(&folder, "animals"), path(&folder, "own.safetensors"));
    let run = ["--data", &data, "--corpus", "folders", "--output", &model, "--validation", "0"];
    fails("train", run, &["label must be known, got \"bark\"", "a set of own labels"]);
    for arch in ["cnn-1d", "whisper-head"] {
        prints("train", run.iter().chain(&["--labels", "own", "--epochs", "2", "--arch", arch]));
        assert_eq!(Checkpoint::load(&model).unwrap().labels, ["bark", "purr"]);
        let measured = ["--data", &data, "--corpus", "folders", "--model", &model];
        assert!(prints("evaluate", measured).contains("2 test clips"));
        let labels = ["--labels", &data, "--corpus", "folders", "--format", "csv"];
        let heard = [data.as_str(), "--model", &model, "--any-sound"];
        let heard = prints("recognize", heard.iter().chain(&labels));
        assert!(heard.starts_with("file,seconds,mood,confident,bark,purr\n"), "{heard}");
        assert_eq!(heard.lines().count(), 11);
    }
    for (number, name) in (0..).zip(["happy", "sad"].repeat(5)) {
        write_wav(&folder, &format!("few/{name}/{number}.wav"), &tone(number));
    }
    let few = path(&folder, "few");
    let few = ["--data", &few, "--corpus", "folders", "--output", &model, "--validation", "0"];
    fails("train", few, &["Calm", "--labels own"]);
}

#[test]
fn recordings_are_scored_by_folders() {
    let folder = ten_recordings();
    let data = path(&folder, "recordings");
    let output = example("recognize", [data.as_str(), "--any-sound", "--labels", &data]);
    let report = text(&output.stderr);
    assert!(report.contains("of 10 clips") && !report.contains("are not in"), "{report}");
}

#[test]
fn tables_say_who_speaks_and_nobody_is_on_both_sides() {
    let folder = ten_recordings();
    let mut table = "path;label;speaker\n".to_owned();
    for (number, name) in
        ["Happy/1", "Happy/2", "sad/1", "sad/2", "anger/1", "anger/2", "calm/1"].iter().enumerate()
    {
        table += &format!("recordings/{name}.wav;{};p{}\n", name.split('/').next().unwrap(), number % 5);
    }
    let table = write(&folder, "clips.csv", table);
    let model = path(&folder, "own.safetensors");
    let run = ["--output", &model, "--epochs", "1", "--validation", "0.2", "--speakers", "other"];
    prints("train", ["--data", &table].iter().chain(&run));
    let checkpoint = Checkpoint::load(&model).unwrap();
    assert_eq!(checkpoint.split.protocol, "speakers 80/20");
    assert!(!checkpoint.split.test.is_empty());
    let data = path(&folder, "recordings");
    fails(
        "train",
        ["--data", &data].iter().chain(&run[..]).chain(&["--corpus", "folders"]),
        &["speaker must be known for a split by speakers", "10 of 10 clips have none"],
    );
    let bad = write(&folder, "bad.csv", "path,label\nrecordings/sad/1.wav,sad\nnowhere.wav,sad\n");
    let output = path(&folder, "none.safetensors");
    fails("train", ["--data", &bad, "--output", &output], &["bad.csv: row 3: path must be a file below"]);
    let bad = write(&folder, "bad.csv", "path,label\nrecordings/sad/1.wav,grumpy\n");
    fails(
        "train",
        ["--data", &bad, "--output", &output],
        &["bad.csv: row 2: ", "sad/1.wav: label must be known, got \"grumpy\""],
    );
    let map = write(&folder, "own.toml", "emotions.angry.words = ['grumpy']");
    let mapped = ["--data", &bad, "--corpus", "manifest", "--output", &output, "--label-map", &map];
    fails("train", mapped, &["part must have clips, got none: 1 clips are too few"]);
    assert!(!Path::new(&output).exists());
}

#[test]
fn several_corpora_train_together_and_one_is_left_out() {
    let ravdess = made_up_ravdess();
    let folder = TempDir::new().unwrap();
    let emodb = made_up_emodb(&folder);
    let model = path(&folder, "model.safetensors");
    let data = ["--data", ravdess.path().to_str().unwrap(), "--data", &emodb];
    let run = ["--output", &model, "--epochs", "1"];
    let trained = example("train", data.iter().chain(&run).chain(&["--test-corpus", "emodb"]));
    let said = text(&trained.stderr);
    assert!(trained.status.success(), "{said}");
    assert!(said.contains("emodb: emodb (detected), 20 clips of 4 speakers"), "{said}");
    assert!(said.contains("left out: 4 clips of emodb: boredom is none of the moods"), "{said}");
    let checkpoint = Checkpoint::load(&model).unwrap();
    assert_eq!((&*checkpoint.split.protocol, checkpoint.split.test.len()), ("emodb left out", 16));
    assert!(checkpoint.split.test.iter().all(|id| id.starts_with("emodb/")));
    // The evaluation needs only the corpus of the test part.
    let measured: Value = serde_json::from_str(&prints(
        "evaluate",
        ["--data", &emodb, "--corpus", "emodb", "--model", &model, "--json"],
    ))
    .unwrap();
    assert_eq!((&measured["test_clips"], &measured["protocol"]), (&16.into(), &"emodb left out".into()));
    fails("evaluate", [data[0], data[1], "--model", &model], &["clips must include emodb/03a01Fa"]);

    let map = write(&folder, "own.toml", "emotions.boredom.mood = 'Calm'");
    let more = ["--label-map", &map, "--speakers", "other"];
    prints("train", data.iter().chain(&run).chain(&more));
    let checkpoint = Checkpoint::load(&model).unwrap();
    let speakers = |of: &str| checkpoint.split.test.iter().filter(|id| id.starts_with(of)).count();
    assert_eq!((speakers("emodb/"), checkpoint.split.test.len()), (5, 5 + 8), "one speaker of each corpus");
    for (more, expected) in [
        (&["--test-corpus", "tess"][..], "corpus must be one of emodb, ravdess, got tess"),
        (&["--corpus", "nemo"][..], "name must be SPEAKER_emotion_number"),
    ] {
        let output = example("train", data.iter().chain(&run).chain(more));
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

#[test]
fn features_of_labelled_speech_have_their_labels_beside_them() {
    let folder = TempDir::new().unwrap();
    let emodb = made_up_emodb(&folder);
    let output = path(&folder, "features.csv");
    let run = ["--data", &emodb, "--features", "rms,mfcc", "--output", &output];
    prints("extract_features", run);
    let table = std::fs::read_to_string(&output).unwrap();
    let mut rows = table.lines();
    assert!(rows.next().unwrap().starts_with("id,label,speaker,corpus,rms,mfcc_0,"));
    assert!(rows.next().unwrap().starts_with("emodb/03a01Fa,happy,emodb/03,emodb,0."));
    assert_eq!(rows.count(), 19);
    let about: Value = serde_json::from_slice(&std::fs::read(format!("{output}.json")).unwrap()).unwrap();
    assert_eq!(about["labelled"][4]["label"], "angry");
    let tensors = path(&folder, "features.safetensors");
    let said = prints("extract_features", ["--data", &emodb, "--output", &tensors, "--shard", "1/2"]);
    assert!(said.contains("10 clips"), "{said}");
    let whole = prints("extract_features", ["--data", &emodb, "--output", &tensors, "--shard", "1/2"]);
    assert!(whole.contains("already complete"), "{whole}");
    let both = example("extract_features", [emodb.as_str(), "--data", &emodb, "--output", &tensors]);
    assert_eq!(both.status.code(), Some(2), "{}", text(&both.stderr));
    assert_eq!(example("extract_features", ["--output", &tensors]).status.code(), Some(2));
}

#[test]
fn copies_and_names_that_may_be_mistakes_are_told() {
    let folder = TempDir::new().unwrap();
    for (number, name) in (0..).zip(["1.wav", "2.wav", "3.wav", "4.wav"]) {
        write_wav(&folder, name, &tone(number));
    }
    let rows = "1.wav,happy,Anna\n2.wav,sad,anna\n3.wav,calm,ben\n4.wav,angry,ben\n./1.wav,happy,Anna\n";
    let table = write(&folder, "mine.csv", format!("path,label,speaker\n{rows}"));
    let (model, features) = (path(&folder, "model.safetensors"), path(&folder, "features.csv"));
    let train = ["--validation", "0", "--epochs", "1", "--output", &model];
    for (program, more) in [("train", &train[..]), ("extract_features", &["--output", &features])] {
        let given = ["--data", &table, "--corpus", "manifest"];
        let output = example(program, given.iter().chain(more));
        let said = text(&output.stderr);
        assert!(said.contains("mine.csv: manifest, 4 clips of 3 speakers, 1 copies left out"), "{said}");
        let warning = "warning: speaker: names must differ in more than upper and lower case, got mine/Anna and mine/anna";
        assert!(said.contains(warning), "{said}");
    }
    let output = example("recognize", [&*path(&folder, "1.wav"), "--any-sound", "--labels", &table]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}
