//! Layers and optimisers of `candle-nn`: as a reference where they are correct, and in one network with this crate's.

use crate::common::{difference, infer, train};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Module, Tensor, Var};
use candle_nn::{ModuleT, Optimizer as _, RNN, VarBuilder, VarMap};
use ser_models::layers::{
    BatchNorm, BatchNormConfig, Conv1dConfig, CrossEntropy, Dense, Dropout, Init, Layer, Lstm, LstmConfig,
    Relu, Seeded, Sequential, States,
};
use ser_models::training::{Optimizer, OptimizerConfig, OptimizerParams};
use ser_models::{Generator, Parameters, Scope};

/// The largest allowed difference of two computations in `f64`.
const TOLERANCE: f64 = 1e-12;

fn parameters(dtype: DType) -> Parameters {
    Parameters::new(3, dtype)
}

/// Returns numbers within ±1.
fn numbers(shape: &[usize], seed: u64) -> Tensor {
    let mut generator = Generator::new(seed);
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| generator.uniform(-1.0, 1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Returns the gradients of `Σ y · dy` in Candle's graph.
fn graph_gradients(y: &Tensor, dy: &Tensor) -> GradStore {
    (y * dy).unwrap().sum_all().unwrap().backward().unwrap()
}

#[test]
fn dense_is_linear() {
    let parameters = parameters(DType::F64);
    let dense = Dense::new(7, 3, Init::GlorotUniform, &parameters.scope("dense")).unwrap();
    let [weight, bias] = [0, 1].map(|at| dense.weights()[at].clone());
    bias.set(&numbers(&[3], 1)).unwrap();
    let linear = candle_nn::Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone()));
    let (x, dy) = (Var::from_tensor(&numbers(&[5, 7], 2)).unwrap(), numbers(&[5, 3], 3));

    let expected = linear.forward(&x).unwrap();
    let pass = train(&dense, &x.as_detached_tensor().into(), 0);
    assert!(difference(pass.output().values(), &expected) < TOLERANCE);
    let (mut gradients, theirs) = (GradStore::default(), graph_gradients(&expected, &dy));
    let dx = pass.backward(&dy, &mut gradients).unwrap();
    assert!(difference(&dx, theirs.get(&x).unwrap()) < TOLERANCE);
    for var in [&weight, &bias] {
        assert!(difference(gradients.get(var).unwrap(), theirs.get(var).unwrap()) < TOLERANCE);
    }
}

#[test]
fn batch_normalisation_is_that_of_candle_in_training_and_inference() {
    let shapes = [&[6, 4][..], &[3, 4, 7], &[2, 4, 3, 5]];
    // Forward and backward pass of the layer itself, then through Candle's graph.
    for (shape, in_graph) in shapes.into_iter().flat_map(|shape| [(shape, false), (shape, true)]) {
        let parameters = parameters(DType::F64);
        let config = BatchNormConfig { momentum: 0.2, eps: 1e-3 };
        let ours = BatchNorm::new(4, config, &parameters.scope("norm")).unwrap();
        let [weight, bias] = [0, 1].map(|at| ours.weights()[at].clone());
        weight.set(&(numbers(&[4], 1) + 1.5).unwrap()).unwrap();
        bias.set(&numbers(&[4], 2)).unwrap();
        let [mean, variance] = [0, 1].map(|at| ours.statistics()[at].copy().unwrap());
        let (weights, biases) = (weight.as_tensor().clone(), bias.as_tensor().clone());
        let theirs =
            candle_nn::BatchNorm::new_with_momentum(4, mean, variance, weights, biases, 1e-3, 0.2).unwrap();

        for step in 0..3 {
            let x = Var::from_tensor(&(numbers(shape, 10 + step) * 3.0).unwrap()).unwrap();
            let dy = numbers(shape, 20 + step);
            let expected = theirs.forward_t(&x, true).unwrap();
            let (y, gradients, dx) = if in_graph {
                let y = ours.forward_t(&x, true).unwrap();
                let gradients = graph_gradients(&y, &dy);
                let dx = gradients.get(&x).unwrap().clone();
                (y, gradients, dx)
            } else {
                let pass = train(&ours, &x.as_detached_tensor().into(), 0);
                let (y, mut gradients) = (pass.output().values().clone(), GradStore::default());
                let dx = pass.backward(&dy, &mut gradients).unwrap();
                (y, gradients, dx)
            };
            assert!(difference(&y, &expected) < TOLERANCE, "{shape:?}");
            let graph = graph_gradients(&expected, &dy);
            assert!(difference(&dx, graph.get(&x).unwrap()) < TOLERANCE, "{shape:?}");
            for var in [&weight, &bias] {
                assert!(
                    difference(gradients.get(var).unwrap(), graph.get(var).unwrap()) < TOLERANCE,
                    "{shape:?}"
                );
            }
        }
        for (ours, theirs) in ours.statistics().into_iter().zip([theirs.running_mean(), theirs.running_var()])
        {
            assert!(difference(ours, theirs) < TOLERANCE, "{shape:?}");
        }
        let x = numbers(shape, 30);
        let expected = theirs.forward_t(&x, false).unwrap();
        let y = if in_graph { ours.forward_t(&x, false).unwrap() } else { infer(&ours, &x.into()) };
        assert!(difference(&y, &expected) < TOLERANCE, "{shape:?}");
    }
}

