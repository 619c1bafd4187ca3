//! A batch's convolution over one axis with stride 1 and the epilogue, split among threads.

use super::conv_shape::{ConvShape, PARTS, SMALL, UNITS};
use super::direct_conv1d::DirectConv1d;
use super::epilogue::split_mut;
use super::window::Placed;
use super::{Epilogue, ForEachItem, Real, sum, vectorized};
use rayon::prelude::*;

/// The largest number of positions of concatenated clips, so that they stay in the cache.
const POSITIONS: usize = 320;
/// Number of multiplications from which splitting among threads pays.
const WORTH_SPLITTING: usize = 1 << 19;
/// Number of output channels that are computed together in registers.
const TOGETHER: usize = 8;

/// A batch's convolution over one axis with stride 1.
#[derive(Debug)]
pub(super) struct BatchedConv1d<'a> {
    shape: &'a ConvShape,
    direct: DirectConv1d<'a>,
}

impl<'a> BatchedConv1d<'a> {
    /// Returns `None` for any other convolution.
    pub(crate) fn of(shape: &'a ConvShape) -> Option<Self> {
        let [rows, columns] = shape.windows;
        let most = (POSITIONS / columns.output).min(shape.batch / UNITS).max(1);
        let most = if shape.batch < SMALL { 1 } else { most };
        let direct = (rows == Placed::SINGLE).then(|| DirectConv1d::new(columns, most, &shape.memory));
        Some(Self { shape, direct: direct.flatten()? })
    }

    /// Like [`convolve`](super::convolve).
    pub(crate) fn forward<T: Real>(
        &self,
        [x, weight, bias]: [&[T]; 3],
        epilogue: &Epilogue,
        y: &mut [T],
        argmax: &mut [u8],
    ) {
        let Self { shape, direct } = self;
        let plane = epilogue.output(shape.out_plane());
        let (unit, channels) = (direct.clips, shape.out_channels);
        let argmax = split_mut(argmax, unit * channels * plane, shape.batch.div_ceil(unit));
        let units = y.par_chunks_mut(unit * channels * plane).zip(x.par_chunks(unit * shape.in_size()));
        // Single clips are split among threads by output channels.
        let part = match shape.batch {
            ..SMALL => {
                let part = WORTH_SPLITTING.div_ceil(direct.work(shape.in_channels));
                part.next_multiple_of(TOGETHER).min(channels)
            }
            _ => channels,
        };
        units.zip(argmax).enumerate().for_each_item(&|(number, ((y, x), argmax))| {
            let padded = direct.padded(x, shape.in_channels);
            let convolve = |first: usize, y: &mut [T], argmax: &mut [u8]| {
                let count = part.min(channels - first);
                let (weight, bias) = (&weight[first * shape.depth()..], &bias[first..][..count]);
                let mut z = self.shape.memory.buffer(count * direct.stride());
                direct.run(&padded, weight, bias, &mut z);
                let argmax = split_mut(argmax, plane, y.len() / plane);
                for (i, (y, argmax)) in y.chunks_exact_mut(plane).zip(argmax).enumerate() {
                    let (clip, channel) = (i / count, i % count);
                    let at = channel * direct.stride() + clip * direct.period();
                    let z = &mut z[at..][..shape.out_plane()];
                    let number = (number * unit + clip) * channels + first + channel;
                    epilogue.finish((number, first + channel), z, y, argmax);
                }
            };
            if part == channels {
                return convolve(0, y, argmax);
            }
            let argmax = split_mut(argmax, part * plane, channels.div_ceil(part));
            let parts = y.par_chunks_mut(part * plane).zip(argmax).enumerate();
            parts.for_each_item(&|(i, (y, argmax))| convolve(i * part, y, argmax));
        });
    }

    /// Like [`convolve_backward`](super::convolve_backward).
    pub(crate) fn backward<T: Real>(
        &self,
        [x, weight]: [&[T]; 2],
        epilogue: &Epilogue,
        argmax: &[u8],
        dy: &[T],
        dx: Option<&mut [T]>,
    ) -> (Vec<T>, Vec<T>) {
        let Self { shape, direct } = self;
        let part = shape.batch.div_ceil(PARTS).next_multiple_of(direct.clips);
        let flipped = dx.as_ref().map(|_| direct.flipped_kernels(weight, shape.in_channels));
        let [dweight, dbias] = shape.add_parts(part, epilogue, [x, dy], argmax, dx, |inputs, argmax, dx| {
            self.backward_part(inputs, flipped.as_deref(), epilogue, argmax, dx)
        });
        (direct.unpack_gradient(dweight, shape.in_channels, shape.out_channels), dbias)
    }

    fn backward_part<T: Real>(
        &self,
        [x, dy]: [&[T]; 2],
        flipped: Option<&[T]>,
        epilogue: &Epilogue,
        argmax: &[u8],
        mut dx: Option<&mut [T]>,
    ) -> [Vec<T>; 2] {
        let Self { shape, direct } = self;
        let (in_channels, channels) = (shape.in_channels, shape.out_channels);
        let plane = epilogue.output(shape.out_plane());
        let mut dweight = vec![T::ZERO; direct.gradient_size(in_channels, channels)];
        let mut dbias = vec![T::ZERO; channels];
        let zeros = vec![T::ZERO; in_channels];
        let (in_size, out_size) = (direct.clips * shape.in_size(), direct.clips * channels * plane);
        for (number, (x, dy)) in x.chunks(in_size).zip(dy.chunks(out_size)).enumerate() {
            let mut dz = direct.rows(channels);
            for (i, dy) in dy.chunks_exact(plane).enumerate() {
                let (clip, channel) = (i / channels, i % channels);
                let at = direct.place(channel, clip, direct.flipped_before(), shape.out_plane());
                let (dz, first) = (&mut dz[at], number * out_size + i * plane);
                let argmax = if argmax.is_empty() { argmax } else { &argmax[first..][..plane] };
                dbias[channel] += vectorized(
                    #[inline(always)]
                    || {
                        epilogue.backward(argmax, dy, dz);
                        sum(dz)
                    },
                );
            }
            let padded = direct.padded(x, in_channels);
            direct.weight_gradients(&padded, &dz, channels, &mut dweight);
            let (Some(dx), Some(flipped)) = (&mut dx, flipped) else { continue };
            let mut rows = self.shape.memory.buffer(in_channels * direct.stride());
            direct.run(&dz, flipped, &zeros, &mut rows);
            let dx = &mut dx[number * in_size..][..x.len()];
            for (i, dx) in dx.chunks_exact_mut(shape.in_plane()).enumerate() {
                let (clip, channel) = (i / in_channels, i % in_channels);
                let at = channel * direct.stride() + clip * direct.period();
                dx.copy_from_slice(&rows[at..][..dx.len()]);
            }
        }
        [dweight, dbias]
    }
}
