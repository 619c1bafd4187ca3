//! Tests of layers that are computed together against the same layers computed one by one.

use super::*;
use crate::layer::chain;
use crate::layers::gradient_check::{answer, check_layer, input, padded, train, values, variable};
use crate::layers::{
    BatchNormConfig, Conv1dConfig, Conv2dConfig, MaxPool1d, MaxPool2d, Padding, Sequential, reference,
};
use crate::{Generator, Parameters};
use candle_core::{DType, Device};

type Build = fn(&mut Sequential, &Parameters) -> Result<(), LayerError>;

/// Returns networks with every order of layers that can be computed together, with their input shapes.
fn networks() -> Vec<(&'static [usize], Build)> {
    vec![
        (&[2, 7, 9], |net, parameters| {
            net.conv2d(Conv2dConfig::new(3, [3, 3]), parameters)?;
            net.relu()?;
            net.max_pool2d([2, 2])?;
            net.dropout(0.3)?;
            net.conv2d(Conv2dConfig { stride: [2, 1], ..Conv2dConfig::new(4, [2, 3]) }, parameters)?;
            net.batch_norm(BatchNormConfig::default(), parameters)?;
            net.relu()?;
            net.max_pool2d([1, 3])?;
            net.dropout(0.2)
        }),
        (&[2, 19], |net, parameters| {
            net.conv1d(Conv1dConfig::new(3, 5), parameters)?;
            net.batch_norm(BatchNormConfig::default(), parameters)?;
            net.relu()?;
            net.conv1d(Conv1dConfig::new(4, 3), parameters)?;
            net.relu()?;
            net.dropout(0.1)?;
            net.batch_norm(BatchNormConfig::default(), parameters)?;
            net.max_pool1d(4)?;
            net.conv1d(Conv1dConfig::new(2, 2), parameters)?;
            net.relu()
        }),
        (&[3, 21], |net, parameters| {
            net.conv1d(
                Conv1dConfig { padding: Padding::Causal, dilation: 2, ..Conv1dConfig::new(4, 3) },
                parameters,
            )?;
            net.relu()?;
            net.batch_norm(BatchNormConfig::default(), parameters)?;
            net.dropout(0.4)?;
            net.push("max_pool1d", MaxPool1d::new(3, 2, Padding::Same)?)?;
            net.dropout(0.2)?;
            net.max_pool1d(2)?;
            net.flatten()?;
            net.dropout(0.3)?;
            net.dense(3, crate::layers::Init::GlorotUniform, parameters)
        }),
        (&[2, 6, 5], |net, parameters| {
            net.relu()?;
            net.conv2d(Conv2dConfig::new(5, [3, 1]), parameters)?;
            net.spatial_dropout(0.4)?;
            net.push("max_pool2d", MaxPool2d::new([3, 2], [1, 2], Padding::Same)?)?;
            net.relu()?;
            net.batch_norm(BatchNormConfig::default(), parameters)
        }),
        (&[1, 23], |net, parameters| {
            net.conv1d(Conv1dConfig::new(9, 4), parameters)?;
            net.conv1d(Conv1dConfig { padding: Padding::Valid, ..Conv1dConfig::new(5, 3) }, parameters)?;
            net.flatten()?;
            net.dropout(0.3)?;
            net.relu()?;
            net.batch_norm(BatchNormConfig::default(), parameters)
        }),
    ]
}

fn network(shape: &[usize], build: Build) -> (Sequential, Parameters) {
    let parameters = Parameters::new(1, DType::F64);
    let mut net = Sequential::new(shape);
    build(&mut net, &parameters).unwrap();
    for (seed, parameter) in parameters.iter().filter(|p| p.is_trainable()).enumerate() {
        let shift = if parameter.name().contains("batch_norm") { 0.3 } else { 0.0 };
        let values = input(parameter.var().dims(), seed as u64).affine(0.7, shift).unwrap();
        parameter.var().set(&values).unwrap();
    }
    (net, parameters)
}

/// The layers of a network, each computed alone.
#[derive(Debug)]
struct OneByOne(Sequential);

impl Layer for OneByOne {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        let (mut x, mut backwards) = (x.clone(), Vec::new());
        for layer in &self.0.layers {
            if layer.name.starts_with("conv") && x.lengths().is_some() {
                x = x.with_values(reference::keep_valid(x.values(), x.lengths().unwrap())?);
            }
            let (y, backward) = layer.layer.forward(&x, mode)?.into_parts();
            backwards.extend(backward.map(|backward| (backward, true)));
            x = y;
        }
        Ok(Forward::of(mode.is_training(), x, chain(backwards)))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        Layer::output_shape(&self.0, input)
    }

    fn kind(&self) -> &'static str {
        "OneByOne"
    }

    fn weights(&self) -> Vec<&Var> {
        self.0.weights()
    }
}

