//! Convolution over one or two axes as blocked im2col and matrix products, with its gradients. A sequence is an image
//! of one row.
//!
//! Column j of the matrix `columns` holds what output position j sees: `columns[(c · kernel_h + p) · kernel_w + q, j] =
//! x[c, row · stride_h + p · dilation_h − before_h, column · stride_w + q · dilation_w − before_w]`, zero outside. Then `y
//! = weight · columns + bias`, `∂weight = ∂y · columnsᵀ`, and `∂x` gathers `weightᵀ · ∂y` back to where each column entry
//! came from. The matrix is made for a tile of output positions and a few input channels at a time, so that it stays in
//! the cache; short clips are put side by side in a tile, so that the products stay large enough to be fast.

use super::super::padding::Placed;
use super::{Matrix, Real, matmul, sum};
use rayon::prelude::*;
use std::ops::Range;

/// Output positions that a tile should have at least.
const POSITIONS: usize = 192;
/// Elements of the im2col matrix at a time.
const BLOCK: usize = 1 << 16;
/// Parts of a batch, each with its own sum of weight gradients.
const PARTS: usize = 8;

/// All sizes of one convolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ConvShape {
    pub(crate) batch: usize,
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    /// The windows over the rows and the columns of an image.
    pub(crate) windows: [Placed; 2],
}

/// Neighbouring output positions of one row of one clip.
#[derive(Debug, Clone, Copy)]
struct Run {
    clip: usize,
    row: usize,
    /// The first column.
    column: usize,
    /// Where it begins in its tile.
    at: usize,
    length: usize,
}

impl ConvShape {
    fn in_plane(&self) -> usize {
        self.windows[0].input * self.windows[1].input
    }

    fn out_plane(&self) -> usize {
        self.windows[0].output * self.windows[1].output
    }

    fn in_size(&self) -> usize {
        self.in_channels * self.in_plane()
    }

    fn out_size(&self) -> usize {
        self.out_channels * self.out_plane()
    }

    /// Taps of the window.
    fn taps(&self) -> usize {
        self.windows[0].kernel * self.windows[1].kernel
    }

    /// Length of a row of the weight matrix.
    fn depth(&self) -> usize {
        self.in_channels * self.taps()
    }

    /// The tiles of so many clips, as ranges of the output positions of all of them: either some positions of one clip,
    /// or some whole clips.
    fn tiles(&self, clips: usize) -> Vec<Range<usize>> {
        let (plane, total) = (self.out_plane(), clips * self.out_plane());
        let step = if plane >= 2 * POSITIONS {
            plane.div_ceil(plane / POSITIONS)
        } else {
            plane * (POSITIONS / plane).max(1)
        };
        let span = if plane >= 2 * POSITIONS { plane } else { total };
        let tiles_of = |start: usize| {
            (start..start + span).step_by(step).map(move |from| from..(from + step).min(start + span))
        };
        (0..total).step_by(span).flat_map(tiles_of).collect()
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

    /// Blocks of input channels: (first, count), for so many columns.
    fn channel_blocks(&self, columns: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (channels, step) = (self.in_channels, (BLOCK / (self.taps() * columns)).max(1));
        (0..channels).step_by(step).map(move |first| (first, step.min(channels - first)))
    }

    /// For every row of the im2col matrix of the channels `first..first + count`, and every run: the run, the columns
    /// of the tile that see something, and the place in `x` of what the first of them sees.
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

    /// Fills `columns` [count · taps, n] from `x`, all clips that the runs count from.
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

    /// Adds `columns` back to the places in `dx` that [`Self::unfold`] took them from.
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

    /// `y` [batch, out_channels, …] of `x` [batch, in_channels, …], `weight` [out_channels, in_channels, …] and `bias`
    /// [out_channels].
    pub(crate) fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
        let plane = self.out_plane();
        let mut y = vec![T::ZERO; self.batch * self.out_size()];
        let tiles = self.tiles(self.batch);
        // Each tile's own rows of `y`: one for each clip and output channel.
        let mut rows: Vec<Vec<&mut [T]>> = tiles.iter().map(|_| Vec::new()).collect();
        let mut first = 0;
        for (clip, y) in y.chunks_exact_mut(self.out_size()).enumerate() {
            while tiles[first].end <= clip * plane {
                first += 1;
            }
            for mut row in y.chunks_exact_mut(plane) {
                let mut tile = first;
                while !row.is_empty() {
                    let from = tiles[tile].start.max(clip * plane);
                    let (head, tail) = row.split_at_mut(tiles[tile].end.min((clip + 1) * plane) - from);
                    rows[tile].push(head);
                    (row, tile) = (tail, tile + 1);
                }
            }
        }
        tiles.into_par_iter().zip(rows).for_each_init(
            || (Vec::new(), Vec::new()),
            |(columns, product), (tile, rows)| {
                let n = tile.len();
                product.resize(self.out_channels * n, T::ZERO);
                for (row, bias) in product.chunks_exact_mut(n).zip(bias) {
                    row.fill(*bias);
                }
                self.forward_tile(x, weight, tile, product, columns);
                for (i, row) in rows.into_iter().enumerate() {
                    let (clip, channel) = (i / self.out_channels, i % self.out_channels);
                    let at = channel * n + clip * row.len();
                    row.copy_from_slice(&product[at..at + row.len()]);
                }
            },
        );
        y
    }

