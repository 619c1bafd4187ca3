//! Conversion between Candle's tensors and slices.

use super::LayerError;
use crate::kernels::Real;
use candle_core::{CpuStorage, Device, Layout, Result as CandleResult, Shape, Storage, Tensor, bail};
use std::ops::Deref;

/// A tensor's storage, locked for reading, with its layout.
pub(crate) struct Locked<'a, Guard> {
    storage: Guard,
    layout: &'a Layout,
}

/// Locks a tensor's storage for reading its elements.
pub(crate) fn elements(tensor: &Tensor) -> CandleResult<Locked<'_, impl Deref<Target = Storage>>> {
    let (storage, layout) = tensor.storage_and_layout();
    Ok(Locked { storage, layout })
}

impl<Guard: Deref<Target = Storage>> Locked<'_, Guard> {
    /// The elements of a contiguous tensor in CPU memory, in row-major order.
    pub(crate) fn slice<T: Real>(&self) -> CandleResult<&[T]> {
        match (&*self.storage, self.layout.contiguous_offsets()) {
            (Storage::Cpu(storage), Some((start, end))) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
            (Storage::Cpu(_), None) => {
                bail!("a layer needs contiguous tensors, {:?} is not", self.layout.shape())
            }
            _ => bail!("a layer needs tensors in CPU memory"),
        }
    }
}

/// Makes a tensor in CPU memory of these elements.
pub(crate) fn tensor<T: Real>(elements: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor, LayerError> {
    Ok(Tensor::from_vec(elements, shape.into(), &Device::Cpu)?)
}

/// Returns the values in the form in which a Candle operation returns its result.
pub(crate) fn into_storage(tensor: &Tensor) -> CandleResult<CpuStorage> {
    let contiguous = tensor.contiguous()?;
    let (storage, layout) = contiguous.storage_and_layout();
    let (Storage::Cpu(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets()) else {
        bail!("a layer needs tensors in CPU memory")
    };
    match storage {
        CpuStorage::F32(values) => Ok(CpuStorage::F32(values[start..end].to_vec())),
        CpuStorage::F64(values) => Ok(CpuStorage::F64(values[start..end].to_vec())),
        _ => bail!("a layer needs tensors of f32"),
    }
}

/// Calls a function that is generic over the element type with that of a tensor: `for_element_type!(x, run(a, b))` is `run::<f32>(a, b)` if
/// `x` is of `f32`. The `f64` variant is compiled for gradient checks only.
macro_rules! for_element_type {
    ($tensor:expr, $($function:ident).+ ($($argument:expr),* $(,)?)) => {
        match $tensor.dtype() {
            candle_core::DType::F32 => $($function).+::<f32>($($argument),*),
            #[cfg(any(test, feature = "f64"))]
            candle_core::DType::F64 => $($function).+::<f64>($($argument),*),
            given => Err($crate::layer::LayerError::ElementType { given }),
        }
    };
}

pub(crate) use for_element_type;
