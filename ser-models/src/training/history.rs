//! The history of a run, epoch by epoch.

use super::Monitor;
use crate::metrics::Evaluation;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// One epoch of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch's number, counted from 1.
    pub epoch: usize,
    /// The learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// The mean training loss over the epoch's examples, with dropout, augmentation and label smoothing, and with the weights at each step.
    pub train_loss: f64,
    /// Accuracy on the training examples, counted during the epoch.
    pub train_accuracy: f64,
    /// The evaluation on the validation part after the epoch.
    pub validation: Option<Evaluation>,
    /// Whether this is the best epoch so far.
    pub best: bool,
}

/// Returns the monitored metric of an evaluation, negated where less is better, so that more is better.
pub(super) fn score(evaluation: &Evaluation, monitor: Monitor) -> f64 {
    match monitor {
        Monitor::Loss => -evaluation.loss,
        Monitor::Accuracy => evaluation.confusion.accuracy(),
        Monitor::Uar => evaluation.confusion.uar(),
    }
}

/// The epochs of a run. Serialises to JSON through serde, and to CSV.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History {
    /// The epochs in order.
    pub epochs: Vec<Epoch>,
}

impl History {
    /// The best epoch by the validation part (the first of equal ones), or without one the last; `None` if no epoch has ended.
    pub fn best(&self) -> Option<&Epoch> {
        self.epochs.iter().rfind(|epoch| epoch.best)
    }

    /// Returns a table with a header line. Validation columns are empty if there was no validation part.
    pub fn to_csv(&self) -> String {
        let mut csv = "epoch,learning_rate,train_loss,train_accuracy,validation_loss,validation_accuracy,\
                       validation_uar,validation_macro_f1,best\n"
            .to_owned();
        for e in &self.epochs {
            let validation = match &e.validation {
                Some(v) => {
                    let c = &v.confusion;
                    format!("{},{},{},{}", v.loss, c.accuracy(), c.uar(), c.macro_f1())
                }
                None => ",,,".to_owned(),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                csv,
                "{},{},{},{},{validation},{}",
                e.epoch, e.learning_rate, e.train_loss, e.train_accuracy, e.best
            );
        }
        csv
    }
}
