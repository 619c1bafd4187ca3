//! The Rust side of `reference/compare_torch.py`, which asks on standard input: a line with what to time and for how many
//! seconds, e.g. `cnn-1d train 2.5`, `cnn-1d infer 0.5` or `recognizer infer 0.5`, is answered by a line of JSON.

use anyhow::{Context, Result, bail};
use ser_bench::speed::{Recognition, Subject};
use serde::Serialize;
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

/// What is answered.
#[derive(Serialize)]
struct Answer {
    /// How long each call took.
    milliseconds: Vec<f64>,
    /// Numbers that the optimiser moves.
    parameters: Option<usize>,
    /// The most memory that the process has held, where the system tells.
    peak_bytes: Option<usize>,
}

fn main() -> Result<()> {
    let mut subjects: HashMap<String, Subject> = HashMap::new();
    let mut recognition = Recognition::new()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [name, kind, seconds] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            bail!("a line must be: NAME train|infer SECONDS, {line:?} was given");
        };
        let limit = Duration::from_secs_f64(seconds.parse().context("SECONDS")?);
        let (milliseconds, parameters) = if name == "recognizer" {
            (times(limit, || recognition.run().map(drop))?, None)
        } else {
            if !subjects.contains_key(name) {
                subjects.insert(name.to_owned(), Subject::new(name)?);
            }
            let subject = subjects.get_mut(name).context("the subject was just made")?;
            let milliseconds = match kind {
                "train" => times(limit, || subject.train().map(drop))?,
                "infer" => times(limit, || subject.infer().map(drop))?,
                _ => bail!("one can train or infer, {kind:?} was given"),
            };
            (milliseconds, Some(subject.trainable()))
        };
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &Answer { milliseconds, parameters, peak_bytes: peak_bytes() })?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

/// How long calls took within a time, three at least and the first, which warms up, left out.
fn times(limit: Duration, mut call: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    call()?;
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < 3 || start.elapsed() < limit {
        let begin = Instant::now();
        call()?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// The most memory that the process has held, where the system tells (Linux).
fn peak_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? * 1024)
}
