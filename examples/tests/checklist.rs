//! Checks that apply to every example.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    check_example, ends, example, fails, made_up_ravdess, prints, program, repository, sample, text, write,
    write_wav,
};

#[test]
fn every_example_says_what_it_shows_how_it_is_called_and_how_it_ends() {
    for (name, source) in [
        ("recommend_songs", "recommend_songs.rs"),
        ("recognize", "recognize.rs"),
        ("train", "train/main.rs"),
        ("evaluate", "evaluate.rs"),
        ("extract_features", "extract_features.rs"),
        ("live", "live/main.rs"),
    ] {
        check_example(name, source);
    }
}

#[test]
fn every_example_of_the_folder_is_checked() {
    let folder = repository().join("examples");
    let names = |folder: &Path| -> BTreeSet<String> {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.ends_with("tests"))
            .filter(|path| {
                path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").exists()
            })
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    let here = ["evaluate", "extract_features", "live", "recognize", "recommend_songs", "train", "web_demo"];
    assert_eq!(
        names(&folder),
        here.map(String::from).into(),
        "a new example needs a call of `check_example`"
    );
    let plots = ["plot_catalog", "plot_features", "plot_training"];
    assert_eq!(names(&folder.join("plots")), plots.map(String::from).into());
}

#[test]
fn json_is_all_that_is_printed_where_it_is_asked_for() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("features.safetensors");
    let clip = sample();
    let arguments = [clip.to_str().unwrap(), "--json", "--output", output.to_str().unwrap()];
    let written: Value = serde_json::from_str(&prints("extract_features", arguments)).unwrap();
    assert_eq!((&written["clips"], &written["tensors"]), (&1.into(), &6.into()));
    assert_eq!(written["already_complete"], false);
    serde_json::from_str::<Value>(&prints("recommend_songs", ["--json"])).unwrap();
}

#[test]
fn a_clip_without_speech_has_an_exit_code_of_its_own() {
    let folder = TempDir::new().unwrap();
    let silence = write_wav(&folder, "silence.wav", &[0.0; 22_050]);
    ends(3, "recommend_songs", [&silence], &["silence.wav", "must not be silent"]);
    let letter = write(&folder, "letter.wav", "Dear Sir or Madam");
    fails("recommend_songs", [&letter], &["letter.wav: content must be audio in "]);
}

#[cfg(unix)]
#[test]
fn a_run_that_is_stopped_says_so_and_how_to_go_on() {
    let data = made_up_ravdess();
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("model.safetensors");
    let arguments = ["--data", data.path().to_str().unwrap(), "--output", output.to_str().unwrap()];
    let mut child = Command::new(program("train"))
        .args(arguments.iter().chain(&["--epochs", "100000"]))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let state = folder.path().join("model.safetensors.training");
    while !state.exists() {
        assert!(child.try_wait().unwrap().is_none(), "training must go on");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let ended = child.wait_with_output().unwrap();
    let error = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{error}");
    let said: Vec<&str> = error.lines().collect();
    assert!(
        matches!(&said[..], [found, "error: Ctrl-C: stopped; the same command with --resume continues"] if found.contains("ravdess (detected)")),
        "{error}"
    );
    assert!(output.exists());
}

#[test]
fn nothing_is_done_for_a_folder_that_is_not_there() {
    let sample = sample();
    let arguments = [sample.to_str().unwrap(), "--output", "nowhere/features.safetensors"];
    fails(
        "extract_features",
        arguments,
        &["nowhere/features.safetensors: folder must exist, got none at nowhere"],
    );
    let arguments = ["--data", "none", "--output", "nowhere/model.safetensors"];
    fails("train", arguments, &["nowhere/model.safetensors: folder must exist, got none at nowhere"]);
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

/// An output path may be a device, a pipe or a link. The program writes to it and does not replace it.
#[cfg(unix)]
#[test]
fn an_output_that_is_no_regular_file_is_written_through() {
    use std::os::unix::fs::FileTypeExt;

    let folder = TempDir::new().unwrap();
    let clip = sample();
    let extract = |output: &Path| {
        prints("extract_features", [clip.as_os_str(), "--output".as_ref(), output.as_os_str()])
    };
    let file = folder.path().join("features.safetensors");
    extract(&file);
    let expected = std::fs::read(&file).unwrap();

    let link = folder.path().join("link");
    std::os::unix::fs::symlink("target.safetensors", &link).unwrap();
    extract(&link);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(std::fs::read(folder.path().join("target.safetensors")).unwrap() == expected);

    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || std::fs::read(pipe).unwrap())
    };
    extract(&pipe);
    assert!(reader.join().unwrap() == expected);
    assert!(std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());

    // A null device of the test's own, if the user has the permission to create one.
    let null = folder.path().join("null");
    let made = Command::new("mknod").arg(&null).args(["c", "1", "3"]).output();
    if !made.is_ok_and(|made| made.status.success()) || std::fs::write(&null, b"probe").is_err() {
        println!("skipped: this user may not make devices");
        return;
    }
    extract(&null);
    assert!(std::fs::symlink_metadata(&null).unwrap().file_type().is_char_device());
}
