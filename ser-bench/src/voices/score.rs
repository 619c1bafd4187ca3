//! Tables of what models reached.

use ser_models::ConfusionMatrix;

use super::in_weighted_moods;
use crate::experiments::Predictions;

/// The head of a table of [`score_row`]s.
pub const SCORE_HEADER: &str = "| clips | model | UAR, 8 emotions | accuracy | UAR, 4 moods | accuracy |\n\
                                | --- | --- | --- | --- | --- | --- |";

/// How well emotions, and moods put together of them, were told in one kind of recordings: mean and deviation over the models that
/// answered.
pub fn score_row(clips: &str, model: &str, answers: &[Predictions]) -> String {
    let moods: Vec<Predictions> = answers.iter().map(in_weighted_moods).collect();
    let ((uar, accuracy), (mood_uar, mood_accuracy)) = (scores(answers), scores(&moods));
    format!("| {clips} | {model} | {uar} | {accuracy} | {mood_uar} | {mood_accuracy} |")
}

/// The recall of each emotion and of each mood, a line for each kind.
pub fn recalls(answers: &Predictions) -> String {
    let line = |of: &Predictions| {
        let confusion = of.confusion();
        let heard = of.labels.iter().enumerate().filter(|(class, _)| of.truth.contains(class));
        let recalls: Vec<String> =
            heard.map(|(class, label)| format!("{label} {:.2}", confusion.recall(class))).collect();
        format!("recalls: {}", recalls.join(", "))
    };
    [line(answers), line(&in_weighted_moods(answers))].join("\n")
}

/// UAR and accuracy in percent: mean and deviation over models.
pub fn scores(answers: &[Predictions]) -> (String, String) {
    let of = |score: fn(&ConfusionMatrix) -> f64| {
        spread(&answers.iter().map(|p| score(&p.confusion())).collect::<Vec<_>>())
    };
    (of(ConfusionMatrix::uar), of(ConfusionMatrix::accuracy))
}

/// Mean and deviation.
fn spread(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
    format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * deviation)
}
