//! The transform from products at the points to outputs, with the largest of the outputs that pooling reads together.

use super::transforms::{Factors, load, output_points, store};
use super::{SEEN, STEP, Winograd};
use crate::kernels::Real;
use crate::kernels::taps::LANES;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Computes the outputs of some channels, beginning with channel `first`, from the products [points, channels, stride]. A tile gives `HIGH`
/// rows and `WIDE` columns: all outputs, or the largest of each pooling window.
pub(super) struct Outputs<'a, T, const HIGH: usize, const WIDE: usize> {
    pub(super) of: &'a Winograd<'a>,
    pub(super) rows: Range<usize>,
    pub(super) stride: usize,
    pub(super) products: &'a [T],
    pub(super) first: usize,
    pub(super) bias: &'a [T],
    /// Whether a channel's outputs are negated.
    pub(super) signs: &'a [bool],
    /// Rows and columns of a plane of `z` [clips, out_channels, rows, columns].
    pub(super) size: [usize; 2],
    pub(super) z: &'a mut [T],
}

impl<T: Real, const HIGH: usize, const WIDE: usize> WithSimd for Outputs<'_, T, HIGH, WIDE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { of, rows, stride, products, first, bias, signs, size: [height, width], z } = self;
        let (shape, factors) = (of.shape, Factors::new::<S, T>(simd));
        let lanes = size_of::<T::Lanes<S>>() / size_of::<T>();
        let (tiles, columns) = (of.tiles[1], rows.len() * of.tiles[1]);
        let size = columns + LANES;
        // For each output of a tile, one value for each tile.
        let mut outputs = shape.memory.buffer(HIGH * WIDE * size);
        for (clip, z) in z.chunks_exact_mut(shape.out_channels * height * width).enumerate() {
            let planes = z[first * height * width..].chunks_exact_mut(height * width);
            for (channel, ((own, turns), plane)) in bias.iter().zip(signs).zip(planes).enumerate() {
                let (own, sign) = match turns {
                    true => (T::ZERO - *own, factors.less_one),
                    false => (*own, factors.one),
                };
                let own = T::splat(simd, own);
                for at in (0..columns).step_by(lanes) {
                    let mut points = [[factors.one; SEEN]; STEP];
                    let line = &products[channel * stride + clip * columns + at..];
                    for b in 0..SEEN {
                        let mut column = [factors.one; SEEN];
                        for (a, product) in column.iter_mut().enumerate() {
                            *product = load::<S, T>(line, (a * SEEN + b) * bias.len() * stride);
                        }
                        let column = output_points::<S, T>(simd, &factors, column);
                        for (row, point) in points.iter_mut().zip(&column) {
                            row[b] = *point;
                        }
                    }
                    for (a, rows) in points.chunks_exact(STEP / HIGH).enumerate() {
                        let mut largest = [factors.one; STEP];
                        for (p, row) in rows.iter().enumerate() {
                            let row = output_points::<S, T>(simd, &factors, *row);
                            for (largest, output) in largest.iter_mut().zip(row) {
                                let output = T::multiply_add(simd, sign, output, own);
                                *largest = if p == 0 { output } else { T::larger(simd, *largest, output) };
                            }
                        }
                        for (b, columns) in largest.chunks_exact(STEP / WIDE).enumerate() {
                            let mut largest = columns[0];
                            for output in &columns[1..] {
                                largest = T::larger(simd, largest, *output);
                            }
                            store::<S, T>(&mut outputs, (a * WIDE + b) * size + at, largest);
                        }
                    }
                }
                for (number, row) in rows.clone().enumerate() {
                    for a in 0..HIGH.min(height.saturating_sub(row * HIGH)) {
                        let line = &outputs[a * WIDE * size + number * tiles..];
                        let lines: [&[T]; WIDE] = std::array::from_fn(|b| &line[b * size..][..tiles]);
                        interleave(lines, &mut plane[(row * HIGH + a) * width..][..width]);
                    }
                }
            }
        }
    }
}

/// Interleaves lines: the first number of each line, then the second of each, and so on. Elements of `to` after them are in no pooling
/// window and stay unchanged.
#[inline(always)]
fn interleave<T: Real, const WIDE: usize>(lines: [&[T]; WIDE], to: &mut [T]) {
    let tiles = lines[0].len();
    let (whole, rest) = to.as_chunks_mut::<WIDE>();
    let count = whole.len().min(tiles);
    let starts = lines.map(|line| &line[..count]);
    for (at, to) in whole[..count].iter_mut().enumerate() {
        *to = starts.map(|line| line[at]);
    }
    if count < tiles {
        for (to, line) in rest.iter_mut().zip(lines) {
            *to = line[count];
        }
    }
}
