//! The largest value and the mean of moving windows over one or two axes. A sequence is an image of one row.

use super::super::padding::Placed;
use super::Real;
use rayon::prelude::*;

/// Elements that one thread takes at least.
const BLOCK: usize = 1 << 14;

/// The windows over the rows and the columns of each plane (a channel of an example).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PoolShape {
    pub(crate) windows: [Placed; 2],
}

impl PoolShape {
    fn in_plane(&self) -> usize {
        self.windows[0].input * self.windows[1].input
    }

    fn out_plane(&self) -> usize {
        self.windows[0].output * self.windows[1].output
    }

    /// Planes that one thread takes at least.
    fn planes(&self) -> usize {
        BLOCK.div_ceil(self.in_plane())
    }

    /// Calls `f` with each output position and the rows and columns that it sees.
    fn for_each_window(&self, mut f: impl FnMut(usize, std::ops::Range<usize>, std::ops::Range<usize>)) {
        let [rows, columns] = &self.windows;
        for row in 0..rows.output {
            for column in 0..columns.output {
                f(row * columns.output + column, rows.range(row), columns.range(column));
            }
        }
    }

    /// `f(plane of the output, plane of the input)`, for every plane.
    fn forward<T: Real>(&self, x: &[T], f: impl Fn(&mut [T], &[T]) + Sync) -> Vec<T> {
        let (in_plane, out_plane) = (self.in_plane(), self.out_plane());
        let mut y = vec![T::ZERO; x.len() / in_plane * out_plane];
        let planes = y.par_chunks_mut(out_plane).zip(x.par_chunks(in_plane));
        planes.with_min_len(self.planes()).for_each(|(y, x)| f(y, x));
        y
    }

    /// The largest value of each window. A NaN is handed on, so that the loss shows it.
    pub(crate) fn max<T: Real>(&self, x: &[T]) -> Vec<T> {
        let [rows, columns] = &self.windows;
        self.forward(x, |y, x| {
            // First over the rows that a window sees, then over its columns.
            let mut line = vec![T::ZERO; columns.input];
            for (row, y) in y.chunks_exact_mut(columns.output).enumerate() {
                line.fill(T::NEG_INFINITY);
                for x in rows.range(row).map(|row| &x[row * columns.input..][..columns.input]) {
                    for (largest, x) in line.iter_mut().zip(x) {
                        *largest = larger(*largest, *x);
                    }
                }
                for (column, y) in y.iter_mut().enumerate() {
                    *y = line[columns.range(column)].iter().copied().fold(T::NEG_INFINITY, larger);
                }
            }
        })
    }

    /// The gradient of [`Self::max`]: the first of equal values gets all of it.
    pub(crate) fn max_gradient<T: Real>(&self, x: &[T], y: &[T], dy: &[T]) -> Vec<T> {
        let (in_plane, out_plane, width) = (self.in_plane(), self.out_plane(), self.windows[1].input);
        let mut dx = vec![T::ZERO; x.len()];
        let outputs = y.par_chunks(out_plane).zip(dy.par_chunks(out_plane));
        let planes = dx.par_chunks_mut(in_plane).zip(x.par_chunks(in_plane)).zip(outputs);
        planes.with_min_len(self.planes()).for_each(|((dx, x), (y, dy))| {
            self.for_each_window(|at, rows, columns| {
                for row in rows {
                    let line = &x[row * width..][columns.clone()];
                    if let Some(column) = line.iter().position(|x| *x == y[at] || is_nan(*x)) {
                        dx[row * width + columns.start + column] += dy[at];
                        return;
                    }
                }
            });
        });
        dx
    }

    /// The mean of each window; what lies beyond the ends does not count.
    pub(crate) fn mean<T: Real>(&self, x: &[T]) -> Vec<T> {
        let width = self.windows[1].input;
        self.forward(x, |y, x| {
            self.for_each_window(|at, rows, columns| {
                let share = share(rows.len() * columns.len());
                let sum =
                    rows.flat_map(|row| &x[row * width..][columns.clone()]).fold(T::ZERO, |sum, x| sum + *x);
                y[at] = sum * share;
            });
        })
    }

    /// The gradient of [`Self::mean`].
    pub(crate) fn mean_gradient<T: Real>(&self, dy: &[T]) -> Vec<T> {
        let (in_plane, out_plane, width) = (self.in_plane(), self.out_plane(), self.windows[1].input);
        let mut dx = vec![T::ZERO; dy.len() / out_plane * in_plane];
        let planes = dx.par_chunks_mut(in_plane).zip(dy.par_chunks(out_plane));
        planes.with_min_len(self.planes()).for_each(|(dx, dy)| {
            self.for_each_window(|at, rows, columns| {
                let share = dy[at] * share(rows.len() * columns.len());
                for row in rows {
                    dx[row * width..][columns.clone()].iter_mut().for_each(|dx| *dx += share);
                }
            });
        });
        dx
    }
}

fn share<T: Real>(count: usize) -> T {
    T::from_f64(1.0 / count as f64)
}

fn is_nan<T: Real>(x: T) -> bool {
    x.partial_cmp(&x).is_none()
}

/// The larger of two, or the NaN among them.
fn larger<T: Real>(a: T, b: T) -> T {
    if b > a || is_nan(b) { b } else { a }
}
