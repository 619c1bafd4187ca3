//! Whole models: against PyTorch 2.15.0 by `golden/make_goldens.py`, and what every architecture must do.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor};
use common::{Golden, difference};
use ser_models::layers::{BatchNormConfig, CrossEntropy, Mode, softmax};
use ser_models::models::{Architecture, BlockLayer, Cnn1d, Cnn1dConfig, ConvBlock, Model};
use ser_models::training::{Optimizer, OptimizerConfig};
use ser_models::{Generator, Parameters};

fn small_config() -> Cnn1dConfig {
    use BlockLayer::{BatchNorm, MaxPool, Relu};
    let block =
        |filters, kernel_size| ConvBlock { filters, kernel_size, then: vec![Relu, BatchNorm, MaxPool(2)] };
    let blocks = vec![block(4, 5), block(6, 3)];
    Cnn1dConfig { features: 20, blocks, batch_norm: BatchNormConfig::keras(), ..Default::default() }
}

/// One step of Adam, in f64 by hand, because the optimiser works on f32.
fn adam(model: &Cnn1d, gradients: &GradStore, slots: &mut Vec<[Tensor; 2]>, step: i32) {
    for (i, p) in model.parameters().iter().filter(|p| p.is_trainable()).enumerate() {
        let gradient = gradients.get(p.var()).unwrap();
        if slots.len() == i {
            slots.push([gradient.zeros_like().unwrap(), gradient.zeros_like().unwrap()]);
        }
        let m = ((&slots[i][0] * 0.9).unwrap() + (gradient * 0.1).unwrap()).unwrap();
        let v = ((&slots[i][1] * 0.999).unwrap() + (gradient.sqr().unwrap() * 0.001).unwrap()).unwrap();
        let m_hat = (&m / (1.0 - 0.9f64.powi(step))).unwrap();
        let v_hat = (&v / (1.0 - 0.999f64.powi(step))).unwrap();
        let change = (m_hat / (v_hat.sqrt().unwrap() + 1e-8).unwrap()).unwrap();
        let moved = (p.var().as_detached_tensor() - (change * 0.01).unwrap()).unwrap();
        p.var().set(&moved).unwrap();
        slots[i] = [m, v];
    }
}

#[test]
fn five_training_steps_equal_pytorch() {
    let golden = Golden::load("cnn_1d.safetensors");
    let parameters = Parameters::new(0, DType::F64, &Device::Cpu);
    let model = Cnn1d::with_parameters(&small_config(), 3, parameters).unwrap();
    for p in model.parameters().iter() {
        p.var().set(golden.get(&format!("before.{}", p.name()))).unwrap();
    }
    let loss = CrossEntropy::new(vec![1.0; 3], 0.1).unwrap();
    let x = golden.get("x").squeeze(1).unwrap();
    let targets = loss.targets(&[0, 1, 2, 0, 1, 2, 2, 2], DType::F64, &Device::Cpu).unwrap();
    let losses = golden.get("losses").to_vec1::<f64>().unwrap();
    let mut slots = Vec::new();
    for (step, expected) in losses.into_iter().enumerate() {
        let logits = model.forward(&(&x).into(), &mut Mode::Training(&mut Generator::new(0))).unwrap();
        let loss = loss.loss(&logits, &targets).unwrap();
        let error = (loss.to_scalar::<f64>().unwrap() - expected).abs();
        assert!(error < 1e-10, "loss of step {} off by {error}", step + 1);
        adam(&model, &loss.backward().unwrap(), &mut slots, step as i32 + 1);
    }
    for p in model.parameters().iter() {
        let error = difference(p.var(), golden.get(&format!("after.{}", p.name())));
        assert!(error < 1e-8, "{} off by {error}", p.name());
    }
    let logits = model.forward(&(&x).into(), &mut Mode::Inference).unwrap();
    assert!(difference(&logits, golden.get("logits")) < 1e-8);
}

