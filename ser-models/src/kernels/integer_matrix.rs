//! Products in whole numbers of eight bits, by the instructions that processors have for them (AVX-512 VNNI).
//!
//! Rows are rounded to 255 steps between plus and minus the largest of each, products are summed in `i32` without rounding, and both
//! scales are applied at the end. Where those instructions are missing, [`round_row`] brings a row to the same steps in `f32`.

/// The steps of a row on each side of zero.
const STEPS: f32 = 127.0;

/// The size of a row's step, and its inverse; NaN where an element is not finite.
#[inline(always)]
fn step(row: &[f32]) -> (f32, f32) {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (mut lanes, mut broken) = ([0f32; 16], [0f32; 16]);
    let (chunks, rest) = row.as_chunks::<16>();
    for chunk in chunks {
        for ((most, broken), x) in lanes.iter_mut().zip(&mut broken).zip(chunk) {
            *most = larger(*most, x.abs());
            *broken += *x * 0.0;
        }
    }
    let most = rest.iter().map(|x| x.abs()).chain(lanes).fold(0.0, larger);
    let broken = rest.iter().map(|x| x * 0.0).chain(broken).sum::<f32>();
    if most > 0.0 { (most / STEPS + broken, STEPS / most) } else { (broken, 0.0) }
}

/// A number whose last bits are x rounded to the nearest whole number, plus 128.
#[inline(always)]
fn shifted(x: f32) -> f32 {
    x + 8_388_736.0
}

/// Rounds a row to its steps.
#[inline(always)]
pub(super) fn round_row(row: &[f32], to: &mut [f32]) {
    let (step, inverse) = step(row);
    to.iter_mut().zip(row).for_each(|(to, x)| *to = (shifted(x * inverse) - 8_388_736.0) * step);
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) use missing::IntegerMatrix;
#[cfg(target_arch = "x86_64")]
pub(super) use vnni::IntegerMatrix;

#[cfg(not(target_arch = "x86_64"))]
mod missing {
    use crate::kernels::rows::{Finish, Rows};

    /// What cannot be made on this processor.
    #[derive(Debug)]
    pub(in super::super) enum IntegerMatrix {}

    impl IntegerMatrix {
        pub(in super::super) fn new(_: &[i8], _: &[f32], _: usize) -> Option<Self> {
            None
        }

        pub(in super::super) fn padded(&self) -> usize {
            match *self {}
        }

