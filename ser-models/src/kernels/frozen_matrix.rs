//! Products with large constant weights, as in the blocks of an encoder.
//!
//! Weights are arranged once in panels as wide as two registers, in their original element type. Before its products a part of a panel is
//! converted to `f32` in a buffer that stays in the cache for all rows. So memory is read in the small type, and sums are in `f32`. Each
//! element of a product is summed over the inner axis in order, independently of other rows, so the number of threads does not change a
//! bit.

use super::frozen_values::FrozenValues;
use super::integer_matrix::{IntegerMatrix, integer_matrix, round_row};
use super::rows::{Finish, Rows};
use super::{ForEachItem, functions};
use half::slice::HalfFloatSliceExt;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Number of registers across a panel.
const REGISTERS: usize = 2;
/// Number of inner elements that are summed before the next part of a panel is fetched. With two registers of 16 numbers a part has 32 KiB.
const PART: usize = 256;
/// Number of rows from which another thread pays.
const ROWS_PER_THREAD: usize = 24;

/// A constant matrix that multiplies rows: `y = x · weightᵀ + bias`.
///
/// With 8-bit weights, rows are rounded too: each to 255 steps between plus and minus its largest absolute value.
#[derive(Debug)]
pub(crate) struct FrozenMatrix {
    panels: Panels,
    /// The bias of each column, including columns of zeros.
    bias: Vec<f32>,
    depth: usize,
    /// Number of columns of a panel.
    width: usize,
}

/// The layout of the weights in memory.
#[derive(Debug)]
enum Panels {
    /// `data[panel][k][column]`, with zeros after the last column.
    Values(FrozenValues),
    Integers(Box<dyn IntegerMatrix>),
}

impl FrozenMatrix {
    /// Makes a matrix from weights [columns, depth] and a bias for each column.
    pub(crate) fn new(values: &FrozenValues, bias: &[f32], depth: usize) -> Self {
        Self::laid_out(values, bias, depth, true)
    }

    /// Like [`Self::new`], but uses integer products only if `integers` is true.
    fn laid_out(values: &FrozenValues, bias: &[f32], depth: usize, integers: bool) -> Self {
        struct Width;
        impl WithSimd for Width {
            type Output = usize;

            #[inline(always)]
            fn with_simd<S: Simd>(self, _simd: S) -> usize {
                REGISTERS * S::F32_LANES
            }
        }
        let (columns, width) = (bias.len(), Arch::new().dispatch(Width));
        assert_eq!(values.len(), columns * depth, "the weights are not [columns, depth]");
        let padded = |x: &[f32], width: usize| {
            let mut x = x.to_vec();
            x.resize(columns.next_multiple_of(width), 0.0);
            x
        };
        let panels = match values {
            FrozenValues::F32(values) => FrozenValues::F32(panels(values, depth, width)),
            FrozenValues::F16(values) => FrozenValues::F16(panels(values, depth, width)),
            FrozenValues::I8(values, scales) => {
                assert_eq!(scales.len(), columns, "there must be a scale for each row of weights");
                if let Some(matrix) = integer_matrix(values, scales, depth).filter(|_| integers) {
                    let (bias, width) = (padded(bias, matrix.padded()), matrix.padded());
                    return Self { panels: Panels::Integers(matrix), bias, depth, width };
                }
                FrozenValues::I8(panels(values, depth, width), padded(scales, width))
            }
        };
        Self { panels: Panels::Values(panels), bias: padded(bias, width), depth, width }
    }

    /// Number of columns including those of zeros, which is the number of elements that a product writes to each row.
    pub(crate) fn padded(&self) -> usize {
        self.bias.len()
    }

    /// Computes the product of as many rows as `out` has. Each is `out_stride` elements long, of which the first [`Self::padded`] are
    /// written. Uses all threads if that pays.
    pub(crate) fn product(&self, x: Rows<'_>, out: &mut [f32], out_stride: usize, finish: Finish) {
        assert!(self.padded() <= out_stride, "the rows of a product overlap");
        let rows = out.len() / out_stride;
        let threads = rayon::current_num_threads().min(rows.div_ceil(ROWS_PER_THREAD)).max(1);
        let share = rows.div_ceil(threads).next_multiple_of(12);
        let work = |(number, out): (usize, &mut [f32])| {
            let x = Rows { data: &x.data[number * share * x.stride..], ..x };
            match &self.panels {
                Panels::Integers(matrix) => matrix.product(x, out, out_stride, &self.bias, finish),
                Panels::Values(panels) => {
                    Arch::new().dispatch(Product { matrix: self, panels, x, out, out_stride, finish });
                }
            }
        };
        if threads == 1 {
            work((0, out));
        } else {
            out.par_chunks_mut(share * out_stride).enumerate().for_each_item(&work);
        }
    }

