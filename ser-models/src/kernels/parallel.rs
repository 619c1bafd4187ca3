//! Work that is divided among threads.

use rayon::prelude::*;

/// `for_each` of a parallel iterator, compiled once for all closures, because only the iterator's type matters. If each item is much work,
/// the cost of a call through a pointer is negligible, while rayon's machinery would be most of the code to compile.
pub(crate) trait ForEachItem: ParallelIterator {
    /// Calls `f` for each item.
    fn for_each_item(self, f: &(dyn Fn(Self::Item) + Sync)) {
        self.for_each(f);
    }
}

impl<I: ParallelIterator> ForEachItem for I {}
