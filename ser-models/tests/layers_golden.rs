//! Outputs and gradients of every layer against PyTorch 2.15.0, by `golden/make_goldens.py`.

use crate::common::{Golden, difference, infer, train};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use ser_models::layers::{
    AttentionPool, AvgPool1d, AvgPool2d, BatchNorm, BatchNormConfig, Conv1d, Conv1dConfig, Conv2d,
    Conv2dConfig, CrossEntropy, Dense, GlobalAvgPool, GlobalMaxPool, Init, Layer, LayerMixture, Lstm,
    LstmConfig, MaxPool1d, MaxPool2d, Mode, Padded, Padding, Relu, SimpleRnn, SimpleRnnConfig, States,
    TransformerBlock, in_graph, softmax,
};
use ser_models::{Generator, Parameters};

const TOLERANCE: f64 = 1e-12;

/// Sets the layer's weights to the golden `keys`, then checks the output and all gradients.
fn check(golden: &Golden, name: &str, layer: &dyn Layer, keys: &[&str]) {
    set(golden, name, layer, keys);
    if golden.has(&format!("{name}.first_x")) {
        train(layer, &golden.get(&format!("{name}.first_x")).into(), 0);
    }
    check_passes(golden, name, layer, keys, None);
}

/// Sets the layer's weights to the golden `keys`, which must be all of them.
fn set(golden: &Golden, name: &str, layer: &dyn Layer, keys: &[&str]) {
    assert_eq!(layer.weights().len(), keys.len(), "{name}");
    for (var, key) in layer.weights().iter().zip(keys) {
        var.set(golden.get(&format!("{name}.{key}"))).unwrap();
    }
}

/// Checks the output and all gradients, in Candle's graph and without one, on clips of these lengths.
fn check_passes(golden: &Golden, name: &str, layer: &dyn Layer, keys: &[&str], lengths: Option<&[usize]>) {
    let tensor = |key: &str| golden.get(&format!("{name}.{key}"));
    let batch = |x: &Tensor| Padded::new(x.clone(), lengths.map(<[usize]>::to_vec)).unwrap();
    let expect = |y: &Tensor, key: &str| {
        let error = difference(y, tensor(key));
        assert!(error < TOLERANCE, "{name}: {key} off by {error}");
    };
    let expect_gradients = |gradients: &GradStore| {
        for (var, key) in layer.weights().iter().zip(keys) {
            expect(gradients.get(var).unwrap(), &format!("d{key}"));
        }
    };
    // The pass in Candle's graph comes first. Its effect on the running statistics is undone.
    let statistics: Vec<Tensor> = layer.statistics().iter().map(|var| var.copy().unwrap()).collect();
    let x = Var::from_tensor(tensor("x")).unwrap();
    let y = in_graph(layer, &batch(&x), &mut Mode::Training(&mut Generator::new(0))).unwrap();
    expect(&y, "y");
    let gradients = (y * tensor("dy")).unwrap().sum_all().unwrap().backward().unwrap();
    expect(gradients.get(&x).unwrap(), "dx");
    expect_gradients(&gradients);
    for (var, before) in layer.statistics().iter().zip(&statistics) {
        var.set(before).unwrap();
    }

    let pass = train(layer, &batch(tensor("x")), 0);
    expect(pass.output().values(), "y");
    let mut gradients = GradStore::default();
    let dx = pass.backward(tensor("dy"), &mut gradients).unwrap();
    expect(&dx, "dx");
    expect_gradients(&gradients);
}

fn parameters() -> Parameters {
    Parameters::new(0, DType::F64)
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
        let conv = Conv1d::new(channels, config, &parameters().scope("conv")).unwrap();
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
        let pool = AttentionPool::new(5, 4, Init::Zeros, &parameters().scope("pool")).unwrap();
        let keys = ["weight", "bias", "vector"];
        set(&golden, name, &pool, &keys);
        check_passes(&golden, name, &pool, &keys, lengths);
    }
}

#[test]
fn attention_with_deviations_equals_pytorch_with_and_without_padding() {
    let golden = Golden::load("layers.safetensors");
    for (name, lengths) in
        [("attentive_statistics", None), ("attentive_statistics_masked", Some(&[6, 3, 1][..]))]
    {
        let pool =
            AttentionPool::new(5, 4, Init::Zeros, &parameters().scope("pool")).unwrap().with_deviations();
        let keys = ["weight", "bias", "vector"];
        set(&golden, name, &pool, &keys);
        check_passes(&golden, name, &pool, &keys, lengths);
    }
}

