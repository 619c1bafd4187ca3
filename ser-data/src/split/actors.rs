use std::collections::{BTreeSet, HashMap};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::stratified::partition;
use super::{Part, Shares, Split, SplitError, check_length};

/// One of the published speaker-independent folds: who tests and who validates; all others train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishedFold {
    /// Actors of the test part.
    pub test: &'static [u8],
    /// Actors of the validation part.
    pub validation: &'static [u8],
}

/// The five speaker-independent folds that others publish figures for: test actors after Luna-Jiménez et al. 2021
/// (*Multimodal Emotion Recognition on RAVDESS Dataset Using Transfer Learning*, Sensors 21, 7665), validation actors
/// as ResLSTM-SA takes them out of the training part.
pub const PUBLISHED_FOLDS: [PublishedFold; 5] = [
    PublishedFold { test: &[2, 5, 14, 15, 16], validation: &[3, 6] },
    PublishedFold { test: &[3, 6, 7, 13, 18], validation: &[10, 11] },
    PublishedFold { test: &[10, 11, 12, 19, 20], validation: &[8, 17] },
    PublishedFold { test: &[8, 17, 21, 23, 24], validation: &[1, 14] },
    PublishedFold { test: &[1, 4, 9, 22], validation: &[2, 5] },
];

/// Splits clips by [`PUBLISHED_FOLDS`]; `actors` are the clips' actors, 1 to 24.
///
/// # Errors
///
/// [`SplitError`], if the slices differ in length, identical clips are of different actors, or a part of a fold has no
/// clip because its actors are not there.
pub fn published_folds(actors: &[u8], groups: &[usize]) -> Result<Vec<Split>, SplitError> {
    check_actors(actors, groups)?;
    PUBLISHED_FOLDS.iter().map(|fold| by_actors(actors, fold.test, fold.validation)).collect()
}

/// Splits clips into `k` folds of whole actors: each actor tests in one fold, and a model is never tested on a voice
/// that it was trained on.
///
/// Actors are dealt out in random order. `validation_actors` of each fold's other actors validate, 0 for none.
///
/// # Errors
///
/// [`SplitError`], if the slices differ in length, identical clips are of different actors, there are fewer actors than
/// folds, or too few remain to train.
pub fn actor_k_folds(
    actors: &[u8],
    groups: &[usize],
    k: usize,
    validation_actors: usize,
    seed: u64,
) -> Result<Vec<Split>, SplitError> {
    check_actors(actors, groups)?;
    let distinct: BTreeSet<u8> = actors.iter().copied().collect();
    let mut order: Vec<u8> = distinct.into_iter().collect();
    if k < 2 || k > order.len() {
        return Err(SplitError::Folds { k, what: "actors", available: order.len() });
    }
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let fold = |fold: usize| {
        let test: Vec<u8> = order.iter().skip(fold).step_by(k).copied().collect();
        // From the fold's own place on, so that another actor validates in each fold.
        let others = order.iter().cycle().skip(fold + 1).take(order.len()).filter(|a| !test.contains(a));
        let validation: Vec<u8> = others.take(validation_actors).copied().collect();
        by_actors(actors, &test, &validation)
    };
    (0..k).map(fold).collect()
}

/// Splits the clips of one actor as [`stratified`](super::stratified) does; the clips of all others are in no part.
///
/// # Errors
///
/// [`SplitError`] as there; [`SplitError::EmptyPart`], if the actor has no clips.
pub fn single_actor<L: AsRef<str>>(
    labels: &[L],
    actors: &[u8],
    groups: &[usize],
    actor: u8,
    shares: Shares,
    seed: u64,
) -> Result<Split, SplitError> {
    check_length("labels", labels.len(), actors.len())?;
    check_length("groups", groups.len(), actors.len())?;
    let chosen: Vec<usize> = (0..actors.len()).filter(|&at| actors[at] == actor).collect();
    let parts = partition(labels, groups, &chosen, shares, &mut ChaCha8Rng::seed_from_u64(seed))?;
    let reason = || format!("actor {actor} has {} clips", chosen.len());
    Split::from_parts(&parts).filled(shares.validation > 0.0, reason)
}

fn by_actors(actors: &[u8], test: &[u8], validation: &[u8]) -> Result<Split, SplitError> {
    let part = |actor: &u8| match actor {
        actor if test.contains(actor) => Part::Test,
        actor if validation.contains(actor) => Part::Validation,
        _ => Part::Train,
    };
    let parts: Vec<_> = actors.iter().map(|actor| Some(part(actor))).collect();
    Split::from_parts(&parts).filled(!validation.is_empty(), || {
        format!(
            "test actors are {test:?}, validation actors {validation:?}, and there must be others to train"
        )
    })
}

fn check_actors(actors: &[u8], groups: &[usize]) -> Result<(), SplitError> {
    check_length("groups", groups.len(), actors.len())?;
    let mut first = HashMap::new();
    for (second, (&group, &second_actor)) in groups.iter().zip(actors).enumerate() {
        let &mut (first, first_actor) = first.entry(group).or_insert((second, second_actor));
        if first_actor != second_actor {
            return Err(SplitError::SharedByActors { first, first_actor, second, second_actor });
        }
    }
    Ok(())
}
