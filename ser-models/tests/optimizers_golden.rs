//! Ten steps of every optimiser against PyTorch 2.15.0 and Keras 3.15.1, by `golden/make_goldens.py`.

use crate::common::{Golden, difference};
use candle_core::DType;
use candle_nn::Optimizer as _;
use ser_models::Parameters;
use ser_models::layers::Init;
use ser_models::training::{Framework, Optimizer, OptimizerConfig};

fn check(name: &str, config: OptimizerConfig, learning_rate: f64) {
    let golden = Golden::load("optimizers.safetensors");
    let parameters = Parameters::new(0, DType::F32);
    let w = parameters.scope("layer").weight("w", &[7], Init::Zeros).unwrap();
    w.set(golden.get("start")).unwrap();
    let mut optimizer = Optimizer::for_parameters(config, learning_rate, &parameters);
    for step in 0..10 {
        // The gradient of Σ g · w is g.
        let gradient = golden.get("gradients").get(step).unwrap();
        let gradients = (w.as_tensor() * &gradient).unwrap().sum_all().unwrap().backward().unwrap();
        optimizer.step(&gradients).unwrap();
        let error = difference(&w, &golden.get(name).get(step).unwrap());
        assert!(error < 2e-6, "{name}: off by {error} after step {}", step + 1);
    }
    assert_eq!(optimizer.steps(), 10);
}

#[test]
fn sgd_equals_pytorch_and_keras() {
    let sgd = |momentum, nesterov, weight_decay| OptimizerConfig::Sgd { momentum, nesterov, weight_decay };
    check("torch_sgd", sgd(0.0, false, 0.0), 0.1);
    check("torch_sgd_momentum", sgd(0.9, false, 0.01), 0.1);
    check("torch_sgd_nesterov", sgd(0.9, true, 0.0), 0.1);
    check("keras_sgd_momentum", OptimizerConfig::sgd(), 0.1);
}

#[test]
fn adam_and_adamw_equal_pytorch_and_keras() {
    check("torch_adam", OptimizerConfig::adam(), 0.01);
    let decayed = OptimizerConfig::Adam {
        beta1: 0.93,
        beta2: 0.98,
        eps: 1e-8,
        weight_decay: 0.1,
        framework: Framework::PyTorch,
    };
    check("torch_adam_decay", decayed, 0.01);
    check("torch_adamw", OptimizerConfig::adamw(0.1), 0.01);
    check("keras_adam", OptimizerConfig::adam_keras(), 0.01);
}

#[test]
fn rmsprop_equals_pytorch_and_keras_in_their_different_meanings() {
    check("torch_rmsprop", OptimizerConfig::rmsprop(), 0.01);
    check("keras_rmsprop", OptimizerConfig::rmsprop_keras(), 0.01);
    let with_momentum = |rho, eps, weight_decay, framework| OptimizerConfig::RmsProp {
        rho,
        eps,
        momentum: 0.9,
        weight_decay,
        framework,
    };
    check("torch_rmsprop_momentum", with_momentum(0.99, 1e-8, 0.1, Framework::PyTorch), 0.01);
    check("keras_rmsprop_momentum", with_momentum(0.9, 1e-7, 0.0, Framework::Keras), 0.01);
}
