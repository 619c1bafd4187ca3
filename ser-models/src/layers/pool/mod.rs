//! The largest value and the mean of moving windows, and of whole channels.

mod global;

pub use global::{GlobalAvgPool, GlobalMaxPool};

use super::Padding;
use super::windows::{fill_padding, lengths_after, place, sees_padding, shape_after};
use crate::kernels::{Placed, PoolShape, Real, Window};
use crate::layer::{
    Forward, Fusion, FusionKind, Layer, LayerError, Mode, Padded, checked_shape, elements, for_element_type,
    tensor,
};
use crate::setting::Settings;
use std::borrow::Cow;

/// The largest value in a window that moves over `AXES` axes: [`MaxPool1d`], [`MaxPool2d`]. Its gradient goes to the
/// first of equal values, in row-major order.
///
/// Input [batch, channels, …], output [batch, channels, …] with each further axis as long as [`Padding`] says. Padding
/// is never the largest, neither the window's nor that of padded clips. A clip that is shorter than a window with [`Padding::Valid`] is
/// pooled together with the padding after it.
#[derive(Debug)]
pub struct MaxPool<const AXES: usize>(Pooling<AXES>);

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
/// Input [batch, channels, …], output [batch, channels, …] with each further axis as long as [`Padding`] says. Padding is not counted in
/// the mean, as in Keras; PyTorch counts it as zeros by default.
/// Frames after a clip's valid ones are not counted either. A clip that is shorter than a window with [`Padding::Valid`] is averaged with
/// the padding after it, whatever its values are.
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

macro_rules! moving {
    ($($layer:ident),*) => {$(
        impl<const AXES: usize> Layer for $layer<AXES> {
            fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
                checked_shape(self, x)?;
                self.0.forward(x, mode)
            }

            fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
                self.0.output_shape(input)
            }

            fn kind(&self) -> &'static str {
                self.0.layer
            }

            fn fusion(&self) -> Fusion<'_> {
                self.0.fusion()
            }
        }
    )*};
}

moving!(MaxPool, AvgPool);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Max,
    Mean,
}

#[derive(Debug)]
struct Pooling<const AXES: usize> {
    layer: &'static str,
    kind: Kind,
    windows: [Window; AXES],
    /// Whether a window that reads padding at a clip's end uses the valid frames only.
    valid_only: bool,
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
            return Err(LayerError::setting(layer, "padding", "valid or same", "causal"));
        }
        let windows: [Window; AXES] = std::array::from_fn(|axis| Window {
            kernel: size[axis],
            stride: stride[axis],
            dilation: 1,
            padding,
        });
        windows.iter().try_for_each(|window| Settings(layer).one_or_more(window.sizes()))?;
        Ok(Self { layer, kind, windows, valid_only: padding == Padding::Same })
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        shape_after(self.layer, &self.windows, None, input)
    }

    fn forward(&self, x: &Padded, mode: &Mode<'_>) -> Result<Forward, LayerError> {
        for_element_type!(x.values(), self.run(x, mode))
    }

    /// Pools an input whose shape was checked.
    fn run<T: Real>(&self, x: &Padded, mode: &Mode<'_>) -> Result<Forward, LayerError> {
        let mut values = x.values().contiguous()?;
        let (input, kind) = (&x.dims()[1..], self.kind);
        let shape = PoolShape { windows: place(self.layer, &self.windows, None, input)? };
        let mut dims = vec![x.len()];
        dims.extend(self.output_shape(input)?);
        let (frames, columns) = (shape.windows[1].output, shape.windows[1]);
        x.check(self.layer, columns.input)?;
        let lengths = lengths_after(self.layer, &self.windows, x.lengths(), frames)?;
        let valid = x.lengths().zip(lengths.as_deref());
        let valid = valid.filter(|(own, after)| self.valid_only && sees_padding(&columns, own, after));
        let valid =
            valid.map(|(own, after)| ValidFrames { columns, own: own.to_vec(), after: after.to_vec() });
        if let Some(valid) = &valid {
            // These values change neither the largest value of a window nor its sum.
            let padding = if kind == Kind::Max { T::NEG_INFINITY } else { T::ZERO };
            let mut own = elements(&values)?.slice::<T>()?.to_vec();
            fill_padding(&mut own, x.dims(), &valid.own, padding);
            values = tensor(own, x.dims())?;
        }
        let mut y = {
            let x = elements(&values)?;
            match kind {
                Kind::Max => shape.max::<T>(x.slice()?),
                Kind::Mean => shape.mean(x.slice()?),
            }
        };
        if let Some(valid) = &valid {
            valid.keep(kind, &mut y, &dims);
        }
        let y = tensor(y, &dims[..])?;
        let output = Padded::of(y.clone(), lengths);
        Ok(Forward::of(mode.is_training(), output, move |dy, _, _| {
            let dy = dy.contiguous()?;
            let (x, y, dy) = (elements(&values)?, elements(&y)?, elements(&dy)?);
            let mut dy = Cow::Borrowed(dy.slice::<T>()?);
            if let Some(valid) = &valid {
                valid.keep(kind, dy.to_mut(), &dims);
            }
            let mut dx = match kind {
                Kind::Max => shape.max_gradient(x.slice()?, y.slice()?, &dy),
                Kind::Mean => shape.mean_gradient(&dy),
            };
            if let Some(valid) = &valid {
                fill_padding(&mut dx, values.dims(), &valid.own, T::ZERO);
            }
            Ok(Some(tensor(dx, values.dims())?))
        }))
    }

    fn fusion(&self) -> Fusion<'_> {
        match self.kind {
            Kind::Max => Fusion(FusionKind::MaxPool(&self.windows)),
            Kind::Mean => Fusion::default(),
        }
    }
}

