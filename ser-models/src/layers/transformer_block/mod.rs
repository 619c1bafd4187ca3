//! A trainable transformer block.

mod parts;

use super::Init;
use super::recurrent::{check_frames, check_sequences};
use crate::kernels::{Attention, Real, gelu, gelu_backward};
use crate::layer::{Forward, Layer, LayerError, Mode, Padded, elements, for_element_type, tensor};
use crate::memory::Memory;
use crate::parameters::Scope;
use crate::setting::Settings;
use candle_core::Var;
use parts::{Linear, Norm};

/// A pre-norm transformer block, as in Whisper's encoder (Vaswani et al., *Attention is all you need*, 2017; Xiong et al., *On layer
/// normalization in the transformer architecture*, 2020):
///
/// `x += out(attention(norm(x)))`, then `x += fc2(gelu(fc1(norm(x))))`, with attention of the frames of a clip to each other, and GELU in
/// its exact form.
///
/// Input and output [batch, time, width]. The valid frames attend only to each other, and the output for padding is zero.
#[derive(Debug)]
pub struct TransformerBlock {
    parts: Parts,
    width: usize,
    heads: usize,
    memory: Memory,
}

/// The parts with weights. Clones share them.
#[derive(Debug, Clone)]
struct Parts {
    attention_norm: Norm,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    norm: Norm,
    fc1: Linear,
    fc2: Linear,
}

impl TransformerBlock {
    /// Makes the tensors that a block has in the file of an encoder, under their names there: `self_attn_layer_norm`, `self_attn.q_proj`,
    /// `self_attn.k_proj` (without a bias), `self_attn.v_proj`, `self_attn.out_proj`, `final_layer_norm`, `fc1` and `fc2`. Biases start at zero
    /// and the weights of normalisations at one.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0, or `width` is no multiple of `heads`; [`LayerError::Parameter`] if a tensor cannot be made,
    /// e.g. because its name is taken.
    pub fn new(
        width: usize,
        heads: usize,
        hidden: usize,
        init: Init,
        scope: &Scope<'_>,
    ) -> Result<Self, LayerError> {
        let settings = Settings("TransformerBlock");
        settings.one_or_more([("width", width), ("heads", heads), ("hidden", hidden)])?;
        let rule = format!("a multiple of heads, {heads}");
        settings.require(width.is_multiple_of(heads), "width", rule, width)?;
        let attention = |name: &str| scope.scope("self_attn").scope(name);
        let square = |name: &str| Linear::new(width, width, init, &attention(name));
        let parts = Parts {
            attention_norm: Norm::new(width, &scope.scope("self_attn_layer_norm"))?,
            q: square("q_proj")?,
            k: Linear::without_bias(width, width, init, &attention("k_proj"))?,
            v: square("v_proj")?,
            out: square("out_proj")?,
            norm: Norm::new(width, &scope.scope("final_layer_norm"))?,
            fc1: Linear::new(width, hidden, init, &scope.scope("fc1"))?,
            fc2: Linear::new(hidden, width, init, &scope.scope("fc2"))?,
        };
        Ok(Self { parts, width, heads, memory: scope.memory() })
    }

    fn run<T: Real>(&self, x: &Padded, mode: &Mode<'_>) -> Result<Forward, LayerError> {
        let (batch, time, width) = x.values().dims3()?;
        let lengths = x.lengths_of(time);
        let valid = Valid { time, width, lengths: lengths.clone() };
        let attention = Attention { width, heads: self.heads, lengths, memory: self.memory.clone() };
        let parts = self.parts.clone();
        let input = valid.pack::<T>(elements(&x.values().contiguous()?)?.slice()?);
        let normed = parts.attention_norm.forward(&input)?;
        let qkv = [parts.q.forward(&normed)?, parts.k.forward(&normed)?, parts.v.forward(&normed)?];
        let mixed = attention.forward(&qkv);
        let middle = sum(parts.out.forward(&mixed)?, &input);
        let hidden = parts.fc1.forward(&parts.norm.forward(&middle)?)?;
        let y = sum(parts.fc2.forward(&gelu(&hidden))?, &middle);
        let output = x.with_values(tensor(valid.unpack(&y), (batch, time, width))?);
        // Normalisations, attention weights and GELU are cheap, so the backward pass computes them again.
        Ok(Forward::of(mode.is_training(), output, move |dy, input_wanted, gradients| {
            let dy = valid.pack::<T>(elements(&dy.contiguous()?)?.slice()?);
            let mut dhidden = parts.fc2.backward(&gelu(&hidden), &dy, gradients)?;
            gelu_backward(&hidden, &mut dhidden);
            let dnormed = parts.fc1.backward(&parts.norm.forward(&middle)?, &dhidden, gradients)?;
            let dmiddle = sum(parts.norm.backward(&middle, dnormed, gradients)?, &dy);
            let dmixed = parts.out.backward(&mixed, &dmiddle, gradients)?;
            let [dq, dk, dv] = attention.backward(&qkv, &dmixed);
            let normed = parts.attention_norm.forward(&input)?;
            let mut dnormed = parts.q.backward(&normed, &dq, gradients)?;
            dnormed = sum(dnormed, &parts.k.backward(&normed, &dk, gradients)?);
            dnormed = sum(dnormed, &parts.v.backward(&normed, &dv, gradients)?);
            let dx = parts.attention_norm.backward(&input, dnormed, gradients)?;
            if !input_wanted {
                return Ok(None);
            }
            Ok(Some(tensor(valid.unpack(&sum(dx, &dmiddle)), (batch, time, width))?))
        }))
    }
}

/// `a + b`.
fn sum<T: Real>(mut a: Vec<T>, b: &[T]) -> Vec<T> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += *b);
    a
}

