//! Self-attention within clips, with its gradients.
//!
//! [`self_attention`](super::self_attention) computes the same for constant weights, in `f32`, twice as fast, without gradients.

use super::{ForEachItem, Matrix, Real, matmul, softmax_gradient, sum};
use crate::memory::Memory;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Multi-head attention (Vaswani et al. 2017). For each head it computes `softmax(q · kᵀ / √n) · v` of queries, keys and values, n =
/// `width` / `heads`. Rows [frames of all clips, width] have the elements of one head after those of another. Each clip attends to its own
/// frames.
#[derive(Debug, Clone)]
pub(crate) struct Attention {
    pub(crate) width: usize,
    pub(crate) heads: usize,
    /// Number of frames of each clip.
    pub(crate) lengths: Vec<usize>,
    pub(crate) memory: Memory,
}

/// Queries, keys and values of all clips, or their gradients.
type Qkv<T> = [Vec<T>; 3];

impl Attention {
    /// Returns the attention output of each frame.
    pub(crate) fn forward<T: Real>(&self, [q, k, v]: &Qkv<T>) -> Vec<T> {
        let mut out = vec![T::ZERO; q.len()];
        let clips =
            self.clips(q).into_iter().zip(self.clips(k)).zip(self.clips(v)).zip(self.clips_mut(&mut out));
        clips.collect::<Vec<_>>().into_par_iter().for_each_item(&|(((q, k), v), out)| {
            let frames = q.len() / self.width;
            let mut shares = self.memory.buffer::<T>(frames * frames);
            for head in self.heads() {
                self.shares([q, k], head, &mut shares);
                let shares = Matrix::new(&shares, frames, frames);
                matmul(&mut out[head..], self.width, false, shares, self.of_head(v, head));
            }
        });
        out
    }

    /// Returns the gradients for queries, keys and values from `dout`, the gradient for the output. Attention weights are computed again.
    pub(crate) fn backward<T: Real>(&self, [q, k, v]: &Qkv<T>, dout: &[T]) -> Qkv<T> {
        let mut gradients = [(); 3].map(|()| vec![T::ZERO; q.len()]);
        let [dq, dk, dv] = &mut gradients;
        let inputs = self.clips(q).into_iter().zip(self.clips(k)).zip(self.clips(v)).zip(self.clips(dout));
        let outputs = self.clips_mut(dq).into_iter().zip(self.clips_mut(dk)).zip(self.clips_mut(dv));
        let clips: Vec<_> = inputs.zip(outputs).collect();
        clips.into_par_iter().for_each_item(&|((((q, k), v), dout), ((dq, dk), dv))| {
            let (width, frames, scale) = (self.width, q.len() / self.width, self.scale::<T>());
            let mut shares = self.memory.buffer::<T>(frames * frames);
            let mut dscores = self.memory.buffer::<T>(frames * frames);
            for head in self.heads() {
                self.shares([q, k], head, &mut shares);
                let [q, k, v, dout] = [q, k, v, dout].map(|rows| self.of_head(rows, head));
                let square = Matrix::new(&shares, frames, frames);
                matmul(&mut dv[head..], width, false, square.transposed(), dout);
                matmul(&mut dscores, frames, false, dout, v.transposed());
                for (dscores, shares) in dscores.chunks_exact_mut(frames).zip(shares.chunks_exact(frames)) {
                    softmax_gradient(shares, dscores);
                    dscores.iter_mut().for_each(|x| *x *= scale);
                }
                let dscores = Matrix::new(&dscores, frames, frames);
                matmul(&mut dq[head..], width, false, dscores, k);
                matmul(&mut dk[head..], width, false, dscores.transposed(), q);
            }
        });
        gradients
    }

    /// Number of elements of a head.
    fn size(&self) -> usize {
        self.width / self.heads
    }

    /// Returns the index of each head's first element in a row.
    fn heads(&self) -> impl Iterator<Item = usize> {
        (0..self.width).step_by(self.size())
    }

    /// The factor of the queries.
    fn scale<T: Real>(&self) -> T {
        T::from_f64(1.0 / (self.size() as f64).sqrt())
    }

    /// Returns the elements of the head that begins at `head`, from rows of one clip.
    fn of_head<'a, T: Real>(&self, rows: &'a [T], head: usize) -> Matrix<'a, T> {
        Matrix::with_row_stride(&rows[head..], rows.len() / self.width, self.size(), self.width)
    }

    /// Computes attention weights: softmax(q · kᵀ / √n) [frames, frames].
    fn shares<T: Real>(&self, [q, k]: [&[T]; 2], head: usize, shares: &mut [T]) {
        let frames = q.len() / self.width;
        matmul(shares, frames, false, self.of_head(q, head), self.of_head(k, head).transposed());
        Arch::new().dispatch(Softmax { rows: shares, width: frames, scale: self.scale() });
    }

    /// Returns the rows of each clip.
    fn clips<'a, T>(&self, mut rows: &'a [T]) -> Vec<&'a [T]> {
        let clip = |length: &usize| {
            let (clip, rest) = rows.split_at(length * self.width);
            rows = rest;
            clip
        };
        self.lengths.iter().map(clip).collect()
    }

    /// Like [`Self::clips`], for mutable rows.
    fn clips_mut<'a, T>(&self, mut rows: &'a mut [T]) -> Vec<&'a mut [T]> {
        let clip = |length: &usize| {
            let (clip, rest) = std::mem::take(&mut rows).split_at_mut(length * self.width);
            rows = rest;
            clip
        };
        self.lengths.iter().map(clip).collect()
    }
}

/// Multiplies each row by `scale`, then applies softmax.
struct Softmax<'a, T> {
    rows: &'a mut [T],
    width: usize,
    scale: T,
}

impl<T: Real> WithSimd for Softmax<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for row in self.rows.chunks_exact_mut(self.width) {
            let largest = row.iter().fold(T::NEG_INFINITY, |most, x| if *x > most { *x } else { most });
            row.iter_mut().for_each(|x| *x = T::exp_of_negative::<S>(self.scale * (*x - largest)));
            let share = T::ONE / sum(row);
            row.iter_mut().for_each(|x| *x *= share);
        }
    }
}
