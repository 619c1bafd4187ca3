//! Batch normalisation of planes (a channel of an example), with its gradients.

use super::{Buffer, Chain, Real, sum, sum_pairs, vectorized};
use rayon::prelude::*;

/// A batch's mean and biased variance for each channel.
#[derive(Debug)]
pub(crate) struct Statistics {
    pub(crate) mean: Vec<f64>,
    pub(crate) variance: Vec<f64>,
}

impl Statistics {
    /// Each plane's mean and squared deviations first, then these put together over the batch, which loses no digits to
    /// a large mean.
    pub(crate) fn of<T: Real>(x: &[T], batch: usize, channels: usize) -> Self {
        let plane = x.len() / (batch * channels);
        let planes: Vec<(f64, f64)> = x
            .par_chunks(plane)
            .with_min_len((1 << 14) / plane + 1)
            .map(|x| {
                vectorized(
                    #[inline(always)]
                    || {
                        let mean = T::from_f64(sum(x).to_f64() / plane as f64);
                        let squares = sum_pairs(x, x, |x, _| (x - mean) * (x - mean));
                        (mean.to_f64(), squares.to_f64())
                    },
                )
            })
            .collect();
        let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
        for clip in planes.chunks_exact(channels) {
            mean.iter_mut().zip(clip).for_each(|(mean, plane)| *mean += plane.0 / batch as f64);
        }
        for clip in planes.chunks_exact(channels) {
            for ((variance, mean), of_plane) in variance.iter_mut().zip(&mean).zip(clip) {
                *variance += (of_plane.1 / plane as f64 + (of_plane.0 - mean).powi(2)) / batch as f64;
            }
        }
        Self { mean, variance }
    }
}

/// Normalisation by a batch's statistics and what follows it: `chain((x − mean) / √(variance + eps) · weight + bias)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norm<'a> {
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) eps: f64,
    pub(crate) statistics: &'a Statistics,
    pub(crate) chain: &'a Chain,
}

impl Norm<'_> {
    fn inverse(&self, channel: usize) -> f64 {
        1.0 / (self.statistics.variance[channel] + self.eps).sqrt()
    }

    fn planes(&self) -> usize {
        self.batch * self.channels
    }

    /// `y` and its codes, if these are wanted, of `x` [batch, channels, …].
    pub(crate) fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: &[T], y: &mut [T], codes: &mut [u8]) {
        let in_plane = x.len() / self.planes();
        let out_plane = self.chain.output(in_plane);
        let codes: Vec<&mut [u8]> = if codes.is_empty() {
            (0..self.planes()).map(|_| &mut [][..]).collect()
        } else {
            codes.chunks_exact_mut(out_plane).collect()
        };
        let planes = x.par_chunks(in_plane).zip(y.par_chunks_mut(out_plane)).zip(codes).enumerate();
        planes.with_min_len((1 << 14) / in_plane + 1).for_each(|(plane, ((x, y), codes))| {
            let channel = plane % self.channels;
            let mean = T::from_f64(self.statistics.mean[channel]);
            let scale = T::from_f64(self.inverse(channel)) * weight[channel];
            let bias = bias[channel];
            if self.chain.pool().is_some() {
                let mut normalized = Buffer::new(in_plane);
                vectorized(
                    #[inline(always)]
                    || {
                        normalize(x, mean, scale, bias, &mut normalized);
                        self.chain.forward((plane, channel), &mut normalized, y, codes);
                    },
                );
            } else {
                vectorized(
                    #[inline(always)]
                    || {
                        normalize(x, mean, scale, bias, y);
                        self.chain.forward((plane, channel), &mut [], y, codes);
                    },
                );
            }
        });
    }

    /// Writes the gradient for `x` to `dx`; gives those for weight and bias.
    ///
    /// With x̂ the normalised input and ∂y the gradient for what is normalised: ∂bias = Σ ∂y, ∂weight = Σ ∂y · x̂, and ∂x =
    /// weight / deviation · (∂y − (∂bias + x̂ · ∂weight) / n), sums and n over all axes but the channels'.
    pub(crate) fn backward<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        codes: &[u8],
        dy: &[T],
        dx: &mut [T],
    ) -> (Vec<T>, Vec<T>) {
        let in_plane = x.len() / self.planes();
        let out_plane = self.chain.output(in_plane);
        let n = T::from_f64((self.batch * in_plane) as f64);
        let codes: Vec<&[u8]> = if codes.is_empty() {
            (0..self.planes()).map(|_| &[][..]).collect()
        } else {
            codes.chunks_exact(out_plane).collect()
        };
        let outputs = dy.par_chunks(out_plane).zip(codes);
        let planes = x.par_chunks(in_plane).zip(dx.par_chunks_mut(in_plane)).zip(outputs).enumerate();
        // First the gradient for what is normalised, which stays in `dx`.
        let rows: Vec<(T, T)> = planes
            .with_min_len((1 << 14) / in_plane + 1)
            .map(|(plane, ((x, dx), (dy, codes)))| {
                let mean = T::from_f64(self.statistics.mean[plane % self.channels]);
                vectorized(
                    #[inline(always)]
                    || {
                        self.chain.backward(codes, dy, dx);
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
        planes.with_min_len((1 << 14) / in_plane + 1).for_each(|(plane, (dx, x))| {
            let channel = plane % self.channels;
            let mean = T::from_f64(self.statistics.mean[channel]);
            let inverse = T::from_f64(self.inverse(channel));
            let (scale, slope) = (weight[channel] * inverse, inverse * dweight[channel] / n);
            let offset = dbias[channel] / n;
            vectorized(
                #[inline(always)]
                || {
                    for (dx, x) in dx.iter_mut().zip(x) {
                        *dx = scale * (*dx - offset - (*x - mean) * slope);
                    }
                },
            );
        });
        (dweight, dbias)
    }
}

#[inline(always)]
fn normalize<T: Real>(x: &[T], mean: T, scale: T, bias: T, y: &mut [T]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = (*x - mean) * scale + bias;
    }
}
