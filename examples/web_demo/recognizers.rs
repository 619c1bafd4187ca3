//! A bounded number of inferences at once.

use std::sync::{Mutex, PoisonError};

use ser_examples::model::Model;
use ser_models::Recognizer;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::problem::Problem;

/// Clips that may wait for each worker. One more is turned away, since its answer would come late.
const WAITING: usize = 8;

/// One recogniser for each worker, with room for a few clips to wait.
pub(crate) struct Recognizers {
    idle: Mutex<Vec<Recognizer>>,
    rooms: Semaphore,
    workers: Semaphore,
}

/// The right to one worker.
pub(crate) struct Turn<'a> {
    _room: SemaphorePermit<'a>,
    _worker: SemaphorePermit<'a>,
}

impl Recognizers {
    pub(crate) fn new(model: &Model, workers: usize) -> anyhow::Result<Self> {
        let mut idle = Vec::new();
        for _ in 0..workers {
            idle.push(model.recognizer()?);
        }
        Ok(Self {
            idle: Mutex::new(idle),
            rooms: Semaphore::new(workers * (1 + WAITING)),
            workers: Semaphore::new(workers),
        })
    }

    /// Waits for a worker, unless too many wait already.
    pub(crate) async fn turn(&self) -> Result<Turn<'_>, Problem> {
        let room = self.rooms.try_acquire().map_err(|_| Problem::busy())?;
        let worker = self.workers.acquire().await.map_err(|_| Problem::busy())?;
        Ok(Turn { _room: room, _worker: worker })
    }

    /// Uses a recogniser that is idle: there is one for each [`Turn`].
    pub(crate) fn with<T>(
        &self,
        _turn: &Turn<'_>,
        work: impl FnOnce(&mut Recognizer) -> T,
    ) -> Result<T, Problem> {
        let take = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recognizer = take().pop().ok_or_else(Problem::busy)?;
        let result = work(&mut recognizer);
        take().push(recognizer);
        Ok(result)
    }
}
