//! The two element types of the layers.

use super::functions;
use crate::memory::Element;
use candle_core::WithDType;
use pulp::Simd;

/// `f32`, for models, or `f64`, for checks of gradients.
pub(crate) trait Real: WithDType + Element + std::fmt::Debug {
    /// 0.
    const ZERO: Self;
    /// 1. A call of Candle's `from_f64` is not inlined, which would keep the compiler from using vectors in a loop.
    const ONE: Self;
    /// −∞.
    const NEG_INFINITY: Self;
    /// One vector register of the instruction set `S`.
    type Lanes<S: Simd>: Copy + std::fmt::Debug + Send + Sync;

    /// The same number in all lanes.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Lanes<S>;

    /// `a · b + c`, rounded once if the processor can.
    fn multiply_add<S: Simd>(
        simd: S,
        a: Self::Lanes<S>,
        b: Self::Lanes<S>,
        c: Self::Lanes<S>,
    ) -> Self::Lanes<S>;

    /// The larger number in each lane, or `x` if it is a NaN.
    fn larger<S: Simd>(simd: S, y: Self::Lanes<S>, x: Self::Lanes<S>) -> Self::Lanes<S>;

    /// A slice as registers, without the elements that do not fill one.
    fn lanes<S: Simd>(x: &[Self]) -> &[Self::Lanes<S>];

    /// Like [`Self::lanes`], for a mutable slice.
    fn lanes_mut<S: Simd>(x: &mut [Self]) -> &mut [Self::Lanes<S>];

    /// The logistic function, by [`super::functions`].
    fn sigmoid<S: Simd>(self) -> Self;

    /// The hyperbolic tangent, by [`super::functions`].
    fn tanh<S: Simd>(self) -> Self;

    /// The exponential of 0 or less, by [`super::functions`].
    fn exp_of_negative<S: Simd>(self) -> Self;

    /// GELU in its exact form, by [`super::functions`].
    fn gelu<S: Simd>(self) -> Self;

    /// The derivative of GELU.
    fn gelu_slope<S: Simd>(self) -> Self;
}

macro_rules! real {
    ($real:ident, $lanes:ident, $splat:ident, $multiply_add:ident, [$greater:ident, $not_less:ident, $select:ident], $as_lanes:ident, $as_lanes_mut:ident) => {
        impl Real for $real {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = $real::NEG_INFINITY;
            type Lanes<S: Simd> = S::$lanes;

            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> S::$lanes {
                simd.$splat(x)
            }

            #[inline(always)]
            fn multiply_add<S: Simd>(simd: S, a: S::$lanes, b: S::$lanes, c: S::$lanes) -> S::$lanes {
                simd.$multiply_add(a, b, c)
            }

            #[inline(always)]
            fn larger<S: Simd>(simd: S, y: S::$lanes, x: S::$lanes) -> S::$lanes {
                let larger = simd.$select(simd.$greater(x, y), x, y);
                simd.$select(simd.$not_less(x, x), larger, x)
            }

            #[inline(always)]
            fn lanes<S: Simd>(x: &[Self]) -> &[S::$lanes] {
                S::$as_lanes(x).0
            }

            #[inline(always)]
            fn lanes_mut<S: Simd>(x: &mut [Self]) -> &mut [S::$lanes] {
                S::$as_lanes_mut(x).0
            }

            #[inline(always)]
            fn sigmoid<S: Simd>(self) -> Self {
                functions::$real::sigmoid::<S>(self)
            }

            #[inline(always)]
            fn tanh<S: Simd>(self) -> Self {
                functions::$real::tanh::<S>(self)
            }

            #[inline(always)]
            fn exp_of_negative<S: Simd>(self) -> Self {
                functions::$real::exp_of_negative::<S>(self)
            }

            #[inline(always)]
            fn gelu<S: Simd>(self) -> Self {
                functions::$real::gelu::<S>(self)
            }

            #[inline(always)]
            fn gelu_slope<S: Simd>(self) -> Self {
                functions::$real::gelu_slope::<S>(self)
            }
        }
    };
}

real!(
    f32,
    f32s,
    splat_f32s,
    mul_add_e_f32s,
    [greater_than_f32s, greater_than_or_equal_f32s, select_f32s],
    as_simd_f32s,
    as_mut_simd_f32s
);
#[cfg(any(test, feature = "f64"))]
real!(
    f64,
    f64s,
    splat_f64s,
    mul_add_e_f64s,
    [greater_than_f64s, greater_than_or_equal_f64s, select_f64s],
    as_simd_f64s,
    as_mut_simd_f64s
);
