//! Maximum and mean of moving windows over one or two axes. A sequence is an image of one row.

use super::window::Placed;
use super::{ForEachItem, Real};
use rayon::prelude::*;

/// The smallest number of elements that one thread processes.
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

    /// The smallest number of planes that one thread processes.
    fn planes(&self) -> usize {
        BLOCK.div_ceil(self.in_plane())
    }

    /// Calls `f` with each output position and the rows and columns of its window.
    fn for_each_window(&self, mut f: impl FnMut(usize, std::ops::Range<usize>, std::ops::Range<usize>)) {
        let [rows, columns] = &self.windows;
        for row in 0..rows.output {
            for column in 0..columns.output {
                f(row * columns.output + column, rows.range(row), columns.range(column));
            }
        }
    }

    /// Returns the output of `f(plane of the output, plane of the input)` for every plane.
    fn forward<T: Real>(&self, x: &[T], f: impl Fn(&mut [T], &[T]) + Sync) -> Vec<T> {
        let (in_plane, out_plane) = (self.in_plane(), self.out_plane());
        let mut y = vec![T::ZERO; x.len() / in_plane * out_plane];
        let planes = y.par_chunks_mut(out_plane).zip(x.par_chunks(in_plane));
        planes.with_min_len(self.planes()).for_each_item(&|(y, x)| f(y, x));
        y
    }

    /// Returns the largest value of each window. A NaN stays NaN, so that it reaches the loss.
    pub(crate) fn max<T: Real>(&self, x: &[T]) -> Vec<T> {
        self.forward(x, |y, x| self.max_plane(x, y))
    }

    /// [`Self::max`] of one plane.
    #[inline(always)]
    pub(crate) fn max_plane<T: Real>(&self, x: &[T], y: &mut [T]) {
        self.max_rows(x, self.windows[1].input, y);
    }

    /// [`Self::max`] of the first rows of a plane, which are `width` elements apart, for windows whose rows don't overlap. Overwrites `x`.
    #[inline(always)]
    pub(crate) fn max_own_rows<T: Real>(&self, x: &mut [T], width: usize, y: &mut [T]) {
        let [rows, columns] = self.windows;
        for seen in x.chunks_mut(rows.kernel * width).take(y.len() / columns.output) {
            let (first, others) = seen.split_at_mut(width.min(seen.len()));
            for other in others.chunks(width) {
                first.iter_mut().zip(other).for_each(|(y, x)| *y = larger(*y, *x));
            }
        }
        let first = Placed { kernel: 1, stride: rows.kernel, ..rows };
        Self { windows: [first, columns] }.max_rows(x, width, y);
    }

    /// [`Self::max`] of the first rows of a plane, which are `width` elements apart.
    #[inline(always)]
    fn max_rows<T: Real>(&self, x: &[T], width: usize, y: &mut [T]) {
        let [rows, columns] = &self.windows;
        for (row, y) in y.chunks_exact_mut(columns.output).enumerate() {
            y.fill(T::NEG_INFINITY);
            for p in 0..rows.kernel {
                let Some(seen) = rows.seen(row, p) else { continue };
                let line = &x[seen * width..][..columns.input];
                if self.has_pairs() {
                    for (y, [a, b]) in y.iter_mut().zip(line.as_chunks().0) {
                        *y = larger(*y, larger(*a, *b));
                    }
                    continue;
                }
                for q in 0..columns.kernel {
                    let (inside, start) = columns.inside(q);
                    let (outputs, line) = (y[inside].iter_mut(), &line[start..]);
                    match columns.stride {
                        1 => outputs.zip(line).for_each(|(y, x)| *y = larger(*y, *x)),
                        stride => {
                            outputs.zip(line.iter().step_by(stride)).for_each(|(y, x)| *y = larger(*y, *x));
                        }
                    }
                }
            }
        }
    }

    /// [`Self::max`] of one plane, with the tap of the largest value in each window.
    #[inline(always)]
    pub(crate) fn max_plane_with_argmax<T: Real>(&self, x: &[T], y: &mut [T], argmax: &mut [u8]) {
        let [rows, columns] = &self.windows;
        // The compiler uses vector instructions if argmax are as wide as values, strides are constants and there are no branches.
        let mut wide = vec![0u32; columns.output];
        for row in 0..rows.output {
            let y = &mut y[row * columns.output..][..columns.output];
            y.fill(T::NEG_INFINITY);
            wide.fill(u8::MAX.into());
            for p in 0..rows.kernel {
                let Some(seen) = rows.seen(row, p) else { continue };
                let line = &x[seen * columns.input..][..columns.input];
                let tap = (p * columns.kernel) as u32;
                if self.has_pairs() {
                    for ((y, winner), [a, b]) in y.iter_mut().zip(&mut wide).zip(line.as_chunks().0) {
                        take(y, winner, *a, tap);
                        take(y, winner, *b, tap + 1);
                    }
                    continue;
                }
                for (q, tap) in (0..columns.kernel).zip(tap..) {
                    let (inside, start) = columns.inside(q);
                    let line = &line[start..];
                    let outputs = y[inside.clone()].iter_mut().zip(&mut wide[inside]);
                    match columns.stride {
                        1 => outputs.zip(line).for_each(|((y, winner), x)| take(y, winner, *x, tap)),
                        stride => {
                            let line = line.iter().step_by(stride);
                            outputs.zip(line).for_each(|((y, winner), x)| take(y, winner, *x, tap));
                        }
                    }
                }
            }
            if let Some(argmax) = argmax.get_mut(row * columns.output..) {
                argmax.iter_mut().zip(&wide).for_each(|(winner, wide)| *winner = *wide as u8);
            }
        }
    }

    /// Returns the number of rows and columns of each window if windows are adjacent and don't overlap, else `None`.
    pub(crate) fn own(&self) -> Option<[usize; 2]> {
        let is_own = |window: &Placed| {
            let Placed { kernel, stride, dilation, before, input, output } = *window;
            stride == kernel && [dilation, before] == [1, 0] && kernel * output <= input
        };
        self.windows.iter().all(is_own).then(|| self.windows.map(|window| window.kernel))
    }

    /// Whether windows are two columns wide, are adjacent and don't overlap.
    fn has_pairs(&self) -> bool {
        let columns = &self.windows[1];
        let Placed { kernel, stride, dilation, before, input, output } = *columns;
        [kernel, stride, dilation, before] == [2, 2, 1, 0] && 2 * output <= input
    }

    /// Calls `f` with each argmax and the input position that it refers to.
    #[inline(always)]
    pub(crate) fn for_each_argmax(&self, argmax: &mut [u8], mut f: impl FnMut(&mut u8, usize)) {
        let [rows, columns] = &self.windows;
        for (row, argmax) in argmax.chunks_exact_mut(columns.output).enumerate() {
            for (column, winner) in argmax.iter_mut().enumerate() {
                let (p, q) = (*winner as usize / columns.kernel, *winner as usize % columns.kernel);
                if let (Some(row), Some(column)) = (rows.seen(row, p), columns.seen(column, q)) {
                    f(winner, row * columns.input + column);
                }
            }
        }
    }

    /// Adds `scale · dy` to `dx` at the position of each window's largest value. An argmax that is no tap is skipped.
    #[inline(always)]
    pub(crate) fn scatter<T: Real>(&self, argmax: &[u8], dy: &[T], dx: &mut [T], scale: T) {
        let [rows, columns] = &self.windows;
        let width = columns.input;
        // Each position belongs to at most one window, so no positions are looked up.
        let alone = self.has_pairs() || [columns.kernel, columns.stride, columns.before] == [1, 1, 0];
        if alone && rows.stride >= rows.kernel && rows.before == 0 && rows.dilation == 1 {
            for (row, (dy, argmax)) in
                dy.chunks_exact(columns.output).zip(argmax.chunks_exact(columns.output)).enumerate()
            {
                for p in 0..rows.kernel {
                    let Some(seen) = rows.seen(row, p) else { continue };
                    let dx = &mut dx[seen * width..][..width];
                    let tap = (p * columns.kernel) as u8;
                    let part = |winner: u8, tap: u8, dy: T| if winner == tap { dy * scale } else { T::ZERO };
                    if columns.kernel == 1 {
                        for ((dx, dy), winner) in dx.iter_mut().zip(dy).zip(argmax) {
                            *dx += part(*winner, tap, *dy);
                        }
                    } else {
                        for (([a, b], dy), winner) in dx.as_chunks_mut().0.iter_mut().zip(dy).zip(argmax) {
                            *a += part(*winner, tap, *dy);
                            *b += part(*winner, tap + 1, *dy);
                        }
                    }
                }
            }
            return;
        }
        let offsets: [isize; 256] =
            std::array::from_fn(|tap| ((tap / columns.kernel) * width + tap % columns.kernel) as isize);
        for (row, (dy, argmax)) in
            dy.chunks_exact(columns.output).zip(argmax.chunks_exact(columns.output)).enumerate()
        {
            let first = (row * rows.stride) as isize - rows.before as isize;
            let first = first * width as isize - columns.before as isize;
            for (column, (dy, winner)) in dy.iter().zip(argmax).enumerate() {
                if *winner != u8::MAX {
                    let at = first + (column * columns.stride) as isize + offsets[*winner as usize];
                    dx[at as usize] += *dy * scale;
                }
            }
        }
    }

    /// Returns the gradient of [`Self::max`]. The first of equal values gets all of it.
    pub(crate) fn max_gradient<T: Real>(&self, x: &[T], y: &[T], dy: &[T]) -> Vec<T> {
        let (in_plane, out_plane, width) = (self.in_plane(), self.out_plane(), self.windows[1].input);
        let mut dx = vec![T::ZERO; x.len()];
        let outputs = y.par_chunks(out_plane).zip(dy.par_chunks(out_plane));
        let planes = dx.par_chunks_mut(in_plane).zip(x.par_chunks(in_plane)).zip(outputs);
        planes.with_min_len(self.planes()).for_each_item(&|((dx, x), (y, dy))| {
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

    /// Returns the mean of each window, without positions beyond the ends.
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

    /// Returns the gradient of [`Self::mean`].
    pub(crate) fn mean_gradient<T: Real>(&self, dy: &[T]) -> Vec<T> {
        let (in_plane, out_plane, width) = (self.in_plane(), self.out_plane(), self.windows[1].input);
        let mut dx = vec![T::ZERO; dy.len() / out_plane * in_plane];
        let planes = dx.par_chunks_mut(in_plane).zip(dy.par_chunks(out_plane));
        planes.with_min_len(self.planes()).for_each_item(&|(dx, dy)| {
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

/// Returns the larger number, or `x` if it is a NaN.
#[inline(always)]
fn larger<T: Real>(y: T, x: T) -> T {
    if (x > y) | is_nan(x) { x } else { y }
}

/// Replaces `y` by `x` and its argmax by `tap` if `x` is larger or a NaN.
#[inline(always)]
fn take<T: Real>(y: &mut T, winner: &mut u32, x: T, tap: u32) {
    let wins = (x > *y) | is_nan(x);
    *winner = if wins { tap } else { *winner };
    *y = if wins { x } else { *y };
}
