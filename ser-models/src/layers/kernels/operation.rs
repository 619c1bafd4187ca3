//! The way from plain loops over slices to Candle's operations with gradients.

use super::super::gradients::hand_over;
use super::Real;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Storage, Tensor, bail,
};
use std::fmt::Debug;
use std::ops::Deref;

/// The gradients of an operation for its `N` inputs, without those that nobody wants.
pub(crate) type Gradients<T, const N: usize> = [Option<Vec<T>>; N];

/// An operation of one to three tensors in CPU memory with its own gradient, written once for both element types.
///
/// One value is one call: what a forward pass saves for its backward pass lies in the operation, behind a lock.
pub(crate) trait Operation<const N: usize>: Debug + Send + Sync + 'static {
    /// What it is called in errors.
    const NAME: &'static str;

    /// The shape that comes out.
    fn output_shape(&self) -> Shape;

    /// The output, of [`Self::output_shape`], from the inputs in row-major order.
    fn forward<T: Real>(&self, inputs: [&[T]; N]) -> Result<Vec<T>>;

    /// The gradients for the inputs from `dy`, the gradient for the output `y`. None is needed for inputs that are not
    /// `wanted`.
    fn backward<T: Real>(
        &self,
        inputs: [&[T]; N],
        y: &[T],
        dy: &[T],
        wanted: [bool; N],
    ) -> Result<Gradients<T, N>>;
}

/// Applies an operation of one tensor.
pub(crate) fn apply1(x: &Tensor, operation: impl Operation<1>) -> Result<Tensor> {
    x.contiguous()?.apply_op1(OnCpu(operation))
}

/// Applies an operation of two tensors.
pub(crate) fn apply2(x: &Tensor, y: &Tensor, operation: impl Operation<2>) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&y.contiguous()?, OnCpu(operation))
}

/// Applies an operation of three tensors.
pub(crate) fn apply3(x: &Tensor, y: &Tensor, z: &Tensor, operation: impl Operation<3>) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&y.contiguous()?, &z.contiguous()?, OnCpu(operation))
}

/// An operation as Candle wants it.
struct OnCpu<O>(O);

/// A tensor's storage, in CPU memory and in row-major order.
type Input<'a> = (&'a CpuStorage, &'a Layout);

impl<O> OnCpu<O> {
    fn forward<const N: usize>(&self, inputs: [Input<'_>; N]) -> Result<(CpuStorage, Shape)>
    where
        O: Operation<N>,
    {
        fn run<T: Real, const N: usize>(
            operation: &impl Operation<N>,
            inputs: [Input<'_>; N],
        ) -> Result<CpuStorage> {
            let mut slices = [&[][..]; N];
            for (slice, (storage, layout)) in slices.iter_mut().zip(inputs) {
                *slice = contiguous_slice(storage, layout)?;
            }
            Ok(T::to_cpu_storage_owned(operation.forward::<T>(slices)?))
        }
        let y = match inputs[0].0 {
            CpuStorage::F32(_) => run::<f32, N>(&self.0, inputs)?,
            CpuStorage::F64(_) => run::<f64, N>(&self.0, inputs)?,
            _ => bail!("{} works on f32 and f64", O::NAME),
        };
        Ok((y, self.0.output_shape()))
    }

    fn backward<const N: usize>(
        &self,
        inputs: [&Tensor; N],
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<[Option<Tensor>; N]>
    where
        O: Operation<N>,
    {
        fn run<T: Real, const N: usize>(
            operation: &impl Operation<N>,
            inputs: [&Tensor; N],
            y: &Tensor,
            dy: &Tensor,
        ) -> Result<[Option<Tensor>; N]> {
            let wanted = inputs.map(Tensor::track_op);
            let dy = dy.contiguous()?;
            let guards = inputs.map(Tensor::storage_and_layout);
            let mut slices = [&[][..]; N];
            for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
                *slice = cpu_slice(storage, layout)?;
            }
            let (y, dy) = (y.storage_and_layout(), dy.storage_and_layout());
            let gradients =
                operation.backward::<T>(slices, cpu_slice(&y.0, y.1)?, cpu_slice(&dy.0, dy.1)?, wanted)?;
            let mut tensors = [const { None }; N];
            for ((tensor, gradient), input) in tensors.iter_mut().zip(gradients).zip(inputs) {
                if let Some(gradient) = gradient {
                    let gradient = Tensor::from_vec(gradient, input.shape(), input.device())?;
                    *tensor = hand_over(input, gradient)?;
                }
            }
            Ok(tensors)
        }
        match dy.dtype() {
            DType::F32 => run::<f32, N>(&self.0, inputs, y, dy),
            _ => run::<f64, N>(&self.0, inputs, y, dy),
        }
    }
}

/// The elements of a contiguous tensor's storage.
fn contiguous_slice<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => bail!("the operation needs a contiguous tensor, {:?} is not", layout.shape()),
    }
}

/// The elements of contiguous tensors in CPU memory, from their guarded storages.
pub(crate) fn slices<'a, T: Real, G: Deref<Target = Storage>>(
    guards: &'a [(G, &Layout)],
) -> Result<Vec<&'a [T]>> {
    guards.iter().map(|(storage, layout)| cpu_slice(storage, layout)).collect()
}

fn cpu_slice<'a, T: Real>(storage: &'a Storage, layout: &Layout) -> Result<&'a [T]> {
    match storage {
        Storage::Cpu(storage) => contiguous_slice(storage, layout),
        _ => bail!("the operation needs a tensor in CPU memory"),
    }
}

impl<O: Operation<1>> CustomOp1 for OnCpu<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward([(s, l)])
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let [dx] = self.backward([x], y, dy)?;
        Ok(dx)
    }
}

impl<O: Operation<2>> CustomOp2 for OnCpu<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward([(s1, l1), (s2, l2)])
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [da, db] = self.backward([a, b], y, dy)?;
        Ok((da, db))
    }
}

impl<O: Operation<3>> CustomOp3 for OnCpu<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward([(s1, l1), (s2, l2), (s3, l3)])
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [da, db, dc] = self.backward([a, b, c], y, dy)?;
        Ok((da, db, dc))
    }
}
