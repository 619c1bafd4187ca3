//! Many clips at once.

use crate::error::{ConfigError, SignalError};
use crate::extractor::FeatureExtractor;
use crate::features::{FeatureConfig, Features};

/// Extracts the features of many clips, each one channel at the configured sample rate, on all cores.
///
/// The result has one entry a clip, in their order, bit for bit what [`FeatureExtractor::extract`] gives; a bad clip spoils only its
/// own. Work is spread over rayon's current thread pool (with the cargo feature `parallel`, which is on by default), and each thread
/// makes one plan. Where the clips of a corpus don't fit into memory, let [`map_batch`] read them.
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

/// Maps items on all cores, each thread with a plan of its own: `each(plan, position, item)`, results in the items' order.
///
/// At most as many items are worked on as rayon's current pool has threads, and no more plans are made, so memory depends on the
/// number of threads and on what `each` returns, not on the number of items. Without the cargo feature `parallel`, the calling thread
/// does all with one plan.
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
/// What `plan` fails with. The first plan is made, and may fail, even where there are no items.
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
    let first = plan()?;
    spread(items, first, plan, each)
}

#[cfg(feature = "parallel")]
fn spread<T, P, R, E>(
    items: &[T],
    first: P,
    plan: impl Fn() -> Result<P, E> + Sync,
    each: impl Fn(&mut P, usize, &T) -> R + Sync,
) -> Result<Vec<R>, E>
where
    T: Sync,
    P: Send,
    R: Send,
    E: Send,
{
    use std::sync::{Mutex, PoisonError};

    use rayon::prelude::*;

    // Plans that no thread uses. A thread takes one for each item, so there are never more than threads.
    let spare = Mutex::new(vec![first]);
    let spare = || spare.lock().unwrap_or_else(PoisonError::into_inner);
    items
        .par_iter()
        .enumerate()
        .with_max_len(1)
        .map(|(at, item)| {
            let taken = spare().pop();
            let mut own = taken.map_or_else(&plan, Ok)?;
            let result = each(&mut own, at, item);
            spare().push(own);
            Ok(result)
        })
        .collect()
}

#[cfg(not(feature = "parallel"))]
fn spread<T, P, R, E>(
    items: &[T],
    mut first: P,
    _: impl Fn() -> Result<P, E>,
    each: impl Fn(&mut P, usize, &T) -> R,
) -> Result<Vec<R>, E> {
    Ok(items.iter().enumerate().map(|(at, item)| each(&mut first, at, item)).collect())
}
