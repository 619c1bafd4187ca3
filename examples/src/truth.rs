//! Reads the true moods of recordings from tables or corpora, and scores answers.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use anyhow::bail;
use ser_data::{Clips, ClipsOptions, CorpusFormat, LabelMap, LabelSet, Manifest, Source};
use ser_models::ConfusionMatrix;
use unicode_normalization::UnicodeNormalization;

use crate::cli;
use crate::speech::Labelling;

/// The true moods of recordings.
#[derive(Debug)]
pub struct Truth {
    /// Paths of the tables and corpora, for messages.
    source: String,
    labels: Vec<String>,
    /// Class of each recording, by path and by file name. `None` for a file name that recordings of different classes share.
    moods: HashMap<String, Option<usize>>,
    confusion: ConfusionMatrix,
    /// Recordings that the source does not name.
    unnamed: Vec<String>,
    /// Rows of a table without an answer so far.
    unanswered: BTreeSet<String>,
}

impl Truth {
    /// Reads tables with the columns `file` and `mood`, or the clips of corpora. A mood is one of `labels`, in upper or lower case, or a
    /// word that the label map maps to one.
    ///
    /// # Errors
    /// If a table or corpus cannot be used. The error names file and row.
    pub fn open(
        paths: &[impl AsRef<Path>],
        labels: &[String],
        labelling: &Labelling,
    ) -> anyhow::Result<Self> {
        let source =
            paths.iter().map(|path| path.as_ref().display().to_string()).collect::<Vec<_>>().join(", ");
        let (confusion, labels) = (ConfusionMatrix::new(labels), labels.to_vec());
        let (moods, unnamed, unanswered) = (HashMap::new(), Vec::new(), BTreeSet::new());
        let mut truth = Self { source, labels, moods, confusion, unnamed, unanswered };
        let map = labelling.label_map()?;
        for (data, path) in labelling.sources(paths)?.into_iter().zip(paths) {
            let path = path.as_ref();
            let table = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
            let table = !table && !path.is_dir();
            match data.format {
                None | Some(CorpusFormat::Manifest) if table => truth.read_table(path, &map)?,
                _ => truth.read_clips(data, map.clone())?,
            }
        }
        Ok(truth)
    }

    fn read_table(&mut self, path: &Path, map: &LabelMap) -> anyhow::Result<()> {
        let manifest = Manifest::read(path)?;
        if let Some(bad) = manifest.bad.into_iter().next() {
            return Err(bad.into());
        }
        for row in manifest.rows {
            let place = format!("{}: row {}", path.display(), row.row);
            if row.start.is_some() || row.end.is_some() {
                bail!("{place}: start and end must be empty because whole recordings are scored, got a part");
            }
            let corpus = row.corpus.unwrap_or_default();
            let meant = map.emotion_of(&corpus, &row.label).and_then(|label| self.class_of(label, map));
            let Some(class) = self.labelled(&row.label).or(meant) else {
                bail!("{place}: mood must be one of {:?}, got {:?}", self.labels, row.label);
            };
            // A row names all recordings with this path or file name.
            let recording = plain(&row.path);
            self.unanswered.insert(recording.clone());
            let known = self.moods.insert(recording, Some(class)).flatten();
            if let Some(known) = known.filter(|known| *known != class) {
                let known = &self.labels[known];
                bail!(
                    "{place}: mood must be that of the other rows and sources, {known}, got {:?}",
                    row.label
                );
            }
        }
        Ok(())
    }

    fn read_clips(&mut self, data: Source, label_map: LabelMap) -> anyhow::Result<()> {
        let options = ClipsOptions { label_map, ..ClipsOptions::default() };
        let found = Clips::open(&[data], &options)?;
        found.corpora.iter().for_each(cli::note);
        found.warnings.iter().for_each(|warning| cli::note(format_args!("warning: {warning}")));
        for clip in found.clips {
            let Some(class) = self.class_of(&clip.label, &options.label_map) else { continue };
            let path = plain(&clip.file.to_string());
            let name = Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned());
            self.moods.insert(path, Some(class));
            let same = |known: &mut Option<usize>| *known = known.filter(|known| *known == class);
            self.moods.entry(name.unwrap_or_default()).and_modify(same).or_insert(Some(class));
        }
        Ok(())
    }

    fn labelled(&self, word: &str) -> Option<usize> {
        self.labels.iter().position(|label| label.eq_ignore_ascii_case(word))
    }

    /// Returns the class of an emotion or of a mood.
    fn class_of(&self, label: &str, map: &LabelMap) -> Option<usize> {
        match LabelSet::of_names(&self.labels) {
            Some(set) => map.class_of(set, label),
            None => self.labelled(label),
        }
    }

    /// Counts an answer. The recording `file` is found in the source by this path, or by its file name.
    pub fn score(&mut self, file: &str, mood: &str) {
        let path = plain(file);
        let name = Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned());
        let named = |name: &str| Some((name.to_owned(), *self.moods.get(name)?));
        let (place, truth) = named(&path).or_else(|| named(name.as_deref()?)).unwrap_or_default();
        self.unanswered.remove(&place);
        match (truth, self.labels.iter().position(|label| label == mood)) {
            (Some(truth), Some(predicted)) => self.confusion.add(truth, predicted),
            _ => self.unnamed.push(file.to_owned()),
        }
    }

    /// Formats accuracy, UAR and the confusion matrix, and the recordings and rows without a counterpart.
    ///
    /// # Errors
    /// If the source names none of the recordings.
    pub fn report(&self) -> anyhow::Result<String> {
        if self.confusion.total() == 0 {
            bail!("{}: rows must name the recordings, got none that do", self.source);
        }
        let some = |count: usize, first: Option<&String>, what: String| match first {
            None => String::new(),
            Some(first) if count == 1 => format!("\n{what}: {first}"),
            Some(first) => format!("\n{what}: {first} and {} more", count - 1),
        };
        let unnamed = some(
            self.unnamed.len(),
            self.unnamed.iter().min(),
            format!("recordings that are not in {}", self.source),
        );
        let unanswered = some(
            self.unanswered.len(),
            self.unanswered.first(),
            format!("rows of {} without an answer", self.source),
        );
        Ok(format!("{}{unnamed}{unanswered}", self.confusion))
    }
}

