//! A batch's convolution with 3 × 3 taps over images in inference, with a quarter of the multiplications.
//!
//! Winograd's minimal filtering F(4 × 4, 3 × 3), as in Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks* (2016). A tile
//! of 4 × 4 outputs reads 6 × 6 inputs. Inputs and kernels are transformed to values at 36 points, where the convolution is a product for
//! each point. A third transform computes the outputs. The transforms run on several tiles of a row at the same time. Outputs differ from
//! sums over taps in the last bits only, by about 1e-6 of the largest.

mod outputs;
mod transforms;

use super::conv_shape::{ConvShape, SMALL, UNITS};
use super::taps::{LANES, add_up};
use super::window::Placed;
use super::{Epilogue, ForEachItem, PoolFirst, Real, vectorized};
use crate::memory::Buffer;
use outputs::Outputs;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;
use transforms::{Factors, input_points, kernel_points, load, store};

/// Outputs of a tile along each axis.
const STEP: usize = 4;
/// Inputs of a tile along each axis.
const SEEN: usize = 6;
const POINTS: usize = SEEN * SEEN;
/// Taps of a kernel along each axis.
const TAPS: usize = 3;
/// Output channels that are computed together.
const TOGETHER: usize = 12;
/// The largest number of tiles that are computed together.
const TILES: usize = 64;
/// The largest number of values of a point's inputs that are computed together, so that all points together stay in the cache.
const INPUTS: usize = 2048;
/// With fewer input channels, the transforms cost more than they save.
const LEAST_CHANNELS: usize = 8;

/// A convolution by minimal filtering.
#[derive(Debug)]
pub(super) struct Winograd<'a> {
    shape: &'a ConvShape,
    /// Rows and columns of tiles, enough for the outputs that pooling reads. Columns are rounded up to a multiple of [`STEP`].
    tiles: [usize; 2],
}

impl<'a> Winograd<'a> {
    /// Returns `None` in training, where other rounding would change the file that a seed gives, for small batches, for other kernels, and
    /// if more than half of the tiles would be waste.
    pub(super) fn of(shape: &'a ConvShape, epilogue: &Epilogue) -> Option<Self> {
        let fits = |window: &Placed| {
            [window.kernel, window.stride, window.dilation, window.before] == [3, 1, 1, 1]
                && window.output == window.input
        };
        let small = shape.batch < SMALL || shape.in_channels < LEAST_CHANNELS;
        if shape.training || small || !shape.windows.iter().all(fits) {
            return None;
        }
        let seen = |axis: usize| match epilogue.pool() {
            Some(pool) => pool.windows[axis].range(pool.windows[axis].output - 1).end,
            None => shape.windows[axis].output,
        };
        let tiles = [seen(0).div_ceil(STEP), seen(1).div_ceil(STEP).next_multiple_of(STEP)];
        let computed = tiles[0] * tiles[1] * STEP * STEP;
        (computed <= 2 * seen(0) * seen(1)).then_some(Self { shape, tiles })
    }

    /// Like [`convolve`](super::convolve), without argmax.
    pub(super) fn forward<T: Real>(&self, inputs: [&[T]; 3], epilogue: &Epilogue, y: &mut [T]) {
        let pool = epilogue.pool_first();
        match pool.as_ref().and_then(|pool| pool.shape.own()) {
            Some([2, 2]) => self.run::<T, 2, 2>(inputs, epilogue, pool.as_ref(), y),
            Some([2, 1]) => self.run::<T, 2, 4>(inputs, epilogue, pool.as_ref(), y),
            _ => self.run::<T, STEP, STEP>(inputs, epilogue, None, y),
        }
    }

