//! What convolutions over one and over two axes share.

use super::kernels::{Chain, ConvShape, Gradients, Operation, Real, apply3};
use super::padding::{Placed, Window};
use super::unfold::{as_image, unfold};
use super::{Init, LayerError, Mode};
use crate::parameters::Scope;
use candle_core::{Result as CandleResult, Shape, Tensor, Var};

/// A convolution over `AXES` axes, 1 or 2, with a bias.
#[derive(Debug)]
pub(crate) struct Convolution<const AXES: usize> {
    pub(crate) weight: Var,
    pub(crate) bias: Var,
    layer: &'static str,
    in_channels: usize,
    filters: usize,
    windows: [Window; AXES],
}

impl<const AXES: usize> Convolution<AXES> {
    pub(crate) fn new(
        layer: &'static str,
        in_channels: usize,
        filters: usize,
        windows: [Window; AXES],
        init: Init,
        scope: &mut Scope<'_>,
    ) -> Result<Self, LayerError> {
        for window in &windows {
            window.check(layer)?;
        }
        for (setting, size) in [("in_channels", in_channels), ("filters", filters)] {
            if size == 0 {
                return Err(LayerError::setting(layer, setting, "must be 1 or more", 0));
            }
        }
        let mut shape = vec![filters, in_channels];
        shape.extend(windows.iter().map(|window| window.kernel));
        let weight = scope.weight("weight", &shape, init)?;
        let bias = scope.weight("bias", &[filters], Init::Zeros)?;
        Ok(Self { weight, bias, layer, in_channels, filters, windows })
    }

    /// The windows over an example of this shape, as over an image.
    pub(crate) fn placed(&self, input: &[usize]) -> Result<[Placed; 2], LayerError> {
        if input.len() != AXES + 1 || input[0] != self.in_channels {
            let axes = if AXES == 1 { "length" } else { "height, width" };
            return Err(LayerError::InputShape {
                layer: self.layer,
                expected: format!("[{}, {axes}]", self.in_channels),
                given: input.to_vec(),
            });
        }
        let mut placed = [Placed::SINGLE; 2];
        for ((placed, window), length) in placed[2 - AXES..].iter_mut().zip(&self.windows).zip(&input[1..]) {
            *placed = window.over(self.layer, *length)?;
        }
        Ok(placed)
    }

    pub(crate) fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        let placed = self.placed(input)?;
        let lengths = placed[2 - AXES..].iter().map(|window| window.output);
        Ok(std::iter::once(self.filters).chain(lengths).collect())
    }

    pub(crate) fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        let windows = match x.dims() {
            [] | [0, ..] => Err(LayerError::EmptyBatch { layer: self.layer, given: x.dims().to_vec() }),
            [_, rest @ ..] => self.placed(rest),
        }?;
        let (weight, bias) = (mode.tensor(&self.weight), mode.tensor(&self.bias));
        if x.device().is_cpu() {
            let batch = x.dim(0)?;
            let mut output = vec![batch];
            output.extend(self.output_shape(&x.dims()[1..])?);
            let shape =
                ConvShape { batch, in_channels: self.in_channels, out_channels: self.filters, windows };
            Ok(apply3(x, &weight, &bias, Convolve { shape, output: output.into() })?)
        } else {
            Ok(composed(x, &weight, &bias, &windows)?)
        }
    }
}

/// The operation on the CPU: (x, weight, bias).
#[derive(Debug)]
struct Convolve {
    shape: ConvShape,
    output: Shape,
}

impl Operation<3> for Convolve {
    const NAME: &'static str = "convolution";

    fn output_shape(&self) -> Shape {
        self.output.clone()
    }

    fn forward<T: Real>(&self, [x, weight, bias]: [&[T]; 3]) -> CandleResult<Vec<T>> {
        let mut y = vec![T::ZERO; self.output.elem_count()];
        self.shape.forward([x, weight, bias], &Chain::default(), &mut y, &mut []);
        Ok(y)
    }

    fn backward<T: Real>(
        &self,
        [x, weight, _]: [&[T]; 3],
        _y: &[T],
        dy: &[T],
        [input_wanted, ..]: [bool; 3],
    ) -> CandleResult<Gradients<T, 3>> {
        let mut dx = input_wanted.then(|| vec![T::ZERO; x.len()]);
        let chain = Chain::default();
        let (dweight, dbias) = self.shape.backward([x, weight], &chain, &[], dy, dx.as_deref_mut());
        Ok([dx, Some(dweight), Some(dbias)])
    }
}

/// The same from Candle's own operations whose gradients are right: gathers and a matrix product.
fn composed(x: &Tensor, weight: &Tensor, bias: &Tensor, windows: &[Placed; 2]) -> CandleResult<Tensor> {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Generator;
    use crate::layers::gradient_check::{check, input};

    /// The largest difference of two tensors, relative to the largest value of the second where that is above 1.
    pub(crate) fn difference(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!(a.dims(), b.dims());
        let largest = |t: Tensor| {
            let t = t.abs().unwrap().flatten_all().unwrap();
            t.max(0).unwrap().to_scalar::<f64>().unwrap()
        };
        largest((a - b).unwrap()) / largest(b.clone()).max(1.0)
    }

    /// The composition of a convolution.
    pub(crate) fn composition<const AXES: usize>(conv: &Convolution<AXES>, x: &Tensor) -> Tensor {
        composed(x, &conv.weight, &conv.bias, &conv.placed(&x.dims()[1..]).unwrap()).unwrap()
    }

    /// Every gradient of the operation and of the composition for an input of this shape.
    pub(crate) fn check_convolution<const AXES: usize>(conv: &Convolution<AXES>, shape: &[usize]) {
        conv.bias.set(&input(&[conv.filters], 9)).unwrap();
        let x = Var::from_tensor(&input(shape, 1)).unwrap();
        let vars = [&x, &conv.weight, &conv.bias];
        check("convolution", &vars, || {
            conv.forward(&x, &mut Mode::Training(&mut Generator::new(0))).unwrap()
        });
        check("convolution, composed", &vars, || composition(conv, &x));
        let y = conv.forward(&x, &mut Mode::Inference).unwrap();
        assert!(difference(&y, &composition(conv, &x)) < 1e-12);
    }

    /// Outputs and gradients of a larger input against the composition's.
    pub(crate) fn check_against_composition<const AXES: usize>(conv: &Convolution<AXES>, shape: &[usize]) {
        let x = Var::from_tensor(&input(shape, 1)).unwrap();
        let ours = conv.forward(&x, &mut Mode::Training(&mut Generator::new(0))).unwrap();
        let theirs = composition(conv, &x);
        assert!(difference(&ours, &theirs) < 1e-12);
        let gradients = |y: Tensor| y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let (ours, theirs) = (gradients(ours), gradients(theirs));
        for var in [&x, &conv.weight, &conv.bias] {
            assert!(difference(ours.get(var).unwrap(), theirs.get(var).unwrap()) < 1e-12);
        }
    }
}
