//! Where a run stands after an epoch, and the file that lets it go on from there.

use super::{History, Optimizer, StateError, TrainingConfig};
use crate::files::write_atomically;
use crate::models::Architecture;
use crate::parameters::Parameters;
use crate::weights::{Values, Weights, WeightsError};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The format of the files that this version reads and writes.
const FORMAT: u64 = 1;

/// Where a run stands after an epoch. Random numbers need no place here: every epoch and step has a stream of its own.
#[derive(Debug, Clone)]
pub(crate) struct RunState {
    pub(crate) weights: Weights,
    pub(crate) optimizer: Optimizer,
    /// The weights of the best epoch so far; empty before the first.
    pub(crate) best: Weights,
    pub(crate) history: History,
}

/// What makes one run: the same gives the same result, bit for bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunIdentity {
    pub(crate) crate_version: String,
    pub(crate) seed: u64,
    pub(crate) architecture: Architecture,
    pub(crate) config: TrainingConfig,
    /// Fingerprint of the training part.
    pub(crate) training: String,
    /// Fingerprint of the validation part.
    pub(crate) validation: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Metadata {
    format: u64,
    run: RunIdentity,
    optimizer_steps: u64,
    history: History,
}

#[derive(Deserialize)]
struct Format {
    format: u64,
}

impl RunState {
    /// Writes the state, whole or not at all.
    pub(crate) fn save(&self, run: &RunIdentity, path: &Path) -> Result<(), StateError> {
        let metadata = Metadata {
            format: FORMAT,
            run: run.clone(),
            optimizer_steps: self.optimizer.steps(),
            history: self.history.clone(),
        };
        let mut all = Weights::default();
        for (prefix, weights) in [("model/", &self.weights), ("best/", &self.best)] {
            all.0.extend(weights.0.iter().map(|(name, values)| (format!("{prefix}{name}"), values.clone())));
        }
        for (name, slots) in self.optimizer.slots() {
            for (i, slot) in slots.iter().enumerate() {
                let values = Values { shape: vec![slot.len()], values: slot.clone() };
                all.0.insert(format!("optimizer/{name}/{i}"), values);
            }
        }
        let metadata = serde_json::to_string(&metadata)
            .map_err(|e| StateError::Damaged { path: path.into(), reason: e.to_string() })?;
        let weights = |cause| StateError::Weights { path: path.into(), cause };
        let bytes = all.to_safetensors(metadata).map_err(weights)?;
        write_atomically(path, &bytes).map_err(|cause| StateError::Io { path: path.into(), cause })
    }

    /// Reads the state of this very run.
    pub(crate) fn load(
        run: &RunIdentity,
        parameters: &Parameters,
        fresh: &Optimizer,
        path: &Path,
    ) -> Result<Self, StateError> {
        let damaged = |reason: String| StateError::Damaged { path: path.into(), reason };
        let weights_error = |cause| match cause {
            WeightsError::File { reason } => damaged(reason),
            cause => StateError::Weights { path: path.into(), cause },
        };
        let bytes = std::fs::read(path).map_err(|cause| StateError::Io { path: path.into(), cause })?;
        let (all, metadata) = Weights::from_safetensors(&bytes).map_err(weights_error)?;
        let Format { format } = serde_json::from_str(&metadata).map_err(|e| damaged(e.to_string()))?;
        if format != FORMAT {
            return Err(StateError::Format { path: path.into(), given: format, expected: FORMAT });
        }
        let metadata: Metadata = serde_json::from_str(&metadata).map_err(|e| damaged(e.to_string()))?;
        if let Some((what, expected, given)) = run.difference(&metadata.run) {
            return Err(StateError::AnotherRun { path: path.into(), what, expected, given });
        }
        let (weights, best) = (all.part("model/"), all.part("best/"));
        weights.check(parameters).map_err(weights_error)?;
        if !metadata.history.epochs.is_empty() {
            best.check(parameters).map_err(weights_error)?;
        }
        let mut optimizer = fresh.clone();
        let slots = all.part("optimizer/");
        let find = |name: &str, i: usize| slots.0.get(&format!("{name}/{i}")).map(|v| v.values.clone());
        if !optimizer.restore(metadata.optimizer_steps, find) {
            return Err(damaged("the optimiser's values do not fit the model".to_owned()));
        }
        Ok(Self { weights, optimizer, best, history: metadata.history })
    }
}

impl RunIdentity {
    /// The first thing in which another run differs: (what, this run's, the other's).
    fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        fn differ<T: PartialEq + Serialize>(
            what: &'static str,
            a: &T,
            b: &T,
        ) -> Option<(&'static str, String, String)> {
            let text = |value| serde_json::to_string(value).unwrap_or_default();
            (a != b).then(|| (what, text(a), text(b)))
        }
        differ("the crate's version", &self.crate_version, &other.crate_version)
            .or_else(|| differ("the seed", &self.seed, &other.seed))
            .or_else(|| differ("the architecture", &self.architecture, &other.architecture))
            .or_else(|| differ("the training configuration", &self.config, &other.config))
            .or_else(|| differ("the training part", &self.training, &other.training))
            .or_else(|| differ("the validation part", &self.validation, &other.validation))
    }
}
