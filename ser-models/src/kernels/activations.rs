//! Gates, hyperbolic tangents and GELU of slices, on all threads.

use super::{ForEachItem, Real};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Number of elements that one thread processes at a time.
const BLOCK: usize = 1 << 13;

/// Returns `x · σ(a)`.
pub(crate) fn gated<T: Real>(x: &[T], a: &[T]) -> Vec<T> {
    let mut y = x.to_vec();
    let blocks = y.par_chunks_mut(BLOCK).zip(a.par_chunks(BLOCK));
    blocks.for_each_item(&|(y, a)| Arch::new().dispatch(Gated { y, a }));
    y
}

struct Gated<'a, T> {
    y: &'a mut [T],
    a: &'a [T],
}

impl<T: Real> WithSimd for Gated<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for (y, a) in self.y.iter_mut().zip(self.a) {
            *y *= Real::sigmoid::<S>(*a);
        }
    }
}

/// Returns the gradients of [`gated`] for `x` and `a`.
pub(crate) fn gated_backward<T: Real>(x: &[T], a: &[T], dy: &[T]) -> (Vec<T>, Vec<T>) {
    let (mut dx, mut da) = (dy.to_vec(), dy.to_vec());
    let gradients = dx.par_chunks_mut(BLOCK).zip(da.par_chunks_mut(BLOCK));
    let blocks = gradients.zip(x.par_chunks(BLOCK).zip(a.par_chunks(BLOCK)));
    blocks.for_each_item(&|((dx, da), (x, a))| Arch::new().dispatch(GatedBackward { dx, da, x, a }));
    (dx, da)
}

struct GatedBackward<'a, T> {
    dx: &'a mut [T],
    da: &'a mut [T],
    x: &'a [T],
    a: &'a [T],
}

impl<T: Real> WithSimd for GatedBackward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let gradients = self.dx.iter_mut().zip(self.da.iter_mut());
        for ((dx, da), (x, a)) in gradients.zip(self.x.iter().zip(self.a)) {
            let open = Real::sigmoid::<S>(*a);
            *dx *= open;
            *da = *dx * *x * (T::ONE - open);
        }
    }
}

/// Applies the hyperbolic tangent to every element, in place.
pub(crate) fn tanh<T: Real>(x: &mut [T]) {
    x.par_chunks_mut(BLOCK).for_each_item(&|x| Arch::new().dispatch(HyperbolicTangent(x)));
}

struct HyperbolicTangent<'a, T>(&'a mut [T]);

impl<T: Real> WithSimd for HyperbolicTangent<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        self.0.iter_mut().for_each(|x| *x = Real::tanh::<S>(*x));
    }
}

/// Returns GELU of every element, in its exact form.
pub(crate) fn gelu<T: Real>(x: &[T]) -> Vec<T> {
    let mut y = x.to_vec();
    y.par_chunks_mut(BLOCK).for_each_item(&|y| Arch::new().dispatch(Gelu(y)));
    y
}

struct Gelu<'a, T>(&'a mut [T]);

impl<T: Real> WithSimd for Gelu<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        self.0.iter_mut().for_each(|x| *x = Real::gelu::<S>(*x));
    }
}

/// Replaces `dy`, the gradient for the output of [`gelu`], by that for `x`.
pub(crate) fn gelu_backward<T: Real>(x: &[T], dy: &mut [T]) {
    let blocks = dy.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
    blocks.for_each_item(&|(dy, x)| Arch::new().dispatch(GeluBackward { dy, x }));
}

struct GeluBackward<'a, T> {
    dy: &'a mut [T],
    x: &'a [T],
}

impl<T: Real> WithSimd for GeluBackward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        self.dy.iter_mut().zip(self.x).for_each(|(dy, x)| *dy *= Real::gelu_slope::<S>(*x));
    }
}
