//! Several trained models as one whose networks answer together.

use crate::checkpoint::{Checkpoint, CheckpointError, IN_MEMORY, SplitRecord};
use crate::models::{Architecture, EnsembleConfig};
use crate::weights::Weights;
use std::collections::BTreeMap;

/// The clips of a split's parts, whatever its protocol and seed were.
fn clips(split: &SplitRecord) -> [&Vec<String>; 3] {
    [&split.train, &split.validation, &split.test]
}

impl Checkpoint {
    /// One model of all these models' networks: an `ensemble` (see [`EnsembleConfig`]) whose probabilities are the mean of the
    /// models', each counted by its weight, before the readout that all of them share is applied. So networks may answer together
    /// that were trained one by one, with other seeds or settings. A model that is an ensemble itself gives all its members, among
    /// which its weight is divided in the ratio of their own. Weights are numbers above 0, of which only the ratios matter.
    ///
    /// The first model's record of training is kept as [`Checkpoint::training`], the others' in their order as
    /// [`Checkpoint::joined`]; the version of this crate, protocol and seed of the split are the first one's. One model alone stays
    /// as it is.
    ///
    /// # Errors
    /// [`CheckpointError::Inconsistent`] if there are no models, a weight is out of range, or models do not agree in network, labels,
    /// readout, preparation, features, normalisation or the clips of each part: it names the first thing and the first model, counted
    /// from 1, that differs. All that [`Checkpoint::to_bytes`] refuses is refused of each model.
    pub fn join(models: &[(Self, f64)]) -> Result<Self, CheckpointError> {
        let refused = |rule, given| CheckpointError::Inconsistent { file: IN_MEMORY.to_owned(), rule, given };
        let [(first, _), others @ ..] = models else {
            return Err(refused("models that are joined must be 1 or more", "0".to_owned()));
        };
        for ((of, weight), at) in models.iter().zip(1..) {
            if !(weight.is_normal() && *weight > 0.0) {
                let rule = "weights of joined models must be finite numbers above 0";
                return Err(refused(rule, format!("{weight} of model {at}")));
            }
            let rules = [
                (
                    of.architecture.member() == first.architecture.member(),
                    "joined models must have the same network",
                ),
                (of.labels == first.labels, "joined models must have the same labels"),
                (of.readout == first.readout, "joined models must have the same readout"),
                (of.preparation == first.preparation, "joined models must have the same preparation"),
                (of.features == first.features, "joined models must have the same features"),
                (of.normalization == first.normalization, "joined models must have the same normalisation"),
                (
                    clips(&of.split) == clips(&first.split),
                    "joined models must have the same clips in each part",
                ),
            ];
            if let Some((_, rule)) = rules.into_iter().find(|(holds, _)| !holds) {
                return Err(refused(rule, format!("another in model {at}")));
            }
            of.model(&format!("model {at}"))?;
        }
        if others.is_empty() {
            return Ok(first.clone());
        }
        let (mut shares, mut tensors) = (Vec::new(), BTreeMap::new());
        for (of, weight) in models {
            let members = of.architecture.member_weights();
            let all: f64 = members.iter().sum();
            for (member, own) in (1..).zip(members) {
                shares.push(weight * own / all);
                let (from, to) = (format!("member_{member}."), format!("member_{}.", shares.len()));
                let Weights(part) = match of.architecture {
                    Architecture::Ensemble(_) => of.weights.part(&from),
                    _ => of.weights.clone(),
                };
                tensors.extend(part.into_iter().map(|(name, values)| (to.clone() + &name, values)));
            }
        }
        let together = EnsembleConfig::new(shares.len(), first.architecture.member().clone());
        let records = |of: &Self| [std::slice::from_ref(&of.training), &of.joined].concat();
        let joined = Self {
            architecture: EnsembleConfig { weights: shares, ..together }.into(),
            weights: Weights(tensors),
            joined: models.iter().flat_map(|(of, _)| records(of)).skip(1).collect(),
            ..first.clone()
        };
        joined.model(IN_MEMORY)?;
        Ok(joined)
    }
}
