//! The loops around the instructions.

use super::instructions::Instructions;
use super::vnni::Vnni;
use super::{IntegerMatrix, shifted, step};
use crate::kernels::functions;
use crate::kernels::rows::{Finish, Rows};
use pulp::NullaryFnOnce;
use pulp::bytemuck::{Zeroable, bytes_of_mut, cast_slice, cast_slice_mut};
use pulp::x86::V3;

/// Arranges weights [columns, depth], with a scale for each row, if the processor has the instructions.
type LayOut = fn(&[i8], &[f32], usize) -> Option<Box<dyn IntegerMatrix>>;

/// One for each kind of instructions, the fastest first.
pub(super) const LAY_OUT: [LayOut; 2] = [lay_out::<Vnni>, lay_out::<V3>];

fn lay_out<I: Instructions>(values: &[i8], scales: &[f32], depth: usize) -> Option<Box<dyn IntegerMatrix>> {
    Some(Box::new(Matrix::new(I::new()?, values, scales, depth)))
}

/// Weights [columns, depth].
#[derive(Debug)]
struct Matrix<I: Instructions> {
    instructions: I,
    /// `panels[panel][k][column]` of `DEPTH` bytes each, with zeros after the last column and the last row.
    panels: Vec<[I::Packed; REGISTERS]>,
    /// The sum of each column's weights, times the shift of the rows.
    offsets: Vec<i32>,
    scales: Vec<f32>,
    /// Number of elements of a row, and of their groups of `DEPTH`.
    depth: usize,
    groups: usize,
}

/// Number of registers across a panel.
const REGISTERS: usize = 2;

impl<I: Instructions> Matrix<I> {
    /// Number of columns of a panel.
    const WIDTH: usize = REGISTERS * size_of::<I::Register>() / size_of::<i32>();

    fn new(instructions: I, values: &[i8], scales: &[f32], depth: usize) -> Self {
        let groups = depth.div_ceil(I::DEPTH);
        let padded = scales.len().next_multiple_of(Self::WIDTH);
        let mut panels = vec![Zeroable::zeroed(); padded / Self::WIDTH * groups];
        let (mut offsets, mut scales) = (vec![0; padded], scales.to_vec());
        scales.resize(padded, 0.0);
        for (column, row) in values.chunks_exact(depth).enumerate() {
            offsets[column] = row.iter().fold(0, |sum: i32, x| sum.wrapping_add(I::SHIFT * i32::from(*x)));
            let panel = &mut panels[column / Self::WIDTH * groups..][..groups];
            for (to, from) in panel.iter_mut().zip(row.chunks(I::DEPTH)) {
                let to = &mut bytes_of_mut(to)[column % Self::WIDTH * I::DEPTH..];
                to.iter_mut().zip(from).for_each(|(to, from)| *to = from.cast_unsigned());
            }
        }
        Self { instructions, panels, offsets, scales, depth, groups }
    }
}

impl<I: Instructions> IntegerMatrix for Matrix<I> {
    fn padded(&self) -> usize {
        self.scales.len()
    }

    fn product(&self, x: Rows<'_>, out: &mut [f32], out_stride: usize, bias: &[f32], finish: Finish) {
        self.instructions.vectorize(Product { matrix: self, x, out, out_stride, bias, finish });
    }
}

struct Product<'a, I: Instructions> {
    matrix: &'a Matrix<I>,
    x: Rows<'a>,
    out: &'a mut [f32],
    out_stride: usize,
    bias: &'a [f32],
    finish: Finish,
}

/// Returns the number of rows to multiply together if `left` rows are left.
#[inline(always)]
fn tile_rows<I: Instructions>(left: usize) -> usize {
    match left {
        12.. if I::ROWS >= 12 => 12,
        6.. => 6,
        3.. => 3,
        _ => 1,
    }
}

