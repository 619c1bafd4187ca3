//! Loops for the instruction set of the current processor.

/// Runs a loop compiled for the best instruction set of this processor.
#[inline(always)]
pub(crate) fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}
