//! What recordings really sound like, by a table, and how good answers are.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, bail};
use ser_models::ConfusionMatrix;
use serde::Deserialize;

/// The true moods of recordings.
#[derive(Debug)]
pub struct Truth {
    table: String,
    labels: Vec<String>,
    moods: HashMap<String, usize>,
    confusion: ConfusionMatrix,
    /// Recordings that the table does not name.
    unnamed: Vec<String>,
}

#[derive(Deserialize)]
struct Row {
    file: String,
    mood: String,
}

impl Truth {
    /// Reads a CSV file with the columns `file` and `mood`; a mood is one of `labels`, in any case.
    ///
    /// # Errors
    /// The error names file and row.
    pub fn open(path: &Path, labels: &[String]) -> anyhow::Result<Self> {
        let table = path.display().to_string();
        let mut reader = csv::Reader::from_path(path).with_context(|| table.clone())?;
        let mut moods = HashMap::new();
        for (row, record) in (2..).zip(reader.deserialize()) {
            let Row { file, mood } = record.with_context(|| table.clone())?;
            let Some(label) = labels.iter().position(|label| label.eq_ignore_ascii_case(mood.trim())) else {
                bail!("{table}: row {row}: mood must be one of {labels:?}, got {mood:?}");
            };
            if moods.insert(file.clone(), label).is_some_and(|before| before != label) {
                bail!("{table}: row {row}: {file:?} must have one mood, got a second one, {mood:?}");
            }
        }
        let confusion = ConfusionMatrix::new(labels);
        Ok(Self { table, labels: labels.to_vec(), moods, confusion, unnamed: Vec::new() })
    }

    /// Counts an answer. The table names a recording as the command line does, or by its file name.
    pub fn score(&mut self, file: &str, mood: &str) {
        let name = Path::new(file).file_name().map(|name| name.to_string_lossy().into_owned());
        let truth = self.moods.get(file).or_else(|| self.moods.get(name.as_deref()?));
        match (truth, self.labels.iter().position(|label| label == mood)) {
            (Some(truth), Some(predicted)) => self.confusion.add(*truth, predicted),
            _ => self.unnamed.push(file.to_owned()),
        }
    }

    /// Accuracy, UAR and the confusion matrix.
    ///
    /// # Errors
    /// If the table names none of the recordings.
    pub fn report(&self) -> anyhow::Result<String> {
        if self.confusion.total() == 0 {
            bail!("{}: rows must name the recordings, got none that does", self.table);
        }
        let unnamed = match self.unnamed.len() {
            0 => String::new(),
            n => format!("\n{n} recordings are not in {}: {} and so on", self.table, self.unnamed[0]),
        };
        Ok(format!("{}{unnamed}", self.confusion))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn truth(text: &str) -> anyhow::Result<Truth> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("moods.csv");
        std::fs::write(&path, text).unwrap();
        Truth::open(&path, &["Calm".to_owned(), "Sad".to_owned()])
    }

    #[test]
    fn answers_are_scored_by_path_or_by_name() {
        let mut truth = truth("file,mood\na/x.wav,sad\ny.wav,Calm\n").unwrap();
        truth.score("a/x.wav", "Sad");
        truth.score("b/y.wav", "Sad");
        assert_eq!(truth.confusion.accuracy(), 0.5);
        truth.score("b/z.wav", "Sad");
        assert!(truth.report().unwrap().contains("1 recordings are not in"));
    }

    #[test]
    fn tables_that_cannot_be_used_are_refused_with_their_row() {
        let error = |text| format!("{:#}", truth(text).unwrap_err());
        assert!(error("file,mood\nx.wav,Angry\n").contains("row 2: mood must be one of"));
        assert!(error("file,mood\nx.wav,Sad\nx.wav,Calm\n").contains("row 3"));
        assert!(error("file,feeling\nx.wav,Sad\n").contains("mood"));
        assert!(truth("file,mood\n").unwrap().report().unwrap_err().to_string().contains("must name"));
    }
}
