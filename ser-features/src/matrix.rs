//! Matrices that are reused from call to call.

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
