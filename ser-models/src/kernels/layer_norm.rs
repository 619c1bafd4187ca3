//! Layer normalisation of rows, with its gradients.
//!
//! [`layer_norm`](super::layer_norm) computes the same for constant weights, in `f32`, without gradients.

use super::{ForEachItem, Real, sum, sum_pairs, vectorized};
use rayon::prelude::*;

/// Number of rows that one thread processes at a time. Gradients for weight and bias are first summed over these rows.
const ROWS: usize = 32;

/// Layer normalisation (Ba et al. 2016): normalises each row to mean 0 and variance 1, then multiplies by `weight` and adds `bias`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerNorm<'a, T> {
    pub(crate) weight: &'a [T],
    pub(crate) bias: &'a [T],
    pub(crate) eps: f64,
}

impl<T: Real> LayerNorm<'_, T> {
    /// Returns the normalised rows of `x`.
    pub(crate) fn forward(&self, x: &[T]) -> Vec<T> {
        let width = self.weight.len();
        let mut y = vec![T::ZERO; x.len()];
        y.par_chunks_mut(ROWS * width).zip(x.par_chunks(ROWS * width)).for_each_item(&|(y, x)| {
            vectorized(
                #[inline(always)]
                || {
                    for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                        let (mean, inverse) = self.moments(x);
                        for (((y, x), weight), bias) in y.iter_mut().zip(x).zip(self.weight).zip(self.bias) {
                            *y = (*x - mean) * inverse * *weight + *bias;
                        }
                    }
                },
            );
        });
        y
    }

    /// Replaces `dy`, the gradient for the output, by that for `x`. Returns the gradients for weight and bias.
    ///
    /// With x̂ the row before weight and bias and g = weight · ∂y: ∂weight = Σ ∂y · x̂, ∂bias = Σ ∂y over all rows, and ∂x = (g − mean(g) −
    /// x̂ · mean(g · x̂)) / deviation.
    pub(crate) fn backward(&self, x: &[T], dy: &mut [T]) -> (Vec<T>, Vec<T>) {
        let width = self.weight.len();
        let share = T::from_f64(1.0 / width as f64);
        let blocks = dy.par_chunks_mut(ROWS * width).zip(x.par_chunks(ROWS * width)).map(|(dy, x)| {
            let (mut dweight, mut dbias) = (vec![T::ZERO; width], vec![T::ZERO; width]);
            let mut normed = vec![T::ZERO; width];
            vectorized(
                #[inline(always)]
                || {
                    for (dy, x) in dy.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                        let (mean, inverse) = self.moments(x);
                        normed.iter_mut().zip(x).for_each(|(normed, x)| *normed = (*x - mean) * inverse);
                        let sums = dweight.iter_mut().zip(&mut dbias).zip(dy.iter().zip(&normed));
                        for ((dweight, dbias), (dy, normed)) in sums {
                            *dweight += *dy * *normed;
                            *dbias += *dy;
                        }
                        dy.iter_mut().zip(self.weight).for_each(|(dy, weight)| *dy *= *weight);
                        let offset = sum(dy) * share;
                        let slope = sum_pairs(dy, &normed, |dy, normed| dy * normed) * share;
                        for (dy, normed) in dy.iter_mut().zip(&normed) {
                            *dy = (*dy - offset - *normed * slope) * inverse;
                        }
                    }
                },
            );
            (dweight, dbias)
        });
        let blocks: Vec<_> = blocks.collect();
        let (mut dweight, mut dbias) = (vec![T::ZERO; width], vec![T::ZERO; width]);
        for (of_block, bias_of_block) in blocks {
            dweight.iter_mut().zip(of_block).for_each(|(total, x)| *total += x);
            dbias.iter_mut().zip(bias_of_block).for_each(|(total, x)| *total += x);
        }
        (dweight, dbias)
    }

    /// Returns mean and inverse deviation of a row.
    #[inline(always)]
    fn moments(&self, x: &[T]) -> (T, T) {
        let share = 1.0 / x.len() as f64;
        let mean = T::from_f64(sum(x).to_f64() * share);
        let variance = sum_pairs(x, x, |x, _| (x - mean) * (x - mean)).to_f64() * share;
        (mean, T::from_f64(1.0 / (variance + self.eps).sqrt()))
    }
}
