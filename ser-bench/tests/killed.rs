//! Commands that are killed at any moment and started again end with the same bytes as those that are not.
//!
//! `KILLS=200 cargo test --workspace --release --test killed -- --ignored --nocapture --test-threads 1` kills each command 200 times; ten
//! times without `KILLS`.

#![allow(clippy::unwrap_used)] // a test may panic
#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ser_models::Generator;
use tempfile::TempDir;
use walkdir::WalkDir;

#[path = "../../examples/tests/support.rs"]
mod support;

use support::{made_up_ravdess, program, write};

/// The files of a folder that are results, by name. What a killed process was still writing has another name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let extensions = ["safetensors", "csv", "json", "md", "png"];
    let found = WalkDir::new(folder).into_iter().map(|entry| entry.unwrap().into_path());
    let results = found
        .filter(|path| path.extension().is_some_and(|e| extensions.iter().any(|extension| e == *extension)));
    let name = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
    results.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
}

/// `command` writes into a folder that it is given. It is started and killed (SIGKILL) again and again.
fn survives(name: &str, command: impl Fn(&Path) -> Command) {
    let kills = std::env::var("KILLS").map_or(10, |kills| kills.parse().unwrap());
    let start = |folder: &Path| {
        command(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let undisturbed = TempDir::new().unwrap();
    let begin = Instant::now();
    assert!(start(undisturbed.path()).wait().unwrap().success(), "{name}");
    let whole = begin.elapsed().as_secs_f64();
    let expected = files(undisturbed.path());
    assert!(!expected.is_empty(), "{name}");

    let mut moments = Generator::new(29);
    let (mut killed, mut ended) = (0, 0);
    while killed < kills {
        let folder = TempDir::new().unwrap();
        loop {
            let mut child = start(folder.path());
            // After the last one the command may finish.
            if killed < kills {
                std::thread::sleep(Duration::from_secs_f64(moments.uniform(0.0, 1.2 * whole)));
                child.kill().unwrap();
            }
            let output = child.wait_with_output().unwrap();
            if output.status.success() {
                break;
            }
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code().is_none(), "{name} after {killed} kills: {error}");
            killed += 1;
        }
        ended += 1;
        let found = files(folder.path());
        assert!(found.keys().eq(expected.keys()), "{name}: {:?} for {:?}", found.keys(), expected.keys());
        for (file, bytes) in &expected {
            assert!(found[file] == *bytes, "{name}: {file} differs after {killed} kills");
        }
    }
    println!("{name}: killed {killed} times within {whole:.1} s, {ended} runs ended with the same bytes");
}

#[test]
#[ignore = "takes minutes"]
fn train_resumes_to_the_same_bytes() {
    let data = made_up_ravdess();
    survives("train", |folder| {
        let output = folder.join("model.safetensors");
        let mut command = Command::new(program("train"));
        command
            .arg("--data")
            .arg(data.path())
            .arg("--output")
            .arg(&output)
            .args(["--epochs", "60", "--seed", "7"]);
        if folder.join("model.safetensors.training").exists() {
            command.arg("--resume");
        }
        command
    });
}

#[test]
#[ignore = "takes minutes"]
fn a_part_of_features_is_whole_or_made_again() {
    let data = made_up_ravdess();
    survives("extract_features", |folder| {
        let mut command = Command::new(program("extract_features"));
        command
            .arg(data.path())
            .args(["--shard", "1/2", "--output"])
            .arg(folder.join("features.safetensors"));
        command
    });
}

#[test]
#[ignore = "takes minutes"]
fn bundle_ends_with_the_same_bytes() {
    let data = made_up_ravdess();
    let recipes = TempDir::new().unwrap();
    let recipe = write(&recipes, "short.toml", "arch = 'cnn-1d'\n[training]\nepochs = 20");
    survives("bundle", |folder| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bundle"));
        command.arg("--data").arg(data.path()).arg("--output").arg(folder.join("bundle.safetensors"));
        command.args(["--temperature", "0.8", "--recipe", &recipe]);
        command
    });
}

#[test]
#[ignore = "takes minutes"]
fn reproduce_resumes_to_the_same_bytes() {
    let data = made_up_ravdess();
    let recipes = TempDir::new().unwrap();
    let recipe = write(&recipes, "short.toml", "arch = 'cnn-1d'\nmembers = 2\n[training]\nepochs = 8");
    survives("reproduce", |folder| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reproduce"));
        command.arg("--data").arg(data.path()).arg("--output").arg(folder.join("results"));
        command.args(["--only", "cnn-1d", "--seeds", "2", "--recipe", &recipe]);
        command
    });
}
