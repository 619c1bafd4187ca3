//! Speaker-independent splits: each speaker is in one part.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::stratified::{apportion, partition};
use super::{Part, Shares, Split, SplitError, check_length};

/// One of the published speaker-independent folds: the actors of the test and of the validation part; all others train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishedFold {
    /// Actors of the test part.
    pub test: &'static [u8],
    /// Actors of the validation part.
    pub validation: &'static [u8],
}

/// The five speaker-independent folds of RAVDESS for which others publish results. The test actors are those of Luna-Jiménez et al.
/// (*Multimodal Emotion Recognition on RAVDESS Dataset Using Transfer Learning*, Sensors 21, 7665, 2021), the validation actors those of
/// ResLSTM-SA (Krasnoproshin and Vashkevich, *Speech emotion recognition using attention-based LSTM network with residual connection*,
/// arXiv:2606.03359, 2026).
pub const PUBLISHED_FOLDS: [PublishedFold; 5] = [
    PublishedFold { test: &[2, 5, 14, 15, 16], validation: &[3, 6] },
    PublishedFold { test: &[3, 6, 7, 13, 18], validation: &[10, 11] },
    PublishedFold { test: &[10, 11, 12, 19, 20], validation: &[8, 17] },
    PublishedFold { test: &[8, 17, 21, 23, 24], validation: &[1, 14] },
    PublishedFold { test: &[1, 4, 9, 22], validation: &[2, 5] },
];

/// Splits clips by [`PUBLISHED_FOLDS`]. `speakers` are the clips' speakers, RAVDESS's actors as [`Clip`](crate::Clip) names them,
/// `ravdess/01` to `ravdess/24`; clips of other corpora train in each fold.
///
/// # Errors
///
/// [`SplitError`], if the slices differ in length, identical clips are of different speakers, or a part of a fold has no
/// clip because its actors are not there.
pub fn published_folds<S: AsRef<str>>(speakers: &[S], groups: &[usize]) -> Result<Vec<Split>, SplitError> {
    check_speakers(speakers, groups)?;
    let names = |actors: &[u8]| actors.iter().map(|actor| format!("ravdess/{actor:02}")).collect::<Vec<_>>();
    let fold = |fold: &PublishedFold| of_speakers(speakers, &names(fold.test), &names(fold.validation));
    PUBLISHED_FOLDS.iter().map(fold).collect()
}

/// Splits clips into `k` folds of whole speakers: each speaker is in the test part of one fold, so a model is never tested on a voice that
/// it was trained on.
///
/// Speakers are dealt out in random order. Of each fold's other speakers, `validation_speakers` go to the validation part, 0 for none.
///
/// # Errors
///
/// [`SplitError`], if the slices differ in length, identical clips are of different speakers, `k` is below 2 or above the number of
/// speakers, or too few remain to train.
pub fn speaker_k_folds<S: AsRef<str>>(
    speakers: &[S],
    groups: &[usize],
    k: usize,
    validation_speakers: usize,
    seed: u64,
) -> Result<Vec<Split>, SplitError> {
    check_speakers(speakers, groups)?;
    let mut order = distinct(speakers);
    if k < 2 || k > order.len() {
        return Err(SplitError::Folds { k, what: "speakers", available: order.len() });
    }
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let fold = |fold: usize| {
        let test: Vec<&str> = order.iter().skip(fold).step_by(k).copied().collect();
        // From the fold's own place on, so that another speaker validates in each fold.
        let others = order.iter().cycle().skip(fold + 1).take(order.len()).filter(|a| !test.contains(a));
        let validation: Vec<&str> = others.take(validation_speakers).copied().collect();
        of_speakers(speakers, &test, &validation)
    };
    (0..k).map(fold).collect()
}

