//! What the benchmarks of the models time: networks with the sizes of the PyTorch twins in `reference/compare_torch.py`, and the
//! recogniser.

use crate::assets;
use anyhow::{Context, Result, bail};
use candle_core::{DType, Device, Tensor};
use ser_data::Audio;
use ser_models::layers::{
    BatchNormConfig, Conv1dConfig, Conv2dConfig, CrossEntropy, Init, Layer, Lstm, LstmConfig, Mode,
    Sequential, SimpleRnn, SimpleRnnConfig, States, TimeSteps, backward,
};
use ser_models::training::{Optimizer, OptimizerConfig};
use ser_models::{Generator, Parameters, Recognizer};

/// Examples of a training step.
pub const BATCH: usize = 32;

const CLASSES: usize = 4;
const LEARNING_RATE: f64 = 1e-4;

/// A network with a batch of noise to work on.
#[derive(Debug)]
pub struct Subject {
    net: Sequential,
    parameters: Parameters,
    optimizer: Optimizer,
    loss: CrossEntropy,
    batch: Tensor,
    one: Tensor,
    targets: Tensor,
    generator: Generator,
}

impl Subject {
    /// The networks.
    pub const NAMES: [&str; 5] = ["cnn-1d", "cnn-lstm", "cnn-lstm-bn", "hybrid", "rnn-lstm"];

    /// The network of this name with initial weights.
    ///
    /// # Errors
    /// For a name that is not one of [`Subject::NAMES`].
    pub fn new(name: &str) -> Result<Self> {
        let mut parameters = Parameters::new(0, DType::F32, &Device::Cpu);
        let net = network(name, &mut parameters)?;
        let mut generator = Generator::new(0);
        let dims: Vec<usize> = std::iter::once(BATCH).chain(net.input_shape().iter().copied()).collect();
        let values: Vec<f32> =
            (0..dims.iter().product()).map(|_| generator.uniform(-1.7, 1.7) as f32).collect();
        let batch = Tensor::from_vec(values, dims, &Device::Cpu)?;
        let labels: Vec<usize> = (0..BATCH).map(|clip| clip % CLASSES).collect();
        let loss = CrossEntropy::new(vec![1.0; CLASSES], 0.0)?;
        Ok(Self {
            optimizer: Optimizer::new(OptimizerConfig::rmsprop(), &parameters),
            one: batch.narrow(0, 0, 1)?.contiguous()?,
            targets: loss.targets(&labels, DType::F32, &Device::Cpu)?,
            net,
            parameters,
            loss,
            batch,
            generator,
        })
    }

    /// How many numbers the optimiser moves.
    pub fn trainable(&self) -> usize {
        self.parameters.trainable_count()
    }

    /// One training step of [`BATCH`] examples: forward, backward, RMSprop. Gives the loss.
    ///
    /// # Errors
    /// If a layer fails.
    pub fn train(&mut self) -> Result<f32> {
        let logits = self.net.forward(&self.batch, &mut Mode::Training(&mut self.generator))?;
        let loss = self.loss.loss(&logits, &self.targets)?;
        self.optimizer.step(&self.parameters, &backward(&loss)?, LEARNING_RATE)?;
        Ok(loss.to_scalar()?)
    }

    /// Logits of one example.
    ///
    /// # Errors
    /// If a layer fails.
    pub fn infer(&self) -> Result<Vec<f32>> {
        Ok(self.net.forward(&self.one, &mut Mode::Inference)?.flatten_all()?.to_vec1()?)
    }
}

