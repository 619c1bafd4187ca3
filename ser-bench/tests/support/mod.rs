//! What tests of the examples share.

#![allow(dead_code)] // no test uses all of it
#![allow(clippy::unwrap_used)] // a test may panic

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// An example's program, which `cargo test` has built beside the test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(program.exists(), "{}: build it with `cargo test --workspace`", program.display());
    program
}

pub(crate) fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/assets/sample.wav")
}

/// A WAV file of 16-bit samples.
pub(crate) fn wav(samples: impl Iterator<Item = i16>, sample_rate: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    samples.for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// What `recommend_songs --json` answers.
pub(crate) fn recommend_songs(arguments: &[&str]) -> serde_json::Value {
    let output = Command::new(program("recommend_songs")).arg("--json").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The web demo, running until it is dropped.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) process: Child,
    // Kept open, so that the server may go on printing.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(program("web_demo"));
        let mut process =
            command.args(["--port", "0"]).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address =
            line.trim().strip_prefix("listening on ").expect("the server says its address").to_string();
        Self { address, process, _stdout: stdout }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
