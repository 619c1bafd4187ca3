//! One-dimensional convolution as blocked im2col and matrix products, with its gradients.
//!
//! For one clip, column j of the matrix `columns` holds what output position j sees: `columns[c · kernel + k, j] =
//! x[c, j · stride + k · dilation − pad_left]`, zero outside. Then `y = weight · columns + bias`, `∂weight = ∂y ·
//! columnsᵀ`, and `∂x` gathers `weightᵀ · ∂y` back to where each column entry came from. The matrix is made for a few
//! input channels at a time, so that it stays in the cache; short clips are put side by side, so that the products
//! stay large enough to be fast.

use super::{Matrix, Real, matmul, sum};
use rayon::prelude::*;

/// Columns that one product should have at least.
const COLUMNS: usize = 192;
/// Elements of the im2col matrix at a time.
const BLOCK: usize = 1 << 16;
/// Parts of a batch, each with its own sum of weight gradients.
const PARTS: usize = 8;

/// All sizes of one convolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ConvShape {
    pub(crate) batch: usize,
    pub(crate) in_channels: usize,
    pub(crate) in_length: usize,
    pub(crate) out_channels: usize,
    pub(crate) out_length: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) pad_left: usize,
}

impl ConvShape {
    fn in_size(&self) -> usize {
        self.in_channels * self.in_length
    }

    fn out_size(&self) -> usize {
        self.out_channels * self.out_length
    }

    /// Length of a row of the weight matrix.
    fn depth(&self) -> usize {
        self.in_channels * self.kernel
    }

    /// Clips that are put side by side in one product.
    fn group(&self) -> usize {
        (COLUMNS / self.out_length).max(1)
    }

    /// Blocks of input channels: (first, count), for so many columns.
    fn channel_blocks(&self, columns: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (channels, step) = (self.in_channels, (BLOCK / (self.kernel * columns)).max(1));
        (0..channels).step_by(step).map(move |first| (first, step.min(channels - first)))
    }

    /// The output positions whose tap `k` falls into the input, and the input position of the first of them.
    fn inside(&self, k: usize) -> (std::ops::Range<usize>, usize) {
        let offset = (k * self.dilation) as isize - self.pad_left as isize;
        let stride = self.stride as isize;
        let first = if offset < 0 { (-offset + stride - 1) / stride } else { 0 };
        let end = (self.in_length as isize - offset + stride - 1).div_euclid(stride);
        let end = end.clamp(0, self.out_length as isize);
        let first = first.min(end);
        let start = (first * stride + offset).clamp(0, self.in_length as isize);
        (first as usize..end as usize, start as usize)
    }

    /// Fills `columns` [count · kernel, clips · out_length] from the channels `first..first + count` of `x`.
    fn unfold<T: Real>(&self, x: &[T], first: usize, count: usize, columns: &mut [T]) {
        let clips = x.len() / self.in_size();
        let mut rows = columns.chunks_exact_mut(clips * self.out_length);
        for channel in first..first + count {
            for k in 0..self.kernel {
                let (inside, start) = self.inside(k);
                let Some(row) = rows.next() else { return };
                for (row, x) in row.chunks_exact_mut(self.out_length).zip(x.chunks_exact(self.in_size())) {
                    let x = &x[channel * self.in_length..][..self.in_length];
                    row[..inside.start].fill(T::ZERO);
                    row[inside.end..].fill(T::ZERO);
                    let row = &mut row[inside.clone()];
                    if self.stride == 1 {
                        row.copy_from_slice(&x[start..start + row.len()]);
                    } else {
                        for (to, from) in row.iter_mut().zip(x[start..].iter().step_by(self.stride)) {
                            *to = *from;
                        }
                    }
                }
            }
        }
    }

    /// Adds `columns` back to the places in `dx` that [`Self::unfold`] took them from.
    fn fold<T: Real>(&self, columns: &[T], first: usize, count: usize, dx: &mut [T]) {
        let clips = dx.len() / self.in_size();
        let mut rows = columns.chunks_exact(clips * self.out_length);
        for channel in first..first + count {
            for k in 0..self.kernel {
                let (inside, start) = self.inside(k);
                let Some(row) = rows.next() else { return };
                for (row, dx) in row.chunks_exact(self.out_length).zip(dx.chunks_exact_mut(self.in_size())) {
                    let dx = &mut dx[channel * self.in_length..][..self.in_length];
                    let row = &row[inside.clone()];
                    if self.stride == 1 {
                        for (to, from) in dx[start..start + row.len()].iter_mut().zip(row) {
                            *to += *from;
                        }
                    } else {
                        for (to, from) in dx[start..].iter_mut().step_by(self.stride).zip(row) {
                            *to += *from;
                        }
                    }
                }
            }
        }
    }

