//! Attention over time.

use super::recurrent::{check_frames, check_sequences, frame_mask};
use super::{Dense, Init, Layer, LayerError, Mode};
use crate::parameters::Scope;
use candle_core::{D, Tensor, Var};

/// What is taken off the scores of padding, so that their exponentials are zero.
const FAR: f64 = 1e30;

/// Additive self-attention pooling over time (Bahdanau et al. 2015; Lin et al. 2017): a mean of the frames in which each
/// counts as much as it scores,
///
/// `score_t = vector · tanh(weight · x_t + bias)`, `α = softmax(score)` over the clip's own frames, `y = Σ_t α_t · x_t`.
///
/// Input [batch, time, features], output [batch, features].
#[derive(Debug)]
pub struct AttentionPool {
    hidden: Dense,
    vector: Var,
    features: usize,
}

impl AttentionPool {
    /// Makes `weight` of shape (units, features), `bias` (units), which starts at zero, and `vector` (1, units).
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0.
    pub fn new(features: usize, units: usize, init: Init, scope: &mut Scope<'_>) -> Result<Self, LayerError> {
        for (setting, size) in [("features", features), ("units", units)] {
            if size == 0 {
                return Err(LayerError::setting("AttentionPool", setting, "must be 1 or more", 0));
            }
        }
        let hidden = Dense::new(features, units, init, scope)?;
        Ok(Self { hidden, vector: scope.weight("vector", &[1, units], init)?, features })
    }

    /// As [`Layer::forward`], with the number of real frames of each clip, 1 to time; `None` if none is padded.
    ///
    /// # Errors
    /// [`LayerError::InputShape`], or [`LayerError::Lengths`] if the lengths don't fit the batch.
    pub fn forward_masked(
        &self,
        x: &Tensor,
        lengths: Option<&[usize]>,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor, LayerError> {
        check_sequences("AttentionPool", x, self.features, lengths)?;
        let (batch, time, features) = x.dims3()?;
        let hidden = self.hidden.forward(&x.reshape((batch * time, features))?, mode)?.tanh()?;
        let mut scores = hidden.matmul(&mode.tensor(&self.vector).t()?)?.reshape((batch, time))?;
        if let Some(lengths) = lengths {
            scores = (scores + ((frame_mask(lengths, time, x)? - 1.0)? * FAR)?)?;
        }
        // The largest score keeps the exponentials finite and takes no part in the gradient.
        let shares = scores.broadcast_sub(&scores.detach().max_keepdim(D::Minus1)?)?.exp()?;
        let shares = shares.broadcast_div(&shares.sum_keepdim(D::Minus1)?)?;
        Ok(shares.unsqueeze(1)?.matmul(&x.contiguous()?)?.squeeze(1)?)
    }
}

impl Layer for AttentionPool {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        self.forward_masked(x, None, mode)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        check_frames("AttentionPool", input, self.features)?;
        Ok(vec![self.features])
    }

    fn kind(&self) -> &'static str {
        "AttentionPool"
    }

    fn vars(&self) -> Vec<&Var> {
        let mut vars = self.hidden.vars();
        vars.push(&self.vector);
        vars
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, input};
    use crate::{Generator, Parameters};
    use candle_core::{DType, Device};

    fn pool(features: usize, units: usize) -> AttentionPool {
        let mut parameters = Parameters::new(3, DType::F64, &Device::Cpu);
        AttentionPool::new(features, units, Init::GlorotUniform, &mut parameters.scope("pool")).unwrap()
    }

    #[test]
    fn gradients_are_right_with_and_without_padding() {
        let pool = pool(4, 3);
        let x = Var::from_tensor(&input(&[3, 5, 4], 4)).unwrap();
        let mut vars = vec![&x];
        vars.extend(pool.vars());
        for lengths in [None, Some(&[5, 2, 1][..])] {
            check("attention", &vars, || {
                pool.forward_masked(&x, lengths, &mut Mode::Training(&mut Generator::new(0))).unwrap()
            });
        }
    }

    #[test]
    fn padding_does_not_count() {
        let pool = pool(4, 3);
        let x = input(&[2, 6, 4], 4);
        let masked = pool.forward_masked(&x, Some(&[3, 3]), &mut Mode::Inference).unwrap();
        let cut = pool.forward(&x.narrow(1, 0, 3).unwrap(), &mut Mode::Inference).unwrap();
        let error = (masked - cut).unwrap().abs().unwrap().max_all().unwrap();
        assert!(error.to_scalar::<f64>().unwrap() < 1e-14);
        assert!(pool.forward_masked(&x, Some(&[3]), &mut Mode::Inference).is_err());
        assert!(pool.output_shape(&[6, 5]).is_err());
    }
}
