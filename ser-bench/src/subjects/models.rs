//! Networks in the sizes of the PyTorch twins in `reference/compare_torch.py`, and the bundled recogniser.

use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use ser_data::Audio;
use ser_examples::assets;
use ser_models::layers::{Layer, Mode, Padded};
use ser_models::models::Architecture;
use ser_models::training::{Learner, OptimizerConfig, Targets, TrainingConfig};
use ser_models::{Generator, Recognizer};

/// Examples of a training step.
pub const BATCH: usize = 32;

const CLASSES: usize = 4;
const LEARNING_RATE: f64 = 1e-4;

/// A network with a batch of noise to work on.
#[derive(Debug)]
pub struct ModelSubject {
    learner: Learner,
    batch: Padded,
    one: Padded,
    targets: Targets,
    generator: Generator,
}

impl ModelSubject {
    /// The networks; `hybrid-padded` is `hybrid` with examples of unequal lengths.
    pub const NAMES: [&str; 6] = ["cnn-1d", "cnn-lstm", "cnn-lstm-bn", "hybrid", "rnn-lstm", "hybrid-padded"];

    /// The network of this name with initial weights.
    ///
    /// # Errors
    /// For a name that is not one of [`ModelSubject::NAMES`].
    pub fn new(name: &str) -> Result<Self> {
        let architecture = match name {
            "cnn-1d" => "cnn-1d-issa",
            "cnn-lstm" => "cnn-lstm-benchmark",
            "cnn-lstm-bn" => "cnn-lstm-bn-benchmark",
            "hybrid" | "hybrid-padded" => "hybrid",
            "rnn-lstm" => "rnn-lstm-benchmark",
            _ => bail!("subject: network must be one of {:?}, got {name:?}", Self::NAMES),
        };
        let architecture = Architecture::named(architecture)
            .with_context(|| format!("subject: architecture must be a ready one, got {architecture}"))?;
        let model = architecture.build(CLASSES, 0)?;
        let mut generator = Generator::new(0);
        let dims: Vec<usize> = std::iter::once(BATCH).chain(model.input().shape()).collect();
        let values: Vec<f32> =
            (0..dims.iter().product()).map(|_| generator.uniform(-1.7, 1.7) as f32).collect();
        let batch = Tensor::from_vec(values, dims, &Device::Cpu)?;
        let labels: Vec<usize> = (0..BATCH).map(|clip| clip % CLASSES).collect();
        // One example has the full length, so that no padding of the batch is cut off.
        let frames = model.input().frames();
        let lengths = (name == "hybrid-padded").then(|| (0..BATCH).map(|clip| frames - clip % 40).collect());
        let config = TrainingConfig { optimizer: OptimizerConfig::rmsprop(), ..TrainingConfig::default() };
        let learner = Learner::new(model, &config, vec![1.0; CLASSES])?;
        Ok(Self {
            one: batch.narrow(0, 0, 1)?.contiguous()?.into(),
            targets: learner.targets(&labels)?,
            learner,
            batch: Padded::new(batch, lengths)?,
            generator,
        })
    }

    /// Number of values that the optimiser moves.
    pub fn trainable(&self) -> usize {
        self.learner.model().parameters().trainable_count()
    }

    /// One training step of [`BATCH`] examples: forward, backward, RMSprop. Gives the loss.
    ///
    /// # Errors
    /// If a layer fails.
    pub fn train(&mut self) -> Result<f64> {
        Ok(self.learner.step(&self.batch, &self.targets, LEARNING_RATE, &mut self.generator)?.loss)
    }

    /// Logits of one example.
    ///
    /// # Errors
    /// If a layer fails.
    pub fn infer(&self) -> Result<Vec<f32>> {
        let pass = self.learner.model().forward(&self.one, &mut Mode::Inference)?;
        Ok(pass.into_output().into_values().flatten_all()?.to_vec1()?)
    }
}

/// The bundled recogniser with three seconds of the bundled clip: features and model together.
#[derive(Debug)]
pub struct RecognizerSubject {
    recognizer: Recognizer,
    clip: Vec<f32>,
    sample_rate: u32,
}

impl RecognizerSubject {
    /// Reads model and clip.
    ///
    /// # Errors
    /// If one of them is damaged.
    pub fn new() -> Result<Self> {
        let audio = Audio::decode(assets::SAMPLE_WAV, Some("wav"), "sample.wav")?;
        let mut clip = audio.to_mono()?.to_vec();
        clip.truncate(3 * audio.sample_rate as usize);
        let recognizer = Recognizer::from_bytes(assets::SMALL).context("bundled model small")?;
        Ok(Self { recognizer, clip, sample_rate: audio.sample_rate })
    }

    /// From samples to a mood.
    ///
    /// # Errors
    /// If the clip is no speech.
    pub fn run(&mut self) -> Result<String> {
        Ok(self.recognizer.recognize_window(&self.clip, self.sample_rate)?.label)
    }
}
