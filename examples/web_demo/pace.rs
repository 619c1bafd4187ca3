//! Minimum rate at which a body must arrive. A slow upload would hold memory that other requests wait for.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::problem::Problem;

/// Within this time, [`LEAST`] bytes plus a tenth of the bytes before them must arrive, or the body must end.
pub(crate) const PACE: Duration = Duration::from_secs(5);
const LEAST: usize = 20_000;

/// Measures how fast a body arrives. Time spent waiting for room is not counted.
pub(crate) struct Pace {
    time: Duration,
    /// The time that remains until enough bytes must have arrived.
    left: Duration,
    /// Bytes received since `left` was last reset to `time`.
    bytes: usize,
}

impl Pace {
    pub(crate) fn new(time: Duration) -> Self {
        Self { time, left: time, bytes: 0 }
    }

    /// Waits for the next part of the body. Fails with [`Problem::slow`] when the time runs out.
    pub(crate) async fn keep<T>(&mut self, next: impl Future<Output = T>) -> Result<T, Problem> {
        let begin = Instant::now();
        let next = timeout(self.left, next).await.map_err(|_| Problem::slow())?;
        self.left = self.left.saturating_sub(begin.elapsed());
        Ok(next)
    }

    /// Counts `bytes` bytes that arrived after `before` other bytes. If enough bytes have arrived, the time starts again.
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
