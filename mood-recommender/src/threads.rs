//! Work on many songs, side by side on all cores.

use std::panic::resume_unwind;
use std::thread;

/// Songs for which a thread is worth its start.
const LEAST: usize = 1 << 14;

/// Splits items into a share for each core and returns what `work` makes of each share, in order. `work` also gets the place of
/// the share's first item.
pub(crate) fn in_shares<T: Send, R: Send>(
    items: &mut [T],
    work: impl Fn(usize, &mut [T]) -> R + Sync,
) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(cores).max(LEAST);
    if items.len() <= share {
        return vec![work(0, items)];
    }
    let work = &work;
    thread::scope(|scope| {
        let shares = items.chunks_mut(share).enumerate();
        let threads: Vec<_> =
            shares.map(|(at, items)| scope.spawn(move || work(at * share, items))).collect();
        // A panic of a thread goes on in this one.
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_in_one_share() {
        for count in [0, 1, LEAST, LEAST + 1, 5 * LEAST + 3] {
            let mut items = vec![0_usize; count];
            let sizes = in_shares(&mut items, |first, share| {
                share.iter_mut().enumerate().for_each(|(at, item)| *item += first + at);
                share.len()
            });
            assert_eq!(sizes.iter().sum::<usize>(), count);
            assert!(items.iter().copied().eq(0..count));
        }
    }
}
