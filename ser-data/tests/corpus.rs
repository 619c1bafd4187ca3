//! Clips with labels, groups and actors, as a set to learn from.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use crate::common::{ravdess, tone};
use ndarray::Array1;
use ser_data::{Corpus, CorpusError, CorpusOptions, CorpusStage, LabelSet, Progress, Skipped};
use ser_features::{Feature, FeatureConfig, PreparationConfig};
use tempfile::TempDir;

/// Clips of actors 1 and 2: neutral, sad and fearful, the last two of the same bytes.
fn made_up() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, number) in [
        ("03-01-06-01-01-01-02", 3),
        ("03-01-01-01-01-01-01", 1),
        ("03-01-04-01-01-01-01", 2),
        ("03-01-06-02-01-01-02", 3),
    ] {
        fs::write(folder.path().join(format!("{name}.wav")), tone(number)).unwrap();
    }
    folder
}

fn options() -> CorpusOptions {
    CorpusOptions {
        preparation: PreparationConfig { length: Some(11_025), ..Default::default() },
        features: FeatureConfig { features: vec![Feature::Mfcc], ..Default::default() },
        ..Default::default()
    }
}

fn load(folder: &Path, options: &CorpusOptions) -> Result<Corpus<Array1<f32>>, CorpusError> {
    Corpus::load(folder, options, |_, _| {}, |features| features.vector())
}

#[test]
fn clips_come_in_the_order_of_their_ids_with_all_that_splits_need() {
    let folder = made_up();
    let calls = Mutex::new(Vec::new());
    let progress = |stage: CorpusStage, at: Progress| calls.lock().unwrap().push((stage, at.done, at.total));
    let with_audio = CorpusOptions { audio: true, ..options() };
    let corpus = Corpus::load(folder.path(), &with_audio, progress, |features| features.vector()).unwrap();
    assert_eq!(
        corpus.ids,
        ["03-01-01-01-01-01-01", "03-01-04-01-01-01-01", "03-01-06-01-01-01-02", "03-01-06-02-01-01-02"]
    );
    assert_eq!(corpus.named_labels(), ["Calm", "Sad", "Sad", "Sad"]);
    assert_eq!((corpus.label_names.len(), &corpus.labels[..]), (4, &[0, 2, 2, 2][..]));
    assert_eq!(corpus.groups, [0, 1, 2, 2]);
    assert_eq!(corpus.actors, [1, 1, 2, 2]);
    assert_eq!(corpus.features.iter().map(Array1::len).collect::<Vec<_>>(), [40; 4]);
    assert_eq!(corpus.features[2], corpus.features[3]);
    let audio = corpus.audio.unwrap();
    assert_eq!(audio.iter().map(Vec::len).collect::<Vec<_>>(), [11_025; 4]);
    let expected =
        [CorpusStage::Features, CorpusStage::Audio].map(|stage| (1..=4).map(move |n| (stage, n, 4)));
    assert_eq!(calls.into_inner().unwrap(), expected.into_iter().flatten().collect::<Vec<_>>());

    let emotions = load(folder.path(), &CorpusOptions { labels: LabelSet::Emotions, ..options() }).unwrap();
    assert_eq!(emotions.named_labels(), ["neutral", "sad", "fearful", "fearful"]);
    assert!(emotions.audio.is_none() && emotions.skipped.is_empty());
}

#[test]
fn chosen_clips_must_all_be_there() {
    let folder = made_up();
    let ids = ["03-01-06-01-01-01-02", "03-01-01-01-01-01-01"].map(String::from);
    let chosen = |ids: &[String]| {
        Corpus::load_clips(folder.path(), ids, &options(), |_, _| {}, |features| features.vector())
    };
    let corpus = chosen(&ids).unwrap();
    assert_eq!((&corpus.ids[..], &corpus.actors[..]), (&ids[..], &[2, 1][..]));
    let error = chosen(&["03-01-05-01-01-01-01".to_owned()]).unwrap_err().to_string();
    let folder = folder.path().display();
    assert_eq!(error, format!("{folder}: must hold clip 03-01-05-01-01-01-01, but does not"));
}

#[test]
fn bad_files_are_errors_or_listed() {
    let folder = made_up();
    fs::write(folder.path().join("03-01-05-01-01-01-01.wav"), b"RIFF").unwrap();
    fs::write(folder.path().join("holiday.wav"), tone(7)).unwrap();
    assert!(matches!(load(folder.path(), &options()), Err(CorpusError::Dataset(_))));
    let lenient = CorpusOptions { skip_bad: true, ..options() };
    let corpus = load(folder.path(), &lenient).unwrap();
    assert_eq!(corpus.ids.len(), 4);
    assert!(matches!(corpus.skipped[..], [Skipped::File(_), Skipped::Clip(_)]), "{:?}", corpus.skipped);
    let named = corpus.skipped.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(named[0].contains("holiday.wav") && named[1].contains("03-01-05-01-01-01-01.wav"), "{named:?}");

    let only_bad = tempfile::tempdir().unwrap();
    fs::write(only_bad.path().join("03-01-05-01-01-01-01.wav"), b"RIFF").unwrap();
    let error = load(only_bad.path(), &lenient).unwrap_err();
    assert!(matches!(error, CorpusError::Empty { .. }), "{error}");
}

#[test]
fn an_error_of_what_is_kept_is_the_first_by_clip() {
    let folder = made_up();
    let keep = |fails: bool| {
        let keep = move |_| if fails { Err("too few frames") } else { Ok(1) };
        Corpus::load(folder.path(), &options(), |_, _| {}, keep).unwrap().transpose()
    };
    assert_eq!(keep(true).unwrap_err(), "too few frames");
    assert_eq!(keep(false).unwrap().features, [1; 4]);
}

#[test]
fn all_of_ravdess_has_24_actors_and_one_pair_of_identical_clips() {
    let Some(folder) = ravdess() else { return };
    let cheap = CorpusOptions {
        features: FeatureConfig { features: vec![Feature::Rms], ..Default::default() },
        ..Default::default()
    };
    let corpus = Corpus::load(folder, &cheap, |_, _| {}, |_| ()).unwrap();
    assert_eq!(corpus.ids.len(), 1440);
    assert_eq!(corpus.groups.iter().enumerate().filter(|(at, group)| at != *group).count(), 1);
    let mut actors = corpus.actors.clone();
    actors.dedup();
    actors.sort_unstable();
    actors.dedup();
    assert_eq!(actors, (1..=24).collect::<Vec<u8>>());
}
