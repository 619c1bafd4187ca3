//! Answers of models for their test clips, in CSV files.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, ensure};
use mood_recommender::{mark_formula, unmark_formula};
use ndarray::Array2;
use ser_data::LabelSet;
use ser_examples::output;
use ser_models::ConfusionMatrix;

/// The answers to some clips.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// The classes.
    pub labels: Vec<String>,
    /// The id of each clip.
    pub clips: Vec<String>,
    /// The true class of each.
    pub truth: Vec<usize>,
    /// The probability of each class, [clips, classes].
    pub probabilities: Array2<f32>,
}

impl Predictions {
    /// The most probable class of each clip, the first of equals, and its probability.
    pub fn answers(&self) -> impl Iterator<Item = (usize, f32)> {
        self.probabilities.outer_iter().map(|row| {
            row.iter()
                .enumerate()
                .fold((0, f32::MIN), |best, (at, &p)| if p > best.1 { (at, p) } else { best })
        })
    }

    /// Confusion matrix.
    pub fn confusion(&self) -> ConfusionMatrix {
        let mut confusion = ConfusionMatrix::new(&self.labels);
        self.truth.iter().zip(self.answers()).for_each(|(&truth, (answer, _))| confusion.add(truth, answer));
        confusion
    }

    /// The mean of several models' answers to the same clips, each model's counted by its weight of 1 or more.
    ///
    /// # Errors
    /// If there are none, or their clips or classes differ.
    pub fn mean(answers: &[(&Self, u16)]) -> anyhow::Result<Self> {
        let (first, _) = answers.first().context("answers: models must be 1 or more, got 0")?;
        let mut mean = Self { probabilities: Array2::zeros(first.probabilities.dim()), ..(*first).clone() };
        for (other, weight) in answers {
            ensure!(
                (&other.labels, &other.clips, &other.truth) == (&first.labels, &first.clips, &first.truth),
                "answers: clips and classes must be the same for all models, got others"
            );
            mean.probabilities.scaled_add(f32::from(*weight), &other.probabilities);
        }
        // The mean of a single model with weight 1 keeps every bit.
        mean.probabilities /= answers.iter().map(|(_, weight)| f32::from(*weight)).sum::<f32>();
        Ok(mean)
    }

    /// Merges emotions into moods by summing their probabilities; leaves other classes unchanged.
    #[must_use]
    pub fn in_moods(&self) -> Self {
        let moods = LabelSet::Moods.names();
        let of: Option<Vec<usize>> = LabelSet::moods_of_emotions(&self.labels)
            .map(|classes| classes.iter().filter_map(|mood| moods.iter().position(|m| m == mood)).collect());
        let Some(of) = of else { return self.clone() };
        let mut probabilities = Array2::zeros((self.clips.len(), moods.len()));
        for (mut sums, row) in probabilities.outer_iter_mut().zip(self.probabilities.outer_iter()) {
            row.iter().zip(&of).for_each(|(p, &class)| sums[class] += p);
        }
        // Rounding may make a sum slightly larger than 1.
        probabilities.mapv_inplace(|p: f32| p.min(1.0));
        let truth = self.truth.iter().map(|&class| of[class]).collect();
        Self { labels: moods, clips: self.clips.clone(), truth, probabilities }
    }

