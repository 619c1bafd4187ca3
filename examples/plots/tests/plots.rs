//! Tests of the examples that draw pictures.

#![allow(clippy::unwrap_used)] // a test may panic

use ser_models::ConfusionMatrix;
use ser_models::training::{Epoch, Evaluation, History};
use serde_json::json;
use tempfile::TempDir;

#[path = "../../tests/support.rs"]
mod support;

use support::{check_example, ends, example, fails, prints, sample, text, write, write_wav};

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
    fails(
        "plot_features",
        ["--output", jpeg.to_str().unwrap()],
        &["three.jpg", "extension must be .png or .svg, got .jpg"],
    );
    let whole = std::fs::read(&clip).unwrap();
    let cut = write(&folder, "cut.wav", &whole[..whole.len() * 3 / 4]);
    let arguments = [&cut, "--output", png.to_str().unwrap(), "--allow-truncated"];
    fails(
        "plot_features",
        &arguments[..3],
        &["cut.wav: bytes of WAV data must be ", "the file is truncated"],
    );
    let told = text(&example("plot_features", arguments).stderr);
    assert!(
        told.starts_with(&format!(
            "warning: {cut}: the file was read up to the damage: bytes of WAV data must be "
        )),
        "{told}"
    );
    let twice = ["-", "-", "--output", png.to_str().unwrap()];
    fails("plot_features", twice, &["standard input: `-` must be given once, got 2 times"]);
    let letter = write(&folder, "letter.wav", "Dear Sir or Madam");
    fails(
        "plot_features",
        [&letter, "--output", png.to_str().unwrap()],
        &["letter.wav: content must be audio in "],
    );
}

#[test]
fn a_catalogue_is_drawn_with_its_moods_and_correlations() {
    let folder = TempDir::new().unwrap();
    let (png, svg) = (folder.path().join("one.png"), folder.path().join("two.svg"));
    prints("plot_catalog", ["--output", png.to_str().unwrap()]);
    assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    let songs = "name,artist,id,popularity,length,danceability,acousticness,energy,instrumentalness,liveness,valence,\
                 loudness,speechiness,tempo,key,time_signature,mood,album,release_date\n";
    let row = |n: i32, energy: f32, mood: &str| {
        format!(
            "Song {n},Artist,,50,200000,0.5,0.1,{energy},0,0.1,{energy},-8,0.05,120,1,4,{mood},Album,2001\n"
        )
    };
    let csv = [songs.to_string(), row(1, 0.9, "Happy"), row(2, 0.2, "Sad"), row(3, 0.3, "Sad")].concat();
    let csv = write(&folder, "songs.csv", csv);
    prints("plot_catalog", ["--catalog", &csv, "--output", svg.to_str().unwrap()]);
    let drawn = std::fs::read_to_string(&svg).unwrap();
    for text in ["songs.csv: 3 songs", "Mood distribution", "songs", "acousticness", "Energetic", "1.00"] {
        assert!(drawn.contains(text), "{text} is not in {drawn}");
    }
    let missing = ["--catalog", "missing.csv", "--output", svg.to_str().unwrap()];
    fails("plot_catalog", missing, &["missing.csv"]);
}

#[test]
fn every_example_says_what_it_shows_how_it_is_called_and_how_it_ends() {
    for name in ["plot_features", "plot_catalog", "plot_training"] {
        check_example(name, &format!("plots/{name}.rs"));
    }
}

#[test]
fn a_clip_without_speech_has_an_exit_code_of_its_own() {
    let folder = TempDir::new().unwrap();
    let silence = write_wav(&folder, "silence.wav", &[0.0; 22_050]);
    let picture = folder.path().join("silence.png");
    ends(3, "plot_features", [&silence, "--output", picture.to_str().unwrap()], &["must not be silent"]);
    assert!(!picture.exists());
}

/// Draws as PNG and SVG, and returns the SVG.
fn drawn(folder: &TempDir, arguments: &[&str]) -> String {
    let [png, svg] = ["drawn.png", "drawn.svg"].map(|name| folder.path().join(name));
    for path in [&png, &svg] {
        prints("plot_training", arguments.iter().chain(&["--output", path.to_str().unwrap()]));
    }
    assert!(std::fs::read(png).unwrap().starts_with(b"\x89PNG"));
    std::fs::read_to_string(svg).unwrap()
}

#[test]
fn training_is_drawn_as_curves_and_confusion_matrices() {
    let folder = TempDir::new().unwrap();
    let mut confusion = ConfusionMatrix::new(["Calm", "Energetic"]);
    [(0, 0), (0, 1), (1, 1), (1, 1)].into_iter().for_each(|(truth, answer)| confusion.add(truth, answer));
    let epoch = |epoch: usize, validation: Option<Evaluation>| Epoch {
        epoch,
        learning_rate: 0.1,
        train_loss: 1.0 / epoch as f64,
        train_accuracy: 0.5,
        validation,
        best: epoch == 2,
    };
    let validation = || Some(Evaluation { loss: 0.4, confusion: confusion.clone() });
    let history = |epochs: Vec<Epoch>| serde_json::to_string(&History { epochs }).unwrap();
    let run = write(&folder, "history.json", history(vec![epoch(1, validation()), epoch(2, validation())]));
    let curves = drawn(&folder, &[&run]);
    for text in ["epoch", "cross-entropy in nats", "share in %", "validation UAR"] {
        assert!(curves.contains(text), "{text} is not in the learning curves");
    }
    assert!(drawn(&folder, &[&run, "--confusion"]).contains("4 clips that chose epoch 2"));

    // The format of `evaluate --json`.
    let report = json!({ "model": "model.safetensors", "test_clips": 4, "confusion": confusion });
    let test = drawn(&folder, &[&write(&folder, "evaluation.json", report.to_string())]);
    for text in ["4 test clips: accuracy 75.0 %, UAR 75.0 %", "true", "recognised", "Calm", "Energetic"] {
        assert!(test.contains(text), "{text} is not in the confusion matrix");
    }

    let picture = folder.path().join("none.png");
    let refused = |file: &str, expected: &str| {
        let arguments = [file, "--confusion", "--output", picture.to_str().unwrap()];
        fails("plot_training", arguments, &[file, expected]);
    };
    refused(
        &write(&folder, "last.json", history(vec![epoch(2, None)])),
        "epoch 2: validation part must have clips for --confusion, got none",
    );
    refused(&write(&folder, "none.json", "[]"), "epochs must be 1 or more, got 0");
    refused(
        &write(&folder, "letter.json", "Dear Sir or Madam"),
        "JSON must be that of `train --history` or of `evaluate --json`",
    );
    refused("missing.json", "cannot be read: ");
}
