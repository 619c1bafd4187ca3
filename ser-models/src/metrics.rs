//! Metrics of a classifier.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The largest allowed sum of a matrix's counts: up to it all sums are exact in `f64`.
const MAX_TOTAL: u64 = 1 << 53;

/// The counts of predicted classes for each true class, and the metrics that follow from them.
///
/// Definitions are scikit-learn's with `zero_division=0`: a ratio with a denominator of 0 is 0.
///
/// ```
/// use ser_models::ConfusionMatrix;
///
/// let mut matrix = ConfusionMatrix::new(["Calm", "Happy"]);
/// for (truth, predicted) in [(0, 0), (0, 0), (0, 1), (1, 1)] {
///     matrix.add(truth, predicted);
/// }
/// assert_eq!(matrix.accuracy(), 0.75);
/// assert_eq!(matrix.recall(0), 2.0 / 3.0);
/// assert_eq!(matrix.precision(1), 0.5);
/// assert_eq!(matrix.uar(), (2.0 / 3.0 + 1.0) / 2.0);
/// println!("{matrix}");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct ConfusionMatrix {
    labels: Vec<String>,
    /// Rows are true classes, columns are predicted classes.
    counts: Vec<Vec<u64>>,
}

/// The result of evaluating a model on a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The mean cross-entropy (natural logarithm) without label smoothing and class weights, at most 87.4 a clip. From
    /// [`Classifier::evaluate`](crate::Classifier::evaluate) it is that of the probabilities after the [`Readout`](crate::Readout).
    pub loss: f64,
    /// The counts of predicted classes for each true class.
    pub confusion: ConfusionMatrix,
}

/// The fields of a matrix, before its counts are checked.
#[derive(Deserialize)]
struct Fields {
    labels: Vec<String>,
    counts: Vec<Vec<u64>>,
}

impl TryFrom<Fields> for ConfusionMatrix {
    type Error = String;

    fn try_from(Fields { labels, counts }: Fields) -> Result<Self, String> {
        let n = labels.len();
        if counts.len() != n || counts.iter().any(|row| row.len() != n) {
            return Err(format!("a confusion matrix of {n} labels must have {n} rows of {n} counts"));
        }
        let total = counts.iter().flatten().fold(0, |total: u64, count| total.saturating_add(*count));
        if total > MAX_TOTAL {
            return Err(format!("counts must sum to at most {MAX_TOTAL}, got {total}"));
        }
        Ok(Self { labels, counts })
    }
}

impl ConfusionMatrix {
    /// Makes an empty matrix for these classes.
    pub fn new(labels: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let labels: Vec<String> = labels.into_iter().map(Into::into).collect();
        let counts = vec![vec![0; labels.len()]; labels.len()];
        Self { labels, counts }
    }

    /// Counts one prediction: the true class, and the predicted one.
    ///
    /// # Panics
    /// If a class is not below the number of labels.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        self.counts[truth][predicted] += 1;
    }

    /// The names of the classes.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Number of examples of class `truth` that were predicted as class `predicted`.
    ///
    /// # Panics
    /// If a class is not below the number of labels.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth][predicted]
    }

    /// Number of predictions.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Accuracy: the share of correct predictions (weighted average recall, WAR).
    pub fn accuracy(&self) -> f64 {
        ratio((0..self.labels.len()).map(|c| self.counts[c][c]).sum(), self.total())
    }

    /// Recall: the share of a class's examples that were predicted correctly.
    ///
    /// # Panics
    /// If the class is not below the number of labels.
    pub fn recall(&self, class: usize) -> f64 {
        ratio(self.counts[class][class], self.examples(class))
    }

    /// Precision: the share of correct predictions among those of a class.
    ///
    /// # Panics
    /// If the class is not below the number of labels.
    pub fn precision(&self, class: usize) -> f64 {
        ratio(self.counts[class][class], self.answers(class))
    }

    /// F1: the harmonic mean of precision and recall.
    ///
    /// # Panics
    /// If the class is not below the number of labels.
    pub fn f1(&self, class: usize) -> f64 {
        ratio(2 * self.counts[class][class], self.examples(class) + self.answers(class))
    }

    /// Unweighted average recall: the mean over the classes that have examples.
    pub fn uar(&self) -> f64 {
        mean((0..self.labels.len()).filter(|c| self.examples(*c) > 0).map(|c| self.recall(c)))
    }

    /// The mean F1 over the classes that have examples or predictions.
    pub fn macro_f1(&self) -> f64 {
        let present = |c: &usize| self.examples(*c) + self.answers(*c) > 0;
        mean((0..self.labels.len()).filter(present).map(|c| self.f1(c)))
    }

    fn examples(&self, class: usize) -> u64 {
        self.counts[class].iter().sum()
    }

    fn answers(&self, class: usize) -> u64 {
        self.counts.iter().map(|row| row[class]).sum()
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0u32), |(sum, n), v| (sum + v, n + 1));
    if n == 0 { 0.0 } else { sum / f64::from(n) }
}

