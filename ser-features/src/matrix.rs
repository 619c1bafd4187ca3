//! Matrices that are reused from call to call, and how frames become their columns.

use ndarray::{Array1, Array2};

/// Gives `out` the shape `[rows, columns]` in standard layout, keeping its memory where that is large enough. Its values are
/// unspecified afterwards.
pub(crate) fn reshape<T: Clone + Default>(out: &mut Array2<T>, rows: usize, columns: usize) {
    if out.dim() == (rows, columns) && out.is_standard_layout() {
        return;
    }
    let (mut values, offset) = std::mem::take(out).into_raw_vec_and_offset();
    if offset.unwrap_or(0) != 0 {
        values.clear();
    }
    values.resize(rows * columns, T::default());
    // The length was just set to the product of the shape.
    *out =
        Array2::from_shape_vec((rows, columns), values).unwrap_or_else(|_| Array2::default((rows, columns)));
}

/// Gives `out` the length, keeping its memory where that is large enough. Its values are unspecified afterwards.
pub(crate) fn resize<T: Clone + Default>(out: &mut Array1<T>, length: usize) {
    let (mut values, offset) = std::mem::take(out).into_raw_vec_and_offset();
    if offset.unwrap_or(0) != 0 {
        values.clear();
    }
    values.resize(length, T::default());
    *out = Array1::from_vec(values);
}

/// Frames that are collected before they are written: a row's share of them fills a cache line.
const BLOCK: usize = 16;

/// Gives `out` the shape `[rows, frames]` and fills it column by column: `fill(t, frame)` writes frame `t`. `block` is memory to
/// reuse.
pub(crate) fn fill_columns<T: Copy + Default>(
    out: &mut Array2<T>,
    (rows, frames): (usize, usize),
    block: &mut Vec<T>,
    mut fill: impl FnMut(usize, &mut [T]),
) {
    reshape(out, rows, frames);
    let Some(values) = out.as_slice_mut().filter(|values| !values.is_empty()) else { return };
    block.resize(BLOCK * rows, T::default());
    for first in (0..frames).step_by(BLOCK) {
        let count = BLOCK.min(frames - first);
        for (i, frame) in block.chunks_exact_mut(rows).take(count).enumerate() {
            fill(first + i, frame);
        }
        let columns: [&[T]; BLOCK] = std::array::from_fn(|i| &block[i * rows..][..rows]);
        for (row, out) in values.chunks_exact_mut(frames).enumerate() {
            let out = &mut out[first..first + count];
            match out.as_chunks_mut::<BLOCK>().0.first_mut() {
                Some(out) => *out = columns.map(|column| column[row]),
                None => out.iter_mut().zip(&columns).for_each(|(out, column)| *out = column[row]),
            }
        }
    }
}