    /// Converts the elements `from..from + depth` of a panel to `f32`.
    #[inline(always)]
    fn expand(&self, panels: &FrozenValues, panel: usize, (from, depth): (usize, usize), to: &mut [f32]) {
        let width = self.width;
        let at = (panel * self.depth + from) * width..(panel * self.depth + from + depth) * width;
        match panels {
            FrozenValues::F32(values) => to.copy_from_slice(&values[at]),
            FrozenValues::F16(values) => values[at].convert_to_f32_slice(to),
            FrozenValues::I8(values, scales) => {
                let scales = &scales[panel * width..][..width];
                for (to, values) in to.chunks_exact_mut(width).zip(values[at].chunks_exact(width)) {
                    for ((to, value), scale) in to.iter_mut().zip(values).zip(scales) {
                        *to = f32::from(*value) * scale;
                    }
                }
            }
        }
    }
}

/// Arranges the transpose of [columns, depth] in panels.
fn panels<T: Copy + Default>(values: &[T], depth: usize, width: usize) -> Vec<T> {
    let columns = values.len() / depth.max(1);
    let mut data = vec![T::default(); columns.next_multiple_of(width) * depth];
    for (column, row) in values.chunks_exact(depth.max(1)).enumerate() {
        let panel = &mut data[column / width * depth * width + column % width..];
        panel.iter_mut().step_by(width).zip(row).for_each(|(to, from)| *to = *from);
    }
    data
}

struct Product<'a> {
    matrix: &'a FrozenMatrix,
    panels: &'a FrozenValues,
    x: Rows<'a>,
    out: &'a mut [f32],
    out_stride: usize,
    finish: Finish,
}

/// Returns the number of rows to multiply together if `left` rows are left: as many as there are registers for their sums.
#[inline(always)]
fn tile_rows<S: Simd>(left: usize) -> usize {
    match left {
        12.. if S::REGISTER_COUNT >= 32 => 12,
        6.. => 6,
        3.. => 3,
        _ => 1,
    }
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { matrix, panels, x, out, out_stride, finish } = self;
        let FrozenMatrix { depth, width, bias, .. } = matrix;
        let (depth, width) = (*depth, *width);
        let rows = out.len() / out_stride;
        // The rows of a tile are interleaved, so that one address is enough for all of them.
        let mut sides = vec![0.0; rows * depth];
        let mut rounded = if matches!(panels, FrozenValues::I8(..)) { vec![0.0; depth] } else { Vec::new() };
        let mut row = 0;
        while row < rows {
            let height = tile_rows::<S>(rows - row);
            let tile = &mut sides[row * depth..][..height * depth];
            for i in 0..height {
                let mut x = &x.data[(row + i) * x.stride..][..depth];
                if !rounded.is_empty() {
                    round_row(x, &mut rounded);
                    x = &rounded;
                }
                tile[i..].iter_mut().step_by(height).zip(x).for_each(|(to, from)| *to = *from);
            }
            row += height;
        }
        let mut buffer = vec![0.0; PART.min(depth) * width];
        for (panel, bias) in bias.chunks_exact(width).enumerate() {
            for from in (0..depth).step_by(PART) {
                let part = PART.min(depth - from);
                let weights = &mut buffer[..part * width];
                matrix.expand(panels, panel, (from, part), weights);
                let weights = S::as_simd_f32s(weights).0.as_chunks().0;
                // The sums of the first part start with the bias, those of later parts with the previous sums.
                let bias = (from == 0).then_some(bias);
                let add = from > 0 || finish.add;
                let mut row = 0;
                while row < rows {
                    let height = tile_rows::<S>(rows - row);
                    let x = &sides[row * depth + from * height..][..part * height];
                    let tile = Tile { x, weights, bias, add, out_stride };
                    let out = &mut out[row * out_stride + panel * width..];
                    match height {
                        12 if S::REGISTER_COUNT >= 32 => tile.multiply::<S, 12>(simd, out),
                        6 => tile.multiply::<S, 6>(simd, out),
                        3 => tile.multiply::<S, 3>(simd, out),
                        _ => tile.multiply::<S, 1>(simd, out),
                    }
                    row += height;
                }
            }
            if finish.gelu {
                for row in out.chunks_exact_mut(out_stride) {
                    row[panel * width..][..width].iter_mut().for_each(|y| *y = functions::f32::gelu::<S>(*y));
                }
            }
        }
    }
}

/// A few interleaved rows times a part of one panel.
struct Tile<'a, W> {
    x: &'a [f32],
    weights: &'a [[W; REGISTERS]],
    bias: Option<&'a [f32]>,
    /// Whether the products are added to the present values of the output.
    add: bool,
    out_stride: usize,
}

