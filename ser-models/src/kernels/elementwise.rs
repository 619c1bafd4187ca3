//! Element-wise functions, on all threads if there is enough work.

use super::{ForEachItem, Real};
use rayon::prelude::*;

/// Number of elements that one thread processes at a time.
const BLOCK: usize = 1 << 15;

/// Returns `f` of every element.
pub(crate) fn map<T: Real>(a: &[T], f: impl Fn(T) -> T + Sync) -> Vec<T> {
    let mut out = vec![T::ZERO; a.len()];
    out.par_chunks_mut(BLOCK).zip(a.par_chunks(BLOCK)).for_each_item(&|(out, a)| {
        for (out, a) in out.iter_mut().zip(a) {
            *out = f(*a);
        }
    });
    out
}

/// Returns `f` of every pair of elements of two slices of the same length.
pub(crate) fn map2<T: Real, U: Copy + Sync>(a: &[T], b: &[U], f: impl Fn(T, U) -> T + Sync) -> Vec<T> {
    debug_assert_eq!(a.len(), b.len());
    let mut out = vec![T::ZERO; a.len()];
    out.par_chunks_mut(BLOCK).zip(a.par_chunks(BLOCK).zip(b.par_chunks(BLOCK))).for_each_item(&|(
        out,
        (a, b),
    )| {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = f(*a, *b);
        }
    });
    out
}
