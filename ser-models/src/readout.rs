//! Conversion of a network's logits to probabilities.

use crate::json::is_default;
use crate::layers::LayerError;
use crate::layers::softmax;
use crate::setting::{Checked, Settings};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Settings of the probabilities of an answer: logits are divided by a temperature, and labels are merged into classes. The default
/// does neither.
///
/// ```
/// use ser_models::Readout;
///
/// let labels = ["neutral", "calm", "angry"].map(String::from);
/// let moods = ["Calm", "Calm", "Energetic"].map(String::from).to_vec();
/// let readout = Readout { classes: moods, ..Readout::default() };
/// assert_eq!(readout.names(&labels), ["Calm", "Energetic"]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Readout {
    /// The divisor of the logits before the softmax, 0.01 to 100 ([`Readout::TEMPERATURES`]). Above 1, the probabilities are less extreme
    /// (temperature scaling; Guo et al., *On Calibration of Modern Neural Networks*, 2017). The most probable label stays the same; the
    /// most probable class may change if labels are merged.
    pub temperature: f64,
    /// For each of the network's labels the class to which its probability is added; empty if every label is its own class.
    pub classes: Vec<String>,
    /// A factor for each label's probability, 10⁻³⁰ to 10³⁰, applied before labels are merged; empty for equal factors. The probabilities
    /// of the answer are then scaled to sum to 1. A network trained on equally many clips of each label expects all labels equally often,
    /// so it would answer a class of two labels twice as often as a class of one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub label_weights: Vec<f64>,
    /// The probability of the most probable class, 0 to 1, from which an answer is confident. With 0, the default, every answer is.
    #[serde(skip_serializing_if = "is_default")]
    pub confidence: f64,
}

/// The valid weights of labels: in `f32` every product with a probability is finite, and their sum is positive.
const LABEL_WEIGHTS: RangeInclusive<f64> = 1e-30..=1e30;

impl Default for Readout {
    fn default() -> Self {
        Self { temperature: 1.0, classes: Vec::new(), label_weights: Vec::new(), confidence: 0.0 }
    }
}

impl Readout {
    /// The valid temperatures.
    pub const TEMPERATURES: RangeInclusive<f64> = 0.01..=100.0;

    /// Returns the classes of the answer for a network with these labels, in order of first appearance.
    pub fn names(&self, labels: &[String]) -> Vec<String> {
        let mut names = Vec::new();
        for class in if self.classes.is_empty() { labels } else { &self.classes } {
            if !names.contains(class) {
                names.push(class.clone());
            }
        }
        names
    }

    /// Checks the settings for a network with these labels.
    pub(crate) fn check(&self, labels: &[String]) -> Checked {
        let Self { temperature, classes, label_weights, confidence } = self;
        let of = Settings("readout");
        of.require(Self::TEMPERATURES.contains(temperature), "temperature", "0.01 to 100", temperature)?;
        of.require((0.0..=1.0).contains(confidence), "confidence", "0 to 1", confidence)?;
        for (setting, count) in [("classes", classes.len()), ("label_weights", label_weights.len())] {
            let holds = count == 0 || count == labels.len();
            of.require(holds, setting, format!("none, or as many as labels, {}", labels.len()), count)?;
        }
        match label_weights.iter().find(|weight| !LABEL_WEIGHTS.contains(*weight)) {
            Some(weight) => Err(of.error("label_weights", "1e-30 to 1e30", format!("{weight:?}"))),
            None => Ok(()),
        }
    }