/// Writes a table: a row for each true class with its counts, recall, precision and F1, and a line with the averages.
impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.labels.iter().map(|l| l.chars().count()).max().unwrap_or(0).max(6);
        let first = width.max("true \\ predicted".len());
        write!(f, "{:<first$}", "true \\ predicted")?;
        for label in &self.labels {
            write!(f, "  {label:>width$}")?;
        }
        writeln!(f, "  {:>7}  {:>9}  {:>7}", "recall", "precision", "F1")?;
        for (class, label) in self.labels.iter().enumerate() {
            write!(f, "{label:<first$}")?;
            for count in &self.counts[class] {
                write!(f, "  {count:>width$}")?;
            }
            let [recall, precision, f1] =
                [self.recall(class), self.precision(class), self.f1(class)].map(|v| 100.0 * v);
            writeln!(f, "  {recall:>6.1}%  {precision:>8.1}%  {f1:>6.1}%")?;
        }
        let [accuracy, uar, f1] = [self.accuracy(), self.uar(), self.macro_f1()].map(|v| 100.0 * v);
        write!(f, "accuracy {accuracy:.1}%, UAR {uar:.1}%, macro-F1 {f1:.1}% of {} clips", self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn's figures for the same predictions:
    /// ```python
    /// t, p = [0]*5 + [1]*3 + [2]*2, [0, 0, 0, 1, 2, 1, 1, 0, 0, 0]
    /// balanced_accuracy_score(t, p), f1_score(t, p, average="macro"), precision_score(t, p, average=None, zero_division=0)
    /// # 0.4222…, 0.4070…, [0.5, 0.6667, 0.0]
    /// ```
    #[test]
    fn figures_are_those_of_scikit_learn() {
        let mut matrix = ConfusionMatrix::new(["a", "b", "c"]);
        let truth = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2];
        for (truth, predicted) in truth.into_iter().zip([0, 0, 0, 1, 2, 1, 1, 0, 0, 0]) {
            matrix.add(truth, predicted);
        }
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(matrix.accuracy(), 0.5);
        close(matrix.uar(), (0.6 + 2.0 / 3.0 + 0.0) / 3.0);
        close(matrix.macro_f1(), (6.0 / 11.0 + 2.0 / 3.0 + 0.0) / 3.0);
        close(matrix.precision(0), 0.5);
        close(matrix.precision(1), 2.0 / 3.0);
        assert_eq!(matrix.precision(2), 0.0);
        assert!(matrix.to_string().ends_with("accuracy 50.0%, UAR 42.2%, macro-F1 40.4% of 10 clips"));
    }

    #[test]
    fn json_that_is_not_square_or_sums_to_too_much_is_refused() {
        let matrix = ConfusionMatrix::new(["a", "b"]);
        let json = serde_json::to_string(&matrix).unwrap();
        assert_eq!(serde_json::from_str::<ConfusionMatrix>(&json).unwrap(), matrix);
        assert!(serde_json::from_str::<ConfusionMatrix>(&json.replace("[0,0]", "[0]")).is_err());
        let counts = |counts: &str| json.replacen("[0,0]", counts, 1);
        for huge in ["[18446744073709551615,1]", "[9007199254740992,1]"] {
            let error = serde_json::from_str::<ConfusionMatrix>(&counts(huge)).unwrap_err().to_string();
            assert!(error.starts_with("counts must sum to at most 9007199254740992, got "), "{error}");
        }
        let most: ConfusionMatrix = serde_json::from_str(&counts("[9007199254740992,0]")).unwrap();
        assert_eq!((most.total(), most.f1(0)), (1 << 53, 1.0));
    }

    #[test]
    fn classes_without_examples_count_for_nothing_and_nothing_gives_zero() {
        let mut matrix = ConfusionMatrix::new(["a", "b", "c"]);
        assert_eq!((matrix.accuracy(), matrix.uar(), matrix.macro_f1()), (0.0, 0.0, 0.0));
        matrix.add(0, 0);
        assert_eq!((matrix.accuracy(), matrix.uar(), matrix.macro_f1()), (1.0, 1.0, 1.0));
    }
}
