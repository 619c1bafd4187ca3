//! Protocols: which clips train and which are tested.

use ser_data::{
    PUBLISHED_FOLDS, Shares, Split, published_folds, single_speaker, stratified, stratified_k_folds,
};
use ser_examples::training_set::PROTOCOL;

/// Share of a training part that validates where a recipe is being chosen.
const VALIDATION: f64 = 0.2;

/// Protocols: the clips that train a model, and those that test it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Four fifths of each class train and one fifth is tested; each seed has another fifth.
    Stratified,
    /// The clips of each actor alone, split in the same way.
    SingleActor,
    /// This number of folds with equal shares of each class; each fold is the test part once. A speaker may be in several folds.
    RandomFolds(usize),
    /// The [five published folds](ser_data::PUBLISHED_FOLDS) of whole actors: no actor is in both the training and the test part.
    SpeakerIndependent,
}

/// Part of the clips that a run measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The test parts, by models that trained on all else.
    Test,
    /// Validation parts taken from the training parts, for choosing a recipe: the test parts are not touched.
    Validation,
}

/// Facts of each clip that a protocol needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clips<'a> {
    /// Its class.
    pub labels: &'a [&'a str],
    /// Byte-identical clips share a number.
    pub groups: &'a [usize],
    /// Its speaker, such as `ravdess/07`.
    pub speakers: &'a [&'a str],
}

/// One model to train, and the clips that it is tested on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// Name of its files, such as `fold-2-seed-0`.
    pub name: String,
    /// Seed of the training, and of the split where it is random.
    pub seed: u64,
    /// Positions of the clips of each part.
    pub split: Split,
}

impl Protocol {
    /// Description for tables and checkpoints.
    pub fn name(self) -> String {
        match self {
            Self::Stratified => PROTOCOL.into(),
            Self::SingleActor => format!("each actor alone, {PROTOCOL}"),
            Self::RandomFolds(folds) => format!("{folds}-fold random"),
            Self::SpeakerIndependent => "speaker-independent, 5 published folds".into(),
        }
    }

    /// Default number of seeds that a figure is the mean of.
    pub fn seeds(self) -> u64 {
        match self {
            Self::Stratified => 5,
            Self::SpeakerIndependent => 3,
            Self::SingleActor | Self::RandomFolds(_) => 1,
        }
    }

    /// Models of one seed: folds, or actors.
    pub fn folds(self) -> usize {
        match self {
            Self::Stratified => 1,
            Self::SingleActor => 24,
            Self::RandomFolds(folds) => folds,
            Self::SpeakerIndependent => PUBLISHED_FOLDS.len(),
        }
    }

