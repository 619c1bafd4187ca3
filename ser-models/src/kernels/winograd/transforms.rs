//! The transforms of minimal filtering along one axis: inputs and kernels to the points, and products at the points to outputs.

use super::{SEEN, STEP, TAPS};
use crate::kernels::Real;
use pulp::Simd;

/// Returns the register that begins at `at`.
#[inline(always)]
pub(super) fn load<S: Simd, T: Real>(x: &[T], at: usize) -> T::Lanes<S> {
    T::lanes::<S>(&x[at..][..size_of::<T::Lanes<S>>() / size_of::<T>()])[0]
}

/// Sets the register that begins at `at`.
#[inline(always)]
pub(super) fn store<S: Simd, T: Real>(x: &mut [T], at: usize, value: T::Lanes<S>) {
    T::lanes_mut::<S>(&mut x[at..][..size_of::<T::Lanes<S>>() / size_of::<T>()])[0] = value;
}

/// Registers of the constants by which the transforms multiply.
pub(super) struct Factors<L> {
    zero: L,
    pub(super) one: L,
    two: L,
    four: L,
    eight: L,
    pub(super) less_one: L,
    less_two: L,
    less_four: L,
    less_five: L,
    quarter: L,
    sixth: L,
    less_sixth: L,
    twelfth: L,
    less_twelfth: L,
    twenty_fourth: L,
}

impl<L> Factors<L> {
    #[inline(always)]
    pub(super) fn new<S: Simd, T: Real<Lanes<S> = L>>(simd: S) -> Self {
        let splat = |x: f64| T::splat(simd, T::from_f64(x));
        Self {
            zero: splat(0.0),
            one: splat(1.0),
            two: splat(2.0),
            four: splat(4.0),
            eight: splat(8.0),
            less_one: splat(-1.0),
            less_two: splat(-2.0),
            less_four: splat(-4.0),
            less_five: splat(-5.0),
            quarter: splat(0.25),
            sixth: splat(1.0 / 6.0),
            less_sixth: splat(-1.0 / 6.0),
            twelfth: splat(1.0 / 12.0),
            less_twelfth: splat(-1.0 / 12.0),
            twenty_fourth: splat(1.0 / 24.0),
        }
    }
}

/// `a · b + c`.
macro_rules! fma {
    ($real:ty, $simd:expr, $a:expr, $b:expr, $c:expr) => {
        <$real>::multiply_add($simd, $a, $b, $c)
    };
}

/// The values of a tile's inputs at the points 0, 1, −1, 2, −2 and ∞: Lavin and Gray's Bᵀ.
#[inline(always)]
pub(super) fn input_points<S: Simd, T: Real>(
    simd: S,
    by: &Factors<T::Lanes<S>>,
    [x0, x1, x2, x3, x4, x5]: [T::Lanes<S>; SEEN],
) -> [T::Lanes<S>; SEEN] {
    let (even, odd) = (fma!(T, simd, by.less_four, x2, x4), fma!(T, simd, by.less_four, x1, x3));
    let (far, across) = (fma!(T, simd, by.less_one, x2, x4), fma!(T, simd, by.less_one, x1, x3));
    [
        fma!(T, simd, by.four, x0, fma!(T, simd, by.less_five, x2, x4)),
        fma!(T, simd, by.one, odd, even),
        fma!(T, simd, by.less_one, odd, even),
        fma!(T, simd, by.two, across, far),
        fma!(T, simd, by.less_two, across, far),
        fma!(T, simd, by.four, x1, fma!(T, simd, by.less_five, x3, x5)),
    ]
}

/// The values of a kernel at the points: G.
#[inline(always)]
pub(super) fn kernel_points<S: Simd, T: Real>(
    simd: S,
    by: &Factors<T::Lanes<S>>,
    [x0, x1, x2]: [T::Lanes<S>; TAPS],
) -> [T::Lanes<S>; SEEN] {
    let outer = fma!(T, simd, by.less_sixth, x0, fma!(T, simd, by.less_sixth, x2, by.zero));
    let far = fma!(T, simd, by.twenty_fourth, x0, fma!(T, simd, by.sixth, x2, by.zero));
    [
        fma!(T, simd, by.quarter, x0, by.zero),
        fma!(T, simd, by.less_sixth, x1, outer),
        fma!(T, simd, by.sixth, x1, outer),
        fma!(T, simd, by.twelfth, x1, far),
        fma!(T, simd, by.less_twelfth, x1, far),
        x2,
    ]
}

/// A tile's outputs from the products at the points: Aᵀ.
#[inline(always)]
pub(super) fn output_points<S: Simd, T: Real>(
    simd: S,
    by: &Factors<T::Lanes<S>>,
    [x0, x1, x2, x3, x4, x5]: [T::Lanes<S>; SEEN],
) -> [T::Lanes<S>; STEP] {
    let (near, across) = (fma!(T, simd, by.one, x1, x2), fma!(T, simd, by.less_one, x2, x1));
    let (far, beyond) = (fma!(T, simd, by.one, x3, x4), fma!(T, simd, by.less_one, x4, x3));
    [
        fma!(T, simd, by.one, x0, fma!(T, simd, by.one, near, far)),
        fma!(T, simd, by.two, beyond, across),
        fma!(T, simd, by.four, far, near),
        fma!(T, simd, by.eight, beyond, fma!(T, simd, by.one, across, x5)),
    ]
}
