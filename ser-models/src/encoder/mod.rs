//! The encoder of Whisper, pretrained and frozen.
//!
//! Radford et al., *Robust Speech Recognition via Large-Scale Weak Supervision* (2022). Two convolutions over a log-mel
//! spectrogram, a table of positions, and pre-norm transformer blocks. Emotions are best read after the first few blocks, so
//! only these are read and computed.

mod block;
mod convolution;
mod error;
mod file;
mod quantize;
mod upper_blocks;

pub use error::EncoderError;
pub use quantize::quantize;
pub use upper_blocks::EncoderBlocks;

use crate::files::read_file;
use crate::kernels::{Frames, statistics};
use crate::layer::{LayerError, Padded, elements, tensor};
use crate::memory::Memory;
use block::Block;
use convolution::Convolution;
use file::File;
use rayon::prelude::*;
use std::path::Path;

/// The name in errors of bytes that come from no file.
const IN_MEMORY: &str = "encoder in memory";
/// Elements of a head, in all sizes of Whisper.
pub(crate) const HEAD: usize = 64;
/// Gap in elements between the rows of frames. Without it rows whose distance is a power of two would occupy the same places of the cache.
const GAP: usize = 16;

/// The first blocks of Whisper's encoder, for inference.
///
/// With weights in `f32` or `f16`, all computation is in `f32`. With 8-bit weights, activations are quantised to 8 bits too: each row to
/// 255 steps between plus and minus its largest absolute value. Sums are integers on processors with AVX2 or AVX-512 VNNI, bit for
/// bit the same, and `f32` sums of the same steps elsewhere. This takes less time and changes the outputs a little.
///
/// The file is safetensors with Hugging Face's names: `layers.0.self_attn.q_proj.weight` as in `WhisperEncoder`, or the same after `encoder.`
/// (`WhisperModel`) or `model.encoder.` (`WhisperForConditionalGeneration`). Its tensors are
/// in `f32`, `f16`, or `i8` with a scale for each row as [`quantize`] writes them. All sizes come from the tensors' shapes; a
/// head has 64 elements, as in all sizes of Whisper.
///
/// ```no_run
/// use candle_core::{DType, Device, Tensor};
/// use ser_models::encoder::WhisperEncoder;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let encoder = WhisperEncoder::load("whisper-base-encoder.safetensors", 4)?;
/// let mel = Tensor::zeros((1, 80, 300), DType::F32, &Device::Cpu)?; // three seconds of log-mel
/// let layers = encoder.encode(&mel.into())?;
/// assert_eq!(layers.len(), 5); // after the convolutions, and after each block
/// assert_eq!(layers[4].dims(), [1, 150, 512]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WhisperEncoder {
    convolutions: [Convolution; 2],
    /// [positions, width].
    positions: Vec<f32>,
    blocks: Vec<Block>,
    n_mels: usize,
    width: usize,
    digest: String,
    memory: Memory,
}

impl WhisperEncoder {
    /// Duration of an output frame in seconds.
    pub(crate) const FRAME_SECONDS: f64 = 0.02;

    /// Reads a file and keeps the first `blocks` of its blocks; with 0 the only output is that of the convolutions.
    ///
    /// # Errors
    /// [`EncoderError::Blocks`] if the file has fewer blocks; [`EncoderError::File`] if it cannot be read, is damaged, or a tensor is
    /// missing, has another shape or element type, or a value that is not finite. The error names the file and the tensor.
    pub fn load(path: impl AsRef<Path>, blocks: usize) -> Result<Self, EncoderError> {
        let path = path.as_ref();
        Self::read(&read_file(path)?, &path.display().to_string(), blocks)
    }

    /// Like [`WhisperEncoder::load`], for the bytes of a file, e.g. of `include_bytes!`.
    ///
    /// # Errors
    /// As [`WhisperEncoder::load`].
    pub fn from_bytes(bytes: &[u8], blocks: usize) -> Result<Self, EncoderError> {
        Self::read(bytes, IN_MEMORY, blocks)
    }