    /// The models of one seed, one for each fold.
    ///
    /// With [`Part::Validation`] the test part is not used: a part of the training part takes its place (of other actors, if the protocol
    /// splits by actors), and the rest trains.
    ///
    /// # Errors
    /// If there are too few clips for it.
    pub(super) fn units(self, clips: &Clips<'_>, seed: u64, part: Part) -> anyhow::Result<Vec<Unit>> {
        let Clips { labels, groups, speakers } = *clips;
        let unit = |name: String, split: Split| Unit { name: format!("{name}seed-{seed}"), seed, split };
        let folds = |splits: Vec<Split>| {
            splits.into_iter().zip(1..).map(|(split, fold)| unit(format!("fold-{fold}-"), split)).collect()
        };
        let mut units: Vec<Unit> = match self {
            Self::Stratified => {
                vec![unit(String::new(), stratified(labels, groups, Shares::default(), seed)?)]
            }
            // One seed gives every actor the same draw, so that differences between actors do not come from different sentences.
            Self::SingleActor => {
                let mut voices = speakers.to_vec();
                voices.sort_unstable();
                voices.dedup();
                let split = |speaker: &str| {
                    let split = single_speaker(labels, speakers, groups, speaker, Shares::default(), seed)?;
                    let actor = speaker.rsplit('/').next().unwrap_or(speaker);
                    Ok(unit(format!("actor-{actor}-"), split))
                };
                voices.into_iter().map(split).collect::<anyhow::Result<_>>()?
            }
            Self::RandomFolds(k) => folds(stratified_k_folds(labels, groups, k, 0.0, seed)?),
            Self::SpeakerIndependent => folds(published_folds(speakers, groups)?),
        };
        for Unit { split, .. } in &mut units {
            match part {
                Part::Test => {
                    split.train.append(&mut split.validation);
                    split.train.sort_unstable();
                }
                Part::Validation => {
                    if self != Self::SpeakerIndependent {
                        let whole = std::mem::take(split);
                        *split = whole.with_validation(labels, groups, VALIDATION, seed)?;
                    }
                    split.test = std::mem::take(&mut split.validation);
                }
            }
        }
        Ok(units)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::*;

    const PARTS: [Part; 2] = [Part::Test, Part::Validation];
    const ALL: [Protocol; 4] =
        [Protocol::Stratified, Protocol::SingleActor, Protocol::RandomFolds(5), Protocol::SpeakerIndependent];

    /// 24 actors with 20 clips each, of two classes; the first two clips of each actor are identical.
    fn with_clips<T>(check: impl FnOnce(&Clips<'_>) -> T) -> T {
        let labels: Vec<&str> = (0..480).map(|clip| ["calm", "sad"][clip % 2]).collect();
        let groups: Vec<usize> = (0..480).map(|clip| if clip % 20 == 2 { clip - 2 } else { clip }).collect();
        let speakers: Vec<String> = (0..480).map(|clip| format!("ravdess/{:02}", 1 + clip / 20)).collect();
        let speakers: Vec<&str> = speakers.iter().map(String::as_str).collect();
        check(&Clips { labels: &labels, groups: &groups, speakers: &speakers })
    }

    fn set(part: &[usize]) -> HashSet<usize> {
        part.iter().copied().collect()
    }

    #[test]
    fn no_clip_and_no_copy_of_it_both_trains_and_tests() {
        with_clips(|clips| {
            for (protocol, part) in ALL.into_iter().flat_map(|protocol| PARTS.map(|part| (protocol, part))) {
                let units = protocol.units(clips, 0, part).unwrap();
                assert_eq!(units.len(), protocol.folds(), "{protocol:?}");
                for unit in &units {
                    let groups =
                        |part: &[usize]| part.iter().map(|&at| clips.groups[at]).collect::<HashSet<_>>();
                    assert!(groups(&unit.split.train).is_disjoint(&groups(&unit.split.test)), "{protocol:?}");
                    assert!(unit.split.validation.is_empty() && !unit.split.test.is_empty());
                }
                let names: HashSet<&String> = units.iter().map(|unit| &unit.name).collect();
                assert_eq!(names.len(), units.len());
            }
        });
    }

    #[test]
    fn choosing_a_recipe_never_looks_at_a_test_part() {
        with_clips(|clips| {
            for protocol in ALL {
                let [units, choosing] = PARTS.map(|part| protocol.units(clips, 3, part).unwrap());
                for (unit, choosing) in units.iter().zip(&choosing) {
                    let (split, inner) = (&unit.split, &choosing.split);
                    let seen: HashSet<usize> = set(&inner.train).union(&set(&inner.test)).copied().collect();
                    assert_eq!(seen, set(&split.train), "{protocol:?}");
                }
            }
        });
    }

    #[test]
    fn speakers_who_test_or_validate_never_train() {
        with_clips(|clips| {
            for part in PARTS {
                for unit in Protocol::SpeakerIndependent.units(clips, 0, part).unwrap() {
                    let voices =
                        |part: &[usize]| part.iter().map(|&at| clips.speakers[at]).collect::<HashSet<_>>();
                    assert!(voices(&unit.split.train).is_disjoint(&voices(&unit.split.test)));
                    assert_eq!(
                        voices(&unit.split.test).len(),
                        if part == Part::Validation { 2 } else { 5.min(voices(&unit.split.test).len()) }
                    );
                }
            }
        });
    }

    #[test]
    fn seeds_change_random_splits_and_published_folds_stay() {
        with_clips(|clips| {
            for protocol in ALL {
                let [a, b] = [0, 1].map(|seed| protocol.units(clips, seed, Part::Test).unwrap());
                let same = a.iter().zip(&b).all(|(a, b)| a.split == b.split);
                assert_eq!(same, protocol == Protocol::SpeakerIndependent, "{protocol:?}");
                assert_eq!(protocol.units(clips, 0, Part::Test).unwrap(), a);
            }
        });
    }
}
