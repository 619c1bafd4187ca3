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
    pub(crate) fn in_plane(&self) -> usize {
        self.windows[0].input * self.windows[1].input
    }

    pub(crate) fn out_plane(&self) -> usize {
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
        self.forward(x, |y, x| self.max_plane(x, y))
    }

    /// [`Self::max`] of one plane.
    #[inline(always)]
    pub(crate) fn max_plane<T: Real>(&self, x: &[T], y: &mut [T]) {
        self.for_each_tap(x, y, &mut [], |_, x, y, _| {
            for (y, x) in y.iter_mut().zip(x) {
                *y = larger(*y, x);
            }
        });
    }

    /// [`Self::max`] of one plane, with the tap that won in each window.
    #[inline(always)]
    pub(crate) fn max_plane_with_codes<T: Real>(&self, x: &[T], y: &mut [T], codes: &mut [u8]) {
        self.for_each_tap(x, y, codes, |tap, x, y, codes| {
            for ((y, code), x) in y.iter_mut().zip(codes).zip(x) {
                let wins = x > *y || is_nan(x);
                *code = if wins { tap } else { *code };
                *y = if wins { x } else { *y };
            }
        });
    }

    /// For every row of the output and every tap: `f(tap, what it sees, the elements of y, their codes)`.
    #[inline(always)]
    fn for_each_tap<T: Real>(
        &self,
        x: &[T],
        y: &mut [T],
        codes: &mut [u8],
        f: impl Fn(u8, std::iter::StepBy<std::iter::Copied<std::slice::Iter<'_, T>>>, &mut [T], &mut [u8]),
    ) {
        let [rows, columns] = &self.windows;
        let stride = columns.stride;
        y.fill(T::NEG_INFINITY);
        codes.fill(u8::MAX);
        for row in 0..rows.output {
            let y = &mut y[row * columns.output..][..columns.output];
            let codes =
                if codes.is_empty() { &mut [] } else { &mut codes[row * columns.output..][..columns.output] };
            for p in 0..rows.kernel {
                let Some(seen) = rows.seen(row, p) else { continue };
                let line = &x[seen * columns.input..][..columns.input];
                for q in 0..columns.kernel {
                    let (inside, start) = columns.inside(q);
                    let y = &mut y[inside.clone()];
                    let codes = if codes.is_empty() { &mut [] } else { &mut codes[inside] };
                    let tap = (p * columns.kernel + q) as u8;
                    // A known step lets the compiler use vector instructions.
                    match stride {
                        1 => f(tap, line[start..].iter().copied().step_by(1), y, codes),
                        2 => f(tap, line[start..].iter().copied().step_by(2), y, codes),
                        _ => f(tap, line[start..].iter().copied().step_by(stride), y, codes),
                    }
                }
            }
        }
    }

    /// Calls `f` with each code and the input position that it stands for.
    #[inline(always)]
    pub(crate) fn for_each_code(&self, codes: &mut [u8], mut f: impl FnMut(&mut u8, usize)) {
        let [rows, columns] = &self.windows;
        for (row, codes) in codes.chunks_exact_mut(columns.output).enumerate() {
            for (column, code) in codes.iter_mut().enumerate() {
                let (p, q) = (*code as usize / columns.kernel, *code as usize % columns.kernel);
                if let (Some(row), Some(column)) = (rows.seen(row, p), columns.seen(column, q)) {
                    f(code, row * columns.input + column);
                }
            }
        }
    }

    /// Adds `scale · dy` to the winners' places in `dx`; codes of no tap go nowhere.
    #[inline(always)]
    pub(crate) fn scatter<T: Real>(&self, codes: &[u8], dy: &[T], dx: &mut [T], scale: T) {
        let [rows, columns] = &self.windows;
        let width = columns.input;
        let offsets: [isize; 256] =
            std::array::from_fn(|code| ((code / columns.kernel) * width + code % columns.kernel) as isize);
        for (row, (dy, codes)) in
            dy.chunks_exact(columns.output).zip(codes.chunks_exact(columns.output)).enumerate()
        {
            let first = (row * rows.stride) as isize - rows.before as isize;
            let first = first * width as isize - columns.before as isize;
            for (column, (dy, code)) in dy.iter().zip(codes).enumerate() {
                if *code != u8::MAX {
                    let at = first + (column * columns.stride) as isize + offsets[*code as usize];
                    dx[at as usize] += *dy * scale;
                }
            }
        }
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
