//! Outputs and gradients of every layer against PyTorch 2.15.0, by `golden/make_goldens.py`.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::{DType, Device, Var};
use common::{Golden, difference};
use ser_models::layers::{
    AttentionPool, AvgPool1d, AvgPool2d, BatchNorm, BatchNormConfig, Conv1d, Conv1dConfig, Conv2d,
    Conv2dConfig, CrossEntropy, Dense, GlobalAvgPool, GlobalMaxPool, Init, Layer, Lstm, LstmConfig,
    MaxPool1d, MaxPool2d, Mode, Padding, Relu, SimpleRnn, SimpleRnnConfig, States, softmax,
};
use ser_models::{Generator, Parameters};

const TOLERANCE: f64 = 1e-12;

/// Sets the layer's first variables to the golden `vars`, then checks the output and all gradients.
fn check(golden: &Golden, name: &str, layer: &dyn Layer, vars: &[&str]) {
    let tensor = |key: &str| golden.get(&format!("{name}.{key}"));
    for (var, key) in layer.vars().iter().zip(vars) {
        var.set(tensor(key)).unwrap();
    }
    if golden.has(&format!("{name}.first_x")) {
        layer.forward(tensor("first_x"), &mut Mode::Training(&mut Generator::new(0))).unwrap();
    }
    let x = Var::from_tensor(tensor("x")).unwrap();
    let y = layer.forward(&x, &mut Mode::Training(&mut Generator::new(0))).unwrap();
    assert!(difference(&y, tensor("y")) < TOLERANCE, "{name}: output");
    let gradients = (y * tensor("dy")).unwrap().sum_all().unwrap().backward().unwrap();
    let dx = difference(gradients.get(&x).unwrap(), tensor("dx"));
    assert!(dx < TOLERANCE, "{name}: input gradient off by {dx}");
    for (var, key) in layer.vars().iter().zip(vars) {
        let error = difference(gradients.get(var).unwrap(), tensor(&format!("d{key}")));
        assert!(error < TOLERANCE, "{name}: gradient of {key} off by {error}");
    }
}

fn parameters() -> Parameters {
    Parameters::new(0, DType::F64, &Device::Cpu)
}

#[test]
fn convolution_equals_pytorch() {
    let golden = Golden::load("layers.safetensors");
    for (name, kernel_size, stride, dilation, padding) in [
        ("conv_same", 5, 1, 1, Padding::Same),
        ("conv_same_even", 4, 1, 1, Padding::Same),
        ("conv_same_dilated", 3, 1, 3, Padding::Same),
        ("conv_valid", 5, 1, 1, Padding::Valid),
        ("conv_valid_strided", 3, 2, 1, Padding::Valid),
        ("conv_valid_strided_dilated", 3, 3, 2, Padding::Valid),
        ("conv_causal", 2, 1, 4, Padding::Causal),
        ("conv_causal_strided", 3, 2, 2, Padding::Causal),
        ("conv_same_strided", 5, 2, 1, Padding::Same),
        ("conv_same_strided_dilated", 4, 3, 2, Padding::Same),
    ] {
        let (filters, channels, _) = golden.get(&format!("{name}.weight")).dims3().unwrap();
        let config = Conv1dConfig { stride, dilation, padding, ..Conv1dConfig::new(filters, kernel_size) };
        let conv = Conv1d::new(channels, config, &mut parameters().scope("conv")).unwrap();
        check(&golden, name, &conv, &["weight", "bias"]);
    }
}

#[test]
fn pooling_equals_pytorch_also_among_equal_values() {
    let golden = Golden::load("layers.safetensors");
    for (name, pool_size, stride) in [("pool_2_2", 2, 2), ("pool_3_2", 3, 2), ("pool_2_3", 2, 3)] {
        check(&golden, name, &MaxPool1d::new(pool_size, stride, Padding::Valid).unwrap(), &[]);
    }
}

#[test]
fn pooling_beyond_the_ends_and_of_whole_sequences_equals_pytorch() {
    let golden = Golden::load("layers.safetensors");
    for (name, pool_size, stride) in [("pool_same_3_2", 3, 2), ("pool_same_4_3", 4, 3)] {
        let max = MaxPool1d::new(pool_size, stride, Padding::Same).unwrap();
        check(&golden, &format!("max_{name}"), &max, &[]);
        let mean = AvgPool1d::new(pool_size, stride, Padding::Same).unwrap();
        check(&golden, &format!("avg_{name}"), &mean, &[]);
    }
    check(&golden, "global_avg_pool_sequence", &GlobalAvgPool, &[]);
    check(&golden, "global_max_pool_sequence", &GlobalMaxPool, &[]);
    let golden = Golden::load("images.safetensors");
    for (name, size, stride) in [("pool2d_same", [3, 2], [2, 3]), ("pool2d_same_even", [2, 4], [2, 2])] {
        let max = MaxPool2d::new(size, stride, Padding::Same).unwrap();
        check(&golden, &format!("max_{name}"), &max, &[]);
        let mean = AvgPool2d::new(size, stride, Padding::Same).unwrap();
        check(&golden, &format!("avg_{name}"), &mean, &[]);
    }
}

