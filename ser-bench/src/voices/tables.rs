//! Figures of heads as tables.

use anyhow::Context;
use ser_models::ConfusionMatrix;

use super::in_weighted_moods;
use crate::experiments::Predictions;

/// The mean of heads that answered for the same clips.
///
/// # Errors
/// If they answered for others.
pub fn mean_of(heads: &[Predictions]) -> anyhow::Result<Predictions> {
    Predictions::mean(&heads.iter().map(|head| (head, 1)).collect::<Vec<_>>())
}

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

/// Two rows for recordings of one kind: of each fold's heads alone, and of the mean of their probabilities.
///
/// # Errors
/// As [`mean_of`].
pub fn fold_rows(clips: &str, folds: &[Vec<Predictions>]) -> anyhow::Result<String> {
    let single: Vec<Predictions> = folds.iter().flatten().cloned().collect();
    let means = folds.iter().map(|heads| mean_of(heads)).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(format!("{}\n{}", fold_row(clips, "one", &single), fold_row(clips, "mean of seeds", &means)))
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

/// Two rows for a corpus that was left out.
///
/// # Errors
/// As [`mean_of`].
pub fn corpus_rows(corpus: &str, heads: &[Predictions]) -> anyhow::Result<String> {
    let mean = mean_of(heads)?;
    let row = |name: &str, answers: &[Predictions]| {
        let moods: Vec<Predictions> = answers.iter().map(in_weighted_moods).collect();
        let (uar, accuracy) = scores(&moods);
        format!("| {corpus} | {} | {name} | {uar} | {accuracy} |", mean.clips.len())
    };
    Ok(format!("{}\n{}", row("one", heads), row("mean of seeds", std::slice::from_ref(&mean))))
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
