//! The largest value and the mean of moving windows, and of whole channels.

use super::kernels::{Gradients, Operation, PoolShape, Real, apply1};
use super::padding::{Placed, Window};
use super::unfold::{as_image, unfold};
use super::{Layer, LayerError, Mode, Padding};
use candle_core::{Result as CandleResult, Shape, Tensor};

/// The largest value in a window that moves over `AXES` axes: [`MaxPool1d`], [`MaxPool2d`]. Its gradient goes to the
/// first of equal values, in row-major order.
///
/// Input [batch, channels, …], output [batch, channels, …] with each further axis as long as [`Padding`] says. Nothing
/// beyond the ends is ever the largest.
#[derive(Debug)]
pub struct MaxPool<const AXES: usize>(pub(super) Pooling<AXES>);

/// [`MaxPool`] over a sequence: input [batch, channels, length].
pub type MaxPool1d = MaxPool<1>;

/// [`MaxPool`] over an image: input [batch, channels, height, width].
pub type MaxPool2d = MaxPool<2>;

impl MaxPool<1> {
    /// A window of `pool_size` steps that moves by `stride`; the two may differ. [`Padding::Causal`] is not offered.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0 or the padding causal.
    pub fn new(pool_size: usize, stride: usize, padding: Padding) -> Result<Self, LayerError> {
        Ok(Self(Pooling::new("MaxPool1d", Kind::Max, [pool_size], [stride], padding)?))
    }
}

impl MaxPool<2> {
    /// A window of `pool_size` rows and columns that moves by `stride` rows and columns; the two may differ.
    /// [`Padding::Causal`] is not offered.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0 or the padding causal.
    pub fn new(pool_size: [usize; 2], stride: [usize; 2], padding: Padding) -> Result<Self, LayerError> {
        Ok(Self(Pooling::new("MaxPool2d", Kind::Max, pool_size, stride, padding)?))
    }
}

/// The mean of a window that moves over `AXES` axes: [`AvgPool1d`], [`AvgPool2d`].
///
/// Input [batch, channels, …], output [batch, channels, …] with each further axis as long as [`Padding`] says. What lies
/// beyond the ends does not count, as in Keras; PyTorch counts its padding as zeros unless told otherwise.
#[derive(Debug)]
pub struct AvgPool<const AXES: usize>(Pooling<AXES>);

/// [`AvgPool`] over a sequence: input [batch, channels, length].
pub type AvgPool1d = AvgPool<1>;

/// [`AvgPool`] over an image: input [batch, channels, height, width].
pub type AvgPool2d = AvgPool<2>;

impl AvgPool<1> {
    /// A window of `pool_size` steps that moves by `stride`; the two may differ. [`Padding::Causal`] is not offered.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0 or the padding causal.
    pub fn new(pool_size: usize, stride: usize, padding: Padding) -> Result<Self, LayerError> {
        Ok(Self(Pooling::new("AvgPool1d", Kind::Mean, [pool_size], [stride], padding)?))
    }
}

impl AvgPool<2> {
    /// A window of `pool_size` rows and columns that moves by `stride` rows and columns; the two may differ.
    /// [`Padding::Causal`] is not offered.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0 or the padding causal.
    pub fn new(pool_size: [usize; 2], stride: [usize; 2], padding: Padding) -> Result<Self, LayerError> {
        Ok(Self(Pooling::new("AvgPool2d", Kind::Mean, pool_size, stride, padding)?))
    }
}

/// The largest value of each channel: input [batch, channels, …] with one or more further axes, output [batch,
/// channels]. Its gradient goes to the first of equal values.
#[derive(Debug, Clone, Copy)]
pub struct GlobalMaxPool;

/// The mean of each channel: input [batch, channels, …] with one or more further axes, output [batch, channels].
#[derive(Debug, Clone, Copy)]
pub struct GlobalAvgPool;

macro_rules! moving {
    ($($layer:ident),*) => {$(
        impl<const AXES: usize> Layer for $layer<AXES> {
            fn forward(&self, x: &Tensor, _mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
                self.0.forward(x)
            }

            fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
                self.0.output_shape(input)
            }

            fn kind(&self) -> &'static str {
                self.0.layer
            }
        }
    )*};
}

