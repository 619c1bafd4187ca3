//! Latency of readings.

use std::fmt;
use std::time::Duration;

/// Times from the last sample of a reading to its printed line.
#[derive(Default)]
pub(crate) struct Latency {
    times: Vec<Duration>,
}

/// Maximum number of readings that are kept for the statistics, so that memory does not grow over a long run.
const KEPT: usize = 10_000;

impl Latency {
    pub(crate) fn note(&mut self, time: Duration) {
        if self.times.len() < KEPT {
            self.times.push(time);
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = |share: f64| times.get(((times.len() as f64 * share).ceil() as usize).saturating_sub(1));
        let milliseconds =
            |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0);
        match times.len() {
            0 => write!(f, "no readings"),
            n => write!(
                f,
                "{n} readings; latency from sample to reading: median {:.1} ms, p99 {:.1} ms",
                milliseconds(at(0.5)),
                milliseconds(at(0.99))
            ),
        }
    }
}
