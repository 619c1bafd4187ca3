//! Figures of heads as tables.

use anyhow::Context;
use ser_models::ConfusionMatrix;

use super::{Heads, in_weighted_moods};
use crate::experiments::Predictions;

/// The answers of all folds, one after the other.
///
/// # Errors
/// If there are none.
pub fn all_of(folds: &[Predictions]) -> anyhow::Result<Predictions> {
    let mut all = folds.first().context("folds must be 1 or more, got 0")?.clone();
    for fold in &folds[1..] {
        all.clips.extend_from_slice(&fold.clips);
        all.truth.extend_from_slice(&fold.truth);
        all.probabilities.append(ndarray::Axis(0), fold.probabilities.view())?;
    }
    Ok(all)
}

/// The head of the table whose rows [`fold_rows`] writes.
pub const FOLDS: &str = "| clips | heads | UAR, 8 emotions | accuracy | UAR, 4 moods | accuracy |\n\
                         | --- | --- | --- | --- | --- | --- |";

/// Rows for recordings of one kind: of each fold's trained heads alone, of the discriminant, and of the mean of their probabilities.
///
/// # Errors
/// As [`Heads::mean`].
pub fn fold_rows(clips: &str, folds: &[Heads<Predictions>]) -> anyhow::Result<String> {
    let means = folds.iter().map(Heads::mean).collect::<anyhow::Result<Vec<_>>>()?;
    let rows = alone(folds).into_iter().chain([("together", means)]);
    Ok(rows.map(|(heads, answers)| fold_row(clips, heads, &answers)).collect::<Vec<_>>().join("\n"))
}

/// The answers of trained heads, each by itself, and of discriminants, if there are any.
fn alone(folds: &[Heads<Predictions>]) -> Vec<(&'static str, Vec<Predictions>)> {
    let trained = folds.iter().flat_map(|heads| &heads.trained).cloned().collect();
    let discriminants = folds.iter().filter_map(|heads| heads.discriminant.clone()).collect();
    let mut alone: Vec<(&str, Vec<Predictions>)> =
        vec![("one trained", trained), ("discriminant", discriminants)];
    alone.retain(|(_, answers)| !answers.is_empty());
    alone
}

/// A row for recordings of one kind: mean and deviation over these answers, each those of one fold.
pub fn fold_row(clips: &str, model: &str, answers: &[Predictions]) -> String {
    let moods: Vec<Predictions> = answers.iter().map(in_weighted_moods).collect();
    let ((uar, accuracy), (mood_uar, mood_accuracy)) = (scores(answers), scores(&moods));
    format!("| {clips} | {model} | {uar} | {accuracy} | {mood_uar} | {mood_accuracy} |")
}

/// The head of the table whose rows [`corpus_rows`] writes.
pub const CORPORA: &str =
    "| corpus | clips | heads | UAR, 4 moods | accuracy |\n| --- | --- | --- | --- | --- |";

/// Rows for a corpus that was left out, as those of [`fold_rows`].
///
/// # Errors
/// As [`Heads::mean`].
pub fn corpus_rows(corpus: &str, heads: &Heads<Predictions>) -> anyhow::Result<String> {
    let mean = heads.mean()?;
    let row = |(name, answers): (&str, &[Predictions])| {
        let moods: Vec<Predictions> = answers.iter().map(in_weighted_moods).collect();
        let (uar, accuracy) = scores(&moods);
        format!("| {corpus} | {} | {name} | {uar} | {accuracy} |", mean.clips.len())
    };
    let alone = alone(std::slice::from_ref(heads));
    let together = ("together", std::slice::from_ref(&mean));
    let rows = alone.iter().map(|(name, answers)| (*name, &answers[..])).chain([together]);
    Ok(rows.map(row).collect::<Vec<_>>().join("\n"))
}

/// The recalls of emotions, and of moods.
pub fn recalls(answers: &Predictions) -> String {
    let line = |of: &Predictions| {
        let confusion = of.confusion();
        let recalls = of.labels.iter().enumerate().filter(|(class, _)| of.truth.contains(class));
        let recalls: Vec<String> =
            recalls.map(|(class, label)| format!("{label} {:.2}", confusion.recall(class))).collect();
        format!("recalls: {}", recalls.join(", "))
    };
    format!("{}\n{}", line(answers), line(&in_weighted_moods(answers)))
}

/// UAR and accuracy, mean and deviation.
fn scores(answers: &[Predictions]) -> (String, String) {
    let of = |score: fn(&ConfusionMatrix) -> f64| {
        spread(&answers.iter().map(|p| score(&p.confusion())).collect::<Vec<_>>())
    };
    (of(ConfusionMatrix::uar), of(ConfusionMatrix::accuracy))
}

/// Mean and deviation in per cent.
fn spread(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
    format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * deviation)
}
