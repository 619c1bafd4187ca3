//! How fast a body must arrive, or its memory would keep others waiting.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::problem::Problem;

/// The time in which [`LEAST`] bytes and a tenth of what came before must arrive, or the end.
pub(crate) const PACE: Duration = Duration::from_secs(5);
const LEAST: usize = 20_000;

/// How fast a body comes. The time that it waits for room is not its own.
pub(crate) struct Pace {
    time: Duration,
    /// What is left of that time.
    left: Duration,
    /// Bytes since the last time that enough had come.
    bytes: usize,
}

impl Pace {
    pub(crate) fn new(time: Duration) -> Self {
        Self { time, left: time, bytes: 0 }
    }

    /// What the next part gives, if it comes in time.
    pub(crate) async fn keep<T>(&mut self, next: impl Future<Output = T>) -> Result<T, Problem> {
        let begin = Instant::now();
        let next = timeout(self.left, next).await.map_err(|_| Problem::slow())?;
        self.left = self.left.saturating_sub(begin.elapsed());
        Ok(next)
    }

    /// Bytes that came after these others.
    pub(crate) fn note(&mut self, before: usize, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= LEAST + before / 10 {
            *self = Self::new(self.time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_kilobytes_a_second_are_fast_enough() {
        let mut pace = Pace::new(PACE);
        let (mut since, mut longest) = (0, 0);
        // A kilobyte every tenth of a second, for half a minute.
        for before in (0..300_000).step_by(1000) {
            pace.note(before, 1000);
            since = if pace.bytes == 0 { 0 } else { since + 1 };
            longest = longest.max(since);
        }
        assert!(longest < 10 * PACE.as_secs(), "{longest} tenths of a second");
    }
}
