//! A training step on padded clips does not depend on the amount or the values of padding.

use crate::common::{difference, infer, train};
use crate::small_networks::small_networks;
use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Result as CandleResult, Tensor};
use ser_models::layers::{
    AvgPool1d, AvgPool2d, BatchNormConfig, Conv1dConfig, Conv2dConfig, CrossEntropy, Init, Layer, LstmConfig,
    MaxPool1d, MaxPool2d, Mode, Padded, Padding, Sequential, SimpleRnnConfig, States,
};
use ser_models::models::{
    Architecture, BlockLayer, CnnAttentionConfig, CnnLstmConfig, ConvBlock, HybridConfig,
};
use ser_models::{Generator, Parameters};

/// The valid frames of the clips.
const LENGTHS: [usize; 5] = [24, 23, 17, 8, 5];
/// Frames of the two batches. The second is padded further.
const FRAMES: [usize; 2] = [24, 61];
const CLASSES: usize = 4;
const DROPOUT: f64 = 0.3;

/// Returns the small networks that read padded clips.
fn architectures(frames: usize) -> impl Iterator<Item = Architecture> {
    small_networks(frames, DROPOUT).filter(|architecture| architecture.input().is_padded())
}

fn numbers(shape: &[usize], seed: u64) -> Tensor {
    let mut generator = Generator::new(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| generator.uniform(-1.0, 1.0) as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Makes the same clips [5, `axes`…, frames] at any number of frames. Padding is random numbers times `fill`.
fn clips(axes: &[usize], frames: usize, fill: f64) -> Padded {
    let own = numbers(&[&[LENGTHS.len()], axes, &[FRAMES[0]]].concat(), 1);
    let pad = |(clip, length): (usize, &usize)| {
        let own = own.narrow(0, clip, 1).unwrap().narrow(D::Minus1, 0, *length).unwrap();
        let shape = [&[1], axes, &[frames - length]].concat();
        let padding = (numbers(&shape, 2 + clip as u64 + frames as u64) * fill).unwrap();
        Tensor::cat(&[&own, &padding], own.rank() - 1).unwrap()
    };
    let clips: Vec<Tensor> = LENGTHS.iter().enumerate().map(pad).collect();
    Padded::new(Tensor::cat(&clips, 0).unwrap(), Some(LENGTHS.to_vec())).unwrap()
}

/// The results of a training step.
struct Step {
    loss: f64,
    /// The gradients for the weights, in the layer's order.
    gradients: Vec<Tensor>,
    dx: Tensor,
    /// The running statistics after the step.
    statistics: Vec<Tensor>,
}

fn step(layer: &dyn Layer, x: &Padded) -> Step {
    let loss = CrossEntropy::new(vec![1.0, 0.5, 2.0, 1.0], 0.1).unwrap();
    let labels: Vec<usize> = (0..x.len()).map(|i| i % CLASSES).collect();
    let targets = loss.targets(&labels, DType::F32).unwrap();
    let pass = train(layer, x, 7);
    let (loss, dlogits) = loss.loss_and_gradient(pass.output().values(), &targets, None).unwrap();
    let mut gradients = GradStore::default();
    let dx = pass.backward(&dlogits, &mut gradients).unwrap();
    let gradients = layer.weights().into_iter().map(|weight| gradients.remove(weight).unwrap()).collect();
    let statistics = layer.statistics().into_iter().map(|var| var.copy().unwrap()).collect();
    Step { loss, gradients, dx, statistics }
}

fn largest(tensors: &[Tensor]) -> f64 {
    tensors.iter().map(|t| difference(t, &t.zeros_like().unwrap())).fold(0.0, f64::max)
}

/// Checks that two steps agree, and that the second's padding has no gradient.
fn check_alike(name: &str, short: &Step, long: &Step) {
    assert!((short.loss - long.loss).abs() < 1e-5 * short.loss, "{name}: {} and {}", short.loss, long.loss);
    let scale = largest(&short.gradients);
    assert!(scale > 1e-3, "{name}: gradients of {scale}");
    for (number, (a, b)) in short.gradients.iter().zip(&long.gradients).enumerate() {
        let error = difference(a, b);
        assert!(error < 1e-5 * scale, "{name}: gradient of weight {number} off by {error} of {scale}");
    }
    for (a, b) in short.statistics.iter().zip(&long.statistics) {
        let error = difference(a, b);
        assert!(error < 1e-5, "{name}: running statistics off by {error}");
    }
    let scale = largest(std::slice::from_ref(&short.dx));
    for (clip, length) in LENGTHS.iter().enumerate() {
        let of = |dx: &Tensor, start: usize, count: usize| {
            dx.narrow(0, clip, 1).unwrap().narrow(D::Minus1, start, count).unwrap()
        };
        let error = difference(&of(&short.dx, 0, *length), &of(&long.dx, 0, *length));
        assert!(error < 1e-5 * scale, "{name}: input gradient of clip {clip} off by {error} of {scale}");
        let padding = of(&long.dx, *length, long.dx.dim(D::Minus1).unwrap() - length);
        assert_eq!(largest(&[padding]), 0.0, "{name}: the padding of clip {clip} has a gradient");
    }
}

#[test]
fn a_models_step_does_not_depend_on_how_far_clips_are_padded() {
    for (short, long) in architectures(FRAMES[0]).zip(architectures(FRAMES[1])) {
        let (name, shape) = (short.name(), short.input().shape());
        let axes = &shape[..shape.len() - 1];
        // Dropout masks are equal too, because padding that all clips share is cut off before.
        let [short, long] = [short, long].map(|architecture| architecture.build(CLASSES, 1).unwrap());
        let short = step(&short, &clips(axes, FRAMES[0], 0.0));
        let long = step(&long, &clips(axes, FRAMES[1], 3.0));
        check_alike(name, &short, &long);
    }
}

/// Networks of the architectures' layers, with their names.
fn networks(frames: usize) -> Vec<(&'static str, Sequential, Vec<usize>)> {
    let parameters = || Parameters::new(1, DType::F32);
    let init = Init::GlorotUniform;
    let lstm = |states| LstmConfig { states, ..LstmConfig::new(6) };

    let (all, mut hybrid) = (parameters(), Sequential::new([10, frames]));
    for _ in 0..2 {
        hybrid.conv1d(Conv1dConfig::new(12, 3), &all).unwrap();
        hybrid.relu().unwrap();
        hybrid.batch_norm(BatchNormConfig::default(), &all).unwrap();
        hybrid.max_pool1d(2).unwrap();
    }
    hybrid.time_first().unwrap();
    hybrid.lstm(lstm(States::Last), &all).unwrap();
    hybrid.dense(CLASSES, init, &all).unwrap();

    let (all, mut images) = (parameters(), Sequential::new([2, 8, frames]));
    for _ in 0..2 {
        images.conv2d(Conv2dConfig::new(6, [3, 3]), &all).unwrap();
        images.batch_norm(BatchNormConfig::default(), &all).unwrap();
        images.relu().unwrap();
        images.max_pool2d([2, 2]).unwrap();
    }
    images.time_first().unwrap();
    images.attention(5, init, &all).unwrap();
    images.dense(CLASSES, init, &all).unwrap();

    let (all, mut recurrent) = (parameters(), Sequential::new([10, frames]));
    recurrent.conv1d(Conv1dConfig::new(12, 1), &all).unwrap();
    recurrent.time_first().unwrap();
    let both = LstmConfig { bidirectional: true, layers: 2, ..lstm(States::Sequence) };
    recurrent.residual_lstm(both, &all).unwrap();
    let rnn = SimpleRnnConfig { states: States::Sequence, ..SimpleRnnConfig::new(8) };
    recurrent.simple_rnn(rnn, &all).unwrap();
    recurrent.attention(5, init, &all).unwrap();
    recurrent.batch_norm(BatchNormConfig::default(), &all).unwrap();
    recurrent.dense(CLASSES, init, &all).unwrap();

    let mut all = vec![
        ("convolutions over time, LSTM", hybrid, vec![10]),
        ("convolutions over images, attention", images, vec![2, 8]),
        ("recurrent layers in both directions, attention", recurrent, vec![10]),
    ];
    all.extend(pools(frames));
    all
}

/// Networks whose pooling windows have padding or cover whole clips.
fn pools(frames: usize) -> Vec<(&'static str, Sequential, Vec<usize>)> {
    let parameters = || Parameters::new(1, DType::F32);
    let init = Init::GlorotUniform;
    let same = Padding::Same;

    let (all, mut means) = (parameters(), Sequential::new([10, frames]));
    means.push("avg_pool1d", AvgPool1d::new(4, 1, same).unwrap()).unwrap();
    means.conv1d(Conv1dConfig::new(12, 3), &all).unwrap();
    means.relu().unwrap();
    means.push("max_pool1d", MaxPool1d::new(3, 1, same).unwrap()).unwrap();
    means.global_avg_pool().unwrap();
    means.dense(CLASSES, init, &all).unwrap();

    let (all, mut largest) = (parameters(), Sequential::new([2, 8, frames]));
    largest.conv2d(Conv2dConfig::new(6, [3, 3]), &all).unwrap();
    largest.push("max_pool2d", MaxPool2d::new([3, 2], [2, 2], same).unwrap()).unwrap();
    largest.push("avg_pool2d", AvgPool2d::new([2, 3], [1, 1], same).unwrap()).unwrap();
    largest.global_max_pool().unwrap();
    largest.dense(CLASSES, init, &all).unwrap();

    let (all, mut images) = (parameters(), Sequential::new([2, 8, frames]));
    images.push("max_pool2d", MaxPool2d::new([2, 3], [2, 1], same).unwrap()).unwrap();
    images.global_avg_pool().unwrap();
    images.dense(CLASSES, init, &all).unwrap();

    vec![
        ("same pools over time, mean of all", means, vec![10]),
        ("same pools over images, largest of all", largest, vec![2, 8]),
        ("largest values of images, mean of all", images, vec![2, 8]),
    ]
}

#[test]
fn pools_give_each_padded_clip_what_they_give_it_alone() {
    for (name, net, axes) in pools(FRAMES[1]) {
        let together = infer(&net, &clips(&axes, FRAMES[1], 3.0));
        let clips = clips(&axes, FRAMES[1], 3.0);
        for (clip, length) in LENGTHS.iter().enumerate() {
            let own = clips.values().narrow(0, clip, 1).unwrap().narrow(D::Minus1, 0, *length).unwrap();
            let error = difference(
                &infer(&net, &own.contiguous().unwrap().into()),
                &together.narrow(0, clip, 1).unwrap(),
            );
            assert!(error < 1e-5, "{name}: clip {clip} off by {error}");
        }
    }
}

#[test]
fn what_would_read_padding_or_move_with_it_is_refused_on_padded_clips() {
    let all = Parameters::new(1, DType::F32);
    let stride = |padding| Conv1dConfig { stride: 2, padding, ..Conv1dConfig::new(4, 3) };
    let build = |add: &dyn Fn(&mut Sequential)| {
        let mut net = Sequential::new([10, FRAMES[0]]);
        add(&mut net);
        net
    };
    let rule = "padding must be valid, or causal in a convolution, where the stride is above 1 and clips are padded, got same";
    let pool = || MaxPool1d::new(3, 2, Padding::Same).unwrap();
    let mean = || AvgPool1d::new(3, 2, Padding::Same).unwrap();
    let candle =
        |net: &mut Sequential, name: &str, function: fn(&Tensor) -> CandleResult<Tensor>, all: &_| {
            let example = Tensor::zeros((1, 10, FRAMES[0]), DType::F32, &Device::Cpu).unwrap();
            let shape = function(&example).unwrap().dims()[1..].to_vec();
            net.module(name, candle_nn::func(function), shape, all).unwrap();
        };
    let module = |name| {
        let rule = "without padding where the module changes the number of axes or the last one";
        format!("{name}: examples must be {rule}, got padded ones")
    };
    let nets = [
        (build(&|net| net.conv1d(stride(Padding::Same), &all).unwrap()), format!("Conv1d: {rule}")),
        (build(&|net| net.push("pool", pool()).unwrap()), format!("MaxPool1d: {rule}")),
        (build(&|net| net.push("pool", mean()).unwrap()), format!("AvgPool1d: {rule}")),
        (
            build(&|net| {
                net.relu().unwrap();
                net.flatten().unwrap();
            }),
            "Flatten: examples must be without padding (pool them over time, or read them with a recurrent layer), got \
             padded ones"
                .to_owned(),
        ),
        (build(&|net| candle(net, "shorter", |x| x.narrow(2, 0, FRAMES[0] - 2), &all)), module("shorter")),
        (build(&|net| candle(net, "flat", |x| x.flatten_from(1), &all)), module("flat")),
    ];
    for (net, expected) in nets {
        let padded = clips(&[10], FRAMES[0], 1.0);
        assert_eq!(net.forward(&padded, &mut Mode::Inference).unwrap_err().to_string(), expected);
        assert!(net.forward(&padded.into_values().into(), &mut Mode::Inference).is_ok());
    }
    let causal = Parameters::new(1, DType::F32);
    let net = build(&|net| net.conv1d(stride(Padding::Causal), &causal).unwrap());
    assert!(net.forward(&clips(&[10], FRAMES[0], 1.0), &mut Mode::Inference).is_ok());
    let net = build(&|net| candle(net, "twice", |x| x.repeat((1, 2, 1)), &all));
    let padded = clips(&[10], FRAMES[0], 1.0);
    for mode in [&mut Mode::Inference, &mut Mode::Training(&mut Generator::new(0))] {
        let pass = net.forward(&padded, mode).unwrap();
        assert_eq!(pass.output().lengths(), padded.lengths());
    }
}

#[test]
fn a_networks_step_does_not_depend_on_padding_that_is_computed() {
    for ((name, short, axes), (_, long, _)) in networks(FRAMES[0]).into_iter().zip(networks(FRAMES[1])) {
        let expected = step(&short, &clips(&axes, FRAMES[0], 0.0));
        check_alike(name, &expected, &step(&long, &clips(&axes, FRAMES[1], 3.0)));
    }
}

#[test]
fn without_batch_normalisation_clips_are_learnt_from_as_if_each_were_alone_and_unpadded() {
    let frames = FRAMES[0];
    let image = |filters| ConvBlock::image(filters, false, [2; 2], 0.0);
    let block = |filters, pool| ConvBlock {
        filters,
        kernel_size: 3,
        then: vec![BlockLayer::Relu, BlockLayer::MaxPool(pool)],
    };
    let architectures: [Architecture; 3] = [
        CnnLstmConfig {
            rows: 8,
            frames,
            blocks: vec![image(6), image(8)],
            dropout: 0.0,
            ..Default::default()
        }
        .into(),
        HybridConfig {
            rows: 10,
            frames,
            blocks: vec![block(12, 2), block(8, 2)],
            lstm_units: 12,
            lstm_dropout: 0.0,
            ..Default::default()
        }
        .into(),
        CnnAttentionConfig {
            rows: 8,
            frames,
            blocks: vec![image(6), image(8)],
            dropout: 0.0,
            ..Default::default()
        }
        .into(),
    ];
    for architecture in architectures {
        let (name, model) = (architecture.name(), architecture.build(CLASSES, 1).unwrap());
        let batch = clips(&architecture.input().shape()[..1], frames, 3.0);
        let dy = numbers(&[LENGTHS.len(), CLASSES], 9);
        let mut together = GradStore::default();
        train(&model, &batch, 0).backward_weights(&dy, &mut together).unwrap();
        // Gradients for one weight are added in the store.
        let mut alone = GradStore::default();
        for (clip, length) in LENGTHS.iter().enumerate() {
            let values = batch.values().narrow(0, clip, 1).unwrap();
            let one = Padded::new(values, Some(vec![*length])).unwrap();
            let pass = train(&model, &one, 0);
            pass.backward_weights(&dy.narrow(0, clip, 1).unwrap(), &mut alone).unwrap();
        }
        let of = |gradients: &GradStore| -> Vec<Tensor> {
            model.weights().into_iter().map(|weight| gradients.get(weight).unwrap().clone()).collect()
        };
        let (together, alone) = (of(&together), of(&alone));
        let scale = largest(&together);
        for (number, (a, b)) in together.iter().zip(&alone).enumerate() {
            let error = difference(a, b);
            assert!(error < 1e-5 * scale, "{name}: gradient of weight {number} off by {error} of {scale}");
        }
    }
}
