//! Properties that every split has, and the splits of RAVDESS.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use ser_data::{
    ClipName, PUBLISHED_FOLDS, Ravdess, RavdessOptions, Shares, Split, SplitError, actor_k_folds,
    groups_of_identical, mood_of, published_folds, single_actor, stratified, stratified_k_folds,
};

/// Labels, groups (pairs of a class, some of them identical) and actors of a made-up dataset.
#[derive(Debug, Clone)]
struct Clips {
    labels: Vec<String>,
    groups: Vec<usize>,
    actors: Vec<u8>,
}

fn clips() -> impl Strategy<Value = Clips> {
    prop::collection::vec((0u8..4, 1u8..=8, prop::bool::weighted(0.1)), 40..200).prop_map(|rows| {
        let mut clips = Clips { labels: vec![], groups: vec![], actors: vec![] };
        for (label, actor, twice) in rows {
            let group = clips.labels.len();
            for _ in 0..=usize::from(twice) {
                clips.labels.push(format!("class {label}"));
                clips.groups.push(group);
                clips.actors.push(actor);
            }
        }
        clips
    })
}

fn assert_partition(split: &Split, of: impl IntoIterator<Item = usize>) {
    let parts = [&split.train, &split.validation, &split.test];
    assert!(parts.iter().all(|part| part.is_sorted()));
    let mut all: Vec<usize> = parts.into_iter().flatten().copied().collect();
    all.sort_unstable();
    assert_eq!(all, of.into_iter().collect::<Vec<_>>(), "disjoint and complete");
}

fn assert_groups_stay_together(split: &Split, groups: &[usize]) {
    let of = |part: &[usize]| part.iter().map(|&at| groups[at]).collect::<BTreeSet<_>>();
    let (train, validation, test) = (of(&split.train), of(&split.validation), of(&split.test));
    assert!(train.is_disjoint(&test) && train.is_disjoint(&validation) && validation.is_disjoint(&test));
}

fn counts<L: AsRef<str>>(labels: &[L], part: &[usize]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    part.iter().for_each(|&at| *counts.entry(labels[at].as_ref().to_string()).or_insert(0) += 1);
    counts
}

