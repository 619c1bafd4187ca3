//! Tests the output and errors of `recommend_songs`.

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
    assert!(answer.contains("\nSongs (you sound ") && answer.contains("):\n  1. "), "{answer}");
}

#[test]
fn a_mood_may_be_told_instead_of_heard() {
    let answer = prints("recommend_songs", ["--mood", "energetic", "--count", "2"]);
    let start = "Songs (energetic → calm songs, to balance it; `--strategy keep` for more of it):\n  1. ";
    assert!(answer.starts_with(start), "{answer}");
    let answer: Value =
        serde_json::from_str(&prints("recommend_songs", ["--mood", "sad", "--strategy", "keep", "--json"]))
            .unwrap();
    assert_eq!((&answer["mood"], &answer["probabilities"]["Sad"]), (&"Sad".into(), &1.0.into()));
    for (arguments, expected) in [
        (&["--mood", "angry"][..], "mood: name must be Calm, Happy, Sad or Energetic"),
        (&["clip.wav", "--mood", "sad"], "cannot be used with"),
    ] {
        let output = crate::support::example("recommend_songs", arguments);
        let error = text(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains(expected), "{error}");
    }
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
        assert_eq!(keys, ["artist", "key", "link", "mood_estimated", "name", "reason", "score"]);
        assert!(song["score"].as_f64().unwrap() > 0.0 && song["reason"].as_str().unwrap().len() > 10);
    }
}

#[test]
fn either_bundled_model_answers() {
    let answer = |model| -> Value {
        serde_json::from_str(&prints("recommend_songs", ["--model", model, "--json"])).unwrap()
    };
    let (voices, small) = (answer("voices"), answer("small"));
    assert_ne!(voices["probabilities"], small["probabilities"]);
    for given in [&voices, &small] {
        let sum: f64 = given["probabilities"].as_object().unwrap().values().filter_map(|p| p.as_f64()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{given}");
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
        (write(&folder, "letter.wav", "Dear Sir or Madam"), 1, "content must be audio in "),
        (write(&folder, "empty.wav", ""), 1, "samples must be 1 or more, got 0"),
        (write(&folder, "cut.wav", &wav[..50_000]), 1, "the file is truncated"),
        (write_wav(&folder, "none.wav", &[]), 1, "samples must be 1 or more, got 0"),
        (write_wav(&folder, "ten.wav", &tone[..10]), 3, "samples must be 5513 or more, got 10"),
        (write_wav(&folder, "silence.wav", &[0.0; 22_050]), 3, "must not be silent"),
        (write_wav(&folder, "nan.wav", &broken), 1, "sample 7000 (channel 0) must be finite, got NaN"),
        (folder.path().join("missing.wav").to_str().unwrap().to_string(), 1, "cannot be read"),
    ] {
        ends(code, "recommend_songs", [clip.as_str()], &[&clip, expected]);
    }
}

#[test]
fn bad_catalogues_and_models_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let catalog = write(&folder, "songs.csv", "name,artist\nA,B\n");
    fails(
        "recommend_songs",
        ["--catalog", catalog.as_str()],
        &[&catalog, "header: columns must include one of valence, energy", "--column COLUMN=HEADER"],
    );

    let model = std::fs::read(bundled_model()).unwrap();
    let cut = write(&folder, "cut.safetensors", &model[..model.len() / 2]);
    fails(
        "recommend_songs",
        ["--model", cut.as_str()],
        &[&cut, "cannot be read as a checkpoint: safetensors: "],
    );
    let sample = sample();
    let sample = sample.to_str().unwrap();
    fails("recommend_songs", ["--model", sample], &[sample, "cannot be read as a checkpoint: safetensors: "]);
}

const HEADER: &str = "name,artist,valence,energy,popularity,mood\n";

#[test]
fn it_ends_well_only_with_songs_and_says_what_the_catalogue_holds() {
    let folder = TempDir::new().unwrap();
    let catalog = write(&folder, "sad.csv", format!("{HEADER}A,B,0.1,0.2,50,Sad\nC,D,0.2,0.1,40,Sad\n"));
    let expected = [catalog.as_str(), "songs must be happy for --strategy cheer-up, got 2 sad"];
    fails("recommend_songs", ["--catalog", catalog.as_str(), "--strategy", "cheer-up"], &expected);
    // The most probable mood of the sample is calm, and the other moods are possible too.
    let arguments = ["--catalog", &catalog, "--strategy", "keep"];
    let output = crate::support::example("recommend_songs", arguments);
    let (told, answer) = (text(&output.stderr), text(&output.stdout));
    assert!(output.status.success(), "{told}");
    assert!(told.contains("note: ") && told.contains("songs here, the catalogue holds 2 sad"), "{told}");
    let headline = "Songs (you sound calm, but these are sad songs, for less likely moods):";
    assert!(answer.contains(headline), "{answer}");
    let none = crate::support::example("recommend_songs", ["--count", "0"]);
    assert_eq!(none.status.code(), Some(2), "{}", text(&none.stderr));
}

