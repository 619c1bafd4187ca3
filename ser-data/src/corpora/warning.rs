//! Names of sources that may be a mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Clip, CorpusFormat};

/// Names of corpora, speakers and labels that may be a mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceWarning {
    /// Names that differ in upper and lower case alone.
    #[error(
        "{what}: names must differ in more than upper and lower case, got {}: they count as {}",
        names.join(" and "),
        names.len()
    )]
    Case {
        /// "corpus", "speaker" or "label".
        what: &'static str,
        /// The names, in their order.
        names: Vec<String>,
    },
    /// Two sources, at least one of them folders of classes or a table, give one name to their corpora.
    #[error(
        "{}: the corpus must have a name of its own, got {corpus}, as {} has: both count as one corpus, and equal names of speakers as \
         one person",
        path.display(),
        other.display()
    )]
    Corpus {
        /// The second source.
        path: PathBuf,
        /// The first one.
        other: PathBuf,
        /// The corpus of both.
        corpus: String,
    },
}

/// The names in clips that are taken.
#[derive(Default)]
pub(super) struct Names {
    /// What there is of each kind, by its name in lower case. Those of speakers have the corpus, as it is written, before them.
    alike: BTreeMap<(&'static str, String, String), BTreeSet<String>>,
    /// The source that first gave a corpus, and whether its format fixes the corpus's name.
    corpora: BTreeMap<String, (PathBuf, bool)>,
    shared: Vec<SourceWarning>,
}

impl Names {
    pub(super) fn note(&mut self, clip: &Clip, source: &Path, format: CorpusFormat) {
        let corpus = || clip.corpus.clone();
        self.spelt("corpus", String::new(), &clip.corpus);
        self.spelt("label", String::new(), &clip.label);
        if let Some(speaker) = &clip.speaker {
            self.spelt("speaker", corpus(), speaker);
        }
        let is_fixed = !matches!(format, CorpusFormat::Folders | CorpusFormat::Manifest);
        let (other, other_is_fixed) =
            self.corpora.entry(corpus()).or_insert_with(|| (source.to_owned(), is_fixed));
        if other != source && !(is_fixed && *other_is_fixed) {
            let warning =
                SourceWarning::Corpus { path: source.to_owned(), other: other.clone(), corpus: corpus() };
            if !self.shared.contains(&warning) {
                self.shared.push(warning);
            }
        }
    }

    fn spelt(&mut self, what: &'static str, within: String, name: &str) {
        self.alike.entry((what, within, name.to_lowercase())).or_default().insert(name.to_owned());
    }

    /// The warnings: names of sources first.
    pub(super) fn warnings(self) -> Vec<SourceWarning> {
        let cases = self.alike.into_iter().filter(|(_, names)| names.len() > 1);
        let cases =
            cases.map(|((what, ..), names)| SourceWarning::Case { what, names: names.into_iter().collect() });
        self.shared.into_iter().chain(cases).collect()
    }
}
