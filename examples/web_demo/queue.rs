//! A short queue for work of which a limited amount runs at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::problem::Problem;

/// The maximum number of requests that wait at the same time.
const WAITING: usize = 256;

/// Gives turns in the order in which they are asked for.
pub(crate) struct Queue {
    turns: Arc<Semaphore>,
    count: usize,
    waiting: AtomicUsize,
    /// The moving average of the duration of a turn in microseconds.
    service: AtomicU64,
    patience: Duration,
}

/// The right to work, until it is dropped.
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

/// Counts itself among those that wait until it is dropped, also when its caller hangs up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue {
    /// `count` turns at once; `patience` is the longest time to wait for one.
    pub(crate) fn new(count: usize, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            turns: Arc::new(Semaphore::new(count)),
            count,
            waiting: AtomicUsize::new(0),
            service: AtomicU64::new(0),
            patience,
        })
    }

    /// Waits for a turn. A request that would wait too long is refused, with the time to try again.
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

    /// The estimated time until all requests that wait now have had their turn.
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
        // Four seconds a turn; ten wait for two at once.
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
        // When the first is refused, ten still wait, itself included; when the last is refused, only itself.
        assert_eq!(told, [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]);
        // A turn that ends is given to the next, and its time counts.
        drop(held);
        assert!(queue.turn().await.is_ok());
        assert!(queue.service.load(Ordering::Relaxed) < 4_000_000);
    }
}