#[test]
fn catalogues_of_other_programs_are_read_and_what_was_recognised_is_said() {
    let folder = TempDir::new().unwrap();
    let rows = "Track;Performer;Valence;Level\nUp\u{1b}[31m;A;0,9;0,8\nDown;B;0,2;0,1\nBad;C;high;0,5\n";
    let catalog = write(&folder, "songs.csv", rows);
    let arguments = ["--catalog", &catalog, "--column", "energy=Level", "--strategy", "cheer-up"];
    fails("recommend_songs", arguments, &["row 3 (line 4): valence must be a number, got \"high\""]);
    let output = crate::support::example("recommend_songs", arguments.iter().chain(&["--skip-bad"]));
    let (told, answer) = (text(&output.stderr), text(&output.stdout));
    assert!(output.status.success(), "{told}");
    for part in
        ["cells are separated by ';'", "songs.csv: row 3 (line 4)", "2 songs have no mood; it is estimated"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(answer.contains("A – Up [31m") && answer.contains("; mood estimated"), "{answer}");
    let wrong = ["--catalog", &catalog, "--column", "colour=Level"];
    fails("recommend_songs", wrong, &["--column: options: column must be one of name", "got \"colour\""]);
}

#[test]
fn many_bad_rows_are_counted_and_the_first_ones_named() {
    let folder = TempDir::new().unwrap();
    let bad = "C,D,loud,0.1,40,Sad\n".repeat(12);
    let catalog = write(&folder, "songs.csv", format!("{HEADER}A,B,0.1,0.2,50,Happy\n{bad}"));
    let arguments = ["--catalog", &catalog, "--skip-bad", "--mood", "happy", "--json"];
    let output = crate::support::example("recommend_songs", arguments);
    let told = text(&output.stderr);
    assert!(output.status.success() && told.contains("songs.csv: 12 rows in all"), "{told}");
    assert_eq!(told.matches("songs.csv: row ").count(), 10, "{told}");
}

#[test]
fn json_gives_the_terminal_no_orders() {
    let folder = TempDir::new().unwrap();
    let catalog = write(&folder, "songs.csv", format!("{HEADER}A\u{9b}2J\u{202e},B,0.1,0.2,50,Happy\n"));
    let answer = prints("recommend_songs", ["--catalog", &catalog, "--mood", "happy", "--json"]);
    assert!(answer.contains(r"A\u009b2J\u202e"), "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["songs"][0]["name"], "A\u{9b}2J\u{202e}");
}

#[test]
fn songs_are_saved_as_playlists() {
    let folder = TempDir::new().unwrap();
    for extension in ["m3u8", "xspf", "jspf", "csv", "txt"] {
        let path = folder.path().join(format!("list.{extension}"));
        let arguments = ["--strategy", "journey", "--target", "calm", "--playlist", path.to_str().unwrap()];
        let answer = prints("recommend_songs", arguments);
        assert!(answer.contains("songs that lead from there to Calm"), "{answer}");
        let list = std::fs::read_to_string(&path).unwrap();
        assert!(list.lines().count() >= 2, "{list}");
    }
    let other = folder.path().join("list.pls");
    fails("recommend_songs", ["--playlist", other.to_str().unwrap()], &["list.pls: extension must be .m3u8"]);
}

#[test]
fn a_folder_of_music_needs_its_feature() {
    let folder = TempDir::new().unwrap();
    let list = folder.path().join("list.m3u8");
    let (list, music) = (list.to_str().unwrap(), folder.path().to_str().unwrap());
    let arguments = ["--mood", "sad", "--count", "1", "--playlist", list, "--music", music];
    if cfg!(feature = "files") {
        let output = crate::support::example("recommend_songs", arguments);
        assert!(text(&output.stderr).contains(&format!("not found in {music}: ")) && output.status.success());
    } else {
        fails("recommend_songs", arguments, &["--music: ", "--features files"]);
    }
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

/// Returns the samples of the bundled clip, and every second sample, which sounds an octave higher.
fn clip() -> [Vec<f32>; 2] {
    let file = std::fs::read(sample()).unwrap();
    let (samples, _) = file[44..].as_chunks();
    let clip: Vec<f32> =
        samples.iter().map(|&bytes| f32::from(i16::from_le_bytes(bytes)) / 32_768.0).collect();
    let higher = clip.iter().step_by(2).copied().collect();
    [clip, higher]
}

#[test]
fn a_long_recording_shows_its_moods_and_songs_may_be_for_its_end() {
    let folder = TempDir::new().unwrap();
    let [clip, higher] = clip();
    let (start, end) = (higher.repeat(14), clip.repeat(3));
    let whole = write_wav(&folder, "long.wav", &[&start[..], &end].concat());
    let answer = prints("recommend_songs", [whole.as_str(), "--model", "small"]);
    let mut lines = answer.lines();
    assert!(lines.next().unwrap().ends_with(" s at 22050 Hz"), "{answer}");
    let (cells, stretches) = (lines.nth(1).unwrap(), lines.next().unwrap());
    assert!(!answer.contains('\u{1b}'), "colours away from a terminal");
    assert_eq!(cells.chars().count(), 60, "{cells}");
    assert!(
        stretches.starts_with("0:00–0:")
            && stretches.ends_with(|letter: char| letter.is_alphanumeric() || letter == '?'),
        "{stretches}"
    );
    let heard = |path: &str, at: &str| {
        let answer = prints("recommend_songs", [path, "--model", "small", "--at", at, "--json"]);
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let (all, last) = (heard(&whole, "whole"), heard(&whole, "end"));
    assert_ne!(all["probabilities"], last["probabilities"]);
    // The last ten seconds are recognised as if they were a recording of their own, except that the windows start at other samples.
    let alone = heard(&write_wav(&folder, "end.wav", &end), "end");
    let differences = |other: &Value| -> Vec<f64> {
        let shares = last["probabilities"].as_object().unwrap().iter();
        shares
            .map(|(mood, share)| {
                (share.as_f64().unwrap() - other["probabilities"][mood].as_f64().unwrap()).abs()
            })
            .collect()
    };
    let [from_alone, from_all] = [&alone, &all].map(differences);
    assert!(from_alone.iter().all(|difference| *difference < 0.15), "{last} and {alone}");
    assert!(
        from_alone.iter().sum::<f64>() < from_all.iter().sum(),
        "{last} is nearer to {all} than to {alone}"
    );
}
