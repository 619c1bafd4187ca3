//! The two element types of the layers, and the way from a Candle tensor to its slice.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, WithDType, bail};

/// `f32`, in which models are trained, or `f64`, in which their gradients are proved.
pub(crate) trait Real: WithDType + std::fmt::Debug {
    /// 0.
    const ZERO: Self;
    /// −∞.
    const NEG_INFINITY: Self;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const NEG_INFINITY: Self = f32::NEG_INFINITY;
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const NEG_INFINITY: Self = f64::NEG_INFINITY;
}

/// The elements of a contiguous tensor's storage.
pub(crate) fn contiguous_slice<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => bail!("the operation needs a contiguous tensor, {:?} is not", layout.shape()),
    }
}

/// Calls `f` with the elements of a tensor in CPU memory, copied first only if they don't lie in order.
pub(crate) fn with_slice<T: Real, R>(tensor: &Tensor, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(contiguous_slice(storage, layout)?),
        _ => bail!("the operation needs a tensor in CPU memory"),
    }
}
