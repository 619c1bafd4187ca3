//! Settings of training.

use super::{Augmentation, OptimizerConfig, Sampling, Schedule, TrainingError};
use crate::checkpoint::TrainingRecord;
use crate::input::Dataset;
use crate::json::is_default;
use crate::setting::{Checked, Settings, TRAINING};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The settings of a training run, without the model and the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Passes over the training part, 1 or more.
    pub epochs: usize,
    /// Examples per step, 2 or more. If one example would remain alone at the end of an epoch, it joins the last batch.
    pub batch_size: usize,
    /// The initial learning rate, positive.
    pub learning_rate: f64,
    /// First learning rates of single weights, positive, by what the weights' names begin with; the longest such beginning counts. All
    /// other weights have `learning_rate`. A key with which no weight's name begins is an error
    /// ([`TrainingError::Setting`](super::TrainingError::Setting)). `transformer_block = 2e-5` is for an encoder's blocks
    /// ([`WhisperHeadConfig::tuned`](crate::models::WhisperHeadConfig::tuned)).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub learning_rates: BTreeMap<String, f64>,
    /// Schedule of all learning rates.
    pub schedule: Schedule,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// The largest Euclidean norm of all gradients together, positive; `None` turns clipping off.
    pub clip_norm: Option<f64>,
    /// Share of each target that is spread over all classes, or those that the clip's corpus labels
    /// ([`Dataset::with_corpora`](crate::input::Dataset::with_corpora)); 0 or more and below 1.
    pub label_smoothing: f64,
    /// Weight of each class in the loss.
    pub class_weights: ClassWeights,
    /// Selection of an epoch's examples.
    #[serde(skip_serializing_if = "is_default")]
    pub sampling: Sampling,
    /// Whether inputs are z-scored by the training part's mean and standard deviation.
    pub normalize: bool,
    /// Whether the logarithm of positive and skewed features, such as mel powers, is taken before the z-score
    /// ([`Normalization::fit`](crate::input::Normalization::fit)). Without [`normalize`](Self::normalize) it has no effect.
    pub log_skewed: bool,
    /// Changes of the training part's examples.
    pub augmentation: Augmentation,
    /// Decay d of an exponential moving average of the weights and statistics, `a += (1 − d) · (w − a)` after each step, 0 or more and
    /// below 1, e.g. 0.999: the average is what is validated and kept, instead of the last weights. In step n the decay is at most (1 + n)
    /// / (10 + n), as in TensorFlow's `ExponentialMovingAverage`, so that the first weights don't linger. `None` averages nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema_decay: Option<f64>,
    /// The validation metric that selects the best epoch. Without a validation part, the last epoch is kept.
    pub monitor: Monitor,
    /// When to stop before the last epoch; needs a validation part. `None` runs all.
    pub early_stopping: Option<EarlyStopping>,
}

/// Weight of each class in the loss.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClassWeights {
    /// All clips have the same weight.
    #[default]
    Uniform,
    /// All classes have the same total weight: clips / (classes · clips of the class) for each clip, as scikit-learn's `balanced`.
    Balanced,
    /// A positive weight for each class, in the order of the label names.
    Given(Vec<f32>),
}

/// The metric of the validation part that selects the best epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Monitor {
    /// The loss, without label smoothing and class weights; less is better.
    Loss,
    /// Accuracy; more is better.
    Accuracy,
    /// Unweighted average recall; more is better.
    Uar,
}

/// When to stop before the last epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Number of epochs without improvement, 1 or more, after which to stop.
    pub patience: usize,
}

/// The recipe for the default 1D CNN, chosen on validation parts of RAVDESS: 100 epochs of 32, AdamW with decay 0.01 and
/// learning rate 2·10⁻³ along a cosine with 5 % warm-up, the epoch of the best UAR, no augmentation.
impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 100,
            batch_size: 32,
            learning_rate: 2e-3,
            learning_rates: BTreeMap::new(),
            schedule: Schedule::Cosine { warm_up: 0.05, minimum: 0.0 },
            optimizer: OptimizerConfig::adamw(0.01),
            clip_norm: None,
            label_smoothing: 0.0,
            class_weights: ClassWeights::Uniform,
            sampling: Sampling::EachOnce,
            normalize: true,
            log_skewed: true,
            augmentation: Augmentation::default(),
            ema_decay: None,
            monitor: Monitor::Uar,
            early_stopping: None,
        }
    }
}

impl TrainingConfig {
    /// Returns the settings that a checkpoint records.
    ///
    /// # Errors
    /// If the record has a setting that this version does not have.
    pub fn of_record(record: &TrainingRecord) -> Result<Self, serde_json::Error> {
        serde_json::from_value(record.config.clone())
    }

    /// Checks every setting's range.
    pub(crate) fn check(&self, has_validation: bool) -> Checked {
        TRAINING.one_or_more([("epochs", self.epochs)])?;
        TRAINING.require(self.batch_size >= 2, "batch_size", "2 or more", self.batch_size)?;
        TRAINING.positive("learning_rate", self.learning_rate)?;
        self.learning_rates.values().try_for_each(|rate| TRAINING.positive("learning_rates", *rate))?;
        self.clip_norm.map_or(Ok(()), |limit| TRAINING.positive("clip_norm", limit))?;
        self.ema_decay.map_or(Ok(()), |decay| TRAINING.zero_or_more_and_below_1("ema_decay", decay))?;
        if let Some(EarlyStopping { patience }) = self.early_stopping {
            TRAINING.one_or_more([("early_stopping.patience", patience)])?;
            let rule = "1 or more where early_stopping is set";
            Settings("validation part").require(has_validation, "clips", rule, 0)?;
        }
        self.schedule.check()?;
        self.optimizer.check()?;
        self.sampling.check()?;
        self.augmentation.check()
    }

    /// The weight of each class of a training part in which every class has examples.
    pub(crate) fn class_weights(&self, data: &Dataset) -> Result<Vec<f32>, TrainingError> {
        let counts = data.class_counts();
        match &self.class_weights {
            ClassWeights::Uniform => Ok(vec![1.0; counts.len()]),
            ClassWeights::Balanced => {
                let weight = |n: &usize| data.len() as f32 / (counts.len() * n) as f32;
                Ok(counts.iter().map(weight).collect())
            }
            ClassWeights::Given(weights) if weights.len() == counts.len() => Ok(weights.clone()),
            ClassWeights::Given(weights) => {
                let rule = format!("as many as classes, {}", counts.len());
                Err(TRAINING.error("class_weights", rule, weights.len()).into())
            }
        }
    }
}