    fn read(bytes: &[u8], file: &str, blocks: usize) -> Result<Self, EncoderError> {
        let file = File::new(bytes, file)?;
        let sizes = file.sizes()?;
        if blocks > sizes.blocks {
            let (file, most) = (file.name().to_owned(), sizes.blocks);
            return Err(EncoderError::Blocks { file, least: 0, most, given: blocks });
        }
        let convolution = |number: usize, channels: usize, stride: usize| {
            Convolution::read(&file, &format!("conv{number}"), (sizes.width, channels), stride)
        };
        Ok(Self {
            convolutions: [convolution(1, sizes.n_mels, 1)?, convolution(2, sizes.width, 2)?],
            positions: file.values("embed_positions.weight", &[sizes.positions, sizes.width])?,
            blocks: (0..blocks).map(|number| Block::read(&file, number, &sizes)).collect::<Result<_, _>>()?,
            n_mels: sizes.n_mels,
            width: sizes.width,
            digest: file.digest(),
            memory: Memory::default(),
        })
    }

    /// Mel bands of the input, 80 in Whisper base.
    pub fn n_mels(&self) -> usize {
        self.n_mels
    }

    /// Features of each output frame, 512 in Whisper base.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of outputs: one after the convolutions and one after each block.
    pub fn layers(&self) -> usize {
        1 + self.blocks.len()
    }

    /// The most spectrogram frames of a clip: two for each position of the file. Whisper's files have 1,500 positions: 3,000 frames, or 30 s.
    pub fn max_frames(&self) -> usize {
        2 * self.positions.len() / self.width
    }

    /// A hexadecimal digest of the file, 128-bit XXH3. A model records it to identify the encoder whose outputs it reads. It detects other
    /// files and damage, but not forgery.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Number of output frames for a clip of `frames` frames: ⌈frames / 2⌉.
    pub fn output_frames(frames: usize) -> usize {
        frames.div_ceil(2)
    }

    /// The outputs for log-mel spectrograms [batch, mels, frames], each [batch, ⌈frames / 2⌉, width]: first that of the
    /// convolutions with positions added, then that of each block. Clips of unequal lengths are computed for their valid frames
    /// alone; zeros follow them in the outputs.
    ///
    /// # Errors
    /// [`EncoderError::Mel`] if the number of bands differs, there is no clip or no frame, or a clip is longer than
    /// [`WhisperEncoder::max_frames`]; [`EncoderError::Layer`] if a number of valid frames does not fit or the tensor is not of `f32`.
    pub fn encode(&self, mel: &Padded) -> Result<Vec<Padded>, EncoderError> {
        let frames = self.checked_frames(mel)?;
        let (batch, most) = (mel.len(), Self::output_frames(frames));
        let mut outputs = vec![vec![0.0; batch * most * self.width]; self.layers()];
        let mut by_clip: Vec<Vec<&mut [f32]>> = (0..batch).map(|_| Vec::new()).collect();
        for output in &mut outputs {
            output.chunks_exact_mut(most * self.width).zip(&mut by_clip).for_each(|(o, clip)| clip.push(o));
        }
        self.run(mel, by_clip, |output, layer, rows| {
            for (to, from) in output[layer].chunks_exact_mut(self.width).zip(rows.iter()) {
                to.copy_from_slice(from);
            }
        })?;
        let lengths = mel.lengths().map(|lengths| lengths.iter().map(|n| Self::output_frames(*n)).collect());
        let padded = |values| Ok(Padded::of(tensor(values, (batch, most, self.width))?, lengths.clone()));
        outputs.into_iter().map(padded).collect()
    }

    /// Returns the outputs for one log-mel spectrogram [1, mels, frames], with all outputs of a frame one after another: [⌈frames / 2⌉,
    /// layers · width] in row-major order.
    ///
    /// # Errors
    /// As [`WhisperEncoder::encode`].
    pub(crate) fn frames(&self, mel: &Padded) -> Result<Vec<f32>, EncoderError> {
        let (frames, size) = (self.checked_frames(mel)?, self.layers() * self.width);
        let mut outputs = vec![0.0; Self::output_frames(frames) * size];
        self.run(mel, vec![&mut outputs[..]], |output, layer, rows| {
            for (to, from) in output.chunks_exact_mut(size).zip(rows.iter()) {
                to[layer * self.width..][..self.width].copy_from_slice(from);
            }
        })?;
        Ok(outputs)
    }

