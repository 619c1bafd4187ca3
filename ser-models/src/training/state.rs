//! The state of a run after an epoch, and its file for resuming.

use super::learner::LearnerState;
use super::{Epoch, History, Optimizer, StateError, TrainingConfig};
use crate::files::{FileError, open_weights, read_file, save_file};
use crate::json::json_value;
use crate::models::Architecture;
use crate::parameters::Parameters;
use crate::setting::{Checked, Settings};
use crate::weights::{Values, Weights, one_line};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// The format of the files that this version reads and writes.
const FORMAT: u64 = 3;
/// The name of such a file in errors.
const KIND: &str = "a training state";

/// The state of a run after an epoch. It holds no random generator, because every epoch and step has its own stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct RunState {
    pub(crate) learner: LearnerState,
    /// The weights of the best epoch so far; empty before the first.
    pub(crate) best: Weights,
    pub(crate) history: History,
}

/// Everything that determines a run's result. Equal identities give equal results, bit for bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunIdentity {
    pub(crate) crate_version: String,
    pub(crate) seed: u64,
    pub(crate) architecture: Architecture,
    /// Digest of the checkpoint that the run begins from, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<String>,
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

impl RunState {
    /// Writes the state atomically.
    pub(crate) fn save(&self, run: &RunIdentity, path: &Path) -> Result<(), StateError> {
        let metadata = Metadata {
            format: FORMAT,
            run: run.clone(),
            optimizer_steps: self.learner.optimizer.steps(),
            history: self.history.clone(),
        };
        let mut all = Weights::default();
        for (prefix, weights) in
            [("model/", &self.learner.weights), ("best/", &self.best), ("average/", &self.learner.average)]
        {
            all.0.extend(weights.0.iter().map(|(name, values)| (format!("{prefix}{name}"), values.clone())));
        }
        for (name, slots) in self.learner.optimizer.running() {
            for (i, slot) in slots.iter().enumerate() {
                let values = Values { shape: vec![slot.len()], values: slot.clone() };
                all.0.insert(format!("optimizer/{name}/{i}"), values);
            }
        }
        let file = path.display().to_string();
        let metadata =
            serde_json::to_string(&metadata).map_err(|cause| FileError::not_written(&file, cause))?;
        let bytes = all.to_safetensors(&metadata).map_err(|cause| FileError::weights(&file, cause))?;
        Ok(save_file(path, &bytes)?)
    }

    /// Reads the state, which must be of the run `run`. An epoch has `batches` steps.
    pub(crate) fn load(
        run: &RunIdentity,
        parameters: &Parameters,
        fresh: &Optimizer,
        batches: usize,
        path: &Path,
    ) -> Result<Self, StateError> {
        let file = &path.display().to_string();
        let (all, text, json) = open_weights(&read_file(path)?, file, KIND, FORMAT)?;
        all.check_digest(&text).map_err(|cause| FileError::not_a(KIND, file, cause))?;
        let metadata: Metadata = serde_json::from_value(json).map_err(|e| FileError::not_a(KIND, file, e))?;
        if let Some((what, expected, given)) = run.difference(&metadata.run) {
            return Err(StateError::AnotherRun {
                file: file.clone(),
                what: one_line(&what),
                expected,
                given,
            });
        }
        let epochs = &metadata.history.epochs;
        // An epoch either takes all its steps or fails.
        let steps = (epochs.len() as u64).saturating_mul(batches as u64);
        check_progress(epochs, run.config.epochs, metadata.optimizer_steps, steps)
            .map_err(|cause| FileError::not_a(KIND, file, cause))?;
        let [weights, best, average] = ["model/", "best/", "average/"].map(|prefix| all.part(prefix));
        let check = |weights| parameters.check(weights).map_err(|cause| FileError::weights(file, cause));
        check(&weights)?;
        if run.config.ema_decay.is_some() {
            check(&average)?;
        }
        if !epochs.is_empty() {
            check(&best)?;
        }
        let mut optimizer = fresh.clone();
        optimizer
            .restore(steps, |name, i, length| {
                all.find(&format!("optimizer/{name}/{i}"), &[length]).map(|found| found.values.clone())
            })
            .map_err(|cause| FileError::weights(file, cause))?;
        let learner = LearnerState { weights, optimizer, average };
        Ok(Self { learner, best, history: metadata.history })
    }
}

