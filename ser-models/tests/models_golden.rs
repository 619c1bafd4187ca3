//! Complete models against PyTorch 2.15.0, by `golden/make_goldens.py`.

use crate::common::{Golden, difference, infer, train};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};
use ser_models::Parameters;
use ser_models::layers::{BatchNormConfig, CrossEntropy, Padded};
use ser_models::models::{
    Architecture, AttentionLstmConfig, BlockLayer, Cnn1dConfig, CnnAttentionConfig, CnnLstmConfig, ConvBlock,
    HybridConfig, Model, RnnLstmConfig, TimNetConfig,
};

fn small_config() -> Cnn1dConfig {
    use BlockLayer::{BatchNorm, MaxPool, Relu};
    let block =
        |filters, kernel_size| ConvBlock { filters, kernel_size, then: vec![Relu, BatchNorm, MaxPool(2)] };
    let blocks = vec![block(4, 5), block(6, 3)];
    Cnn1dConfig { features: 20, blocks, batch_norm: BatchNormConfig::keras(), ..Default::default() }
}

/// Takes one step of Adam in `f64`, because the optimiser works on `f32`.
fn adam(model: &Model, gradients: &GradStore, slots: &mut Vec<[Tensor; 2]>, step: i32) {
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
    let parameters = Parameters::new(0, DType::F64);
    let model = Architecture::from(small_config()).build_with(3, parameters).unwrap();
    for p in model.parameters().iter() {
        p.var().set(golden.get(&format!("before.{}", p.name()))).unwrap();
    }
    let loss = CrossEntropy::new(vec![1.0; 3], 0.1).unwrap();
    let x = golden.get("x").squeeze(1).unwrap();
    let targets = loss.targets(&[0, 1, 2, 0, 1, 2, 2, 2], DType::F64).unwrap();
    let losses = golden.get("losses").to_vec1::<f64>().unwrap();
    let mut slots = Vec::new();
    for (step, expected) in losses.into_iter().enumerate() {
        let pass = train(&model, &(&x).into(), 0);
        let (value, dlogits) = loss.loss_and_gradient(pass.output().values(), &targets, None).unwrap();
        let error = (value - expected).abs();
        assert!(error < 1e-10, "loss of step {} off by {error}", step + 1);
        let mut gradients = GradStore::default();
        pass.backward_weights(&dlogits, &mut gradients).unwrap();
        adam(&model, &gradients, &mut slots, step as i32 + 1);
    }
    for p in model.parameters().iter() {
        let error = difference(p.var(), golden.get(&format!("after.{}", p.name())));
        assert!(error < 1e-8, "{} off by {error}", p.name());
    }
    let logits = infer(&model, &(&x).into());
    assert!(difference(&logits, golden.get("logits")) < 1e-8);
}

fn small_models() -> [Architecture; 6] {
    use BlockLayer::{BatchNorm, MaxPool, Relu};
    let image = |filters, pool_size| ConvBlock::image(filters, true, pool_size, 0.0);
    let block = |filters, then: &[BlockLayer]| ConvBlock { filters, kernel_size: 3, then: then.to_vec() };
    [
        CnnLstmConfig {
            rows: 6,
            frames: 13,
            blocks: vec![image(3, [2, 2]), image(4, [1, 2])],
            lstm_units: 5,
            dropout: 0.0,
            dense: vec![4],
            ..Default::default()
        }
        .into(),
        HybridConfig {
            rows: 4,
            frames: 13,
            blocks: vec![block(5, &[Relu, BatchNorm, MaxPool(2)]), block(6, &[Relu, BatchNorm])],
            lstm_units: 4,
            lstm_dropout: 0.0,
            dense: vec![4],
            ..Default::default()
        }
        .into(),
        RnnLstmConfig {
            rows: 5,
            frames: 7,
            rnn_units: 4,
            lstm_units: 3,
            dropout: 0.0,
            dense: vec![4],
            ..Default::default()
        }
        .into(),
        AttentionLstmConfig {
            rows: 4,
            frames: 9,
            lstm_units: 3,
            attention_units: 4,
            dropout: 0.0,
            ..Default::default()
        }
        .into(),
        TimNetConfig {
            rows: 4,
            frames: 9,
            filters: 5,
            blocks: 3,
            spatial_dropout: 0.0,
            ..Default::default()
        }
        .into(),
        CnnAttentionConfig {
            rows: 6,
            frames: 13,
            blocks: vec![image(3, [2, 2]), image(4, [2, 1])],
            attention_units: 5,
            dropout: 0.0,
            ..Default::default()
        }
        .into(),
    ]
}

#[test]
fn models_of_padded_clips_equal_pytorch_in_logits_gradients_and_running_statistics() {
    let golden = Golden::load("models.safetensors");
    for architecture in small_models() {
        let kind = architecture.name();
        let get = |key: &str| golden.get(&format!("{kind}.{key}"));
        let parameters = Parameters::new(0, DType::F64);
        let model = architecture.build_with(3, parameters).unwrap();
        for p in model.parameters().iter() {
            p.var().set(get(&format!("before.{}", p.name()))).unwrap();
        }
        let lengths = get("lengths").to_vec1::<i64>().unwrap().into_iter().map(|n| n as usize).collect();
        let batch = Padded::new(get("x").clone(), Some(lengths)).unwrap();
        let pass = train(&model, &batch, 0);
        let error = difference(pass.output().values(), get("logits"));
        assert!(error < 1e-12, "{kind}: logits off by {error}");
        let mut gradients = GradStore::default();
        pass.backward_weights(get("dy"), &mut gradients).unwrap();
        for p in model.parameters().iter().filter(|p| p.is_trainable()) {
            let expected = get(&format!("gradient.{}", p.name()));
            let error = difference(gradients.get(p.var()).unwrap(), expected);
            assert!(error < 1e-11, "{kind}: gradient of {} off by {error}", p.name());
        }
        let error = difference(&infer(&model, &batch), get("inference"));
        assert!(error < 1e-11, "{kind}: logits in inference off by {error}");
    }
}