    /// Writes a CSV file with a row for each clip: `clip`, `true`, `predicted`, and the probability of each class under its name. Names
    /// that a spreadsheet would run as formulas are marked as text.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let header = ["clip", "true", "predicted"].into_iter().chain(self.labels.iter().map(String::as_str));
        csv.write_record(header.map(|name| mark_formula(name).into_owned()))?;
        let rows = self.probabilities.outer_iter().zip(self.answers());
        for ((clip, &truth), (row, (answer, _))) in self.clips.iter().zip(&self.truth).zip(rows) {
            let names = [clip, &self.labels[truth], &self.labels[answer]];
            let names = names.into_iter().map(|name| mark_formula(name).into_owned());
            csv.write_record(names.chain(row.iter().map(f32::to_string)))?;
        }
        let bytes = csv.into_inner().map_err(|error| error.into_error())?;
        output::write(path, &bytes)
    }

    /// Reads what [`Predictions::save`] wrote.
    ///
    /// # Errors
    /// If it cannot be read or is no such file; the error names file and row.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let named = || path.display().to_string();
        let mut csv = csv::Reader::from_reader(File::open(path).with_context(named)?);
        let header = csv.headers().with_context(named)?.clone();
        let first: Vec<&str> = header.iter().take(3).collect();
        ensure!(
            first == ["clip", "true", "predicted"] && header.len() > 4,
            "{}: columns must be clip, true, predicted and two classes or more, got {first:?} and {} classes",
            path.display(),
            header.len().saturating_sub(3)
        );
        let name = |cell: &str| unmark_formula(cell).to_string();
        let labels: Vec<String> = header.iter().skip(3).map(name).collect();
        let (mut clips, mut truth, mut probabilities) = (Vec::new(), Vec::new(), Vec::new());
        for (row, record) in csv.records().enumerate() {
            let place = || format!("{}: row {}", path.display(), row + 1);
            let record = record.with_context(place)?;
            let class = labels.iter().position(|label| label == unmark_formula(&record[1]));
            clips.push(name(&record[0]));
            truth.push(class.with_context(|| {
                format!("{}: true must be one of the classes, got {}", place(), &record[1])
            })?);
            for value in record.iter().skip(3) {
                let p = value.parse::<f32>().ok().filter(|p| (0.0..=1.0).contains(p));
                let wrong = || format!("{}: probability must be 0 to 1, got {value}", place());
                probabilities.push(p.with_context(wrong)?);
            }
        }
        ensure!(!clips.is_empty(), "{}: rows must be 1 or more, got 0", path.display());
        let probabilities = Array2::from_shape_vec((clips.len(), labels.len()), probabilities)?;
        Ok(Self { labels, clips, truth, probabilities })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ndarray::array;

    use super::*;

    fn predictions() -> Predictions {
        Predictions {
            labels: ["calm", "sad", "happy"].map(String::from).to_vec(),
            clips: ["a,1", "b", "c"].map(String::from).to_vec(),
            truth: vec![0, 1, 2],
            probabilities: array![[0.5, 0.25, 0.25], [0.3, 0.3, 0.4], [0.1, 1e-9, 0.9]],
        }
    }

    #[test]
    fn several_models_answer_by_the_mean_and_only_to_the_same_clips() {
        let (one, mut other) = (predictions(), predictions());
        other.probabilities.fill(0.5);
        let mean = Predictions::mean(&[(&one, 1), (&other, 3)]).unwrap();
        assert_eq!(mean.probabilities.row(0), array![0.5, 0.4375, 0.4375]);
        assert_eq!((&mean.clips, &mean.truth), (&one.clips, &one.truth));
        assert_eq!(Predictions::mean(&[(&one, 1)]).unwrap(), one);
        other.clips.swap(0, 1);
        let error = |answers: &[(&Predictions, u16)]| Predictions::mean(answers).unwrap_err().to_string();
        let expected = "answers: clips and classes must be the same for all models, got others";
        assert_eq!(error(&[(&one, 1), (&other, 1)]), expected);
        assert_eq!(error(&[]), "answers: models must be 1 or more, got 0");
    }

    #[test]
    fn a_file_keeps_every_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fold.csv");
        predictions().save(&path).unwrap();
        assert_eq!(Predictions::load(&path).unwrap(), predictions());
    }

    #[test]
    fn names_that_spreadsheets_would_run_are_marked_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fold.csv");
        let mut given = predictions();
        given.clips = ["=1+1", "'=1+1", "-cmd.wav"].map(String::from).to_vec();
        given.labels[0] = "@calm".into();
        given.save(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("clip,true,predicted,'@calm,sad,happy\n'=1+1,'@calm,'@calm,"), "{text}");
        assert_eq!(Predictions::load(&path).unwrap(), given);
    }

    #[test]
    fn damaged_files_are_refused_with_file_and_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fold.csv");
        for (text, expected) in [
            ("", "columns must be clip, true, predicted and two classes or more, got [] and 0 classes"),
            ("clip,true,predicted,calm\n", "got [\"clip\", \"true\", \"predicted\"] and 1 classes"),
            ("clip,true,predicted,calm,sad\n", "rows must be 1 or more, got 0"),
            (
                "clip,true,predicted,calm,sad\na,calm,calm,1,0\nb,happy,sad,0,1\n",
                "row 2: true must be one of the classes, got happy",
            ),
            (
                "clip,true,predicted,calm,sad\na,calm,calm,1.5,0\n",
                "row 1: probability must be 0 to 1, got 1.5",
            ),
            (
                "clip,true,predicted,calm,sad\na,calm,calm,NaN,0\n",
                "row 1: probability must be 0 to 1, got NaN",
            ),
            ("clip,true,predicted,calm,sad\na,calm,calm,1\n", "row 1: CSV error"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = format!("{:#}", Predictions::load(&path).unwrap_err());
            assert!(error.contains("fold.csv: ") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn answers_are_the_most_probable_classes() {
        assert_eq!(predictions().answers().map(|answer| answer.0).collect::<Vec<_>>(), [0, 2, 2]);
        let confusion = predictions().confusion();
        assert_eq!((confusion.count(1, 2), confusion.accuracy()), (1, 2.0 / 3.0));
    }

    #[test]
    fn emotions_sum_to_moods_and_other_classes_stay() {
        assert_eq!(predictions().in_moods(), predictions());
        let labels = LabelSet::Emotions.names();
        // Neutral, calm, happy, sad, angry, fearful, disgust, surprised.
        let row = [0.1, 0.2, 0.15, 0.05, 0.1, 0.2, 0.1, 0.1];
        let probabilities = Array2::from_shape_vec((1, 8), row.to_vec()).unwrap();
        let summed =
            Predictions { labels, clips: vec!["a".into()], truth: vec![5], probabilities }.in_moods();
        assert_eq!(summed.labels, ["Calm", "Happy", "Sad", "Energetic"]);
        assert_eq!(summed.truth, [2]);
        let expected = [0.3, 0.15, 0.25, 0.3];
        assert!(summed.probabilities.iter().zip(expected).all(|(p, e): (&f32, f32)| (p - e).abs() < 1e-6));
    }
}