impl<I: Instructions> NullaryFnOnce for Product<'_, I> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { matrix, x, out, out_stride, bias, finish } = self;
        let (depth, groups, width) = (matrix.depth, matrix.groups, Matrix::<I>::WIDTH);
        let rows = out.len() / out_stride;
        // The rows of a tile are interleaved: the first group of each row, then the second of each, and so on.
        let (mut sides, mut steps) = (vec![0u32; rows * groups], vec![0f32; rows]);
        let mut elements = vec![0u32; groups];
        let mut row = 0;
        while row < rows {
            let height = tile_rows::<I>(rows - row);
            let tile = &mut sides[row * groups..][..height * groups];
            for i in 0..height {
                let x = &x.data[(row + i) * x.stride..][..depth];
                let (size, inverse) = step(x);
                steps[row + i] = size;
                let row = cast_slice_mut::<_, I::Element>(&mut elements);
                row.iter_mut().zip(x).for_each(|(to, x)| *to = I::element(shifted(x * inverse).to_bits()));
                tile[i..].iter_mut().step_by(height).zip(&elements).for_each(|(to, from)| *to = *from);
            }
            row += height;
        }
        for (panel, weights) in matrix.panels.chunks_exact(groups).enumerate() {
            let columns = panel * width..(panel + 1) * width;
            let columns = Columns {
                offsets: &matrix.offsets[columns.clone()],
                scales: &matrix.scales[columns.clone()],
                bias: &bias[columns],
                finish,
            };
            let mut row = 0;
            while row < rows {
                let height = tile_rows::<I>(rows - row);
                let x = &sides[row * groups..][..height * groups];
                let (steps, out) = (&steps[row..], &mut out[row * out_stride + panel * width..]);
                let tile = Tile { instructions: matrix.instructions, x, weights, steps, columns: &columns };
                match height {
                    12 if I::ROWS >= 12 => tile.multiply::<12>(out, out_stride),
                    6 => tile.multiply::<6>(out, out_stride),
                    3 => tile.multiply::<3>(out, out_stride),
                    _ => tile.multiply::<1>(out, out_stride),
                }
                row += height;
            }
        }
    }
}

/// The constants of a panel's columns.
struct Columns<'a> {
    offsets: &'a [i32],
    scales: &'a [f32],
    bias: &'a [f32],
    finish: Finish,
}

/// A few interleaved rows times one panel.
struct Tile<'a, I: Instructions> {
    instructions: I,
    x: &'a [u32],
    weights: &'a [[I::Packed; REGISTERS]],
    steps: &'a [f32],
    columns: &'a Columns<'a>,
}

impl<I: Instructions> Tile<'_, I> {
    /// Multiplies `M` rows.
    #[inline(always)]
    fn multiply<const M: usize>(self, out: &mut [f32], out_stride: usize) {
        let Self { instructions, x, weights, steps, columns } = self;
        let mut sums = [[I::Register::zeroed(); REGISTERS]; M];
        for (x, weights) in x.as_chunks::<M>().0.iter().zip(weights) {
            let mut unpacked = [I::Register::zeroed(); REGISTERS];
            for (unpacked, weights) in unpacked.iter_mut().zip(weights) {
                *unpacked = instructions.unpack(*weights);
            }
            for i in 0..M {
                for j in 0..REGISTERS {
                    sums[i][j] = instructions.dot(sums[i][j], x[i], unpacked[j]);
                }
            }
        }
        let Columns { offsets, scales, bias, finish } = columns;
        let (offsets, scales, bias) = (chunks(offsets), chunks(scales), chunks(bias));
        for (i, sums) in sums.iter().enumerate() {
            let out = out[i * out_stride..][..Matrix::<I>::WIDTH].as_chunks_mut().0;
            for (j, (out, sums)) in out.iter_mut().zip(chunks(cast_slice(sums))).enumerate() {
                *out = finished(*finish, *out, sums, &offsets[j], steps[i], &scales[j], &bias[j]);
            }
        }
    }
}

/// Number of elements that are processed together: one or two registers.
const LANES: usize = 16;

#[inline(always)]
fn chunks<T>(x: &[T]) -> &[[T; LANES]] {
    x.as_chunks().0
}