    /// `y` [batch, out_channels, out_length] of `x` [batch, in_channels, in_length], `weight` [out_channels,
    /// in_channels, kernel] and `bias` [out_channels].
    pub(crate) fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
        let mut y = vec![T::ZERO; self.batch * self.out_size()];
        let group = self.group();
        let y_groups = y.par_chunks_mut(group * self.out_size());
        y_groups.zip(x.par_chunks(group * self.in_size())).for_each_init(Vec::new, |scratch, (y, x)| {
            let clips = x.len() / self.in_size();
            if clips == 1 {
                self.forward_group(x, weight, bias, y, scratch);
            } else {
                let mut side_by_side = vec![T::ZERO; y.len()];
                self.forward_group(x, weight, bias, &mut side_by_side, scratch);
                self.swap_clips_and_channels(&side_by_side, self.out_channels, clips, y);
            }
        });
        y
    }

    /// `y` [out_channels, clips · out_length].
    fn forward_group<T: Real>(&self, x: &[T], weight: &[T], bias: &[T], y: &mut [T], scratch: &mut Vec<T>) {
        let columns = y.len() / self.out_channels;
        for (row, bias) in y.chunks_exact_mut(columns).zip(bias) {
            row.fill(*bias);
        }
        for (first, count) in self.channel_blocks(columns) {
            let depth = count * self.kernel;
            scratch.resize(depth * columns, T::ZERO);
            self.unfold(x, first, count, scratch);
            let weight = &weight[first * self.kernel..];
            let weight = Matrix::with_row_stride(weight, self.out_channels, depth, self.depth());
            matmul(y, columns, true, weight, Matrix::new(scratch, depth, columns));
        }
    }

    /// Turns rows of `from` [outer, inner, out_length] into `to` [inner, outer, out_length].
    fn swap_clips_and_channels<T: Real>(&self, from: &[T], outer: usize, inner: usize, to: &mut [T]) {
        for (i, row) in from.chunks_exact(self.out_length).enumerate() {
            let (o, n) = (i / inner, i % inner);
            to[(n * outer + o) * self.out_length..][..self.out_length].copy_from_slice(row);
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
        let (group, depth) = (self.group(), self.depth());
        let mut dweight = vec![T::ZERO; self.out_channels * depth];
        let mut dbias = vec![T::ZERO; self.out_channels];
        let (mut columns, mut side_by_side) = (Vec::new(), Vec::new());
        for (i, (x, dy)) in
            x.chunks(group * self.in_size()).zip(dy.chunks(group * self.out_size())).enumerate()
        {
            let clips = x.len() / self.in_size();
            let n = clips * self.out_length;
            let dy = if clips == 1 {
                dy
            } else {
                side_by_side.resize(dy.len(), T::ZERO);
                self.swap_clips_and_channels(dy, clips, self.out_channels, &mut side_by_side);
                &side_by_side[..dy.len()]
            };
            for (total, row) in dbias.iter_mut().zip(dy.chunks_exact(n)) {
                *total += sum(row);
            }
            let dy = Matrix::new(dy, self.out_channels, n);
            for (first, count) in self.channel_blocks(n) {
                let block = count * self.kernel;
                columns.resize(block * n, T::ZERO);
                self.unfold(x, first, count, &mut columns);
                let seen = Matrix::new(&columns, block, n).transposed();
                matmul(&mut dweight[first * self.kernel..], depth, true, dy, seen);
                if let Some(dx) = &mut dx {
                    let dx = &mut dx[i * group * self.in_size()..][..x.len()];
                    let weight = &weight[first * self.kernel..];
                    let weight =
                        Matrix::with_row_stride(weight, self.out_channels, block, depth).transposed();
                    matmul(&mut columns, n, false, weight, dy);
                    self.fold(&columns, first, count, dx);
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
