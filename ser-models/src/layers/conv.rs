//! Convolutions over one axis and over two.

use super::fused::Fused;
use super::windows::shape_after;
use super::{Init, Padding};
use crate::kernels::Window;
use crate::layer::{
    ConvolutionParameters, Forward, Fusion, FusionKind, Layer, LayerError, Mode, Padded, checked_shape,
};
use crate::parameters::Scope;
use crate::setting::Settings;
use candle_core::Var;
use serde::{Deserialize, Serialize};

/// Settings of a [`Conv1d`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conv1dConfig {
    /// Output channels, 1 or more.
    pub filters: usize,
    /// Taps of the kernel, 1 or more.
    pub kernel_size: usize,
    /// Steps between neighbouring outputs, 1 or more.
    pub stride: usize,
    /// Steps between neighbouring taps, 1 or more.
    pub dilation: usize,
    /// Padding beyond the ends.
    pub padding: Padding,
    /// Initial weights; the bias starts at zero.
    pub init: Init,
}

impl Conv1dConfig {
    /// Stride 1, no dilation, same padding, Glorot uniform weights.
    pub fn new(filters: usize, kernel_size: usize) -> Self {
        Self {
            filters,
            kernel_size,
            stride: 1,
            dilation: 1,
            padding: Padding::Same,
            init: Init::GlorotUniform,
        }
    }
}

/// Settings of a [`Conv2d`], each for height and width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conv2dConfig {
    /// Output channels, 1 or more.
    pub filters: usize,
    /// Rows and columns of the kernel, 1 or more.
    pub kernel_size: [usize; 2],
    /// Rows and columns between neighbouring outputs, 1 or more.
    pub stride: [usize; 2],
    /// Rows and columns between neighbouring taps, 1 or more.
    pub dilation: [usize; 2],
    /// Padding beyond the edges. Causal is offered along the last axis only, which is time in this crate's models.
    pub padding: [Padding; 2],
    /// Initial weights; the bias starts at zero.
    pub init: Init,
}

impl Conv2dConfig {
    /// A kernel of `kernel_size` rows and columns, stride 1, no dilation, same padding, Glorot uniform weights.
    pub fn new(filters: usize, kernel_size: [usize; 2]) -> Self {
        Self {
            filters,
            kernel_size,
            stride: [1; 2],
            dilation: [1; 2],
            padding: [Padding::Same; 2],
            init: Init::GlorotUniform,
        }
    }
}

/// Convolution over `AXES` axes (as in PyTorch and Keras: a cross-correlation, the kernel is not flipped), with a bias: [`Conv1d`],
/// [`Conv2d`].
///
/// `y[b, o, i, j] = bias[o] + Σ_c Σ_p Σ_q weight[o, c, p, q] · x[b, c, i · stride_h + p · dilation_h − padding_top, j ·
/// stride_w + q · dilation_w − padding_left]`; over a sequence, i and p are left out. `x` is 0 outside the input, and after the
/// valid frames of a padded example.
///
/// Input [batch, channels, …], output [batch, filters, …] with each further axis as long as [`Padding`] says.
#[derive(Debug)]
pub struct Conv<const AXES: usize> {
    layer: &'static str,
    parameters: ConvolutionParameters,
}

/// [`Conv`] over a sequence: input [batch, channels, length].
pub type Conv1d = Conv<1>;

/// [`Conv`] over an image: input [batch, channels, height, width].
pub type Conv2d = Conv<2>;

impl Conv<1> {
    /// Makes `weight` of shape (filters, in_channels, kernel_size) and `bias` of shape (filters).
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0;
    /// [`LayerError::Parameter`] if a tensor cannot be made, e.g. because its name is taken.
    pub fn new(in_channels: usize, config: Conv1dConfig, scope: &Scope<'_>) -> Result<Self, LayerError> {
        let Conv1dConfig { filters, kernel_size, stride, dilation, padding, init } = config;
        let window = Window { kernel: kernel_size, stride, dilation, padding };
        Self::of("Conv1d", (in_channels, filters), [window], init, scope)
    }
}

impl Conv<2> {
    /// Makes `weight` of shape (filters, in_channels, kernel height, kernel width) and `bias` of shape (filters).
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0 or the padding of the height causal;
    /// [`LayerError::Parameter`] if a tensor cannot be made, e.g. because its name is taken.
    pub fn new(in_channels: usize, config: Conv2dConfig, scope: &Scope<'_>) -> Result<Self, LayerError> {
        let Conv2dConfig { filters, kernel_size, stride, dilation, padding, init } = config;
        if padding[0] == Padding::Causal {
            let rule = "valid or same for the height";
            return Err(LayerError::setting("Conv2d", "padding", rule, "causal"));
        }
        let windows = std::array::from_fn(|axis| Window {
            kernel: kernel_size[axis],
            stride: stride[axis],
            dilation: dilation[axis],
            padding: padding[axis],
        });
        Self::of("Conv2d", (in_channels, filters), windows, init, scope)
    }
}

