//! The Rust side of `reference/compare_torch.py`, which asks on standard input: a line with what to time and for how many
//! seconds, e.g. `cnn-1d train 2.5`, `cnn-1d infer 0.5`, `recognizer infer 0.5` or `encoder-i8 infer 0.5`, is answered by a line of JSON.

use anyhow::{Context, Result, bail};
use clap::Parser;
use ser_bench::subjects::{EncoderSubject, ModelSubject, RecognizerSubject};
use ser_bench::timing::times;
use ser_examples::{cli, memory::peak_memory};
use serde::Serialize;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::Duration;

/// An answer.
#[derive(Serialize)]
struct Answer {
    /// Duration of each call.
    milliseconds: Vec<f64>,
    /// Number of trainable parameters.
    parameters: Option<usize>,
    /// The peak memory of the process so far; only on Linux.
    peak_bytes: Option<u64>,
}

/// Times networks, the recogniser and encoders: reads lines such as `cnn-1d train 2.5` (what, train or infer, seconds) from standard input and
/// answers each by a line of JSON.
#[derive(Parser)]
struct Arguments {}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(_: &Arguments) -> Result<()> {
    let mut subjects: HashMap<String, ModelSubject> = HashMap::new();
    let mut encoders: HashMap<String, EncoderSubject> = HashMap::new();
    let mut recognition = RecognizerSubject::new()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [name, kind, seconds] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            bail!("standard input: line must be NAME train|infer SECONDS, got {line:?}");
        };
        let wrong = || format!("standard input: SECONDS must be 0 or more, got {seconds:?}");
        let limit = Duration::try_from_secs_f64(seconds.parse().with_context(wrong)?).with_context(wrong)?;
        let (milliseconds, parameters) = if name == "recognizer" {
            (times(1, limit, || recognition.run().map(drop))?, None)
        } else if EncoderSubject::NAMES.contains(&name) {
            let encoder = match encoders.entry(name.to_owned()) {
                Entry::Occupied(made) => made.into_mut(),
                Entry::Vacant(place) => place.insert(EncoderSubject::new(name)?),
            };
            (times(1, limit, || encoder.run().map(drop))?, None)
        } else {
            let subject = match subjects.entry(name.to_owned()) {
                Entry::Occupied(made) => made.into_mut(),
                Entry::Vacant(place) => place.insert(ModelSubject::new(name)?),
            };
            let milliseconds = match kind {
                "train" => times(1, limit, || subject.train().map(drop))?,
                "infer" => times(1, limit, || subject.infer().map(drop))?,
                _ => bail!("standard input: second word must be train or infer, got {kind:?}"),
            };
            (milliseconds, Some(subject.trainable()))
        };
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &Answer { milliseconds, parameters, peak_bytes: peak_memory() })?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}