/// Converts sums to outputs. Arguments and result are arrays, so that the compiler sees that nothing overlaps.
#[inline(always)]
fn finished(
    finish: Finish,
    before: [f32; LANES],
    sums: &[i32; LANES],
    offsets: &[i32; LANES],
    step: f32,
    scales: &[f32; LANES],
    bias: &[f32; LANES],
) -> [f32; LANES] {
    let mut y = [0.0; LANES];
    for i in 0..LANES {
        y[i] = sums[i].wrapping_sub(offsets[i]) as f32 * (step * scales[i]) + bias[i];
    }
    if finish.add {
        y.iter_mut().zip(before).for_each(|(y, before)| *y += before);
    }
    if finish.gelu {
        y.iter_mut().for_each(|y| *y = functions::f32::gelu::<V3>(*y));
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize) -> impl Iterator<Item = f32> {
        (0..n).map(|i| ((i * 7919 + 13) % 1009) as f32 / 100.0 - 5.0)
    }

    /// Returns weights of all 256 values.
    fn weights(n: usize) -> Vec<i8> {
        (0..n).map(|i| ((i * 7919 + 13) % 256) as u8 as i8).collect()
    }

    /// Returns the products by each kind of instructions that the processor has, row by row.
    fn products(
        (weights, scales): (&[i8], &[f32]),
        depth: usize,
        x: Rows<'_>,
        rows: usize,
        bias: f32,
        finish: Finish,
    ) -> Vec<Vec<f32>> {
        let matrices = LAY_OUT.iter().filter_map(|lay_out| lay_out(weights, scales, depth));
        let product = |matrix: Box<dyn IntegerMatrix>| {
            let stride = matrix.padded() + 3;
            let mut out = vec![2.0; rows * stride];
            matrix.product(x, &mut out, stride, &vec![bias; matrix.padded()], finish);
            out.chunks_exact(stride).flat_map(|row| &row[..scales.len()]).copied().collect()
        };
        matrices.map(product).collect()
    }

    #[test]
    fn products_have_the_bits_of_whole_numbers_summed_one_by_one() {
        // The deepest sum exceeds 2²⁴, up to which `f32` represents every whole number.
        for (depth, columns) in [(1, 1), (2, 17), (3, 5), (40, 32), (301, 70), (4100, 3)] {
            let weights = if depth > 4000 { vec![-128; depth * columns] } else { weights(depth * columns) };
            let scales: Vec<f32> = (0..columns).map(|column| 0.003 * (1 + column % 7) as f32).collect();
            for rows in (1..31).chain([97]) {
                let stride = depth + rows % 3;
                let mut x: Vec<f32> = numbers(rows * stride).collect();
                if depth > 4000 {
                    x.iter_mut().for_each(|x| *x = x.abs() + 4.0);
                }
                for (add, gelu) in [(false, false), (true, false), (false, true), (true, true)] {
                    let rows_of_x = Rows { data: &x, stride };
                    let given =
                        products((&weights, &scales), depth, rows_of_x, rows, 0.7, Finish { add, gelu });
                    for (i, given) in given.iter().flat_map(|given| given.iter().enumerate()) {
                        let (row, column) = (&x[i / columns * stride..][..depth], i % columns);
                        let most = row.iter().fold(0f32, |most, x| most.max(x.abs()));
                        let whole = row.iter().map(|x| (x * (127.0 / most)).round_ties_even() as i32);
                        let column_of_weights = &weights[column * depth..][..depth];
                        let sum: i32 = whole.zip(column_of_weights).map(|(x, w)| x * i32::from(*w)).sum();
                        let product = sum as f32 * (most / 127.0 * scales[column]) + 0.7;
                        let sum = if add { 2.0 + product } else { product };
                        let wanted = if gelu { functions::f32::gelu::<V3>(sum) } else { sum };
                        assert_eq!(given.to_bits(), wanted.to_bits(), "{depth} x {columns}, {rows} rows");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_that_are_not_finite_give_nan_and_rows_of_zeros_the_bias() {
        let (depth, columns, rows) = (37, 20, 8);
        let mut x: Vec<f32> = numbers(rows * depth).collect();
        x[depth + 3] = f32::NAN;
        x[2 * depth + 36] = f32::INFINITY;
        x[3 * depth] = f32::NEG_INFINITY;
        x[4 * depth..][..depth].fill(0.0);
        let (weights, scales) = (weights(depth * columns), vec![0.1; columns]);
        let rows_of_x = Rows { data: &x, stride: depth };
        for given in products((&weights, &scales), depth, rows_of_x, rows, 0.7, Finish::default()) {
            for (row, given) in given.chunks_exact(columns).enumerate() {
                match row {
                    1..4 => assert!(given.iter().all(|y| y.is_nan()), "row {row}"),
                    4 => assert_eq!(given, [0.7; 20]),
                    _ => assert!(given.iter().all(|y| y.is_finite()), "row {row}"),
                }
            }
        }
    }
}
