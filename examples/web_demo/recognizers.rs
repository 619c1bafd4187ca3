//! Recognisers for a limited number of inferences at the same time, and a queue for the other requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ser_examples::model::Model;
use ser_models::Recognizer;

use crate::plain;
use crate::problem::Problem;
use crate::queue::{Queue, Turn};

/// The recognisers of all models: one of each model for each worker.
pub(crate) struct Recognizers {
    /// Name and idle recognisers of each model. The first model is the default.
    models: Vec<(String, Mutex<Vec<Recognizer>>)>,
    queue: Arc<Queue>,
}

impl Recognizers {
    /// Creates the recognisers of models with these names. `patience` is the longest time that a clip waits for a worker.
    pub(crate) fn new(
        models: &[(String, Model)],
        workers: usize,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let idle = |model: &Model| (0..workers).map(|_| model.recognizer()).collect::<anyhow::Result<_>>();
        let models = models.iter().map(|(name, model)| Ok((name.clone(), Mutex::new(idle(model)?))));
        Ok(Self { models: models.collect::<anyhow::Result<_>>()?, queue: Queue::new(workers, patience) })
    }

    /// Returns the names of the models.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the index of the model with this name, or of the first model if `name` is `None`.
    ///
    /// # Errors
    /// If there is no model with this name.
    pub(crate) fn find(&self, name: Option<&str>) -> Result<usize, Problem> {
        let Some(name) = name else { return Ok(0) };
        self.names().position(|known| known == name).ok_or_else(|| {
            let known: Vec<&str> = self.names().collect();
            let got = plain::shortened(name);
            Problem::invalid(format!("query: model must be one of {}, got {got}", known.join(", ")))
        })
    }

    /// Waits for a worker.
    pub(crate) async fn turn(&self) -> Result<Turn, Problem> {
        self.queue.turn().await
    }

    /// Runs `work` with an idle recogniser of a model. There is one for each [`Turn`].
    pub(crate) fn with<T>(
        &self,
        _turn: &Turn,
        model: usize,
        work: impl FnOnce(&mut Recognizer) -> T,
    ) -> Result<T, Problem> {
        let (_, idle) = self.models.get(model).ok_or_else(Problem::unforeseen)?;
        let recognizer = locked(idle)
            .pop()
            .ok_or_else(|| Problem::internal("server: a recogniser must be idle, got none"))?;
        let mut borrowed = Borrowed { from: idle, recognizer: Some(recognizer) };
        borrowed.recognizer.as_mut().map(work).ok_or_else(Problem::unforeseen)
    }
}

fn locked(idle: &Mutex<Vec<Recognizer>>) -> MutexGuard<'_, Vec<Recognizer>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A recogniser in use. It is idle again when this is dropped, even if the work panics.
struct Borrowed<'a> {
    from: &'a Mutex<Vec<Recognizer>>,
    recognizer: Option<Recognizer>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        locked(self.from).extend(self.recognizer.take());
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
        let models = [("voices".to_owned(), model)];
        let recognizers = Recognizers::new(&models, 1, Duration::from_secs(1)).unwrap();
        let turn = recognizers.turn().await.map_err(|problem| problem.detail).unwrap();
        let panics = || recognizers.with::<()>(&turn, 0, |_| panic!("a fault that no code foresees"));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        drop(turn);
        let turn = recognizers.turn().await.map_err(|problem| problem.detail).unwrap();
        assert!(recognizers.with(&turn, 0, |_| ()).is_ok());
    }
}
