#![doc = include_str!("../README.md")]

mod checkpoint;
mod classifier;
mod files;
mod generator;
mod inputs;
mod join;
pub mod layers;
pub mod live;
mod metrics;
pub mod models;
mod parameters;
mod readout;
mod recipe;
mod recognizer;
pub mod training;
mod weights;

pub use checkpoint::{Checkpoint, CheckpointError, CheckpointSource, SplitRecord, TrainingRecord};
pub use classifier::{Classifier, ClassifyError};
pub use files::write_file;
pub use generator::Generator;
pub use metrics::ConfusionMatrix;
pub use parameters::{Parameter, Parameters, Scope};
pub use readout::Readout;
pub use recipe::{Recipe, RecipeError, RecipeFile};
pub use recognizer::{Recognition, RecognizeError, Recognizer, Stage};
pub use weights::WeightsError;
