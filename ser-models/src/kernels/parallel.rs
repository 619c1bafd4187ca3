//! Work that is shared among threads.

use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// The items of an iterator, shared among all threads. Where each item is much work, the costs of a call through a pointer and of a lock that
/// nobody else holds do not show, and rayon's machinery would be most of what there is to compile: here it is compiled once.
pub(crate) trait InParallel: Iterator<Item: Send> + Sized {
    /// Calls `f` for each item.
    fn for_each_item(self, f: &(dyn Fn(Self::Item) + Sync)) {
        self.for_each_together(1, f);
    }

    /// Calls `f` for each item. A thread takes `together` neighbours, 1 or more, where one alone is little work.
    fn for_each_together(self, together: usize, f: &(dyn Fn(Self::Item) + Sync)) {
        let items: Vec<_> = self.map(|item| Mutex::new(Some(item))).collect();
        for_each_index(items.len(), together, &|at| {
            if let Some(item) = items[at].lock().unwrap_or_else(PoisonError::into_inner).take() {
                f(item);
            }
        });
    }

    /// What `f` returns for each item, in order. Threads take items as in [`Self::for_each_together`].
    fn map_together<R: Send>(self, together: usize, f: &(dyn Fn(Self::Item) -> R + Sync)) -> Vec<R> {
        let mut results: Vec<Option<R>> = Vec::new();
        let items: Vec<_> = self.inspect(|_| results.push(None)).collect();
        items
            .into_iter()
            .zip(&mut results)
            .for_each_together(together, &|(item, result)| *result = Some(f(item)));
        results.into_iter().flatten().collect()
    }
}

impl<I: Iterator<Item: Send>> InParallel for I {}

/// Calls `f` for 0 to `count` − 1, on all threads.
fn for_each_index(count: usize, together: usize, f: &(dyn Fn(usize) + Sync)) {
    if count <= together {
        (0..count).for_each(f);
    } else {
        (0..count).into_par_iter().with_min_len(together).for_each(f);
    }
}
