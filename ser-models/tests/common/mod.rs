//! Code that several test files share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod encoder;

use candle_core::{DType, Device, Tensor};
use ndarray::Array2;
use ser_features::{Feature, FeatureConfig, PreparationConfig};
use ser_models::layers::{Forward, Layer, Mode, Padded};
use ser_models::models::{Architecture, Cnn1dConfig, ConvBlock};
use ser_models::training::{Dataset, TrainingConfig};
use ser_models::{CheckpointSource, Generator};
use std::collections::HashMap;

/// The tensors of a golden file.
pub struct Golden(HashMap<String, Tensor>);

impl Golden {
    pub fn load(name: &str) -> Self {
        let path = format!("{}/golden/{name}", env!("CARGO_MANIFEST_DIR"));
        Self(candle_core::safetensors::load(path, &Device::Cpu).unwrap())
    }

    pub fn get(&self, name: &str) -> &Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("no golden tensor {name}"))
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// Returns the largest difference of two tensors of one shape.
pub fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let flat = |t: &Tensor| t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    flat(a).iter().zip(flat(b)).fold(0.0, |most, (a, b)| {
        let error = (a - b).abs();
        if error.is_nan() { f64::INFINITY } else { error.max(most) }
    })
}

/// Returns a layer's output in inference mode.
pub fn infer(layer: &dyn Layer, x: &Padded) -> Tensor {
    layer.forward(x, &mut Mode::Inference).unwrap().into_output().into_values()
}

/// Runs a layer's forward pass in training mode, with random numbers from `seed`.
pub fn train(layer: &dyn Layer, x: &Padded, seed: u64) -> Forward {
    layer.forward(x, &mut Mode::Training(&mut Generator::new(seed))).unwrap()
}

/// Length of the vectors of [`clips`]: 13 MFCC and 7 bands of contrast.
pub const FEATURES: usize = 20;
pub const LABELS: [&str; 3] = ["Calm", "Happy", "Sad"];

/// Makes clips of three classes, with ids numbered from `first`: a pattern for each class, with features of very different scales, in
/// noise.
pub fn clips(n: usize, first: usize) -> Dataset {
    let mut generator = Generator::with_stream(first as u64, 5);
    let mut normal = || -> f32 {
        // The sum of twelve uniform numbers is nearly normal.
        (0..12).map(|_| generator.uniform(0.0, 1.0)).sum::<f64>() as f32 - 6.0
    };
    let inputs = Array2::from_shape_fn((n, FEATURES), |(clip, feature)| {
        let pattern = ((clip % 3 + 1) * (feature + 1)) as f32;
        let scale = if feature < 13 { 100.0 } else { 0.01 };
        scale * (pattern.sin() + 0.5 * normal()) - 3.0
    });
    let ids = (first..first + n).map(|i| format!("clip-{i:03}"));
    Dataset::new(inputs, (0..n).map(|i| i % 3).collect(), LABELS, ids).unwrap()
}

/// A small network for [`clips`].
pub fn architecture() -> Architecture {
    let blocks = vec![ConvBlock::new(8, 5, 2, 0.2), ConvBlock::new(12, 3, 2, 0.2)];
    Cnn1dConfig { features: FEATURES, blocks, ..Default::default() }.into()
}

/// Returns settings for a few epochs with everything that draws random numbers.
pub fn config(epochs: usize) -> TrainingConfig {
    let mut config = TrainingConfig { epochs, batch_size: 16, learning_rate: 3e-3, ..Default::default() };
    config.augmentation.noise = 0.1;
    config.augmentation.mixup = 0.2;
    config.label_smoothing = 0.05;
    config
}

/// A possible source of [`clips`].
pub fn source() -> CheckpointSource {
    let features = vec![Feature::Mfcc, Feature::Contrast];
    CheckpointSource {
        preparation: PreparationConfig::default(),
        features: FeatureConfig { n_mfcc: 13, features, ..Default::default() },
        protocol: "stratified 80/20".to_owned(),
        split_seed: 3,
        test: vec!["clip-900".to_owned(), "clip-901".to_owned()],
    }
}

/// Sample rate of [`voice`].
pub const RATE: u32 = 16_000;

/// Makes one second of a tone with overtones in noise: low and dull for class 0, high and bright for class 1.
pub fn voice(class: usize, seed: u64) -> Vec<f32> {
    let mut generator = Generator::new(seed);
    let pitch = if class == 0 { generator.uniform(90.0, 140.0) } else { generator.uniform(220.0, 320.0) };
    let fall = if class == 0 { 2.5 } else { 0.8 };
    (0..RATE)
        .map(|n| {
            let phase = 2.0 * std::f64::consts::PI * pitch * f64::from(n) / f64::from(RATE);
            let tone: f64 = (1..12).map(|k| (phase * f64::from(k)).sin() / f64::from(k).powf(fall)).sum();
            (0.2 * tone + generator.uniform(-0.01, 0.01)) as f32
        })
        .collect()
}
