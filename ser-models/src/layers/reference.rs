//! Layers composed of Candle operations with correct gradients. Tests compare this crate's layers with them.

use crate::kernels::{Cell, Placed, Recurrence};
use crate::layer::{ConvolutionParameters, NormParameters};
use candle_core::{D, Device, Result as CandleResult, Tensor};

/// Returns the inputs of every window of `x` [batch, channels, height, width]: [batch, channels, output height, output width, taps]. Inputs
/// beyond the ends are `beyond`.
fn unfold(x: &Tensor, windows: &[Placed; 2], beyond: f64) -> CandleResult<Tensor> {
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

/// Returns `x` with `n` steps of `value` before its start or after its end.
fn padding(x: &Tensor, axis: usize, n: usize, value: f64, before: bool) -> CandleResult<Tensor> {
    if n == 0 {
        return Ok(x.clone());
    }
    let mut dims = x.dims().to_vec();
    dims[axis] = n;
    let beyond = Tensor::full(value as f32, dims, x.device())?.to_dtype(x.dtype())?;
    if before { Tensor::cat(&[&beyond, x], axis) } else { Tensor::cat(&[x, &beyond], axis) }
}

/// Returns a sequence [batch, channels, length] as an image of one row, and an image unchanged.
fn as_image(x: &Tensor) -> CandleResult<Tensor> {
    if x.rank() == 3 { x.unsqueeze(2) } else { Ok(x.clone()) }
}

/// Computes a convolution by gathering inputs and a matrix product.
pub(crate) fn convolution(x: &Tensor, parameters: &ConvolutionParameters) -> CandleResult<Tensor> {
    let mut windows = [Placed::SINGLE; 2];
    let axes = parameters.windows.len();
    for (axis, window) in parameters.windows.iter().enumerate() {
        windows[2 - axes + axis] = window.over(x.dims()[2 + axis]).unwrap();
    }
    let (weight, bias, windows) = (parameters.weight.as_tensor(), parameters.bias.as_tensor(), &windows);
    let (batch, filters) = (x.dim(0)?, weight.dim(0)?);
    let depth = weight.elem_count() / filters;
    let [height, width] = windows.map(|window| window.output);
    let seen = unfold(&as_image(x)?, windows, 0.0)?
        .permute((0, 2, 3, 1, 4))?
        .reshape((batch * height * width, depth))?;
    let y = seen.matmul(&weight.reshape((filters, depth))?.t()?)?.broadcast_add(bias)?;
    let y = y.reshape((batch, height * width, filters))?.transpose(1, 2)?.contiguous()?;
    if x.rank() == 3 { Ok(y) } else { y.reshape((batch, filters, height, width)) }
}

/// Returns the largest value, or the mean, of each window. Candle's `max` would pass the whole gradient to each of several equal values.
pub(crate) fn pooling(x: &Tensor, is_max: bool, windows: &[Placed; 2]) -> CandleResult<Tensor> {
    let image = as_image(x)?;
    if is_max {
        let seen = unfold(&image, windows, f64::NEG_INFINITY)?;
        let largest = seen.detach().argmax_keepdim(4)?;
        return seen.contiguous()?.gather(&largest, 4)?.squeeze(4);
    }
    let inside = unfold(&image.ones_like()?.detach(), windows, 0.0)?.sum(4)?;
    unfold(&image, windows, 0.0)?.sum(4)?.div(&inside)
}

/// Returns [batch, …, time] with zeros as each example's padding.
pub(crate) fn keep_valid(x: &Tensor, lengths: &[usize]) -> CandleResult<Tensor> {
    let time = x.dim(D::Minus1)?;
    let mut shape = vec![1; x.rank()];
    (shape[0], shape[x.rank() - 1]) = (lengths.len(), time);
    x.broadcast_mul(&frame_mask(lengths, time, x)?.reshape(shape)?)
}

/// Computes batch normalisation in training of examples whose valid frames are `lengths`. Returns (y, mean, biased variance, number of
/// values of a channel).
pub(crate) fn batch_norm(
    x: &Tensor,
    lengths: Option<&[usize]>,
    norm: &NormParameters,
) -> CandleResult<(Tensor, Tensor, Tensor, f64)> {
    let keep = |x: Tensor| lengths.map_or_else(|| Ok(x.clone()), |lengths| keep_valid(&x, lengths));
    let axes: Vec<usize> = (0..x.rank()).filter(|axis| *axis != 1).collect();
    let shape: Vec<usize> = (0..x.rank()).map(|axis| if axis == 1 { norm.channels } else { 1 }).collect();
    let mut n = x.elem_count() / norm.channels;
    if let Some(lengths) = lengths {
        n = n / (x.dim(0)? * x.dim(D::Minus1)?) * lengths.iter().sum::<usize>();
    }
    let mean = (keep(x.clone())?.sum_keepdim(&*axes)? / n as f64)?;
    let centred = keep(x.broadcast_sub(&mean)?)?;
    let variance = (centred.sqr()?.sum_keepdim(&*axes)? / n as f64)?;
    let scale = norm.weight.reshape(&*shape)?.div(&(&variance + norm.eps)?.sqrt()?)?;
    let y = keep(centred.broadcast_mul(&scale)?.broadcast_add(&norm.bias.reshape(&*shape)?)?)?;
    Ok((y, mean.flatten_all()?, variance.flatten_all()?, n as f64))
}

/// Computes one recurrent layer in one direction, step by step.
pub(crate) fn recurrence(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    sizes: &Recurrence,
) -> CandleResult<Tensor> {
    let (batch, time, units) = (sizes.lengths.len(), sizes.time, sizes.units);
    let device = x.device();
    let x = if sizes.reverse { reversed(x, &sizes.lengths)? } else { x.clone() };
    let input_weight = weight.narrow(1, 0, sizes.inputs)?.t()?;
    let state_weight = weight.narrow(1, sizes.inputs, units)?.t()?.contiguous()?;
    let shares = x.reshape((batch * time, sizes.inputs))?.matmul(&input_weight.contiguous()?)?;
    let shares = shares.broadcast_add(bias)?.reshape((batch, time, ()))?;
    let mut state = Tensor::zeros((batch, units), x.dtype(), device)?;
    let (mut cell, mut states) = (state.clone(), Vec::with_capacity(time));
    for step in 0..time {
        let a = (shares.narrow(1, step, 1)?.squeeze(1)? + state.matmul(&state_weight)?)?;
        let (new_cell, new_state) = match sizes.cell {
            Cell::Tanh => (cell.clone(), a.tanh()?),
            Cell::Lstm => {
                let gate = |number| a.narrow(1, number * units, units);
                let [i, f, o] = [sigmoid(&gate(0)?)?, sigmoid(&gate(1)?)?, sigmoid(&gate(3)?)?];
                let cell = ((f * &cell)? + (i * gate(2)?.tanh()?)?)?;
                let state = (o * cell.tanh()?)?;
                (cell, state)
            }
        };
        let inside: Vec<u8> = sizes.lengths.iter().map(|length| u8::from(*length > step)).collect();
        let inside = Tensor::from_vec(inside, (batch, 1), device)?.broadcast_as((batch, units))?;
        state = inside.where_cond(&new_state, &state)?;
        cell = inside.where_cond(&new_cell, &cell)?;
        if sizes.sequence {
            states.push(inside.where_cond(&new_state, &new_state.zeros_like()?)?);
        }
    }
    if !sizes.sequence {
        return Ok(state);
    }
    let states = Tensor::stack(&states, 1)?;
    if sizes.reverse { reversed(&states, &sizes.lengths) } else { Ok(states) }
}

pub(crate) fn sigmoid(x: &Tensor) -> CandleResult<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

/// Reverses the order of each clip's valid frames. The padding stays at the end.
fn reversed(x: &Tensor, lengths: &[usize]) -> CandleResult<Tensor> {
    let (batch, time, features) = x.dims3()?;
    let frames = lengths.iter().enumerate().flat_map(|(clip, length)| {
        (0..time).map(move |t| (clip * time + if t < *length { length - 1 - t } else { t }) as u32)
    });
    let frames = Tensor::from_vec(frames.collect::<Vec<_>>(), batch * time, &Device::Cpu)?;
    let frames = frames.to_device(x.device())?;
    x.reshape((batch * time, features))?.index_select(&frames, 0)?.reshape(x.shape())
}

/// Returns ones for the frames of each clip and zeros for its padding, [batch, time].
fn frame_mask(lengths: &[usize], time: usize, like: &Tensor) -> CandleResult<Tensor> {
    let inside = lengths.iter().flat_map(|length| (0..time).map(move |t| f64::from(u8::from(t < *length))));
    let mask = Tensor::from_vec(inside.collect::<Vec<_>>(), (lengths.len(), time), &Device::Cpu)?;
    mask.to_dtype(like.dtype())?.to_device(like.device())
}

/// Computes attention pooling with `weight`, `bias` and `vector`.
pub(crate) fn attention(
    x: &Tensor,
    lengths: Option<&[usize]>,
    [weight, bias, vector]: [&Tensor; 3],
) -> CandleResult<Tensor> {
    let (batch, time, features) = x.dims3()?;
    let hidden = x.reshape((batch * time, features))?.matmul(&weight.t()?)?.broadcast_add(bias)?.tanh()?;
    let mut scores = hidden.matmul(&vector.t()?)?.reshape((batch, time))?;
    if let Some(lengths) = lengths {
        scores = (scores + ((frame_mask(lengths, time, x)? - 1.0)? * 1e30)?)?;
    }
    let shares = scores.broadcast_sub(&scores.detach().max_keepdim(D::Minus1)?)?.exp()?;
    let shares = shares.broadcast_div(&shares.sum_keepdim(D::Minus1)?)?;
    shares.unsqueeze(1)?.matmul(&x.contiguous()?)?.squeeze(1)
}
