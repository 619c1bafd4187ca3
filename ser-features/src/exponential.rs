//! Logarithms and exponentials in `f64` that can be vectorised. Those of the standard library process one value at a time.

use std::f64::consts::{FRAC_1_SQRT_2, LOG2_E};

/// `ln 2` in two parts: the first has so few digits that its product with an exponent is exact.
const LN_2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];

/// The bits of 2^52. With a whole number in the bits of the mantissa, the value is 2^52 plus that number.
const WHOLE: u64 = 0x4330_0000_0000_0000;

/// Below this, two terms of the Taylor series are more accurate than a difference that loses digits by rounding.
const SMALL: f64 = 1e-5;

/// `ln x` of a number from the smallest normal one to the largest, within 1e-15 of its own value or 3e-16, whichever is more.
///
/// With `x` as `m · 2^e` and `m` from √½ to √2, `ln m = 2 · artanh((m − 1) / (m + 1))`, by the first terms of its series.
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
    ln_by(x, 2.0 / 19.0, &[17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0])
}

/// `ln x` within 1e-10 of its own value or of 1, whichever is more, in two thirds of the time.
#[inline(always)]
pub(crate) fn near_ln(x: f64) -> f64 {
    ln_by(x, 2.0 / 13.0, &[11.0, 9.0, 7.0, 5.0, 3.0])
}

/// `ln x` by its series: `last` is the coefficient of the last term, `odds` are the odd numbers of the terms before it in falling order.
#[inline(always)]
fn ln_by(x: f64, last: f64, odds: &[f64]) -> f64 {
    const SQRT_HALF: u64 = FRAC_1_SQRT_2.to_bits();
    const MANTISSA: u64 = (1 << 52) - 1;

    // What is carried into the exponent makes the mantissa at least √½.
    let shifted = x.to_bits().wrapping_add(1.0_f64.to_bits() - SQRT_HALF);
    let exponent = f64::from_bits((shifted >> 52) | WHOLE) - (f64::from_bits(WHOLE) + 1_023.0);
    let mantissa = f64::from_bits((shifted & MANTISSA) + SQRT_HALF);
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    let mut series = last;
    for odd in odds {
        series = 2.0 / odd + square * series;
    }
    exponent * LN_2[0] + (exponent * LN_2[1] + (2.0 * t + t * square * series))
}

/// `e^x`, within 1e-15 of its own value; from −708 to 709, and the value at the nearest of both beyond.
///
/// With `x` as `n · ln 2 + r` and `|r|` at most half of `ln 2`, it is `2^n · e^r`, by the first terms of its series.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    exp_by(x, &INVERSES)
}

/// `e^x` within 1e-11 of its own value, over the same range, in three quarters of the time.
#[inline(always)]
pub(crate) fn near_exp(x: f64) -> f64 {
    exp_by(x, &[1.0 / 9.0, 1.0 / 8.0, 1.0 / 7.0, 1.0 / 6.0, 1.0 / 5.0, 1.0 / 4.0, 1.0 / 3.0, 1.0 / 2.0, 1.0])
}

/// Of the numbers of the exponential's terms, the last first.
const INVERSES: [f64; 13] = [
    1.0 / 13.0,
    1.0 / 12.0,
    1.0 / 11.0,
    1.0 / 10.0,
    1.0 / 9.0,
    1.0 / 8.0,
    1.0 / 7.0,
    1.0 / 6.0,
    1.0 / 5.0,
    1.0 / 4.0,
    1.0 / 3.0,
    1.0 / 2.0,
    1.0,
];

#[inline(always)]
fn exp_by(x: f64, inverses: &[f64]) -> f64 {
    // Adding it to a number rounds the number to a whole one.
    const ROUND: f64 = 1.5 * (1_u64 << 52) as f64;

    let x = if x > -708.0 { x } else { -708.0 };
    let x = if x < 709.0 { x } else { 709.0 };
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2[0]) - n * LN_2[1];
    let mut series = 1.0;
    for &term in inverses {
        series = 1.0 + r * term * series;
    }
    series * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1.0_f64.to_bits()))
}

/// `ln(1 + x)` of a number that is not negative, within 1e-10 of its own value.
#[inline(always)]
pub(crate) fn ln_1p(x: f64) -> f64 {
    if x < SMALL { x - 0.5 * x * x } else { ln(1.0 + x) }
}

/// `e^x − 1` of a number that is not negative, within 1e-10 of its own value.
#[inline(always)]
pub(crate) fn exp_m1(x: f64) -> f64 {
    if x < SMALL { x + 0.5 * x * x } else { exp(x) - 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_right_at_every_scale() {
        let mut x = f64::MIN_POSITIVE;
        while x < f64::MAX / 2.0 {
            let error = (ln(x) - x.ln()).abs();
            assert!(error <= (1e-15 * x.ln().abs()).max(3e-16), "{x:e}: {error:e}");
            assert!((near_ln(x) - x.ln()).abs() <= 1e-10 * x.ln().abs().max(1.0), "{x:e}");
            assert!((ln_1p(x) - x.ln_1p()).abs() <= 1e-10 * x.ln_1p(), "{x:e}");
            x *= 1.003;
        }
        assert_eq!((ln(1.0), ln_1p(0.0)), (0.0, 0.0));
    }

    #[test]
    fn exponentials_are_right_at_every_scale() {
        for n in -70_800..70_900 {
            let x = f64::from(n) * 0.01;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-15, "{x}: {:e}", exp(x) / x.exp() - 1.0);
            assert!((near_exp(x) / x.exp() - 1.0).abs() < 1e-11, "{x}");
        }
        assert_eq!((exp(0.0), exp_m1(0.0)), (1.0, 0.0));
        assert_eq!((exp(-1e9), exp(1e9)), (exp(-708.0), exp(709.0)));
        let mut x = 1e-300;
        while x < 700.0 {
            assert!((exp_m1(x) / x.exp_m1() - 1.0).abs() < 1e-10, "{x:e}");
            x *= 1.01;
        }
    }
}
