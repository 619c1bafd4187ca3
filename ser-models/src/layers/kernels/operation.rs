//! The way from plain loops over slices to Candle's operations with gradients.
//!
//! Candle adds every gradient on its way back to zeros, with threads of its own that then wait for more in a loop and keep
//! these kernels from their cores: layer by layer that costs as much as small layers do. So the graph that Candle sees is of
//! single numbers. What an operation gives is a [`Reveal`] of its number; another operation of this kind finds the number
//! behind its input, is tied to it instead, and puts the gradient down where the first one looks for it. Candle's own
//! operations see usual tensors.

use super::super::gradients::hand_over;
use super::Real;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Device, Layout, Result, Shape, Storage, Tensor,
    TensorId, bail,
};
use std::collections::HashMap;
use std::fmt::Debug;
use std::ops::Deref;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

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
    Node::apply([x], operation, |node, [x]| x.apply_op1(node))
}

/// Applies an operation of two tensors.
pub(crate) fn apply2(x: &Tensor, y: &Tensor, operation: impl Operation<2>) -> Result<Tensor> {
    Node::apply([x, y], operation, |node, [x, y]| x.apply_op2(y, node))
}

/// Applies an operation of three tensors.
pub(crate) fn apply3(x: &Tensor, y: &Tensor, z: &Tensor, operation: impl Operation<3>) -> Result<Tensor> {
    Node::apply([x, y, z], operation, |node, [x, y, z]| x.apply_op3(y, z, node))
}

/// An operation that is its own gradient: it multiplies each element with a constant.
pub(crate) trait Scaling: Debug + Send + Sync + 'static {
    /// What it is called in errors.
    const NAME: &'static str;

    /// The elements `x`, multiplied.
    fn apply<T: Real>(&self, x: &[T]) -> Vec<T>;
}

/// Applies such an operation.
pub(crate) fn scale(x: &Tensor, scaling: impl Scaling) -> Result<Tensor> {
    apply1(x, Scaled { shape: x.shape().clone(), scaling })
}

#[derive(Debug)]
struct Scaled<S> {
    shape: Shape,
    scaling: S,
}

impl<S: Scaling> Operation<1> for Scaled<S> {
    const NAME: &'static str = S::NAME;

    fn output_shape(&self) -> Shape {
        self.shape.clone()
    }

    fn forward<T: Real>(&self, [x]: [&[T]; 1]) -> Result<Vec<T>> {
        Ok(self.scaling.apply(x))
    }

    fn backward<T: Real>(&self, _: [&[T]; 1], _: &[T], dy: &[T], _: [bool; 1]) -> Result<Gradients<T, 1>> {
        Ok([Some(self.scaling.apply(dy))])
    }
}

/// What an operation's output was, without its graph, and the gradient for it, on their way back to it.
type Returned = Mutex<Option<(Tensor, Tensor)>>;

/// What stands behind a tensor that an operation gave.
#[derive(Debug)]
struct Origin {
    /// The operation's number.
    number: Tensor,
    returned: Arc<Returned>,
}

impl Origin {
    /// Puts down a gradient for `y`, the tensor that this stands behind; gives the number's.
    fn put(&self, y: &Tensor, dy: Tensor) -> Result<Tensor> {
        let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
        let dy = match returned.take() {
            Some((_, other)) => (other + dy)?,
            None => dy,
        };
        *returned = Some((y.detach(), dy));
        self.number.zeros_like()
    }
}

/// The origins of all tensors that live.
static ORIGINS: LazyLock<Mutex<HashMap<TensorId, Weak<Origin>>>> = LazyLock::new(Mutex::default);

fn origin(tensor: &Tensor) -> Option<Arc<Origin>> {
    let origins = ORIGINS.lock().unwrap_or_else(PoisonError::into_inner);
    origins.get(&tensor.id()).and_then(Weak::upgrade)
}

