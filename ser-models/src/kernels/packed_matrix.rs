//! Repeated products with one small matrix, as in a recurrence.
//!
//! The matrix is arranged once in panels as wide as a few registers. So a product of a handful of rows reads it from start to end and packs
//! nothing. Each element of a product is summed over the inner axis in order, independently of other rows, so the split of a batch does not
//! change a bit.

use super::Real;
use pulp::Simd;

/// A matrix [depth, columns] in panels: `data[panel][k][column]`, with zeros after the last column.
#[derive(Debug)]
pub(crate) struct PackedMatrix<T> {
    data: Vec<T>,
    depth: usize,
    width: usize,
    padded: usize,
}

impl<T: Real> PackedMatrix<T> {
    /// Makes a matrix of zeros for products with `rows` rows at a time, in the instruction set `S`.
    #[inline(always)]
    fn empty<S: Simd>(depth: usize, columns: usize, rows: usize) -> Self {
        let width = registers(rows) * (size_of::<T::Lanes<S>>() / size_of::<T>());
        let padded = columns.next_multiple_of(width);
        Self { data: vec![T::ZERO; padded * depth], depth, width, padded }
    }

    /// Makes a matrix of `columns` columns, beginning with column `from`, of a row-major matrix whose rows are `row_stride` apart.
    #[inline(always)]
    pub(crate) fn new<S: Simd>(
        (data, row_stride, from): (&[T], usize, usize),
        depth: usize,
        columns: usize,
        rows: usize,
    ) -> Self {
        let mut packed = Self::empty::<S>(depth, columns, rows);
        let width = packed.width;
        for (k, row) in data.chunks(row_stride).take(depth).enumerate() {
            for (p, part) in row[from..][..columns].chunks(width).enumerate() {
                packed.data[(p * depth + k) * width..][..part.len()].copy_from_slice(part);
            }
        }
        packed
    }

    /// Makes a matrix of the transpose of such a part: rows of `depth` elements become `columns` columns.
    #[inline(always)]
    pub(crate) fn transposed<S: Simd>(
        (data, row_stride, from): (&[T], usize, usize),
        depth: usize,
        columns: usize,
        rows: usize,
    ) -> Self {
        let mut packed = Self::empty::<S>(depth, columns, rows);
        let width = packed.width;
        for (p, rows) in data.chunks(row_stride * width).enumerate() {
            let panel = &mut packed.data[p * depth * width..][..depth * width];
            for (block, panel) in panel.chunks_mut(NEAR * width).enumerate() {
                for (column, row) in rows.chunks(row_stride).enumerate() {
                    let row = &row[from + block * NEAR..from + depth];
                    for (to, from) in panel[column..].iter_mut().step_by(width).zip(row) {
                        *to = *from;
                    }
                }
            }
        }
        packed
    }

    /// Number of columns including those of zeros, which is the distance between the rows of a product.
    pub(crate) fn padded(&self) -> usize {
        self.padded
    }

    /// Computes `out` [rows, padded] = `a` [rows, depth] · self, on one thread.
    #[inline(always)]
    pub(crate) fn product<S: Simd>(&self, simd: S, a: &[T], out: &mut [T]) {
        match self.width * size_of::<T>() / size_of::<T::Lanes<S>>() {
            WIDE => self.product_with::<S, WIDE>(simd, a, out),
            _ => self.product_with::<S, NARROW>(simd, a, out),
        }
    }

