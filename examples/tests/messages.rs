//! Tests the exact error texts of wrong calls: the place (an option or a file), the parameter, its rule and the given value.

use tempfile::TempDir;

use crate::support::{ends, example, text, write};

#[test]
fn a_wrong_call_is_told_with_place_rule_and_value() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let songs = write(&folder, "happy.csv", "name,artist,valence,energy,mood\nA,B,0.9,0.8,Happy\n");
    let none = write(&folder, "none.csv", "name,artist,energy\n");
    std::fs::create_dir(path("empty")).unwrap();
    let (empty, model, list) = (path("empty"), path("model.safetensors"), path("list.m3u8"));
    let music = format!(
        "--music: program must have the feature files, got none; `cargo run --release --example recommend_songs --features files -- \
         --playlist {list} --music {empty}` has it"
    );
    let cases: [(&str, &[&str], &str); 13] = [
        (
            "recommend_songs",
            &["--catalog", &songs, "--column", "energy"],
            "--column: value must be COLUMN=HEADER, got \"energy\"",
        ),
        (
            "recommend_songs",
            &["--playlist", "list.pls"],
            "list.pls: extension must be .m3u8, .m3u, .xspf, .jspf, .csv or .txt, got .pls",
        ),
        (
            "recommend_songs",
            &["--catalog", &none, "--mood", "sad"],
            &format!("{none}: catalogue: songs must be 1 or more, got 0"),
        ),
        (
            "recommend_songs",
            &["--catalog", &songs, "--mood", "sad", "--strategy", "keep"],
            &format!("{songs}: songs must be sad for --strategy keep, got 1 happy"),
        ),
        ("recommend_songs", &["--playlist", &list, "--music", &empty], &music),
        (
            "live",
            &["--microphone"],
            "--microphone: program must have the feature microphone, got none; `cargo run --release --example live --features microphone -- \
             --microphone` has it",
        ),
        ("recognize", &["-", "-"], "standard input: `-` must be given once, got 2 times"),
        ("recognize", &[&empty], &format!("{empty}: folder must hold audio files, got none")),
        (
            "extract_features",
            &[&empty, "--output", "features.csv"],
            &format!("{empty}: folder must hold audio files, got none"),
        ),
        (
            "train",
            &[
                "--data", "a", "--data", "b", "--data", "c", "--corpus", "tess", "--corpus", "emodb",
                "--output", &model,
            ],
            "--corpus: formats must be 1, or 1 for each --data, 3, got 2",
        ),
        (
            "train",
            &["--data", "a", "--output", &model, "--members", "2", "--history", "history.csv"],
            "--history: members must be 1, got 2",
        ),
        (
            "train",
            &["--data", "a", "--output", &model, "--tune-blocks", "1"],
            "--tune-blocks: number must be left out where cnn-1d reads features, got 1",
        ),
        (
            "train",
            &["--data", "a", "--output", &model, "--resume"],
            &format!("--resume: file of an interrupted run must exist, got none such as {model}.training"),
        ),
    ];
    for (name, arguments, expected) in cases {
        let is_built = match arguments {
            [.., "--music", _] => cfg!(feature = "files"),
            ["--microphone"] => cfg!(feature = "microphone"),
            _ => false,
        };
        if !is_built {
            ends(1, name, arguments, &[&format!("error: {expected}\n")]);
        }
    }
}

/// clap names the option and the value. The rule follows.
#[test]
fn a_word_that_is_none_of_an_option_is_told_with_its_rule() {
    for (name, arguments, expected) in [
        (
            "recognize",
            ["a.wav", "--shard", "5/4"],
            "'5/4' for '--shard <I/N>': part must be I/N with I from 1 to N",
        ),
        (
            "recommend_songs",
            ["a.wav", "--target", "angry"],
            "'--target <MOOD>': mood: name must be Calm, Happy",
        ),
    ] {
        let output = example(name, arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.starts_with("error: ") && error.contains(expected), "{error}");
    }
}
