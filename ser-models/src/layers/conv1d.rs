//! Convolution over a sequence.

use super::kernels::{ConvShape, Real, contiguous_slice, with_slice};
use super::padding::Window;
use super::{Init, Layer, LayerError, Mode, Padding, checked_shape};
use crate::parameters::Scope;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result as CandleResult, Shape, Tensor, Var, bail};
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
pub struct Conv1d {
    weight: Var,
    bias: Var,
    in_channels: usize,
    filters: usize,
    window: Window,
}

impl Conv1d {
    /// Makes `weight` of shape (filters, in_channels, kernel_size) and `bias` of shape (filters).
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0.
    pub fn new(in_channels: usize, config: Conv1dConfig, scope: &mut Scope<'_>) -> Result<Self, LayerError> {
        let Conv1dConfig { filters, kernel_size, stride, dilation, padding, init } = config;
        let window = Window { kernel: kernel_size, stride, dilation, padding };
        window.check("Conv1d")?;
        for (setting, size) in [("in_channels", in_channels), ("filters", filters)] {
            if size == 0 {
                return Err(LayerError::setting("Conv1d", setting, "must be 1 or more", 0));
            }
        }
        let weight = scope.weight("weight", &[filters, in_channels, kernel_size], init)?;
        let bias = scope.weight("bias", &[filters], Init::Zeros)?;
        Ok(Self { weight, bias, in_channels, filters, window })
    }
}

impl Layer for Conv1d {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        checked_shape(self, x)?;
        let (weight, bias) = (mode.tensor(&self.weight), mode.tensor(&self.bias));
        let length = x.dim(2)?;
        let (pad_left, out_length) = self.window.over("Conv1d", length)?;
        if x.device().is_cpu() {
            let shape = ConvShape {
                batch: x.dim(0)?,
                in_channels: self.in_channels,
                in_length: length,
                out_channels: self.filters,
                out_length,
                kernel: self.window.kernel,
                stride: self.window.stride,
                dilation: self.window.dilation,
                pad_left,
            };
            Ok(x.contiguous()?.apply_op3(&weight, &bias, Convolve(shape))?)
        } else {
            Ok(composed(x, &weight, &bias, self.window, pad_left, out_length)?)
        }
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        match *input {
            [channels, length] if channels == self.in_channels => {
                Ok(vec![self.filters, self.window.over("Conv1d", length)?.1])
            }
            _ => Err(LayerError::InputShape {
                layer: "Conv1d",
                expected: format!("[{}, length]", self.in_channels),
                given: input.to_vec(),
            }),
        }
    }

    fn kind(&self) -> &'static str {
        "Conv1d"
    }

    fn vars(&self) -> Vec<&Var> {
        vec![&self.weight, &self.bias]
    }
}

/// The operation on the CPU: (x, weight, bias).
#[derive(Debug)]
struct Convolve(ConvShape);

impl Convolve {
    fn forward<T: Real>(
        &self,
        (s1, l1): (&CpuStorage, &Layout),
        (s2, l2): (&CpuStorage, &Layout),
        (s3, l3): (&CpuStorage, &Layout),
    ) -> CandleResult<CpuStorage> {
        let y = self.0.forward::<T>(
            contiguous_slice(s1, l1)?,
            contiguous_slice(s2, l2)?,
            contiguous_slice(s3, l3)?,
        );
        Ok(T::to_cpu_storage_owned(y))
    }

    fn backward<T: Real>(
        &self,
        x: &Tensor,
        weight: &Tensor,
        dy: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Tensor, Tensor)> {
        let shape = &self.0;
        let wanted = x.track_op();
        let (dx, dweight, dbias) = with_slice::<T, _>(x, |x| {
            with_slice::<T, _>(weight, |weight| {
                with_slice::<T, _>(dy, |dy| Ok(shape.backward(x, weight, dy, wanted)))
            })
        })?;
        let device = dy.device();
        let dx = dx.map(|dx| Tensor::from_vec(dx, x.shape(), device)).transpose()?;
        let dweight = Tensor::from_vec(dweight, weight.shape(), device)?;
        Ok((dx, dweight, Tensor::from_vec(dbias, shape.out_channels, device)?))
    }
}

