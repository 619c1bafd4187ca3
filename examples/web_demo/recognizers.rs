//! A bounded number of inferences at once, and a short queue for the others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ser_examples::model::Model;
use ser_models::Recognizer;

use crate::problem::Problem;
use crate::queue::{Queue, Turn};

/// One recogniser for each worker.
pub(crate) struct Recognizers {
    idle: Mutex<Vec<Recognizer>>,
    queue: Arc<Queue>,
}

impl Recognizers {
    /// `patience` is the longest time that a clip waits for a worker.
    pub(crate) fn new(model: &Model, workers: usize, patience: Duration) -> anyhow::Result<Self> {
        let idle = (0..workers).map(|_| model.recognizer()).collect::<anyhow::Result<_>>()?;
        Ok(Self { idle: Mutex::new(idle), queue: Queue::new(workers, patience) })
    }

    /// Waits for a worker.
    pub(crate) async fn turn(&self) -> Result<Turn, Problem> {
        self.queue.turn().await
    }

    /// Uses a recogniser that is idle: there is one for each [`Turn`].
    pub(crate) fn with<T>(
        &self,
        _turn: &Turn,
        work: impl FnOnce(&mut Recognizer) -> T,
    ) -> Result<T, Problem> {
        let recognizer = self.idle().pop().ok_or_else(|| Problem::internal("no recogniser is idle"))?;
        let mut borrowed = Borrowed { from: self, recognizer: Some(recognizer) };
        borrowed.recognizer.as_mut().map(work).ok_or_else(Problem::unforeseen)
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