#[test]
fn an_lstm_is_that_of_candle_with_both_biases_in_one() {
    let (inputs, units) = (3, 4);
    let theirs = parameters(DType::F64);
    let builder = theirs.var_builder().pp("lstm");
    let lstm = candle_nn::lstm(inputs, units, candle_nn::LSTMConfig::default(), builder).unwrap();
    let var = |name: &str| theirs.get(&format!("lstm.{name}_l0")).unwrap().var().clone();
    let [w_ih, w_hh, b_ih, b_hh] = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(var);
    b_ih.set(&numbers(&[4 * units], 1)).unwrap();
    b_hh.set(&numbers(&[4 * units], 2)).unwrap();

    let parameters = parameters(DType::F64);
    let config = LstmConfig { states: States::Sequence, ..LstmConfig::new(units) };
    let ours = Lstm::new(inputs, config, &parameters.scope("lstm")).unwrap();
    let [weight, bias] = [0, 1].map(|at| ours.weights()[at].clone());
    weight.set(&Tensor::cat(&[w_ih.as_tensor(), w_hh.as_tensor()], 1).unwrap()).unwrap();
    bias.set(&(b_ih.as_tensor() + b_hh.as_tensor()).unwrap()).unwrap();

    let (x, dy) = (Var::from_tensor(&numbers(&[5, 6, inputs], 3)).unwrap(), numbers(&[5, 6, units], 4));
    let expected = lstm.states_to_tensor(&lstm.seq(&x).unwrap()).unwrap();
    let pass = train(&ours, &x.as_detached_tensor().into(), 0);
    assert!(difference(pass.output().values(), &expected) < TOLERANCE);
    let (mut gradients, graph) = (GradStore::default(), graph_gradients(&expected, &dy));
    let dx = pass.backward(&dy, &mut gradients).unwrap();
    assert!(difference(&dx, graph.get(&x).unwrap()) < TOLERANCE);
    let parts = [&w_ih, &w_hh].map(|var| graph.get(var).unwrap());
    let expected = Tensor::cat(&parts, 1).unwrap();
    assert!(difference(gradients.get(&weight).unwrap(), &expected) < TOLERANCE);
    // Each of the two biases has the gradient of their sum.
    for theirs in [&b_ih, &b_hh] {
        assert!(difference(gradients.get(&bias).unwrap(), graph.get(theirs).unwrap()) < TOLERANCE);
    }
}

#[test]
fn adamw_takes_the_steps_of_candles_adamw() {
    let start = numbers(&[4, 5], 1).to_dtype(DType::F32).unwrap();
    let [ours, theirs] = [0, 1].map(|_| Var::from_tensor(&start.copy().unwrap()).unwrap());
    let config = candle_nn::ParamsAdamW { lr: 0.01, weight_decay: 0.1, ..Default::default() };
    let mut candles = candle_nn::AdamW::new(vec![theirs.clone()], config).unwrap();
    let parameters = Parameters::new(0, DType::F32);
    let weight = parameters.scope("layer").weight("weight", &[4, 5], Init::Zeros).unwrap();
    weight.set(&start).unwrap();
    let mut by_parameters = Optimizer::for_parameters(OptimizerConfig::adamw(0.1), 0.01, &parameters);
    let of_vars = OptimizerParams { config: OptimizerConfig::adamw(0.1), learning_rate: 0.01 };
    let mut by_vars = Optimizer::new(vec![ours.clone()], of_vars).unwrap();
    for step in 0..10 {
        let gradient = numbers(&[4, 5], 10 + step).to_dtype(DType::F32).unwrap();
        let gradients = |var: &Var| graph_gradients(var.as_tensor(), &gradient);
        // The last steps have a smaller learning rate.
        if step == 6 {
            candles.set_learning_rate(0.003);
            by_vars.set_learning_rate(0.003);
            by_parameters.set_learning_rate(0.003);
        }
        candles.step(&gradients(&theirs)).unwrap();
        by_vars.step(&gradients(&ours)).unwrap();
        by_parameters.step(&gradients(&weight)).unwrap();
        for var in [&ours, &weight] {
            let error = difference(var, &theirs);
            assert!(error < 2e-6, "off by {error} after step {}", step + 1);
        }
    }
    assert!(difference(&theirs, &start) > 0.01);
    assert_eq!((by_parameters.steps(), by_parameters.learning_rate()), (10, 0.003));
}