/// A batch of random inputs with labels in turn.
fn batch(model: &dyn Model, n: usize) -> (Tensor, Vec<usize>) {
    let mut shape = vec![n];
    shape.extend(model.input().shape());
    let values: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|i| ((i as f32 * 12.9898).sin() * 43_758.547).fract() * 2.0)
        .collect();
    (Tensor::from_vec(values, shape, &Device::Cpu).unwrap(), (0..n).map(|i| i % model.classes()).collect())
}

#[test]
fn every_trainable_parameter_of_every_architecture_moves() {
    for name in Architecture::NAMES {
        let model = Architecture::named(name).unwrap().build(4, 1).unwrap();
        let (x, labels) = batch(&*model, 6);
        let before: Vec<Tensor> = model.parameters().iter().map(|p| p.var().copy().unwrap()).collect();
        let loss = CrossEntropy::new(vec![1.0; 4], 0.0).unwrap();
        let targets = loss.targets(&labels, DType::F32, &Device::Cpu).unwrap();
        let mut optimizer = Optimizer::new(OptimizerConfig::sgd(), model.parameters());
        for step in 0..3 {
            let logits = model.forward(&(&x).into(), &mut Mode::Training(&mut Generator::new(step))).unwrap();
            let gradients = loss.loss(&logits, &targets).unwrap().backward().unwrap();
            optimizer.step(model.parameters(), &gradients, 0.1).unwrap();
        }
        for (p, before) in model.parameters().iter().zip(before) {
            assert!(difference(p.var(), &before) > 1e-9, "{name}: {} has not moved", p.name());
        }
    }
}

#[test]
fn a_tiny_batch_is_learnt_by_heart() {
    for name in Architecture::NAMES {
        let Architecture::Cnn1d(mut config) = Architecture::named(name).unwrap() else { continue };
        config.dropout = 0.0;
        for block in &mut config.blocks {
            block.then.retain(|layer| !matches!(layer, BlockLayer::Dropout(_)));
        }
        config.normalize_logits = false;
        let model = Architecture::from(config).build(4, 1).unwrap();
        let (x, labels) = batch(&*model, 8);
        let loss = CrossEntropy::new(vec![1.0; 4], 0.0).unwrap();
        let targets = loss.targets(&labels, DType::F32, &Device::Cpu).unwrap();
        let mut optimizer = Optimizer::new(OptimizerConfig::adam(), model.parameters());
        let mut last = f32::INFINITY;
        for step in 0..60 {
            let logits = model.forward(&(&x).into(), &mut Mode::Training(&mut Generator::new(step))).unwrap();
            let loss = loss.loss(&logits, &targets).unwrap();
            last = loss.to_scalar().unwrap();
            optimizer.step(model.parameters(), &loss.backward().unwrap(), 1e-3).unwrap();
        }
        assert!(last < 2e-3, "{name}: loss {last}");
    }
}

#[test]
fn an_example_is_answered_alike_alone_and_among_others_and_without_a_graph() {
    let model = Architecture::named("cnn-1d-issa").unwrap().build(4, 1).unwrap();
    let (x, _) = batch(&*model, 5);
    let together = softmax(&model.forward(&(&x).into(), &mut Mode::Inference).unwrap()).unwrap();
    for i in 0..5 {
        let one = model.forward(&x.narrow(0, i, 1).unwrap().into(), &mut Mode::Inference).unwrap();
        assert!(!one.track_op());
        assert!(difference(&softmax(&one).unwrap(), &together.narrow(0, i, 1).unwrap()) < 1e-6);
    }
}

#[test]
fn a_configuration_survives_json() {
    for name in Architecture::NAMES {
        let architecture = Architecture::named(name).unwrap();
        let json = serde_json::to_string(&architecture).unwrap();
        assert_eq!(serde_json::from_str::<Architecture>(&json).unwrap(), architecture);
    }
    assert!(serde_json::from_str::<Architecture>(r#"{"name":"cnn-1d","filterz":3}"#).is_err());
    assert!(Architecture::named("transformer").is_none());
}
