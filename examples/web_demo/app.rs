//! State shared by all requests, and functions that run and time work.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use mood_recommender::Recommender;
use tokio::runtime::Handle;

use crate::problem::Problem;
use crate::queue::Queue;
use crate::recognizers::Recognizers;
use crate::room::Room;
use crate::upload::Uploads;

/// State shared by all requests.
pub(crate) struct App {
    pub(crate) recognizers: Recognizers,
    /// The threads that run [`Self::recognizers`], one for each worker.
    pub(crate) recognitions: Handle,
    pub(crate) recommender: Recommender,
    /// The queue of requests for songs without a clip.
    pub(crate) listing: Arc<Queue>,
    pub(crate) uploads: Uploads,
    /// Room for the files of `/api/wav` that clients have not read yet.
    pub(crate) playable: Room,
}

pub(crate) type Shared = State<Arc<App>>;

/// Runs work that takes a core for milliseconds or longer on one of `threads`. The work runs to its end, even if the client disconnects.
pub(crate) async fn blocking<T: Send + 'static>(
    threads: &Handle,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    threads.spawn_blocking(work).await.unwrap_or_else(|_| Err(Problem::unforeseen()))
}

/// Returns the milliseconds since `since`.
pub(crate) fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Runs `work` and returns its result. Writes its duration in milliseconds to `time`.
pub(crate) fn clocked<T>(time: &mut f64, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *time = milliseconds(start);
    result
}
