//! Whisper's encoder with the sizes of Whisper base and its first four blocks. The weights are random, because times do not depend on them.

use anyhow::{Result, bail};
use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use ser_models::Generator;
use ser_models::encoder::{WhisperEncoder, quantize};
use ser_models::layers::Padded;

const BLOCKS: usize = 4;
const WIDTH: usize = 512;
const HIDDEN: usize = 2048;
const MELS: usize = 80;
/// Three seconds.
const FRAMES: usize = 300;

/// The encoder with three seconds of noise as a log-mel spectrogram.
#[derive(Debug)]
pub struct EncoderSubject {
    encoder: WhisperEncoder,
    mel: Padded,
}

impl EncoderSubject {
    /// The types that its weights are kept in.
    pub const NAMES: [&str; 2] = ["encoder-f32", "encoder-i8"];

    /// With weights of the type that the name says.
    ///
    /// # Errors
    /// For a name that is not one of [`EncoderSubject::NAMES`].
    pub fn new(name: &str) -> Result<Self> {
        let mut generator = Generator::new(0);
        let mut bytes = made_up(&mut generator)?;
        match name {
            "encoder-f32" => {}
            "encoder-i8" => bytes = quantize(&bytes)?,
            _ => bail!("subject: encoder must be one of {:?}, got {name:?}", Self::NAMES),
        }
        let mel: Vec<f32> = (0..MELS * FRAMES).map(|_| generator.uniform(-1.0, 1.0) as f32).collect();
        Ok(Self {
            encoder: WhisperEncoder::from_bytes(&bytes, BLOCKS)?,
            mel: Tensor::from_vec(mel, (1, MELS, FRAMES), &Device::Cpu)?.into(),
        })
    }

    /// Mean and deviation of all outputs.
    ///
    /// # Errors
    /// If the encoder fails.
    pub fn run(&self) -> Result<Padded> {
        Ok(self.encoder.statistics(&self.mel)?)
    }
}

fn made_up(generator: &mut Generator) -> Result<Vec<u8>> {
    let mut shapes = vec![
        ("conv1.weight".to_owned(), vec![WIDTH, MELS, 3]),
        ("conv1.bias".to_owned(), vec![WIDTH]),
        ("conv2.weight".to_owned(), vec![WIDTH, WIDTH, 3]),
        ("conv2.bias".to_owned(), vec![WIDTH]),
        ("embed_positions.weight".to_owned(), vec![1500, WIDTH]),
    ];
    for block in 0..BLOCKS {
        for (part, shape) in [
            ("self_attn.q_proj.weight", vec![WIDTH, WIDTH]),
            ("self_attn.q_proj.bias", vec![WIDTH]),
            ("self_attn.k_proj.weight", vec![WIDTH, WIDTH]),
            ("self_attn.v_proj.weight", vec![WIDTH, WIDTH]),
            ("self_attn.v_proj.bias", vec![WIDTH]),
            ("self_attn.out_proj.weight", vec![WIDTH, WIDTH]),
            ("self_attn.out_proj.bias", vec![WIDTH]),
            ("self_attn_layer_norm.weight", vec![WIDTH]),
            ("self_attn_layer_norm.bias", vec![WIDTH]),
            ("final_layer_norm.weight", vec![WIDTH]),
            ("final_layer_norm.bias", vec![WIDTH]),
            ("fc1.weight", vec![HIDDEN, WIDTH]),
            ("fc1.bias", vec![HIDDEN]),
            ("fc2.weight", vec![WIDTH, HIDDEN]),
            ("fc2.bias", vec![WIDTH]),
        ] {
            shapes.push((format!("layers.{block}.{part}"), shape));
        }
    }
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
        .into_iter()
        .map(|(name, shape)| {
            let mut value = || (generator.uniform(-0.05, 0.05) as f32).to_le_bytes();
            let bytes = (0..shape.iter().product::<usize>()).flat_map(|_| value()).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>>>()?;
    Ok(safetensors::serialize(views, None)?)
}