    /// Adds the products of a tile to `y` [out_channels, n].
    fn forward_tile<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        tile: Range<usize>,
        y: &mut [T],
        columns: &mut Vec<T>,
    ) {
        let n = tile.len();
        let runs = self.runs(tile);
        for block in self.channel_blocks(n) {
            let depth = block.1 * self.taps();
            columns.resize(depth * n, T::ZERO);
            self.unfold(x, &runs, block, n, columns);
            let weight = &weight[block.0 * self.taps()..];
            let weight = Matrix::with_row_stride(weight, self.out_channels, depth, self.depth());
            matmul(y, n, true, weight, Matrix::new(columns, depth, n));
        }
    }

    /// Gradients for `x` (if asked for), `weight` and `bias` from `dy`, the gradient for `y`.
    pub(crate) fn backward<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        dy: &[T],
        input_wanted: bool,
    ) -> (Option<Vec<T>>, Vec<T>, Vec<T>) {
        let part = self.batch.div_ceil(PARTS);
        let mut dx = vec![T::ZERO; if input_wanted { x.len() } else { 0 }];
        let dx_parts: Vec<Option<&mut [T]>> = if input_wanted {
            dx.chunks_mut(part * self.in_size()).map(Some).collect()
        } else {
            (0..self.batch.div_ceil(part)).map(|_| None).collect()
        };
        let sums: Vec<(Vec<T>, Vec<T>)> = x
            .par_chunks(part * self.in_size())
            .zip(dy.par_chunks(part * self.out_size()))
            .zip(dx_parts)
            .map(|((x, dy), dx)| self.backward_part(x, weight, dy, dx))
            .collect();
        let mut sums = sums.into_iter();
        let (mut dweight, mut dbias) = sums.next().unwrap_or_default();
        for (weight_part, bias_part) in sums {
            add_to(&mut dweight, &weight_part);
            add_to(&mut dbias, &bias_part);
        }
        (input_wanted.then_some(dx), dweight, dbias)
    }

    fn backward_part<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        dy: &[T],
        mut dx: Option<&mut [T]>,
    ) -> (Vec<T>, Vec<T>) {
        let (plane, depth) = (self.out_plane(), self.depth());
        let mut dweight = vec![T::ZERO; self.out_channels * depth];
        let mut dbias = vec![T::ZERO; self.out_channels];
        for (i, row) in dy.chunks_exact(plane).enumerate() {
            dbias[i % self.out_channels] += sum(row);
        }
        let (mut columns, mut side_by_side) = (Vec::new(), Vec::new());
        for tile in self.tiles(x.len() / self.in_size()) {
            let (n, first) = (tile.len(), tile.start / plane);
            let dy = if n <= plane {
                let at = tile.start % plane;
                let dy = &dy[first * self.out_size() + at..];
                Matrix::with_row_stride(dy, self.out_channels, n, plane)
            } else {
                side_by_side.resize(self.out_channels * n, T::ZERO);
                for (i, row) in dy[first * self.out_size()..].chunks_exact(plane).enumerate() {
                    let (clip, channel) = (i / self.out_channels, i % self.out_channels);
                    if clip * plane == n {
                        break;
                    }
                    side_by_side[channel * n + clip * plane..][..plane].copy_from_slice(row);
                }
                Matrix::new(&side_by_side[..self.out_channels * n], self.out_channels, n)
            };
            let runs = self.runs(tile);
            for block in self.channel_blocks(n) {
                let (rows, at) = (block.1 * self.taps(), block.0 * self.taps());
                columns.resize(rows * n, T::ZERO);
                self.unfold(x, &runs, block, n, &mut columns);
                let seen = Matrix::new(&columns, rows, n).transposed();
                matmul(&mut dweight[at..], depth, true, dy, seen);
                if let Some(dx) = &mut dx {
                    let weight = Matrix::with_row_stride(&weight[at..], self.out_channels, rows, depth);
                    matmul(&mut columns, n, false, weight.transposed(), dy);
                    self.fold(&columns, &runs, block, n, dx);
                }
            }
        }
        (dweight, dbias)
    }
}

fn add_to<T: Real>(total: &mut [T], part: &[T]) {
    for (total, part) in total.iter_mut().zip(part) {
        *total += *part;
    }
}