/// Splits clips by whole speakers such that each corpus has about its share of speakers in each part. The corpus of a speaker is the text
/// before the first `/`, as in [`Clip::speaker`](crate::Clip::speaker).
///
/// # Errors
///
/// [`SplitError`], if the slices differ in length, a share is out of range, identical clips are of different speakers, or there are too few
/// speakers for a part.
///
/// ```
/// use ser_data::{Shares, speaker_shares};
///
/// let speakers = ["a/1", "a/1", "a/2", "a/3", "a/4", "a/5", "a/2"];
/// let split = speaker_shares(&speakers, &[0, 1, 2, 3, 4, 5, 6], Shares { validation: 0.2, test: 0.2 }, 0)?;
/// let of = |part: &[usize]| part.iter().map(|&at| speakers[at]).collect::<std::collections::BTreeSet<_>>();
/// assert_eq!([&split.train, &split.validation, &split.test].map(|part| of(part).len()), [3, 1, 1]);
/// # Ok::<(), ser_data::SplitError>(())
/// ```
pub fn speaker_shares<S: AsRef<str>>(
    speakers: &[S],
    groups: &[usize],
    shares: Shares,
    seed: u64,
) -> Result<Split, SplitError> {
    check_speakers(speakers, groups)?;
    let [test, validation] = draw(&distinct(speakers), shares, seed)?;
    let split = of_speakers(speakers, &test, &validation)?;
    let reason = || format!("{} speakers are too few for it", distinct(speakers).len());
    split.filled(shares.validation > 0.0, reason)
}

/// Splits the clips of one speaker as [`stratified`](super::stratified) does; the clips of all others are in no part.
///
/// # Errors
///
/// [`SplitError`] as there; [`SplitError::EmptyPart`], if the speaker has no clips.
pub fn single_speaker<L: AsRef<str>, S: AsRef<str>>(
    labels: &[L],
    speakers: &[S],
    groups: &[usize],
    speaker: &str,
    shares: Shares,
    seed: u64,
) -> Result<Split, SplitError> {
    check_length("labels", labels.len(), speakers.len())?;
    check_length("groups", groups.len(), speakers.len())?;
    let chosen: Vec<usize> = (0..speakers.len()).filter(|&at| speakers[at].as_ref() == speaker).collect();
    let parts = partition(labels, groups, &chosen, shares, &mut ChaCha8Rng::seed_from_u64(seed))?;
    let reason = || format!("speaker {speaker} has {} clips", chosen.len());
    Split::from_parts(&parts).filled(shares.validation > 0.0, reason)
}

/// Puts the clips of the given speakers into the test and the validation part; all others train.
///
/// # Errors
///
/// [`SplitError`], if the slices differ in length, a speaker would both test and validate or has no clip, identical clips are of different
/// speakers, `test` is empty, or no speaker is left to train.
pub fn by_speakers<S: AsRef<str>, N: AsRef<str>>(
    speakers: &[S],
    groups: &[usize],
    test: &[N],
    validation: &[N],
) -> Result<Split, SplitError> {
    check_speakers(speakers, groups)?;
    let there = distinct(speakers);
    let named = test.iter().chain(validation).map(AsRef::as_ref);
    if let Some(missing) = named.clone().find(|name| !there.contains(name)) {
        return Err(SplitError::MissingSpeaker { speaker: missing.to_owned() });
    }
    if let Some(twice) = validation.iter().map(AsRef::as_ref).find(|a| test.iter().any(|b| b.as_ref() == *a))
    {
        return Err(SplitError::SpeakerInTwoParts {
            speaker: twice.to_owned(),
            parts: ["validation", "test"],
        });
    }
    of_speakers(speakers, test, validation)
}

impl Split {
    /// Checks that no speaker is in two parts.
    ///
    /// # Errors
    ///
    /// [`SplitError::SpeakerInTwoParts`], or [`SplitError::Length`], if there are fewer speakers than clips.
    pub fn check_speakers<S: AsRef<str>>(&self, speakers: &[S]) -> Result<(), SplitError> {
        let parts = [("train", &self.train), ("validation", &self.validation), ("test", &self.test)];
        let mut heard: HashMap<&str, &'static str> = HashMap::new();
        for (part, clips) in parts {
            for &at in clips {
                let speaker = speakers.get(at).map(AsRef::as_ref).ok_or(SplitError::Length {
                    what: "speakers",
                    given: speakers.len(),
                    clips: at + 1,
                })?;
                let first = *heard.entry(speaker).or_insert(part);
                if first != part {
                    return Err(SplitError::SpeakerInTwoParts {
                        speaker: speaker.to_owned(),
                        parts: [first, part],
                    });
                }
            }
        }
        Ok(())
    }

