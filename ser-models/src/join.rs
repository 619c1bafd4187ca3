//! Combines several trained models into one.

use crate::checkpoint::{Checkpoint, CheckpointError, IN_MEMORY, SplitRecord, TrainingRecord, inconsistent};
use crate::models::{Architecture, EnsembleConfig};
use crate::setting::{Checked, Settings};
use crate::weights::Weights;
use std::collections::BTreeMap;

/// The clips of a split's parts, regardless of protocol and seed.
fn clips(split: &SplitRecord) -> [&Vec<String>; 3] {
    [&split.train, &split.validation, &split.test]
}

impl Checkpoint {
    /// Combines the networks of these models into an `ensemble` (see [`EnsembleConfig`]). Its probabilities are the weighted mean of the
    /// models' probabilities, before their common readout is applied. The networks may have been trained with different seeds or settings,
    /// and may have different architectures with the same input, all or none of them beginning with two-dimensional convolutions. A model
    /// that is itself an ensemble contributes all its members; its weight is divided among them in proportion to their own weights. Weights
    /// must be above 0; only their ratios matter.
    ///
    /// Members with the first model's architecture come first; otherwise members keep their order. The first model's training record
    /// becomes [`Checkpoint::training`], the others' become [`Checkpoint::joined`] in that order. Crate version, split protocol and split
    /// seed are the first model's. A single model is returned unchanged.
    ///
    /// # Errors
    /// [`CheckpointError::Inconsistent`] if there are no models, a weight is out of range, or models do not agree in input, encoder,
    /// labels, readout, preparation, features, normalisation or the clips of each part: it names the first thing and the first model,
    /// counted from 1, that differs. Each model must also pass the checks of [`Checkpoint::to_bytes`]. [`CheckpointError::Layer`] if some
    /// networks begin with two-dimensional convolutions and others do not, or the sum of the weights is infinite.
    pub fn join(models: &[(Self, f64)]) -> Result<Self, CheckpointError> {
        let [(first, _), others @ ..] = models else {
            return Err(inconsistent(IN_MEMORY)(Settings("join").error("models", "1 or more", 0)));
        };
        for ((of, weight), at) in models.iter().zip(1..) {
            let place = format!("model {at}");
            of.check_like(first, *weight, Settings(&place)).map_err(inconsistent(IN_MEMORY))?;
            of.model(&place)?;
        }
        if others.is_empty() {
            return Ok(first.clone());
        }
        let mut members: Vec<Member<'_>> =
            models.iter().flat_map(|(of, weight)| of.members(*weight)).collect();
        let network = first.architecture.member();
        members.sort_by_key(|member| member.network != network);
        let like = members.iter().filter(|member| member.network == network).count();
        let mut tensors = BTreeMap::new();
        for (number, member) in (1..).zip(&mut members) {
            let Weights(part) = std::mem::take(&mut member.weights);
            tensors
                .extend(part.into_iter().map(|(name, values)| (format!("member_{number}.{name}"), values)));
        }
        let together = EnsembleConfig {
            others: members[like..].iter().map(|member| member.network.clone()).collect(),
            weights: members.iter().map(|member| member.weight).collect(),
            ..EnsembleConfig::new(like, network.clone())
        };
        let joined = Self {
            architecture: together.into(),
            weights: Weights(tensors),
            joined: members[1..].iter().filter_map(|member| member.training.cloned()).collect(),
            ..first.clone()
        };
        joined.model(IN_MEMORY)?;
        Ok(joined)
    }

    /// Checks the weight, and that the model fits the first one.
    fn check_like(&self, first: &Self, weight: f64, of: Settings<'_>) -> Checked {
        of.require(weight.is_normal() && weight > 0.0, "weight", "a finite number above 0", weight)?;
        let pairs = [
            ("input", self.architecture.input() == first.architecture.input()),
            ("encoder", self.architecture.encoder() == first.architecture.encoder()),
            ("labels", self.labels == first.labels),
            ("readout", self.readout == first.readout),
            ("preparation", self.preparation == first.preparation),
            ("features", self.features == first.features),
            ("normalization", self.normalization == first.normalization),
            ("clips of each part", clips(&self.split) == clips(&first.split)),
        ];
        pairs
            .into_iter()
            .try_for_each(|(setting, holds)| of.require(holds, setting, "the first model's", "another"))
    }

    /// Returns the networks of the model. They divide `weight` in proportion to their own weights.
    fn members(&self, weight: f64) -> Vec<Member<'_>> {
        let records =
            std::iter::once(&self.training).chain(&self.joined).map(Some).chain(std::iter::repeat(None));
        let Architecture::Ensemble(config) = &self.architecture else {
            let (network, weights) = (&self.architecture, self.weights.clone());
            return vec![Member { network, weights, weight, training: Some(&self.training) }];
        };
        let shares = config.member_weights();
        let all: f64 = shares.iter().sum();
        let member = |(((number, network), own), training): (((usize, _), f64), _)| {
            let weights = self.weights.part(&format!("member_{number}."));
            Member { network, weights, weight: weight * own / all, training }
        };
        (1..).zip(config.networks()).zip(shares).zip(records).map(member).collect()
    }
}

/// One network of a model.
struct Member<'a> {
    network: &'a Architecture,
    weights: Weights,
    weight: f64,
    /// `None` if the file has no training record for this network.
    training: Option<&'a TrainingRecord>,
}
