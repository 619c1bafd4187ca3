//! Selection of an epoch's examples.

use crate::generator::Generator;
use crate::input::Dataset;
use crate::setting::{Checked, TRAINING};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Selection of an epoch's examples.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Sampling {
    /// Every example once per epoch, in a random order.
    #[default]
    EachOnce,
    /// As many draws as there are examples, with replacement: first a corpus by its share, then one of its classes, then one of the clips
    /// of this class, both with equal probabilities. The size of a corpus has no influence.
    Balanced {
        /// The share of each corpus ([`Dataset::with_corpora`]), positive, relative to the others. The share of corpora that are not listed
        /// is 1, and names that no clip's corpus has are ignored, so that a recipe may name corpora that are left out.
        #[serde(default)]
        corpora: BTreeMap<String, f64>,
    },
}

impl Sampling {
    /// Checks the settings.
    pub(super) fn check(&self) -> Checked {
        let Self::Balanced { corpora } = self else { return Ok(()) };
        corpora.iter().try_for_each(|(name, share)| {
            let (holds, given) = (*share > 0.0 && share.is_finite(), format!("{share} for {name}"));
            TRAINING.require(holds, "sampling.corpora", "positive shares", given)
        })
    }
}

/// The order of an epoch's examples.
#[derive(Debug)]
pub(super) enum Order {
    EachOnce(usize),
    Balanced { draws: usize, corpora: Vec<Balanced> },
}

/// One corpus of a balanced order.
#[derive(Debug)]
pub(super) struct Balanced {
    share: f64,
    /// The corpus's examples by class, without classes that have none.
    classes: Vec<Vec<usize>>,
}

impl Order {
    pub(super) fn new(sampling: &Sampling, data: &Dataset) -> Self {
        let Sampling::Balanced { corpora: shares } = sampling else { return Self::EachOnce(data.len()) };
        let names = data.corpus_names();
        let mut corpora: Vec<Balanced> = (0..names.len().max(1))
            .map(|corpus| Balanced {
                share: names.get(corpus).and_then(|name| shares.get(name)).copied().unwrap_or(1.0),
                classes: vec![Vec::new(); data.label_names().len()],
            })
            .collect();
        for (example, &label) in data.labels().iter().enumerate() {
            corpora[data.corpus(example)].classes[label].push(example);
        }
        corpora.iter_mut().for_each(|corpus| corpus.classes.retain(|examples| !examples.is_empty()));
        Self::Balanced { draws: data.len(), corpora }
    }

    /// The number of examples in an epoch.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::EachOnce(examples) => *examples,
            Self::Balanced { draws, .. } => *draws,
        }
    }

    /// Draws the examples of an epoch in their order.
    pub(super) fn epoch(&self, generator: &mut Generator) -> Vec<usize> {
        match self {
            Self::EachOnce(examples) => {
                let mut order: Vec<usize> = (0..*examples).collect();
                generator.shuffle(&mut order);
                order
            }
            Self::Balanced { draws, corpora } => (0..*draws).map(|_| draw(corpora, generator)).collect(),
        }
    }
}

fn draw(corpora: &[Balanced], generator: &mut Generator) -> usize {
    let mut left = generator.uniform(0.0, corpora.iter().map(|corpus| corpus.share).sum());
    let mut chosen = &corpora[0];
    for corpus in corpora {
        chosen = corpus;
        left -= corpus.share;
        if left < 0.0 {
            break;
        }
    }
    let examples = &chosen.classes[generator.below(chosen.classes.len())];
    examples[generator.below(examples.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn a_corpus_whose_clips_are_all_in_another_part_is_not_drawn() {
        let ids = ["u", "v", "w"];
        let data = Dataset::new(Array2::<f32>::zeros((3, 1)), vec![0, 1, 0], ["x", "y"], ids)
            .unwrap()
            .with_corpora(["a", "b", "c"])
            .unwrap();
        for (kept, expected) in [([0, 1], [0, 1]), ([2, 1], [1, 0])] {
            let order =
                Order::new(&Sampling::Balanced { corpora: BTreeMap::new() }, &data.select(&kept).unwrap());
            let drawn: Vec<usize> =
                (0..50).flat_map(|epoch| order.epoch(&mut Generator::new(epoch))).collect();
            assert!(expected.iter().all(|example| drawn.contains(example)), "{drawn:?}");
        }
    }

    #[test]
    fn corpora_and_classes_come_by_their_shares_and_not_by_their_sizes() {
        // Corpus a: 90 clips of class 0 and 6 of class 1; corpus b: 4 clips of class 2.
        let labels: Vec<usize> = (0..100)
            .map(|i| {
                if i < 90 {
                    0
                } else if i < 96 {
                    1
                } else {
                    2
                }
            })
            .collect();
        let corpora = (0..100).map(|i| if i < 96 { "a" } else { "b" });
        let ids = (0..100).map(|i| i.to_string());
        let data = Dataset::new(Array2::<f32>::zeros((100, 1)), labels.clone(), ["x", "y", "z"], ids)
            .unwrap()
            .with_corpora(corpora)
            .unwrap();
        let sampling = Sampling::Balanced { corpora: BTreeMap::from([("b".to_owned(), 0.5)]) };
        let order = Order::new(&sampling, &data);
        let mut counts = [0.0f64; 3];
        for epoch in 0..300 {
            let drawn = order.epoch(&mut Generator::new(epoch));
            assert_eq!(drawn.len(), order.len());
            drawn.iter().for_each(|example| counts[labels[*example]] += 1.0 / 30_000.0);
        }
        for (share, expected) in counts.iter().zip([1.0 / 3.0; 3]) {
            assert!((share - expected).abs() < 0.02, "{counts:?}");
        }
        let once = Order::new(&Sampling::EachOnce, &data);
        let mut all = once.epoch(&mut Generator::new(0));
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        let wrong = Sampling::Balanced { corpora: BTreeMap::from([("b".to_owned(), 0.0)]) };
        assert_eq!(wrong.check().unwrap_err().given, "0 for b");
    }
}
