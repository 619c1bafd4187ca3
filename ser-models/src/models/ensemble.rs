//! Several networks with averaged probabilities (`ensemble`).

use super::{Architecture, CnnAttentionConfig};
use crate::input::ModelInput;
use crate::layers::{LayerError, Sequential};
use crate::parameters::Parameters;
use crate::setting::Settings;
use serde::{Deserialize, Serialize};

/// An ensemble: separately trained networks whose probabilities are averaged (Lakshminarayanan et al., *Simple and Scalable Predictive
/// Uncertainty Estimation using Deep Ensembles*, 2017). Their architectures may differ if they read the same input, and if all or none of
/// them begin with two-dimensional convolutions (`cnn-lstm`, `cnn-attention`).
///
/// It outputs the logarithms of its members' mean probabilities, weighted by [`weights`](Self::weights), [batch, classes].
/// [`Checkpoint::join`](crate::Checkpoint::join) makes an ensemble of trained models. An ensemble is not trained itself. Its parameters
/// have the names of the member's parameters with the prefix `member_1.`, `member_2.`, …
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnsembleConfig {
    /// Number of networks of the first architecture, 1 or more.
    pub members: usize,
    /// The architecture of these networks, which must not be an ensemble.
    pub network: Box<Architecture>,
    /// The architectures of further members, one member each. None may be an ensemble. All must read the first one's input and begin with
    /// two-dimensional convolutions if it does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Architecture>,
    /// The weight of each member's probabilities, first of the `members` networks, then of `others`: above 0 with a finite sum; only the
    /// ratios matter. If empty, all weights are equal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<f64>,
}

impl EnsembleConfig {
    /// Makes an ensemble of `members` networks with equal weights.
    pub fn new(members: usize, network: impl Into<Architecture>) -> Self {
        Self { members, network: Box::new(network.into()), others: Vec::new(), weights: Vec::new() }
    }

    pub(crate) fn input(&self) -> ModelInput {
        // This recursion ends, because an ensemble within an ensemble cannot be built.
        self.network.input()
    }

    /// Number of members.
    pub(crate) fn count(&self) -> usize {
        self.members.saturating_add(self.others.len())
    }

    /// The architecture of each member, in order.
    pub(crate) fn networks(&self) -> impl Iterator<Item = &Architecture> {
        std::iter::repeat_n(&*self.network, self.members).chain(&self.others)
    }

    /// The weight of each member's probabilities; 1 if the weights are left out.
    pub(crate) fn member_weights(&self) -> Vec<f64> {
        if self.weights.is_empty() { vec![1.0; self.count()] } else { self.weights.clone() }
    }

    /// Checks everything that does not depend on the number of members, which may come from a file and be too large.
    pub(super) fn check(&self) -> Result<(), LayerError> {
        for (setting, network) in
            [("network", &*self.network)].into_iter().chain(self.others.iter().map(|other| ("others", other)))
        {
            if matches!(network, Architecture::Ensemble(_)) {
                return Err(LayerError::setting("ensemble", setting, "no ensemble", "ensemble"));
            }
            if network.input() != self.network.input() {
                let rule = format!("of the first network's input, {:?}", self.network.input());
                return Err(LayerError::setting("ensemble", setting, rule, format!("{:?}", network.input())));
            }
        }
        Ok(Settings("ensemble").one_or_more([("members", self.members)])?)
    }

    /// Returns the members' weights, scaled to a mean of 1. May only be called after that many members were built.
    pub(super) fn scaled_weights(&self) -> Result<Vec<f64>, LayerError> {
        let mut weights = self.member_weights();
        let mean = weights.iter().sum::<f64>() / self.count() as f64;
        let refused = |rule: String, given: String| LayerError::setting("ensemble", "weights", rule, given);
        if weights.len() != self.count() {
            let rule = format!("none, or as many as members, {}", self.count());
            return Err(refused(rule, weights.len().to_string()));
        }
        if let Some(weight) = weights.iter().find(|weight| !(mean.is_finite() && **weight > 0.0)) {
            return Err(refused("above 0, and finite together".to_owned(), weight.to_string()));
        }
        weights.iter_mut().for_each(|weight| *weight /= mean);
        Ok(weights)
    }
}

/// Always returns an error, because an ensemble must not be a member of another one.
pub(super) fn network(_: &EnsembleConfig, _: usize, _: &Parameters) -> Result<Sequential, LayerError> {
    Err(LayerError::setting("ensemble", "network", "no ensemble", "ensemble"))
}

