//! A bounded number of inferences at once, and a short queue for the others.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ser_examples::model::Model;
use ser_models::Recognizer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::problem::Problem;

/// Clips that may wait at once, however short their wait.
const WAITING: usize = 256;

/// One recogniser for each worker. Clips wait for one in the order in which they came.
pub(crate) struct Recognizers {
    idle: Mutex<Vec<Recognizer>>,
    workers: Arc<Semaphore>,
    count: usize,
    waiting: AtomicUsize,
    /// The mean time of the last clips in microseconds.
    service: AtomicU64,
    patience: Duration,
}

/// The right to one worker.
pub(crate) struct Turn {
    _worker: OwnedSemaphorePermit,
}

/// Counts itself among those that wait until it is dropped, also when its caller hangs up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Recognizers {
    /// `patience` is the longest time that a clip waits for a worker.
    pub(crate) fn new(model: &Model, workers: usize, patience: Duration) -> anyhow::Result<Self> {
        let idle = (0..workers).map(|_| model.recognizer()).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            idle: Mutex::new(idle),
            workers: Arc::new(Semaphore::new(workers)),
            count: workers,
            waiting: AtomicUsize::new(0),
            service: AtomicU64::new(0),
            patience,
        })
    }

    /// Waits for a worker. A request that would wait too long is refused, with the time to try again.
    pub(crate) async fn turn(&self) -> Result<Turn, Problem> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Problem::busy(self.delay()));
        }
        let _waiting = Waiting(&self.waiting);
        match timeout(self.patience, Arc::clone(&self.workers).acquire_owned()).await {
            Ok(Ok(worker)) => Ok(Turn { _worker: worker }),
            _ => Err(Problem::busy(self.delay())),
        }
    }

    /// How long those that wait now will keep the workers busy.
    fn delay(&self) -> Duration {
        let waiting = self.waiting.load(Ordering::Relaxed) as u64;
        Duration::from_micros(self.service.load(Ordering::Relaxed) * waiting / self.count.max(1) as u64)
    }

    /// Uses a recogniser that is idle: there is one for each [`Turn`].
    pub(crate) fn with<T>(
        &self,
        _turn: &Turn,
        work: impl FnOnce(&mut Recognizer) -> T,
    ) -> Result<T, Problem> {
        let begin = Instant::now();
        let recognizer = self.idle().pop().ok_or_else(|| Problem::internal("no recogniser is idle"))?;
        let mut borrowed = Borrowed { from: self, recognizer: Some(recognizer) };
        let result = borrowed.recognizer.as_mut().map(work);
        drop(borrowed);
        let (took, before) = (begin.elapsed().as_micros() as u64, self.service.load(Ordering::Relaxed));
        self.service.store(if before == 0 { took } else { (7 * before + took) / 8 }, Ordering::Relaxed);
        result.ok_or_else(Problem::unforeseen)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Recognizer>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A recogniser that works. It is idle again when this is dropped, also when the work panics.
struct Borrowed<'a> {
    from: &'a Recognizers,
    recognizer: Option<Recognizer>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.from.idle().extend(self.recognizer.take());
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use ser_examples::model::ModelArguments;

    use super::*;

    #[tokio::test]
    async fn a_recogniser_is_idle_again_after_work_that_panics() {
        let model = ModelArguments::default().open().unwrap();
        let recognizers = Recognizers::new(&model, 1, Duration::from_secs(1)).unwrap();
        let turn = recognizers.turn().await.map_err(|problem| problem.detail).unwrap();
        let panics = || recognizers.with::<()>(&turn, |_| panic!("a fault that no code foresees"));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        drop(turn);
        let turn = recognizers.turn().await.map_err(|problem| problem.detail).unwrap();
        assert!(recognizers.with(&turn, |_| ()).is_ok());
    }
}
