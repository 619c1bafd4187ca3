//! Many clips at once.

use std::ops::ControlFlow;
#[cfg(feature = "parallel")]
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{ConfigError, SignalError};
use crate::extractor::FeatureExtractor;
use crate::features::{FeatureConfig, Features};

/// Extracts the features of many clips, each one channel at the configured sample rate, on all cores.
///
/// The result has one entry per clip, in the order of the clips, and equals that of [`FeatureExtractor::extract`] bit for bit. A bad clip
/// affects only its own entry. Work is spread over rayon's current thread pool (with the cargo feature `parallel`, which is on by default).
/// There is at most one plan per thread, and more only where tonnetz of a long clip waits for other threads (see [`map_batch`]). If the
/// clips of a corpus don't fit into memory, read them in [`map_batch`].
///
/// ```
/// use ser_features::{FeatureConfig, extract_batch};
///
/// let tone = |step: f32| (0..22_050).map(|n| (step * n as f32).sin()).collect::<Vec<_>>();
/// let clips = [tone(0.02), vec![], tone(0.03)];
/// let features = extract_batch(&FeatureConfig::default(), &clips)?;
/// assert_eq!(features[0].as_ref().map(|f| f.vector().len()), Ok(193));
/// assert!(features[1].is_err());
/// # Ok::<(), ser_features::ConfigError>(())
/// ```
///
/// # Errors
/// As [`FeatureExtractor::new`]; for each clip, as [`FeatureExtractor::extract`].
pub fn extract_batch<C: AsRef<[f32]> + Sync>(
    config: &FeatureConfig,
    clips: &[C],
) -> Result<Vec<Result<Features, SignalError>>, ConfigError> {
    map_batch(
        clips,
        || FeatureExtractor::new(config.clone()),
        |extractor, _, clip| extractor.extract(clip.as_ref()),
    )
}

/// Calls `each(plan, position, item)` for all items, on all cores and with one plan per thread. Returns the results in the items' order.
///
/// The number of plans, and of items in progress, is at most the number of threads of rayon's current pool, unless `each` itself uses rayon:
/// a thread that waits in `each` may start another item. So memory depends on the number of threads and on the results of `each`, not on
/// the number of items. Without the cargo feature `parallel`, the calling thread processes all items with one plan.
///
/// ```
/// use ser_features::{Resampler, map_batch};
///
/// let recordings = [vec![0.1; 4_800], vec![0.2; 9_600]];
/// let resampled = map_batch(&recordings, || Resampler::new(48_000, 16_000), |plan, _, samples| plan.process(samples))?;
/// let lengths: Vec<usize> = resampled.into_iter().flatten().map(|samples| samples.len()).collect();
/// assert_eq!(lengths, [1_600, 3_200]);
/// # Ok::<(), ser_features::ConfigError>(())
/// ```
///
/// # Errors
/// The error of `plan`. The first plan is made, and may fail, even where there are no items.
pub fn map_batch<T, P, R, E>(
    items: &[T],
    plan: impl Fn() -> Result<P, E> + Sync,
    each: impl Fn(&mut P, usize, &T) -> R + Sync,
) -> Result<Vec<R>, E>
where
    T: Sync,
    P: Send,
    R: Send,
    E: Send,
{
    let spare = Mutex::new(vec![plan()?]);
    spread(items, &spare, plan, each)
}

