//! Convolution over one or two axes as blocked im2col and matrix products, with its gradients. A sequence is an image
//! of one row.
//!
//! Column j of the matrix `columns` has the inputs of output position j: `columns[(c · kernel_h + p) · kernel_w + q, j] = x[c, row ·
//! stride_h + p · dilation_h − before_h, column · stride_w + q · dilation_w − before_w]`, zero outside. Then `y = weight · columns + bias`,
//! `∂weight = ∂y · columnsᵀ`, and `∂x` sums each element of `weightᵀ · ∂y` at the input position that it came from. The matrix is made for
//! a tile of output positions and a few input channels at a time, so that it stays in the cache. Short clips are concatenated in a tile, so
//! that the products are large enough to be fast.

use super::conv_shape::{ConvShape, PARTS, SMALL, UNITS};
use super::epilogue::split_mut;
use super::{Epilogue, ForEachItem, Matrix, Real, matmul, sum, vectorized};
use crate::memory::Buffer;
use rayon::prelude::*;
use std::ops::{Deref, Range};

/// Number of output positions that concatenated clips should have.
const POSITIONS: usize = 800;
/// Number of output positions of a tile: a multiple of the rows that `gemm` computes at once, so that none are wasted.
const TILE: usize = 384;
/// Number of elements of the im2col matrix at a time.
const BLOCK: usize = 1 << 16;

/// A convolution by im2col.
#[derive(Debug, Clone, Copy)]
pub(super) struct Im2col<'a>(pub(super) &'a ConvShape);

impl Deref for Im2col<'_> {
    type Target = ConvShape;

    fn deref(&self) -> &ConvShape {
        self.0
    }
}

/// Consecutive output positions in one row of one clip.
#[derive(Debug, Clone, Copy)]
struct Run {
    clip: usize,
    row: usize,
    /// The first column.
    column: usize,
    /// The position in the tile at which the run begins.
    at: usize,
    length: usize,
}

