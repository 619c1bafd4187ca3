//! What `recommend_songs` prints, and how it fails.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{bundled_model, ends, fails, prints, program, sample, text, write, write_wav};

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
    for (clip, code, expected) in [
        (write(&folder, "letter.wav", "Dear Sir or Madam"), 1, "is not audio"),
        (write(&folder, "empty.wav", ""), 1, "holds no samples"),
        (write(&folder, "cut.wav", &wav[..50_000]), 1, "is cut short"),
        (write_wav(&folder, "none.wav", &[]), 1, "holds no samples"),
        (write_wav(&folder, "ten.wav", &tone[..10]), 3, "at least 5513 samples, but has 10"),
        (write_wav(&folder, "silence.wav", &[0.0; 22_050]), 3, "must not be silent"),
        (write_wav(&folder, "nan.wav", &broken), 1, "sample 7000 (channel 0) is NaN"),
        (folder.path().join("missing.wav").to_str().unwrap().to_string(), 1, "cannot be read"),
    ] {
        ends(code, "recommend_songs", [clip.as_str()], &[&clip, expected]);
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

#[test]
fn a_reader_that_stops_reading_is_no_error_and_a_full_disk_is_one() {
    let program = program("recommend_songs");
    let mut child = Command::new(&program).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    if let Ok(full) = std::fs::File::create("/dev/full") {
        let output =
            Command::new(&program).stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    }
}
