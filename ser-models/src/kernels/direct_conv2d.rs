//! A batch's convolution over images in steps of 1, straight from the input, with what follows it.
//!
//! The rows of an image are stored one after another, each with its zero padding. So through one tap, neighbouring output positions read
//! neighbouring input positions, also from row to row. [`super::taps`] sums. The positions between the rows hold
//! no valid results; they are removed before the next step.

use super::conv_shape::{ConvShape, SMALL, finish, split};
use super::taps::{LANES, add_up};
use super::window::Placed;
use super::{Epilogue, ForEachItem, Real};
use crate::memory::Buffer;
use rayon::prelude::*;

/// Output channels that are computed together. Their sums stay in the cache until the epilogue has run.
const TOGETHER: usize = 8;

/// One convolution of this kind.
#[derive(Debug)]
pub(super) struct DirectConv2d<'a>(&'a ConvShape);

impl<'a> DirectConv2d<'a> {
    /// `None` for any other convolution, for windows that reach farther than the image (their zeros would fill the memory), and for
    /// batches so small that clips are split among threads.
    pub(super) fn of(shape: &'a ConvShape) -> Option<Self> {
        let [rows, columns] = shape.windows;
        let is_image = rows != Placed::SINGLE;
        let steps = [rows.stride, columns.stride] == [1, 1];
        let direct = Self(shape);
        let [down, right] = direct.reach();
        let fits = down <= rows.input && right <= columns.input;
        (is_image && steps && fits && shape.batch >= SMALL).then_some(direct)
    }

    /// As [`convolve`](super::convolve).
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
        let argmax = split(argmax, channels * plane, shape.batch);
        let clips = y.par_chunks_mut(channels * plane).zip(x.par_chunks(shape.in_size())).zip(argmax);
        clips.enumerate().for_each_item(&|(clip, ((y, x), argmax))| {
            let padded = self.padded(x);
            let mut sums = shape.memory.buffer(TOGETHER.min(channels) * stride);
            let mut argmax = split(argmax, plane, channels).into_iter();
            for (group, y) in y.chunks_mut(TOGETHER * plane).enumerate() {
                let first = group * TOGETHER;
                let count = y.len() / plane;
                let (weight, bias) = (&weight[first * shape.depth()..], &bias[first..][..count]);
                let sums = &mut sums[..count * stride];
                add_up(&offsets, (stride, self.positions()), [&padded, weight, bias], sums);
                let planes = sums.chunks_exact_mut(stride).zip(y.chunks_exact_mut(plane)).zip(&mut argmax);
                for (channel, ((sums, y), argmax)) in (first..).zip(planes) {
                    self.close_up(sums);
                    finish(
                        epilogue,
                        (clip * channels + channel, channel),
                        &mut sums[..shape.out_plane()],
                        y,
                        argmax,
                    );
                }
            }
        });
    }

    /// Steps from a kernel's first tap to its last, in rows and columns.
    fn reach(&self) -> [usize; 2] {
        self.0.windows.map(|window| (window.kernel - 1) * window.dilation)
    }

    /// Elements from the start of one padded row to the start of the next.
    fn row(&self) -> usize {
        let columns = &self.0.windows[1];
        columns.input.max(columns.output) + self.reach()[1]
    }

    /// Output positions of a plane, counting those between the rows.
    fn positions(&self) -> usize {
        let [rows, columns] = &self.0.windows;
        (rows.output - 1) * self.row() + columns.output
    }

    /// Elements from the sums of one channel to those of the next.
    fn stride(&self) -> usize {
        self.positions().next_multiple_of(LANES)
    }

    /// Elements from one channel of the padded input to the next.
    fn plane(&self) -> usize {
        let [down, right] = self.reach();
        self.stride() + down * self.row() + right
    }

    /// For each weight of an output channel, the offset of its first input position in the padded input.
    fn offsets(&self) -> Vec<usize> {
        let [rows, columns] = &self.0.windows;
        let (row, plane) = (self.row(), self.plane());
        let down = move |c: usize| (0..rows.kernel).map(move |p| c * plane + p * rows.dilation * row);
        let right = move |at: usize| (0..columns.kernel).map(move |q| at + q * columns.dilation);
        (0..self.0.in_channels).flat_map(down).flat_map(right).collect()
    }

    /// The planes of a clip with zeros around them.
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
