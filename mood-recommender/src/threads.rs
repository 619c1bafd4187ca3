//! Work on many songs, side by side on all cores.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// Songs for which a thread is worth its start.
const LEAST: usize = 1 << 14;

/// Splits items into a share for each core and returns what `work` makes of each share, in order. `work` also gets the place of
/// the share's first item.
pub(crate) fn in_shares<T: Send, R: Send>(
    items: &mut [T],
    work: impl Fn(usize, &mut [T]) -> R + Sync,
) -> Vec<R> {
    let share = items.len().div_ceil(cores_for(items.len())).max(LEAST);
    if items.len() <= share {
        return vec![work(0, items)];
    }
    let work = &work;
    thread::scope(|scope| {
        let shares = items.chunks_mut(share).enumerate();
        let threads: Vec<_> =
            shares.map(|(at, items)| scope.spawn(move || work(at * share, items))).collect();
        // A panic of a thread continues in this one.
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Processes items on `cores` cores and passes the results to `take` in the order of the items. Threads take the next item when they are
/// free, so that a busy core does not delay the others.
pub(crate) fn in_order<I: Send, R: Send>(
    cores: usize,
    items: impl Iterator<Item = I> + Send,
    work: impl Fn(I) -> R + Sync,
    take: impl FnMut(R) + Send,
) {
    let waiting = Mutex::new(items.fuse().enumerate());
    let taken = Mutex::new(InOrder { next: 0, early: BTreeMap::new(), take });
    let run = || {
        loop {
            let Some((at, item)) = lock(&waiting).next() else { return };
            let result = work(item);
            lock(&taken).add(at, result);
        }
    };
    thread::scope(|scope| {
        (1..cores).for_each(|_| _ = scope.spawn(run));
        run();
    });
}

/// Processes items on `cores` cores, each with its own state, and returns the states in any order. Threads take the next item when they
/// are free.
pub(crate) fn in_states<I: Send, S: Send>(
    cores: usize,
    items: impl Iterator<Item = I> + Send,
    begin: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, I) + Sync,
) -> Vec<S> {
    let waiting = Mutex::new(items.fuse());
    let run = || {
        let mut state = begin();
        loop {
            let Some(item) = lock(&waiting).next() else { return state };
            work(&mut state, item);
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..cores).map(|_| scope.spawn(run)).collect();
        let mut states = vec![run()];
        // A panic of a thread continues in this one.
        states.extend(
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic))),
        );
        states
    })
}

/// Passes on results that come in any order, in the order of their numbers.
struct InOrder<R, F> {
    next: usize,
    early: BTreeMap<usize, R>,
    take: F,
}

impl<R, F: FnMut(R)> InOrder<R, F> {
    fn add(&mut self, at: usize, result: R) {
        self.early.insert(at, result);
        while let Some(result) = self.early.remove(&self.next) {
            (self.take)(result);
            self.next += 1;
        }
    }
}

/// A panic of another thread ends the scope of all.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many cores are worth their threads for that many songs.
pub(crate) fn cores_for(songs: usize) -> usize {
    if songs < LEAST { 1 } else { thread::available_parallelism().map_or(1, usize::from) }
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

    #[test]
    fn every_item_is_in_one_state() {
        for (cores, count) in [(1, 0), (1, 9), (3, 1), (3, 500_u64)] {
            let states = in_states(cores, 0..count, Vec::new, |state, item| state.push(item));
            assert_eq!(states.len(), cores);
            let mut items = states.concat();
            items.sort_unstable();
            assert!(items.into_iter().eq(0..count));
        }
    }

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for count in [0, 1, 2, 500_u64] {
            let mut results = Vec::new();
            let slow = |item: u64| {
                thread::sleep(std::time::Duration::from_micros(item * 37 % 100));
                item * 2
            };
            in_order(3, 0..count, slow, |result| results.push(result));
            assert!(results.into_iter().eq((0..count).map(|item| item * 2)));
        }
    }
}
