//! Several trained models as one that answers with their weighted mean.

use crate::checkpoint::{Checkpoint, CheckpointError, IN_MEMORY, SplitRecord};
use crate::models::{Architecture, EnsembleConfig};
use crate::weights::Weights;
use std::collections::BTreeMap;

/// The clips of a split, whatever its seed was.
fn clips(split: &SplitRecord) -> [&Vec<String>; 3] {
    [&split.train, &split.validation, &split.test]
}

impl Checkpoint {
    /// One model of all these models' networks, whose answer is the mean of the models' answers, each counted by its weight: an
    /// `ensemble` (see [`EnsembleConfig`]). So networks may answer together that were trained one by one, with other seeds or
    /// settings; a model that is an ensemble itself gives all its members, which share its weight as they did. Weights are
    /// numbers above 0, of which only the ratios matter.
    ///
    /// The first model's record of training is kept as [`Checkpoint::training`], the others' as [`Checkpoint::joined`]. One model
    /// alone stays as it is.
    ///
    /// # Errors
    /// [`CheckpointError::Inconsistent`] if there are no models, or they do not agree in network, labels, readout, preparation,
    /// features, normalisation or clips: it names the first thing and the first model, counted from 1, that differs.
    /// [`CheckpointError::Layer`] if a weight is out of range.
    pub fn join(models: &[(Self, f64)]) -> Result<Self, CheckpointError> {
        let refused = |rule, given| CheckpointError::Inconsistent { file: IN_MEMORY.to_owned(), rule, given };
        let [(first, _), others @ ..] = models else {
            return Err(refused("models that are joined must be 1 or more", "0".to_owned()));
        };
        for ((of, _), at) in others.iter().zip(2..) {
            let rules = [
                (of.network() == first.network(), "joined models must be of one network"),
                (of.labels == first.labels, "joined models must have the same labels"),
                (of.readout == first.readout, "joined models must have the same readout"),
                (of.preparation == first.preparation, "joined models must prepare clips alike"),
                (of.features == first.features, "joined models must read the same features"),
                (of.normalization == first.normalization, "joined models must normalise inputs alike"),
                (
                    clips(&of.split) == clips(&first.split),
                    "joined models must have trained on the same clips",
                ),
            ];
            if let Some((_, rule)) = rules.into_iter().find(|(holds, _)| !holds) {
                return Err(refused(rule, format!("another in model {at}")));
            }
        }
        if others.is_empty() {
            return Ok(first.clone());
        }
        let (mut shares, mut tensors) = (Vec::new(), BTreeMap::new());
        for (of, weight) in models {
            let weights = of.member_weights();
            let all: f64 = weights.iter().sum();
            for (member, own) in (1..).zip(weights) {
                shares.push(weight * own / all);
                let (from, to) = (format!("member_{member}."), format!("member_{}.", shares.len()));
                let Weights(part) = match of.architecture {
                    Architecture::Ensemble(_) => of.weights.part(&from),
                    _ => of.weights.clone(),
                };
                tensors.extend(part.into_iter().map(|(name, values)| (to.clone() + &name, values)));
            }
        }
        let together = EnsembleConfig::new(shares.len(), first.network().clone());
        let records = |of: &Self| [std::slice::from_ref(&of.training), &of.joined].concat();
        let joined = Self {
            architecture: EnsembleConfig { own_batches: true, weights: shares, ..together }.into(),
            weights: Weights(tensors),
            joined: models.iter().flat_map(|(of, _)| records(of)).skip(1).collect(),
            ..first.clone()
        };
        joined.model(IN_MEMORY)?;
        Ok(joined)
    }

    /// The network that it has, or has several of.
    fn network(&self) -> &Architecture {
        match &self.architecture {
            Architecture::Ensemble(config) => &config.network,
            network => network,
        }
    }

    /// How much each of its networks counts.
    fn member_weights(&self) -> Vec<f64> {
        match &self.architecture {
            Architecture::Ensemble(config) => config.member_weights(),
            _ => vec![1.0],
        }
    }
}
