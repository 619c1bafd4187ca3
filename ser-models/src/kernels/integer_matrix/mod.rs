//! Products of 8-bit integers, by the processor's instructions for them: AVX-512 VNNI or AVX2.
//!
//! Rows are rounded to 255 steps between plus and minus their largest absolute value. Products are summed in `i32` without rounding (up to
//! 2¹⁷ elements of a row), and both scales are applied at the end, so all instructions give the same bits. If a processor has neither,
//! [`round_row`] rounds a row to the same steps in `f32`.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod instructions;
#[cfg(target_arch = "x86_64")]
mod matrix;
#[cfg(target_arch = "x86_64")]
mod vnni;

use super::rows::{Finish, Rows};
use std::fmt::Debug;

/// Weights [columns, depth] in `i8`, arranged for certain instructions.
pub(super) trait IntegerMatrix: Debug + Send + Sync {
    /// Number of columns including those of zeros.
    fn padded(&self) -> usize;

    /// Computes the products of as many rows as `out` has, on one thread.
    fn product(&self, x: Rows<'_>, out: &mut [f32], out_stride: usize, bias: &[f32], finish: Finish);
}

/// Arranges the weights [columns, depth], with a scale for each row, for the best instructions of the processor. `None` if there are none.
#[cfg(target_arch = "x86_64")]
pub(super) fn integer_matrix(values: &[i8], scales: &[f32], depth: usize) -> Option<Box<dyn IntegerMatrix>> {
    matrix::LAY_OUT.iter().find_map(|lay_out| lay_out(values, scales, depth))
}

/// Returns `None`, because there are no such instructions on this processor.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn integer_matrix(_: &[i8], _: &[f32], _: usize) -> Option<Box<dyn IntegerMatrix>> {
    None
}

/// Number of a row's steps on each side of zero.
const STEPS: f32 = 127.0;

/// Returns the size of a row's step, and its inverse; NaN if an element is not finite.
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

/// Returns a number whose last bits are x, rounded to the nearest whole number, plus 128.
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
