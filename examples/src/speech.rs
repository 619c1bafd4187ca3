//! Command-line options for labelled speech.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use clap::builder::PossibleValuesParser;
use ser_data::{CorpusFormat, LabelMap, Source};

/// Name of the option's default, which detects the format from file names.
const AUTO: &str = "auto";

/// Options for the format of labelled speech and the meaning of its labels.
#[derive(Debug, Clone, Default, Args)]
pub struct Labelling {
    /// Format of labelled speech: a corpus by its published file names, `folders` (one for each class) or `manifest` (a table). Give it
    /// once for all sources, or once for each [default: auto, which detects the format from file names].
    #[arg(long, value_name = "NAME", value_parser = names())]
    pub corpus: Vec<String>,
    /// TOML file that maps further label words to emotions. Its entries override those of ser-data/src/labels/labels.toml.
    #[arg(long, value_name = "FILE")]
    pub label_map: Option<PathBuf>,
}

fn names() -> PossibleValuesParser {
    let all = std::iter::once(AUTO).chain(CorpusFormat::ALL.map(CorpusFormat::as_str));
    PossibleValuesParser::new(all.collect::<Vec<_>>())
}

impl Labelling {
    /// Returns the sources of these paths with their formats.
    ///
    /// # Errors
    /// If there are several formats, and their number differs from that of the paths.
    pub fn sources<P: AsRef<Path>>(&self, data: &[P]) -> anyhow::Result<Vec<Source>> {
        let format = |at: usize| match &self.corpus[..] {
            [] => None,
            [one] => one.parse().ok(),
            all => all[at].parse().ok(),
        };
        if self.corpus.len() > 1 && self.corpus.len() != data.len() {
            let (given, data) = (self.corpus.len(), data.len());
            bail!("--corpus: formats must be 1, or 1 for each --data, {data}, got {given}");
        }
        Ok(data.iter().enumerate().map(|(at, path)| Source::new(path.as_ref(), format(at))).collect())
    }

    /// Returns the map from labels to emotions and moods.
    ///
    /// # Errors
    /// If the file cannot be used. The error names it.
    pub fn label_map(&self) -> anyhow::Result<LabelMap> {
        Ok(self.label_map.as_ref().map(LabelMap::read).transpose()?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn formats_are_given_once_or_for_each() {
        let sources = |corpus: &[&str], data: &[&str]| {
            let corpus = corpus.iter().map(ToString::to_string).collect();
            Labelling { corpus, label_map: None }.sources(data)
        };
        let formats = |corpus: &[&str]| -> Vec<Option<CorpusFormat>> {
            sources(corpus, &["a", "b"]).unwrap().into_iter().map(|source| source.format).collect()
        };
        assert_eq!(formats(&[]), [None, None]);
        assert_eq!(formats(&["tess"]), [Some(CorpusFormat::Tess); 2]);
        assert_eq!(formats(&["auto", "emodb"]), [None, Some(CorpusFormat::EmoDb)]);
        let error = sources(&["tess", "emodb"], &["a", "b", "c"]).unwrap_err().to_string();
        assert_eq!(error, "--corpus: formats must be 1, or 1 for each --data, 3, got 2");
    }
}