impl<const AXES: usize> Conv<AXES> {
    /// Makes the tensors, for a window over each axis except the channels.
    fn of(
        layer: &'static str,
        (in_channels, filters): (usize, usize),
        windows: [Window; AXES],
        init: Init,
        scope: &Scope<'_>,
    ) -> Result<Self, LayerError> {
        windows.iter().try_for_each(|window| Settings(layer).one_or_more(window.sizes()))?;
        Settings(layer).one_or_more([("in_channels", in_channels), ("filters", filters)])?;
        let mut shape = vec![filters, in_channels];
        shape.extend(windows.iter().map(|window| window.kernel));
        let weight = scope.weight("weight", &shape, init)?;
        let bias = scope.weight("bias", &[filters], Init::Zeros)?;
        let (windows, memory) = (windows.to_vec(), scope.memory());
        let parameters = ConvolutionParameters { weight, bias, in_channels, filters, windows, memory };
        Ok(Self { layer, parameters })
    }
}

impl<const AXES: usize> Layer for Conv<AXES> {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        checked_shape(self, x)?;
        Fused::single(self, x, mode)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        let ConvolutionParameters { in_channels, filters, windows, .. } = &self.parameters;
        shape_after(self.layer, windows, Some((*in_channels, *filters)), input)
    }

    fn kind(&self) -> &'static str {
        self.layer
    }

    fn weights(&self) -> Vec<&Var> {
        vec![&self.parameters.weight, &self.parameters.bias]
    }

    fn fusion(&self) -> Fusion<'_> {
        Fusion(FusionKind::Convolution(&self.parameters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::layers::gradient_check::{answer, check_layer, input, train, variable};
    use crate::layers::reference;
    use candle_core::{DType, Device, Tensor};
    use proptest::prelude::*;

    fn parameters(layer: &dyn Layer) -> &ConvolutionParameters {
        match layer.fusion().0 {
            FusionKind::Convolution(parameters) => parameters,
            other => panic!("{other:?} is no convolution"),
        }
    }

    /// Returns the largest difference of two tensors, relative to the largest value of the second if that is above 1.
    fn difference(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!(a.dims(), b.dims());
        let largest = |t: Tensor| {
            let t = t.abs().unwrap().flatten_all().unwrap();
            t.max(0).unwrap().to_scalar::<f64>().unwrap()
        };
        largest((a - b).unwrap()) / largest(b.clone()).max(1.0)
    }

    /// Returns the reference's output of a convolution.
    fn composition(conv: &dyn Layer, x: &Tensor) -> Tensor {
        reference::convolution(x, parameters(conv)).unwrap()
    }

    /// Checks every gradient of the layer for an input of this shape by finite differences, and outputs and gradients against the
    /// reference.
    fn check_convolution(conv: &dyn Layer, shape: &[usize]) {
        let ConvolutionParameters { bias, filters, .. } = parameters(conv);
        bias.set(&input(&[*filters], 9)).unwrap();
        check_layer("convolution", conv, &variable(shape, 1), None);
        check_against_composition(conv, shape);
    }

    /// Checks outputs and gradients against the reference.
    fn check_against_composition(conv: &dyn Layer, shape: &[usize]) {
        let ConvolutionParameters { weight, bias, .. } = parameters(conv);
        let x = variable(shape, 1);
        let (ours, theirs) = (train(conv, x.as_tensor(), 0), composition(conv, &x));
        assert!(difference(&ours, &theirs) < 1e-12);
        assert!(difference(&answer(conv, x.as_tensor()), &theirs) < 1e-12);
        let gradients = |y: Tensor| y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let (ours, theirs) = (gradients(ours), gradients(theirs));
        for var in [&x, weight, bias] {
            assert!(difference(ours.get(var).unwrap(), theirs.get(var).unwrap()) < 1e-12);
        }
    }

    mod over_a_sequence {
        use super::*;

        fn conv(in_channels: usize, config: Conv1dConfig) -> Conv1d {
            let parameters = Parameters::new(3, DType::F64);
            Conv1d::new(in_channels, config, &parameters.scope("conv")).unwrap()
        }

        #[test]
        fn gradients_are_correct_at_every_stride_padding_and_dilation() {
            for padding in [Padding::Valid, Padding::Same, Padding::Causal] {
                for stride in [1, 2, 3] {
                    for dilation in [1, 2, 3] {
                        for kernel_size in [1, 2, 3, 5] {
                            let config = Conv1dConfig {
                                stride,
                                dilation,
                                padding,
                                ..Conv1dConfig::new(3, kernel_size)
                            };
                            check_convolution(&conv(2, config), &[3, 2, 13]);
                        }
                    }
                }
            }
        }

        #[test]
        fn gradients_are_correct_when_the_window_is_longer_than_the_input() {
            for padding in [Padding::Same, Padding::Causal] {
                for (stride, dilation) in [(1, 1), (1, 4), (2, 3), (4, 1)] {
                    let config = Conv1dConfig { stride, dilation, padding, ..Conv1dConfig::new(2, 5) };
                    check_convolution(&conv(3, config), &[2, 3, 3]);
                }
            }
        }

        #[test]
        fn gradients_are_correct_where_the_work_is_split_into_tiles_and_blocks() {
            // With 9 clips a part has two, with 250 steps a tile has one clip, with 20 steps many, with 801 steps a clip has several tiles,
            // and 70 channels make two blocks.
            for shape in [[9, 2, 250], [40, 2, 20], [3, 2, 801], [2, 70, 251], [2, 90, 801]] {
                check_against_composition(&conv(shape[1], Conv1dConfig::new(3, 5)), &shape);
            }
        }

        #[test]
        fn a_causal_output_does_not_depend_on_later_inputs() {
            let config = Conv1dConfig { padding: Padding::Causal, dilation: 2, ..Conv1dConfig::new(2, 3) };
            let conv = conv(1, config);
            let x = input(&[1, 1, 12], 1);
            let changed = Tensor::cat(&[x.narrow(2, 0, 8).unwrap(), input(&[1, 1, 4], 2)], 2).unwrap();
            let first = |x: &Tensor| {
                let y = answer(&conv, x);
                y.narrow(2, 0, 8).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()
            };
            assert_eq!(first(&x), first(&changed));
        }

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(60))]
            #[test]
            fn any_shape_gives_what_the_composition_gives(
                batch in 1usize..40, channels in 1usize..4, length in 1usize..60, filters in 1usize..4,
                kernel in 1usize..7, stride in 1usize..4, dilation in 1usize..4, padding in 0usize..3,
            ) {
                let padding = [Padding::Valid, Padding::Same, Padding::Causal][padding];
                let config = Conv1dConfig { stride, dilation, padding, ..Conv1dConfig::new(filters, kernel) };
                prop_assume!(padding != Padding::Valid || length > (kernel - 1) * dilation);
                let conv = conv(channels, config);
                let x = input(&[batch, channels, length], 5);
                let ours = answer(&conv, &x);
                prop_assert!(difference(&ours, &composition(&conv, &x)) < 1e-12);
            }
        }

        #[test]
        fn settings_of_zero_and_wrong_channels_are_refused() {
            let parameters = Parameters::new(0, DType::F32);
            let build = |channels, config| Conv1d::new(channels, config, &parameters.scope("conv"));
            let error = build(1, Conv1dConfig { stride: 0, ..Conv1dConfig::new(4, 3) }).unwrap_err();
            assert_eq!(error.to_string(), "Conv1d: stride must be 1 or more, got 0");
            assert!(build(0, Conv1dConfig::new(4, 3)).is_err());
            assert!(build(1, Conv1dConfig::new(0, 3)).is_err());
            let conv = build(2, Conv1dConfig::new(4, 3)).unwrap();
            let error = conv.output_shape(&[3, 10]).unwrap_err();
            assert_eq!(error.to_string(), "Conv1d: each example must have shape [2, length], got [3, 10]");
            let empty = Tensor::zeros((0, 2, 10), DType::F32, &Device::Cpu).unwrap();
            assert!(conv.forward(&empty.into(), &mut Mode::Inference).is_err());
        }
    }

    mod over_an_image {
        use super::*;

        fn conv(in_channels: usize, config: Conv2dConfig) -> Conv2d {
            let parameters = Parameters::new(3, DType::F64);
            Conv2d::new(in_channels, config, &parameters.scope("conv")).unwrap()
        }

        #[test]
        fn gradients_are_correct_at_every_stride_padding_and_dilation() {
            use Padding::{Causal, Same, Valid};
            for padding in
                [[Valid, Valid], [Same, Same], [Valid, Same], [Same, Valid], [Same, Causal], [Valid, Causal]]
            {
                for stride in [[1, 1], [2, 1], [1, 3], [2, 2]] {
                    for dilation in [[1, 1], [2, 1], [1, 2], [2, 3]] {
                        for kernel_size in [[3, 3], [1, 2], [2, 1]] {
                            let config = Conv2dConfig {
                                stride,
                                dilation,
                                padding,
                                ..Conv2dConfig::new(2, kernel_size)
                            };
                            check_convolution(&conv(2, config), &[2, 2, 5, 7]);
                        }
                    }
                }
            }
        }

        #[test]
        fn gradients_are_correct_when_the_window_is_larger_than_the_input() {
            for padding in [[Padding::Same, Padding::Same], [Padding::Same, Padding::Causal]] {
                for (stride, dilation) in [([1, 1], [1, 1]), ([2, 3], [3, 2])] {
                    let config = Conv2dConfig { stride, dilation, padding, ..Conv2dConfig::new(2, [5, 4]) };
                    check_convolution(&conv(3, config), &[2, 3, 3, 2]);
                }
            }
        }

        #[test]
        fn gradients_are_correct_where_the_work_is_split_into_tiles_and_blocks() {
            // Several tiles in an image, which end within rows; several images in a tile; two blocks of input channels and two groups of
            // output channels.
            for shape in [[9, 2, 21, 43], [33, 3, 5, 7], [2, 50, 13, 37]] {
                check_against_composition(&conv(shape[1], Conv2dConfig::new(11, [3, 3])), &shape);
            }
        }

        #[test]
        fn a_causal_output_does_not_depend_on_later_inputs() {
            let padding = [Padding::Same, Padding::Causal];
            let conv = conv(1, Conv2dConfig { padding, dilation: [1, 2], ..Conv2dConfig::new(2, [3, 3]) });
            let x = input(&[1, 1, 4, 12], 1);
            let changed = Tensor::cat(&[x.narrow(3, 0, 8).unwrap(), input(&[1, 1, 4, 4], 2)], 3).unwrap();
            let first = |x: &Tensor| {
                let y = answer(&conv, x);
                y.narrow(3, 0, 8).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()
            };
            assert_eq!(first(&x), first(&changed));
        }

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(60))]
            #[test]
            fn any_shape_gives_what_the_composition_gives(
                batch in 1usize..12, channels in 1usize..4, size in [1usize..12, 1usize..40], filters in 1usize..4,
                kernel_size in [1usize..5, 1usize..5], stride in [1usize..4, 1usize..4],
                dilation in [1usize..3, 1usize..3], padding in [0usize..2, 0usize..3],
            ) {
                let padding = padding.map(|p| [Padding::Valid, Padding::Same, Padding::Causal][p]);
                let config = Conv2dConfig { stride, dilation, padding, ..Conv2dConfig::new(filters, kernel_size) };
                prop_assume!((0..2).all(|axis| {
                    padding[axis] != Padding::Valid || size[axis] > (kernel_size[axis] - 1) * dilation[axis]
                }));
                let conv = conv(channels, config);
                let x = input(&[batch, channels, size[0], size[1]], 5);
                let ours = answer(&conv, &x);
                prop_assert!(difference(&ours, &composition(&conv, &x)) < 1e-12);
            }
        }

        #[test]
        fn settings_out_of_range_and_wrong_shapes_are_refused() {
            let parameters = Parameters::new(0, DType::F32);
            let build = |channels, config| Conv2d::new(channels, config, &parameters.scope("conv"));
            let config = || Conv2dConfig::new(4, [3, 3]);
            let error = build(1, Conv2dConfig { dilation: [1, 0], ..config() }).unwrap_err();
            assert_eq!(error.to_string(), "Conv2d: dilation must be 1 or more, got 0");
            let error = build(1, Conv2dConfig { padding: [Padding::Causal; 2], ..config() }).unwrap_err();
            assert_eq!(error.to_string(), "Conv2d: padding must be valid or same for the height, got causal");
            assert!(build(0, config()).is_err());
            assert!(build(1, Conv2dConfig { filters: 0, ..config() }).is_err());
            let conv = build(2, Conv2dConfig { padding: [Padding::Valid; 2], ..config() }).unwrap();
            let error = conv.output_shape(&[3, 10, 10]).unwrap_err().to_string();
            assert_eq!(error, "Conv2d: each example must have shape [2, height, width], got [3, 10, 10]");
            let error = conv.output_shape(&[2, 2, 10]).unwrap_err().to_string();
            assert_eq!(error, "Conv2d: the input must have as many steps as the window spans, 3, got 2");
            assert!(conv.output_shape(&[2, 10]).is_err());
            assert!(conv.output_shape(&[2, 10, 0]).is_err());
        }
    }
}