    /// [`Winograd::forward`] with `HIGH` × `WIDE` outputs of a tile, after pooling if that comes first.
    fn run<T: Real, const HIGH: usize, const WIDE: usize>(
        &self,
        [x, weight, bias]: [&[T]; 3],
        epilogue: &Epilogue,
        pool: Option<&PoolFirst<'_>>,
        y: &mut [T],
    ) {
        let shape = self.shape;
        let (channels, plane) = (shape.out_channels, epilogue.output(shape.out_plane()));
        let weights = self.weights(weight);
        let signs: Vec<bool> = (0..channels).map(|c| pool.is_some_and(|pool| pool.reverses(c))).collect();
        let together = (INPUTS / shape.in_channels).clamp(LANES, TILES);
        let rows = (together / self.tiles[1]).clamp(1, self.tiles[0]);
        let unit = (together / (self.tiles[0] * self.tiles[1])).min(shape.batch.div_ceil(UNITS)).max(1);
        let units = y.par_chunks_mut(unit * channels * plane).zip(x.par_chunks(unit * shape.in_size()));
        units.enumerate().for_each_item(&|(number, (y, x))| {
            let convolve = |size: [usize; 2], z: &mut [T]| {
                for first in (0..self.tiles[0]).step_by(rows) {
                    let rows = first..(first + rows).min(self.tiles[0]);
                    self.convolve::<T, HIGH, WIDE>(rows, [x, &weights, bias], &signs, size, z);
                }
            };
            let places = (0..).map(|i| (number * unit * channels + i, i % channels));
            if let Some(pool) = pool {
                convolve(pool.shape.windows.map(|window| window.output), y);
                let planes = y.chunks_exact_mut(plane).zip(places);
                vectorized(
                    #[inline(always)]
                    || planes.for_each(|(y, at)| pool.steps(at, y)),
                );
                return;
            }
            let mut z = shape.memory.buffer(x.len() / shape.in_size() * shape.out_size());
            convolve(shape.windows.map(|window| window.output), &mut z);
            let planes = z.chunks_exact_mut(shape.out_plane()).zip(y.chunks_exact_mut(plane));
            planes.zip(places).for_each(|((z, y), at)| epilogue.finish(at, z, y, &mut []));
        });
    }

    /// Computes the outputs `z` [clips, out_channels, …] of some rows of tiles, in planes of size `size`. Outputs of channels with a true
    /// `signs` entry are negated.
    fn convolve<T: Real, const HIGH: usize, const WIDE: usize>(
        &self,
        rows: Range<usize>,
        [x, weights, bias]: [&[T]; 3],
        signs: &[bool],
        size: [usize; 2],
        z: &mut [T],
    ) {
        let (shape, depth) = (self.shape, self.shape.in_channels);
        let columns = rows.len() * self.tiles[1];
        // Registers reach beyond the last tile. The values there are in no output.
        let all = x.len() / shape.in_size() * columns;
        let stride = all.next_multiple_of(LANES) + LANES;
        let mut seen = shape.memory.buffer(POINTS * depth * stride);
        Arch::new().dispatch(Inputs { of: self, rows: rows.clone(), stride, x, seen: &mut seen });
        let offsets: Vec<usize> = (0..depth).map(|channel| channel * stride).collect();
        let mut products = shape.memory.buffer(POINTS * TOGETHER * stride);
        let groups = bias.chunks(TOGETHER).zip(weights.chunks(POINTS * TOGETHER * depth));
        for (group, (bias, weights)) in groups.enumerate() {
            let products = &mut products[..POINTS * bias.len() * stride];
            let points =
                products.chunks_exact_mut(bias.len() * stride).zip(seen.chunks_exact(depth * stride));
            for ((products, seen), weights) in points.zip(weights.chunks_exact(bias.len() * depth)) {
                let none = [T::ZERO; TOGETHER];
                add_up(&offsets, (stride, all), [seen, weights, &none[..bias.len()]], products);
            }
            let (rows, first) = (rows.clone(), group * TOGETHER);
            let signs = &signs[first..];
            Arch::new().dispatch(Outputs::<T, HIGH, WIDE> {
                of: self,
                rows,
                stride,
                products,
                first,
                bias,
                signs,
                size,
                z,
            });
        }
    }

    /// Transforms the kernels [out_channels, in_channels, 3, 3] to the points: for each group of [`TOGETHER`] output channels [points,
    /// out_channels, in_channels].
    fn weights<T: Real>(&self, weight: &[T]) -> Buffer<T> {
        let depth = self.shape.in_channels;
        let mut weights = self.shape.memory.buffer(self.shape.out_channels * depth * POINTS);
        let groups = weights.par_chunks_mut(POINTS * TOGETHER * depth);
        groups.zip(weight.par_chunks(TOGETHER * depth * self.shape.taps())).for_each_item(&|(
            points,
            weight,
        )| {
            Arch::new().dispatch(Kernels { depth, weight, points })
        });
        weights
    }
}

/// Transforms the inputs of some rows of tiles, from `x` [clips, in_channels, …], to the points: [points, in_channels, stride].
struct Inputs<'a, T> {
    of: &'a Winograd<'a>,
    rows: Range<usize>,
    stride: usize,
    x: &'a [T],
    seen: &'a mut [T],
}

