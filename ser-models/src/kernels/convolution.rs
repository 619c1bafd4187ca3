//! Convolution over one or two axes with its epilogue and its gradients, by the algorithm that suits its sizes.

use super::batched_conv1d::BatchedConv1d;
use super::direct_conv2d::DirectConv2d;
use super::im2col::Im2col;
use super::winograd::Winograd;
use super::{ConvShape, Epilogue, Real};

/// Writes the output [batch, out_channels, …] of `x` [batch, in_channels, …], `weight` [out_channels, in_channels, …] and `bias`
/// [out_channels] to `y`, and its argmax if there is room for it.
pub(crate) fn convolve<T: Real>(
    shape: &ConvShape,
    inputs: [&[T]; 3],
    epilogue: &Epilogue,
    y: &mut [T],
    argmax: &mut [u8],
) {
    if let Some(convolution) = BatchedConv1d::of(shape) {
        convolution.forward(inputs, epilogue, y, argmax);
    } else if let Some(convolution) = Winograd::of(shape, epilogue) {
        convolution.forward(inputs, epilogue, y);
    } else if let Some(convolution) = DirectConv2d::of(shape) {
        convolution.forward(inputs, epilogue, y, argmax);
    } else {
        Im2col(shape).forward(inputs, epilogue, y, argmax);
    }
}

/// Returns the gradients for weight and bias from `dy`, the gradient for the output of [`convolve`], and its argmax. If `dx` exists, the
/// gradient for `x` is written to it.
pub(crate) fn convolve_backward<T: Real>(
    shape: &ConvShape,
    inputs: [&[T]; 2],
    epilogue: &Epilogue,
    argmax: &[u8],
    dy: &[T],
    dx: Option<&mut [T]>,
) -> (Vec<T>, Vec<T>) {
    match BatchedConv1d::of(shape) {
        Some(convolution) => convolution.backward(inputs, epilogue, argmax, dy, dx),
        None => Im2col(shape).backward(inputs, epilogue, argmax, dy, dx),
    }
}