fn network(name: &str, parameters: &mut Parameters) -> Result<Sequential> {
    let (norm, init) = (BatchNormConfig::default(), Init::GlorotUniform);
    let mut net;
    match name {
        "cnn-1d" => {
            net = Sequential::new([1, 193]);
            net.conv1d(Conv1dConfig::new(256, 5), parameters)?;
            net.batch_norm(norm, parameters)?;
            net.relu()?;
            net.conv1d(Conv1dConfig::new(128, 5), parameters)?;
            net.relu()?;
            net.dropout(0.1)?;
            net.batch_norm(norm, parameters)?;
            net.max_pool1d(8)?;
            for _ in 0..2 {
                net.conv1d(Conv1dConfig::new(128, 5), parameters)?;
                net.relu()?;
            }
            net.conv1d(Conv1dConfig::new(128, 5), parameters)?;
            net.batch_norm(norm, parameters)?;
            net.relu()?;
            net.dropout(0.2)?;
            net.conv1d(Conv1dConfig::new(128, 5), parameters)?;
            net.relu()?;
            net.flatten()?;
            net.dropout(0.2)?;
            net.dense(CLASSES, init, parameters)?;
            net.batch_norm(norm, parameters)?;
        }
        "cnn-lstm" | "cnn-lstm-bn" => {
            net = Sequential::new([1, 40, 862]);
            for filters in [32, 64] {
                net.conv2d(Conv2dConfig::new(filters, [3, 3]), parameters)?;
                if name == "cnn-lstm-bn" {
                    net.batch_norm(norm, parameters)?;
                }
                net.relu()?;
                net.max_pool2d([2, 2])?;
                net.dropout(0.25)?;
            }
            net.push("time_steps", TimeSteps)?;
            lstm(&mut net, LstmConfig::new(128), parameters)?;
            net.dense(CLASSES, init, parameters)?;
        }
        "hybrid" => {
            net = Sequential::new([193, 130]);
            for pool in [true, true, false] {
                net.conv1d(Conv1dConfig::new(128, 5), parameters)?;
                net.relu()?;
                net.batch_norm(norm, parameters)?;
                net.dropout(0.2)?;
                if pool {
                    net.max_pool1d(2)?;
                }
            }
            net.push("time_steps", TimeSteps)?;
            lstm(&mut net, LstmConfig { layers: 2, dropout: 0.3, ..LstmConfig::new(128) }, parameters)?;
            net.dense(64, init, parameters)?;
            net.relu()?;
            net.dense(CLASSES, init, parameters)?;
        }
        "rnn-lstm" => {
            net = Sequential::new([128, 128]);
            let rnn = SimpleRnnConfig { states: States::Sequence, ..SimpleRnnConfig::new(128) };
            net.push("simple_rnn", SimpleRnn::new(128, rnn, &mut parameters.scope("simple_rnn_1"))?)?;
            lstm(&mut net, LstmConfig::new(64), parameters)?;
            net.dense(64, init, parameters)?;
            net.relu()?;
            net.dense(CLASSES, init, parameters)?;
        }
        _ => bail!("{name:?} is none of {:?}", Subject::NAMES),
    }
    Ok(net)
}

fn lstm(net: &mut Sequential, config: LstmConfig, parameters: &mut Parameters) -> Result<()> {
    let features = net.output_shape()[1];
    Ok(net.push("lstm", Lstm::new(features, config, &mut parameters.scope("lstm_1"))?)?)
}

/// The bundled recogniser with three seconds of the bundled clip: features and model together.
pub struct Recognition {
    recognizer: Recognizer,
    clip: Vec<f32>,
    sample_rate: u32,
}

impl Recognition {
    /// Reads model and clip.
    ///
    /// # Errors
    /// If one of them is damaged.
    pub fn new() -> Result<Self> {
        let audio = Audio::decode(assets::SAMPLE_WAV, Some("wav"), "sample.wav")?;
        let mut clip = audio.to_mono()?.to_vec();
        clip.truncate(3 * audio.sample_rate as usize);
        let recognizer = Recognizer::from_bytes(assets::MODEL).context("the bundled model")?;
        Ok(Self { recognizer, clip, sample_rate: audio.sample_rate })
    }

    /// From samples to a mood.
    ///
    /// # Errors
    /// If the clip is no speech.
    pub fn run(&mut self) -> Result<String> {
        Ok(self.recognizer.recognize(&self.clip, self.sample_rate)?.label)
    }
}