/// A convolution of this crate with a linear layer of `candle-nn` as its head.
fn mixed(parameters: &Parameters) -> Sequential {
    let mut net = Sequential::new([2, 12]);
    net.conv1d(Conv1dConfig::new(3, 3), parameters).unwrap();
    net.relu().unwrap();
    net.flatten().unwrap();
    let head = candle_nn::linear(36, 4, parameters.var_builder().pp("head")).unwrap();
    net.module("head", head, [4], parameters).unwrap();
    net
}

/// Returns eight examples of four classes.
fn examples(dtype: DType) -> (Tensor, Tensor, CrossEntropy) {
    let loss = CrossEntropy::new(vec![1.0; 4], 0.05).unwrap();
    let labels: Vec<usize> = (0..8).map(|i| i % 4).collect();
    let targets = loss.targets(&labels, dtype).unwrap();
    (numbers(&[8, 2, 12], 5).to_dtype(dtype).unwrap(), targets, loss)
}

#[test]
fn a_candle_layer_in_a_network_makes_its_tensors_in_order_and_from_the_seed() {
    let made = |seed| {
        let parameters = Parameters::new(seed, DType::F32);
        let net = mixed(&parameters);
        assert_eq!(net.output_shape(), [4]);
        let all: Vec<_> = parameters.iter().collect();
        let names: Vec<&str> = all.iter().map(|p| p.name()).collect();
        assert_eq!(names, ["conv1d_1.weight", "conv1d_1.bias", "head.weight", "head.bias"]);
        assert!(all.iter().all(|p| p.is_trainable()));
        let ids = net.weights().iter().map(|var| var.id()).collect::<Vec<_>>();
        assert_eq!(ids, all.iter().map(|p| p.var().id()).collect::<Vec<_>>());
        let rows: Vec<(String, usize)> =
            Layer::summary(&net, "", &[]).into_iter().map(|row| (row.name, row.parameters)).collect();
        assert_eq!(rows.last().unwrap(), &("head".to_owned(), 36 * 4 + 4));
        all.iter()
            .flat_map(|p| p.var().flatten_all().unwrap().to_vec1::<f32>().unwrap())
            .map(f32::to_bits)
            .collect::<Vec<_>>()
    };
    let one = made(1);
    assert!(one == made(1) && one != made(2));
    // The head's own values depend on the seed too.
    assert_ne!(one[one.len() - 4..], made(2)[one.len() - 4..]);

    let parameters = Parameters::new(1, DType::F32);
    let mut net = Sequential::new([36]);
    let elsewhere = VarMap::new();
    let builder = VarBuilder::from_varmap(&elsewhere, DType::F32, &Device::Cpu);
    let head = candle_nn::linear(36, 4, builder).unwrap();
    let error = net.module("head", head, [4], &parameters).unwrap_err().to_string();
    assert!(error.starts_with("head: name must"), "{error}");
}

#[test]
fn gradients_of_a_mixed_network_are_right() {
    let parameters = parameters(DType::F64);
    let net = mixed(&parameters);
    let (x, targets, loss) = examples(DType::F64);
    let x = Var::from_tensor(&x).unwrap();
    let value = || {
        let pass = train(&net, &x.as_detached_tensor().into(), 0);
        loss.loss_and_gradient(pass.output().values(), &targets, None).unwrap().0
    };
    let pass = train(&net, &x.as_detached_tensor().into(), 0);
    let (_, dlogits) = loss.loss_and_gradient(pass.output().values(), &targets, None).unwrap();
    let mut gradients = GradStore::default();
    let dx = pass.backward(&dlogits, &mut gradients).unwrap();
    gradients.insert(&x, dx);

    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let named = parameters.iter().map(|p| (p.name().to_owned(), p.var().clone()));
    for (name, var) in named.chain([("the input".to_owned(), x.clone())]) {
        let gradient = flat(gradients.get(&var).unwrap());
        let largest = gradient.iter().fold(0.0, |most: f64, g| most.max(g.abs()));
        let before = flat(&var);
        for (at, gradient) in gradient.iter().enumerate() {
            let moved = |step: f64| {
                let mut values = before.clone();
                values[at] += step;
                var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu).unwrap()).unwrap();
                value()
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            let error = (gradient - expected).abs() / largest;
            assert!(error < 1e-7, "{name}, element {at}: {gradient} instead of {expected}");
        }
        var.set(&Tensor::from_vec(before, var.dims(), &Device::Cpu).unwrap()).unwrap();
    }
}

