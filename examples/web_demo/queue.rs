//! A short queue for work, of which a limited number runs at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::problem::Problem;

/// The maximum number of requests that wait at the same time.
const WAITING: usize = 256;

/// Gives turns in the order of the requests for them.
pub(crate) struct Queue {
    turns: Arc<Semaphore>,
    count: usize,
    waiting: AtomicUsize,
    /// The moving average of the duration of a turn in microseconds.
    service: AtomicU64,
    patience: Duration,
}

/// The right to work. It ends when this is dropped.
pub(crate) struct Turn {
    queue: Arc<Queue>,
    begin: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.queue.note(self.begin.elapsed());
    }
}

/// A waiting request. It is counted until this is dropped, which also happens when the client disconnects.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue {
    /// Creates a queue with `count` turns at the same time. `patience` is the longest time to wait for a turn.
    pub(crate) fn new(count: usize, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            turns: Arc::new(Semaphore::new(count)),
            count,
            waiting: AtomicUsize::new(0),
            service: AtomicU64::new(0),
            patience,
        })
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// If there is no turn within the patience, or if too many requests wait. The error has the time after which to try again.
    pub(crate) async fn turn(self: &Arc<Self>) -> Result<Turn, Problem> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Problem::busy(self.delay()));
        }
        let _waiting = Waiting(&self.waiting);
        match timeout(self.patience, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn { queue: Arc::clone(self), begin: Instant::now(), _permit: permit }),
            _ => Err(Problem::busy(self.delay())),
        }
    }

    /// Estimates the time until all requests that wait now have had their turn.
    fn delay(&self) -> Duration {
        let waiting = self.waiting.load(Ordering::Relaxed) as u64;
        Duration::from_micros(self.service.load(Ordering::Relaxed) * waiting / self.count.max(1) as u64)
    }

    fn note(&self, took: Duration) {
        let (took, before) = (took.as_micros() as u64, self.service.load(Ordering::Relaxed));
        self.service.store(if before == 0 { took } else { (7 * before + took) / 8 }, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_is_refused_is_told_how_long_the_queue_will_take() {
        let queue = Queue::new(2, Duration::from_millis(50));
        // A turn takes four seconds. Ten requests wait for two turns.
        queue.note(Duration::from_secs(4));
        let held = (queue.turn().await, queue.turn().await);
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let queue = Arc::clone(&queue);
                tokio::spawn(async move { queue.turn().await.err().and_then(|problem| problem.retry_after) })
            })
            .collect();
        let mut told = Vec::new();
        for one in waiting {
            told.push(one.await.unwrap().unwrap());
        }
        told.sort_unstable();
        // When the first request is refused, ten are waiting, including itself. When the last is refused, only it is waiting.
        assert_eq!(told, [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]);
        // A turn that ends is given to the next request, and its duration is included in the average.
        drop(held);
        assert!(queue.turn().await.is_ok());
        assert!(queue.service.load(Ordering::Relaxed) < 4_000_000);
    }
}
