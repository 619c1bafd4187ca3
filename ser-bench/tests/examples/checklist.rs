//! What holds for every example.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::run::{ends, example, fails, prints, text, write, write_wav};
use crate::support::{program, sample};

/// The examples by name, each with its first source file.
fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let found = std::fs::read_dir(folder).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let file = if path.is_dir() { path.join("main.rs") } else { path.clone() };
        let source = file.extension().is_some_and(|ending| ending == "rs") && file.exists();
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        source.then(|| (name, std::fs::read_to_string(file).unwrap()))
    });
    found.collect()
}

#[test]
fn every_example_says_what_it_shows_how_it_is_called_and_how_it_ends() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let examples = examples();
    assert!(examples.len() >= 8, "{examples:?}");
    for (name, source) in examples {
        let first = source.lines().next().unwrap();
        assert!(first.starts_with("//! ") && first.len() > 40, "{name}: {first}");
        let help = prints(&name, ["--help"]);
        assert!(help.contains(&format!("--example {name} -- ")), "{name}: {help}");
        assert!(help.contains("Exit codes: 0 done, 1 failed, 2 the command line is wrong"), "{name}: {help}");
        assert!(!help.contains('\u{1b}'), "{name}: colours away from a terminal");
        assert!(readme.contains(&format!("\n### `{name}`\n")), "{name} has no entry in the README");
        let unknown = example(&name, ["--no-such-option"]);
        assert_eq!(unknown.status.code(), Some(2), "{name}");
        assert!(!text(&unknown.stderr).contains('\u{1b}'), "{name}: colours away from a terminal");
    }
}

#[test]
fn every_call_in_the_help_and_the_readme_names_options_that_exist() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    for (name, _) in examples() {
        let help = prints(&name, ["--help"]);
        let (options, calls) = help.split_once("Example:").unwrap();
        let words = |text: &str| -> BTreeSet<String> {
            text.split_whitespace()
                .map(|word| word.trim_end_matches([',', '.', ')', '`']).to_string())
                .filter(|word| word.starts_with("--") && word.len() > 2)
                .collect()
        };
        let known = words(options);
        let call = format!("--example {name} -- ");
        for line in calls.lines().chain(readme.lines()) {
            let Some((_, arguments)) = line.split_once(&call) else { continue };
            let unknown: Vec<String> = words(arguments).difference(&known).cloned().collect();
            assert!(unknown.is_empty(), "{name}: {unknown:?} in {line}");
        }
    }
}

#[test]
fn json_is_all_that_is_printed_where_it_is_asked_for() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("features.safetensors");
    let clip = sample();
    let arguments = [clip.to_str().unwrap(), "--json", "--output", output.to_str().unwrap()];
    let written: Value = serde_json::from_str(&prints("extract_features", arguments)).unwrap();
    assert_eq!((&written["clips"], &written["tensors"]), (&1.into(), &6.into()));
    assert_eq!(written["whole_already"], false);
    serde_json::from_str::<Value>(&prints("recommend_songs", ["--json"])).unwrap();
}

#[test]
fn a_clip_without_speech_has_an_exit_code_of_its_own() {
    let folder = TempDir::new().unwrap();
    let silence = write_wav(&folder, "silence.wav", &[0.0; 22_050]);
    let picture = folder.path().join("silence.png");
    ends(3, "recommend_songs", [&silence], &["silence.wav", "must not be silent"]);
    ends(3, "plot_features", [&silence, "--output", picture.to_str().unwrap()], &["must not be silent"]);
    let letter = write(&folder, "letter.wav", "Dear Sir or Madam");
    fails("recommend_songs", [&letter], &["letter.wav", "is not audio"]);
}

#[cfg(unix)]
#[test]
fn a_run_that_is_stopped_says_so_and_how_to_go_on() {
    let data = crate::train::made_up_ravdess();
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
    assert_eq!(error, "error: stopped; go on with --resume\n");
    assert!(output.exists());
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