/// Like [`mixed`], with a normalisation and an activation of `candle-nn`.
fn mixed_with_statistics(parameters: &Parameters) -> Sequential {
    let mut net = mixed(parameters);
    let norm = candle_nn::batch_norm(4, 1e-5, parameters.var_builder().pp("norm")).unwrap();
    net.module("norm", norm, [4], parameters).unwrap();
    net.module("silu", candle_nn::Activation::Silu, [4], parameters).unwrap();
    net
}

#[test]
fn a_mixed_network_is_saved_and_loaded() {
    let (x, targets, loss) = examples(DType::F32);
    let trained = Parameters::new(1, DType::F32);
    let net = mixed_with_statistics(&trained);
    let statistics: Vec<String> =
        trained.iter().filter(|p| !p.is_trainable()).map(|p| p.name().to_owned()).collect();
    assert_eq!(statistics, ["norm.running_mean", "norm.running_var"]);
    assert_eq!((net.weights().len(), net.statistics().len()), (6, 2));
    let mut optimizer = Optimizer::for_parameters(OptimizerConfig::adamw(0.01), 0.01, &trained);
    for step in 0..5 {
        let pass = train(&net, &(&x).into(), step);
        let (_, dlogits) = loss.loss_and_gradient(pass.output().values(), &targets, None).unwrap();
        let mut gradients = GradStore::default();
        pass.backward_weights(&dlogits, &mut gradients).unwrap();
        optimizer.step(&gradients).unwrap();
    }
    let bytes = trained.to_bytes().unwrap();
    assert!(bytes == trained.to_bytes().unwrap());

    let fresh = Parameters::new(2, DType::F32);
    let other = mixed_with_statistics(&fresh);
    let answer = |net: &Sequential| infer(net, &(&x).into());
    assert!(difference(&answer(&other), &answer(&net)) > 0.01);
    fresh.load(&bytes).unwrap();
    assert_eq!(difference(&answer(&other), &answer(&net)), 0.0);

    // Weights that do not fit change nothing.
    let before = answer(&other);
    let mut damaged = bytes.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let error = fresh.load(&damaged).unwrap_err().to_string();
    assert!(error.starts_with("content: checksum must be "), "{error}");
    let small = Parameters::new(2, DType::F32);
    let _ = mixed(&small);
    let error = fresh.load(&small.to_bytes().unwrap()).unwrap_err().to_string();
    assert_eq!(error, "tensor norm.running_mean: shape must be [4], got no such tensor");
    let error = small.load(&bytes).unwrap_err().to_string();
    assert_eq!(error, "tensors: names must be those of the model, got norm.bias");
    assert_eq!(difference(&answer(&other), &before), 0.0);
}

#[test]
fn layers_from_a_builder_over_parameters_start_from_the_seed() {
    let made = |seed| {
        let parameters = Parameters::new(seed, DType::F32);
        let builder = parameters.var_builder();
        let dense = Dense::new(5, 4, Init::HeUniform, &Scope::from(builder.pp("dense"))).unwrap();
        let _ = BatchNorm::new(4, BatchNormConfig::default(), &Scope::from(builder.pp("norm"))).unwrap();
        assert_eq!(dense.weights()[0].id(), parameters.get("dense.weight").unwrap().var().id());
        let fixed: Vec<String> =
            parameters.iter().filter(|p| !p.is_trainable()).map(|p| p.name().to_owned()).collect();
        assert_eq!(fixed, ["norm.running_mean", "norm.running_var"]);
        let values = dense.weights()[0].flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let limit = (6.0f32 / 5.0).sqrt();
        assert!(values.iter().all(|x| x.abs() <= limit) && values.iter().any(|x| x.abs() > 0.5 * limit));
        values
    };
    assert_eq!(made(1), made(1));
    assert_ne!(made(1), made(2));
}

