//! Convolution over one axis with stride 1, directly on the input, with its gradients.
//!
//! im2col is not needed here: through one tap, adjacent output positions read adjacent input positions. Several clips are concatenated in
//! one padded row for each channel, with zeros around each clip, and [`super::taps`] computes the sums. The gradient for the input is such
//! a convolution too, of the gradient for the output with flipped kernels. For the gradient of the weights, the input is transposed, so
//! that registers hold channels and the sum runs over positions.
//!
//! The order of each sum is fixed, so the split of the work does not change a bit.

use super::taps::{LANES, add_up};
use super::window::Placed;
use super::{Real, sum_pairs};
use crate::memory::{Buffer, Memory};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Elements in a row of the transposed input: two registers, so that rows are few enough to stay in the cache.
const WIDTH: usize = 2 * LANES;
/// With fewer channels, registers of channels would be almost empty.
const NARROW: usize = 8;

/// The layout of concatenated clips for one convolution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DirectConv1d<'a> {
    window: Placed,
    /// Number of clips in a row.
    pub(crate) clips: usize,
    memory: &'a Memory,
}

impl<'a> DirectConv1d<'a> {
    /// Makes the layout for a window with stride 1 whose reach is no longer than a clip. It has the number of clips, at most `most`, with
    /// the least waste.
    pub(crate) fn new(window: Placed, most: usize, memory: &'a Memory) -> Option<Self> {
        let with = |clips| Self { window, clips, memory };
        let fits = window.stride == 1 && with(1).reach() <= window.input;
        // The waste in thousandths. Of equal values `min_by_key` takes the first, with the fewest clips.
        let waste = |clips: &usize| with(*clips).stride() * 1000 / (clips * window.output);
        fits.then(|| with((1..=most).min_by_key(waste).unwrap_or(1)))
    }

    /// Distance from a kernel's first tap to its last, in positions.
    fn reach(&self) -> usize {
        (self.window.kernel - 1) * self.window.dilation
    }

    /// Distance from the start of a clip in a row to the start of the next.
    pub(crate) fn period(&self) -> usize {
        self.window.input.max(self.window.output) + self.reach()
    }

    /// Number of positions from the first of the first clip to the last of the last clip.
    fn positions(&self) -> usize {
        (self.clips - 1) * self.period() + self.window.input.max(self.window.output)
    }

    /// Distance from one output row to the next.
    pub(crate) fn stride(&self) -> usize {
        self.positions().next_multiple_of(LANES)
    }

    /// Distance from one padded input row to the next.
    fn row(&self) -> usize {
        self.stride() + self.reach()
    }

    /// Index of the first clip's first position in a padded row of gradients for the output.
    pub(crate) fn flipped_before(&self) -> usize {
        self.reach() - self.window.before
    }

    /// Number of multiplications for one output channel.
    pub(crate) fn work(&self, in_channels: usize) -> usize {
        in_channels * self.window.kernel * self.stride()
    }

    /// Returns padded rows of zeros, one for each channel.
    pub(crate) fn rows<T: Real>(&self, channels: usize) -> Buffer<T> {
        let mut rows = self.memory.buffer(channels * self.row());
        rows.fill(T::ZERO);
        rows
    }

    /// Returns the range of a clip of `length` positions in a padded row, with `before` zeros before the clip.
    pub(crate) fn place(&self, channel: usize, clip: usize, before: usize, length: usize) -> Range<usize> {
        let start = channel * self.row() + clip * self.period() + before;
        start..start + length
    }

    /// Copies clips [clips, channels, input] to padded rows.
    pub(crate) fn padded<T: Real>(&self, x: &[T], channels: usize) -> Buffer<T> {
        let mut rows = self.rows(channels);
        for (i, x) in x.chunks_exact(self.window.input).enumerate() {
            let at = self.place(i % channels, i / channels, self.window.before, x.len());
            rows[at].copy_from_slice(x);
        }
        rows
    }

