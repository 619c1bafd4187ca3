//! Requirements on every architecture.

use crate::common::{LABELS, difference, infer, source};
use crate::small_networks::{batch, members, small, small_networks};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::Optimizer as _;
use ndarray::ArrayD;
use ser_models::layers::{CrossEntropy, Layer, Mode, Padded, in_graph, softmax};
use ser_models::models::{
    Architecture, BlockLayer, CnnLstmConfig, ConvBlock, EnsembleConfig, HybridConfig, Model,
};
use ser_models::training::{Dataset, Optimizer, OptimizerConfig, Trainer, TrainingConfig};
use ser_models::{Checkpoint, CheckpointSource, Generator};
use std::sync::atomic::AtomicBool;

/// Returns copies of all settings, each with one number replaced by `size`.
fn with_sizes(value: &serde_json::Value, size: u64) -> Vec<serde_json::Value> {
    use serde_json::Value;
    let within = |(place, inner): (Value, &Value)| {
        let put = |inner| {
            let mut changed = value.clone();
            match &place {
                Value::String(key) => changed[key] = inner,
                place => changed[place.as_u64().unwrap() as usize] = inner,
            }
            changed
        };
        with_sizes(inner, size).into_iter().map(put).collect::<Vec<_>>()
    };
    match value {
        Value::Number(number) if number.is_u64() => vec![size.into()],
        Value::Object(fields) => {
            fields.iter().flat_map(|(key, inner)| within((key.as_str().into(), inner))).collect()
        }
        Value::Array(items) => (0..).zip(items).flat_map(|(at, inner)| within((at.into(), inner))).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn sizes_that_no_memory_holds_are_refused() {
    let (mut built, mut too_large) = (0, 0);
    for network in small_networks(24, 0.1) {
        for size in [1_000_000_000, u64::MAX] {
            for changed in with_sizes(&serde_json::to_value(&network).unwrap(), size) {
                let changed: Architecture = serde_json::from_value(changed).unwrap();
                match changed.build(3, 0) {
                    // The number of frames may be large, because it needs no weights.
                    Ok(_) => built += 1,
                    Err(error) => too_large += usize::from(error.to_string().contains("must be at most")),
                }
            }
        }
    }
    assert!(built > 0 && too_large > 60, "{built} {too_large}");
}

/// Trains on one batch and returns the last loss.
fn train(model: &Model, optimizer: OptimizerConfig, rate: f64, n: usize, steps: u64) -> f64 {
    let (batch, labels) = batch(model.input(), n, model.classes());
    let loss = CrossEntropy::new(vec![1.0; model.classes()], 0.0).unwrap();
    let targets = loss.targets(&labels, DType::F32).unwrap();
    let mut optimizer = Optimizer::for_parameters(optimizer, rate, model.parameters());
    let mut last = f64::NAN;
    for step in 0..steps {
        let pass = crate::common::train(model, &batch, step);
        let (value, dlogits) = loss.loss_and_gradient(pass.output().values(), &targets, None).unwrap();
        last = value;
        let mut gradients = GradStore::default();
        pass.backward_weights(&dlogits, &mut gradients).unwrap();
        optimizer.step(&gradients).unwrap();
    }
    last
}

/// Returns the network after three steps of Adam. An ensemble's members are trained one by one.
fn trained(architecture: &Architecture) -> Model {
    let network = |seed| {
        let network = architecture.member().build(4, seed).unwrap();
        train(&network, OptimizerConfig::adam(), 1e-3, 6, 3);
        network
    };
    if members(architecture) == 1 {
        return network(1);
    }
    let ensemble = architecture.build(4, 0).unwrap();
    for number in 1..=members(architecture) {
        for from in network(number as u64).parameters().iter() {
            let to = ensemble.parameters().get(&format!("member_{number}.{}", from.name())).unwrap();
            to.var().set(from.var()).unwrap();
        }
    }
    ensemble
}

fn values(model: &Model) -> Vec<Tensor> {
    model.parameters().iter().map(|p| p.var().copy().unwrap()).collect()
}

fn bits(model: &Model) -> Vec<u32> {
    let flat = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values(model).into_iter().flat_map(flat).map(f32::to_bits).collect()
}

#[test]
fn every_trainable_parameter_of_every_architecture_moves() {
    let mut still = Vec::new();
    for name in Architecture::NAMES {
        let model = Architecture::named(name).unwrap().build(4, 1).unwrap();
        let before = values(&model);
        train(&model, OptimizerConfig::sgd(), 0.1, 6, 3);
        for (p, before) in model.parameters().iter().zip(before) {
            if difference(p.var(), &before) <= 1e-7 && !is_taken_away(name, p.name()) {
                still.push(format!("{name} {}", p.name()));
            }
        }
    }
    assert_eq!(still, [""; 0]);
}

/// Whether the parameter is a bias right before a batch normalisation, which subtracts it again.
fn is_taken_away(architecture: &str, parameter: &str) -> bool {
    match architecture {
        "cnn-1d-issa" => ["conv1d_1.bias", "conv1d_5.bias", "dense_1.bias"].contains(&parameter),
        "cnn-lstm-bn" | "cnn-lstm-bn-benchmark" | "cnn-attention" => {
            parameter.contains("conv2d") && parameter.ends_with("bias")
        }
        "tim-net" => parameter.contains(".conv1d_") && parameter.ends_with("bias"),
        _ => false,
    }
}

#[test]
fn gradients_are_the_same_with_and_without_candles_graph() {
    for architecture in small_networks(24, 0.3) {
        let (name, model) = (architecture.name(), architecture.build(4, 1).unwrap());
        let (batch, labels) = batch(model.input(), 6, 4);
        let loss = CrossEntropy::new(vec![1.0; 4], 0.1).unwrap();
        let targets = loss.targets(&labels, DType::F32).unwrap();

        let pass = crate::common::train(&model, &batch, 0);
        let (value, dlogits) = loss.loss_and_gradient(pass.output().values(), &targets, None).unwrap();
        let mut own = GradStore::default();
        let dx = pass.backward(&dlogits, &mut own).unwrap();
        // The weights get the same gradients if the input's gradient is not requested.
        let mut alone = GradStore::default();
        crate::common::train(&model, &batch, 0).backward_weights(&dlogits, &mut alone).unwrap();

        let x = Var::from_tensor(batch.values()).unwrap();
        let tracked = Padded::new(x.as_tensor().clone(), batch.lengths().map(<[usize]>::to_vec)).unwrap();
        let logits = in_graph(&model, &tracked, &mut Mode::Training(&mut Generator::new(0))).unwrap();
        let scalar = loss.loss(&logits, &targets).unwrap();
        assert!((f64::from(scalar.to_scalar::<f32>().unwrap()) - value).abs() < 1e-6, "{name}");
        let candles = scalar.backward().unwrap();

        let error = difference(&dx, candles.get(&x).unwrap());
        assert!(dx.dims() == batch.dims() && error < 1e-6, "{name}: input gradient off by {error}");
        for p in model.parameters().iter().filter(|p| p.is_trainable()) {
            let [own, alone, candles] = [&own, &alone, &candles].map(|from| from.get(p.var()).unwrap());
            let error = difference(own, candles);
            assert!(error < 1e-6, "{name}: {} off by {error}", p.name());
            assert_eq!(difference(own, alone), 0.0, "{name}: {}", p.name());
        }
    }
}

#[test]
fn a_tiny_batch_is_learnt_by_heart() {
    for architecture in small_networks(24, 0.0) {
        let model = architecture.build(4, 1).unwrap();
        // Normalised logits can grow only with their scale, which takes more steps.
        let steps = if matches!(&architecture, Architecture::Cnn1d(config) if config.normalize_logits) {
            2000
        } else {
            150
        };
        let loss = train(&model, OptimizerConfig::adam(), 1e-2, 8, steps);
        assert!(loss < 2e-3, "{}: loss {loss}", architecture.name());
    }
}

#[test]
fn one_seed_gives_one_model_and_one_run() {
    for architecture in small(24, 0.3) {
        let run = |seed| {
            let model = architecture.build(4, seed).unwrap();
            if members(&architecture) == 1 {
                train(&model, OptimizerConfig::adam(), 1e-3, 7, 3);
            }
            bits(&model)
        };
        assert!(run(1) == run(1), "{}", architecture.name());
        assert!(run(1) != run(2), "{}", architecture.name());
    }
}

#[test]
fn an_example_is_answered_alike_alone_and_among_others_and_without_a_graph() {
    for architecture in small(24, 0.3) {
        let (name, model) = (architecture.name(), trained(&architecture));
        let (all, _) = batch(model.input(), 5, 4);
        let together = softmax(&infer(&model, &all)).unwrap();
        for i in 0..5 {
            let values = Var::from_tensor(&all.values().narrow(0, i, 1).unwrap()).unwrap();
            let lengths = all.lengths().map(|lengths| vec![lengths[i]]);
            let one = infer(&model, &Padded::new(values.as_tensor().clone(), lengths).unwrap());
            assert!(!one.track_op(), "{name}");
            let error = difference(&softmax(&one).unwrap(), &together.narrow(0, i, 1).unwrap());
            assert!(error < 1e-6, "{name}: off by {error}");
        }
    }
}

#[test]
fn padding_does_not_change_the_answer() {
    for (short, long) in small(24, 0.3).into_iter().zip(small(61, 0.3)) {
        let (name, input) = (short.name(), short.input());
        if !input.is_padded() {
            continue;
        }
        let (short, long) = (trained(&short), long.build(4, 1).unwrap());
        for (from, to) in short.parameters().iter().zip(long.parameters().iter()) {
            to.var().set(from.var()).unwrap();
        }
        let (given, _) = batch(input, 5, 4);
        let answer = |model: &Model, values: Tensor, lengths: Vec<usize>| {
            infer(model, &Padded::new(values, Some(lengths)).unwrap())
        };
        let lengths = vec![24, 23, 17, 8, 5];
        let expected = answer(&short, given.values().clone(), lengths.clone());
        // The values of the padding have no influence either.
        let last = given.values().rank() - 1;
        let padded = given.values().pad_with_same(last, 0, 37).unwrap();
        let error = difference(&answer(&long, padded, lengths), &expected);
        assert!(error < 1e-5, "{name}: off by {error}");
        // Nor if another clip is so long that the padding is computed.
        let twice = Tensor::cat(&[given.values(), given.values()], 0).unwrap();
        let padded = twice.pad_with_same(last, 0, 37).unwrap();
        let among = answer(&long, padded, vec![24, 23, 17, 8, 5, 61, 60, 59, 40, 30]);
        let error = difference(&among.narrow(0, 0, 5).unwrap(), &expected);
        assert!(error < 1e-5, "{name}: off by {error} among longer ones");
    }
}

#[test]
fn a_gradient_of_another_shape_than_the_output_is_refused() {
    for architecture in small(24, 0.3).into_iter().filter(|architecture| members(architecture) == 1) {
        let name = architecture.name();
        let model = architecture.build(4, 1).unwrap();
        let (x, _) = batch(model.input(), 5, 4);
        for shape in [&[5, 3][..], &[5, 5], &[4, 4], &[20], &[5, 4, 1]] {
            let pass = crate::common::train(&model, &x, 1);
            let dy = Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
            let error = pass.backward(&dy, &mut GradStore::default()).unwrap_err().to_string();
            let expected = format!("backward pass: dy must be of the output's shape, [5, 4], got {shape:?}");
            assert_eq!(error, expected, "{name}");
        }
        let inference = model.forward(&x, &mut Mode::Inference).unwrap();
        let dy = inference.output().values().ones_like().unwrap();
        let error = inference.backward_weights(&dy, &mut GradStore::default()).unwrap_err();
        assert!(error.to_string().starts_with("backward pass: mode"), "{name}: {error}");
    }
}

#[test]
fn wrong_shapes_and_lengths_are_refused() {
    for architecture in small(24, 0.3) {
        let (name, input) = (architecture.name(), architecture.input());
        let model = architecture.build(4, 1).unwrap();
        let refused = |batch: &Padded| model.forward(batch, &mut Mode::Inference).unwrap_err().to_string();
        let mut shape = vec![2];
        shape.extend(input.shape());
        let expected = format!("{name}: the input must be a batch of 1 or more examples, got shape [0, ");
        let none = Tensor::zeros(&*[&[0], &shape[1..]].concat(), DType::F32, &Device::Cpu).unwrap();
        assert!(refused(&none.into()).starts_with(&expected), "{name}");
        shape[1] += 1;
        let wrong = Tensor::zeros(&*shape, DType::F32, &Device::Cpu).unwrap();
        let expected =
            format!("{name}: each example must have shape {:?}, got {:?}", input.shape(), &shape[1..]);
        assert_eq!(refused(&wrong.into()), expected);
        if input.is_padded() {
            let (given, _) = batch(input, 2, 4);
            let refused =
                |lengths| Padded::new(given.values().clone(), Some(lengths)).unwrap_err().to_string();
            // Only the layers know which of the axes is time.
            let most = given.values().dims().iter().skip(1).copied().max().unwrap();
            let more = (most + 1).to_string();
            for (lengths, wrong) in
                [(vec![most + 1, 3], more.as_str()), (vec![3, 0], "0"), (vec![3], "1 lengths")]
            {
                let message = refused(lengths);
                let rule = format!("lengths must be 1 to {most} frames for each of 2 examples");
                assert_eq!(message, format!("Padded: {rule}, got {wrong}"), "{name}");
            }
        }
    }
}

#[test]
fn lengths_beyond_the_time_axis_are_refused_where_another_axis_is_longer() {
    let config = HybridConfig { rows: 30, frames: 12, blocks: Vec::new(), ..Default::default() };
    let model = Architecture::from(config).build(4, 1).unwrap();
    let values = Tensor::zeros((2, 30, 12), DType::F32, &Device::Cpu).unwrap();
    let batch = Padded::new(values, Some(vec![13, 3])).unwrap();
    for mode in [&mut Mode::Inference, &mut Mode::Training(&mut Generator::new(0))] {
        let message = model.forward(&batch, mode).unwrap_err().to_string();
        assert_eq!(message, "hybrid: lengths must be 1 to 12 frames for each of 2 examples, got 13");
    }
}

#[test]
fn an_ensemble_is_not_trained_but_joined() {
    let ensemble = small(24, 0.3).pop().unwrap();
    assert_eq!(members(&ensemble), 2);
    let model = ensemble.build(4, 1).unwrap();
    let (batch, _) = batch(model.input(), 4, 4);
    let before = bits(&model);
    let error = model.forward(&batch, &mut Mode::Training(&mut Generator::new(0))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ensemble: mode must be inference (train each member, then Checkpoint::join), got training"
    );
    assert!(bits(&model) == before);
    let answer = infer(&model, &batch).exp().unwrap();
    let sums = answer.sum(1).unwrap().to_vec1::<f32>().unwrap();
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6), "{sums:?}");

    let data = data(&ensemble);
    let config = TrainingConfig { epochs: 1, batch_size: 6, ..Default::default() };
    let error = Trainer::new(config, ensemble, &data, None, 1).map(|_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "training: architecture must be one network (Checkpoint::join joins trained ones), got ensemble"
    );
}