    /// Returns probabilities [batch, classes] of logits [batch, labels], in row-major order.
    pub(crate) fn probabilities(&self, logits: &Tensor, labels: &[String]) -> Result<Vec<f32>, LayerError> {
        let logits = if self.temperature == 1.0 { logits.clone() } else { (logits / self.temperature)? };
        let mut rows = softmax(&logits)?.to_vec2::<f32>()?;
        if !self.label_weights.is_empty() {
            for row in &mut rows {
                row.iter_mut().zip(&self.label_weights).for_each(|(p, weight)| *p *= *weight as f32);
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|p| *p /= sum);
            }
        }
        if self.classes.is_empty() {
            return Ok(rows.concat());
        }
        let names = self.names(labels);
        let mut sums = Vec::with_capacity(rows.len() * names.len());
        for row in rows {
            for name in &names {
                let of_class = row.iter().zip(&self.classes).filter(|(_, class)| *class == name);
                sums.push(of_class.map(|(p, _)| p).sum());
            }
        }
        Ok(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn labels() -> Vec<String> {
        ["a", "b", "c"].map(String::from).to_vec()
    }

    fn answer(readout: &Readout) -> Vec<f32> {
        let logits = Tensor::new(&[[0.0f32, 1.0, 2.0], [3.0, 3.0, 3.0]], &Device::Cpu).unwrap();
        readout.probabilities(&logits, &labels()).unwrap()
    }

    #[test]
    fn classes_are_sums_and_a_temperature_softens() {
        let plain = answer(&Readout::default());
        assert_eq!(plain.len(), 6);
        let odds = |p: &[f32]| p[2] / p[0];
        assert!((odds(&plain) - 2f32.exp()).abs() < 1e-4);
        let soft = answer(&Readout { temperature: 2.0, ..Default::default() });
        assert!((odds(&soft) - 1f32.exp()).abs() < 1e-5);
        let classes = ["z", "y", "z"].map(String::from).to_vec();
        let summed = Readout { classes, ..Default::default() };
        assert_eq!(summed.names(&labels()), ["z", "y"]);
        let answer = answer(&summed);
        assert_eq!(answer[..2], [plain[0] + plain[2], plain[1]]);
        assert!((answer[2] - 2.0 / 3.0).abs() < 1e-6 && (answer[3] - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn labels_count_by_their_weights() {
        let classes = ["z", "y", "z"].map(String::from).to_vec();
        let halved = Readout { classes, label_weights: vec![0.5, 1.0, 0.5], ..Default::default() };
        let equal = &answer(&halved)[2..];
        assert!((equal[0] - 0.5).abs() < 1e-6 && (equal[1] - 0.5).abs() < 1e-6, "{equal:?}");
        let weighted = |label_weights| Readout { label_weights, ..Default::default() };
        for (weight, given) in
            [(0.0, "0.0"), (-1.0, "-1.0"), (1e-60, "1e-60"), (1e300, "1e300"), (f64::NAN, "NaN")]
        {
            let error = weighted(vec![1.0, weight, 1.0]).check(&labels()).unwrap_err().to_string();
            assert_eq!(error, format!("readout: label_weights must be 1e-30 to 1e30, got {given}"));
        }
        // With extreme weights, probabilities remain valid, even those of a nearly impossible label.
        for edges in [[1e-30; 3], [1e30; 3], [1e30, 1e-30, 1e30], [1e-30, 1e30, 1e-30]] {
            let edges = Readout { temperature: 0.01, ..weighted(edges.to_vec()) };
            assert_eq!(edges.check(&labels()), Ok(()));
            let sure = Tensor::new(&[[0.0f32, 90.0, 0.0]], &Device::Cpu).unwrap();
            let answers = [answer(&edges), edges.probabilities(&sure, &labels()).unwrap()].concat();
            for row in answers.chunks(3) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
            }
        }
        let few = Readout { label_weights: vec![1.0], ..Default::default() };
        let error = few.check(&labels()).unwrap_err().to_string();
        assert_eq!(error, "readout: label_weights must be none, or as many as labels, 3, got 1");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = |readout: Readout| readout.check(&labels()).unwrap_err().to_string();
        for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let expected = format!("readout: temperature must be 0.01 to 100, got {temperature}");
            assert_eq!(error(Readout { temperature, ..Default::default() }), expected);
        }
        assert_eq!(
            error(Readout { classes: labels()[1..].to_vec(), ..Default::default() }),
            "readout: classes must be none, or as many as labels, 3, got 2"
        );
        assert_eq!(Readout::default().check(&labels()), Ok(()));
    }
}
