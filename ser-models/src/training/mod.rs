//! Training: from data to a trained model and its history.
//!
//! A [`Trainer`] takes a [`Dataset`] for training and one for validation, and runs a [`TrainingConfig`]: optimiser, learning-rate schedule,
//! early stopping, and selection of the best epoch by the validation part. The caller gets an event for each batch and epoch, and may stop
//! between batches. One seed gives one result, bit for bit, on one machine.

mod audio_augmentation;
mod augmentation;
mod average;
mod config;
mod encoded;
mod encoded_error;
mod encoded_frames;
mod encoding;
mod encoding_cache;
mod error;
mod event;
mod history;
mod learner;
mod optimizer;
mod part;
mod preset;
mod recipe;
mod recording_chain;
mod sampling;
mod schedule;
mod source;
mod state;
mod targets;
mod trainer;

pub use crate::input::{Dataset, DatasetError, Normalization};
pub use crate::metrics::Evaluation;
pub use audio_augmentation::AudioAugmentation;
pub use augmentation::{Augmentation, Masks};
pub use config::{ClassWeights, EarlyStopping, Monitor, TrainingConfig};
pub use encoded::EncodedClips;
pub use encoded_error::EncodedError;
pub use encoded_frames::encode_frames;
pub use encoding::EncodingConfig;
pub use error::{StateError, TrainingError};
pub use event::{Event, Finish};
pub use history::{Epoch, History};
pub use learner::{Learner, Step};
pub use optimizer::{Framework, Optimizer, OptimizerConfig, OptimizerParams};
pub use preset::Preset;
pub use recipe::{Recipe, RecipeError, RecipeFile, member_seed};
pub use recording_chain::RecordingChain;
pub use sampling::Sampling;
pub use schedule::Schedule;
pub use targets::Targets;
pub use trainer::Trainer;