    /// Computes `z` [channels, stride] from padded rows `x`, `weight` [channels, in_channels, kernel] and `bias` [channels]. Values between
    /// the clips are meaningless.
    pub(crate) fn run<T: Real>(&self, x: &[T], weight: &[T], bias: &[T], z: &mut [T]) {
        let (row, window) = (self.row(), self.window);
        let taps = |c| (0..window.kernel).map(move |tap| c * row + tap * window.dilation);
        let offsets: Vec<usize> = (0..x.len() / row).flat_map(taps).collect();
        add_up(&offsets, (self.stride(), self.positions()), [x, weight, bias], z);
    }

    /// Rearranges the weights [out_channels, in_channels, kernel] for the gradient for the input: [in_channels, out_channels, kernel], with
    /// the taps in reverse order.
    pub(crate) fn flipped_kernels<T: Real>(&self, weight: &[T], in_channels: usize) -> Buffer<T> {
        let kernel = self.window.kernel;
        let (depth, out_channels) = (in_channels * kernel, weight.len() / (in_channels * kernel));
        let mut flipped = self.memory.buffer(weight.len());
        for (c, rows) in flipped.chunks_exact_mut(out_channels * kernel).enumerate() {
            for (to, from) in rows.chunks_exact_mut(kernel).zip(weight.chunks_exact(depth)) {
                for (to, from) in to.iter_mut().rev().zip(&from[c * kernel..][..kernel]) {
                    *to = *from;
                }
            }
        }
        flipped
    }

    /// Number of elements of the sum that [`Self::weight_gradients`] computes.
    pub(crate) fn gradient_size(&self, in_channels: usize, out_channels: usize) -> usize {
        let columns = if in_channels < NARROW { in_channels } else { in_channels.next_multiple_of(WIDTH) };
        columns * out_channels * self.window.kernel
    }

    /// Adds the gradients for the weights of `out_channels` output channels to `sum`, from padded rows of the input and of the gradient for
    /// the output.
    pub(crate) fn weight_gradients<T: Real>(&self, x: &[T], dz: &[T], out_channels: usize, sum: &mut [T]) {
        let (row, at, positions) = (self.row(), self.flipped_before(), self.positions());
        let Placed { kernel, dilation, .. } = self.window;
        let in_channels = x.len() / row;
        let dz = |channel: usize| &dz[channel * row + at..][..positions];
        if in_channels < NARROW {
            for (i, sum) in sum.iter_mut().enumerate() {
                let (o, c, tap) = (i / (in_channels * kernel), i / kernel % in_channels, i % kernel);
                let seen = &x[c * row + tap * dilation..][..positions];
                *sum += super::vectorized(
                    #[inline(always)]
                    || sum_pairs(dz(o), seen, |a, b| a * b),
                );
            }
            return;
        }
        let dz: Vec<&[T]> = (0..out_channels).map(dz).collect();
        let mut panel = self.memory.buffer((positions + self.reach()) * WIDTH);
        let tiles = x.chunks(row * WIDTH).zip(sum.chunks_exact_mut(out_channels * kernel * WIDTH));
        for (x, sum) in tiles {
            transpose(x, row, &mut panel);
            for tap in 0..kernel {
                let panel = &panel[tap * dilation * WIDTH..][..positions * WIDTH];
                let sum = &mut sum[tap * out_channels * WIDTH..][..out_channels * WIDTH];
                Arch::new().dispatch(Gather { dz: &dz, panel, sum });
            }
        }
    }

    /// Returns the weights' gradient [out_channels, in_channels, kernel] from the sum that [`Self::weight_gradients`] computes.
    pub(crate) fn unpack_gradient<T: Real>(
        &self,
        sum: Vec<T>,
        in_channels: usize,
        out_channels: usize,
    ) -> Vec<T> {
        if in_channels < NARROW {
            return sum;
        }
        let kernel = self.window.kernel;
        let mut gradient = vec![T::ZERO; out_channels * in_channels * kernel];
        for (i, row) in sum.chunks_exact(WIDTH).enumerate() {
            let (tile, tap, o) = (i / (kernel * out_channels), i / out_channels % kernel, i % out_channels);
            let columns = tile * WIDTH..((tile + 1) * WIDTH).min(in_channels);
            let to = gradient[(o * in_channels + columns.start) * kernel + tap..].iter_mut();
            for (to, from) in to.step_by(kernel).zip(&row[..columns.len()]) {
                *to = *from;
            }
        }
        gradient
    }
}