impl Im2col<'_> {
    /// Number of clips that are convolved together, so that products are large enough to be fast.
    fn unit(&self) -> usize {
        (POSITIONS / self.out_plane()).min(self.batch.div_ceil(UNITS)).max(1)
    }

    /// Returns ranges of `tile` positions each. The last one includes the remainder.
    fn tiles(positions: usize, tile: usize) -> impl Iterator<Item = Range<usize>> {
        let count = (positions / tile).max(1);
        (0..count).map(move |i| i * tile..if i + 1 == count { positions } else { (i + 1) * tile })
    }

    fn runs(&self, tile: Range<usize>) -> Vec<Run> {
        let [height, width] = self.windows.map(|window| window.output);
        let (mut position, mut runs) = (tile.start, Vec::new());
        while position < tile.end {
            let (line, column) = (position / width, position % width);
            let length = (width - column).min(tile.end - position);
            let at = position - tile.start;
            runs.push(Run { clip: line / height, row: line % height, column, at, length });
            position += length;
        }
        runs
    }

    /// Returns blocks of input channels for `columns` columns: (first channel, number of channels).
    fn channel_blocks(&self, columns: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (channels, step) = (self.in_channels, (BLOCK / (self.taps() * columns)).max(1));
        (0..channels).step_by(step).map(move |first| (first, step.min(channels - first)))
    }

    /// Calls `f` for every row of the im2col matrix of the channels `first..first + count` and every run. `f` gets the row, the run, the
    /// columns of the tile that read inside the input, and the index in `x` of the element that the first of them reads.
    fn for_each_line(
        &self,
        runs: &[Run],
        (first, count): (usize, usize),
        mut f: impl FnMut(usize, &Run, Range<usize>, usize),
    ) {
        let [rows, columns] = &self.windows;
        let mut line = 0;
        for channel in first..first + count {
            for p in 0..rows.kernel {
                for q in 0..columns.kernel {
                    let (inside, start) = columns.inside(q);
                    for run in runs {
                        let Some(row) = rows.seen(run.row, p) else {
                            f(line, run, run.at..run.at, 0);
                            continue;
                        };
                        let from = inside.start.clamp(run.column, run.column + run.length);
                        let to = inside.end.clamp(from, run.column + run.length);
                        let plane = run.clip * self.in_size() + channel * self.in_plane();
                        let skipped = from.saturating_sub(inside.start) * columns.stride;
                        let at = plane + row * columns.input + start + skipped;
                        f(line, run, run.at + from - run.column..run.at + to - run.column, at);
                    }
                    line += 1;
                }
            }
        }
    }

    /// Fills `columns` [count · taps, n] from `x`, which begins with clip 0 of the runs.
    fn unfold<T: Real>(&self, x: &[T], runs: &[Run], block: (usize, usize), n: usize, columns: &mut [T]) {
        let stride = self.windows[1].stride;
        self.for_each_line(runs, block, |line, run, inside, from| {
            let row = &mut columns[line * n..][..n];
            row[run.at..inside.start].fill(T::ZERO);
            row[inside.end..run.at + run.length].fill(T::ZERO);
            let row = &mut row[inside];
            if row.is_empty() {
            } else if stride == 1 {
                row.copy_from_slice(&x[from..from + row.len()]);
            } else {
                for (to, from) in row.iter_mut().zip(x[from..].iter().step_by(stride)) {
                    *to = *from;
                }
            }
        });
    }

    /// Adds `columns` to those elements of `dx` from which [`Self::unfold`] reads.
    fn fold<T: Real>(&self, columns: &[T], runs: &[Run], block: (usize, usize), n: usize, dx: &mut [T]) {
        let stride = self.windows[1].stride;
        self.for_each_line(runs, block, |line, _, inside, to| {
            let row = &columns[line * n..][..n][inside];
            if row.is_empty() {
            } else if stride == 1 {
                for (to, from) in dx[to..to + row.len()].iter_mut().zip(row) {
                    *to += *from;
                }
            } else {
                for (to, from) in dx[to..].iter_mut().step_by(stride).zip(row) {
                    *to += *from;
                }
            }
        });
    }

    /// Writes the output [batch, out_channels, …] of `x` [batch, in_channels, …], `weight` [out_channels, in_channels, …] and `bias`
    /// [out_channels] to `y`, and its argmax if `argmax` is not empty.
    pub(crate) fn forward<T: Real>(
        &self,
        [x, weight, bias]: [&[T]; 3],
        epilogue: &Epilogue,
        y: &mut [T],
        argmax: &mut [u8],
    ) {
        let plane = epilogue.output(self.out_plane());
        // Small batches are split within clips, large ones between them.
        let unit = if self.batch < SMALL { 1 } else { self.unit() };
        let size = unit * self.out_channels * plane;
        let argmax = split_mut(argmax, size, self.batch.div_ceil(unit));
        if self.batch < SMALL {
            let units = y.chunks_mut(size).zip(x.chunks(unit * self.in_size())).zip(argmax);
            for (number, ((y, x), argmax)) in units.enumerate() {
                let mut z = self.memory.buffer(self.out_size());
                self.convolve_clip(x, weight, bias, &mut z);
                let first = number * self.out_channels;
                let planes = z.par_chunks_mut(self.out_plane()).zip(y.par_chunks_mut(plane));
                let argmax = split_mut(argmax, plane, self.out_channels);
                planes.zip(argmax).enumerate().with_min_len((1 << 13) / plane + 1).for_each_item(
                    &|(channel, ((z, y), argmax))| epilogue.finish((first + channel, channel), z, y, argmax),
                );
            }
            return;
        }
        let units = y.par_chunks_mut(size).zip(x.par_chunks(unit * self.in_size())).zip(argmax);
        units.enumerate().for_each_item(&|(number, ((y, x), argmax))| {
            let clips = x.len() / self.in_size();
            let n = clips * self.out_plane();
            let in_place = clips == 1 && epilogue.pool().is_none();
            let mut scratch = self.memory.buffer(if in_place { 0 } else { self.out_channels * n });
            self.convolve(x, weight, bias, if in_place { &mut *y } else { &mut scratch });
            let argmax = split_mut(argmax, plane, clips * self.out_channels);
            for (i, (y, argmax)) in y.chunks_exact_mut(plane).zip(argmax).enumerate() {
                let (clip, channel) = (i / self.out_channels, i % self.out_channels);
                let z = match in_place {
                    true => &mut [][..],
                    false => &mut scratch[channel * n + clip * self.out_plane()..][..self.out_plane()],
                };
                epilogue.finish((number * unit * self.out_channels + i, channel), z, y, argmax);
            }
        });
    }

    /// Convolves some clips on one thread: `y` [out_channels, clips, …].
    fn convolve<T: Real>(&self, x: &[T], weight: &[T], bias: &[T], y: &mut [T]) {
        let n = y.len() / self.out_channels;
        let mut columns = self.memory.buffer(0);
        for (row, bias) in y.chunks_exact_mut(n).zip(bias) {
            row.fill(*bias);
        }
        for tile in Self::tiles(n, TILE) {
            let first = tile.start;
            self.convolve_tile(x, weight, tile, &mut y[first..], n, &mut columns);
        }
    }

    /// Convolves one clip on all threads: `y` [out_channels, …].
    fn convolve_clip<T: Real>(&self, x: &[T], weight: &[T], bias: &[T], y: &mut [T]) {
        let plane = self.out_plane();
        let tile = (plane / 64 * 32).clamp(32, TILE);
        let tiles: Vec<Range<usize>> = Self::tiles(plane, tile).collect();
        let mut rows: Vec<Vec<&mut [T]>> = tiles.iter().map(|_| Vec::new()).collect();
        for mut row in y.chunks_exact_mut(plane) {
            for (tile, rows) in tiles.iter().zip(&mut rows) {
                let (head, tail) = row.split_at_mut(tile.len());
                rows.push(head);
                row = tail;
            }
        }
        tiles.into_par_iter().zip(rows).for_each_item(&|(tile, rows)| {
            let n = tile.len();
            let (mut product, mut columns) =
                (self.memory.buffer(self.out_channels * n), self.memory.buffer(0));
            for (row, bias) in product.chunks_exact_mut(n).zip(bias) {
                row.fill(*bias);
            }
            self.convolve_tile(x, weight, tile, &mut product, n, &mut columns);
            for (row, product) in rows.into_iter().zip(product.chunks_exact(n)) {
                row.copy_from_slice(product);
            }
        });
    }

    /// Adds the products of a tile to `y`, whose rows are `stride` elements apart.
    fn convolve_tile<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        tile: Range<usize>,
        y: &mut [T],
        stride: usize,
        columns: &mut Buffer<T>,
    ) {
        let n = tile.len();
        let runs = self.runs(tile);
        for block in self.channel_blocks(n) {
            let depth = block.1 * self.taps();
            columns.resize(depth * n);
            self.unfold(x, &runs, block, n, columns);
            let weight = &weight[block.0 * self.taps()..];
            let weight = Matrix::with_row_stride(weight, self.out_channels, depth, self.depth());
            matmul(y, stride, true, weight, Matrix::new(columns, depth, n));
        }
    }

    /// Returns the gradients for `weight` and `bias` from `dy`, the gradient for `y`, and its argmax. If `dx` exists, the gradient for `x`
    /// is written to it.
    pub(crate) fn backward<T: Real>(
        &self,
        [x, weight]: [&[T]; 2],
        epilogue: &Epilogue,
        argmax: &[u8],
        dy: &[T],
        dx: Option<&mut [T]>,
    ) -> (Vec<T>, Vec<T>) {
        let part = self.batch.div_ceil(PARTS).max(self.unit());
        let sums = self.add_parts(part, epilogue, [x, dy], argmax, dx, |[x, dy], argmax, dx| {
            self.backward_part([x, weight, dy], epilogue, argmax, dx)
        });
        sums.into()
    }

    fn backward_part<T: Real>(
        &self,
        [x, weight, dy]: [&[T]; 3],
        epilogue: &Epilogue,
        argmax: &[u8],
        mut dx: Option<&mut [T]>,
    ) -> [Vec<T>; 2] {
        if let Some(dx) = &mut dx {
            dx.fill(T::ZERO);
        }
        let (depth, out_plane) = (self.depth(), self.out_plane());
        let plane = epilogue.output(out_plane);
        let unit = self.unit();
        let mut dweight = vec![T::ZERO; self.out_channels * depth];
        let mut dbias = vec![T::ZERO; self.out_channels];
        let mut columns = self.memory.buffer(0);
        for (number, x) in x.chunks(unit * self.in_size()).enumerate() {
            let clips = x.len() / self.in_size();
            let n = clips * out_plane;
            let from = number * unit * self.out_channels * plane;
            let size = clips * self.out_channels * plane;
            let (dy, argmax) =
                (&dy[from..][..size], if argmax.is_empty() { argmax } else { &argmax[from..][..size] });
            let mut dz = self.memory.buffer(self.out_channels * n);
            for (i, dy) in dy.chunks_exact(plane).enumerate() {
                let (clip, channel) = (i / self.out_channels, i % self.out_channels);
                let argmax = if argmax.is_empty() { argmax } else { &argmax[i * plane..][..plane] };
                let dz = &mut dz[channel * n + clip * out_plane..][..out_plane];
                dbias[channel] += vectorized(
                    #[inline(always)]
                    || {
                        epilogue.backward(argmax, dy, dz);
                        sum(dz)
                    },
                );
            }
            let mut dx = dx.as_mut().map(|dx| &mut dx[number * unit * self.in_size()..][..x.len()]);
            for tile in Self::tiles(n, TILE) {
                let (m, dz) = (tile.len(), &dz[tile.start..]);
                let dz = Matrix::with_row_stride(dz, self.out_channels, m, n);
                let runs = self.runs(tile);
                for block in self.channel_blocks(m) {
                    let (rows, at) = (block.1 * self.taps(), block.0 * self.taps());
                    columns.resize(rows * m);
                    self.unfold(x, &runs, block, m, &mut columns);
                    let seen = Matrix::new(&columns, rows, m).transposed();
                    matmul(&mut dweight[at..], depth, true, dz, seen);
                    if let Some(dx) = &mut dx {
                        let weight = Matrix::with_row_stride(&weight[at..], self.out_channels, rows, depth);
                        matmul(&mut columns, m, false, weight.transposed(), dz);
                        self.fold(&columns, &runs, block, m, dx);
                    }
                }
            }
        }
        [dweight, dbias]
    }
}
