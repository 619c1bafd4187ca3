//! Batch normalisation of planes (a channel of an example), with its gradients.

use super::epilogue::{split, split_mut};
use super::{Epilogue, ForEachItem, Real, sum, sum_pairs, vectorized};
use crate::memory::Memory;
use rayon::prelude::*;

/// A batch's mean and biased variance for each channel.
#[derive(Debug)]
pub(crate) struct Statistics {
    pub(crate) mean: Vec<f64>,
    pub(crate) variance: Vec<f64>,
    /// Number of values in each channel.
    pub(crate) n: f64,
}

impl Statistics {
    /// Computes statistics of a batch. Mean and squared deviations are computed for each plane first and then combined, which loses no
    /// digits to a large mean.
    pub(crate) fn of<T: Real>(x: &[T], batch: usize, channels: usize, valid: Option<Valid<'_>>) -> Self {
        let plane = x.len() / (batch * channels);
        let planes: Vec<(f64, f64)> = x
            .par_chunks(plane)
            .with_min_len((1 << 14) / plane + 1)
            .enumerate()
            .map(|(number, x)| {
                vectorized(
                    #[inline(always)]
                    || {
                        let (width, length) = row(valid, number / channels, plane);
                        let n = (plane / width * length) as f64;
                        let rows = || x.chunks_exact(width).map(|row| &row[..length]);
                        let mean =
                            T::from_f64(rows().fold(T::ZERO, |total, row| total + sum(row)).to_f64() / n);
                        let squares = |row: &[T]| sum_pairs(row, row, |x, _| (x - mean) * (x - mean));
                        let squares = rows().fold(T::ZERO, |total, row| total + squares(row));
                        (mean.to_f64(), squares.to_f64())
                    },
                )
            })
            .collect();
        let weight = |example: usize| {
            let (width, length) = row(valid, example, plane);
            (plane / width * length) as f64
        };
        let n: f64 = (0..batch).map(weight).sum();
        let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
        for (example, clip) in planes.chunks_exact(channels).enumerate() {
            let share = weight(example) / n;
            mean.iter_mut().zip(clip).for_each(|(mean, plane)| *mean += plane.0 * share);
        }
        for (example, clip) in planes.chunks_exact(channels).enumerate() {
            let share = weight(example) / n;
            for ((variance, mean), of_plane) in variance.iter_mut().zip(&mean).zip(clip) {
                *variance += of_plane.1 / n + (of_plane.0 - mean).powi(2) * share;
            }
        }
        Self { mean, variance, n }
    }
}

/// The valid columns of each example, and the number of columns in a row of a plane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Valid<'a> {
    pub(crate) lengths: &'a [usize],
    pub(crate) width: usize,
}

/// Returns the layout of an example's planes: columns in a row, and valid columns.
fn row(valid: Option<Valid<'_>>, example: usize, plane: usize) -> (usize, usize) {
    valid.map_or((plane, plane), |valid| (valid.width, valid.lengths[example]))
}

/// Normalisation by a batch's statistics, and the epilogue: `epilogue((x − mean) / √(variance + eps) · weight + bias)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norm<'a> {
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) eps: f64,
    pub(crate) statistics: &'a Statistics,
    pub(crate) epilogue: &'a Epilogue,
    /// Padding is ignored, and its output is zero.
    pub(crate) valid: Option<Valid<'a>>,
    pub(crate) memory: &'a Memory,
}

