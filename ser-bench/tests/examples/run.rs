//! Running examples, and files for them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::program;

/// Runs an example.
pub(crate) fn example<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Output {
    // Without input: none of them may wait for somebody to type.
    Command::new(program(name)).args(arguments).stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs an example that must succeed, and gives what it prints.
pub(crate) fn prints<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> String {
    let output = example(name, arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs an example that must fail with exit code 1 and one line that holds all of `expected`.
pub(crate) fn fails<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>, expected: &[&str]) {
    ends(1, name, arguments, expected);
}

/// Runs an example that must end with this exit code and one line that holds all of `expected`.
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

pub(crate) fn bundled_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/moods.safetensors")
}

pub(crate) fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_string()
}

pub(crate) fn write_wav(folder: &TempDir, name: &str, samples: &[f32]) -> String {
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