#[test]
fn attention_equals_pytorch_with_and_without_padding() {
    let golden = Golden::load("layers.safetensors");
    for (name, lengths) in [("attention", None), ("attention_masked", Some(&[6, 3, 1][..]))] {
        let tensor = |key: &str| golden.get(&format!("{name}.{key}"));
        let pool = AttentionPool::new(5, 4, Init::Zeros, &mut parameters().scope("pool")).unwrap();
        let keys = ["weight", "bias", "vector"];
        for (var, key) in pool.vars().iter().zip(keys) {
            var.set(tensor(key)).unwrap();
        }
        let x = Var::from_tensor(tensor("x")).unwrap();
        let y = pool.forward_masked(&x, lengths, &mut Mode::Training(&mut Generator::new(0))).unwrap();
        assert!(difference(&y, tensor("y")) < TOLERANCE, "{name}: output");
        let gradients = (y * tensor("dy")).unwrap().sum_all().unwrap().backward().unwrap();
        let dx = difference(gradients.get(&x).unwrap(), tensor("dx"));
        assert!(dx < TOLERANCE, "{name}: input gradient off by {dx}");
        for (var, key) in pool.vars().iter().zip(keys) {
            let error = difference(gradients.get(var).unwrap(), tensor(&format!("d{key}")));
            assert!(error < TOLERANCE, "{name}: gradient of {key} off by {error}");
        }
    }
}

#[test]
fn softmax_equals_pytorch() {
    let golden = Golden::load("layers.safetensors");
    let y = softmax(&(golden.get("softmax.x") * 3.0).unwrap()).unwrap();
    assert!(difference(&y, golden.get("softmax.y")) < TOLERANCE);
}

#[test]
fn convolution_over_images_equals_pytorch() {
    use Padding::{Causal, Same, Valid};
    let golden = Golden::load("images.safetensors");
    for (name, stride, dilation, padding) in [
        ("conv2d_same", [1, 1], [1, 1], [Same, Same]),
        ("conv2d_same_even_dilated", [1, 1], [1, 2], [Same, Same]),
        ("conv2d_valid_strided", [2, 3], [1, 1], [Valid, Valid]),
        ("conv2d_valid_strided_dilated", [1, 2], [3, 2], [Valid, Valid]),
        ("conv2d_causal", [1, 1], [1, 2], [Same, Causal]),
        ("conv2d_causal_strided", [1, 2], [1, 1], [Valid, Causal]),
        ("conv2d_causal_strided_dilated", [2, 2], [2, 2], [Same, Causal]),
        ("conv2d_same_strided", [2, 3], [1, 1], [Same, Same]),
        ("conv2d_same_strided_dilated", [3, 2], [1, 2], [Same, Same]),
    ] {
        let (filters, channels, height, width) = golden.get(&format!("{name}.weight")).dims4().unwrap();
        let config =
            Conv2dConfig { stride, dilation, padding, ..Conv2dConfig::new(filters, [height, width]) };
        let conv = Conv2d::new(channels, config, &mut parameters().scope("conv")).unwrap();
        check(&golden, name, &conv, &["weight", "bias"]);
    }
}

#[test]
fn pooling_of_images_and_means_equals_pytorch() {
    let golden = Golden::load("images.safetensors");
    for (name, size, stride) in [("2_2", [2, 2], [2, 2]), ("3_2", [3, 2], [2, 3])] {
        let max = MaxPool2d::new(size, stride, Padding::Valid).unwrap();
        check(&golden, &format!("max_pool2d_{name}"), &max, &[]);
        let mean = AvgPool2d::new(size, stride, Padding::Valid).unwrap();
        check(&golden, &format!("avg_pool2d_{name}"), &mean, &[]);
    }
    for (name, size, stride) in [("avg_pool1d_3_2", 3, 2), ("avg_pool1d_2_3", 2, 3)] {
        check(&golden, name, &AvgPool1d::new(size, stride, Padding::Valid).unwrap(), &[]);
    }
    check(&golden, "global_avg_pool", &GlobalAvgPool, &[]);
    check(&golden, "global_max_pool", &GlobalMaxPool, &[]);
}