/// Returns every ready configuration, and the default ensemble.
fn named_and_ensemble() -> impl Iterator<Item = Architecture> {
    let named = Architecture::NAMES.map(|name| Architecture::named(name).unwrap());
    named.into_iter().chain([EnsembleConfig::default().into()])
}

#[test]
fn a_summary_ends_with_the_classes_and_counts_everything() {
    for architecture in named_and_ensemble() {
        let name = architecture.name();
        let model = architecture.build(4, 0).unwrap();
        let summary = model.summary();
        assert_eq!(summary.name, name);
        assert_eq!(summary.input, architecture.input());
        assert_eq!(summary.rows.last().unwrap().output_shape, [4]);
        let all: usize = summary.rows.iter().map(|row| row.parameters).sum();
        assert_eq!(all, summary.trainable + summary.statistics, "{name}");
        assert!(summary.to_string().contains("trainable"));
        for p in model.parameters().iter() {
            assert!(summary.rows.iter().any(|row| p.name().starts_with(&row.name)), "{name}: {}", p.name());
        }
    }
}

/// Returns twelve clips for the architecture, whose labels alternate.
fn data(architecture: &Architecture) -> Dataset {
    let (given, labels) = batch(architecture.input(), 12, 3);
    let values = given.values().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let inputs = ArrayD::from_shape_vec(given.dims(), values).unwrap();
    let data = Dataset::new(inputs, labels, LABELS, (0..12).map(|i| format!("clip-{i}"))).unwrap();
    match given.lengths() {
        Some(lengths) => data.with_frames(lengths.to_vec()).unwrap(),
        None => data,
    }
}