#[test]
fn a_mixed_network_is_trained_as_one() {
    let parameters = parameters(DType::F32);
    let net = mixed(&parameters);
    let (x, targets, loss) = examples(DType::F32);
    let mut optimizer = Optimizer::for_parameters(OptimizerConfig::adamw(0.01), 0.01, &parameters);
    let before: Vec<Tensor> = parameters.iter().map(|p| p.var().copy().unwrap()).collect();
    let mut losses = Vec::new();
    for step in 0..60 {
        let pass = train(&net, &(&x).into(), step);
        let (value, dlogits) = loss.loss_and_gradient(pass.output().values(), &targets, None).unwrap();
        losses.push(value);
        let mut gradients = GradStore::default();
        pass.backward_weights(&dlogits, &mut gradients).unwrap();
        optimizer.step(&gradients).unwrap();
    }
    assert!(losses[59] < 0.4 * losses[0], "{losses:?}");
    for (p, before) in parameters.iter().zip(before) {
        assert!(difference(p.var(), &before) > 1e-3, "{}", p.name());
    }
    assert!(!infer(&net, &x.into()).track_op());
}

#[test]
fn layers_from_a_var_map_are_trained_by_candles_optimiser() {
    let map = VarMap::new();
    let builder = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let [first, second] = [(24, 16, "first"), (16, 4, "second")].map(|(inputs, units, name)| {
        Dense::new(inputs, units, Init::HeUniform, &Scope::from(builder.pp(name))).unwrap()
    });
    let mut names: Vec<String> = map.data().lock().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["first.bias", "first.weight", "second.bias", "second.weight"]);
    // The map holds the layers' own variables with the layers' initial values.
    let in_map = map.data().lock().unwrap()["first.weight"].clone();
    assert_eq!(in_map.id(), first.weights()[0].id());
    let limit = (6.0f32 / 24.0).sqrt();
    let values = in_map.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(values.iter().all(|x| x.abs() <= limit) && values.iter().any(|x| x.abs() > 0.5 * limit));

    let (x, targets, loss) = examples(DType::F32);
    let x = x.flatten_from(1).unwrap();
    let mut optimizer = candle_nn::AdamW::new_lr(map.all_vars(), 0.02).unwrap();
    let mut losses = Vec::new();
    for _ in 0..60 {
        let logits = {
            let hidden = Module::forward(&Relu, &Module::forward(&first, &x).unwrap()).unwrap();
            Module::forward(&second, &hidden).unwrap()
        };
        let loss = loss.loss(&logits, &targets).unwrap();
        losses.push(loss.to_scalar::<f32>().unwrap());
        optimizer.backward_step(&loss).unwrap();
    }
    assert!(losses[59] < 0.4 * losses[0], "{losses:?}");

    // A second layer from the same builder and name gets the trained values.
    let again = Dense::new(24, 16, Init::HeUniform, &Scope::from(builder.pp("first"))).unwrap();
    assert_eq!(difference(again.weights()[0], first.weights()[0]), 0.0);
}

#[test]
fn a_network_with_dropout_is_trained_in_candles_graph_with_masks_from_a_seed() {
    let run = |seed| {
        let map = VarMap::new();
        let builder = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
        let mut net = Sequential::new([24]);
        let dense = |inputs, units, name| {
            Dense::new(inputs, units, Init::HeUniform, &Scope::from(builder.pp(name))).unwrap()
        };
        net.push("dense", dense(24, 32, "dense_1")).unwrap();
        net.push("relu", Relu).unwrap();
        net.push("dropout", Dropout::new(0.3).unwrap()).unwrap();
        net.push("dense", dense(32, 4, "dense_2")).unwrap();
        let net = Seeded::new(net, seed);
        let (x, targets, loss) = examples(DType::F32);
        let x = x.flatten_from(1).unwrap();
        let mut optimizer = candle_nn::AdamW::new_lr(map.all_vars(), 0.02).unwrap();
        let answer = || loss.loss(&net.forward_t(&x, false).unwrap(), &targets).unwrap();
        let before = answer().to_scalar::<f32>().unwrap();
        let losses: Vec<f32> = (0..60)
            .map(|_| {
                let loss = loss.loss(&net.forward_t(&x, true).unwrap(), &targets).unwrap();
                optimizer.backward_step(&loss).unwrap();
                loss.to_scalar::<f32>().unwrap()
            })
            .collect();
        let after = answer();
        assert!(!after.track_op());
        assert!(after.to_scalar::<f32>().unwrap() < 0.5 * before, "{before} to {after}");
        losses
    };
    let one = run(1);
    assert_eq!(one, run(1));
    assert_ne!(one, run(2));
}
