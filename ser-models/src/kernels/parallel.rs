//! Work that is shared among threads.

use rayon::prelude::*;

/// `for_each` of a parallel iterator, compiled once for all closures: only the iterator's type counts. Where each item is much work, what a
/// call through a pointer costs does not show, and rayon's machinery is most of what there would be to compile.
pub(crate) trait ForEachItem: ParallelIterator {
    /// Calls `f` for each item.
    fn for_each_item(self, f: &(dyn Fn(Self::Item) + Sync)) {
        self.for_each(f);
    }
}

impl<I: ParallelIterator> ForEachItem for I {}