fn remember(tensor: &Tensor, origin: &Arc<Origin>) {
    let mut origins = ORIGINS.lock().unwrap_or_else(PoisonError::into_inner);
    if origins.len() == origins.capacity() {
        origins.retain(|_, origin| origin.strong_count() > 0);
    }
    origins.insert(tensor.id(), Arc::downgrade(origin));
}

/// An operation as Candle sees it where gradients are wanted: one number.
struct Node<O, const N: usize> {
    operation: O,
    inputs: [Tensor; N],
    origins: [Option<Arc<Origin>>; N],
    returned: Arc<Returned>,
}

impl<O: Operation<N>, const N: usize> Node<O, N> {
    /// The operation's output; `tie` ties the node to tensors of Candle's graph.
    fn apply(
        inputs: [&Tensor; N],
        operation: O,
        tie: impl FnOnce(Self, [&Tensor; N]) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let tracked = inputs.iter().any(|input| input.track_op());
        let mut contiguous = inputs.map(Tensor::clone);
        for input in &mut contiguous {
            *input = input.contiguous()?;
        }
        let inputs = contiguous;
        let shape = operation.output_shape();
        let y = match inputs[0].dtype() {
            DType::F32 => forward::<f32, N>(&operation, &inputs)?,
            DType::F64 => forward::<f64, N>(&operation, &inputs)?,
            _ => bail!("{} works on f32 and f64", O::NAME),
        };
        let reveal = |origin| Reveal { storage: Mutex::new(Some(y)), shape, origin };
        if !tracked {
            return Tensor::zeros(1, inputs[0].dtype(), &Device::Cpu)?.apply_op1(reveal(None));
        }
        let returned = Arc::default();
        let origins = inputs.each_ref().map(origin);
        let ends: [Tensor; N] = std::array::from_fn(|i| match &origins[i] {
            Some(origin) => origin.number.clone(),
            None => inputs[i].clone(),
        });
        let node = Self { operation, inputs, origins, returned: Arc::clone(&returned) };
        let number = tie(node, ends.each_ref())?;
        let origin = Arc::new(Origin { number: number.clone(), returned });
        let y = number.apply_op1(reveal(Some(Arc::clone(&origin))))?;
        remember(&y, &origin);
        Ok(y)
    }

    /// The gradients for the tensors of Candle's graph.
    fn backward(&self) -> Result<[Option<Tensor>; N]> {
        let returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((y, dy)) = returned else { bail!("{}: backward without a gradient", O::NAME) };
        match dy.dtype() {
            DType::F32 => self.backward_as::<f32>(&y, &dy),
            _ => self.backward_as::<f64>(&y, &dy),
        }
    }

    fn backward_as<T: Real>(&self, y: &Tensor, dy: &Tensor) -> Result<[Option<Tensor>; N]> {
        let wanted = self.inputs.each_ref().map(Tensor::track_op);
        let dy = dy.contiguous()?;
        let gradients = {
            let guards = self.inputs.each_ref().map(Tensor::storage_and_layout);
            let (y, dy) = (y.storage_and_layout(), dy.storage_and_layout());
            let (y, dy) = (cpu_slice(&y.0, y.1)?, cpu_slice(&dy.0, dy.1)?);
            self.operation.backward::<T>(all_slices(&guards)?, y, dy, wanted)?
        };
        let mut tensors = [const { None }; N];
        for (i, gradient) in gradients.into_iter().enumerate() {
            let input = &self.inputs[i];
            let Some(gradient) = gradient.filter(|_| wanted[i]) else { continue };
            let gradient = Tensor::from_vec(gradient, input.shape(), input.device())?;
            tensors[i] = match &self.origins[i] {
                Some(origin) => Some(origin.put(input, gradient)?),
                None => hand_over(input, gradient)?,
            };
        }
        Ok(tensors)
    }
}

