//! Several networks that answer together (`ensemble`).

use super::framed::{Built, Network};
use super::{Architecture, Batch, CnnAttentionConfig};
use crate::layers::{LayerError, Mode, softmax};
use crate::parameters::Parameters;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// An ensemble: networks of one architecture that begin with different weights, and whose probabilities are averaged
/// (Lakshminarayanan et al., *Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles*, 2017).
///
/// Each member learns from its own answers alone: in training the model gives the logits of every member, [members · batch,
/// classes], and the loss is their mean. So a member's gradient is that of the member alone divided by their number, which Adam and
/// RMSprop scale away, but SGD and `clip_norm` do not. Otherwise it gives the logarithms of the members' mean probabilities, weighted
/// by [`weights`](Self::weights), [batch, classes]. Parameters are named as the network's own, after `member_1.`, `member_2.`, …
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnsembleConfig {
    /// How many networks, 1 or more.
    pub members: usize,
    /// What each of them is; no ensemble.
    pub network: Box<Architecture>,
    /// Whether each member sees the training clips in an order of its own, and with changes of its own, as if it learnt alone:
    /// members then differ by more than their first weights and dropout. Clips that are changed as sound are listened to once
    /// for each member. Otherwise all members see the same batches.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own_batches: bool,
    /// How much each member's answer counts: a number above 0 for each, of which only the ratios matter. Empty: all count the same.
    /// The loss does not depend on it; answers do, and so which epoch a validation part chooses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<f64>,
}

impl EnsembleConfig {
    /// So many networks that see the same batches and count the same.
    pub fn new(members: usize, network: impl Into<Architecture>) -> Self {
        Self { members, network: Box::new(network.into()), own_batches: false, weights: Vec::new() }
    }

    /// How much each member's answer counts, whether or not it was written down.
    pub(crate) fn member_weights(&self) -> Vec<f64> {
        if self.weights.is_empty() { vec![1.0; self.members] } else { self.weights.clone() }
    }
}

impl Default for EnsembleConfig {
    /// Three [`CnnAttentionConfig`] that see the same batches.
    fn default() -> Self {
        Self::new(3, CnnAttentionConfig::default())
    }
}

/// Networks whose probabilities are averaged.
#[derive(Debug)]
pub(super) struct Ensemble {
    members: Vec<Box<dyn Network>>,
    own_batches: bool,
    /// One for each member, scaled to a mean of 1.
    weights: Vec<f64>,
}

impl Ensemble {
    pub(super) fn build(
        config: &EnsembleConfig,
        classes: usize,
        parameters: &mut Parameters,
    ) -> Result<Built, LayerError> {
        if matches!(*config.network, Architecture::Ensemble(_)) {
            return Err(LayerError::setting("ensemble", "network", "must be no ensemble", "ensemble"));
        }
        if config.members == 0 {
            return Err(LayerError::setting("ensemble", "members", "must be 1 or more", 0));
        }
        let (mut members, mut rows) = (Vec::new(), Vec::new());
        for member in 1..=config.members {
            let name = format!("member_{member}.");
            let (network, of_member) =
                parameters.within(&name, |parameters| config.network.network(classes, parameters))?;
            members.push(network);
            rows.extend(of_member.into_iter().map(|mut row| {
                row.name.insert_str(0, &name);
                row
            }));
        }
        // Not before there are so many members: their number may come from a file.
        let mut weights = config.member_weights();
        let mean = weights.iter().sum::<f64>() / config.members as f64;
        let refused = |rule, given: String| LayerError::setting("ensemble", "weights", rule, given);
        if weights.len() != config.members {
            let given = format!("{} for {}", weights.len(), config.members);
            return Err(refused("must be none, or one for each member", given));
        }
        if let Some(weight) = weights.iter().find(|weight| !(mean.is_finite() && **weight > 0.0)) {
            return Err(refused("must be above 0, and finite together", weight.to_string()));
        }
        weights.iter_mut().for_each(|weight| *weight /= mean);
        Ok((Box::new(Self { members, own_batches: config.own_batches, weights }), rows))
    }
}