#[test]
fn mixtures_of_layers_and_statistics_equal_pytorch() {
    let golden = Golden::load("layers.safetensors");
    let mixture = LayerMixture::new(4, 0, 1, &parameters().scope("mixture")).unwrap();
    check(&golden, "layer_mixture", &mixture, &["weight"]);
    for (name, lengths) in [("statistics", None), ("statistics_masked", Some(&[6, 3, 1][..]))] {
        // With a vector of zeros, all frames have the same weight.
        let pool = AttentionPool::new(5, 4, Init::Zeros, &parameters().scope("pool")).unwrap();
        check_passes(&golden, name, &pool.with_deviations(), &[], lengths);
    }
}

#[test]
fn a_transformer_block_equals_pytorch_with_and_without_padding() {
    let golden = Golden::load("transformer.safetensors");
    for (name, lengths) in [("transformer", None), ("transformer_masked", Some(&[5, 3, 1][..]))] {
        let block = TransformerBlock::new(6, 2, 7, Init::Zeros, &parameters().scope("block")).unwrap();
        let keys = [
            "self_attn_layer_norm.weight",
            "self_attn_layer_norm.bias",
            "q_proj.weight",
            "q_proj.bias",
            "k_proj.weight",
            "v_proj.weight",
            "v_proj.bias",
            "out_proj.weight",
            "out_proj.bias",
            "final_layer_norm.weight",
            "final_layer_norm.bias",
            "fc1.weight",
            "fc1.bias",
            "fc2.weight",
            "fc2.bias",
        ];
        set(&golden, name, &block, &keys);
        check_passes(&golden, name, &block, &keys, lengths);
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
        let conv = Conv2d::new(channels, config, &parameters().scope("conv")).unwrap();
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
        let layer = BatchNorm::new(4, config, &parameters().scope("bn")).unwrap();
        check(&golden, name, &layer, &["weight", "bias"]);
        for (var, key) in layer.statistics().into_iter().zip(["running_mean", "running_var"]) {
            assert!(difference(var, golden.get(&format!("{name}.{key}"))) < TOLERANCE, "{name}: {key}");
        }
        let y = infer(&layer, &golden.get(&format!("{name}.x")).into());
        assert!(difference(&y, golden.get(&format!("{name}.inference"))) < TOLERANCE, "{name}: inference");
    }
}

#[test]
fn dense_and_relu_equal_pytorch() {
    let golden = Golden::load("layers.safetensors");
    let dense = Dense::new(7, 3, Init::Zeros, &parameters().scope("dense")).unwrap();
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
        let targets = loss.targets(&[0, 3, 1, 1, 2, 0], logits.dtype()).unwrap();
        let y = loss.loss(&logits, &targets).unwrap();
        assert!(difference(&y, golden.get(&format!("{name}.y"))) < TOLERANCE, "{name}");
        let gradients = y.backward().unwrap();
        let error = difference(gradients.get(&logits).unwrap(), golden.get(&format!("{name}.dx")));
        assert!(error < TOLERANCE, "{name}: gradient off by {error}");
        let (value, gradient) = loss.loss_and_gradient(&logits, &targets, None).unwrap();
        let expected = golden.get(&format!("{name}.y")).to_scalar::<f64>().unwrap();
        assert!((value - expected).abs() < TOLERANCE, "{name}");
        let error = difference(&gradient, golden.get(&format!("{name}.dx")));
        assert!(error < TOLERANCE, "{name}: gradient without a graph off by {error}");
    }
}

#[test]
fn recurrent_layers_equal_pytorch_with_its_packed_sequences() {
    let golden = Golden::load("recurrent.safetensors");
    let lengths = [7, 3, 1, 5];
    for kind in ["rnn", "lstm", "lstm_stacked", "lstm_bidirectional"] {
        for (states, word) in [(States::Sequence, "sequence"), (States::Last, "last")] {
            let parameters = parameters();
            let rnn = SimpleRnnConfig { states, ..SimpleRnnConfig::new(4) };
            let lstm = |layers, bidirectional| -> Box<dyn Layer> {
                let config = LstmConfig { layers, bidirectional, states, ..LstmConfig::new(4) };
                Box::new(Lstm::new(3, config, &parameters.scope("lstm")).unwrap())
            };
            let layer: Box<dyn Layer> = match kind {
                "lstm" => lstm(1, false),
                "lstm_stacked" => lstm(2, false),
                "lstm_bidirectional" => lstm(2, true),
                _ => Box::new(SimpleRnn::new(3, rnn, &parameters.scope("rnn.l0")).unwrap()),
            };
            let names: Vec<String> = parameters.iter().map(|p| p.name().to_owned()).collect();
            let keys: Vec<&str> = names.iter().map(|name| name.split_once('.').unwrap().1).collect();
            set(&golden, kind, &*layer, &keys);
            for lengths in [None, Some(&lengths[..])] {
                let name = format!("{kind}_{word}{}", if lengths.is_some() { "_masked" } else { "" });
                check_passes(&golden, &name, &*layer, &keys, lengths);
            }
        }
    }
}