impl CustomOp3 for Convolve {
    fn name(&self) -> &'static str {
        "ser-models-conv1d"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        let y = match s1 {
            CpuStorage::F32(_) => self.forward::<f32>((s1, l1), (s2, l2), (s3, l3))?,
            CpuStorage::F64(_) => self.forward::<f64>((s1, l1), (s2, l2), (s3, l3))?,
            _ => bail!("Conv1d works on f32 and f64"),
        };
        Ok((y, (self.0.batch, self.0.out_channels, self.0.out_length).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dweight, dbias) = match dy.dtype() {
            DType::F32 => self.backward::<f32>(x, weight, dy)?,
            _ => self.backward::<f64>(x, weight, dy)?,
        };
        Ok((dx, Some(dweight), Some(dbias)))
    }
}

/// The same from Candle's own operations whose gradients are right: a gather and a matrix product.
fn composed(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    window: Window,
    pad_left: usize,
    out_length: usize,
) -> CandleResult<Tensor> {
    let (batch, channels, length) = x.dims3()?;
    let filters = weight.dim(0)?;
    let padded = x.pad_with_zeros(2, pad_left, window.pad_right(length, pad_left, out_length))?;
    let positions = Tensor::new(window.positions(out_length), x.device())?;
    let seen = padded
        .index_select(&positions, 2)?
        .reshape((batch, channels, out_length, window.kernel))?
        .transpose(1, 2)?
        .reshape((batch * out_length, channels * window.kernel))?;
    let weight = weight.reshape((filters, channels * window.kernel))?;
    let y = seen.matmul(&weight.t()?)?.broadcast_add(bias)?;
    y.reshape((batch, out_length, filters))?.transpose(1, 2)?.contiguous()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::layers::gradient_check::{check, input};
    use candle_core::Device;
    use proptest::prelude::*;

    fn conv(in_channels: usize, config: Conv1dConfig) -> (Parameters, Conv1d) {
        let mut parameters = Parameters::new(3, DType::F64, &Device::Cpu);
        let conv = Conv1d::new(in_channels, config, &mut parameters.scope("conv")).unwrap();
        conv.bias.set(&input(&[conv.filters], 9)).unwrap();
        (parameters, conv)
    }

    /// Every gradient of the operation and of the composition at one setting.
    fn check_setting(shape: [usize; 3], config: Conv1dConfig) {
        let (_parameters, conv) = conv(shape[1], config);
        let x = Var::from_tensor(&input(&shape, 1)).unwrap();
        let vars = [&x, &conv.weight, &conv.bias];
        check("conv1d", &vars, || {
            conv.forward(&x, &mut Mode::Training(&mut crate::Generator::new(0))).unwrap()
        });
        let (pad_left, out_length) = conv.window.over("Conv1d", shape[2]).unwrap();
        let composition =
            || composed(&x, &conv.weight, &conv.bias, conv.window, pad_left, out_length).unwrap();
        check("conv1d, composed", &vars, composition);
        let y = conv.forward(&x, &mut Mode::Inference).unwrap();
        let difference = (y - composition()).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f64>().unwrap() < 1e-12);
    }

    #[test]
    fn gradients_are_right_at_every_stride_padding_and_dilation() {
        for padding in [Padding::Valid, Padding::Same, Padding::Causal] {
            for stride in [1, 2, 3] {
                for dilation in [1, 2] {
                    for kernel_size in [1, 2, 3, 5] {
                        let config =
                            Conv1dConfig { stride, dilation, padding, ..Conv1dConfig::new(3, kernel_size) };
                        check_setting([3, 2, 11], config);
                    }
                }
            }
        }
    }

    #[test]
    fn gradients_are_right_when_the_window_is_longer_than_the_input() {
        for padding in [Padding::Same, Padding::Causal] {
            for (stride, dilation) in [(1, 1), (1, 4), (2, 3), (4, 1)] {
                let config = Conv1dConfig { stride, dilation, padding, ..Conv1dConfig::new(2, 5) };
                check_setting([2, 3, 3], config);
            }
        }
    }

    #[test]
    fn gradients_are_right_where_the_work_is_split_into_blocks() {
        // 9 clips make two per part, 250 steps one clip per product and 70 channels two blocks of channels.
        check_setting([9, 2, 250], Conv1dConfig::new(2, 3));
        let (_parameters, conv) = conv(70, Conv1dConfig::new(3, 5));
        let x = input(&[2, 70, 251], 1);
        let (y, mut mode) =
            (composed(&x, &conv.weight, &conv.bias, conv.window, 2, 251).unwrap(), Mode::Inference);
        let difference =
            (conv.forward(&x, &mut mode).unwrap() - y).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f64>().unwrap() < 1e-10);
        let loss = |y: Tensor| y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let ours = loss(conv.forward(&x, &mut Mode::Training(&mut crate::Generator::new(0))).unwrap());
        let theirs = loss(composed(&x, &conv.weight, &conv.bias, conv.window, 2, 251).unwrap());
        let difference = (ours.get(&conv.weight).unwrap() - theirs.get(&conv.weight).unwrap()).unwrap();
        let scale = theirs.get(&conv.weight).unwrap().abs().unwrap().max_all().unwrap();
        let relative = difference.abs().unwrap().max_all().unwrap().div(&scale).unwrap();
        assert!(relative.to_scalar::<f64>().unwrap() < 1e-12);
    }

    #[test]
    fn a_causal_output_does_not_depend_on_later_inputs() {
        let config = Conv1dConfig { padding: Padding::Causal, dilation: 2, ..Conv1dConfig::new(2, 3) };
        let (_parameters, conv) = conv(1, config);
        let x = input(&[1, 1, 12], 1);
        let changed = Tensor::cat(&[x.narrow(2, 0, 8).unwrap(), input(&[1, 1, 4], 2)], 2).unwrap();
        let first = |x: &Tensor| {
            let y = conv.forward(x, &mut Mode::Inference).unwrap();
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
            let (_parameters, conv) = conv(channels, config);
            prop_assume!(padding != Padding::Valid || length > (kernel - 1) * dilation);
            let x = input(&[batch, channels, length], 5);
            let (pad_left, out_length) = conv.window.over("Conv1d", length).unwrap();
            let y = composed(&x, &conv.weight, &conv.bias, conv.window, pad_left, out_length).unwrap();
            let ours = conv.forward(&x, &mut Mode::Inference).unwrap();
            prop_assert_eq!(ours.dims(), y.dims());
            let difference = (ours - y).unwrap().abs().unwrap().max_all().unwrap();
            prop_assert!(difference.to_scalar::<f64>().unwrap() < 1e-12);
        }
    }

    #[test]
    fn settings_of_zero_and_wrong_channels_are_refused() {
        let mut parameters = Parameters::new(0, DType::F32, &Device::Cpu);
        let mut build = |channels, config| Conv1d::new(channels, config, &mut parameters.scope("conv"));
        let error = build(1, Conv1dConfig { stride: 0, ..Conv1dConfig::new(4, 3) }).unwrap_err();
        assert_eq!(error.to_string(), "Conv1d: stride must be 1 or more, 0 was given");
        assert!(build(0, Conv1dConfig::new(4, 3)).is_err());
        assert!(build(1, Conv1dConfig::new(0, 3)).is_err());
        let conv = build(2, Conv1dConfig::new(4, 3)).unwrap();
        let error = conv.output_shape(&[3, 10]).unwrap_err();
        assert_eq!(error.to_string(), "Conv1d: each example must have shape [2, length], [3, 10] was given");
    }
}