#[test]
fn batch_normalisation_equals_pytorch_with_its_running_statistics() {
    let golden = Golden::load("layers.safetensors");
    for name in ["batch_norm_1d", "batch_norm_sequence", "batch_norm_image"] {
        let config = BatchNormConfig { momentum: 0.1, eps: 1e-3 };
        let layer = BatchNorm::new(4, config, &mut parameters().scope("bn")).unwrap();
        check(&golden, name, &layer, &["weight", "bias"]);
        for (var, key) in layer.vars()[2..].iter().zip(["running_mean", "running_var"]) {
            assert!(difference(var, golden.get(&format!("{name}.{key}"))) < TOLERANCE, "{name}: {key}");
        }
        let y = layer.forward(golden.get(&format!("{name}.x")), &mut Mode::Inference).unwrap();
        assert!(difference(&y, golden.get(&format!("{name}.inference"))) < TOLERANCE, "{name}: inference");
    }
}

#[test]
fn dense_and_relu_equal_pytorch() {
    let golden = Golden::load("layers.safetensors");
    let dense = Dense::new(7, 3, Init::Zeros, &mut parameters().scope("dense")).unwrap();
    check(&golden, "dense", &dense, &["weight", "bias"]);
    check(&golden, "relu", &Relu, &[]);
}

#[test]
fn cross_entropy_equals_pytorch_with_class_weights_and_label_smoothing() {
    let golden = Golden::load("layers.safetensors");
    let weights = vec![0.5, 2.0, 1.0, 1.5];
    for (name, weights, smoothing) in [
        ("loss", vec![1.0; 4], 0.0),
        ("loss_smoothed", vec![1.0; 4], 0.1),
        ("loss_weighted", weights.clone(), 0.0),
        ("loss_both", weights, 0.2),
    ] {
        let loss = CrossEntropy::new(weights, smoothing).unwrap();
        let logits = Var::from_tensor(golden.get(&format!("{name}.x"))).unwrap();
        let targets = loss.targets(&[0, 3, 1, 1, 2, 0], logits.dtype(), logits.device()).unwrap();
        let y = loss.loss(&logits, &targets).unwrap();
        assert!(difference(&y, golden.get(&format!("{name}.y"))) < TOLERANCE, "{name}");
        let gradients = y.backward().unwrap();
        let error = difference(gradients.get(&logits).unwrap(), golden.get(&format!("{name}.dx")));
        assert!(error < TOLERANCE, "{name}: gradient off by {error}");
    }
}

#[test]
fn recurrent_layers_equal_pytorch_with_its_packed_sequences() {
    let golden = Golden::load("recurrent.safetensors");
    let lengths = [7, 3, 1, 5];
    for kind in ["rnn", "lstm", "lstm_stacked", "lstm_bidirectional"] {
        for (states, word) in [(States::Sequence, "sequence"), (States::Last, "last")] {
            let mut parameters = parameters();
            let rnn = || SimpleRnnConfig { states, ..SimpleRnnConfig::new(4) };
            let mut lstm = |layers, bidirectional| {
                let config = LstmConfig { layers, bidirectional, states, ..LstmConfig::new(4) };
                Lstm::new(3, config, &mut parameters.scope("lstm")).unwrap()
            };
            enum Either {
                Rnn(SimpleRnn),
                Lstm(Lstm),
            }
            let layer = match kind {
                "lstm" => Either::Lstm(lstm(1, false)),
                "lstm_stacked" => Either::Lstm(lstm(2, false)),
                "lstm_bidirectional" => Either::Lstm(lstm(2, true)),
                _ => Either::Rnn(SimpleRnn::new(3, rnn(), &mut parameters.scope("rnn.l0")).unwrap()),
            };
            for p in parameters.iter() {
                let (_, name) = p.name().split_once('.').unwrap();
                p.var().set(golden.get(&format!("{kind}.{name}"))).unwrap();
            }
            for lengths in [None, Some(&lengths[..])] {
                let name = format!("{kind}_{word}{}", if lengths.is_some() { "_masked" } else { "" });
                let x = Var::from_tensor(golden.get(&format!("{name}.x"))).unwrap();
                let mode = &mut Mode::Training(&mut Generator::new(0));
                let y = match &layer {
                    Either::Rnn(layer) => layer.forward_masked(&x, lengths, mode),
                    Either::Lstm(layer) => layer.forward_masked(&x, lengths, mode),
                };
                let y = y.unwrap();
                assert!(difference(&y, golden.get(&format!("{name}.y"))) < TOLERANCE, "{name}: output");
                let dy = golden.get(&format!("{name}.dy"));
                let gradients = (y * dy).unwrap().sum_all().unwrap().backward().unwrap();
                let dx = difference(gradients.get(&x).unwrap(), golden.get(&format!("{name}.dx")));
                assert!(dx < TOLERANCE, "{name}: input gradient off by {dx}");
                for p in parameters.iter() {
                    let (_, key) = p.name().split_once('.').unwrap();
                    let expected = golden.get(&format!("{name}.d{key}"));
                    let error = difference(gradients.get(p.var()).unwrap(), expected);
                    assert!(error < TOLERANCE, "{name}: gradient of {key} off by {error}");
                }
            }
        }
    }
}
