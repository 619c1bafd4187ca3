//! Roots of polynomials.

use num_complex::Complex;

/// The roots of `Σ a[i] · z^(n − i)` with `a[0]` of 1, by the simultaneous iteration of Weierstrass (Durand 1960, Kerner 1966).
pub(super) fn roots(coefficients: &[f64]) -> Vec<Complex<f64>> {
    let degree = coefficients.len().saturating_sub(1);
    let value = |z: Complex<f64>| coefficients.iter().fold(Complex::new(0.0, 0.0), |sum, &a| sum * z + a);
    // A circle of about the roots' size, turned so that it is not symmetric about the real axis.
    let radius =
        coefficients.last().map_or(1.0, |last| last.abs().powf(1.0 / degree.max(1) as f64)).max(1e-3);
    let angle = |i: usize| 2.0 * std::f64::consts::PI * i as f64 / degree as f64 + 0.4;
    let mut roots: Vec<Complex<f64>> = (0..degree).map(|i| Complex::from_polar(radius, angle(i))).collect();
    for _ in 0..200 {
        let mut largest = 0.0_f64;
        for i in 0..degree {
            let others = roots.iter().enumerate().filter(|(j, _)| *j != i);
            let product: Complex<f64> = others.map(|(_, other)| roots[i] - other).product();
            let step = value(roots[i]) / product;
            if step.re.is_finite() && step.im.is_finite() {
                roots[i] -= step;
                largest = largest.max(step.norm());
            } else {
                // Two roots met: part them.
                roots[i] += Complex::new(1e-6, 1e-6);
                largest = 1.0;
            }
        }
        if largest < 1e-13 {
            break;
        }
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_of_a_product_are_its_factors() {
        let want = [(0.9, 0.3), (0.95, 1.1), (0.7, 2.2), (0.99, 2.9)];
        let mut polynomial = vec![1.0];
        for (radius, angle) in want {
            let factor = [1.0, -2.0 * radius * f64::cos(angle), radius * radius];
            let mut product = vec![0.0; polynomial.len() + 2];
            for (i, a) in polynomial.iter().enumerate() {
                factor.iter().enumerate().for_each(|(j, b)| product[i + j] += a * b);
            }
            polynomial = product;
        }
        let found = roots(&polynomial);
        for (radius, angle) in want {
            let want = Complex::from_polar(radius, angle);
            assert!(found.iter().any(|root| (root - want).norm() < 1e-9), "{want} of {found:?}");
        }
        assert!(roots(&[1.0]).is_empty());
    }
}