/// Checks that a history has at most `most` epochs, in order, and that `taken` is the number of their steps, `steps`.
fn check_progress(epochs: &[Epoch], most: usize, taken: u64, steps: u64) -> Checked {
    let of = Settings("history");
    of.require(epochs.len() <= most, "epochs", format!("at most {most}"), epochs.len())?;
    for (at, Epoch { epoch, .. }) in (1..).zip(epochs) {
        of.require(*epoch == at, "epochs", "numbered from 1", format!("{epoch} at place {at}"))?;
    }
    of.require(taken == steps, "steps", format!("{steps} at epoch {}", epochs.len()), taken)
}

impl RunIdentity {
    /// Returns the first difference to another run: (name, this run's value, the other's value).
    fn difference(&self, other: &Self) -> Option<(String, String, String)> {
        fn differ<T: PartialEq + Serialize>(what: &str, a: &T, b: &T) -> Option<(String, String, String)> {
            let value = |x| json_value(x).unwrap_or_default();
            if a == b {
                return None;
            }
            let (path, a, b) = first_difference(&value(a), &value(b));
            let dotted: String = path.iter().map(|key| format!(".{key}")).collect();
            Some((format!("{what}{dotted}"), a, b))
        }
        differ("the crate's version", &self.crate_version, &other.crate_version)
            .or_else(|| differ("the seed", &self.seed, &other.seed))
            .or_else(|| differ("architecture", &self.architecture, &other.architecture))
            .or_else(|| differ("the checkpoint to begin from", &self.start, &other.start))
            .or_else(|| differ("training", &self.config, &other.config))
            .or_else(|| differ("the training part", &self.training, &other.training))
            .or_else(|| differ("the validation part", &self.validation, &other.validation))
    }
}

/// Returns the path to the first difference of two values, and both values there. List items are numbered from 0, and a missing value is
/// `null`.
fn first_difference(a: &Value, b: &Value) -> (Vec<String>, String, String) {
    let within = |key: String, a: &Value, b: &Value| {
        let (mut path, a, b) = first_difference(a, b);
        path.insert(0, key);
        (path, a, b)
    };
    let both = match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys()).find(|key| a.get(*key) != b.get(*key));
            let of = |map: &Map<String, Value>, key: &String| map.get(key).cloned().unwrap_or_default();
            keys.map(|key| (key.clone(), of(a, key), of(b, key)))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let at = a.iter().zip(b).position(|(a, b)| a != b);
            at.map(|at| (at.to_string(), a[at].clone(), b[at].clone()))
        }
        _ => None,
    };
    match both {
        Some((key, a, b)) => within(key, &a, &b),
        None => (Vec::new(), a.to_string(), b.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::OptimizerConfig;

    #[test]
    fn the_first_setting_that_differs_is_named_with_both_values() {
        let run = |config| RunIdentity {
            crate_version: "1".to_owned(),
            seed: 0,
            architecture: Architecture::Cnn1d(Default::default()),
            start: None,
            config,
            training: "a".to_owned(),
            validation: None,
        };
        let usual = run(TrainingConfig::default());
        assert_eq!(usual.difference(&usual), None);
        let mut config = TrainingConfig { ema_decay: Some(0.5), ..Default::default() };
        let difference = usual.difference(&run(config.clone())).unwrap();
        assert_eq!(difference, ("training.ema_decay".into(), "null".into(), "0.5".into()));
        config = TrainingConfig::default();
        config.augmentation.audio.snr = Some([10.0, 20.0]);
        let (what, ..) = usual.difference(&run(config.clone())).unwrap();
        assert_eq!(what, "training.augmentation.audio");
        let mut other = config.clone();
        other.augmentation.audio.snr = Some([10.0, 30.0]);
        let difference = run(config).difference(&run(other)).unwrap();
        assert_eq!(difference, ("training.augmentation.audio.snr.1".into(), "20.0".into(), "30.0".into()));
        let other = TrainingConfig { optimizer: OptimizerConfig::adamw(0.02), ..Default::default() };
        let difference = usual.difference(&run(other)).unwrap();
        assert_eq!(difference, ("training.optimizer.weight_decay".into(), "0.01".into(), "0.02".into()));
        let mut other = usual.clone();
        other.training = "b".to_owned();
        assert_eq!(usual.difference(&other).unwrap().0, "the training part");
    }
}
