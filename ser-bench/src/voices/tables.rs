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
    let mut all = folds.first().context("answers: folds must be 1 or more, got 0")?.clone();
    for fold in &folds[1..] {
        all.clips.extend_from_slice(&fold.clips);
        all.truth.extend_from_slice(&fold.truth);
        all.probabilities.append(ndarray::Axis(0), fold.probabilities.view())?;
    }
    Ok(all)
}

/// Header of the table whose rows [`fold_rows`] writes.
pub const FOLDS: &str = "| clips | heads | 8 emotions: accuracy | UAR | macro-F1 | 4 moods: accuracy | UAR | macro-F1 |\n\
                         | --- | --- | --- | --- | --- | --- | --- | --- |";

/// Rows for recordings of one kind: of each fold's trained heads alone, of the discriminant, of one trained head with it, and of the mean of
/// all probabilities.
///
/// # Errors
/// As [`Heads::mean`].
pub fn fold_rows(clips: &str, folds: &[Heads<Predictions>]) -> anyhow::Result<String> {
    let rows = parts(folds)?;
    Ok(rows.iter().map(|(heads, answers)| fold_row(clips, heads, answers)).collect::<Vec<_>>().join("\n"))
}

/// The answers of each trained head, of the discriminants, of each trained head with the discriminant, and of all together. A combination
/// that is missing, or the only one, is left out.
fn parts(folds: &[Heads<Predictions>]) -> anyhow::Result<Vec<(&'static str, Vec<Predictions>)>> {
    let means = |heads: &[Heads<Predictions>]| heads.iter().map(Heads::mean).collect::<anyhow::Result<_>>();
    let trained = folds.iter().flat_map(|heads| &heads.trained).cloned().collect();
    let discriminants: Vec<Predictions> =
        folds.iter().filter_map(|heads| heads.discriminant.clone()).collect();
    let pairs: Vec<Heads<Predictions>> = match discriminants.is_empty() {
        true => Vec::new(),
        false => folds.iter().flat_map(Heads::one_by_one).collect(),
    };
    let pairs = if pairs.len() == folds.len() { Vec::new() } else { pairs };
    let mut parts = vec![
        ("one trained", trained),
        ("discriminant", discriminants),
        ("one trained, discriminant", means(&pairs)?),
        ("together", means(folds)?),
    ];
    parts.retain(|(_, answers)| !answers.is_empty());
    Ok(parts)
}

/// A row for recordings of one kind: mean and deviation over these answers, each those of one fold.
pub fn fold_row(clips: &str, model: &str, answers: &[Predictions]) -> String {
    let moods: Vec<Predictions> = answers.iter().map(in_weighted_moods).collect();
    format!("| {clips} | {model} | {} | {} |", scores(answers), scores(&moods))
}

/// Header of the table whose rows [`corpus_rows`] writes.
pub const CORPORA: &str =
    "| corpus | clips | heads | 4 moods: accuracy | UAR | macro-F1 |\n| --- | --- | --- | --- | --- | --- |";

/// Rows for a corpus that was left out, as those of [`fold_rows`]: mean and deviation over seeds.
///
/// # Errors
/// As [`Heads::mean`].
pub fn corpus_rows(corpus: &str, heads: &Heads<Predictions>) -> anyhow::Result<String> {
    let row = |(name, answers): &(&str, Vec<Predictions>)| {
        let moods: Vec<Predictions> = answers.iter().map(in_weighted_moods).collect();
        let clips = answers.first().map_or(0, |answers| answers.clips.len());
        format!("| {corpus} | {clips} | {name} | {} |", scores(&moods))
    };
    Ok(parts(std::slice::from_ref(heads))?.iter().map(row).collect::<Vec<_>>().join("\n"))
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

/// Accuracy, UAR and macro-F1 as cells of a table: mean and deviation in per cent.
pub(super) fn scores(answers: &[Predictions]) -> String {
    let confusions: Vec<ConfusionMatrix> = answers.iter().map(Predictions::confusion).collect();
    let of = |score: fn(&ConfusionMatrix) -> f64| spread(&confusions.iter().map(score).collect::<Vec<_>>());
    [ConfusionMatrix::accuracy, ConfusionMatrix::uar, ConfusionMatrix::macro_f1].map(of).join(" | ")
}

/// Mean and standard deviation in per cent; a single value has no deviation.
fn spread(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    match values {
        [_] => format!("{:.1}", 100.0 * mean),
        _ => format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * deviation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_of_two_values_or_more() {
        assert_eq!(spread(&[0.5]), "50.0");
        assert_eq!(spread(&[0.5, 0.6]), "55.0 ± 7.1");
    }
}
