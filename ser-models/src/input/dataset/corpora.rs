//! The corpora of a set's clips.

use std::sync::Arc;

/// The corpora that the clips come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Corpora {
    /// The names in order of first appearance.
    pub(super) names: Vec<String>,
    /// The corpus of each clip, an index into `names`.
    pub(super) of: Vec<usize>,
}

impl Corpora {
    /// Makes the corpora from the name of each clip's corpus.
    pub(super) fn of_clips(clips: impl Iterator<Item = String>) -> Self {
        let mut names: Vec<String> = Vec::new();
        let place = |name: String| {
            names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            })
        };
        let of = clips.map(place).collect();
        Self { names, of }
    }

    /// Returns the corpora of the clips at these indices, in the same order. A corpus without a clip is left out.
    pub(super) fn select(&self, indices: &[usize]) -> Self {
        let mut has_clips = vec![false; self.names.len()];
        indices.iter().for_each(|i| has_clips[self.of[*i]] = true);
        let (mut names, mut places) = (Vec::new(), Vec::new());
        for (name, has_clips) in self.names.iter().zip(has_clips) {
            places.push(names.len());
            names.extend(has_clips.then(|| name.clone()));
        }
        Self { names, of: indices.iter().map(|i| places[self.of[*i]]).collect() }
    }

    /// Returns for each clip the classes that its corpus labels, or `None` if all corpora label all classes. A corpus whose clips all have
    /// the same class counts as labelling all classes, because nothing can be learnt from a choice among one class.
    pub(super) fn labelled_classes(&self, labels: &[usize], classes: usize) -> Option<Vec<Arc<[bool]>>> {
        let mut labelled = vec![vec![false; classes]; self.names.len()];
        for (corpus, &label) in self.of.iter().zip(labels) {
            labelled[*corpus][label] = true;
        }
        let of_one = |labelled: &&mut Vec<bool>| labelled.iter().filter(|known| **known).count() == 1;
        labelled.iter_mut().filter(of_one).for_each(|labelled| labelled.fill(true));
        let labelled: Vec<Arc<[bool]>> = labelled.into_iter().map(Arc::from).collect();
        let clips = || self.of.iter().map(|corpus| labelled[*corpus].clone());
        let all = clips().all(|classes| classes.iter().all(|known| *known));
        (!all).then(|| clips().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Dataset;
    use ndarray::Array2;

    #[test]
    fn corpora_label_the_classes_that_their_clips_have() {
        let set = || Dataset::new(Array2::zeros((3, 1)), vec![0, 1, 1], ["a", "b"], ["x", "y", "z"]).unwrap();
        let error = set().with_corpora(["one"]).unwrap_err().to_string();
        assert_eq!(error, "dataset: corpora must be as many as clips, 3, got 1");
        assert_eq!(set().labelled_classes(), None);
        let of_one = set().with_corpora(["one"; 3]).unwrap();
        assert_eq!(of_one.labelled_classes(), None, "it labels both classes");
        let of_two = set().with_corpora(["one", "one", "two"]).unwrap();
        assert_eq!(of_two.labelled_classes(), None, "the clip of the second is told from the first's");
        let three =
            Dataset::new(Array2::zeros((4, 1)), vec![0, 1, 2, 1], ["a", "b", "c"], ["w", "x", "y", "z"]);
        let three = three.unwrap().with_corpora(["one", "one", "one", "two"]).unwrap();
        assert_eq!(three.labelled_classes(), None);
        let three = three.with_corpora(["one", "one", "two", "two"]).unwrap();
        let known: Vec<Vec<bool>> = three.labelled_classes().unwrap().iter().map(|k| k.to_vec()).collect();
        assert_eq!(
            known,
            [[true, true, false], [true, true, false], [false, true, true], [false, true, true]]
        );
        let last = of_two.select(&[2, 1]).unwrap();
        assert_eq!((last.corpus(0), last.corpus(1)), (1, 0));
        assert_eq!(last.corpus_names(), ["one", "two"]);
        let alone = of_two.select(&[2]).unwrap();
        assert_eq!((alone.corpus_names(), alone.corpus(0)), (&["two".to_owned()][..], 0));
        assert_ne!(of_one.fingerprint(), of_two.fingerprint());
        assert_ne!(of_one.fingerprint(), set().fingerprint());
    }
}