        pub(in super::super) fn product(&self, _: Rows<'_>, _: &mut [f32], _: usize, _: &[f32], _: Finish) {
            match *self {}
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod vnni {
    use super::{shifted, step};
    use crate::kernels::functions;
    use crate::kernels::rows::{Finish, Rows};
    use pulp::NullaryFnOnce;
    use std::arch::x86_64::{__m512i, _mm512_dpbusd_epi32, _mm512_set1_epi32};

    pulp::simd_type! {
        struct Vnni {
            avx512f: "avx512f",
            avx512bw: "avx512bw",
            avx512dq: "avx512dq",
            avx512vl: "avx512vl",
            fma: "fma",
            vnni: "avx512vnni",
        }
    }

    /// Columns of a panel: two registers of sums.
    const WIDTH: usize = 32;
    /// Bytes that one instruction multiplies for each sum.
    const DEPTH: usize = 4;

    /// Weights [columns, depth] in `i8`, laid out for rows in `u8`.
    #[derive(Debug)]
    pub(in super::super) struct IntegerMatrix {
        simd: Vnni,
        /// `panels[panel][k][column]` of four bytes each, zeros beyond the last column and the last row.
        panels: Vec<[[i32; WIDTH / 2]; 2]>,
        /// 128 times the sum of each column: what the rows' offset adds.
        offsets: Vec<i32>,
        scales: Vec<f32>,
        /// Elements of a row, and those rounded up to fours in fours.
        depth: usize,
        fours: usize,
    }

    impl IntegerMatrix {
        /// Where the processor has the instructions.
        pub(in super::super) fn new(values: &[i8], scales: &[f32], depth: usize) -> Option<Self> {
            let simd = Vnni::try_new()?;
            let (columns, fours) = (scales.len(), depth.div_ceil(DEPTH));
            let padded = columns.next_multiple_of(WIDTH);
            let mut panels = vec![[[0; WIDTH / 2]; 2]; padded / WIDTH * fours];
            let (mut offsets, mut scales) = (vec![0; padded], scales.to_vec());
            scales.resize(padded, 0.0);
            for (column, row) in values.chunks_exact(depth).enumerate() {
                offsets[column] = 128 * row.iter().map(|x| i32::from(*x)).sum::<i32>();
                let (panel, place) = (column / WIDTH, column % WIDTH);
                for (k, four) in row.chunks(DEPTH).enumerate() {
                    let mut bytes = [0; DEPTH];
                    bytes.iter_mut().zip(four).for_each(|(to, from)| *to = from.cast_unsigned());
                    let to = &mut panels[panel * fours + k][place / (WIDTH / 2)];
                    to[place % (WIDTH / 2)] = i32::from_le_bytes(bytes);
                }
            }
            Some(Self { simd, panels, offsets, scales, depth, fours })
        }

        /// The columns with those of zeros.
        pub(in super::super) fn padded(&self) -> usize {
            self.scales.len()
        }

        /// The products of as many rows as `out` has, on one thread.
        pub(in super::super) fn product(
            &self,
            x: Rows<'_>,
            out: &mut [f32],
            out_stride: usize,
            bias: &[f32],
            finish: Finish,
        ) {
            self.simd.vectorize(Product { matrix: self, x, out, out_stride, bias, finish });
        }
    }

    struct Product<'a> {
        matrix: &'a IntegerMatrix,
        x: Rows<'a>,
        out: &'a mut [f32],
        out_stride: usize,
        bias: &'a [f32],
        finish: Finish,
    }

    /// How many rows are multiplied together when so many are left.
    #[inline(always)]
    fn tile_rows(left: usize) -> usize {
        [12, 6, 3].into_iter().find(|rows| *rows <= left).unwrap_or(1)
    }

    impl NullaryFnOnce for Product<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Self { matrix, x, out, out_stride, bias, finish } = self;
            let (depth, fours) = (matrix.depth, matrix.fours);
            let rows = out.len() / out_stride;
            // The rows of a tile side by side, four bytes of each after those of the one before.
            let (mut sides, mut steps) = (vec![0u32; rows * fours], vec![0f32; rows]);
            let mut bytes = vec![0u8; fours * DEPTH];
            let mut row = 0;
            while row < rows {
                let height = tile_rows(rows - row);
                let tile = &mut sides[row * fours..][..height * fours];
                for i in 0..height {
                    let x = &x.data[(row + i) * x.stride..][..depth];
                    let (size, inverse) = step(x);
                    steps[row + i] = size;
                    bytes.iter_mut().zip(x).for_each(|(to, x)| *to = shifted(x * inverse).to_bits() as u8);
                    let (fours, _) = bytes.as_chunks::<DEPTH>();
                    let places = tile[i..].iter_mut().step_by(height);
                    places.zip(fours).for_each(|(to, four)| *to = u32::from_le_bytes(*four));
                }
                row += height;
            }
            for (panel, weights) in matrix.panels.chunks_exact(fours).enumerate() {
                let columns = panel * WIDTH..(panel + 1) * WIDTH;
                let columns = Columns {
                    offsets: &matrix.offsets[columns.clone()],
                    scales: &matrix.scales[columns.clone()],
                    bias: &bias[columns],
                    finish,
                };
                let mut row = 0;
                while row < rows {
                    let height = tile_rows(rows - row);
                    let x = &sides[row * fours..][..height * fours];
                    let (steps, out) = (&steps[row..], &mut out[row * out_stride + panel * WIDTH..]);
                    match height {
                        12 => tile::<12>(matrix.simd, x, weights, steps, &columns, out, out_stride),
                        6 => tile::<6>(matrix.simd, x, weights, steps, &columns, out, out_stride),
                        3 => tile::<3>(matrix.simd, x, weights, steps, &columns, out, out_stride),
                        _ => tile::<1>(matrix.simd, x, weights, steps, &columns, out, out_stride),
                    }
                    row += height;
                }
            }
        }
    }

    /// What belongs to the columns of a panel.
    struct Columns<'a> {
        offsets: &'a [i32],
        scales: &'a [f32],
        bias: &'a [f32],
        finish: Finish,
    }

    /// `M` rows side by side times one panel.
    #[inline(always)]
    fn tile<const M: usize>(
        simd: Vnni,
        x: &[u32],
        weights: &[[[i32; WIDTH / 2]; 2]],
        steps: &[f32],
        columns: &Columns<'_>,
        out: &mut [f32],
        out_stride: usize,
    ) {
        let mut sums = [[pulp::bytemuck::cast::<_, __m512i>([0i32; WIDTH / 2]); 2]; M];
        for (x, weights) in x.as_chunks::<M>().0.iter().zip(weights) {
            let weights = weights.map(pulp::bytemuck::cast::<_, __m512i>);
            for i in 0..M {
                for j in 0..2 {
                    sums[i][j] = dot(simd, sums[i][j], x[i], weights[j]);
                }
            }
        }
        let Columns { offsets, scales, bias, finish } = columns;
        for (i, sums) in sums.iter().enumerate() {
            let sums: [i32; WIDTH] = pulp::bytemuck::cast(*sums);
            let out = &mut out[i * out_stride..][..WIDTH];
            let rest = offsets.iter().zip(*scales).zip(*bias);
            for ((y, sum), ((offset, scale), bias)) in out.iter_mut().zip(sums).zip(rest) {
                let product = (sum - offset) as f32 * (steps[i] * scale) + bias;
                *y = if finish.add { *y + product } else { product };
            }
            if finish.gelu {
                out.iter_mut().for_each(|y| *y = functions::f32::gelu::<pulp::x86::V4>(*y));
            }
        }
    }

    /// Adds to each sum the products of the four bytes of `x` and those of a weight.
    #[inline(always)]
    #[allow(unsafe_code)]
    fn dot(_: Vnni, sums: __m512i, x: u32, weights: __m512i) -> __m512i {
        // SAFETY: there is a `Vnni` only where the processor has AVX-512F and AVX-512 VNNI, all that these two need.
        unsafe { _mm512_dpbusd_epi32(sums, _mm512_set1_epi32(x.cast_signed()), weights) }
    }
}
