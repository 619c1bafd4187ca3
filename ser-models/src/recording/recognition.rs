//! A recognised mood.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// The recognised mood of a recording or of a part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recognition {
    /// The most probable class.
    pub label: String,
    /// The probability of each class, in the checkpoint's order. There is at least one class; the probabilities sum to 1.
    #[serde(deserialize_with = "probabilities")]
    pub probabilities: Vec<(String, f32)>,
    /// Whether the probability of the most probable class is at least the checkpoint's [`Readout::confidence`](crate::Readout::confidence).
    pub confident: bool,
}

/// Rejects an empty list and probabilities that are infinite in `f32`, because JSON cannot represent infinity.
fn probabilities<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, f32)>, D::Error> {
    let probabilities = Vec::<(String, f32)>::deserialize(deserializer)?;
    if probabilities.is_empty() {
        return Err(D::Error::custom("the probabilities must be of 1 or more classes, got 0"));
    }
    match probabilities.iter().find(|(_, probability)| !probability.is_finite()) {
        Some((class, given)) => {
            Err(D::Error::custom(format!("the probability of {class:?} must be finite, got {given}")))
        }
        None => Ok(probabilities),
    }
}

impl Recognition {
    /// Makes a recognition of at least one class. It is confident if the largest probability is at least `confidence`.
    pub(crate) fn new(probabilities: Vec<(String, f32)>, confidence: f64) -> Self {
        let best = probabilities.iter().fold(&probabilities[0], |a, b| if b.1 > a.1 { b } else { a });
        let (label, confident) = (best.0.clone(), f64::from(best.1) >= confidence);
        Self { label, probabilities, confident }
    }

    /// Returns the weighted mean of answers with the same classes, or `None` if no weight is above 0. The mean of a single answer is that
    /// answer, bit for bit.
    pub(crate) fn mean<'a>(
        answers: impl IntoIterator<Item = (f64, &'a Self)>,
        confidence: f64,
    ) -> Option<Self> {
        let answers: Vec<_> = answers.into_iter().filter(|(weight, _)| *weight > 0.0).collect();
        if let [(_, single)] = answers[..] {
            return Some(single.clone());
        }
        let (_, first) = answers.first()?;
        let total: f64 = answers.iter().map(|(weight, _)| weight).sum();
        let probabilities = first.probabilities.iter().enumerate().map(|(class, (label, _))| {
            let sum: f64 =
                answers.iter().map(|(weight, a)| weight * f64::from(a.probabilities[class].1)).sum();
            (label.clone(), (sum / total) as f32)
        });
        Some(Self::new(probabilities.collect(), confidence))
    }

    /// The two most probable classes with their probabilities, the most probable first; the second is `None` where there is one class.
    ///
    /// # Panics
    ///
    /// If [`Recognition::probabilities`] is empty.
    pub fn likeliest(&self) -> (&(String, f32), Option<&(String, f32)>) {
        let mut order: Vec<&(String, f32)> = self.probabilities.iter().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        (order[0], order.get(1).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(calm: f32) -> Recognition {
        Recognition::new(vec![("Calm".to_owned(), calm), ("Sad".to_owned(), 1.0 - calm)], 0.7)
    }

    #[test]
    fn no_probability_and_one_that_f32_cannot_hold_are_refused() {
        let json = serde_json::to_string(&answer(0.5)).unwrap();
        assert_eq!(serde_json::from_str::<Recognition>(&json).unwrap(), answer(0.5));
        let huge: serde_json::Value = serde_json::from_str(&json.replacen("0.5", "1e300", 1)).unwrap();
        let error = serde_json::from_value::<Recognition>(huge).unwrap_err();
        assert!(error.to_string().contains("the probability of \"Calm\" must be finite, got inf"), "{error}");
        let none = r#"{"label":"Calm","probabilities":[],"confident":true}"#;
        let error = serde_json::from_str::<Recognition>(none).unwrap_err().to_string();
        assert!(error.contains("the probabilities must be of 1 or more classes, got 0"), "{error}");
    }

    #[test]
    fn an_answer_is_sure_from_the_threshold_on() {
        assert!(answer(0.75).confident && answer(0.25).confident && !answer(0.6).confident);
        assert_eq!(answer(0.25).label, "Sad");
        let (first, second) = (answer(0.25).likeliest().0.clone(), answer(0.25).likeliest().1.cloned());
        assert_eq!((first.0.as_str(), second.unwrap().0.as_str()), ("Sad", "Calm"));
    }

    #[test]
    fn means_are_weighted() {
        let mean = Recognition::mean([(1.0, &answer(0.0)), (3.0, &answer(1.0)), (0.0, &answer(0.5))], 0.7);
        assert_eq!(mean.unwrap(), answer(0.75));
        assert_eq!(Recognition::mean([(2.0, &answer(0.3))], 0.7).unwrap(), answer(0.3));
        assert_eq!(Recognition::mean([(0.0, &answer(0.3))], 0.7), None);
        assert_eq!(Recognition::mean([], 0.7), None);
    }
}
