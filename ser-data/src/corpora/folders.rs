//! Classes that are named by folders.

use crate::labels::LabelMap;

/// The label of a file: the name of its folder, at any depth, that is a known word; otherwise the name of the first folder. `path` is the
/// file's path below the corpus's folder, joined by `/`.
pub(super) fn label_of<'a>(path: &'a str, corpus: &str, labels: &LabelMap) -> Result<&'a str, String> {
    let (folders, _) = path.rsplit_once('/').ok_or("no folder")?;
    let mut found: Option<(&str, &str)> = None;
    for folder in folders.split('/') {
        let Some(emotion) = labels.emotion_of(corpus, folder) else { continue };
        match found {
            Some((other, known)) if known != emotion => {
                return Err(format!("those of two, {other} and {folder}"));
            }
            _ => found = Some((folder, emotion)),
        }
    }
    Ok(found.map_or_else(|| folders.split('/').next().unwrap_or(folders), |(folder, _)| folder))
}

/// Whether a file lies in the folder of a class that is known.
pub(super) fn is_labelled(path: &str, labels: &LabelMap) -> bool {
    label_of(path, "", labels).is_ok_and(|word| labels.emotion_of("", word).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_is_the_folder_with_a_known_name() {
        let labels = LabelMap::bundled();
        let label = |path| label_of(path, "home", labels);
        assert_eq!(label("happy/a.wav"), Ok("happy"));
        assert_eq!(label("train/Sad/day 2/a.wav"), Ok("Sad"));
        assert_eq!(label("01 Fear/fearful/a.wav"), Ok("fearful"));
        assert_eq!(label("grumpy/day 2/a.wav"), Ok("grumpy"));
        assert!(label("a.wav").unwrap_err().contains("no folder"));
        assert!(label("happy/sad/a.wav").unwrap_err().contains("happy and sad"));
        assert!(is_labelled("x/HAPPY/a.wav", labels) && !is_labelled("grumpy/a.wav", labels));
    }
}
