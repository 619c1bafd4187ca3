//! Properties that every split has, and the splits of RAVDESS.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use ser_data::{
    Clips as FoundClips, ClipsOptions, LabelMap, PUBLISHED_FOLDS, RavdessName, Shares, Source, Split,
    SplitError, by_speakers, groups_of_identical, leave_corpus_out, published_folds, single_speaker,
    speaker_k_folds, speaker_shares, stratified, stratified_k_folds,
};

/// Labels, groups (pairs of a class, some of them identical) and speakers of a made-up dataset.
#[derive(Debug, Clone)]
struct Clips {
    labels: Vec<String>,
    groups: Vec<usize>,
    speakers: Vec<String>,
}

fn clips() -> impl Strategy<Value = Clips> {
    prop::collection::vec((0u8..4, 1u8..=8, prop::bool::weighted(0.1)), 40..200).prop_map(|rows| {
        let mut clips = Clips { labels: vec![], groups: vec![], speakers: vec![] };
        for (label, speaker, twice) in rows {
            let group = clips.labels.len();
            for _ in 0..=usize::from(twice) {
                clips.labels.push(format!("class {label}"));
                clips.groups.push(group);
                clips.speakers.push(format!("{}/{speaker}", ["a", "b"][usize::from(speaker % 2)]));
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
    fn speaker_folds_never_share_a_voice(clips in clips(), seed: u64, k in 2usize..5, validation in 0usize..3) {
        let Clips { groups, speakers, .. } = clips;
        let folds = speaker_k_folds(&speakers, &groups, k, validation, seed).unwrap();
        for split in &folds {
            assert_partition(split, 0..speakers.len());
            assert_groups_stay_together(split, &groups);
            split.check_speakers(&speakers).unwrap();
            prop_assert_eq!(of(&speakers, &split.validation).len(), validation);
        }
        let tested: Vec<&str> = folds.iter().flat_map(|f| of(&speakers, &f.test)).collect();
        prop_assert_eq!(tested.len(), of(&speakers, &(0..speakers.len()).collect::<Vec<_>>()).len());
        prop_assert_eq!(speaker_k_folds(&speakers, &groups, k, validation, seed).unwrap(), folds);
    }

    #[test]
    fn shares_of_speakers_are_those_of_each_corpus(clips in clips(), seed: u64) {
        let Clips { groups, speakers, .. } = clips;
        let shares = Shares { validation: 0.25, test: 0.25 };
        match speaker_shares(&speakers, &groups, shares, seed) {
            Ok(split) => {
                assert_partition(&split, 0..speakers.len());
                split.check_speakers(&speakers).unwrap();
                let all = of(&speakers, &(0..speakers.len()).collect::<Vec<_>>());
                for corpus in ["a/", "b/"] {
                    let count = |of: BTreeSet<&str>| of.iter().filter(|name| name.starts_with(corpus)).count() as f64;
                    let expected = count(all.clone()) * 0.25;
                    prop_assert!((count(of(&speakers, &split.test)) - expected).abs() <= 1.0);
                }
                let rest = Split { validation: vec![], ..split.clone() };
                let again = rest.with_validation_speakers(&speakers, 0.3, seed).unwrap();
                again.check_speakers(&speakers).unwrap();
                prop_assert_eq!(again.test, split.test);
            }
            Err(e) => prop_assert!(matches!(e, SplitError::EmptyPart { .. }), "{}", e),
        }
    }

    #[test]
    fn a_corpus_that_is_left_out_only_tests(clips in clips(), seed: u64) {
        let Clips { groups, speakers, labels } = clips;
        let corpora: Vec<&str> = speakers.iter().map(|speaker| &speaker[..1]).collect();
        let split = leave_corpus_out(&corpora, &groups, "b").unwrap();
        assert_partition(&split, 0..corpora.len());
        prop_assert!(split.test.iter().all(|&at| corpora[at] == "b"));
        prop_assert!(split.train.iter().all(|&at| corpora[at] == "a"));
        let with = split.clone().with_validation(&labels, &groups, 0.2, seed).unwrap();
        assert_partition(&with, 0..corpora.len());
        assert_groups_stay_together(&with, &groups);
        prop_assert_eq!(with.test, split.test);
    }

    #[test]
    fn one_speaker_alone_is_split_as_all_are(clips in clips(), seed: u64) {
        let Clips { labels, groups, speakers } = clips;
        let own: Vec<usize> = (0..speakers.len()).filter(|&at| speakers[at] == "b/3").collect();
        if let Ok(split) = single_speaker(&labels, &speakers, &groups, "b/3", Shares::default(), seed) {
            assert_partition(&split, own);
            assert_groups_stay_together(&split, &groups);
        }
    }
}

/// Who speaks in a part.
fn of<'a>(speakers: &'a [String], part: &[usize]) -> BTreeSet<&'a str> {
    part.iter().map(|&at| speakers[at].as_str()).collect()
}

fn mood_of(name: &RavdessName) -> &'static str {
    LabelMap::bundled().mood_of(name.emotion.as_str()).unwrap()
}

fn speaker_of(name: &RavdessName) -> String {
    format!("ravdess/{:02}", name.actor)
}

/// Names of the 1,440 speech clips, which follow a rule.
fn ravdess_names() -> Vec<RavdessName> {
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
    let moods: Vec<&str> = names.iter().map(mood_of).collect();
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
    let moods: Vec<&str> = names.iter().map(mood_of).collect();
    let speakers: Vec<String> = names.iter().map(speaker_of).collect();
    let splits: Vec<_> =
        (0..8).map(|seed| stratified(&moods, &groups, Shares::default(), seed).unwrap()).collect();
    let folds: Vec<_> = (0..8).map(|seed| speaker_k_folds(&speakers, &groups, 4, 2, seed).unwrap()).collect();
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
    let speakers: Vec<String> = names.iter().map(speaker_of).collect();
    let groups: Vec<usize> = (0..1440).collect();
    let folds = published_folds(&speakers, &groups).unwrap();
    let actor = |at: &usize| names[*at].actor;
    for (split, fold) in folds.iter().zip(PUBLISHED_FOLDS) {
        assert_partition(split, 0..1440);
        assert_eq!(split.test.len(), 60 * fold.test.len());
        assert_eq!(split.validation.len(), 120);
        assert!(split.test.iter().all(|at| fold.test.contains(&actor(at))));
        assert!(split.validation.iter().all(|at| fold.validation.contains(&actor(at))));
    }
    let mut tested: Vec<u8> = PUBLISHED_FOLDS.iter().flat_map(|f| f.test).copied().collect();
    tested.sort_unstable();
    assert_eq!(tested, (1..=24).collect::<Vec<u8>>());
}

#[test]
fn the_identical_pair_of_ravdess_stays_together() {
    let Some(path) = crate::common::ravdess() else { return };
    let dataset = FoundClips::open(&[Source::auto(path)], &ClipsOptions::default()).unwrap();
    let groups = groups_of_identical(&dataset.clips).unwrap();
    let moods: Vec<&str> =
        dataset.clips.iter().map(|c| LabelMap::bundled().mood_of(&c.label).unwrap()).collect();
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
    assert!(text.starts_with("split: ids must be those of clips, got "), "{text}");
    assert!(matches!(split.ids(&ids[..3]), Err(SplitError::Length { given: 3, .. })));
}

#[test]
fn impossible_splits_are_refused_by_rule() {
    let labels = ["a", "a", "b", "b"];
    let groups = [0, 1, 2, 3];
    let speakers = ["1", "1", "2", "2"];
    let text = |e: SplitError| e.to_string();
    let shares = |validation, test| Shares { validation, test };
    for (validation, test) in [(0.0, 1.0), (0.5, 0.5), (-0.1, 0.2), (f64::NAN, 0.2)] {
        let error = stratified(&labels, &groups, shares(validation, test), 0).unwrap_err();
        assert!(matches!(error, SplitError::Shares { .. }), "{error}");
    }
    assert!(
        text(stratified(&labels, &groups[..3], Shares::default(), 0).unwrap_err())
            .contains("groups must be as many as clips, 4, got 3")
    );
    assert!(
        text(stratified(&labels, &groups, shares(0.0, 0.0), 0).unwrap_err())
            .contains("test part must have clips, got none")
    );
    assert!(
        text(stratified_k_folds(&labels, &groups, 5, 0.0, 0).unwrap_err())
            .contains("folds must be 2 to 4, the number of clips, got 5")
    );
    assert!(
        text(speaker_k_folds(&speakers, &groups, 3, 0, 0).unwrap_err())
            .contains("folds must be 2 to 2, the number of speakers, got 3")
    );
    assert!(
        text(speaker_k_folds(&speakers, &groups, 2, 1, 0).unwrap_err())
            .contains("train part must have clips, got none")
    );
    assert!(
        text(published_folds(&speakers, &groups).unwrap_err())
            .contains("validation part must have clips, got none")
    );
    assert!(
        text(single_speaker(&labels, &speakers, &groups, "9", Shares::default(), 0).unwrap_err())
            .contains("speaker 9 has 0 clips")
    );
    let error = speaker_k_folds(&speakers, &[0, 1, 1, 3], 2, 0, 0).unwrap_err();
    assert_eq!(text(error), "split: identical clips must be of one speaker, got clip 1 of 1 and 2 of 2");
    assert!(matches!(stratified::<&str>(&[], &[], Shares::default(), 0), Err(SplitError::EmptyPart { .. })));
    let both = by_speakers(&speakers, &groups, &["1"], &["1"]).unwrap_err();
    assert_eq!(text(both), "split: speaker 1 must be in one part, got validation and test");
    let missing = by_speakers(&speakers, &groups, &["3"], &[]).unwrap_err();
    assert_eq!(text(missing), "split: speaker 3 must have clips, got none");
    let split = by_speakers(&speakers, &groups, &["2"], &[]).unwrap();
    assert_eq!((&split.train[..], &split.test[..]), (&[0, 1][..], &[2, 3][..]));
    let mixed = Split { train: vec![0, 2], validation: vec![], test: vec![1, 3] };
    assert_eq!(
        text(mixed.check_speakers(&speakers).unwrap_err()),
        "split: speaker 1 must be in one part, got train and test"
    );
    assert_eq!(
        text(leave_corpus_out(&speakers, &groups, "3").unwrap_err()),
        "split: corpus must be one of 1, 2, got 3"
    );
    assert_eq!(
        text(leave_corpus_out(&speakers, &[0, 1, 1, 3], "2").unwrap_err()),
        "split: identical clips must be of one corpus, got clip 1 of 1 and 2 of 2"
    );
    assert!(text(leave_corpus_out(&["1", "1"], &[0, 1], "1").unwrap_err()).contains("the only corpus"));
    // A split of more clips than there are labels.
    let longer = Split { train: vec![0, 4], validation: vec![], test: vec![1] };
    assert_eq!(
        "split: labels must be as many as clips, 5, got 4",
        text(longer.clone().with_validation(&labels, &groups, 0.5, 0).unwrap_err())
    );
    assert_eq!(
        "split: speakers must be as many as clips, 5, got 4",
        text(longer.with_validation_speakers(&speakers, 0.5, 0).unwrap_err())
    );
}