/// A path in one spelling: with `/`, without `./` at its start, and with composed accents. Tables that were made on Windows have `\`, files of
/// macOS have accents as characters of their own.
fn plain(path: &str) -> String {
    let path = path.replace('\\', "/");
    path.trim_start_matches("./").nfc().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn truth(text: &str) -> anyhow::Result<Truth> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("moods.csv");
        std::fs::write(&path, text).unwrap();
        Truth::open(&[&path], &["Calm".to_owned(), "Sad".to_owned()], &Labelling::default())
    }

    #[test]
    fn answers_are_scored_by_path_or_by_name() {
        let mut truth = truth("file,mood\na/x.wav,sad\ny.wav,Calm\n").unwrap();
        truth.score("a/x.wav", "Sad");
        truth.score("b/y.wav", "Sad");
        assert_eq!(truth.confusion.accuracy(), 0.5);
        truth.score("b/z.wav", "Sad");
        truth.score("b/z2.wav", "Sad");
        let report = truth.report().unwrap();
        assert!(
            report.contains("recordings that are not in") && report.contains("moods.csv: b/z.wav and 1 more"),
            "{report}"
        );
        assert!(!report.contains("without an answer"), "{report}");
    }

    #[test]
    fn a_path_may_be_written_in_several_ways() {
        let mut truth = truth("file,mood\n./@x.wav,sad\na\\é.wav,calm\n").unwrap();
        truth.score("@x.wav", "Sad");
        truth.score("./a/e\u{301}.wav", "Calm");
        assert_eq!((truth.confusion.accuracy(), truth.confusion.total()), (1.0, 2));
        assert!(!truth.report().unwrap().contains("without an answer"));
    }

    #[test]
    fn rows_without_an_answer_are_reported() {
        let mut truth = truth("file,mood\nx.wav,sad\nghost.wav,calm\n").unwrap();
        truth.score("a/x.wav", "Sad");
        let report = truth.report().unwrap();
        assert!(report.ends_with("moods.csv without an answer: ghost.wav"), "{report}");
    }

    #[test]
    fn folders_of_classes_score_by_path_and_by_names_that_are_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["happy/1.wav", "sad/1.wav", "fear/2.wav", "bored/3.wav"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let mut truth =
            Truth::open(&[folder.path()], &LabelSet::Moods.names(), &Labelling::default()).unwrap();
        truth.score(folder.path().join("happy/1.wav").to_str().unwrap(), "Happy");
        truth.score("elsewhere/2.wav", "Sad");
        assert_eq!((truth.confusion.accuracy(), truth.confusion.total()), (1.0, 2));
        truth.score("elsewhere/1.wav", "Sad");
        truth.score("elsewhere/3.wav", "Sad");
        assert_eq!(
            (truth.confusion.total(), truth.unnamed.len()),
            (2, 2),
            "two have that name; boredom is no mood"
        );
    }

    #[test]
    fn several_tables_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let table = |name: &str, row: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("file,mood\n{row}\n")).unwrap();
            path
        };
        let moods = LabelSet::Moods.names();
        let tables = [table("one.csv", "x.wav,sad"), table("two.csv", "y.wav,calm")];
        let mut truth = Truth::open(&tables, &moods, &Labelling::default()).unwrap();
        truth.score("x.wav", "Sad");
        truth.score("y.wav", "Happy");
        assert_eq!((truth.confusion.accuracy(), truth.confusion.total()), (0.5, 2));
        let tables = [tables[0].clone(), table("three.csv", "z.wav,dull")];
        let error = Truth::open(&tables, &moods, &Labelling::default()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: row 2: mood must be", tables[1].display())), "{error}");
        let tables = [tables[0].clone(), table("four.csv", "x.wav,calm")];
        let error = Truth::open(&tables, &moods, &Labelling::default()).unwrap_err().to_string();
        assert!(
            error.ends_with("row 2: mood must be that of the other rows and sources, Sad, got \"calm\""),
            "{error}"
        );
    }

    #[test]
    fn tables_that_cannot_be_used_are_refused_with_their_row() {
        let error = |text| format!("{:#}", truth(text).unwrap_err());
        assert!(error("file,mood\nx.wav,Angry\n").contains("row 2: mood must be one of"));
        assert!(error("file,mood\nx.wav,Sad\nx.wav,Calm\n").contains("row 3"));
        assert!(error("file,feeling\nx.wav,Sad\n").contains("columns must be"));
        assert!(error("file,mood,start\nx.wav,Sad,2\n").contains("row 2: start and end must be empty"));
        assert!(truth("file,mood\n").unwrap().report().unwrap_err().to_string().contains("must name"));
    }
}
