use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Part, Split, SplitError, check_length};

/// Shares of the validation and the test part in all clips: each at least 0, their sum below 1. The rest trains. A split needs test clips:
/// with a test share of 0 it is [`SplitError::EmptyPart`].
///
/// The default is 80 % train, 20 % test: the protocol of *Speech Emotion Recognition with Music Recommendation*, the student report that
/// this project reimplements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Share of the validation part; 0 by default.
    pub validation: f64,
    /// Share of the test part; 0.2 by default.
    pub test: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Self { validation: 0.0, test: 0.2 }
    }
}

impl Shares {
    pub(super) fn check(self) -> Result<(), SplitError> {
        let Self { validation, test } = self;
        if validation >= 0.0 && test >= 0.0 && validation + test < 1.0 {
            return Ok(());
        }
        Err(SplitError::Shares { validation, test })
    }
}

/// Splits clips such that each class has its share in each part.
///
/// The number of a class's clips in the validation and in the test part is its share, rounded up or down by the largest remainder method so
/// that the parts as a whole have the right size too. `labels` are the classes and `groups` what
/// [`groups_of_identical`](crate::groups_of_identical) gives: clips of one group stay in one part (groups of several clips may move a
/// class's number by their size).
///
/// # Errors
///
/// [`SplitError`], if the slices differ in length, a share is out of range, or the training part, the test part or, with a share above 0,
/// the validation part has no clip.
///
/// ```
/// use ser_data::{Shares, stratified};
///
/// let labels = ["Calm", "Calm", "Sad", "Sad", "Calm", "Calm", "Sad", "Sad", "Calm", "Sad"];
/// let groups: Vec<usize> = (0..10).collect();
/// let split = stratified(&labels, &groups, Shares::default(), 7)?;
/// assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (8, 0, 2));
/// assert_ne!(labels[split.test[0]], labels[split.test[1]]);
/// # Ok::<(), ser_data::SplitError>(())
/// ```
pub fn stratified<L: AsRef<str>>(
    labels: &[L],
    groups: &[usize],
    shares: Shares,
    seed: u64,
) -> Result<Split, SplitError> {
    check_length("groups", groups.len(), labels.len())?;
    let all: Vec<usize> = (0..labels.len()).collect();
    let parts = partition(labels, groups, &all, shares, &mut ChaCha8Rng::seed_from_u64(seed))?;
    Split::from_parts(&parts)
        .filled(shares.validation > 0.0, || format!("{} clips are too few for it", labels.len()))
}