impl Norm<'_> {
    fn inverse(&self, channel: usize) -> f64 {
        1.0 / (self.statistics.variance[channel] + self.eps).sqrt()
    }

    fn planes(&self) -> usize {
        self.batch * self.channels
    }

    /// Writes the output of `x` [batch, channels, …] to `y`, and its argmax if `argmax` is not empty.
    pub(crate) fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: &[T], y: &mut [T], argmax: &mut [u8]) {
        let in_plane = x.len() / self.planes();
        let out_plane = self.epilogue.output(in_plane);
        // Consecutive planes share one buffer. One buffer for each plane would access the threads' common memory too often.
        let group = (1 << 14) / in_plane + 1;
        let argmax = split_mut(argmax, group * out_plane, self.planes().div_ceil(group));
        let groups = x.par_chunks(group * in_plane).zip(y.par_chunks_mut(group * out_plane)).zip(argmax);
        let pools = self.epilogue.pool().is_some();
        groups.enumerate().for_each_item(&|(number, ((x, y), argmax))| {
            let mut normalized = self.memory.buffer(if pools { in_plane } else { 0 });
            let argmax = split_mut(argmax, out_plane, x.len() / in_plane);
            let planes = x.chunks_exact(in_plane).zip(y.chunks_exact_mut(out_plane)).zip(argmax);
            for (plane, ((x, y), argmax)) in planes.enumerate() {
                let plane = number * group + plane;
                let channel = plane % self.channels;
                let mean = T::from_f64(self.statistics.mean[channel]);
                let scale = T::from_f64(self.inverse(channel)) * weight[channel];
                let bias = bias[channel];
                let row = row(self.valid, plane / self.channels, in_plane);
                vectorized(
                    #[inline(always)]
                    || {
                        let to = if pools { &mut normalized[..] } else { &mut *y };
                        normalize(x, (mean, scale, bias), row, to);
                        self.epilogue.forward((plane, channel), &mut normalized, y, argmax);
                    },
                );
            }
        });
    }

    /// Writes the gradient for `x` to `dx`, and returns those for weight and bias.
    ///
    /// With x̂ the normalised input and ∂y the gradient for the normalisation's output: ∂bias = Σ ∂y, ∂weight = Σ ∂y · x̂, and ∂x = weight
    /// / deviation · (∂y − (∂bias + x̂ · ∂weight) / n), with sums and n over all axes except the channels'.
    pub(crate) fn backward<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        argmax: &[u8],
        dy: &[T],
        dx: &mut [T],
    ) -> (Vec<T>, Vec<T>) {
        let in_plane = x.len() / self.planes();
        let out_plane = self.epilogue.output(in_plane);
        let n = T::from_f64(self.statistics.n);
        let outputs = dy.par_chunks(out_plane).zip(split(argmax, out_plane, self.planes()));
        let planes = x.par_chunks(in_plane).zip(dx.par_chunks_mut(in_plane)).zip(outputs).enumerate();
        // The gradient for the normalisation's output comes first, and stays in `dx`.
        let rows: Vec<(T, T)> = planes
            .with_min_len((1 << 14) / in_plane + 1)
            .map(|(plane, ((x, dx), (dy, argmax)))| {
                let mean = T::from_f64(self.statistics.mean[plane % self.channels]);
                let (width, length) = row(self.valid, plane / self.channels, in_plane);
                vectorized(
                    #[inline(always)]
                    || {
                        self.epilogue.backward(argmax, dy, dx);
                        if length < width {
                            dx.chunks_exact_mut(width).for_each(|row| row[length..].fill(T::ZERO));
                        }
                        (sum_pairs(x, dx, |x, dx| (x - mean) * dx), sum(dx))
                    },
                )
            })
            .collect();
        let (mut dweight, mut dbias) = (vec![T::ZERO; self.channels], vec![T::ZERO; self.channels]);
        for clip in rows.chunks_exact(self.channels) {
            for (channel, row) in clip.iter().enumerate() {
                dweight[channel] += row.0 * T::from_f64(self.inverse(channel));
                dbias[channel] += row.1;
            }
        }
        let planes = dx.par_chunks_mut(in_plane).zip(x.par_chunks(in_plane)).enumerate();
        planes.with_min_len((1 << 14) / in_plane + 1).for_each_item(&|(plane, (dx, x))| {
            let channel = plane % self.channels;
            let mean = T::from_f64(self.statistics.mean[channel]);
            let inverse = T::from_f64(self.inverse(channel));
            let (scale, slope) = (weight[channel] * inverse, inverse * dweight[channel] / n);
            let offset = dbias[channel] / n;
            let (width, length) = row(self.valid, plane / self.channels, in_plane);
            vectorized(
                #[inline(always)]
                || {
                    for (dx, x) in dx.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                        for (dx, x) in dx[..length].iter_mut().zip(x) {
                            *dx = scale * (*dx - offset - (*x - mean) * slope);
                        }
                    }
                },
            );
        });
        (dweight, dbias)
    }
}

#[inline(always)]
fn normalize<T: Real>(x: &[T], (mean, scale, bias): (T, T, T), (width, length): (usize, usize), y: &mut [T]) {
    for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
        let (valid, padding) = y.split_at_mut(length);
        for (y, x) in valid.iter_mut().zip(x) {
            *y = (*x - mean) * scale + bias;
        }
        padding.fill(T::ZERO);
    }
}