impl Default for EnsembleConfig {
    /// An ensemble of three [`CnnAttentionConfig`] networks.
    fn default() -> Self {
        Self::new(3, CnnAttentionConfig::default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cnn1dConfig, Model};
    use super::*;
    use crate::generator::Generator;
    use crate::layers::{Layer, Mode, Padded, softmax};
    use candle_core::{Device, Tensor};

    fn pair(weights: &[f64]) -> Model {
        let network = Cnn1dConfig { features: 24, ..Default::default() };
        let config = EnsembleConfig { weights: weights.to_vec(), ..EnsembleConfig::new(2, network) };
        Architecture::from(config).build(3, 1).unwrap()
    }

    fn clips(n: usize) -> Padded {
        let values: Vec<f32> = (0..n * 24).map(|i| (i as f32 * 0.7).sin()).collect();
        Tensor::from_vec(values, (n, 24), &Device::Cpu).unwrap().into()
    }

    /// Returns one member as a model.
    fn alone(ensemble: &Model, member: usize) -> Model {
        let network = Cnn1dConfig { features: 24, ..Default::default() };
        let alone = Architecture::from(network).build(3, 9).unwrap();
        for p in alone.parameters().iter() {
            let name = format!("member_{member}.{}", p.name());
            p.var().set(ensemble.parameters().get(&name).unwrap().var()).unwrap();
        }
        alone
    }

    fn probabilities(model: &Model, batch: &Padded) -> Vec<Vec<f32>> {
        let logits = model.forward(batch, &mut Mode::Inference).unwrap().into_output().into_values();
        softmax(&logits).unwrap().to_vec2().unwrap()
    }

    #[test]
    fn the_answer_is_the_weighted_mean_of_the_members_probabilities() {
        for (weights, share) in [(&[][..], 0.5), (&[0.5, 1.5], 0.25)] {
            let (ensemble, batch) = (pair(weights), clips(5));
            let (first, second) =
                (probabilities(&alone(&ensemble, 1), &batch), probabilities(&alone(&ensemble, 2), &batch));
            assert!(first != second);
            for (clip, row) in probabilities(&ensemble, &batch).iter().enumerate() {
                for (class, p) in row.iter().enumerate() {
                    let mean = first[clip][class] * share + second[clip][class] * (1.0 - share);
                    assert!((p - mean).abs() < 1e-6, "{p} for {mean}");
                }
            }
        }
    }

    #[test]
    fn members_may_be_unlike() {
        let wide = Cnn1dConfig { features: 24, ..Default::default() };
        let narrow = Cnn1dConfig { dense: vec![5], ..wide.clone() };
        let config =
            EnsembleConfig { others: vec![narrow.clone().into()], ..EnsembleConfig::new(2, wide.clone()) };
        assert_eq!(config.networks().count(), config.count());
        let ensemble = Architecture::from(config.clone()).build(3, 1).unwrap();
        let mut mean = vec![vec![0.0; 3]; 5];
        for (number, network) in [(1, wide.clone()), (2, wide), (3, narrow)] {
            let alone = Architecture::from(network).build(3, 9).unwrap();
            for p in alone.parameters().iter() {
                let name = format!("member_{number}.{}", p.name());
                p.var().set(ensemble.parameters().get(&name).unwrap().var()).unwrap();
            }
            let rows = probabilities(&alone, &clips(5));
            mean.iter_mut().flatten().zip(rows.iter().flatten()).for_each(|(mean, p)| *mean += p / 3.0);
        }
        let together = probabilities(&ensemble, &clips(5));
        assert!(together.iter().flatten().zip(mean.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-6));

        let refused = |others: Vec<Architecture>| {
            let config = EnsembleConfig { others, ..config.clone() };
            Architecture::from(config).build(3, 0).map(|_| ()).unwrap_err().to_string()
        };
        let other = Cnn1dConfig { features: 25, ..Default::default() };
        assert!(refused(vec![other.into()]).contains("others must be of the first network's input, "));
        assert!(refused(vec![EnsembleConfig::default().into()]).contains("others must be no ensemble"));
    }

    #[test]
    fn training_one_is_refused() {
        let error = pair(&[]).forward(&clips(5), &mut Mode::Training(&mut Generator::new(0))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ensemble: mode must be inference (train each member, then Checkpoint::join), got training"
        );
    }

    #[test]
    fn an_ensemble_of_ensembles_without_members_or_with_wrong_weights_is_refused() {
        let refused = |config: EnsembleConfig| {
            Architecture::from(config).build(3, 0).map(|_| ()).unwrap_err().to_string()
        };
        let nested = EnsembleConfig::new(2, EnsembleConfig::default());
        assert_eq!(refused(nested), "ensemble: network must be no ensemble, got ensemble");
        assert!(refused(EnsembleConfig { members: 0, ..Default::default() }).contains("members must be 1"));
        for (weights, expected) in [
            (vec![1.0, 1.0], "weights must be none, or as many as members, 3, got 2"),
            (vec![1.0, 1.0, 0.0], "weights must be above 0, and finite together, got 0"),
            (vec![1.0, f64::NAN, 1.0], "weights must be above 0, and finite together"),
            (vec![f64::MAX; 3], "weights must be above 0, and finite together"),
        ] {
            let error = refused(EnsembleConfig { weights, ..Default::default() });
            assert!(error.contains(expected), "{error}");
        }
    }
}