impl Network for Ensemble {
    fn forward(&self, batch: &Batch, input: &[usize], mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        let own = if self.own_batches && mode.is_training() {
            batch.split(self.members.len())?
        } else {
            vec![batch.clone(); self.members.len()]
        };
        let logits = self
            .members
            .iter()
            .zip(&own)
            .map(|(member, batch)| member.forward(batch, input, mode))
            .collect::<Result<Vec<_>, _>>()?;
        if mode.is_training() {
            return Ok(Tensor::cat(&logits, 0)?);
        }
        let mut sum = (softmax(&logits[0])? * self.weights[0])?;
        for (logits, &weight) in logits.iter().zip(&self.weights).skip(1) {
            sum = (sum + (softmax(logits)? * weight)?)?;
        }
        // A probability may be too small for f32: its logarithm must still be a number.
        Ok((sum / self.members.len() as f64)?.clamp(f64::from(f32::MIN_POSITIVE), 1.0)?.log()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::framed::Framed;
    use super::super::{Cnn1dConfig, Model};
    use super::*;
    use crate::generator::Generator;
    use candle_core::{DType, Device};

    fn pair(weights: &[f64]) -> (Framed, Batch) {
        let network = Cnn1dConfig { features: 24, ..Default::default() };
        let config = EnsembleConfig { weights: weights.to_vec(), ..EnsembleConfig::new(2, network) };
        (Framed::seeded(config, 3, 1).unwrap(), clips(5))
    }

    fn clips(n: usize) -> Batch {
        let values: Vec<f32> = (0..n * 24).map(|i| (i as f32 * 0.7).sin()).collect();
        Tensor::from_vec(values, (n, 24), &Device::Cpu).unwrap().into()
    }

    /// A member by itself.
    fn alone(ensemble: &Framed, member: usize) -> Framed {
        let network = Cnn1dConfig { features: 24, ..Default::default() };
        let alone = Framed::seeded(network, 3, 9).unwrap();
        for p in alone.parameters().iter() {
            let name = format!("member_{member}.{}", p.name());
            p.var().set(ensemble.parameters().get(&name).unwrap().var()).unwrap();
        }
        alone
    }

    fn rows(x: &Tensor) -> Vec<Vec<f32>> {
        x.to_dtype(DType::F32).unwrap().to_vec2().unwrap()
    }

    #[test]
    fn the_answer_is_the_weighted_mean_of_the_members_probabilities() {
        for (weights, share) in [(&[][..], 0.5), (&[0.5, 1.5], 0.25)] {
            let (ensemble, batch) = pair(weights);
            let own = |member| {
                let logits = alone(&ensemble, member).forward(&batch, &mut Mode::Inference).unwrap();
                rows(&softmax(&logits).unwrap())
            };
            let (first, second) = (own(1), own(2));
            assert!(first != second);
            let together = ensemble.forward(&batch, &mut Mode::Inference).unwrap();
            for (clip, row) in rows(&softmax(&together).unwrap()).iter().enumerate() {
                for (class, p) in row.iter().enumerate() {
                    let mean = first[clip][class] * share + second[clip][class] * (1.0 - share);
                    assert!((p - mean).abs() < 1e-6, "{p} for {mean}");
                }
            }
        }
    }

    #[test]
    fn in_training_every_member_answers_and_gets_the_gradient_of_its_own_answer() {
        let (ensemble, batch) = pair(&[]);
        assert_eq!(ensemble.members(), 2);
        let mut generator = Generator::new(0);
        let logits = ensemble.forward(&batch, &mut Mode::Training(&mut generator)).unwrap();
        assert_eq!(logits.dims(), [10, 3]);
        let gradients = logits.narrow(0, 5, 5).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
        for p in ensemble.parameters().iter().filter(|p| p.is_trainable()) {
            let moved = gradients
                .get(p.var())
                .map_or(0.0, |g| g.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap());
            assert_eq!(moved > 0.0, p.name().starts_with("member_2."), "{}", p.name());
        }
    }

    #[test]
    fn members_may_learn_from_batches_of_their_own() {
        let network = Cnn1dConfig { features: 24, ..Default::default() };
        let config = EnsembleConfig { own_batches: true, ..EnsembleConfig::new(2, network) };
        let ensemble = Framed::seeded(config, 3, 1).unwrap();
        assert_eq!((ensemble.members(), ensemble.batches()), (2, 2));
        let both = clips(10);
        let mut generator = Generator::new(0);
        let together = ensemble.forward(&both, &mut Mode::Training(&mut generator)).unwrap();
        let mut generator = Generator::new(0);
        for (member, own) in both.split(2).unwrap().iter().enumerate() {
            let logits =
                alone(&ensemble, member + 1).forward(own, &mut Mode::Training(&mut generator)).unwrap();
            assert_eq!(rows(&together.narrow(0, member * 5, 5).unwrap()), rows(&logits));
        }
        let answers = ensemble.forward(&both, &mut Mode::Inference).unwrap();
        assert_eq!(answers.dims(), [10, 3]);
        let odd = ensemble.forward(&clips(9), &mut Mode::Training(&mut generator)).unwrap_err().to_string();
        assert!(odd.contains("must be as many for each member, 9 for 2"), "{odd}");
    }

    #[test]
    fn an_ensemble_of_ensembles_of_nobody_or_with_wrong_weights_is_refused() {
        let refused = |config| Framed::seeded(config, 3, 0).map(|_| ()).unwrap_err().to_string();
        let inner = EnsembleConfig::default();
        let nested = EnsembleConfig::new(2, inner);
        assert_eq!(refused(nested), "ensemble: network must be no ensemble, ensemble was given");
        assert!(refused(EnsembleConfig { members: 0, ..Default::default() }).contains("members must be 1"));
        for (weights, expected) in [
            (vec![1.0, 1.0], "weights must be none, or one for each member, 2 for 3 was given"),
            (vec![1.0, 1.0, 0.0], "weights must be above 0, and finite together, 0 was given"),
            (vec![1.0, f64::NAN, 1.0], "weights must be above 0, and finite together"),
            (vec![f64::MAX; 3], "weights must be above 0, and finite together"),
        ] {
            let error = refused(EnsembleConfig { weights, ..Default::default() });
            assert!(error.contains(expected), "{error}");
        }
    }
}
