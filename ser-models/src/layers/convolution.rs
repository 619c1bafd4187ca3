//! What convolutions over one and over two axes share.

use super::Init;
use super::windows::shape_after;
use crate::kernels::Window;
use crate::layer::{ConvolutionParameters, LayerError};
use crate::parameters::Scope;

/// Makes the tensors of a convolution with a window over each axis but the channels.
pub(super) fn convolution(
    layer: &'static str,
    (in_channels, filters): (usize, usize),
    windows: Vec<Window>,
    init: Init,
    scope: &Scope<'_>,
) -> Result<ConvolutionParameters, LayerError> {
    let channels = [("in_channels", in_channels), ("filters", filters)];
    let zero = channels.into_iter().find(|(_, size)| *size == 0).map(|(setting, _)| setting);
    if let Some(setting) = windows.iter().find_map(Window::zero).or(zero) {
        return Err(LayerError::setting(layer, setting, "must be 1 or more", 0));
    }
    let mut shape = vec![filters, in_channels];
    shape.extend(windows.iter().map(|window| window.kernel));
    let weight = scope.weight("weight", &shape, init)?;
    let bias = scope.weight("bias", &[filters], Init::Zeros)?;
    Ok(ConvolutionParameters { weight, bias, in_channels, filters, windows, memory: scope.memory() })
}

/// The shape that comes out of a convolution.
pub(super) fn output_shape(
    layer: &'static str,
    parameters: &ConvolutionParameters,
    input: &[usize],
) -> Result<Vec<usize>, LayerError> {
    let channels = (parameters.in_channels, parameters.filters);
    shape_after(layer, &parameters.windows, Some(channels), input)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::layer::{FusionKind, Layer};
    use crate::layers::gradient_check::{answer, check, check_layer, input, train, variable};
    use crate::layers::reference;
    use candle_core::Tensor;

    fn parameters(layer: &dyn Layer) -> &ConvolutionParameters {
        match layer.fusion().0 {
            FusionKind::Convolution(parameters) => parameters,
            other => panic!("{other:?} is no convolution"),
        }
    }

    /// The largest difference of two tensors, relative to the largest value of the second where that is above 1.
    pub(in crate::layers) fn difference(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!(a.dims(), b.dims());
        let largest = |t: Tensor| {
            let t = t.abs().unwrap().flatten_all().unwrap();
            t.max(0).unwrap().to_scalar::<f64>().unwrap()
        };
        largest((a - b).unwrap()) / largest(b.clone()).max(1.0)
    }

    /// The reference's output of a convolution.
    pub(in crate::layers) fn composition(conv: &dyn Layer, x: &Tensor) -> Tensor {
        reference::convolution(x, parameters(conv)).unwrap()
    }

    /// Every gradient of the layer and of the reference for an input of this shape.
    pub(in crate::layers) fn check_convolution(conv: &dyn Layer, shape: &[usize]) {
        let ConvolutionParameters { weight, bias, filters, .. } = parameters(conv);
        bias.set(&input(&[*filters], 9)).unwrap();
        let x = variable(shape, 1);
        check_layer("convolution", conv, &x, None);
        check("convolution, reference", &[&x, weight, bias], || composition(conv, &x));
        assert!(difference(&answer(conv, x.as_tensor()), &composition(conv, &x)) < 1e-12);
    }

    /// Outputs and gradients of a larger input against the reference's.
    pub(in crate::layers) fn check_against_composition(conv: &dyn Layer, shape: &[usize]) {
        let ConvolutionParameters { weight, bias, .. } = parameters(conv);
        let x = variable(shape, 1);
        let (ours, theirs) = (train(conv, x.as_tensor(), 0), composition(conv, &x));
        assert!(difference(&ours, &theirs) < 1e-12);
        let gradients = |y: Tensor| y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let (ours, theirs) = (gradients(ours), gradients(theirs));
        for var in [&x, weight, bias] {
            assert!(difference(ours.get(var).unwrap(), theirs.get(var).unwrap()) < 1e-12);
        }
    }
}
