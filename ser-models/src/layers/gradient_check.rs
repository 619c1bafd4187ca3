//! Checks of gradients by finite differences, for tests.

use super::in_graph;
use crate::generator::Generator;
use crate::layer::{Layer, Mode, Padded};
use candle_core::{Device, Tensor, Var};

/// The step of the differences.
const STEP: f64 = 1e-5;
/// The largest error allowed, relative to the largest gradient of the tensor.
const TOLERANCE: f64 = 1e-8;

/// Returns standard normal numbers in `f64`.
pub(crate) fn input(shape: &[usize], seed: u64) -> Tensor {
    let mut generator = Generator::with_stream(seed, 77);
    let values = (0..shape.iter().product::<usize>()).map(|_| generator.normal()).collect::<Vec<_>>();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Like [`input`], as a variable.
pub(crate) fn variable(shape: &[usize], seed: u64) -> Var {
    Var::from_tensor(&input(shape, seed)).unwrap()
}

/// Makes a batch with valid lengths.
pub(crate) fn padded(x: &Tensor, lengths: Option<&[usize]>) -> Padded {
    Padded::new(x.clone(), lengths.map(<[usize]>::to_vec)).unwrap()
}

/// Runs a forward pass in training in Candle's graph, with random numbers from a seed.
pub(crate) fn train(layer: &dyn Layer, x: impl Into<Padded>, seed: u64) -> Tensor {
    in_graph(layer, &x.into(), &mut Mode::Training(&mut Generator::new(seed))).unwrap()
}

/// Returns a layer's output in inference.
pub(crate) fn answer(layer: &dyn Layer, x: impl Into<Padded>) -> Tensor {
    layer.forward(&x.into(), &mut Mode::Inference).unwrap().into_output().into_values()
}

/// Returns the largest difference of two tensors of one shape.
pub(crate) fn difference(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
}

/// Returns values in `f64`, in row-major order.
pub(crate) fn values(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_dtype(candle_core::DType::F64).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Checks the gradients of `f`'s output, weighted by fixed random numbers, for each element of each of `vars`, by central differences. `f`
/// must return the same output for the same variables.
pub(crate) fn check(what: &str, vars: &[&Var], f: impl Fn() -> Tensor) {
    let y = f();
    let weights = input(y.dims(), 1234);
    let loss = |y: Tensor| (y * &weights).unwrap().sum_all().unwrap();
    let gradients = loss(y).backward().unwrap();
    for (i, var) in vars.iter().enumerate() {
        let gradient = gradients.get(var).unwrap_or_else(|| panic!("{what}: no gradient for variable {i}"));
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

/// Checks the gradients of a layer for its input and for all its weights.
pub(crate) fn check_layer(what: &str, layer: &dyn Layer, x: &Var, lengths: Option<&[usize]>) {
    let mut vars = vec![x];
    vars.extend(layer.weights());
    check(what, &vars, || train(layer, padded(x, lengths), 1));
}