impl<T: Real> WithSimd for Inputs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { of, rows, stride, x, seen } = self;
        let (shape, factors) = (of.shape, Factors::new::<S, T>(simd));
        let lanes = size_of::<T::Lanes<S>>() / size_of::<T>();
        let columns = rows.len() * of.tiles[1];
        // For each of a tile's columns and each of four row phases (rows modulo four), the values of all tiles.
        let size = columns + of.tiles[1] + LANES;
        let mut phases = shape.memory.buffer(SEEN * STEP * size);
        for (i, plane) in x.chunks_exact(shape.in_plane()).enumerate() {
            let (clip, channel) = (i / shape.in_channels, i % shape.in_channels);
            of.split_phases(plane, &rows, size, &mut phases);
            for at in (0..columns).step_by(lanes) {
                let mut points = [[factors.one; SEEN]; SEEN];
                for b in 0..SEEN {
                    let mut column = [factors.one; SEEN];
                    for (a, seen) in column.iter_mut().enumerate() {
                        let place = (b * STEP + a % STEP) * size + a / STEP * of.tiles[1] + at;
                        *seen = load::<S, T>(&phases, place);
                    }
                    let column = input_points::<S, T>(simd, &factors, column);
                    for (row, point) in points.iter_mut().zip(&column) {
                        row[b] = *point;
                    }
                }
                for (a, row) in points.iter().enumerate() {
                    for (b, point) in input_points::<S, T>(simd, &factors, *row).iter().enumerate() {
                        let line = (a * SEEN + b) * shape.in_channels + channel;
                        store::<S, T>(seen, line * stride + clip * columns + at, *point);
                    }
                }
            }
        }
    }
}

impl Winograd<'_> {
    /// Splits a plane of the image by the tiles' inputs: `size` values, one for each tile, for column `b` of a tile and row phase `a` of
    /// four.
    #[inline(always)]
    fn split_phases<T: Real>(&self, plane: &[T], rows: &Range<usize>, size: usize, phases: &mut [T]) {
        let [height, width] = self.shape.windows.map(|window| window.input);
        let tiles = self.tiles[1];
        let (before, rest) = phases.split_at_mut(STEP * size);
        let (first, rest) = rest.split_at_mut(STEP * size);
        let (second, rest) = rest.split_at_mut(STEP * size);
        let (third, rest) = rest.split_at_mut(STEP * size);
        let (fourth, after) = rest.split_at_mut(STEP * size);
        for number in 0..STEP * rows.len() + 2 {
            let at = number % STEP * size + number / STEP * tiles;
            let at = at..at + tiles;
            let [a, b, c, d] =
                [&mut *first, &mut *second, &mut *third, &mut *fourth].map(|phase| &mut phase[at.clone()]);
            let (before, after) = (&mut before[at.clone()], &mut after[at]);
            // The first row is the padding before the image.
            let row = STEP * rows.start + number;
            if !(1..=height).contains(&row) {
                for phase in [before, a, b, c, d, after] {
                    phase.fill(T::ZERO);
                }
                continue;
            }
            let x = &plane[(row - 1) * width..][..width];
            let whole = (width / STEP).min(tiles);
            let to = a.iter_mut().zip(b.iter_mut()).zip(c.iter_mut().zip(d.iter_mut()));
            for (((a, b), (c, d)), x) in to.zip(x.as_chunks::<STEP>().0) {
                [*a, *b, *c, *d] = *x;
            }
            for tile in whole..tiles {
                for (j, phase) in [&mut *a, &mut *b, &mut *c, &mut *d].into_iter().enumerate() {
                    phase[tile] = x.get(tile * STEP + j).copied().unwrap_or(T::ZERO);
                }
            }
            before[0] = T::ZERO;
            before[1..].copy_from_slice(&d[..tiles - 1]);
            after[..tiles - 1].copy_from_slice(&a[1..]);
            after[tiles - 1] = x.get(tiles * STEP).copied().unwrap_or(T::ZERO);
        }
    }
}

/// Transforms some channels' kernels [channels, depth, 3, 3] to the points [points, channels, depth].
struct Kernels<'a, T> {
    depth: usize,
    weight: &'a [T],
    points: &'a mut [T],
}

