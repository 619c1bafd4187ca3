//! Logistic function, hyperbolic tangent, exponential and GELU, in loops that the compiler turns into vector instructions.
//!
//! In `f32` all functions use eˣ − 1 = 2ⁿ · (eʳ − 1) + (2ⁿ − 1) with n = ⌊x / ln 2⌉ and |r| ≤ ln 2 / 2, where eʳ − 1 is its Taylor
//! polynomial of degree 7, whose remainder r⁸ / 8! is below 6·10⁻⁹. Errors measured against `f64` over the whole range of `f32`: the
//! logistic function within 1.5·10⁻⁷ of its value, relative and therefore also absolute, down to −87, below which it stays at 1.6·10⁻³⁸;
//! the tangent within 2.5·10⁻⁷, relative even near 0; eˣ within 3·10⁻⁷, relative; GELU within 2·10⁻⁶ for |x| ≤ 20, absolute, and its
//! derivative within 5·10⁻⁷. NaN stays NaN. In `f64` all functions are the standard library's, and erf is libm's, so that finite
//! differences are accurate.

/// 1 / √(2π), the density of the normal distribution at 0.
const DENSITY_AT_0: f64 = 0.398_942_280_401_432_7;

pub(super) mod f32 {
    use pulp::Simd;

    /// `a · b + c`, rounded once if that takes no more time.
    #[inline(always)]
    fn multiply_add<S: Simd>(a: f32, b: f32, c: f32) -> f32 {
        if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
    }

    /// Returns (2ⁿ, 2ⁿ · (eʳ − 1)) of eˣ, for |x| ≤ 87. For NaN the second value is NaN.
    #[inline(always)]
    fn exponential<S: Simd>(x: f32) -> (f32, f32) {
        // Adding 1.5 · 2²³ puts the nearest whole number into the last bits.
        const ROUND: f32 = 12_582_912.0;
        // ln 2 is split into two parts. The first has so few bits that its products with n are exact.
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

    /// eˣ for x ≤ 0. Returns 0 below −87.
    #[inline(always)]
    pub(in super::super) fn exp_of_negative<S: Simd>(x: f32) -> f32 {
        let cut = if x < -87.0 { -87.0 } else { x };
        let (power, rest) = exponential::<S>(cut);
        if x < -87.0 { 0.0 } else { power + rest }
    }

    /// Returns (2 · Φ(x), e^(−x²/2)) with the normal distribution function Φ(x) = (1 + erf(x / √2)) / 2.
    ///
    /// erf is Abramowitz and Stegun's 7.1.26 (1964), within 1.5·10⁻⁷ of its value.
    #[inline(always)]
    fn normal<S: Simd>(x: f32) -> (f32, f32) {
        let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / multiply_add::<S>(0.327_591_1, z, 1.0);
        let mut sum = 1.061_405_4;
        for factor in [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
            sum = multiply_add::<S>(sum, t, factor);
        }
        let power = exp_of_negative::<S>(-z * z);
        // This is 1 − erf(z), which is twice the smaller of Φ(x) and Φ(−x).
        let tail = sum * t * power;
        (if x < 0.0 { tail } else { 2.0 - tail }, power)
    }

    /// x · Φ(x) (Hendrycks and Gimpel 2016, the exact form).
    #[inline(always)]
    pub(in super::super) fn gelu<S: Simd>(x: f32) -> f32 {
        0.5 * x * normal::<S>(x).0
    }

    /// Φ(x) + x · φ(x) with the normal distribution's density φ, the derivative of [`gelu`].
    #[inline(always)]
    pub(in super::super) fn gelu_slope<S: Simd>(x: f32) -> f32 {
        let (share, power) = normal::<S>(x);
        0.5 * share + x * super::DENSITY_AT_0 as f32 * power
    }

    /// `1 / (1 + e⁻ˣ)`.
    #[inline(always)]
    pub(in super::super) fn sigmoid<S: Simd>(x: f32) -> f32 {
        // Unlike `clamp`, comparisons that a NaN fails compile to one instruction each.
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

// The instruction set is a parameter as for `f32`, so that both modules have the same interface.
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

    #[inline(always)]
    pub(in super::super) fn exp_of_negative<S: Simd>(x: f64) -> f64 {
        x.exp()
    }

    /// Φ(x).
    fn normal(x: f64) -> f64 {
        0.5 * candle_core::cpu::erf::erfc_f64(-x * std::f64::consts::FRAC_1_SQRT_2)
    }

    #[inline(always)]
    pub(in super::super) fn gelu<S: Simd>(x: f64) -> f64 {
        x * normal(x)
    }

    #[inline(always)]
    pub(in super::super) fn gelu_slope<S: Simd>(x: f64) -> f64 {
        normal(x) + x * super::DENSITY_AT_0 * (-0.5 * x * x).exp()
    }
}

#[cfg(test)]
mod tests {
    use crate::kernels::{Real, functions};
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

    /// The largest absolute errors of gelu and of its derivative, and the largest relative one of the exponential, over `x`.
    struct GeluErrors<'a>(&'a [f32]);

    impl WithSimd for GeluErrors<'_> {
        type Output = (f64, f64, f64);

        fn with_simd<S: Simd>(self, _simd: S) -> (f64, f64, f64) {
            self.0.iter().fold((0.0, 0.0, 0.0), |(g, s, e): (f64, f64, f64), x| {
                let exact = f64::from(*x);
                let gelu = exact * normal(exact);
                let density = (-0.5 * exact * exact).exp() / (2.0 * std::f64::consts::PI).sqrt();
                let slope = normal(exact) + exact * density;
                let exp = (-exact.abs()).exp();
                (
                    g.max((f64::from(functions::f32::gelu::<S>(*x)) - gelu).abs()),
                    s.max((f64::from(functions::f32::gelu_slope::<S>(*x)) - slope).abs()),
                    e.max((f64::from(functions::f32::exp_of_negative::<S>(-x.abs())) - exp).abs() / exp),
                )
            })
        }
    }

    /// The normal distribution function, by its series for small arguments and its continued fraction for large ones.
    fn normal(x: f64) -> f64 {
        let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if x.abs() < 3.0 {
            let (mut term, mut sum) = (x, x);
            for n in 1..200 {
                term *= x * x / f64::from(2 * n + 1);
                sum += term;
            }
            return 0.5 + density * sum;
        }
        let fraction = (1..200).rev().fold(x.abs(), |below, n| x.abs() + f64::from(n) / below);
        if x < 0.0 { density / fraction } else { 1.0 - density / fraction }
    }

    #[test]
    fn gelu_and_exponential_are_within_the_documented_bounds() {
        let x: Vec<f32> = (0..400_000).map(|i| (i - 200_000) as f32 * 1e-4).collect();
        for (gelu, slope, exp) in
            [Arch::new().dispatch(GeluErrors(&x)), GeluErrors(&x).with_simd(pulp::Scalar::new())]
        {
            assert!(gelu < 2e-6, "{gelu:e}");
            assert!(slope < 5e-7, "{slope:e}");
            assert!(exp < 3e-7, "{exp:e}");
        }
        type S = pulp::Scalar;
        assert_eq!(functions::f32::exp_of_negative::<S>(f32::NEG_INFINITY), 0.0);
        assert_eq!(functions::f32::gelu::<S>(0.0), 0.0);
        assert_eq!(functions::f32::gelu::<S>(100.0), 100.0);
        assert_eq!(functions::f32::gelu::<S>(-100.0), 0.0);
        assert!(functions::f32::gelu::<S>(f32::NAN).is_nan());
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
