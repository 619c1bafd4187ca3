//! How the report's protocol is run here.
//!
//! What the report leaves open is in [`TrainingConfig::default`](ser_models::training::TrainingConfig), chosen on validation
//! parts; the test parts decided nothing.

use ser_data::{Shares, Split, SplitError, stratified};

use crate::corpus::Corpus;

/// The name of [`split`] in checkpoints and tables.
pub const PROTOCOL: &str = "stratified 80/20";

/// Four fifths of each class to train, one fifth to test. `validation` is the share of all clips that is taken out of the
/// training part to choose the epoch; with 0 the last epoch is taken, and all four fifths train.
///
/// # Errors
/// If the share is none, or there are too few clips.
pub fn split(corpus: &Corpus, validation: f64, seed: u64) -> Result<Split, SplitError> {
    stratified(&corpus.label_names(), &corpus.groups, Shares { validation, test: 0.2 }, seed)
}