moving!(MaxPool, AvgPool);

macro_rules! global {
    ($($layer:ident $name:literal $kind:expr),*) => {$(
        impl Layer for $layer {
            fn forward(&self, x: &Tensor, _mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
                global($name, $kind, x)
            }

            fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
                global_shape($name, input)
            }

            fn kind(&self) -> &'static str {
                $name
            }
        }
    )*};
}

global!(GlobalMaxPool "GlobalMaxPool" Kind::Max, GlobalAvgPool "GlobalAvgPool" Kind::Mean);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Max,
    Mean,
}

#[derive(Debug)]
pub(super) struct Pooling<const AXES: usize> {
    layer: &'static str,
    kind: Kind,
    windows: [Window; AXES],
}

impl<const AXES: usize> Pooling<AXES> {
    fn new(
        layer: &'static str,
        kind: Kind,
        size: [usize; AXES],
        stride: [usize; AXES],
        padding: Padding,
    ) -> Result<Self, LayerError> {
        if padding == Padding::Causal {
            return Err(LayerError::setting(layer, "padding", "must be valid or same", "causal"));
        }
        let windows = std::array::from_fn(|axis| Window {
            kernel: size[axis],
            stride: stride[axis],
            dilation: 1,
            padding,
        });
        windows.iter().try_for_each(|window: &Window| window.check(layer))?;
        Ok(Self { layer, kind, windows })
    }

    /// The windows over an example of this shape, as over an image.
    fn placed(&self, input: &[usize]) -> Result<[Placed; 2], LayerError> {
        if input.len() != AXES + 1 || input[0] == 0 {
            let axes = if AXES == 1 { "length" } else { "height, width" };
            return Err(LayerError::InputShape {
                layer: self.layer,
                expected: format!("[channels, {axes}]"),
                given: input.to_vec(),
            });
        }
        let mut placed = [Placed::SINGLE; 2];
        for ((placed, window), length) in placed[2 - AXES..].iter_mut().zip(&self.windows).zip(&input[1..]) {
            *placed = window.over(self.layer, *length)?;
        }
        Ok(placed)
    }

    pub(super) fn shape(&self, input: &[usize]) -> Result<PoolShape, LayerError> {
        Ok(PoolShape { windows: self.placed(input)? })
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        let placed = self.placed(input)?;
        let lengths = placed[2 - AXES..].iter().map(|window| window.output);
        Ok(std::iter::once(input[0]).chain(lengths).collect())
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, LayerError> {
        let (batch, rest) = match x.dims() {
            [] | [0, ..] => Err(LayerError::EmptyBatch { layer: self.layer, given: x.dims().to_vec() }),
            [batch, rest @ ..] => Ok((*batch, rest)),
        }?;
        let windows = self.placed(rest)?;
        let mut output = vec![batch];
        output.extend(self.output_shape(rest)?);
        if x.device().is_cpu() {
            Ok(apply1(x, Pool { kind: self.kind, shape: PoolShape { windows }, output: output.into() })?)
        } else {
            Ok(composed(x, self.kind, &windows)?.reshape(output)?)
        }
    }
}

fn global_shape(layer: &'static str, input: &[usize]) -> Result<Vec<usize>, LayerError> {
    if input.len() < 2 || input.contains(&0) {
        return Err(LayerError::InputShape {
            layer,
            expected: "[channels, length, …]".to_owned(),
            given: input.to_vec(),
        });
    }
    Ok(vec![input[0]])
}

fn global(layer: &'static str, kind: Kind, x: &Tensor) -> Result<Tensor, LayerError> {
    global_shape(layer, x.dims().get(1..).unwrap_or_default())?;
    let sequence = x.flatten_from(2)?;
    let length = sequence.dim(2)?;
    let window = Pooling::new(layer, kind, [length], [1], Padding::Valid)?;
    Ok(window.forward(&sequence)?.squeeze(2)?)
}

/// The operation on the CPU.
#[derive(Debug)]
struct Pool {
    kind: Kind,
    shape: PoolShape,
    output: Shape,
}

impl Operation<1> for Pool {
    const NAME: &'static str = "pooling";

    fn output_shape(&self) -> Shape {
        self.output.clone()
    }