fn forward<T: Real, const N: usize>(
    operation: &impl Operation<N>,
    inputs: &[Tensor; N],
) -> Result<CpuStorage> {
    let guards = inputs.each_ref().map(Tensor::storage_and_layout);
    Ok(T::to_cpu_storage_owned(operation.forward::<T>(all_slices(&guards)?)?))
}

/// The number of an operation.
fn number(storage: &CpuStorage) -> (CpuStorage, Shape) {
    let number = match storage {
        CpuStorage::F32(_) => CpuStorage::F32(vec![0.0]),
        _ => CpuStorage::F64(vec![0.0]),
    };
    (number, 1.into())
}

/// What an operation computed, from its number.
struct Reveal {
    storage: Mutex<Option<CpuStorage>>,
    shape: Shape,
    origin: Option<Arc<Origin>>,
}

impl CustomOp1 for Reveal {
    fn name(&self) -> &'static str {
        "reveal"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let storage = self.storage.lock().unwrap_or_else(PoisonError::into_inner).take();
        match storage {
            Some(storage) => Ok((storage, self.shape.clone())),
            None => bail!("an output can be revealed once"),
        }
    }

    fn bwd(&self, _: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        self.origin.as_ref().map(|origin| origin.put(y, dy.clone())).transpose()
    }
}

/// The elements of contiguous tensors in CPU memory, from their guarded storages.
pub(crate) fn all_slices<'a, T: Real, G: Deref<Target = Storage>, const N: usize>(
    guards: &'a [(G, &Layout); N],
) -> Result<[&'a [T]; N]> {
    let mut slices = [&[][..]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(guards) {
        *slice = cpu_slice(storage, layout)?;
    }
    Ok(slices)
}

fn cpu_slice<'a, T: Real>(storage: &'a Storage, layout: &Layout) -> Result<&'a [T]> {
    match (storage, layout.contiguous_offsets()) {
        (Storage::Cpu(storage), Some((start, end))) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        (Storage::Cpu(_), None) => {
            bail!("the operation needs a contiguous tensor, {:?} is not", layout.shape())
        }
        _ => bail!("the operation needs a tensor in CPU memory"),
    }
}

impl<O: Operation<1>> CustomOp1 for Node<O, 1> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(&self, s: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(number(s))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        let [dx] = self.backward()?;
        Ok(dx)
    }
}

impl<O: Operation<2>> CustomOp2 for Node<O, 2> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(&self, s: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(number(s))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [da, db] = self.backward()?;
        Ok((da, db))
    }
}

impl<O: Operation<3>> CustomOp3 for Node<O, 3> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(
        &self,
        s: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(number(s))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [da, db, dc] = self.backward()?;
        Ok((da, db, dc))
    }
}

#[cfg(test)]
mod tests {
    use crate::layers::gradient_check::{check, input};
    use crate::layers::{Layer, Mode, Relu, TimeSteps};
    use candle_core::{Tensor, Var};

    #[test]
    fn gradients_are_right_where_outputs_go_several_ways_through_these_operations_and_candles() {
        let x = Var::from_tensor(&input(&[3, 4, 5], 4)).unwrap();
        check("several ways", &[&x], || {
            let once = Relu.forward(&x, &mut Mode::Inference).unwrap();
            let turned = TimeSteps.forward(&once, &mut Mode::Inference).unwrap();
            let twice = TimeSteps.forward(&turned, &mut Mode::Inference).unwrap();
            let view = once.narrow(1, 1, 2).unwrap().sqr().unwrap();
            let both =
                ((&once * &twice).unwrap() + Relu.forward(&twice, &mut Mode::Inference).unwrap()).unwrap();
            Tensor::cat(&[both, view], 1).unwrap()
        });
    }

    #[test]
    fn what_is_forgotten_leaves_no_origin_behind() {
        let x = Var::from_tensor(&input(&[2, 2, 2], 4)).unwrap();
        for _ in 0..5000 {
            TimeSteps.forward(&x, &mut Mode::Inference).unwrap();
        }
        assert!(super::ORIGINS.lock().unwrap().len() < 4000);
    }
}
