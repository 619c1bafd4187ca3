//! One pre-norm transformer block.

use super::file::{File, Sizes};
use super::{EncoderError, GAP, HEAD};
use crate::kernels::{Finish, Frames, FrozenMatrix, Rows, layer_norm, self_attention};
use crate::memory::Memory;

/// PyTorch's default, with which Whisper was trained.
const EPS: f32 = 1e-5;

/// `x += attention(norm(x))`, then `x += W₂ · gelu(W₁ · norm(x))`.
#[derive(Debug)]
pub(super) struct Block {
    attention_norm: Norm,
    /// Computes queries, keys and values in one product. Keys have no bias.
    qkv: FrozenMatrix,
    out: FrozenMatrix,
    norm: Norm,
    fc1: FrozenMatrix,
    fc2: FrozenMatrix,
    heads: usize,
}

/// Weight and bias of layer normalisation.
#[derive(Debug)]
struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Norm {
    fn read(file: &File<'_>, name: &str, width: usize) -> Result<Self, EncoderError> {
        let values = |part: &str| file.values(&format!("{name}.{part}"), &[width]);
        Ok(Self { weight: values("weight")?, bias: values("bias")? })
    }

    fn forward(&self, x: &[f32], y: &mut [f32], shape: Frames) {
        layer_norm(x, y, shape, (&self.weight, &self.bias), EPS);
    }
}

impl Block {
    pub(super) fn read(file: &File<'_>, number: usize, sizes: &Sizes) -> Result<Self, EncoderError> {
        let Sizes { width, hidden, .. } = *sizes;
        let name = |part: &str| format!("layers.{number}.{part}");
        let weight = |part: &str, shape: &[usize]| file.frozen(&name(&format!("{part}.weight")), shape);
        let bias = |part: &str, size: usize| file.values(&name(&format!("{part}.bias")), &[size]);
        let [q, k, v] = ["q_proj", "k_proj", "v_proj"].map(|part| format!("self_attn.{part}"));
        let square = [width, width];
        let qkv = weight(&q, &square)?.and(weight(&k, &square)?).and(weight(&v, &square)?);
        let qkv_bias = [bias(&q, width)?, vec![0.0; width], bias(&v, width)?].concat();
        let dense = |part: &str, outputs: usize, inputs: usize| {
            Ok::<_, EncoderError>(FrozenMatrix::new(
                &weight(part, &[outputs, inputs])?,
                &bias(part, outputs)?,
                inputs,
            ))
        };
        Ok(Self {
            attention_norm: Norm::read(file, &name("self_attn_layer_norm"), width)?,
            qkv: FrozenMatrix::new(&qkv, &qkv_bias, width),
            out: dense("self_attn.out_proj", width, width)?,
            norm: Norm::read(file, &name("final_layer_norm"), width)?,
            fc1: dense("fc1", hidden, width)?,
            fc2: dense("fc2", width, hidden)?,
            heads: width / HEAD,
        })
    }

    /// Updates the rows of one clip.
    pub(super) fn forward(&self, x: &mut [f32], shape: Frames, memory: &Memory) {
        let (rows, stride) = (x.len() / shape.stride, shape.stride);
        let add = Finish { add: true, gelu: false };
        let (qkv_stride, hidden_stride) = (self.qkv.padded() + GAP, self.fc1.padded() + GAP);
        let mut normed = memory.buffer::<f32>(rows * stride);
        // Used first for queries, keys and values, then for the hidden layer.
        let mut wide = memory.buffer::<f32>(rows * qkv_stride.max(hidden_stride));
        self.attention_norm.forward(x, &mut normed, shape);
        let qkv = &mut wide[..rows * qkv_stride];
        self.qkv.product(Rows { data: &normed, stride }, qkv, qkv_stride, Finish::default());
        // The normalised rows are no longer needed, so the attention output reuses their buffer.
        self_attention(qkv, qkv_stride, &mut normed, shape, self.heads, memory);
        self.out.product(Rows { data: &normed, stride }, x, stride, add);
        self.norm.forward(x, &mut normed, shape);
        let hidden = &mut wide[..rows * hidden_stride];
        let gelu = Finish { add: false, gelu: true };
        self.fc1.product(Rows { data: &normed, stride }, hidden, hidden_stride, gelu);
        self.fc2.product(Rows { data: hidden, stride: hidden_stride }, x, stride, add);
    }
}
