//! Baselines without a network.

use anyhow::Context;
use ndarray::Array2;
use ser_models::training::Dataset;
use smartcore::ensemble::random_forest_classifier::{
    RandomForestClassifier, RandomForestClassifierParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::Predictions;

/// Trees of a forest.
const TREES: u16 = 300;

/// Always answers the most frequent class of the training part, the first of equally frequent ones.
pub(super) fn majority(training: &Dataset, test: &Dataset) -> Predictions {
    let counts = training.class_counts();
    let most = (0..counts.len()).rev().max_by_key(|&class| counts[class]).unwrap_or_default();
    predictions(test, &vec![most; test.len()])
}

/// A random forest on feature vectors.
pub(super) fn forest(training: &Dataset, test: &Dataset, seed: u64) -> anyhow::Result<Predictions> {
    let parameters = RandomForestClassifierParameters::default().with_n_trees(TREES).with_seed(seed);
    let labels: Vec<u32> = training.labels().iter().map(|&label| label as u32).collect();
    let forest = RandomForestClassifier::fit(&rows(training)?, &labels, parameters)?;
    let answers: Vec<usize> = forest.predict(&rows(test)?)?.iter().map(|&label| label as usize).collect();
    Ok(predictions(test, &answers))
}

fn rows(data: &Dataset) -> anyhow::Result<DenseMatrix<f32>> {
    let inputs = data.inputs().values().to_vec2::<f32>().context("forest: inputs cannot be read")?;
    Ok(DenseMatrix::from_2d_vec(&inputs)?)
}

/// Predictions with probability 1 for one class.
fn predictions(test: &Dataset, answers: &[usize]) -> Predictions {
    let mut probabilities = Array2::zeros((test.len(), test.label_names().len()));
    answers.iter().enumerate().for_each(|(clip, &answer)| probabilities[[clip, answer]] = 1.0);
    Predictions {
        labels: test.label_names().to_vec(),
        clips: test.ids().to_vec(),
        truth: test.labels().to_vec(),
        probabilities,
    }
}
