//! Systems of linear equations with a positive definite matrix.

use ndarray::{Array2, ArrayView1};

/// The factor of A = L Lᵀ: the rows of L, each up to its diagonal.
pub(super) struct Cholesky(Vec<Vec<f64>>);

impl Cholesky {
    /// Factors a symmetric matrix, of which the lower half is read; none if it is not positive definite.
    pub(super) fn of(matrix: &Array2<f64>) -> Option<Self> {
        let mut factor: Vec<Vec<f64>> = Vec::with_capacity(matrix.nrows());
        for at in 0..matrix.nrows() {
            let mut row: Vec<f64> = Vec::with_capacity(at + 1);
            for (column, other) in factor.iter().enumerate() {
                row.push((matrix[[at, column]] - dot(&row, &other[..column])) / other[column]);
            }
            let rest = matrix[[at, at]] - dot(&row, &row);
            if rest.is_nan() || rest <= 0.0 {
                return None;
            }
            row.push(rest.sqrt());
            factor.push(row);
        }
        Some(Self(factor))
    }

    /// The solution x of A x = b for each row b of `rows`.
    pub(super) fn solve(&self, rows: &Array2<f64>) -> Array2<f64> {
        let mut solution = rows.to_owned();
        for mut unknowns in solution.rows_mut() {
            let mut x = unknowns.to_vec();
            for (at, row) in self.0.iter().enumerate() {
                x[at] = (x[at] - dot(&row[..at], &x[..at])) / row[at];
            }
            for (at, row) in self.0.iter().enumerate().rev() {
                x[at] /= row[at];
                let known = x[at];
                x.iter_mut().zip(&row[..at]).for_each(|(x, weight)| *x -= weight * known);
            }
            unknowns.assign(&ArrayView1::from(&x));
        }
        solution
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    ArrayView1::from(a).dot(&ArrayView1::from(b))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use ndarray::array;

    #[test]
    fn solutions_solve() {
        let matrix = array![[4.0, 2.0, 0.6], [2.0, 5.0, 1.0], [0.6, 1.0, 3.0]];
        let x = array![[1.0, -2.0, 0.5], [0.0, 3.0, 7.0]];
        let solved = Cholesky::of(&matrix).unwrap().solve(&x.dot(&matrix));
        assert!((solved - x).iter().all(|difference| difference.abs() < 1e-12));
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_is_refused() {
        assert!(Cholesky::of(&array![[1.0, 2.0], [2.0, 1.0]]).is_none());
        assert!(Cholesky::of(&array![[f64::NAN]]).is_none());
    }
}
