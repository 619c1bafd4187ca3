//! A batch's convolution over images with stride 1 and the epilogue, directly on the input.
//!
//! The rows of an image are stored one after another, each with its zero padding. So through one tap, adjacent output positions read
//! adjacent input positions, even across rows. [`super::taps`] computes the sums. The positions between the rows have no valid results;
//! they are removed before the next step.

use super::conv_shape::{ConvShape, SMALL};
use super::epilogue::split_mut;
use super::taps::{LANES, add_up};
use super::window::Placed;
use super::{Epilogue, ForEachItem, PoolFirst, Real, vectorized};
use crate::memory::Buffer;
use rayon::prelude::*;

/// Output channels that are computed together. Their sums stay in the cache until the epilogue has run.
const TOGETHER: usize = 8;

/// The largest number of sums of pooled outputs that are computed together. They stay in the first-level cache until they are pooled.
const SUMS: usize = 4608;

/// A batch's convolution over images with stride 1.
#[derive(Debug)]
pub(super) struct DirectConv2d<'a>(&'a ConvShape);

impl<'a> DirectConv2d<'a> {
    /// Returns `None` for any other convolution, for windows whose reach is longer than the image (their zeros would fill the memory), and
    /// for batches so small that clips are split among threads.
    pub(super) fn of(shape: &'a ConvShape) -> Option<Self> {
        let [rows, columns] = shape.windows;
        let is_image = rows != Placed::SINGLE;
        let steps = [rows.stride, columns.stride] == [1, 1];
        let direct = Self(shape);
        let [down, right] = direct.reach();
        let fits = down <= rows.input && right <= columns.input;
        (is_image && steps && fits && shape.batch >= SMALL).then_some(direct)
    }

    /// Like [`convolve`](super::convolve).
    pub(super) fn forward<T: Real>(
        &self,
        [x, weight, bias]: [&[T]; 3],
        epilogue: &Epilogue,
        y: &mut [T],
        argmax: &mut [u8],
    ) {
        let shape = self.0;
        let (channels, plane) = (shape.out_channels, epilogue.output(shape.out_plane()));
        let (offsets, stride) = (self.offsets(), self.stride());
        let pool = epilogue.pool_first().filter(|pool| argmax.is_empty() && pool.shape.own().is_some());
        let argmax = split_mut(argmax, channels * plane, shape.batch);
        let clips = y.par_chunks_mut(channels * plane).zip(x.par_chunks(shape.in_size())).zip(argmax);
        clips.enumerate().for_each_item(&|(clip, ((y, x), argmax))| {
            let padded = self.padded(x);
            let mut sums = shape.memory.buffer(TOGETHER.min(channels) * stride);
            let mut argmax = split_mut(argmax, plane, channels).into_iter();
            for (group, y) in y.chunks_mut(TOGETHER * plane).enumerate() {
                let first = group * TOGETHER;
                let count = y.len() / plane;
                let (weight, bias) = (&weight[first * shape.depth()..], &bias[first..][..count]);
                if let Some(pool) = &pool {
                    self.pooled(
                        &offsets,
                        [&padded, weight, bias],
                        (pool, clip * channels, first),
                        &mut sums,
                        y,
                    );
                    continue;
                }
                let sums = &mut sums[..count * stride];
                add_up(&offsets, (stride, self.positions()), [&padded, weight, bias], sums);
                let planes = sums.chunks_exact_mut(stride).zip(y.chunks_exact_mut(plane)).zip(&mut argmax);
                for (channel, ((sums, y), argmax)) in (first..).zip(planes) {
                    self.close_up(sums);
                    let sums = &mut sums[..shape.out_plane()];
                    epilogue.finish((clip * channels + channel, channel), sums, y, argmax);
                }
            }
        });
    }