impl<W: Copy> Tile<'_, W> {
    /// Multiplies `M` rows.
    #[inline(always)]
    fn multiply<S: Simd<f32s = W>, const M: usize>(self, simd: S, out: &mut [f32]) {
        let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; M];
        if let Some(bias) = self.bias {
            let bias = &S::as_simd_f32s(bias).0[..REGISTERS];
            for sums in &mut sums {
                sums.copy_from_slice(bias);
            }
        }
        if self.add {
            for (i, sums) in sums.iter_mut().enumerate() {
                let out = &S::as_simd_f32s(&out[i * self.out_stride..]).0[..REGISTERS];
                for (sum, out) in sums.iter_mut().zip(out) {
                    *sum = simd.add_f32s(*sum, *out);
                }
            }
        }
        for (x, weights) in self.x.as_chunks::<M>().0.iter().zip(self.weights) {
            for i in 0..M {
                let x = simd.splat_f32s(x[i]);
                for j in 0..REGISTERS {
                    sums[i][j] = simd.mul_add_e_f32s(x, weights[j], sums[i][j]);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let out = &mut S::as_mut_simd_f32s(&mut out[i * self.out_stride..]).0[..REGISTERS];
            out.copy_from_slice(sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    fn number(i: usize) -> f32 {
        ((i * 7919 + 13) % 23) as f32 - 11.0
    }

    #[test]
    fn products_of_every_number_of_rows_and_every_type_are_exact() {
        for (depth, columns) in [(1, 1), (3, 5), (40, 32), (300, 70)] {
            let values: Vec<f32> = (0..columns * depth).map(number).collect();
            let bias: Vec<f32> = (0..columns).map(|column| number(column + 5)).collect();
            let scales: Vec<f32> = (0..columns).map(|column| 0.25 * (1 + column % 3) as f32).collect();
            let whole: Vec<i8> = values.iter().map(|x| *x as i8).collect();
            let scaled = values.iter().enumerate().map(|(i, x)| x * scales[i / depth]).collect();
            for (weights, expected) in [
                (FrozenValues::F32(values.clone()), &values),
                (FrozenValues::F16(values.iter().map(|x| f16::from_f32(*x)).collect()), &values),
                (FrozenValues::I8(whole, scales), &scaled),
            ] {
                let rounds = matches!(weights, FrozenValues::I8(..));
                let matrices = [true, false].map(|fast| FrozenMatrix::laid_out(&weights, &bias, depth, fast));
                for (matrix, rows) in
                    matrices.iter().flat_map(|m| (1..31).chain([97]).map(move |rows| (m, rows)))
                {
                    let out_stride = matrix.padded() + 3;
                    let stride = depth + rows % 3;
                    let mut x: Vec<f32> = (0..rows * stride).map(|i| number(i + 3)).collect();
                    if rounds {
                        // Rounding does not change a row of whole numbers whose largest absolute value is 127.
                        x.chunks_exact_mut(stride).for_each(|row| row[0] = 127.0);
                    }
                    for (add, gelu) in [(false, false), (true, false), (false, true), (true, true)] {
                        let finish = Finish { add, gelu };
                        let mut out = vec![2.0; rows * out_stride];
                        matrix.product(Rows { data: &x, stride }, &mut out, out_stride, finish);
                        for row in 0..rows {
                            for column in 0..columns {
                                let products =
                                    (0..depth).map(|k| x[row * stride + k] * expected[column * depth + k]);
                                let sum = products.sum::<f32>() + bias[column] + if add { 2.0 } else { 0.0 };
                                let wanted =
                                    if gelu { functions::f32::gelu::<pulp::Scalar>(sum) } else { sum };
                                let given = out[row * out_stride + column];
                                assert!(
                                    (given - wanted).abs() <= 1e-6 * wanted.abs().max(1.0),
                                    "{given} for {wanted}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn products_have_the_same_bits_on_any_number_of_threads() {
        let (depth, columns, rows) = (300, 64, 151);
        let numbers = |n: usize| (0..n).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<f32>>();
        let matrix =
            FrozenMatrix::new(&FrozenValues::F32(numbers(depth * columns)), &numbers(columns), depth);
        let x = numbers(rows * depth);
        let product = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = vec![0.0; rows * columns];
            pool.install(|| {
                matrix.product(
                    Rows { data: &x, stride: depth },
                    &mut out,
                    columns,
                    Finish { add: false, gelu: true },
                )
            });
            out
        };
        let one = product(1);
        assert!([2, 3, 5].into_iter().all(|threads| product(threads) == one));
    }

    #[test]
    fn rows_may_overlap_as_those_of_a_convolution_do() {
        let matrix = FrozenMatrix::new(&FrozenValues::F32(vec![1.0, 2.0, 4.0]), &[0.5], 3);
        let x: Vec<f32> = (0..7).map(|i| i as f32).collect();
        let mut out = vec![0.0; 5 * matrix.padded()];
        matrix.product(Rows { data: &x, stride: 1 }, &mut out, matrix.padded(), Finish::default());
        let column: Vec<f32> = out.iter().step_by(matrix.padded()).copied().collect();
        assert_eq!(column, [10.5, 17.5, 24.5, 31.5, 38.5]);
    }
}