fn assert_stratified<L: AsRef<str>>(labels: &[L], part: &[usize], share: f64, within: f64) {
    let all: Vec<usize> = (0..labels.len()).collect();
    let found = counts(labels, part);
    for (label, size) in counts(labels, &all) {
        let count = found.get(&label).copied().unwrap_or(0) as f64;
        let expected = size as f64 * share;
        assert!((count - expected).abs() <= within, "{label}: {count} of {size}, expected {expected}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn stratified_splits_are_partitions_of_equal_classes(
        clips in clips(), seed: u64, validation in 0.0..0.3f64, test in 0.1..0.4f64,
    ) {
        let Clips { labels, groups, .. } = clips;
        let shares = Shares { validation, test };
        match stratified(&labels, &groups, shares, seed) {
            Ok(split) => {
                assert_partition(&split, 0..labels.len());
                assert_groups_stay_together(&split, &groups);
                // A pair that doesn't fit costs one more where a class is nearly all pairs.
                assert_stratified(&labels, &split.test, test, 2.0);
                assert_stratified(&labels, &split.validation, validation, 2.0);
                prop_assert_eq!(stratified(&labels, &groups, shares, seed).unwrap(), split);
            }
            Err(SplitError::EmptyPart { part, .. }) => prop_assert_eq!(part, "validation"),
            Err(e) => panic!("{e}"),
        }
    }

    #[test]
    fn without_groups_every_class_is_within_one(clips in clips(), seed: u64, test in 0.1..0.4f64) {
        let groups: Vec<usize> = (0..clips.labels.len()).collect();
        let split = stratified(&clips.labels, &groups, Shares { validation: 0.0, test }, seed).unwrap();
        assert_stratified(&clips.labels, &split.test, test, 1.0);
        let total = (clips.labels.len() as f64 * test).round() as usize;
        prop_assert_eq!(split.test.len(), total);
    }

    #[test]
    fn stratified_folds_test_every_clip_once(clips in clips(), seed: u64, k in 2usize..8) {
        let Clips { labels, groups, .. } = clips;
        let folds = stratified_k_folds(&labels, &groups, k, 0.2, seed).unwrap();
        prop_assert_eq!(folds.len(), k);
        for split in &folds {
            assert_partition(split, 0..labels.len());
            assert_groups_stay_together(split, &groups);
            assert_stratified(&labels, &split.test, 1.0 / k as f64, 2.0);
        }
        let mut tested: Vec<usize> = folds.iter().flat_map(|f| f.test.clone()).collect();
        tested.sort_unstable();
        prop_assert_eq!(tested, (0..labels.len()).collect::<Vec<_>>());
        prop_assert_eq!(stratified_k_folds(&labels, &groups, k, 0.2, seed).unwrap(), folds);
    }

    #[test]
    fn actor_folds_never_share_a_voice(clips in clips(), seed: u64, k in 2usize..5, validation in 0usize..3) {
        let Clips { groups, actors, .. } = clips;
        let folds = actor_k_folds(&actors, &groups, k, validation, seed).unwrap();
        let of = |part: &[usize]| part.iter().map(|&at| actors[at]).collect::<BTreeSet<u8>>();
        for split in &folds {
            assert_partition(split, 0..actors.len());
            assert_groups_stay_together(split, &groups);
            prop_assert!(of(&split.train).is_disjoint(&of(&split.test)));
            prop_assert!(of(&split.train).is_disjoint(&of(&split.validation)));
            prop_assert!(of(&split.validation).is_disjoint(&of(&split.test)));
            prop_assert_eq!(of(&split.validation).len(), validation);
        }
        let tested: Vec<u8> = folds.iter().flat_map(|f| of(&f.test)).collect();
        prop_assert_eq!(tested.len(), of(&(0..actors.len()).collect::<Vec<_>>()).len());
        prop_assert_eq!(actor_k_folds(&actors, &groups, k, validation, seed).unwrap(), folds);
    }

    #[test]
    fn one_actor_alone_is_split_as_all_are(clips in clips(), seed: u64) {
        let Clips { labels, groups, actors } = clips;
        let own: Vec<usize> = (0..actors.len()).filter(|&at| actors[at] == 3).collect();
        if let Ok(split) = single_actor(&labels, &actors, &groups, 3, Shares::default(), seed) {
            assert_partition(&split, own);
            assert_groups_stay_together(&split, &groups);
        }
    }
}

/// Names of the 1,440 speech clips, which follow a rule.
fn ravdess_names() -> Vec<ClipName> {
    let mut names = Vec::new();
    for actor in 1..=24 {
        for emotion in 1..=8 {
            for intensity in 1..=if emotion == 1 { 1 } else { 2 } {
                for statement in 1..=2 {
                    for repetition in 1..=2 {
                        let name =
                            format!("03-01-0{emotion}-0{intensity}-0{statement}-0{repetition}-{actor:02}");
                        names.push(name.parse().unwrap());
                    }
                }
            }
        }
    }
    names.sort();
    assert_eq!(names.len(), 1440);
    names
}

#[test]
fn ravdess_is_split_80_to_20_in_four_and_in_eight_classes() {
    let names = ravdess_names();
    let groups: Vec<usize> = (0..1440).collect();
    let moods: Vec<&str> = names.iter().map(|n| mood_of(n.emotion)).collect();
    let split = stratified(&moods, &groups, Shares::default(), 1).unwrap();
    let expected = [("Calm", 58), ("Energetic", 115), ("Happy", 38), ("Sad", 77)];
    assert_eq!(counts(&moods, &split.test), expected.map(|(m, n)| (m.to_string(), n)).into());
    let emotions: Vec<&str> = names.iter().map(|n| n.emotion.as_str()).collect();
    let split = stratified(&emotions, &groups, Shares { validation: 0.1, test: 0.2 }, 1).unwrap();
    assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (1008, 144, 288));
}

#[test]
fn seeds_make_splits_and_nothing_else_does() {
    let names = ravdess_names();
    let groups: Vec<usize> = (0..1440).collect();
    let moods: Vec<&str> = names.iter().map(|n| mood_of(n.emotion)).collect();
    let actors: Vec<u8> = names.iter().map(|n| n.actor).collect();
    let splits: Vec<_> =
        (0..8).map(|seed| stratified(&moods, &groups, Shares::default(), seed).unwrap()).collect();
    let folds: Vec<_> = (0..8).map(|seed| actor_k_folds(&actors, &groups, 4, 2, seed).unwrap()).collect();
    for a in 0..8 {
        for b in 0..a {
            assert_ne!(splits[a], splits[b]);
            assert_ne!(folds[a], folds[b]);
        }
    }
    // Recorded: a seed names the same split in every version.
    assert_eq!(splits[0].test[..8], RECORDED);
}

const RECORDED: [usize; 8] = [8, 15, 17, 19, 27, 28, 29, 30];