    /// Computes the outputs `y` of some channels, beginning with channel `first`, a few rows at a time. `planes` is the number of planes of
    /// the batch before the clip's.
    fn pooled<T: Real>(
        &self,
        offsets: &[usize],
        [padded, weight, bias]: [&[T]; 3],
        (pool, planes, first): (&PoolFirst<'_>, usize, usize),
        sums: &mut [T],
        y: &mut [T],
    ) {
        let [rows, columns] = pool.shape.windows;
        let (plane, row) = (rows.output * columns.output, self.row());
        let together = (SUMS / (bias.len() * row * rows.kernel)).max(1);
        for from in (0..rows.output).step_by(together) {
            let count = together.min(rows.output - from);
            let seen = count * rows.kernel;
            let positions = (seen - 1) * row + columns.input;
            let stride = positions.next_multiple_of(LANES);
            let sums = &mut sums[..bias.len() * stride];
            let padded = &padded[from * rows.kernel * row..];
            add_up(offsets, (stride, positions), [padded, weight, bias], sums);
            let channels = sums.chunks_exact_mut(stride).zip(y.chunks_exact_mut(plane));
            vectorized(
                #[inline(always)]
                || {
                    for (channel, (sums, y)) in (first..).zip(channels) {
                        let y = &mut y[from * columns.output..][..count * columns.output];
                        if pool.reverses(channel) {
                            sums.iter_mut().for_each(|sum| *sum = T::ZERO - *sum);
                        }
                        pool.shape.max_own_rows(sums, row, y);
                        pool.steps((planes + channel, channel), y);
                    }
                },
            );
        }
    }

    /// Distance from a kernel's first tap to its last, in rows and columns.
    fn reach(&self) -> [usize; 2] {
        self.0.windows.map(|window| (window.kernel - 1) * window.dilation)
    }

    /// Distance from the start of one padded row to the start of the next.
    fn row(&self) -> usize {
        let columns = &self.0.windows[1];
        columns.input.max(columns.output) + self.reach()[1]
    }

    /// Number of output positions of a plane, including those between the rows.
    fn positions(&self) -> usize {
        let [rows, columns] = &self.0.windows;
        (rows.output - 1) * self.row() + columns.output
    }

    /// Distance from the sums of one channel to those of the next.
    fn stride(&self) -> usize {
        self.positions().next_multiple_of(LANES)
    }

    /// Distance from one channel of the padded input to the next.
    fn plane(&self) -> usize {
        let [down, right] = self.reach();
        // A group of rows may end at another place in a register than the whole plane.
        self.stride() + LANES + down * self.row() + right
    }

    /// Returns for each weight of an output channel the offset of its first input position in the padded input.
    fn offsets(&self) -> Vec<usize> {
        let [rows, columns] = &self.0.windows;
        let (row, plane) = (self.row(), self.plane());
        let down = move |c: usize| (0..rows.kernel).map(move |p| c * plane + p * rows.dilation * row);
        let right = move |at: usize| (0..columns.kernel).map(move |q| at + q * columns.dilation);
        (0..self.0.in_channels).flat_map(down).flat_map(right).collect()
    }

    /// Copies the planes of a clip and surrounds them with zeros.
    fn padded<T: Real>(&self, x: &[T]) -> Buffer<T> {
        let [rows, columns] = &self.0.windows;
        let (row, plane) = (self.row(), self.plane());
        let mut padded = self.0.memory.buffer(self.0.in_channels * plane);
        padded.fill(T::ZERO);
        for (x, padded) in x.chunks_exact(self.0.in_plane()).zip(padded.chunks_exact_mut(plane)) {
            for (line, x) in x.chunks_exact(columns.input).enumerate() {
                let at = (line + rows.before) * row + columns.before;
                padded[at..at + x.len()].copy_from_slice(x);
            }
        }
        padded
    }

    /// Removes the positions between the rows from a plane of sums.
    fn close_up<T: Real>(&self, sums: &mut [T]) {
        let [rows, columns] = &self.0.windows;
        for line in 1..rows.output {
            let from = line * self.row();
            sums.copy_within(from..from + columns.output, line * columns.output);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::window::{Padding, Window};
    use super::super::{PoolShape, Step};
    use super::*;
    use crate::memory::Memory;

    #[test]
    fn pooling_a_few_rows_at_a_time_changes_no_bit() {
        let over = |length, kernel, stride, padding| {
            Window { kernel, stride, dilation: 1, padding }.over(length).unwrap()
        };
        let numbers =
            |n: usize, step: f32| (0..n).map(|i| (i as f32 * step).sin() * 3.0).collect::<Vec<f32>>();
        for (channels, image, pool) in
            [([1, 16], [64, 130], [2, 2]), ([2, 9], [37, 101], [3, 2]), ([1, 3], [9, 700], [2, 1])]
        {
            let shape = ConvShape {
                batch: SMALL,
                in_channels: channels[0],
                out_channels: channels[1],
                windows: image.map(|length| over(length, 3, 1, Padding::Same)),
                training: false,
                memory: Memory::default(),
            };
            let [rows, columns] =
                [0, 1].map(|axis| over(image[axis], pool[axis], pool[axis], Padding::Valid));
            let affine =
                (0..channels[1]).map(|channel| (if channel % 2 == 0 { -0.7 } else { 1.3 }, 0.2)).collect();
            let pooling = PoolShape { windows: [rows, columns] };
            let epilogue = Epilogue(vec![Step::Affine(affine), Step::Relu, Step::Pool(pooling)]);
            let (x, weight) =
                (numbers(SMALL * shape.in_size(), 0.7), numbers(channels[1] * shape.depth(), 0.3));
            let bias = numbers(channels[1], 0.9);
            let size = SMALL * channels[1] * epilogue.output(shape.out_plane());
            let outputs = |argmax: &mut [u8]| {
                let mut y = vec![0.0; size];
                let convolution = DirectConv2d::of(&shape).unwrap();
                convolution.forward([&x[..], &weight, &bias], &epilogue, &mut y, argmax);
                y.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            assert_eq!(outputs(&mut []), outputs(&mut vec![0; size]), "{image:?}");
        }
    }
}
