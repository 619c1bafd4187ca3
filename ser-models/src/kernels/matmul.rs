//! Matrix products by the `gemm` crate. `gemm` takes raw pointers: unsafe code is only here and in `integer_matrix::vnni`.

use super::Real;
use gemm::Parallelism;

/// A matrix within a slice, with any strides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T: Real> Matrix<'a, T> {
    /// Makes a row-major matrix whose rows have no gaps.
    pub(crate) fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self::with_row_stride(data, rows, columns, columns)
    }

    /// Makes a row-major matrix whose rows are `row_stride` elements apart.
    pub(crate) fn with_row_stride(data: &'a [T], rows: usize, columns: usize, row_stride: usize) -> Self {
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// Returns the transpose, without a copy.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn span(&self) -> usize {
        span(self.rows, self.columns, self.row_stride, self.column_stride)
    }
}

/// Returns the number of elements from the first to the last of a strided matrix.
fn span(rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row_stride + (columns - 1) * column_stride + 1 }
}

/// Computes `out = a · b`, or `out += a · b`, on one thread. `out` is row-major, with rows `out_row_stride` elements apart.
///
/// # Panics
/// If the shapes don't fit together or reach beyond their slices. Callers check shapes before.
pub(crate) fn matmul<T: Real>(
    out: &mut [T],
    out_row_stride: usize,
    accumulate: bool,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
) {
    multiply(out, out_row_stride, accumulate, a, b, Parallelism::None);
}

/// Returns `a · b`, row-major, computed on all threads. `gemm` splits rows and columns among them but no sum, so the number of threads does
/// not change a bit.
pub(crate) fn matmul_parallel<T: Real>(a: Matrix<'_, T>, b: Matrix<'_, T>) -> Vec<T> {
    const WORTH_SPLITTING: usize = 1 << 20;
    let (m, n, k) = (a.rows, b.columns, a.columns);
    let mut out = vec![T::ZERO; m * n];
    let parallelism = if m * n * k < WORTH_SPLITTING { Parallelism::None } else { Parallelism::Rayon(0) };
    multiply(&mut out, n, false, a, b, parallelism);
    out
}

#[allow(unsafe_code)]
fn multiply<T: Real>(
    out: &mut [T],
    out_row_stride: usize,
    accumulate: bool,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    parallelism: Parallelism,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "the inner sizes differ");
    assert!(n <= out_row_stride || m <= 1, "the rows of the product overlap");
    assert!(a.span() <= a.data.len(), "the left matrix reaches beyond its slice");
    assert!(b.span() <= b.data.len(), "the right matrix reaches beyond its slice");
    assert!(span(m, n, out_row_stride, 1) <= out.len(), "the product reaches beyond its slice");
    let stride = |s: usize| s as isize;
    // SAFETY: `T` is f32 or f64, which `gemm` supports. The three assertions on spans show that every element `row · row_stride + column ·
    // column_stride` is within its slice, for all three matrices. `out` is borrowed mutably, so it overlaps neither `a` nor `b`, and its
    // rows don't overlap each other.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            stride(out_row_stride),
            accumulate,
            a.data.as_ptr(),
            stride(a.column_stride),
            stride(a.row_stride),
            b.data.as_ptr(),
            stride(b.column_stride),
            stride(b.row_stride),
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7919 + 13) % 101) as f64 - 50.0).collect()
    }

    fn slow(a: &Matrix<'_, f64>, b: &Matrix<'_, f64>) -> Vec<f64> {
        let at = |m: &Matrix<'_, f64>, i: usize, j: usize| m.data[i * m.row_stride + j * m.column_stride];
        let mut out = Vec::new();
        for i in 0..a.rows {
            for j in 0..b.columns {
                out.push((0..a.columns).map(|l| at(a, i, l) * at(b, l, j)).sum());
            }
        }
        out
    }

    #[test]
    fn products_of_every_small_shape_and_layout_are_exact() {
        let (x, y) = (numbers(400), numbers(420));
        for m in [1, 2, 5, 17] {
            for n in [1, 3, 16, 19] {
                for k in [1, 2, 3, 8, 20] {
                    let plain = (Matrix::new(&x, m, k), Matrix::new(&y, k, n));
                    let turned = (Matrix::new(&x, k, m).transposed(), Matrix::new(&y, n, k).transposed());
                    for (a, b) in [plain, (plain.0, turned.1), (turned.0, plain.1), turned] {
                        let expected = slow(&a, &b);
                        let mut out = vec![1.0; m * n];
                        matmul(&mut out, n, false, a, b);
                        assert_eq!(out, expected);
                        matmul(&mut out, n, true, a, b);
                        assert!(out.iter().zip(&expected).all(|(o, e)| *o == 2.0 * e));
                        assert_eq!(matmul_parallel(a, b), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn large_products_are_exact_and_have_the_same_bits_on_any_number_of_threads() {
        let (x, y) = (numbers(150 * 90), numbers(90 * 130));
        let (a, b) = (Matrix::new(&x, 150, 90), Matrix::new(&y, 90, 130));
        assert_eq!(matmul_parallel(a, b), slow(&a, &b));

        let numbers = |n: usize| (0..n).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<f32>>();
        for (m, n, k) in [(700, 130, 90), (60, 515, 640), (300, 200, 5000)] {
            let (x, y) = (numbers(m * k), numbers(k * n));
            let product = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let plain = (Matrix::new(&x, m, k), Matrix::new(&y, k, n));
                let turned = (Matrix::new(&x, k, m).transposed(), Matrix::new(&y, n, k).transposed());
                pool.install(|| [plain, turned, (plain.0, turned.1)].map(|(a, b)| matmul_parallel(a, b)))
            };
            let one = product(1);
            assert!([2, 3, 5].into_iter().all(|threads| product(threads) == one));
        }
    }

    #[test]
    #[should_panic(expected = "reaches beyond its slice")]
    fn a_matrix_beyond_its_slice_is_caught() {
        let x = numbers(11);
        matmul(&mut [0.0; 16], 4, false, Matrix::new(&x, 4, 3), Matrix::new(&x, 3, 4));
    }
}
