//! Progress events, and the end of a run.

use super::Epoch;

/// Training progress events, e.g. for a progress bar.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run begins or continues.
    Begin {
        /// Epochs of the whole run.
        epochs: usize,
        /// Epochs that are done already.
        done: usize,
        /// Steps of each epoch.
        batches: usize,
    },
    /// A step was taken.
    Batch {
        /// The epoch, counted from 1.
        epoch: usize,
        /// The step, counted from 1.
        batch: usize,
        /// Steps of the epoch.
        batches: usize,
        /// The loss of the batch.
        loss: f64,
    },
    /// An epoch ended.
    Epoch(&'a Epoch),
}

/// End of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finish {
    /// All epochs are done.
    Completed,
    /// Early stopping ended the run.
    EarlyStopped,
    /// The caller's flag ended the run. The unfinished epoch is discarded; call `run` or `resume` to continue.
    Stopped,
}