    fn forward<T: Real>(&self, [x]: [&[T]; 1]) -> CandleResult<Vec<T>> {
        Ok(match self.kind {
            Kind::Max => self.shape.max(x),
            Kind::Mean => self.shape.mean(x),
        })
    }

    fn backward<T: Real>(
        &self,
        [x]: [&[T]; 1],
        y: &[T],
        dy: &[T],
        _: [bool; 1],
    ) -> CandleResult<Gradients<T, 1>> {
        Ok([Some(match self.kind {
            Kind::Max => self.shape.max_gradient(x, y, dy),
            Kind::Mean => self.shape.mean_gradient(dy),
        })])
    }
}

/// The same from Candle's own operations, as [batch, channels, height, width]. Candle's `max` would give every one of
/// equal values the whole gradient.
fn composed(x: &Tensor, kind: Kind, windows: &[Placed; 2]) -> CandleResult<Tensor> {
    let image = as_image(x)?;
    match kind {
        Kind::Max => {
            let seen = unfold(&image, windows, f64::NEG_INFINITY)?;
            let largest = seen.detach().argmax_keepdim(4)?;
            seen.contiguous()?.gather(&largest, 4)?.squeeze(4)
        }
        Kind::Mean => {
            let inside = unfold(&image.ones_like()?.detach(), windows, 0.0)?.sum(4)?;
            unfold(&image, windows, 0.0)?.sum(4)?.div(&inside)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, input};
    use candle_core::{DType, Device, Var};
    use proptest::prelude::*;

    fn values(tensor: &Tensor) -> Vec<f64> {
        tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    fn composition<const AXES: usize>(pool: &Pooling<AXES>, x: &Tensor) -> Tensor {
        composed(x, pool.kind, &pool.placed(&x.dims()[1..]).unwrap()).unwrap()
    }

    fn agree(ours: &Tensor, theirs: &Tensor) -> bool {
        let (ours, theirs) = (values(ours), values(theirs));
        ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-13 * b.abs().max(1.0))
    }

    fn check_pooling<const AXES: usize>(
        kind: Kind,
        size: [usize; AXES],
        stride: [usize; AXES],
        padding: Padding,
        shape: &[usize],
    ) {
        let pool = Pooling::new("pooling", kind, size, stride, padding).unwrap();
        let x = Var::from_tensor(&input(shape, 4)).unwrap();
        check("pooling", &[&x], || pool.forward(&x).unwrap());
        check("pooling, composed", &[&x], || composition(&pool, &x));
        assert!(agree(&pool.forward(&x).unwrap(), &composition(&pool, &x)));
    }

    #[test]
    fn gradients_are_right_at_every_size_stride_and_padding() {
        for (kind, padding) in [Kind::Max, Kind::Mean]
            .into_iter()
            .flat_map(|kind| [(kind, Padding::Valid), (kind, Padding::Same)])
        {
            for size in [1, 2, 3, 4] {
                for stride in [1, 2, 3, 5] {
                    check_pooling(kind, [size], [stride], padding, &[2, 3, 11]);
                    check_pooling(kind, [size, 2], [stride, 3], padding, &[2, 2, 5, 7]);
                }
            }
            check_pooling(kind, [2, 3], [1, 2], padding, &[2, 2, 4, 5]);
        }
    }

    #[test]
    fn gradients_are_right_over_whole_channels() {
        for shape in [&[2, 3, 7][..], &[2, 3, 5, 3]] {
            let x = Var::from_tensor(&input(shape, 4)).unwrap();
            for kind in [Kind::Max, Kind::Mean] {
                let forward = || global("global", kind, &x).unwrap();
                check("global pooling", &[&x], forward);
                let sequence = || x.flatten_from(2).unwrap();
                let length = sequence().dim(2).unwrap();
                let whole = Pooling::new("global", kind, [length], [1], Padding::Valid).unwrap();
                let composition = || composition(&whole, &sequence());
                check("global pooling, composed", &[&x], composition);
                assert!(agree(&forward(), &composition()));
            }
        }
        let x = Tensor::new(&[[[1.0f64, 2.0, 6.0], [-4.0, -2.0, -9.0]]], &Device::Cpu).unwrap();
        let answer = |layer: &dyn Layer| values(&layer.forward(&x, &mut Mode::Inference).unwrap());
        assert_eq!(answer(&GlobalMaxPool), [6.0, -2.0]);
        assert!((answer(&GlobalAvgPool)[0] - 3.0).abs() < 1e-15);
        assert_eq!(GlobalAvgPool.output_shape(&[4, 3, 5]).unwrap(), [4]);
        let error = GlobalMaxPool.output_shape(&[4]).unwrap_err().to_string();
        assert_eq!(error, "GlobalMaxPool: each example must have shape [channels, length, …], [4] was given");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn any_shape_gives_what_the_composition_gives(
            planes in [1usize..5, 1usize..5], lengths in [1usize..20, 1usize..20], size in [1usize..6, 1usize..6],
            stride in [1usize..6, 1usize..6], same: bool, largest: bool,
        ) {
            let padding = if same { Padding::Same } else { Padding::Valid };
            prop_assume!(same || (0..2).all(|axis| size[axis] <= lengths[axis]));
            let kind = if largest { Kind::Max } else { Kind::Mean };
            let pool = Pooling::new("pooling", kind, size, stride, padding).unwrap();
            let x = Var::from_tensor(&input(&[planes[0], planes[1], lengths[0], lengths[1]], 5)).unwrap();
            let (ours, theirs) = (pool.forward(&x).unwrap(), composition(&pool, &x));
            prop_assert!(agree(&ours, &theirs));
            let gradient = |y: Tensor| {
                y.sqr().unwrap().sum_all().unwrap().backward().unwrap().get(&x).unwrap().clone()
            };
            prop_assert!(agree(&gradient(ours), &gradient(theirs)));
        }
    }

    #[test]
    fn the_first_of_equal_values_gets_the_whole_gradient() {
        let gradient = |layer: &dyn Layer, x: &Var| {
            let y = layer.forward(x, &mut Mode::Inference).unwrap();
            values(y.sum_all().unwrap().backward().unwrap().get(x).unwrap())
        };
        let x = Var::new(&[[[0.0f32, 0.0, 0.0, 0.0, 2.0, 2.0]]], &Device::Cpu).unwrap();
        let pool = MaxPool1d::new(3, 3, Padding::Valid).unwrap();
        assert_eq!(gradient(&pool, &x), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let x = Var::new(&[[[[0.0f32, 2.0, 5.0], [2.0, 2.0, 5.0]]]], &Device::Cpu).unwrap();
        let pool = MaxPool2d::new([2, 2], [1, 1], Padding::Valid).unwrap();
        assert_eq!(gradient(&pool, &x), [0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_nan_is_handed_on() {
        let pool = MaxPool1d::new(3, 1, Padding::Valid).unwrap();
        for place in 0..3 {
            let mut x = [1.0f32, 0.5, 2.0];
            x[place] = f32::NAN;
            let x = Tensor::new(&[[x]], &Device::Cpu).unwrap();
            assert!(values(&pool.forward(&x, &mut Mode::Inference).unwrap())[0].is_nan());
        }
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        let pool = MaxPool1d::new(8, 8, Padding::Valid).unwrap();
        let error = pool.output_shape(&[4, 7]).unwrap_err().to_string();
        assert_eq!(error, "MaxPool1d: the window reaches over 8 steps, the input has only 7");
        let pool = AvgPool2d::new([2, 2], [2, 2], Padding::Valid).unwrap();
        let error = pool.output_shape(&[4, 7]).unwrap_err().to_string();
        assert_eq!(
            error,
            "AvgPool2d: each example must have shape [channels, height, width], [4, 7] was given"
        );
        assert!(pool.output_shape(&[4, 1, 7]).is_err());
        assert!(MaxPool1d::new(2, 2, Padding::Causal).is_err());
        assert!(AvgPool1d::new(2, 0, Padding::Valid).is_err());
        assert!(MaxPool2d::new([0, 2], [1, 1], Padding::Valid).is_err());
        let empty = Tensor::zeros((0, 2, 10), DType::F32, &Device::Cpu).unwrap();
        assert!(MaxPool1d::new(2, 2, Padding::Same).unwrap().forward(&empty, &mut Mode::Inference).is_err());
    }
}
