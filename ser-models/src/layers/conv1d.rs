//! Convolution over a sequence.

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
    /// What lies beyond the ends.
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

/// Convolution over a sequence (as in PyTorch and Keras: a cross-correlation, the kernel is not flipped), with a bias:
///
/// `y[b, o, j] = bias[o] + Σ_c Σ_k weight[o, c, k] · x[b, c, j · stride + k · dilation − padding_left]`
///
/// Input [batch, channels, length], output [batch, filters, output length]; the length is [`Padding`]'s.
#[derive(Debug)]
pub struct Conv1d(ConvolutionParameters);

impl Conv1d {
    /// Makes `weight` of shape (filters, in_channels, kernel_size) and `bias` of shape (filters).
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0.
    pub fn new(in_channels: usize, config: Conv1dConfig, scope: &Scope<'_>) -> Result<Self, LayerError> {
        let Conv1dConfig { filters, kernel_size, stride, dilation, padding, init } = config;
        let window = Window { kernel: kernel_size, stride, dilation, padding };
        Ok(Self(convolution("Conv1d", (in_channels, filters), vec![window], init, scope)?))
    }
}

impl Layer for Conv1d {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        checked_shape(self, x)?;
        Fused::single(self, x, mode)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        output_shape("Conv1d", &self.0, input)
    }

    fn kind(&self) -> &'static str {
        "Conv1d"
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

    fn conv(in_channels: usize, config: Conv1dConfig) -> Conv1d {
        let parameters = Parameters::new(3, DType::F64, &Device::Cpu);
        Conv1d::new(in_channels, config, &parameters.scope("conv")).unwrap()
    }

    #[test]
    fn gradients_are_correct_at_every_stride_padding_and_dilation() {
        for padding in [Padding::Valid, Padding::Same, Padding::Causal] {
            for stride in [1, 2, 3] {
                for dilation in [1, 2, 3] {
                    for kernel_size in [1, 2, 3, 5] {
                        let config =
                            Conv1dConfig { stride, dilation, padding, ..Conv1dConfig::new(3, kernel_size) };
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
        // 9 clips make two per part, 250 steps one clip per tile, 20 steps many, 800 several tiles per clip, and 70
        // channels two blocks.
        check_convolution(&conv(2, Conv1dConfig::new(3, 3)), &[9, 2, 250]);
        for shape in [[40, 2, 20], [3, 2, 801], [2, 70, 251], [2, 90, 801]] {
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
        let parameters = Parameters::new(0, DType::F32, &Device::Cpu);
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
