//! Logistic function and hyperbolic tangent, in loops that the compiler turns into vector instructions.
//!
//! In `f32` both stand on eˣ − 1 = 2ⁿ · (eʳ − 1) + (2ⁿ − 1) with n = ⌊x / ln 2⌉ and |r| ≤ ln 2 / 2, where eʳ − 1 is its
//! Taylor polynomial of degree 7, whose remainder r⁸ / 8! is below 6·10⁻⁹. Measured against `f64` over all of `f32`'s
//! range: the logistic function is within 1.5·10⁻⁷ of its value, relative and so also absolute, down to −87, below which it
//! stays at 1.6·10⁻³⁸; the tangent is within 2.5·10⁻⁷, relative also near 0. NaN stays NaN. In `f64` both are the
//! standard library's, so that finite differences hold.

pub(super) mod f32 {
    use pulp::Simd;

    /// `a · b + c`; rounded once where that costs nothing.
    #[inline(always)]
    fn multiply_add<S: Simd>(a: f32, b: f32, c: f32) -> f32 {
        if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
    }

    /// (2ⁿ, 2ⁿ · (eʳ − 1)) of eˣ, for |x| ≤ 87. A NaN stays one in the second.
    #[inline(always)]
    fn exponential<S: Simd>(x: f32) -> (f32, f32) {
        // Adding 1.5 · 2²³ leaves the nearest whole number in the last bits.
        const ROUND: f32 = 12_582_912.0;
        // ln 2 in two parts, of which the first has so few bits that its products with n are exact.
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        let shifted = x * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = multiply_add::<S>(n, -LN2_LOW, multiply_add::<S>(n, -LN2_HIGH, x));
        let mut sum = 1.0 / 5040.0;
        for factor in [720.0, 120.0, 24.0, 6.0, 2.0] {
            sum = multiply_add::<S>(sum, r, 1.0 / factor);
        }
        let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
        (power, power * multiply_add::<S>(sum * r, r, r))
    }

    /// `1 / (1 + e⁻ˣ)`.
    #[inline(always)]
    pub(in super::super) fn sigmoid<S: Simd>(x: f32) -> f32 {
        // Comparisons that a NaN fails, unlike `clamp`, become one instruction each.
        let x = if x < -87.0 { -87.0 } else { x };
        let x = if x > 87.0 { 87.0 } else { x };
        let (power, rest) = exponential::<S>(-x);
        1.0 / (1.0 + (power + rest))
    }

    /// `(e²ˣ − 1) / (e²ˣ + 1)`.
    #[inline(always)]
    pub(in super::super) fn tanh<S: Simd>(x: f32) -> f32 {
        let x = if x < -10.0 { -10.0 } else { x };
        let x = if x > 10.0 { 10.0 } else { x };
        let (power, rest) = exponential::<S>(2.0 * x);
        let minus_one = rest + (power - 1.0);
        minus_one / (minus_one + 2.0)
    }
}

// The instruction set is named as for `f32`, so that both are called alike.
#[cfg(any(test, feature = "f64"))]
#[allow(clippy::extra_unused_type_parameters)]
pub(super) mod f64 {
    use pulp::Simd;

    #[inline(always)]
    pub(in super::super) fn sigmoid<S: Simd>(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    #[inline(always)]
    pub(in super::super) fn tanh<S: Simd>(x: f64) -> f64 {
        x.tanh()
    }
}

#[cfg(test)]
mod tests {
    use crate::kernels::Real;
    use pulp::{Arch, Simd, WithSimd};

    /// The largest relative errors of (sigmoid, tanh) over `x`.
    struct Errors<'a>(&'a [f32]);

    impl WithSimd for Errors<'_> {
        type Output = (f64, f64);

        fn with_simd<S: Simd>(self, _simd: S) -> (f64, f64) {
            self.0.iter().fold((0.0, 0.0), |(s, t): (f64, f64), x| {
                let exact = f64::from(*x);
                let sigmoid = 1.0 / (1.0 + (-exact).exp());
                let error = |given: f32, exact: f64| ((f64::from(given) - exact) / exact).abs();
                (
                    s.max(error(Real::sigmoid::<S>(*x), sigmoid)),
                    t.max(if *x == 0.0 { 0.0 } else { error(Real::tanh::<S>(*x), exact.tanh()) }),
                )
            })
        }
    }

    #[test]
    fn errors_are_within_the_documented_bounds_with_and_without_vector_instructions() {
        let mut x: Vec<f32> = (0..2_000_000).map(|i| (i - 1_000_000) as f32 * 8.7e-5).collect();
        x.extend((0..2_000_000u32).map(|i| f32::from_bits(0x0080_0000 + i * 565)));
        x.retain(|x| x.abs() <= 87.0);
        x.extend(x.clone().iter().map(|x| -x));
        for (sigmoid, tanh) in [Arch::new().dispatch(Errors(&x)), Errors(&x).with_simd(pulp::Scalar::new())] {
            assert!(sigmoid < 1.5e-7, "{sigmoid:e}");
            assert!(tanh < 2.5e-7, "{tanh:e}");
        }
    }

    #[test]
    fn ends_and_nan_are_kept() {
        type S = pulp::Scalar;
        assert_eq!(Real::tanh::<S>(f32::INFINITY), 1.0);
        assert_eq!(Real::tanh::<S>(f32::NEG_INFINITY), -1.0);
        assert_eq!(Real::tanh::<S>(0.0f32), 0.0);
        assert_eq!(Real::sigmoid::<S>(f32::INFINITY), 1.0);
        assert!(Real::sigmoid::<S>(f32::NEG_INFINITY) < 2e-38);
        assert!(Real::tanh::<S>(f32::NAN).is_nan() && Real::sigmoid::<S>(f32::NAN).is_nan());
    }
}