#[test]
fn a_trained_model_comes_back_from_its_checkpoint_with_the_same_answers() {
    // All except those that read fewer features than their default configuration has.
    for architecture in small(24, 0.3).into_iter().filter(|a| a.name() != "cnn-1d") {
        let name = architecture.name();
        let data = data(&architecture);
        let of_seed = |seed| {
            let config = TrainingConfig { epochs: 2, batch_size: 6, ..Default::default() };
            let network = architecture.member().clone();
            let mut trainer = Trainer::new(config, network, &data, None, seed).unwrap();
            trainer.run(|_| {}, &AtomicBool::new(false)).unwrap();
            let (preparation, features) = (architecture.preparation(), architecture.features());
            let origin = CheckpointSource { preparation, features, ..source() };
            (trainer.checkpoint(origin).unwrap(), 1.0)
        };
        let trained: Vec<(Checkpoint, f64)> = (1..=members(&architecture) as u64).map(of_seed).collect();
        let checkpoint = Checkpoint::join(&trained).unwrap();
        assert_eq!(checkpoint.architecture.name(), name);
        assert_eq!(members(&checkpoint.architecture), members(&architecture));
        let bytes = checkpoint.to_bytes().unwrap();
        let back = Checkpoint::from_bytes(&bytes).unwrap();
        assert_eq!(back, checkpoint, "{name}");
        let answers = |checkpoint: &Checkpoint| checkpoint.classifier().unwrap().evaluate(&data).unwrap();
        assert_eq!(answers(&back).loss.to_bits(), answers(&checkpoint).loss.to_bits(), "{name}");
    }
}