impl<T: Real> WithSimd for Kernels<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { depth, weight, points: out } = self;
        let (taps, factors) = (TAPS * TAPS, Factors::new::<S, T>(simd));
        let lanes = size_of::<T::Lanes<S>>() / size_of::<T>();
        let channels = weight.len() / (depth * taps);
        for (channel, kernels) in weight.chunks_exact(depth * taps).enumerate() {
            for (part, kernels) in kernels.chunks(lanes * taps).enumerate() {
                let count = kernels.len() / taps;
                let mut columns = [[factors.one; SEEN]; TAPS];
                for (q, column) in columns.iter_mut().enumerate() {
                    let mut column_taps = [factors.one; TAPS];
                    for (p, tap) in column_taps.iter_mut().enumerate() {
                        let mut values = [T::ZERO; LANES];
                        for (value, kernel) in values.iter_mut().zip(kernels.chunks_exact(taps)) {
                            *value = kernel[p * TAPS + q];
                        }
                        *tap = load::<S, T>(&values, 0);
                    }
                    *column = kernel_points::<S, T>(simd, &factors, column_taps);
                }
                let rows = (0..SEEN).map(|a| columns.map(|column| column[a]));
                for (a, row) in rows.enumerate() {
                    for (b, point) in kernel_points::<S, T>(simd, &factors, row).iter().enumerate() {
                        let line = (a * SEEN + b) * channels + channel;
                        let at = line * depth + part * lanes;
                        if count == lanes {
                            store::<S, T>(out, at, *point);
                            continue;
                        }
                        let mut values = [T::ZERO; LANES];
                        store::<S, T>(&mut values, 0, *point);
                        out[at..][..count].copy_from_slice(&values[..count]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::im2col::Im2col;
    use super::super::window::{Padding, Window};
    use super::super::{PoolShape, Step};
    use super::*;
    use crate::memory::Memory;

    fn numbers<T: Real>(n: usize, seed: usize) -> Vec<T> {
        (0..n)
            .map(|i| T::from_f64(((i + seed) as f64 * 0.7).sin() * ((i * seed) as f64 * 0.031).cos()))
            .collect()
    }

    fn over(length: usize, kernel: usize, stride: usize, padding: Padding) -> Placed {
        Window { kernel, stride, dilation: 1, padding }.over(length).unwrap()
    }

    fn shape(batch: usize, channels: [usize; 2], image: [usize; 2]) -> ConvShape {
        let [in_channels, out_channels] = channels;
        let windows = image.map(|length| over(length, 3, 1, Padding::Same));
        ConvShape { batch, in_channels, out_channels, windows, training: false, memory: Memory::default() }
    }

    /// Returns the largest difference from the sums over taps, as a share of the largest of these.
    fn difference<T: Real>(shape: &ConvShape, epilogue: &Epilogue) -> f64 {
        let x = numbers::<T>(shape.batch * shape.in_size(), 3);
        let weight = numbers(shape.out_channels * shape.depth(), 5);
        let bias = numbers(shape.out_channels, 7);
        let size = shape.batch * shape.out_channels * epilogue.output(shape.out_plane());
        let [mut expected, mut y] = [vec![T::ZERO; size], vec![T::ZERO; size]];
        Im2col(shape).forward([&x, &weight, &bias], epilogue, &mut expected, &mut []);
        Winograd::of(shape, epilogue).unwrap().forward([&x, &weight, &bias], epilogue, &mut y);
        let largest = |values: &mut dyn Iterator<Item = f64>| values.map(f64::abs).fold(0.0, f64::max);
        let differences = largest(&mut expected.iter().zip(&y).map(|(a, b)| a.to_f64() - b.to_f64()));
        differences / largest(&mut expected.iter().map(|a| a.to_f64()))
    }

    #[test]
    fn outputs_are_the_sums_over_taps_for_every_size() {
        for (batch, channels, image) in [
            (4, [8, 1], [4, 15]),
            (5, [9, 8], [7, 15]),
            (7, [16, 13], [32, 65]),
            (9, [64, 20], [8, 16]),
            (16, [32, 9], [13, 27]),
            (33, [17, 3], [9, 31]),
        ] {
            let shape = shape(batch, channels, image);
            let pool = |rows: usize, columns: usize| {
                let windows = [
                    over(image[0], rows, rows, Padding::Valid),
                    over(image[1], columns, columns, Padding::Valid),
                ];
                Epilogue(vec![
                    Step::Affine(vec![(-0.7, 0.2); channels[1]]),
                    Step::Relu,
                    Step::Pool(PoolShape { windows }),
                ])
            };
            for epilogue in [Epilogue::default(), pool(2, 2), pool(2, 1), pool(3, 3)] {
                let (double, single) =
                    (difference::<f64>(&shape, &epilogue), difference::<f32>(&shape, &epilogue));
                assert!(double < 1e-13 && single < 1e-5, "{shape:?}: {double}, {single}");
            }
        }
    }

    #[test]
    fn training_small_batches_and_other_kernels_are_left_to_others() {
        let of = |shape: ConvShape| Winograd::of(&shape, &Epilogue::default()).is_some();
        let fits = || shape(8, [8, 8], [16, 16]);
        assert!(of(fits()));
        let mut wide = fits();
        wide.windows[1] = over(16, 5, 1, Padding::Same);
        let mut inside = fits();
        inside.windows[0] = over(16, 3, 1, Padding::Valid);
        for other in [
            ConvShape { training: true, ..fits() },
            ConvShape { batch: 3, ..fits() },
            ConvShape { in_channels: 1, ..fits() },
            shape(8, [8, 8], [1, 40]),
            wide,
            inside,
        ] {
            assert!(!of(other));
        }
    }
}