/// The valid frames of clips before and after windows that read padding.
struct ValidFrames {
    columns: Placed,
    own: Vec<usize>,
    after: Vec<usize>,
}

impl ValidFrames {
    /// Rescales the means of windows that read padding, or the gradients for them, to the valid frames. Sets outputs after the valid frames
    /// to zero.
    fn keep<T: Real>(&self, kind: Kind, values: &mut [T], dims: &[usize]) {
        fill_padding(values, dims, &self.after, T::ZERO);
        if kind == Kind::Max {
            return;
        }
        let size: usize = dims[1..].iter().product();
        for ((example, own), after) in values.chunks_exact_mut(size).zip(&self.own).zip(&self.after) {
            for row in example.chunks_exact_mut(self.columns.output) {
                for (j, y) in row[..*after].iter_mut().enumerate() {
                    let seen = self.columns.range(j);
                    let valid = seen.end.min(*own) - seen.start;
                    if valid < seen.len() {
                        *y *= T::from_f64(seen.len() as f64 / valid as f64);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{answer, check, check_layer, train, values, variable};
    use crate::layers::reference;
    use candle_core::{DType, Device, Tensor, Var};
    use proptest::prelude::*;

    pub(super) fn composition<const AXES: usize>(pool: &Pooling<AXES>, x: &Tensor) -> Tensor {
        let windows = place("pooling", &pool.windows, None, &x.dims()[1..]).unwrap();
        let y = reference::pooling(x, pool.kind == Kind::Max, &windows).unwrap();
        if AXES == 1 { y.squeeze(2).unwrap() } else { y }
    }

    pub(super) fn agree(ours: &Tensor, theirs: &Tensor) -> bool {
        let (ours, theirs) = (values(ours), values(theirs));
        ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-13 * b.abs().max(1.0))
    }

    /// Makes a layer of either kind.
    fn layer<const AXES: usize>(pooling: Pooling<AXES>) -> Box<dyn Layer> {
        match pooling.kind {
            Kind::Max => Box::new(MaxPool(pooling)),
            Kind::Mean => Box::new(AvgPool(pooling)),
        }
    }

    fn check_pooling<const AXES: usize>(
        kind: Kind,
        size: [usize; AXES],
        stride: [usize; AXES],
        padding: Padding,
        shape: &[usize],
    ) {
        let pool = || Pooling::new("pooling", kind, size, stride, padding).unwrap();
        let x = variable(shape, 4);
        check_layer("pooling", &*layer(pool()), &x, None);
        check("pooling, reference", &[&x], || composition(&pool(), &x));
        assert!(agree(&answer(&*layer(pool()), x.as_tensor()), &composition(&pool(), &x)));
    }

    #[test]
    fn gradients_are_correct_at_every_size_stride_and_padding() {
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
        for kind in [Kind::Max, Kind::Mean] {
            let pool = layer(Pooling::new("pooling", kind, [2, 3], [2, 1], Padding::Same).unwrap());
            check_layer("pooling of padded clips", &*pool, &variable(&[2, 2, 5, 7], 4), Some(&[6, 3]));
        }
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
            let pool = || Pooling::new("pooling", kind, size, stride, padding).unwrap();
            let x = variable(&[planes[0], planes[1], lengths[0], lengths[1]], 5);
            let (ours, theirs) = (train(&*layer(pool()), x.as_tensor(), 0), composition(&pool(), &x));
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
            let y = train(layer, x.as_tensor(), 0);
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
    fn a_nan_stays() {
        let pool = MaxPool1d::new(3, 1, Padding::Valid).unwrap();
        for place in 0..3 {
            let mut x = [1.0f32, 0.5, 2.0];
            x[place] = f32::NAN;
            let x = Tensor::new(&[[x]], &Device::Cpu).unwrap();
            assert!(values(&answer(&pool, x))[0].is_nan());
        }
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        let pool = MaxPool1d::new(8, 8, Padding::Valid).unwrap();
        let error = pool.output_shape(&[4, 7]).unwrap_err().to_string();
        assert_eq!(error, "MaxPool1d: the input must have as many steps as the window spans, 8, got 7");
        let pool = AvgPool2d::new([2, 2], [2, 2], Padding::Valid).unwrap();
        let error = pool.output_shape(&[4, 7]).unwrap_err().to_string();
        assert_eq!(error, "AvgPool2d: each example must have shape [channels, height, width], got [4, 7]");
        assert!(pool.output_shape(&[4, 1, 7]).is_err());
        assert!(MaxPool1d::new(2, 2, Padding::Causal).is_err());
        assert!(AvgPool1d::new(2, 0, Padding::Valid).is_err());
        assert!(MaxPool2d::new([0, 2], [1, 1], Padding::Valid).is_err());
        let empty = Tensor::zeros((0, 2, 10), DType::F32, &Device::Cpu).unwrap();
        assert!(
            MaxPool1d::new(2, 2, Padding::Same)
                .unwrap()
                .forward(&empty.into(), &mut Mode::Inference)
                .is_err()
        );
    }
}
