//! Architectures with their published training settings.

use super::{EarlyStopping, Monitor, OptimizerConfig, Schedule, TrainingConfig};
use crate::models::{Architecture, Cnn1dConfig, CnnLstmConfig, HybridConfig, RnnLstmConfig, TimNetConfig};

/// An architecture with its published training settings.
///
/// The presets `report-…` are those of *Speech Emotion Recognition with Music Recommendation*, the student report that this project
/// reimplements. They use its Table 4: batches of 32, dropout 0.2 to 0.3, cross-entropy, the epoch of the best validation loss. Settings
/// that the report leaves open have Keras's defaults: Adam or RMSprop in Keras's form, learning rate 10⁻³. It names RMSprop for the hybrid
/// only, so the others have Adam. They stop after a tenth of the epochs, 20 at least, without a better one, so they need a validation part.
/// The report does not say when it stops.
///
/// `issa` is that of Issa, Demirci and Yazici (*Speech emotion recognition with deep convolutional neural networks*, 2020), `tim-net` that
/// of Ye et al. (*Temporal modeling matters: a novel temporal emotional modeling approach for speech emotion recognition*, 2023). Both were
/// published without a validation part, with results of the last epoch. Without a validation part, the last epoch is kept here too. Both
/// use Keras's form with eps 10⁻⁷; `tim-net` has learning rate 10⁻³.
///
/// | name | architecture | epochs | optimiser |
/// | --- | --- | --- | --- |
/// | `report-cnn-1d` | `cnn-1d` | 700 | Adam |
/// | `report-cnn-lstm` | `cnn-lstm` | 35 | Adam |
/// | `report-cnn-lstm-bn` | `cnn-lstm-bn` | 35 | Adam |
/// | `report-hybrid` | `hybrid` | 700 | RMSprop |
/// | `report-rnn-lstm` | `rnn-lstm` | 100 | Adam |
/// | `issa` | `cnn-1d-issa` | 700 | RMSprop, learning rate 10⁻⁵ / (1 + 10⁻⁶ · step) |
/// | `tim-net` | `tim-net` | 500 | Adam (0.93, 0.98), batches of 64, label smoothing 0.1 |
///
/// ```
/// use ser_models::training::Preset;
///
/// let preset = Preset::named("report-hybrid").unwrap();
/// assert_eq!((preset.training.batch_size, preset.training.epochs), (32, 700));
/// assert_eq!(preset.architecture.name(), "hybrid");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// The network.
    pub architecture: Architecture,
    /// Settings of the training.
    pub training: TrainingConfig,
}

impl Preset {
    /// The names that [`Preset::named`] accepts.
    pub const NAMES: [&'static str; 7] = [
        "report-cnn-1d",
        "report-cnn-lstm",
        "report-cnn-lstm-bn",
        "report-hybrid",
        "report-rnn-lstm",
        "issa",
        "tim-net",
    ];

    /// Returns the preset of this name, one of [`Preset::NAMES`].
    pub fn named(name: &str) -> Option<Self> {
        let (adam, rmsprop) = (OptimizerConfig::adam_keras(), OptimizerConfig::rmsprop_keras());
        Some(match name {
            "report-cnn-1d" => Self::report(Cnn1dConfig::default(), 700, adam),
            "report-cnn-lstm" => Self::report(CnnLstmConfig::default(), 35, adam),
            "report-cnn-lstm-bn" => Self::report(CnnLstmConfig::batch_normalized(), 35, adam),
            "report-hybrid" => Self::report(HybridConfig::default(), 700, rmsprop),
            "report-rnn-lstm" => Self::report(RnnLstmConfig::default(), 100, adam),
            "issa" => Self {
                architecture: Cnn1dConfig::issa().into(),
                training: TrainingConfig {
                    learning_rate: 1e-5,
                    schedule: Schedule::InverseTime { rate: 1e-6 },
                    ..Self::published(700, rmsprop)
                },
            },
            "tim-net" => Self {
                architecture: TimNetConfig::default().into(),
                training: TrainingConfig {
                    batch_size: 64,
                    label_smoothing: 0.1,
                    ..Self::published(500, tim_net_adam())
                },
            },
            _ => return None,
        })
    }

    /// Returns the settings of a published run. Those that are not published have the frameworks' usual defaults.
    fn published(epochs: usize, optimizer: OptimizerConfig) -> TrainingConfig {
        TrainingConfig {
            epochs,
            batch_size: 32,
            learning_rate: 1e-3,
            schedule: Schedule::Constant,
            optimizer,
            monitor: Monitor::Loss,
            ..TrainingConfig::default()
        }
    }

    /// Makes a preset of the report. The report stops early but doesn't say when. Here training stops after epochs without improvement, a
    /// tenth of all epochs but at least 20.
    fn report(architecture: impl Into<Architecture>, epochs: usize, optimizer: OptimizerConfig) -> Self {
        let early_stopping = Some(EarlyStopping { patience: (epochs / 10).max(20) });
        let training = TrainingConfig { early_stopping, ..Self::published(epochs, optimizer) };
        Self { architecture: architecture.into(), training }
    }
}

fn tim_net_adam() -> OptimizerConfig {
    match OptimizerConfig::adam_keras() {
        OptimizerConfig::Adam { eps, weight_decay, framework, .. } => {
            OptimizerConfig::Adam { beta1: 0.93, beta2: 0.98, eps, weight_decay, framework }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_in_range_and_the_reports_have_its_table() {
        for name in Preset::NAMES {
            let Preset { architecture, training } = Preset::named(name).unwrap();
            training.check(true).unwrap();
            architecture.build(4, 0).unwrap();
            if name.starts_with("report") {
                assert_eq!(training.batch_size, 32);
                assert!((35..=700).contains(&training.epochs));
                assert!(training.early_stopping.is_some());
            }
        }
        assert!(Preset::named("report").is_none());
    }
}