#[test]
fn published_folds_are_those_of_the_papers() {
    let names = ravdess_names();
    let actors: Vec<u8> = names.iter().map(|n| n.actor).collect();
    let groups: Vec<usize> = (0..1440).collect();
    let folds = published_folds(&actors, &groups).unwrap();
    for (split, fold) in folds.iter().zip(PUBLISHED_FOLDS) {
        assert_partition(split, 0..1440);
        assert_eq!(split.test.len(), 60 * fold.test.len());
        assert_eq!(split.validation.len(), 120);
        assert!(split.test.iter().all(|&at| fold.test.contains(&actors[at])));
        assert!(split.validation.iter().all(|&at| fold.validation.contains(&actors[at])));
    }
    let mut tested: Vec<u8> = PUBLISHED_FOLDS.iter().flat_map(|f| f.test).copied().collect();
    tested.sort_unstable();
    assert_eq!(tested, (1..=24).collect::<Vec<u8>>());
}

#[test]
fn the_identical_pair_of_ravdess_stays_together() {
    let Some(path) = crate::common::ravdess() else { return };
    let dataset = Ravdess::open(path, &RavdessOptions::default()).unwrap();
    let groups = groups_of_identical(&dataset.clips).unwrap();
    let moods: Vec<&str> = dataset.clips.iter().map(|c| mood_of(c.name.emotion)).collect();
    let mut sides = BTreeSet::new();
    for seed in 0..40 {
        let split = stratified(&moods, &groups, Shares::default(), seed).unwrap();
        assert_groups_stay_together(&split, &groups);
        assert_eq!(split.test.len(), 288);
        let pair = dataset.clips.iter().position(|c| c.id == "03-01-03-01-02-02-07").unwrap();
        sides.insert(split.test.contains(&pair));
    }
    assert_eq!(sides.len(), 2, "the pair trains with some seeds and tests with others");
}

#[test]
fn recorded_splits_are_found_again() {
    let ids: Vec<String> = (0..20).map(|n| format!("clip {n}")).collect();
    let labels: Vec<&str> = (0..20).map(|n| if n % 2 == 0 { "a" } else { "b" }).collect();
    let groups: Vec<usize> = (0..20).collect();
    let split = stratified(&labels, &groups, Shares { validation: 0.2, test: 0.2 }, 5).unwrap();
    let record = split.ids(&ids).unwrap();
    assert_eq!(record.find(&ids).unwrap(), split);
    let shifted: Vec<String> = std::iter::once("another".into()).chain(ids.iter().cloned()).collect();
    let found = record.find(&shifted).unwrap();
    assert_eq!(found.test, split.test.iter().map(|at| at + 1).collect::<Vec<_>>());
    let text = record.find(&ids[..3]).unwrap_err().to_string();
    assert!(text.ends_with("is not among the clips"), "{text}");
    assert!(matches!(split.ids(&ids[..3]), Err(SplitError::Length { given: 3, .. })));
}

#[test]
fn impossible_splits_are_refused_by_rule() {
    let labels = ["a", "a", "b", "b"];
    let groups = [0, 1, 2, 3];
    let actors = [1, 1, 2, 2];
    let text = |e: SplitError| e.to_string();
    let shares = |validation, test| Shares { validation, test };
    for (validation, test) in [(0.0, 1.0), (0.5, 0.5), (-0.1, 0.2), (f64::NAN, 0.2)] {
        let error = stratified(&labels, &groups, shares(validation, test), 0).unwrap_err();
        assert!(matches!(error, SplitError::Shares { .. }), "{error}");
    }
    assert!(
        text(stratified(&labels, &groups[..3], Shares::default(), 0).unwrap_err())
            .contains("3 groups for 4 clips")
    );
    assert!(
        text(stratified(&labels, &groups, shares(0.0, 0.0), 0).unwrap_err())
            .contains("test part has no clips")
    );
    assert!(
        text(stratified_k_folds(&labels, &groups, 5, 0.0, 0).unwrap_err())
            .contains("5 folds cannot be made of 4 clips")
    );
    assert!(
        text(actor_k_folds(&actors, &groups, 3, 0, 0).unwrap_err())
            .contains("3 folds cannot be made of 2 actors")
    );
    assert!(text(actor_k_folds(&actors, &groups, 2, 1, 0).unwrap_err()).contains("train part has no clips"));
    assert!(text(published_folds(&actors, &groups).unwrap_err()).contains("validation part has no clips"));
    assert!(
        text(single_actor(&labels, &actors, &groups, 9, Shares::default(), 0).unwrap_err())
            .contains("actor 9 has 0 clips")
    );
    let error = actor_k_folds(&actors, &[0, 1, 1, 3], 2, 0, 0).unwrap_err();
    assert_eq!(text(error), "clips 1 and 2 are identical, yet of actors 1 and 2");
    assert!(matches!(stratified::<&str>(&[], &[], Shares::default(), 0), Err(SplitError::EmptyPart { .. })));
}
