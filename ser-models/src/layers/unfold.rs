//! What moving windows see, by Candle operations whose gradients are right: for devices other than the CPU.

use super::padding::Placed;
use candle_core::{Result as CandleResult, Tensor};

/// Of `x` [batch, channels, height, width] what every window sees: [batch, channels, output height, output width, taps],
/// `beyond` beyond the ends.
pub(crate) fn unfold(x: &Tensor, windows: &[Placed; 2], beyond: f64) -> CandleResult<Tensor> {
    let (batch, channels, ..) = x.dims4()?;
    let [rows, columns] = windows;
    let mut padded = x.clone();
    for (axis, window) in [(2, rows), (3, columns)] {
        padded = padding(&padded, axis, window.before, beyond, true)?;
        padded = padding(&padded, axis, window.after(), beyond, false)?;
    }
    let positions = |window: &Placed| Tensor::new(window.positions(), x.device());
    padded
        .index_select(&positions(rows)?, 2)?
        .index_select(&positions(columns)?, 3)?
        .reshape(vec![batch, channels, rows.output, rows.kernel, columns.output, columns.kernel])?
        .transpose(3, 4)?
        .reshape((batch, channels, rows.output, columns.output, rows.kernel * columns.kernel))
}

/// `x` with `n` steps of `value` before its start, or after its end.
fn padding(x: &Tensor, axis: usize, n: usize, value: f64, before: bool) -> CandleResult<Tensor> {
    if n == 0 {
        return Ok(x.clone());
    }
    let mut dims = x.dims().to_vec();
    dims[axis] = n;
    let beyond = Tensor::full(value as f32, dims, x.device())?.to_dtype(x.dtype())?;
    if before { Tensor::cat(&[&beyond, x], axis) } else { Tensor::cat(&[x, &beyond], axis) }
}

/// A sequence [batch, channels, length] as an image of one row; an image as it is.
pub(crate) fn as_image(x: &Tensor) -> CandleResult<Tensor> {
    if x.rank() == 3 { x.unsqueeze(2) } else { Ok(x.clone()) }
}