#[test]
fn a_configuration_survives_json() {
    for architecture in named_and_ensemble() {
        assert!(Architecture::KINDS.contains(&architecture.name()));
        let json = serde_json::to_string(&architecture).unwrap();
        assert!(json.contains(&format!("\"name\":\"{}\"", architecture.name())));
        assert_eq!(serde_json::from_str::<Architecture>(&json).unwrap(), architecture);
    }
    for kind in Architecture::KINDS {
        let changed = format!(r#"{{"name":"{kind}","filterz":3}}"#);
        assert!(serde_json::from_str::<Architecture>(&changed).is_err());
        let default = format!(r#"{{"name":"{kind}"}}"#);
        // An ensemble has no ready sizes by name, because it is made from trained models.
        let expected = Architecture::named(kind).unwrap_or(EnsembleConfig::default().into());
        assert_eq!(expected.name(), kind);
        assert_eq!(serde_json::from_str::<Architecture>(&default).unwrap(), expected);
    }
    assert!(Architecture::named("transformer").is_none());
}

/// Blocks without pooling, dropout or normalisation are allowed.
#[test]
fn blocks_are_free() {
    let bare = ConvBlock { filters: 3, kernel_size: 2, then: vec![BlockLayer::Relu] };
    let config = HybridConfig { rows: 4, frames: 6, blocks: vec![bare], ..Default::default() };
    let block = ConvBlock { filters: 2, kernel_size: [1, 4], then: vec![BlockLayer::Relu] };
    let image =
        CnnLstmConfig { rows: 3, frames: 5, blocks: vec![block], dense: vec![4, 3], ..Default::default() };
    for architecture in [Architecture::from(config), image.into()] {
        let model = architecture.build(2, 0).unwrap();
        let (given, _) = batch(model.input(), 3, 2);
        assert_eq!(infer(&model, &given).dims(), [3, 2]);
    }
}
