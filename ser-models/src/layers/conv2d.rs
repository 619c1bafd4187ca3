//! Convolution over an image.

use super::convolution::{convolution, output_shape};
use super::fused::Fused;
use super::{Init, Padding};
use crate::kernels::Window;
use crate::layer::{
    ConvolutionParameters, Forward, Fusion, FusionKind, Layer, LayerError, Mode, Padded, checked_shape,
};
use crate::parameters::Scope;
use candle_core::Var;
use serde::{Deserialize, Serialize};

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
    /// What lies beyond the edges. Causal is offered along the last axis only, which is time in this crate's models.
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

/// Convolution over an image (as in PyTorch and Keras: a cross-correlation, the kernel is not flipped), with a bias:
///
/// `y[b, o, i, j] = bias[o] + Σ_c Σ_p Σ_q weight[o, c, p, q] · x[b, c, i · stride_h + p · dilation_h − padding_top, j ·
/// stride_w + q · dilation_w − padding_left]`
///
/// Input [batch, channels, height, width], output [batch, filters, output height, output width]; each length is its
/// [`Padding`]'s.
#[derive(Debug)]
pub struct Conv2d(ConvolutionParameters);

impl Conv2d {
    /// Makes `weight` of shape (filters, in_channels, kernel height, kernel width) and `bias` of shape (filters).
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0 or the padding of the height causal.
    pub fn new(in_channels: usize, config: Conv2dConfig, scope: &Scope<'_>) -> Result<Self, LayerError> {
        let Conv2dConfig { filters, kernel_size, stride, dilation, padding, init } = config;
        if padding[0] == Padding::Causal {
            let rule = "must be valid or same for the height";
            return Err(LayerError::setting("Conv2d", "padding", rule, "causal"));
        }
        let window = |axis: usize| Window {
            kernel: kernel_size[axis],
            stride: stride[axis],
            dilation: dilation[axis],
            padding: padding[axis],
        };
        Ok(Self(convolution("Conv2d", (in_channels, filters), vec![window(0), window(1)], init, scope)?))
    }
}

impl Layer for Conv2d {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        checked_shape(self, x)?;
        Fused::single(self, x, mode)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        output_shape("Conv2d", &self.0, input)
    }

    fn kind(&self) -> &'static str {
        "Conv2d"
    }

    fn weights(&self) -> Vec<&Var> {
        vec![&self.0.weight, &self.0.bias]
    }

    fn fusion(&self) -> Fusion<'_> {
        Fusion(FusionKind::Convolution(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::layers::convolution::tests::{
        check_against_composition, check_convolution, composition, difference,
    };
    use crate::layers::gradient_check::{answer, input};
    use candle_core::{DType, Device, Tensor};
    use proptest::prelude::*;

    fn conv(in_channels: usize, config: Conv2dConfig) -> Conv2d {
        let parameters = Parameters::new(3, DType::F64, &Device::Cpu);
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
                        let config =
                            Conv2dConfig { stride, dilation, padding, ..Conv2dConfig::new(2, kernel_size) };
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
        // Several tiles in an image, with ends within rows; several images in a tile; two blocks of channels.
        for shape in [[9, 2, 21, 43], [33, 3, 5, 7], [2, 50, 13, 37]] {
            check_against_composition(&conv(shape[1], Conv2dConfig::new(3, [3, 3])), &shape);
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
        let parameters = Parameters::new(0, DType::F32, &Device::Cpu);
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
