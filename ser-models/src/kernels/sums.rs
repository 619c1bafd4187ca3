//! Sums over slices with several accumulators, which the compiler turns into vector instructions, and softmax.

use super::Real;
use rayon::prelude::*;

const LANES: usize = 16;

/// Returns the sum of `f` over pairs of elements of two slices of the same length.
pub(crate) fn sum_pairs<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    debug_assert_eq!(a.len(), b.len());
    let mut lanes = [T::ZERO; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .fold(T::ZERO, |total, (x, y)| total + f(*x, *y));
    for (a, b) in a_chunks.zip(b_chunks) {
        for ((lane, x), y) in lanes.iter_mut().zip(a).zip(b) {
            *lane += f(*x, *y);
        }
    }
    lanes.iter().fold(rest, |total, lane| total + *lane)
}

/// Returns the sum of the elements.
pub(crate) fn sum<T: Real>(a: &[T]) -> T {
    sum_pairs(a, a, |x, _| x)
}

/// Softmax, in place. The largest element is subtracted first, so that the exponentials are finite.
pub(crate) fn softmax<T: Real>(x: &mut [T]) {
    let largest = x.iter().fold(T::NEG_INFINITY, |largest, x| if *x > largest { *x } else { largest });
    x.iter_mut().for_each(|x| *x = T::from_f64((*x - largest).to_f64().exp()));
    let total = x.iter().fold(T::ZERO, |total, x| total + *x);
    x.iter_mut().for_each(|x| *x /= total);
}

/// Replaces `dy`, the gradient for the output `y` of a softmax, by that for its input: `y · (dy − Σ dy · y)`.
pub(crate) fn softmax_gradient<T: Real>(y: &[T], dy: &mut [T]) {
    let mean = sum_pairs(dy, y, |dy, y| dy * y);
    dy.iter_mut().zip(y).for_each(|(dy, y)| *dy = *y * (*dy - mean));
}

/// Adds `bias` to each row. Rows are as long as `bias`.
pub(crate) fn add_to_rows<T: Real>(rows: &mut [T], bias: &[T]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(x, bias)| *x += *bias);
    }
}

/// Returns the sums of `width` columns over all rows. Blocks of rows are summed first, on all threads.
pub(crate) fn column_sums<T: Real>(rows: &[T], width: usize) -> Vec<T> {
    const ROWS: usize = 64;
    let add = |mut total: Vec<T>, row: &[T]| {
        total.iter_mut().zip(row).for_each(|(total, x)| *total += *x);
        total
    };
    let blocks = rows.par_chunks(ROWS * width);
    let blocks: Vec<_> =
        blocks.map(|rows| rows.chunks_exact(width).fold(vec![T::ZERO; width], add)).collect();
    blocks.iter().map(Vec::as_slice).fold(vec![T::ZERO; width], add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_every_short_length_are_exact() {
        for n in 0..70 {
            let a: Vec<f64> = (0..n).map(|i| i as f64).collect();
            assert_eq!(sum(&a), a.iter().sum::<f64>());
            assert_eq!(sum_pairs(&a, &a, |x, y| x * y), a.iter().map(|x| x * x).sum::<f64>());
        }
    }

    #[test]
    fn sums_of_columns_are_exact() {
        for rows in [0, 1, 63, 64, 200] {
            let values: Vec<f64> = (0..rows * 3).map(|i| i as f64).collect();
            let column = |column: usize| values.iter().skip(column).step_by(3).sum::<f64>();
            assert_eq!(column_sums(&values, 3), [column(0), column(1), column(2)]);
        }
    }
}