/// Transposes up to [`WIDTH`] rows to rows of [`WIDTH`] elements, with zeros for missing rows.
fn transpose<T: Real>(x: &[T], row: usize, panel: &mut [T]) {
    if x.len() < row * WIDTH {
        panel.fill(T::ZERO);
    }
    for (block, panel) in panel.chunks_mut(LANES * WIDTH).enumerate() {
        for (column, x) in x.chunks_exact(row).enumerate() {
            for (to, from) in panel[column..].iter_mut().step_by(WIDTH).zip(&x[block * LANES..]) {
                *to = *from;
            }
        }
    }
}

/// Computes `sum` [rows of dz, WIDTH] += `dz` · `panel` [positions, WIDTH].
struct Gather<'a, T> {
    dz: &'a [&'a [T]],
    panel: &'a [T],
    sum: &'a mut [T],
}

impl<T: Real> WithSimd for Gather<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = size_of::<T::Lanes<S>>() / size_of::<T>();
        let mut row = 0;
        while row < self.dz.len() {
            let (dz, sum) = (&self.dz[row..], &mut self.sum[row * WIDTH..]);
            let count = match dz.len() {
                8.. if S::REGISTER_COUNT >= 32 => 8,
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            for at in (0..WIDTH).step_by(2 * lanes) {
                match count {
                    8 => gather::<S, T, 8, 2>(simd, dz, self.panel, sum, at),
                    4 => gather::<S, T, 4, 2>(simd, dz, self.panel, sum, at),
                    2 => gather::<S, T, 2, 2>(simd, dz, self.panel, sum, at),
                    _ => gather::<S, T, 1, 2>(simd, dz, self.panel, sum, at),
                }
            }
            row += count;
        }
    }
}

