//! A batch's convolution over one axis in steps of 1, with what follows it, split among threads.

use super::conv::{add_sums, finish, split};
use super::direct::Direct;
use super::{Buffer, Chain, ConvShape, Real, sum, vectorized};
use rayon::prelude::*;

/// Positions that clips side by side have at most, so that they stay in the cache.
const POSITIONS: usize = 320;
/// Units that a batch is split into at least.
const UNITS: usize = 4;
/// Batches below this are split within clips.
const SMALL: usize = 4;
/// Multiplications that are worth a thread's while.
const WORTH_SPLITTING: usize = 1 << 19;
/// Output channels that go together in registers.
const TOGETHER: usize = 8;
/// Parts of a batch, each with its own sum of weight gradients.
const PARTS: usize = 8;

/// One convolution of this kind.
#[derive(Debug)]
pub(crate) struct Sequence<'a> {
    shape: &'a ConvShape,
    direct: Direct,
}

impl<'a> Sequence<'a> {
    /// `None` for any other convolution.
    pub(crate) fn of(shape: &'a ConvShape) -> Option<Self> {
        let [rows, columns] = shape.windows;
        let most = (POSITIONS / columns.output).min(shape.batch / UNITS).max(1);
        let most = if shape.batch < SMALL { 1 } else { most };
        let direct = (rows == super::super::padding::Placed::SINGLE).then(|| Direct::new(columns, most));
        Some(Self { shape, direct: direct.flatten()? })
    }

    /// As [`ConvShape::forward`].
    pub(crate) fn forward<T: Real>(
        &self,
        [x, weight, bias]: [&[T]; 3],
        chain: &Chain,
        y: &mut [T],
        codes: &mut [u8],
    ) {
        let Self { shape, direct } = self;
        let plane = chain.output(shape.out_plane());
        let (unit, channels) = (direct.clips, shape.out_channels);
        let codes = split(codes, unit * channels * plane, shape.batch.div_ceil(unit));
        let units = y.par_chunks_mut(unit * channels * plane).zip(x.par_chunks(unit * shape.in_size()));
        // Single clips are split among threads by output channels.
        let part = match shape.batch {
            ..SMALL => {
                let part = WORTH_SPLITTING.div_ceil(direct.work(shape.in_channels));
                part.next_multiple_of(TOGETHER).min(channels)
            }
            _ => channels,
        };
        units.zip(codes).enumerate().for_each(|(number, ((y, x), codes))| {
            let padded = direct.padded(x, shape.in_channels);
            let convolve = |first: usize, y: &mut [T], codes: &mut [u8]| {
                let count = part.min(channels - first);
                let (weight, bias) = (&weight[first * shape.depth()..], &bias[first..][..count]);
                let mut z = Buffer::new(count * direct.stride());
                direct.run(&padded, weight, bias, &mut z);
                let codes = split(codes, plane, y.len() / plane);
                for (i, (y, codes)) in y.chunks_exact_mut(plane).zip(codes).enumerate() {
                    let (clip, channel) = (i / count, i % count);
                    let at = channel * direct.stride() + clip * direct.period();
                    let z = &mut z[at..][..shape.out_plane()];
                    let number = (number * unit + clip) * channels + first + channel;
                    finish(chain, (number, first + channel), z, y, codes);
                }
            };
            if part == channels {
                return convolve(0, y, codes);
            }
            let codes = split(codes, part * plane, channels.div_ceil(part));
            let parts = y.par_chunks_mut(part * plane).zip(codes).enumerate();
            parts.for_each(|(i, (y, codes))| convolve(i * part, y, codes));
        });
    }

    /// As [`ConvShape::backward`].
    pub(crate) fn backward<T: Real>(
        &self,
        [x, weight]: [&[T]; 2],
        chain: &Chain,
        codes: &[u8],
        dy: &[T],
        dx: Option<&mut [T]>,
    ) -> (Vec<T>, Vec<T>) {
        let Self { shape, direct } = self;
        let size = shape.out_channels * chain.output(shape.out_plane());
        let part = shape.batch.div_ceil(PARTS).next_multiple_of(direct.clips);
        let parts = shape.batch.div_ceil(part);
        let turned = dx.as_ref().map(|_| direct.turned(weight, shape.in_channels));
        let dx: Vec<Option<&mut [T]>> = match dx {
            Some(dx) => dx.chunks_mut(part * shape.in_size()).map(Some).collect(),
            None => (0..parts).map(|_| None).collect(),
        };
        let codes: Vec<&[u8]> = match codes.is_empty() {
            true => vec![&[]; parts],
            false => codes.chunks(part * size).collect(),
        };
        let inputs = x.par_chunks(part * shape.in_size()).zip(dy.par_chunks(part * size));
        let sums: Vec<[Vec<T>; 2]> = inputs
            .zip(codes)
            .zip(dx)
            .map(|(((x, dy), codes), dx)| self.backward_part([x, dy], turned.as_deref(), chain, codes, dx))
            .collect();
        let [dweight, dbias] = add_sums(sums);
        (direct.gather(dweight, shape.in_channels, shape.out_channels), dbias)
    }

    fn backward_part<T: Real>(
        &self,
        [x, dy]: [&[T]; 2],
        turned: Option<&[T]>,
        chain: &Chain,
        codes: &[u8],
        mut dx: Option<&mut [T]>,
    ) -> [Vec<T>; 2] {
        let Self { shape, direct } = self;
        let (in_channels, channels) = (shape.in_channels, shape.out_channels);
        let plane = chain.output(shape.out_plane());
        let mut dweight = vec![T::ZERO; direct.gradient_size(in_channels, channels)];
        let mut dbias = vec![T::ZERO; channels];
        let zeros = vec![T::ZERO; in_channels];
        let (in_size, out_size) = (direct.clips * shape.in_size(), direct.clips * channels * plane);
        for (number, (x, dy)) in x.chunks(in_size).zip(dy.chunks(out_size)).enumerate() {
            let mut dz = direct.rows(channels);
            for (i, dy) in dy.chunks_exact(plane).enumerate() {
                let (clip, channel) = (i / channels, i % channels);
                let at = direct.place(channel, clip, direct.turned_before(), shape.out_plane());
                let (dz, first) = (&mut dz[at], number * out_size + i * plane);
                let codes = if codes.is_empty() { codes } else { &codes[first..][..plane] };
                dbias[channel] += vectorized(
                    #[inline(always)]
                    || {
                        chain.backward(codes, dy, dz);
                        sum(dz)
                    },
                );
            }
            let padded = direct.padded(x, in_channels);
            direct.weight_gradients(&padded, &dz, channels, &mut dweight);
            let (Some(dx), Some(turned)) = (&mut dx, turned) else { continue };
            let mut rows = Buffer::new(in_channels * direct.stride());
            direct.run(&dz, turned, &zeros, &mut rows);
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