/// As [`map_batch`], over any number of items with bounded memory: `sink(position, result)` gets the results on the calling thread, in
/// the items' order.
///
/// Items are taken from the iterator as they are needed. At most [`BATCH_WINDOW`] items per thread, or their results, are held at a time.
/// After `sink` returns [`ControlFlow::Break`](std::ops::ControlFlow::Break), no further item is taken. Use this to cancel a run or to end
/// it at the first error. Returns `false` if `sink` returned `Break`, else `true`. To report progress, count the calls of `sink`.
///
/// ```
/// use std::ops::ControlFlow;
/// use ser_features::{FeatureConfig, FeatureExtractor, map_batch_into};
///
/// let recordings = (0..100).map(|n| vec![0.01 * n as f32; 2_048]); // made, or read, one after the other
/// let mut loudest = 0.0_f32;
/// let all = map_batch_into(
///     recordings,
///     || FeatureExtractor::new(FeatureConfig { features: vec![ser_features::Feature::Rms], ..Default::default() }),
///     |extractor, _, samples| extractor.extract(&samples),
///     |position, features| {
///         loudest = features.map_or(loudest, |features| loudest.max(features.vector()[0]));
///         if position < 49 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
///     },
/// )?;
/// assert!(!all && (loudest - 0.49).abs() < 0.15);
/// # Ok::<(), ser_features::ConfigError>(())
/// ```
///
/// # Errors
/// The error of `plan`. The first plan is made, and may fail, even where there are no items.
pub fn map_batch_into<I, P, R, E>(
    items: I,
    plan: impl Fn() -> Result<P, E> + Sync,
    each: impl Fn(&mut P, usize, I::Item) -> R + Sync,
    mut sink: impl FnMut(usize, R) -> ControlFlow<()>,
) -> Result<bool, E>
where
    I: IntoIterator,
    I::Item: Send,
    P: Send,
    R: Send,
    E: Send,
{
    let spare = Mutex::new(vec![plan()?]);
    let mut done = 0;
    let mut cancelled = false;
    pipeline(
        items.into_iter().fuse(),
        |at, item| with_plan(&spare, &plan, |plan| each(plan, at, item)),
        |result| {
            cancelled = sink(done, result?).is_break();
            done += 1;
            Ok(if cancelled { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        },
    )?;
    Ok(!cancelled)
}

/// Maximum number of items that [`map_batch_into`] holds per thread. With this many, threads seldom wait for a thread with a long
/// item or for the sink.
pub const BATCH_WINDOW: usize = 16;

/// Locks a mutex whose value is valid even if another thread panicked while holding the lock.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `work` with a spare plan, or with a new one if all plans are in use. So there are at most as many plans as items in progress.
fn with_plan<P, R, E>(
    spare: &Mutex<Vec<P>>,
    plan: impl FnOnce() -> Result<P, E>,
    work: impl FnOnce(&mut P) -> R,
) -> Result<R, E> {
    let taken = locked(spare).pop();
    let mut own = taken.map_or_else(plan, Ok)?;
    let result = work(&mut own);
    locked(spare).push(own);
    Ok(result)
}

/// Maps items on the pool's threads while the calling thread takes the results, in their order, until `sink` breaks or fails.
#[cfg(feature = "parallel")]
fn pipeline<I, R, E>(
    mut items: I,
    each: impl Fn(usize, I::Item) -> R + Sync,
    mut sink: impl FnMut(R) -> Result<ControlFlow<()>, E>,
) -> Result<(), E>
where
    I: Iterator,
    I::Item: Send,
    R: Send,
{
    use std::collections::HashMap;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;

    let held = BATCH_WINDOW * rayon::current_num_threads();
    let (sender, receiver) = channel();
    let enough = AtomicBool::new(false);
    let (each, enough) = (&each, &enough);
    rayon::in_place_scope_fifo(|scope| {
        let (mut taken, mut done, mut waiting) = (0, 0, HashMap::new());
        loop {
            for item in items.by_ref().take(held - (taken - done)) {
                let (at, sender) = (taken, sender.clone());
                taken += 1;
                scope.spawn_fifo(move |_| {
                    if !enough.load(Ordering::Relaxed) {
                        let result = catch_unwind(AssertUnwindSafe(|| each(at, item)));
                        // Nothing receives the result if the sink has ended the run in the meantime.
                        let _ = sender.send((at, result));
                    }
                });
            }
            if done == taken {
                return Ok(());
            }
            let (at, result) = receive(&receiver);
            waiting.insert(
                at,
                result.unwrap_or_else(|panic| {
                    enough.store(true, Ordering::Relaxed);
                    resume_unwind(panic)
                }),
            );
            while let Some(result) = waiting.remove(&done) {
                done += 1;
                let wanted = sink(result);
                if !matches!(wanted, Ok(ControlFlow::Continue(()))) {
                    enough.store(true, Ordering::Relaxed);
                    return wanted.map(drop);
                }
            }
        }
    })
}

/// Waits for the next result. If the caller is a thread of the pool, it runs items while it waits, because the pool may have no other thread.
#[cfg(feature = "parallel")]
fn receive<T>(receiver: &Receiver<T>) -> T {
    loop {
        if let Ok(result) = receiver.try_recv() {
            return result;
        }
        match rayon::yield_now() {
            Some(rayon::Yield::Executed) => {}
            // Other threads have all work in hand: rayon has no way to wait for either, so look again after a moment.
            Some(rayon::Yield::Idle) => {
                if let Ok(result) = receiver.recv_timeout(std::time::Duration::from_millis(1)) {
                    return result;
                }
            }
            // The caller keeps a sender, so the channel stays open.
            None => {
                if let Ok(result) = receiver.recv() {
                    return result;
                }
            }
        }
    }
}

#[cfg(not(feature = "parallel"))]
fn pipeline<I: Iterator, R, E>(
    items: I,
    each: impl Fn(usize, I::Item) -> R,
    mut sink: impl FnMut(R) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    for (at, item) in items.enumerate() {
        if sink(each(at, item))?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Maps items, in their order.
#[cfg(feature = "parallel")]
fn spread<T, P, R, E>(
    items: &[T],
    spare: &Mutex<Vec<P>>,
    plan: impl Fn() -> Result<P, E> + Sync,
    each: impl Fn(&mut P, usize, &T) -> R + Sync,
) -> Result<Vec<R>, E>
where
    T: Sync,
    P: Send,
    R: Send,
    E: Send,
{
    use rayon::prelude::*;

    let work = |(at, item)| with_plan(spare, &plan, |plan| each(plan, at, item));
    items.par_iter().enumerate().with_max_len(1).map(work).collect()
}

#[cfg(not(feature = "parallel"))]
fn spread<T, P, R, E>(
    items: &[T],
    spare: &Mutex<Vec<P>>,
    plan: impl Fn() -> Result<P, E>,
    each: impl Fn(&mut P, usize, &T) -> R,
) -> Result<Vec<R>, E> {
    with_plan(spare, plan, |plan| items.iter().enumerate().map(|(at, item)| each(plan, at, item)).collect())
}
