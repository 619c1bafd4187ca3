//! Networks in the sizes of the PyTorch twins in `reference/compare_torch.py`, and the bundled recogniser.

use anyhow::{Context, Result, bail};
use candle_core::{DType, Device, Tensor};
use ser_data::Audio;
use ser_examples::assets;
use ser_models::layers::{CrossEntropy, Mode, backward};
use ser_models::models::{Architecture, Batch, Model};
use ser_models::training::{Optimizer, OptimizerConfig};
use ser_models::{Generator, Recognizer};

/// Examples of a training step.
pub const BATCH: usize = 32;

const CLASSES: usize = 4;
const LEARNING_RATE: f64 = 1e-4;

/// A network with a batch of noise to work on.
#[derive(Debug)]
pub struct ModelSubject {
    model: Box<dyn Model>,
    optimizer: Optimizer,
    loss: CrossEntropy,
    batch: Batch,
    one: Batch,
    targets: Tensor,
    generator: Generator,
}

impl ModelSubject {
    /// The networks.
    pub const NAMES: [&str; 5] = ["cnn-1d", "cnn-lstm", "cnn-lstm-bn", "hybrid", "rnn-lstm"];

    /// The network of this name with initial weights.
    ///
    /// # Errors
    /// For a name that is not one of [`ModelSubject::NAMES`].
    pub fn new(name: &str) -> Result<Self> {
        let architecture = match name {
            "cnn-1d" => "cnn-1d-issa",
            "cnn-lstm" => "cnn-lstm-benchmark",
            "cnn-lstm-bn" => "cnn-lstm-bn-benchmark",
            "hybrid" => "hybrid",
            "rnn-lstm" => "rnn-lstm-benchmark",
            _ => bail!("a network must be one of {:?}, got {name:?}", Self::NAMES),
        };
        let architecture = Architecture::named(architecture).context("a ready configuration")?;
        let model = architecture.build(CLASSES, 0)?;
        let mut generator = Generator::new(0);
        let dims: Vec<usize> = std::iter::once(BATCH).chain(model.input().shape()).collect();
        let values: Vec<f32> =
            (0..dims.iter().product()).map(|_| generator.uniform(-1.7, 1.7) as f32).collect();
        let batch = Tensor::from_vec(values, dims, &Device::Cpu)?;
        let labels: Vec<usize> = (0..BATCH).map(|clip| clip % CLASSES).collect();
        let loss = CrossEntropy::new(vec![1.0; CLASSES], 0.0)?;
        Ok(Self {
            optimizer: Optimizer::new(OptimizerConfig::rmsprop(), model.parameters()),
            one: batch.narrow(0, 0, 1)?.contiguous()?.into(),
            targets: loss.targets(&labels, DType::F32, &Device::Cpu)?,
            model,
            loss,
            batch: batch.into(),
            generator,
        })
    }

    /// How many numbers the optimiser moves.
    pub fn trainable(&self) -> usize {
        self.model.parameters().trainable_count()
    }

    /// One training step of [`BATCH`] examples: forward, backward, RMSprop. Gives the loss.
    ///
    /// # Errors
    /// If a layer fails.
    pub fn train(&mut self) -> Result<f32> {
        let logits = self.model.forward(&self.batch, &mut Mode::Training(&mut self.generator))?;
        let loss = self.loss.loss(&logits, &self.targets)?;
        self.optimizer.step(self.model.parameters(), &backward(&loss)?, LEARNING_RATE)?;
        Ok(loss.to_scalar()?)
    }

    /// Logits of one example.
    ///
    /// # Errors
    /// If a layer fails.
    pub fn infer(&self) -> Result<Vec<f32>> {
        Ok(self.model.forward(&self.one, &mut Mode::Inference)?.flatten_all()?.to_vec1()?)
    }
}

/// The bundled recogniser with three seconds of the bundled clip: features and model together.
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
