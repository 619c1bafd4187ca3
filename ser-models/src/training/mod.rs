//! Training: data in, a trained model and its history out.
//!
//! A [`Trainer`] takes a [`Dataset`] to learn from and one to validate on, and runs a [`TrainingConfig`]: optimiser,
//! learning-rate schedule, early stopping and the best epoch by the validation part. The caller hears of each batch
//! and epoch, and may stop between batches. One seed gives one result, bit for bit, on one machine.

mod audio_augmentation;
mod augmentation;
mod average;
mod config;
mod dataset;
mod epoch;
mod error;
mod history;
mod normalization;
mod optimizer;
mod preset;
mod schedule;
mod source;
mod state;
mod trainer;

pub use audio_augmentation::AudioAugmentation;
pub use augmentation::{Augmentation, Masks};
pub use config::{ClassWeights, EarlyStopping, Monitor, TrainingConfig};
pub use dataset::Dataset;
pub use error::{DatasetError, StateError, TrainingError};
pub use history::{Epoch, Evaluation, History};
pub use normalization::Normalization;
pub use optimizer::{Framework, Optimizer, OptimizerConfig};
pub use preset::Preset;
pub use schedule::Schedule;
pub(crate) use state::RunIdentity;
pub use trainer::{Event, Finish, Trainer};
