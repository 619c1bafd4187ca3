//! From emotions to moods.

use anyhow::Context;
use ndarray::Axis;
use ser_data::LabelSet;
use ser_models::Readout;

use crate::experiments::{Predictions, fit_temperature, sure_at, sure_from, with_temperature};

/// Mapping of a head's emotions to moods with a confidence threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct MoodReadout {
    /// The readout for the checkpoint.
    pub readout: Readout,
    /// The share of confident answers.
    pub sure: f64,
    /// The accuracy of the confident answers.
    pub right: f64,
}

/// Weight of each emotion in the sums of moods. A head that learnt from as many clips of each emotion would answer Calm, which
/// two emotions make, and Energetic, which three make, too often, and Happy, which one makes, too seldom. Chosen on RAVDESS's
/// validation actors and on corpora that were left out of the training, together (EXPERIMENTS.md).
fn weight(emotion: &str) -> f64 {
    match emotion {
        "happy" => 1.0,
        "sad" | "angry" => 0.7,
        _ => 0.5,
    }
}

/// The mood and the weight of each label.
fn weights(labels: &[String]) -> Option<(Vec<String>, Vec<f64>)> {
    let classes = LabelSet::moods_of_emotions(labels)?;
    Some((classes, labels.iter().map(|label| weight(label)).collect()))
}

/// The emotions of answers put together as moods, each counted by its weight. Other classes stay as they are.
pub fn in_weighted_moods(predictions: &Predictions) -> Predictions {
    let Some((_, weights)) = weights(&predictions.labels) else { return predictions.clone() };
    let mut weighted = predictions.clone();
    for mut row in weighted.probabilities.axis_iter_mut(Axis(0)) {
        row.iter_mut().zip(&weights).for_each(|(p, weight)| *p *= *weight as f32);
        let sum = row.sum();
        row.mapv_inplace(|p| p / sum);
    }
    weighted.in_moods()
}

/// Whether an emotion is its mood in the narrow sense: the four that corpora share. Studies that compare corpora measure these.
pub fn tells_moods_apart(emotion: &str) -> bool {
    matches!(emotion, "neutral" | "happy" | "sad" | "angry")
}

impl MoodReadout {
    /// Fits the temperature to these answers, then the confidence threshold: the smallest probability from which a share of `right` of the
    /// confident answers is correct.
    ///
    /// # Errors
    /// If the classes are not the emotions.
    pub fn fit(predictions: &Predictions, right: f64) -> anyhow::Result<Self> {
        let (classes, label_weights) = weights(&predictions.labels)
            .with_context(|| format!("answers: labels must be emotions, got {:?}", predictions.labels))?;
        let temperature = fit_temperature(predictions, |answers| in_weighted_moods(&answers));
        // Rounded, so that the file has a short number.
        let temperature = (temperature * 100.0).round() / 100.0;
        let moods = in_weighted_moods(&with_temperature(predictions, temperature));
        let sure = sure_from([&moods], right);
        let readout = Readout { temperature, classes, label_weights, confidence: sure.confidence };
        Ok(Self { readout, sure: sure.share, right: sure.right })
    }

    /// Applies a readout that was fitted to other answers.
    pub fn of(readout: &Readout, predictions: &Predictions) -> Self {
        let moods = in_weighted_moods(&with_temperature(predictions, readout.temperature));
        let sure = sure_at(&[&moods], readout.confidence);
        Self { readout: readout.clone(), sure: sure.share, right: sure.right }
    }
}

impl std::fmt::Display for MoodReadout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Readout { temperature, confidence, .. } = &self.readout;
        let [sure, right] = [self.sure, self.right].map(|share| 100.0 * share);
        write!(
            f,
            "temperature {temperature:.2}; sure from {confidence:.2} on: {sure:.0} % of the answers, {right:.1} % of them right"
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ndarray::{Array2, arr1};

    use super::*;

    fn labels() -> Vec<String> {
        LabelSet::Emotions.names()
    }

    #[test]
    fn emotions_count_by_their_weights() {
        let mut probabilities = Array2::from_elem((1, 8), 0.0);
        // As likely: one of the two emotions of Calm, and the one of Happy.
        probabilities[[0, 1]] = 0.5;
        probabilities[[0, 2]] = 0.5;
        let answers =
            Predictions { labels: labels(), clips: vec!["a".to_owned()], truth: vec![2], probabilities };
        let moods = in_weighted_moods(&answers);
        assert_eq!(moods.labels, ["Calm", "Happy", "Sad", "Energetic"]);
        let of_moods: Vec<f32> = moods.probabilities.row(0).to_vec();
        assert!((of_moods[0] - 1.0 / 3.0).abs() < 1e-6 && (of_moods[1] - 2.0 / 3.0).abs() < 1e-6);
        assert_eq!(moods.truth, [1]);
    }

    /// A hundred answers, the surer the more often right.
    fn answers() -> Predictions {
        let [happy, sad] =
            ["happy", "sad"].map(|name| labels().iter().position(|label| label == name).unwrap());
        let mut probabilities = Array2::from_elem((100, 8), 1e-4);
        let mut truth = Vec::new();
        for at in 0..100 {
            let p = 0.5 + at as f32 / 210.0;
            probabilities[[at, happy]] = p;
            probabilities[[at, sad]] = 1.0 - p;
            truth.push(if at % 10 < at / 10 || at > 60 { happy } else { sad });
        }
        let clips = (0..100).map(|at| at.to_string()).collect();
        Predictions { labels: labels(), clips, truth, probabilities }
    }

    #[test]
    fn sure_answers_are_right_as_often_as_they_must_be() {
        let fitted = MoodReadout::fit(&answers(), 0.9).unwrap();
        assert!(fitted.right >= 0.9 && fitted.sure > 0.3, "{fitted:?}");
        let most = MoodReadout::fit(&answers(), 0.5).unwrap();
        assert!(most.sure > fitted.sure && most.readout.confidence < fitted.readout.confidence);
        let error = MoodReadout::fit(&answers().in_moods(), 0.9).unwrap_err().to_string();
        assert!(error.starts_with("answers: labels must be emotions, got [\"Calm\", "), "{error}");
    }

    #[test]
    fn a_readout_means_of_other_answers_what_its_temperature_and_its_confidence_say() {
        let fitted = MoodReadout::fit(&answers(), 0.9).unwrap();
        assert_eq!(MoodReadout::of(&fitted.readout, &answers()), fitted);
        // Happy has a probability of 0.56 in each of these answers, of which a temperature of 2 leaves 0.37. A quarter of them is right.
        let emotions = arr1(&[0.1, 0.1, 0.42, 0.1, 0.1, 0.1, 0.04, 0.04]);
        let other = Predictions {
            probabilities: Array2::from_shape_fn((100, 8), |(_, label)| emotions[label]),
            truth: (0..100).map(|at| if at < 25 { 2 } else { 3 }).collect(),
            ..answers()
        };
        let of = |temperature, confidence| {
            let readout = Readout { temperature, confidence, ..fitted.readout.clone() };
            let MoodReadout { sure, right, readout: kept } = MoodReadout::of(&readout, &other);
            assert_eq!(kept, readout);
            (sure, right)
        };
        assert_eq!(of(1.0, 0.5), (1.0, 0.25));
        assert_eq!(of(1.0, 0.7), (0.0, 0.0));
        assert_eq!(of(2.0, 0.5), (0.0, 0.0));
        assert_eq!(of(2.0, 0.2), (1.0, 0.25));
    }
}