    #[inline(always)]
    fn product_with<S: Simd, const N: usize>(&self, simd: S, a: &[T], out: &mut [T]) {
        let (depth, rows) = (self.depth, a.len() / self.depth);
        let stride = self.padded * size_of::<T>() / size_of::<T::Lanes<S>>();
        let (data, out) = (T::lanes::<S>(&self.data), T::lanes_mut::<S>(out));
        for (p, panel) in data.chunks_exact(depth * N).enumerate() {
            let mut row = 0;
            while row < rows {
                let (a, out) = (&a[row * depth..], &mut out[row * stride + p * N..]);
                row += match rows - row {
                    8.. if S::REGISTER_COUNT >= 32 && N == NARROW => {
                        tile::<S, T, 8, N>(simd, a, depth, panel, out, stride)
                    }
                    // Eight or nine rows are computed four at a time. After six, two would be left, whose sums would wait for each other.
                    6 | 7 | 10.. if N == NARROW => tile::<S, T, 6, N>(simd, a, depth, panel, out, stride),
                    4.. => tile::<S, T, 4, N>(simd, a, depth, panel, out, stride),
                    2.. => tile::<S, T, 2, N>(simd, a, depth, panel, out, stride),
                    _ => tile::<S, T, 1, N>(simd, a, depth, panel, out, stride),
                };
            }
        }
    }
}

/// Number of registers across a panel for several rows.
const NARROW: usize = 2;
/// Number of registers across a panel for a single row, whose sums would otherwise wait for each other.
const WIDE: usize = 8;

/// Number of rows of a panel that are filled together, few enough to stay in the cache until all their columns are complete.
const NEAR: usize = 16;

fn registers(rows: usize) -> usize {
    if rows == 1 { WIDE } else { NARROW }
}

/// Multiplies `M` rows by one panel of `N` registers. Returns `M`.
#[inline(always)]
fn tile<S: Simd, T: Real, const M: usize, const N: usize>(
    simd: S,
    a: &[T],
    depth: usize,
    panel: &[T::Lanes<S>],
    out: &mut [T::Lanes<S>],
    out_stride: usize,
) -> usize {
    let mut rows = [&a[..depth]; M];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &a[i * depth..][..depth];
    }
    let mut sums = [[T::splat(simd, T::ZERO); N]; M];
    let panel = &panel[..depth * N];
    for k in 0..depth {
        let b = &panel[k * N..][..N];
        for i in 0..M {
            let x = T::splat(simd, rows[i][k]);
            for j in 0..N {
                sums[i][j] = T::multiply_add(simd, x, b[j], sums[i][j]);
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        out[i * out_stride..][..N].copy_from_slice(sums);
    }
    M
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, WithSimd};

    fn numbers<T: Real>(n: usize) -> Vec<T> {
        (0..n).map(|i| T::from_f64(((i * 7919 + 13) % 23) as f64 - 11.0)).collect()
    }

    struct Products<T>(std::marker::PhantomData<T>);

    impl<T: Real> WithSimd for Products<T> {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            for rows in 1..20 {
                for (depth, columns) in [(1, 1), (3, 5), (7, 32), (16, 70), (40, 128)] {
                    let (a, b): (Vec<T>, Vec<T>) = (numbers(rows * depth), numbers(columns * (depth + 9)));
                    let (from, stride) = (2, columns + 4);
                    let plain = PackedMatrix::new::<S>(
                        (&numbers(depth * stride), stride, from),
                        depth,
                        columns,
                        rows,
                    );
                    let turned = PackedMatrix::transposed::<S>((&b, depth + 9, from), depth, columns, rows);
                    let c: Vec<T> = numbers(depth * stride);
                    for (packed, at) in [
                        (
                            plain,
                            &(|k: usize, j: usize| c[k * stride + from + j]) as &dyn Fn(usize, usize) -> T,
                        ),
                        (turned, &|k, j| b[j * (depth + 9) + from + k]),
                    ] {
                        let mut out = vec![T::from_f64(f64::NAN); rows * packed.padded()];
                        packed.product(simd, &a, &mut out);
                        for i in 0..rows {
                            for j in 0..columns {
                                let expected =
                                    (0..depth).fold(T::ZERO, |sum, k| sum + a[i * depth + k] * at(k, j));
                                assert_eq!(out[i * packed.padded() + j], expected);
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn products_of_every_number_of_rows_are_exact() {
        Arch::new().dispatch(Products::<f32>(std::marker::PhantomData));
        Arch::new().dispatch(Products::<f64>(std::marker::PhantomData));
        Products::<f32>(std::marker::PhantomData).with_simd(pulp::Scalar::new());
    }
}