/// The valid frames of a batch [batch, time, width].
struct Valid {
    time: usize,
    width: usize,
    lengths: Vec<usize>,
}

impl Valid {
    /// Returns the valid frames of all clips, one after another.
    fn pack<T: Real>(&self, padded: &[T]) -> Vec<T> {
        let clips = padded.chunks_exact(self.time * self.width).zip(&self.lengths);
        clips.flat_map(|(clip, length)| &clip[..length * self.width]).copied().collect()
    }

    /// Returns the batch of these frames, with zeros as padding.
    fn unpack<T: Real>(&self, mut packed: &[T]) -> Vec<T> {
        let mut padded = vec![T::ZERO; self.lengths.len() * self.time * self.width];
        for (clip, length) in padded.chunks_exact_mut(self.time * self.width).zip(&self.lengths) {
            let (own, rest) = packed.split_at(length * self.width);
            clip[..own.len()].copy_from_slice(own);
            packed = rest;
        }
        padded
    }
}

impl Layer for TransformerBlock {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        check_sequences("TransformerBlock", x, self.width)?;
        for_element_type!(x.values(), self.run(x, mode))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        check_frames("TransformerBlock", input, self.width)?;
        Ok(input.to_vec())
    }

    fn kind(&self) -> &'static str {
        "TransformerBlock"
    }

    fn weights(&self) -> Vec<&Var> {
        let Parts { attention_norm, q, k, v, out, norm, fc1, fc2 } = &self.parts;
        let attention = [q, k, v, out].into_iter().flat_map(Linear::weights);
        let dense = [fc1, fc2].into_iter().flat_map(Linear::weights);
        attention_norm.weights().chain(attention).chain(norm.weights()).chain(dense).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::layers::gradient_check::{answer, check_layer, difference, input, padded, variable};
    use candle_core::DType;

    /// Makes a block whose biases and normalisation weights differ from their initial values.
    fn block(width: usize, heads: usize, hidden: usize) -> TransformerBlock {
        let parameters = Parameters::new(3, DType::F64);
        let scope = parameters.scope("block");
        let block = TransformerBlock::new(width, heads, hidden, Init::GlorotNormal, &scope).unwrap();
        for (seed, var) in block.weights().into_iter().enumerate().filter(|(_, var)| var.rank() == 1) {
            let values = (input(var.dims(), seed as u64) * 0.5).unwrap();
            var.set(&(values + var.as_tensor()).unwrap()).unwrap();
        }
        block
    }

    #[test]
    fn gradients_are_correct_with_and_without_padding() {
        for (width, heads, hidden) in [(6, 2, 5), (4, 1, 3), (6, 3, 1)] {
            let block = block(width, heads, hidden);
            let x = variable(&[3, 5, width], 4);
            for lengths in [None, Some(&[5, 2, 1][..])] {
                check_layer("transformer block", &block, &x, lengths);
            }
        }
    }

    #[test]
    fn padding_neither_counts_nor_comes_out() {
        let block = block(8, 2, 5);
        let x = input(&[2, 6, 8], 4);
        let y = answer(&block, padded(&x, Some(&[4, 6])));
        let cut = answer(&block, x.narrow(0, 0, 1).unwrap().narrow(1, 0, 4).unwrap());
        let clip = y.narrow(0, 0, 1).unwrap();
        assert_eq!(difference(&clip.narrow(1, 0, 4).unwrap(), &cut), 0.0);
        assert_eq!(
            difference(&clip.narrow(1, 4, 2).unwrap(), &(cut.narrow(1, 0, 2).unwrap() * 0.0).unwrap()),
            0.0
        );
        let whole = answer(&block, x.clone());
        assert_eq!(difference(&y.narrow(0, 1, 1).unwrap(), &whole.narrow(0, 1, 1).unwrap()), 0.0);
        let beyond = Padded::of(x, Some(vec![3, 7]));
        assert!(block.forward(&beyond, &mut Mode::Inference).is_err());
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let parameters = Parameters::new(3, DType::F32);
        let block = TransformerBlock::new(64, 4, 96, Init::GlorotNormal, &parameters.scope("block")).unwrap();
        let x = input(&[7, 40, 64], 4).to_dtype(DType::F32).unwrap();
        let batch = padded(&x, Some(&[40, 3, 17, 40, 1, 25, 33]));
        let step = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut generator = crate::Generator::new(0);
                let pass = block.forward(&batch, &mut Mode::Training(&mut generator)).unwrap();
                let y = pass.output().values().clone();
                let mut gradients = candle_core::backprop::GradStore::default();
                let dx = pass.backward(&y, &mut gradients).unwrap();
                let weights = block.weights().into_iter().map(|var| gradients.get(var).unwrap().clone());
                let all = weights.chain([y, dx]);
                all.map(|x| x.flatten_all().unwrap().to_vec1::<f32>().unwrap()).collect::<Vec<_>>()
            })
        };
        let one = step(1);
        assert!([2, 3, 5].into_iter().all(|threads| step(threads) == one));
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let parameters = Parameters::new(0, DType::F32);
        let refused = |width, heads, hidden| {
            let scope = parameters.scope("block");
            TransformerBlock::new(width, heads, hidden, Init::Zeros, &scope)
                .map(|_| ())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(refused(6, 4, 2), "TransformerBlock: width must be a multiple of heads, 4, got 6");
        assert_eq!(refused(6, 0, 2), "TransformerBlock: heads must be 1 or more, got 0");
        assert_eq!(refused(6, 2, 0), "TransformerBlock: hidden must be 1 or more, got 0");
        assert!(block(6, 2, 3).output_shape(&[5, 7]).is_err());
        assert_eq!(block(6, 2, 3).weights().len(), 15);
    }
}
