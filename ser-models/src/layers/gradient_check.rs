//! Gradients against finite differences, for tests.

use super::backward;
use crate::generator::Generator;
use candle_core::{Device, Tensor, Var};

/// The step of the differences.
const STEP: f64 = 1e-5;
/// The largest error allowed, relative to the largest gradient of the tensor.
const TOLERANCE: f64 = 1e-8;

/// Standard normal numbers in f64.
pub(crate) fn input(shape: &[usize], seed: u64) -> Tensor {
    let mut generator = Generator::with_stream(seed, 77);
    let values = (0..shape.iter().product::<usize>()).map(|_| generator.normal()).collect::<Vec<_>>();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The largest difference of two tensors of one shape.
pub(crate) fn difference(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
}

/// Checks the gradient of a fixed random weighting of `f`'s output for each of `vars`, entry by entry, by central
/// differences, on both ways that gradients go: handed over to [`backward`], and by Candle's sums. `f` must give the same
/// output for the same variables.
pub(crate) fn check(what: &str, vars: &[&Var], f: impl Fn() -> Tensor) {
    let y = f();
    let weights = input(y.dims(), 1234);
    let loss = |y: Tensor| (y * &weights).unwrap().sum_all().unwrap();
    // Recurrent layers keep what they need for one backward pass, so each has a forward pass of its own.
    let (gradients, candles) = (backward(&loss(y)).unwrap(), loss(f()).backward().unwrap());
    for (i, var) in vars.iter().enumerate() {
        let gradient = gradients.get(var).unwrap_or_else(|| panic!("{what}: no gradient for variable {i}"));
        let apart = difference(gradient, candles.get(var).unwrap());
        assert!(apart < 1e-12, "{what}: variable {i}: the two ways of gradients differ by {apart}");
        let gradient = gradient.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let original = var.as_tensor().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let scale = gradient.iter().fold(1.0f64, |m, g| m.max(g.abs()));
        for j in 0..original.len() {
            let at = |value: f64| {
                let mut values = original.clone();
                values[j] = value;
                var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
                loss(f()).to_scalar::<f64>().unwrap()
            };
            let difference = (at(original[j] + STEP) - at(original[j] - STEP)) / (2.0 * STEP);
            let error = (difference - gradient[j]).abs() / scale;
            assert!(
                error < TOLERANCE,
                "{what}: variable {i} entry {j}: gradient {}, finite difference {difference}",
                gradient[j]
            );
        }
        var.set(&Tensor::from_vec(original, var.shape(), &Device::Cpu).unwrap()).unwrap();
    }
}
