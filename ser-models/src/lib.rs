#![doc = include_str!("../README.md")]
// docs.rs shows which items need a cargo feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod checkpoint;
mod classifier;
pub mod encoder;
mod files;
mod generator;
mod init;
pub mod input;
mod join;
mod json;
mod kernels;
mod layer;
pub mod layers;
pub mod live;
mod memory;
mod metrics;
pub mod models;
mod parameters;
mod profile;
mod readout;
mod recognizer;
pub mod recording;
mod setting;
pub mod training;
mod tuning;
mod weights;

pub use checkpoint::{Checkpoint, CheckpointError, CheckpointSource, SplitRecord, TrainingRecord};
pub use classifier::{Classifier, ClassifyError};
pub use files::{FileError, write_file, write_file_with};
pub use generator::Generator;
pub use metrics::{ConfusionMatrix, Evaluation};
pub use parameters::{Parameter, ParameterError, Parameters, Scope};
pub use profile::{ProfileError, VoiceProfile};
pub use readout::Readout;
pub use recognizer::{Listening, RecognizeError, Recognizer};
pub use recording::{Recognition, Segment, Timeline, TimelineConfig, TimelineWindow};
pub use setting::SettingError;
pub use training::{Recipe, RecipeError, RecipeFile};
pub use weights::WeightsError;
