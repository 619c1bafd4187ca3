//! Sums over the taps of kernels, for inputs in which adjacent output positions read adjacent input positions.
//!
//! A few registers of positions of a few output channels are summed at a time. Each input register is read at any offset and used for all
//! these channels, and weights are read in their original order. The order of each sum is fixed.

use super::Real;
use pulp::{Arch, Simd, WithSimd};

/// The largest number of elements of a register.
pub(super) const LANES: usize = 16;

/// Writes to `z` [channels, stride] the sums of `x`, `weight` [channels, offsets] and `bias` [channels]: at each position `i` below `end`,
/// `bias + Σ_k weight[k] · x[i + offsets[k]]`. `end` is rounded up to a multiple of a register's elements, at most [`LANES`]; `x` and
/// `stride` must reach that far.
pub(super) fn add_up<T: Real>(
    offsets: &[usize],
    (stride, end): (usize, usize),
    [x, weight, bias]: [&[T]; 3],
    z: &mut [T],
) {
    Arch::new().dispatch(Run { offsets, stride, end, x, weight, bias, z });
}

struct Run<'a, T> {
    /// The index in the padded rows at which each column of the weight begins to read.
    offsets: &'a [usize],
    stride: usize,
    /// Number of positions to compute.
    end: usize,
    x: &'a [T],
    weight: &'a [T],
    bias: &'a [T],
    z: &'a mut [T],
}

impl<T: Real> WithSimd for Run<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut channel = 0;
        while channel < self.bias.len() {
            channel += match self.bias.len() - channel {
                8.. if S::REGISTER_COUNT >= 32 => self.rows::<S, 8>(simd, channel),
                // With 16 registers: six channels in two registers each are twelve sums. Eight channels are computed as two times four.
                6 | 10.. if S::REGISTER_COUNT < 32 => self.rows::<S, 6>(simd, channel),
                4.. => self.rows::<S, 4>(simd, channel),
                2.. => self.rows::<S, 2>(simd, channel),
                _ => self.rows::<S, 1>(simd, channel),
            };
        }
    }
}

impl<T: Real> Run<'_, T> {
    /// Computes `M` output channels, beginning with `channel`. Returns `M`.
    #[inline(always)]
    fn rows<S: Simd, const M: usize>(&mut self, simd: S, channel: usize) -> usize {
        let lanes = size_of::<T::Lanes<S>>() / size_of::<T>();
        let depth = self.offsets.len();
        let mut weights = [self.weight; M];
        let mut starts = [T::splat(simd, T::ZERO); M];
        for (i, (row, start)) in weights.iter_mut().zip(&mut starts).enumerate() {
            *row = &self.weight[(channel + i) * depth..][..depth];
            *start = T::splat(simd, self.bias[channel + i]);
        }
        let mut at = 0;
        while at < self.end {
            at += lanes
                * match (self.end - at).div_ceil(lanes) {
                    // Two pairs rather than three registers and one, whose sums would wait for each other.
                    4 => self.tile::<S, M, 2>(simd, weights, starts, channel, at),
                    // With 16 registers, tiles of three do not fit: sums would spill to memory at each step.
                    3.. if S::REGISTER_COUNT >= 32 => {
                        self.tile::<S, M, 3>(simd, weights, starts, channel, at)
                    }
                    2.. => self.tile::<S, M, 2>(simd, weights, starts, channel, at),
                    _ => self.tile::<S, M, 1>(simd, weights, starts, channel, at),
                };
        }
        M
    }

    /// Computes `N` registers of positions of `M` output channels. Returns `N`.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(
        &mut self,
        simd: S,
        mut weights: [&[T]; M],
        starts: [T::Lanes<S>; M],
        channel: usize,
        at: usize,
    ) -> usize {
        let length = N * (size_of::<T::Lanes<S>>() / size_of::<T>());
        let (offsets, x) = (self.offsets, &self.x[at..]);
        for row in &mut weights {
            *row = &row[..offsets.len()];
        }
        let mut sums = starts.map(|start| [start; N]);
        for (k, offset) in offsets.iter().enumerate() {
            let seen = &T::lanes::<S>(&x[*offset..][..length])[..N];
            for i in 0..M {
                let weight = T::splat(simd, weights[i][k]);
                for j in 0..N {
                    sums[i][j] = T::multiply_add(simd, weight, seen[j], sums[i][j]);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let z = &mut self.z[(channel + i) * self.stride + at..][..length];
            T::lanes_mut::<S>(z).copy_from_slice(sums);
        }
        N
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whole numbers, whose sums are exact.
    fn numbers(n: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7919 + 13) % 23) as f64 - 11.0).collect()
    }

    #[test]
    fn vectors_of_one_element_give_the_same() {
        let offsets = [0, 1, 9, 10];
        let (x, weight, bias) = (numbers(18), numbers(12), numbers(3));
        let z = |run: &dyn Fn(Run<'_, f64>)| {
            let mut z = vec![0.0; 24];
            let (x, weight, bias) = (&x[..], &weight[..], &bias[..]);
            run(Run { offsets: &offsets, stride: 8, end: 8, x, weight, bias, z: &mut z });
            z
        };
        let scalar = z(&|run| run.with_simd(pulp::Scalar::new()));
        assert_eq!(scalar, z(&|run| Arch::new().dispatch(run)));
        assert!(scalar.iter().all(|z| *z != 0.0));
    }
}