    /// Replaces the validation part by a share of the training part's speakers, about the same share of each corpus. Clips of an earlier
    /// validation part are then in no part. Identical clips of different speakers may be divided.
    ///
    /// # Errors
    ///
    /// [`SplitError::Length`], if there are fewer speakers than clips; [`SplitError::SpeakerInTwoParts`], if a speaker is in two parts
    /// already; [`SplitError::Shares`], if the share is out of range; [`SplitError::EmptyPart`], if a part has no clip, the test part
    /// included.
    pub fn with_validation_speakers<S: AsRef<str>>(
        mut self,
        speakers: &[S],
        share: f64,
        seed: u64,
    ) -> Result<Self, SplitError> {
        self.check_speakers(speakers)?;
        let training: Vec<&str> = self.train.iter().map(|&at| speakers[at].as_ref()).collect();
        let there = distinct(&training);
        let [chosen, _] = draw(&there, Shares { validation: 0.0, test: share }, seed)?;
        let (validation, train) = self.train.iter().partition(|&&at| chosen.contains(&speakers[at].as_ref()));
        (self.train, self.validation) = (train, validation);
        self.filled(share > 0.0, || format!("{} speakers are too few for it", there.len()))
    }
}

/// Who tests and who validates, each corpus by its share.
fn draw<'a>(speakers: &[&'a str], shares: Shares, seed: u64) -> Result<[Vec<&'a str>; 2], SplitError> {
    shares.check()?;
    let mut corpora = BTreeMap::<&str, Vec<&str>>::new();
    for speaker in speakers {
        let corpus = speaker.split_once('/').map_or("", |(corpus, _)| corpus);
        corpora.entry(corpus).or_default().push(speaker);
    }
    let sizes: Vec<usize> = corpora.values().map(Vec::len).collect();
    let (tests, validations) = (apportion(&sizes, shares.test), apportion(&sizes, shares.validation));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut test, mut validation) = (Vec::new(), Vec::new());
    for ((mut speakers, tests), validations) in corpora.into_values().zip(tests).zip(validations) {
        speakers.shuffle(&mut rng);
        test.extend(speakers.iter().take(tests));
        validation.extend(speakers.iter().skip(tests).take(validations));
    }
    Ok([test, validation])
}

fn distinct<S: AsRef<str>>(speakers: &[S]) -> Vec<&str> {
    speakers.iter().map(AsRef::as_ref).collect::<BTreeSet<&str>>().into_iter().collect()
}

fn of_speakers<S: AsRef<str>, N: AsRef<str>>(
    speakers: &[S],
    test: &[N],
    validation: &[N],
) -> Result<Split, SplitError> {
    let is_in = |names: &[N], speaker: &str| names.iter().any(|name| name.as_ref() == speaker);
    let part = |speaker: &str| match speaker {
        speaker if is_in(test, speaker) => Part::Test,
        speaker if is_in(validation, speaker) => Part::Validation,
        _ => Part::Train,
    };
    let parts: Vec<_> = speakers.iter().map(|speaker| Some(part(speaker.as_ref()))).collect();
    let names = |names: &[N]| names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    Split::from_parts(&parts).filled(!validation.is_empty(), || {
        let (test, validation) = (names(test), names(validation));
        format!("speakers {test} test, {validation} validate, and there must be others to train")
    })
}

fn check_speakers<S: AsRef<str>>(speakers: &[S], groups: &[usize]) -> Result<(), SplitError> {
    check_length("groups", groups.len(), speakers.len())?;
    match first_divided(speakers, groups) {
        None => Ok(()),
        Some((first, second)) => Err(SplitError::SharedBySpeakers {
            first,
            first_speaker: speakers[first].as_ref().to_owned(),
            second,
            second_speaker: speakers[second].as_ref().to_owned(),
        }),
    }
}

/// The first two clips of one group that belong to two owners.
pub(super) fn first_divided<S: AsRef<str>>(owners: &[S], groups: &[usize]) -> Option<(usize, usize)> {
    let mut first = HashMap::new();
    groups.iter().zip(owners).enumerate().find_map(|(second, (&group, owner))| {
        let first: usize = *first.entry(group).or_insert(second);
        (owners[first].as_ref() != owner.as_ref()).then_some((first, second))
    })
}
