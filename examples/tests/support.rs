//! Code shared by the tests of all examples: runs programs and writes files for them. The packages in `plots/`, `web_demo/` and `ser-bench`
//! include this file by its path.

#![allow(dead_code)] // each test uses only a part

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Returns the folder of the repository.
pub(crate) fn repository() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists())
        .expect("the workspace has a lock file")
}

/// Returns the path of an example's program, which `cargo test` builds beside the test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(program.exists(), "{}: build it with `cargo test --workspace`", program.display());
    program
}

/// Returns the path of the bundled clip.
pub(crate) fn sample() -> PathBuf {
    repository().join("examples/assets/sample.wav")
}

/// Returns the samples of the bundled clip, at 22,050 Hz.
pub(crate) fn clip() -> Vec<f32> {
    let file = std::fs::read(sample()).unwrap();
    let (samples, _) = file[44..].as_chunks();
    samples.iter().map(|&bytes| f32::from(i16::from_le_bytes(bytes)) / 32_768.0).collect()
}

/// Returns the path of the bundled model `small`.
pub(crate) fn bundled_model() -> PathBuf {
    repository().join("models/moods.safetensors")
}

/// Runs an example without standard input, so that it cannot wait for a user to type.
pub(crate) fn example<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Output {
    Command::new(program(name)).args(arguments).stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs an example that must succeed, and returns its standard output.
pub(crate) fn prints<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> String {
    let output = example(name, arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs an example that must fail with exit code 1 and one line that contains all of `expected`.
pub(crate) fn fails<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>, expected: &[&str]) {
    ends(1, name, arguments, expected);
}

/// Runs an example that must end with this exit code and one line that contains all of `expected`.
pub(crate) fn ends<S: AsRef<OsStr>>(
    code: i32,
    name: &str,
    arguments: impl IntoIterator<Item = S>,
    expected: &[&str],
) {
    let output = example(name, arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{error}");
    for part in expected {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    assert_eq!(text(&output.stdout), "");
}

/// Starts a command and kills it when it has written the file `state` twice, which is in the middle of a training.
pub(crate) fn kill_midway(command: &mut Command, state: &Path) {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = quiet.spawn().unwrap();
    let mut first = None;
    loop {
        let written = std::fs::read(state).ok();
        if first.is_none() {
            first = written;
        } else if written != first {
            break;
        }
        if child.try_wait().unwrap().is_some() {
            panic!("it ended before: {}", text(&child.wait_with_output().unwrap().stderr));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(state.exists());
}

/// Runs `recommend_songs --json` and returns its answer.
pub(crate) fn recommend_songs(arguments: &[&str]) -> serde_json::Value {
    let answer = prints("recommend_songs", ["--json"].iter().chain(arguments));
    serde_json::from_str(&answer).unwrap()
}

pub(crate) fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_string()
}

/// Returns a mono WAV file of 16-bit samples.
pub(crate) fn wav(samples: impl Iterator<Item = i16>, sample_rate: u32) -> Vec<u8> {
    riff(1, 16, sample_rate, samples.flat_map(i16::to_le_bytes).collect())
}

/// Writes a mono WAV file of floating-point samples at 22,050 Hz.
pub(crate) fn write_wav(folder: &TempDir, name: &str, samples: &[f32]) -> String {
    let data = samples.iter().copied().flat_map(f32::to_le_bytes).collect();
    write(folder, name, riff(3, 32, 22_050, data))
}

/// Returns a mono WAV file. The format tag is 1 for integers and 3 for floating point.
fn riff(tag: u16, bits: u16, sample_rate: u32, data: Vec<u8>) -> Vec<u8> {
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0");
    file.extend(tag.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(sample_rate.to_le_bytes());
    file.extend((sample_rate * u32::from(bits / 8)).to_le_bytes());
    file.extend((bits / 8).to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

/// Returns a folder of synthetic clips with names as in RAVDESS: five of each emotion. Each emotion has its own pitch.
pub(crate) fn made_up_ravdess() -> TempDir {
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

/// Checks an example whose source has the path `source` in `examples/`. The source must begin with a description. The README must have an
/// entry. The help must have an example call and the exit codes. The calls in help and README must use options that exist.
pub(crate) fn check_example(name: &str, source: &str) {
    let folder = repository().join("examples");
    let source = std::fs::read_to_string(folder.join(source)).unwrap();
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let first = source.lines().next().unwrap();
    assert!(first.starts_with("//! ") && first.len() > 40, "{name}: {first}");
    let help = prints(name, ["--help"]);
    let call = format!("--example {name} -- ");
    assert!(help.contains(&call), "{name}: {help}");
    assert!(help.contains("Exit codes: 0 done, 1 failed, 2 the command line is wrong"), "{name}: {help}");
    assert!(!help.contains('\u{1b}'), "{name}: colours away from a terminal");
    assert!(readme.contains(&format!("\n### `{name}`\n")), "{name} has no entry in the README");
    let unknown = example(name, ["--no-such-option"]);
    assert_eq!(unknown.status.code(), Some(2), "{name}");
    assert!(!text(&unknown.stderr).contains('\u{1b}'), "{name}: colours away from a terminal");

    let (options, calls) = help.split_once("Example:").unwrap();
    let words = |text: &str| -> BTreeSet<String> {
        text.split_whitespace()
            .map(|word| word.trim_end_matches([',', '.', ')', '`']).to_string())
            .filter(|word| word.starts_with("--") && word.len() > 2)
            .collect()
    };
    let known = words(options);
    for line in calls.lines().chain(readme.lines()) {
        let Some((_, arguments)) = line.split_once(&call) else { continue };
        let arguments = arguments.split(['|', '<', '>']).next().unwrap_or_default();
        let unknown: Vec<String> = words(arguments).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?} in {line}");
    }
}
