//! Initial values of weights.

use crate::generator::Generator;
use candle_core::Shape;
use serde::{Deserialize, Serialize};

/// Distribution of a weight's initial values, drawn from the project's seeded generator.
///
/// For a weight of shape [out, in, kernel…], fan_in is in · kernel… and fan_out is out · kernel….
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Init {
    /// Zeros.
    Zeros,
    /// Ones.
    Ones,
    /// Uniform in ±√(6 / (fan_in + fan_out)), Keras's default (Glorot and Bengio, *Understanding the difficulty of training deep
    /// feedforward neural networks*, 2010, eq. 16).
    GlorotUniform,
    /// Normal with standard deviation √(2 / (fan_in + fan_out)) (eq. 12 of the same paper).
    GlorotNormal,
    /// Uniform in ±√(6 / fan_in), for layers before a ReLU (He et al., *Delving deep into rectifiers: surpassing human-level performance
    /// on ImageNet classification*, 2015, eq. 10).
    HeUniform,
    /// Normal with standard deviation √(2 / fan_in), for layers before a ReLU (eq. 10 of the same paper).
    HeNormal,
    /// Orthogonal rows of length 1, or orthogonal columns if there are more rows than columns, drawn uniformly from all such matrices (Haar
    /// measure; Saxe, McClelland and Ganguli, *Exact solutions to the nonlinear dynamics of learning in deep linear neural networks*,
    /// 2014). The weight is read as a matrix [out, in · kernel…]. For recurrent weights.
    Orthogonal,
}

impl Init {
    /// Draws values for a weight of this shape. They are drawn in `f64`, so that models of both element types start with the same values.
    pub(crate) fn values(self, shape: &[usize], generator: &mut Generator) -> Vec<f64> {
        let n: usize = shape.iter().product();
        let spread: usize = shape.iter().skip(2).product();
        let fan_out = (shape.first().copied().unwrap_or(1) * spread) as f64;
        let fan_in = (shape.get(1).copied().unwrap_or(1) * spread) as f64;
        let uniform = |generator: &mut Generator, bound: f64| {
            (0..n).map(|_| generator.uniform(-bound, bound)).collect()
        };
        let normal = |generator: &mut Generator, deviation: f64| {
            (0..n).map(|_| deviation * generator.normal()).collect()
        };
        match self {
            Self::Zeros => vec![0.0; n],
            Self::Ones => vec![1.0; n],
            Self::GlorotUniform => uniform(generator, (6.0 / (fan_in + fan_out)).sqrt()),
            Self::HeUniform => uniform(generator, (6.0 / fan_in).sqrt()),
            Self::GlorotNormal => normal(generator, (2.0 / (fan_in + fan_out)).sqrt()),
            Self::HeNormal => normal(generator, (2.0 / fan_in).sqrt()),
            Self::Orthogonal => {
                let rows = shape.first().copied().unwrap_or(1);
                orthogonal(rows, n.checked_div(rows).unwrap_or(0), generator)
            }
        }
    }
}

/// Draws values for a `candle-nn` initialisation from the seeded generator.
pub(crate) fn candle_values(init: candle_nn::Init, shape: &[usize], generator: &mut Generator) -> Vec<f64> {
    use candle_nn::init::NormalOrUniform;
    let n: usize = shape.iter().product();
    match init {
        candle_nn::Init::Const(value) => vec![value; n],
        candle_nn::Init::Uniform { lo, up } => (0..n).map(|_| generator.uniform(lo, up)).collect(),
        candle_nn::Init::Randn { mean, stdev } => (0..n).map(|_| mean + stdev * generator.normal()).collect(),
        candle_nn::Init::Kaiming { dist, fan, non_linearity } => {
            let deviation = non_linearity.gain() / (fan.for_shape(&Shape::from(shape)) as f64).sqrt();
            let bound = 3f64.sqrt() * deviation;
            let draw = |_| match dist {
                NormalOrUniform::Uniform => generator.uniform(-bound, bound),
                NormalOrUniform::Normal => deviation * generator.normal(),
            };
            (0..n).map(draw).collect()
        }
    }
}

/// Orthogonalises normal random vectors by Gram and Schmidt's method, row-major [rows, columns]. Done twice, which makes the vectors
/// orthogonal to the last digit (Giraud et al. 2005).
fn orthogonal(rows: usize, columns: usize, generator: &mut Generator) -> Vec<f64> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for _ in 0..count {
        let mut vector: Vec<f64> = (0..length).map(|_| generator.normal()).collect();
        for before in vectors.iter().chain(&vectors) {
            let share = dot(&vector, before);
            vector.iter_mut().zip(before).for_each(|(x, b)| *x -= share * b);
        }
        let norm = dot(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
        vectors.push(vector);
    }
    if rows <= columns {
        vectors.concat()
    } else {
        (0..length).flat_map(|i| vectors.iter().map(move |vector| vector[i])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shape [30, 20, 5]: fan_in 100, fan_out 150.
    fn statistics(init: Init) -> (f64, f64, f64) {
        let values = init.values(&[30, 20, 5], &mut Generator::new(1));
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        (mean, variance, values.iter().fold(0.0, |m: f64, v| m.max(v.abs())))
    }

    #[test]
    fn draws_have_the_variance_and_the_bounds_of_their_formulas() {
        let cases = [
            (Init::GlorotUniform, 2.0f64 / 250.0, (6.0f64 / 250.0).sqrt()),
            (Init::GlorotNormal, 2.0 / 250.0, f64::INFINITY),
            (Init::HeUniform, 2.0 / 100.0, (6.0f64 / 100.0).sqrt()),
            (Init::HeNormal, 2.0 / 100.0, f64::INFINITY),
        ];
        for (init, expected, bound) in cases {
            let (mean, variance, largest) = statistics(init);
            assert!(mean.abs() < 0.1 * expected.sqrt(), "{init:?}: mean {mean}");
            assert!((variance / expected - 1.0).abs() < 0.06, "{init:?}: variance {variance}");
            assert!(
                largest <= bound && largest > 0.95 * bound.min(3.0 * expected.sqrt()),
                "{init:?}: {largest}"
            );
        }
    }

    #[test]
    fn orthogonal_weights_are_orthogonal_along_their_shorter_side() {
        for (rows, columns) in [(6, 6), (3, 8), (40, 10)] {
            let w = Init::Orthogonal.values(&[rows, columns], &mut Generator::new(2));
            let at = |vector: usize, i: usize| {
                if rows <= columns { w[vector * columns + i] } else { w[i * columns + vector] }
            };
            for a in 0..rows.min(columns) {
                for b in 0..rows.min(columns) {
                    let product: f64 = (0..rows.max(columns)).map(|i| at(a, i) * at(b, i)).sum();
                    assert!((product - f64::from(u8::from(a == b))).abs() < 1e-13, "{a} {b}: {product}");
                }
            }
        }
        assert!(Init::Orthogonal.values(&[0, 3], &mut Generator::new(2)).is_empty());
    }
}