fn close(a: &Tensor, b: &Tensor) -> bool {
    a.dims() == b.dims()
        && values(a).iter().zip(values(b)).all(|(a, b)| (a - b).abs() < 1e-11 * b.abs().max(1.0))
}

/// Returns valid lengths for networks that keep a time axis, and no lengths.
fn all_lengths(shape: &[usize], batch: usize, flat: bool) -> Vec<Option<Vec<usize>>> {
    let frames = shape[shape.len() - 1];
    let some = (0..batch).map(|i| frames - (3 * i) % (frames - 1)).collect();
    if flat { vec![None] } else { vec![None, Some(some)] }
}

fn is_flat(net: &Sequential) -> bool {
    net.layers.iter().any(|layer| layer.name.starts_with("flatten"))
}

#[test]
fn layers_together_give_what_they_give_one_by_one() {
    for (shape, build) in networks() {
        for batch in [2, 3, 5, 41] {
            let dims: Vec<usize> = std::iter::once(batch).chain(shape.iter().copied()).collect();
            let x = variable(&dims, 7);
            for lengths in all_lengths(shape, batch, is_flat(&network(shape, build).0)) {
                let ((net, parameters), (other, others)) = (network(shape, build), network(shape, build));
                let other = OneByOne(other);
                for step in 0..2 {
                    let ours = train(&net, padded(&x, lengths.as_deref()), step);
                    let theirs = train(&other, padded(&x, lengths.as_deref()), step);
                    assert!(close(&ours, &theirs), "{lengths:?}");
                    let gradients = |y: Tensor| y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
                    let (ours, theirs) = (gradients(ours), gradients(theirs));
                    if lengths.is_none() {
                        assert!(close(ours.get(&x).unwrap(), theirs.get(&x).unwrap()));
                    }
                    for (a, b) in parameters.iter().zip(others.iter()) {
                        assert!(close(a.var(), b.var()), "{}", a.name());
                        if a.is_trainable() {
                            let (a, b, name) = (ours.get(a.var()), theirs.get(b.var()), a.name());
                            assert!(close(a.unwrap(), b.unwrap()), "gradient of {name}, {lengths:?}");
                        }
                    }
                }
                let x = padded(&x.as_detached_tensor(), lengths.as_deref());
                assert!(close(&answer(&net, x.clone()), &answer(&other, x)));
            }
        }
    }
}

#[test]
fn gradients_are_correct_with_and_without_padding() {
    for (shape, build) in networks() {
        let (net, _parameters) = network(shape, build);
        let dims: Vec<usize> = std::iter::once(3).chain(shape.iter().copied()).collect();
        for lengths in all_lengths(shape, 3, is_flat(&net)) {
            check_layer("stages", &net, &variable(&dims, 7), lengths.as_deref());
        }
    }
}

#[test]
fn padding_changes_no_valid_output() {
    let (shape, build) = networks()[1];
    let (net, _parameters) = network(shape, build);
    let x = input(&[2, 2, 19], 3);
    let alone = answer(&net, x.narrow(2, 0, 12).unwrap());
    let among = answer(&net, padded(&x, Some(&[12, 12])));
    let valid = among.narrow(2, 0, alone.dim(2).unwrap()).unwrap();
    assert!(close(&valid.contiguous().unwrap(), &alone));
}

#[test]
fn a_batch_of_one_and_wrong_shapes_are_refused() {
    let (shape, build) = networks()[1];
    let (net, _parameters) = network(shape, build);
    let forward = |dims: &[usize], mode: &mut Mode<'_>| net.forward(&input(dims, 1).into(), mode);
    assert!(forward(&[1, 2, 19], &mut Mode::Inference).is_ok());
    let error = forward(&[1, 2, 19], &mut Mode::Training(&mut Generator::new(0))).unwrap_err();
    assert!(matches!(error, LayerError::BatchOfOne));
    assert!(matches!(forward(&[0, 2, 19], &mut Mode::Inference), Err(LayerError::EmptyBatch { .. })));
    assert!(matches!(forward(&[2, 3, 19], &mut Mode::Inference), Err(LayerError::InputShape { .. })));
}

#[test]
fn a_nan_stays() {
    let (shape, build) = networks()[0];
    let (net, _parameters) = network(shape, build);
    let x = Tensor::full(f64::NAN, (2, 2, 7, 9), &Device::Cpu).unwrap();
    assert!(values(&answer(&net, x)).iter().all(|y| y.is_nan()));
}
