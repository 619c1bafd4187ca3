//! Targets of a batch.

use super::TrainingError;
use crate::layers::{CrossEntropy, LayerError, one_hot};
use candle_core::{Device, Tensor};
use ndarray::ArrayView1;

/// The targets of a batch: for each example the probability of each class, and the classes among which it was labelled.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    /// [batch, classes], rows sum to 1.
    pub(super) shares: Vec<f32>,
    /// [batch, classes], 1 for the classes among which an example was labelled, 0 for others. `None` if all examples were labelled among
    /// all classes.
    labelled: Option<Vec<f32>>,
    classes: usize,
}

impl Targets {
    /// Makes targets of examples with one class each, labelled among all classes.
    ///
    /// # Errors
    /// If a label is not below the number of classes.
    pub fn new(labels: &[usize], classes: usize) -> Result<Self, TrainingError> {
        Ok(Self { shares: one_hot(labels, classes)?, labelled: None, classes })
    }

    /// Makes targets from probabilities of the classes: [batch, classes], rows sum to 1.
    pub(super) fn soft<'a>(rows: impl IntoIterator<Item = ArrayView1<'a, f32>>, classes: usize) -> Self {
        Self { shares: rows.into_iter().flatten().copied().collect(), labelled: None, classes }
    }

    /// Sets the classes among which each example was labelled: a row for each example, true for these classes.
    pub(super) fn among<'a>(self, labelled: impl IntoIterator<Item = &'a [bool]>) -> Self {
        let rows = labelled.into_iter().flatten().map(|known| f32::from(u8::from(*known)));
        Self { labelled: Some(rows.collect()), ..self }
    }

    /// Mixes each example with a partner, `share` to 1 − `share`. The mixture counts as labelled among the classes of both.
    pub(super) fn mix(&mut self, partners: &[usize], share: f32) {
        mix(&mut self.shares, partners, share);
        if let Some(labelled) = &mut self.labelled {
            mix(labelled, partners, 0.5);
            labelled.iter_mut().for_each(|known| *known = known.ceil());
        }
    }

    /// Returns loss and gradient of logits [batch, classes].
    pub(super) fn loss_and_gradient(
        &self,
        loss: &CrossEntropy,
        logits: &Tensor,
    ) -> Result<(f64, Tensor), LayerError> {
        let tensor = |values: &[f32]| {
            Tensor::from_slice(values, (values.len() / self.classes.max(1), self.classes), &Device::Cpu)
        };
        let labelled = self.labelled.as_deref().map(tensor).transpose()?;
        loss.loss_and_gradient(logits, &tensor(&self.shares)?, labelled.as_ref())
    }

    /// Returns the number of examples whose largest logit is at the largest target. Only classes among which the example was labelled are
    /// compared.
    pub(super) fn correct(&self, logits: &[Vec<f32>]) -> usize {
        let rows = logits.iter().zip(self.shares.chunks_exact(self.classes.max(1))).enumerate();
        rows.filter(|(row, (logits, shares))| {
            let known = |class: usize| {
                self.labelled.as_ref().is_none_or(|labelled| labelled[row * self.classes + class] > 0.0)
            };
            let largest = |values: &[f32]| {
                let of_known = values.iter().enumerate().filter(|(class, _)| known(*class));
                // Of equal values, the first is the largest.
                of_known
                    .reduce(|best, next| if next.1 > best.1 { next } else { best })
                    .map(|(class, _)| class)
            };
            largest(logits) == largest(shares)
        })
        .count()
    }
}

/// Mixes each row with its partner's row, `share` to 1 − `share`.
pub(super) fn mix(values: &mut [f32], partners: &[usize], share: f32) {
    let row = values.len() / partners.len().max(1);
    let original = values.to_vec();
    for (values, partner) in values.chunks_exact_mut(row.max(1)).zip(partners) {
        for (value, other) in values.iter_mut().zip(&original[partner * row..]) {
            *value = share * *value + (1.0 - share) * other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixtures_are_labelled_among_what_either_is() {
        let known: [&[bool]; 2] = [&[true, true, false], &[false, true, true]];
        let mut targets = Targets::new(&[0, 2], 3).unwrap().among(known);
        targets.mix(&[1, 1], 0.75);
        assert_eq!(targets.shares, [0.75, 0.0, 0.25, 0.0, 0.0, 1.0]);
        assert_eq!(targets.labelled, Some(vec![1.0, 1.0, 1.0, 0.0, 1.0, 1.0]));
    }

    #[test]
    fn answers_count_among_what_was_labelled() {
        let logits = [vec![0.0, 1.0, 9.0], vec![0.0, 1.0, 9.0]];
        let targets = Targets::new(&[1, 1], 3).unwrap();
        assert_eq!(targets.correct(&logits), 0);
        let known: [&[bool]; 2] = [&[true, true, false], &[true, true, true]];
        assert_eq!(targets.among(known).correct(&logits), 1);
        assert!(Targets::new(&[3], 3).is_err());
    }
}