/// Splits clips into `k` folds with the same shares of classes; each fold is the test part once, the others train.
///
/// `validation` is the share of the validation part in what is left for training, 0 for none. Groups stay together as
/// in [`stratified`].
///
/// # Errors
///
/// [`SplitError`], if the slices differ in length, `validation` is out of range, `k` is below 2 or above the number of clips, or there are
/// too few clips for a part.
pub fn stratified_k_folds<L: AsRef<str>>(
    labels: &[L],
    groups: &[usize],
    k: usize,
    validation: f64,
    seed: u64,
) -> Result<Vec<Split>, SplitError> {
    check_length("groups", groups.len(), labels.len())?;
    let shares = Shares { validation, test: 0.0 };
    shares.check()?;
    if k < 2 || k > labels.len() {
        return Err(SplitError::Folds { k, what: "clips", available: labels.len() });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let all: Vec<usize> = (0..labels.len()).collect();
    let mut fold_of = vec![0; labels.len()];
    let mut totals = vec![0; k];
    for mut units in units_by_class(labels, groups, &all).into_values() {
        units.shuffle(&mut rng);
        // Large groups first: single clips then even out what they leave.
        units.sort_by_key(|unit| std::cmp::Reverse(unit.len()));
        let mut counts = vec![0; k];
        for unit in units {
            let fold = (0..k).min_by_key(|&f| (counts[f], totals[f])).unwrap_or_default();
            counts[fold] += unit.len();
            totals[fold] += unit.len();
            unit.iter().for_each(|&at| fold_of[at] = fold);
        }
    }
    let split = |fold: usize| {
        let rest: Vec<usize> = all.iter().copied().filter(|&at| fold_of[at] != fold).collect();
        let mut parts = partition(labels, groups, &rest, shares, &mut rng)?;
        all.iter().filter(|&&at| fold_of[at] == fold).for_each(|&at| parts[at] = Some(Part::Test));
        Split::from_parts(&parts)
            .filled(validation > 0.0, || format!("{} clips are too few for {k} folds", labels.len()))
    };
    (0..k).map(split).collect()
}

impl Split {
    /// Replaces the validation part by a share of each class of the training part. Clips of an earlier validation part are then in no part.
    ///
    /// # Errors
    ///
    /// [`SplitError::Length`], if `labels` and `groups` differ in length or the training part has a position beyond them;
    /// [`SplitError::Shares`], if the share is out of range; [`SplitError::EmptyPart`], if a part has no clip, the test part included.
    pub fn with_validation<L: AsRef<str>>(
        mut self,
        labels: &[L],
        groups: &[usize],
        share: f64,
        seed: u64,
    ) -> Result<Self, SplitError> {
        check_length("groups", groups.len(), labels.len())?;
        if let Some(&at) = self.train.iter().find(|&&at| at >= labels.len()) {
            return Err(SplitError::Length { what: "labels", given: labels.len(), clips: at + 1 });
        }
        let shares = Shares { validation: 0.0, test: share };
        let parts = partition(labels, groups, &self.train, shares, &mut ChaCha8Rng::seed_from_u64(seed))?;
        let clips = self.train.len();
        (self.validation, self.train) = self.train.iter().partition(|&&at| parts[at] == Some(Part::Test));
        self.filled(share > 0.0, || format!("{clips} clips are too few for it"))
    }
}

/// Gives each of the clips `chosen` a part; all others get none.
pub(super) fn partition<L: AsRef<str>>(
    labels: &[L],
    groups: &[usize],
    chosen: &[usize],
    shares: Shares,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<Option<Part>>, SplitError> {
    shares.check()?;
    let classes = units_by_class(labels, groups, chosen);
    let sizes: Vec<usize> = classes.values().map(|units| units.iter().map(Vec::len).sum()).collect();
    let (tests, validations) = (apportion(&sizes, shares.test), apportion(&sizes, shares.validation));

    let mut parts = vec![None; labels.len()];
    for ((mut units, mut test), mut validation) in classes.into_values().zip(tests).zip(validations) {
        units.shuffle(rng);
        for unit in units {
            let part = if unit.len() <= test {
                test -= unit.len();
                Part::Test
            } else if unit.len() <= validation {
                validation -= unit.len();
                Part::Validation
            } else {
                Part::Train
            };
            unit.iter().for_each(|&at| parts[at] = Some(part));
        }
    }
    Ok(parts)
}

/// The clips that stay together, by class: that of their first.
fn units_by_class<'a, L: AsRef<str>>(
    labels: &'a [L],
    groups: &[usize],
    chosen: &[usize],
) -> BTreeMap<&'a str, Vec<Vec<usize>>> {
    let mut units = BTreeMap::<usize, Vec<usize>>::new();
    chosen.iter().for_each(|&at| units.entry(groups[at]).or_default().push(at));
    let mut classes = BTreeMap::<&str, Vec<Vec<usize>>>::new();
    units.into_values().for_each(|unit| classes.entry(labels[unit[0]].as_ref()).or_default().push(unit));
    classes
}

/// Whole numbers next to `sizes` times `share` that sum to the rounded share of all (largest remainder method).
pub(super) fn apportion(sizes: &[usize], share: f64) -> Vec<usize> {
    let exact: Vec<f64> = sizes.iter().map(|&size| size as f64 * share).collect();
    let mut counts: Vec<usize> = exact.iter().map(|e| e.floor() as usize).collect();
    let total = (sizes.iter().sum::<usize>() as f64 * share).round() as usize;
    let missing = total.saturating_sub(counts.iter().sum());
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    order.iter().take(missing).for_each(|&class| counts[class] += 1);
    counts
}