/// Computes `N` registers, from column `at`, of `M` rows.
#[inline(always)]
fn gather<S: Simd, T: Real, const M: usize, const N: usize>(
    simd: S,
    dz: &[&[T]],
    panel: &[T],
    sum: &mut [T],
    at: usize,
) {
    let length = N * (size_of::<T::Lanes<S>>() / size_of::<T>());
    let positions = panel.len() / WIDTH;
    let mut rows = [&dz[0][..positions]; M];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &dz[i][..positions];
    }
    let mut sums = [[T::splat(simd, T::ZERO); N]; M];
    for (i, sums) in sums.iter_mut().enumerate() {
        sums.copy_from_slice(T::lanes::<S>(&sum[i * WIDTH + at..][..length]));
    }
    for (k, panel) in panel.chunks_exact(WIDTH).enumerate() {
        let seen = &T::lanes::<S>(&panel[at..][..length])[..N];
        for i in 0..M {
            let x = T::splat(simd, rows[i][k]);
            for j in 0..N {
                sums[i][j] = T::multiply_add(simd, x, seen[j], sums[i][j]);
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        T::lanes_mut::<S>(&mut sum[i * WIDTH + at..][..length]).copy_from_slice(sums);
    }
}

#[cfg(test)]
mod tests {
    use super::super::window::{Padding, Window};
    use super::*;

    /// Returns whole numbers, whose sums are exact.
    fn numbers<T: Real>(n: usize) -> Vec<T> {
        (0..n).map(|i| T::from_f64(((i * 7919 + 13) % 23) as f64 - 11.0)).collect()
    }

    /// Compares every product with the reference, for one size and `clips` clips.
    fn check<T: Real>(window: Placed, clips: usize, channels: usize, filters: usize) {
        let direct = DirectConv1d { window, clips, memory: &Memory::default() };
        let (kernel, input, output) = (window.kernel, window.input, window.output);
        let x: Vec<T> = numbers(clips * channels * input);
        let (weight, bias): (Vec<T>, Vec<T>) = (numbers(filters * channels * kernel), numbers(filters));
        let dy: Vec<T> = numbers(clips * filters * output);
        let (mut y, mut dx) = (vec![T::ZERO; dy.len()], vec![T::ZERO; x.len()]);
        let mut dweight = vec![T::ZERO; weight.len()];
        for clip in 0..clips {
            for (f, bias) in bias.iter().enumerate() {
                for j in 0..output {
                    let out = (clip * filters + f) * output + j;
                    y[out] = *bias;
                    for c in 0..channels {
                        for tap in 0..kernel {
                            let Some(i) = window.seen(j, tap) else { continue };
                            let (w, i) =
                                ((f * channels + c) * kernel + tap, (clip * channels + c) * input + i);
                            y[out] += weight[w] * x[i];
                            dweight[w] += dy[out] * x[i];
                            dx[i] += dy[out] * weight[w];
                        }
                    }
                }
            }
        }
        let what = format!("{window:?}, {clips} clips, {channels} to {filters} channels");
        let nan = T::from_f64(f64::NAN);
        let padded = direct.padded(&x, channels);
        let mut z = vec![nan; filters * direct.stride()];
        direct.run(&padded, &weight, &bias, &mut z);
        for (i, y) in y.chunks_exact(output).enumerate() {
            let at = i % filters * direct.stride() + i / filters * direct.period();
            assert_eq!(z[at..][..output], *y, "{what}");
        }
        let mut dz = direct.rows(filters);
        for (i, dy) in dy.chunks_exact(output).enumerate() {
            let at = direct.place(i % filters, i / filters, direct.flipped_before(), output);
            dz[at].copy_from_slice(dy);
        }
        let mut sum = vec![T::ZERO; direct.gradient_size(channels, filters)];
        direct.weight_gradients(&padded, &dz, filters, &mut sum);
        assert_eq!(direct.unpack_gradient(sum, channels, filters), dweight, "{what}");
        let mut rows = vec![nan; channels * direct.stride()];
        direct.run(&dz, &direct.flipped_kernels(&weight, channels), &vec![T::ZERO; channels], &mut rows);
        for (i, dx) in dx.chunks_exact(input).enumerate() {
            let at = i % channels * direct.stride() + i / channels * direct.period();
            assert_eq!(rows[at..][..input], *dx, "{what}");
        }
    }

    #[test]
    fn outputs_and_gradients_of_every_size_are_exact() {
        for (kernel, dilation, padding) in [
            (1, 1, Padding::Same),
            (4, 1, Padding::Same),
            (5, 2, Padding::Causal),
            (3, 3, Padding::Valid),
            (2, 6, Padding::Same),
        ] {
            for (channels, filters, length) in [(1, 1, 7), (3, 15, 16), (2, 8, 49), (9, 6, 33), (35, 13, 21)]
            {
                let window = Window { kernel, stride: 1, dilation, padding };
                let Ok(window) = window.over(length) else { continue };
                for clips in [1, 2, 5] {
                    check::<f32>(window, clips, channels, filters);
                    check::<f64>(window, clips, channels, filters);
                }
            }
        }
    }

    #[test]
    fn clips_go_side_by_side_where_that_wastes_less_and_only_steps_of_one_are_taken() {
        let window = |kernel, stride, length| {
            Window { kernel, stride, dilation: 1, padding: Padding::Same }.over(length).unwrap()
        };
        let memory = Memory::default();
        assert_eq!(DirectConv1d::new(window(5, 1, 32), 8, &memory).unwrap().clips, 1);
        assert!(DirectConv1d::new(window(5, 1, 24), 8, &memory).unwrap().clips > 1);
        assert!(DirectConv1d::new(window(5, 2, 24), 8, &Memory::default()).is_none());
        assert!(DirectConv1d::new(window(9, 1, 7), 8, &Memory::default()).is_none());
    }
}