    /// The mean and the standard deviation over time of each output: [batch, layers · 2 · width], for each layer the means of all
    /// features and then the deviations, √(variance + 10⁻⁵). Unlike [`WhisperEncoder::encode`], it keeps no frames.
    ///
    /// # Errors
    /// As [`WhisperEncoder::encode`].
    pub fn statistics(&self, mel: &Padded) -> Result<Padded, EncoderError> {
        self.checked_frames(mel)?;
        let size = self.layers() * 2 * self.width;
        let mut outputs = vec![0.0; mel.len() * size];
        self.run(mel, outputs.chunks_exact_mut(size).collect(), |output, layer, rows| {
            let (mean, deviation) =
                output[layer * 2 * self.width..][..2 * self.width].split_at_mut(self.width);
            statistics(rows.iter(), rows.count(), mean, deviation);
        })?;
        Ok(tensor(outputs, (mel.len(), size))?.into())
    }

    /// Returns the number of frames of the batch. Checks that the encoder accepts the batch.
    fn checked_frames(&self, mel: &Padded) -> Result<usize, EncoderError> {
        match *mel.dims() {
            [batch, bands, frames]
                if batch > 0 && bands == self.n_mels && (1..=self.max_frames()).contains(&frames) =>
            {
                mel.check("WhisperEncoder", frames)?;
                Ok(frames)
            }
            _ => {
                let given = mel.dims().to_vec();
                Err(EncoderError::Mel { n_mels: self.n_mels, most: self.max_frames(), given })
            }
        }
    }

    /// Processes clips on all threads. Passes each clip's rows after each layer to `on_layer`, together with the clip's own output.
    fn run<O: Send>(
        &self,
        mel: &Padded,
        outputs: Vec<O>,
        on_layer: impl Fn(&mut O, usize, RowsOf<'_>) + Sync,
    ) -> Result<(), EncoderError> {
        let frames = mel.dims()[2];
        let values = mel.values().contiguous().map_err(LayerError::from)?;
        let values = elements(&values).map_err(LayerError::from)?;
        let values = values.slice::<f32>().map_err(LayerError::from)?;
        let clips = values.par_chunks_exact(self.n_mels * frames).zip(outputs).enumerate();
        clips.for_each(|(clip, (mel_of_clip, mut output))| {
            let valid = mel.lengths().map_or(frames, |lengths| lengths[clip]);
            self.clip(mel_of_clip, valid, |layer, rows| on_layer(&mut output, layer, rows));
        });
        Ok(())
    }

    /// Processes the first `valid` frames of one clip [mels, frames].
    fn clip(&self, mel: &[f32], valid: usize, mut on_layer: impl FnMut(usize, RowsOf<'_>)) {
        let buffer = |length| self.memory.buffer::<f32>(length);
        let [first, second] = &self.convolutions;
        // The input of each convolution has a frame of zeros at both ends.
        let mut input = buffer((valid + 2) * first.input().stride);
        input.fill(0.0);
        let frames = mel.len() / self.n_mels;
        for (band, mel) in mel.chunks_exact(frames).enumerate() {
            let column = input[first.input().stride + band..].iter_mut().step_by(first.input().stride);
            column.zip(&mel[..valid]).for_each(|(to, from)| *to = *from);
        }
        let between = second.input();
        let mut hidden = buffer((valid + 2) * between.stride);
        hidden[..between.stride].fill(0.0);
        hidden[(valid + 1) * between.stride..].fill(0.0);
        first.forward(&input, &mut hidden[between.stride..(valid + 1) * between.stride], between.stride);

        let rows = Self::output_frames(valid);
        let shape = Frames { width: self.width, stride: self.width + GAP };
        let mut x = buffer(rows * shape.stride);
        second.forward(&hidden, &mut x, shape.stride);
        for (x, position) in x.chunks_exact_mut(shape.stride).zip(self.positions.chunks_exact(self.width)) {
            x.iter_mut().zip(position).for_each(|(x, position)| *x += position);
        }
        on_layer(0, RowsOf { data: &x, shape });
        for (block, layer) in self.blocks.iter().zip(1..) {
            block.forward(&mut x, shape, &self.memory);
            on_layer(layer, RowsOf { data: &x, shape });
        }
    }
}

/// The rows of a clip after a layer.
#[derive(Clone, Copy)]
struct RowsOf<'a> {
    data: &'a [f32],
    shape: Frames,
}

impl<'a> RowsOf<'a> {
    fn count(self) -> usize {
        self.data.len() / self.shape.stride
    }

    fn iter(self) -> impl Iterator<Item = &'a [f32]> + Clone {
        self.data.chunks_exact(self.shape.stride).map(move |row| &row[..self.shape.width])
    }
}
