//! Detects the corpus of a folder or archive from its file names.

use std::path::Path;

use super::find::Files;
use super::{CorpusFormat, SourceError, folders};
use crate::labels::LabelMap;

/// The format to which the names of more than half of the audio files belong; otherwise folders of classes, if more than half lie in such
/// folders.
pub(super) fn detect(path: &Path, files: &Files, labels: &LabelMap) -> Result<CorpusFormat, SourceError> {
    let total = files.audio.len();
    let count = |named: &dyn Fn(&str) -> bool| files.audio.iter().filter(|(inner, _)| named(inner)).count();
    let mut counts: Vec<(CorpusFormat, usize)> =
        CorpusFormat::named().map(|format| (format, count(&|inner| format.resembles(inner)))).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let several: Vec<String> = counts
        .iter()
        .filter(|(_, count)| 10 * count >= total && *count > 0)
        .map(|(format, count)| format!("{count} of {format}"))
        .collect();
    if several.len() > 1 {
        return Err(SourceError::SeveralCorpora { path: path.into(), found: several.join(", ") });
    }
    let in_folders = count(&|inner| folders::is_labelled(inner, labels));
    match counts.first() {
        Some((format, count)) if 2 * count > total => Ok(*format),
        _ if 2 * in_folders > total => Ok(CorpusFormat::Folders),
        _ => {
            let mut looked_for: Vec<String> =
                CorpusFormat::named().map(|format| format!("{} ({format})", format.example())).collect();
            looked_for.push("folders such as happy, sad and angry".into());
            let example = files.audio.first().map(|(inner, _)| inner.clone()).unwrap_or_default();
            Err(SourceError::Unrecognized {
                path: path.into(),
                files: total,
                example,
                looked_for: looked_for.join(", "),
                table: files.tables.first().cloned(),
            })
        }
    }
}
