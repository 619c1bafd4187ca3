//! Clips with labels, groups and actors, as a set to learn from.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use crate::common::{ravdess, tone, wav};
use ndarray::Array1;
use ser_data::{
    Corpus, CorpusError, CorpusOptions, CorpusStage, LabelMap, LabelSet, Progress, Skipped, Source,
};
use ser_features::{Feature, FeatureConfig, FeatureExtractor, PreparationConfig};
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
    Corpus::load(&[Source::auto(folder)], options, |_, _| {}, |features| features.vector())
}

#[test]
fn clips_come_in_the_order_of_their_ids_with_all_that_splits_need() {
    let folder = made_up();
    let calls = Mutex::new(Vec::new());
    let progress = |stage: CorpusStage, at: Progress| calls.lock().unwrap().push((stage, at.done, at.total));
    let with_audio = CorpusOptions { audio: true, ..options() };
    let corpus =
        Corpus::load(&[Source::auto(folder.path())], &with_audio, progress, |features| features.vector())
            .unwrap();
    assert_eq!(
        corpus.ids(),
        ["03-01-01-01-01-01-01", "03-01-04-01-01-01-01", "03-01-06-01-01-01-02", "03-01-06-02-01-01-02"]
    );
    assert_eq!(corpus.named_labels(), ["Calm", "Sad", "Sad", "Sad"]);
    assert_eq!((corpus.label_names.len(), &corpus.labels[..]), (4, &[0, 2, 2, 2][..]));
    assert_eq!(corpus.groups, [0, 1, 2, 2]);
    assert_eq!(corpus.speakers().unwrap(), ["ravdess/01", "ravdess/01", "ravdess/02", "ravdess/02"]);
    assert_eq!(corpus.corpora(), ["ravdess"; 4]);
    assert_eq!(corpus.labelled_classes()["ravdess"], [true, false, true, false]);
    assert_eq!(corpus.clips[0].language.as_deref(), Some("en"));
    assert_eq!(corpus.features.iter().map(Array1::len).collect::<Vec<_>>(), [40; 4]);
    assert_eq!(corpus.features[2], corpus.features[3]);
    let audio = corpus.audio.unwrap();
    assert_eq!(audio.iter().map(Vec::len).collect::<Vec<_>>(), [11_025; 4]);
    let mut extractor = FeatureExtractor::new(options().features).unwrap();
    for (clip, features) in audio.iter().zip(&corpus.features) {
        assert_eq!(extractor.extract(clip).unwrap().vector(), features);
    }
    let expected =
        [CorpusStage::Features, CorpusStage::Audio].map(|stage| (1..=4).map(move |n| (stage, n, 4)));
    assert_eq!(calls.into_inner().unwrap(), expected.into_iter().flatten().collect::<Vec<_>>());

    let emotions = load(folder.path(), &CorpusOptions { labels: LabelSet::Emotions, ..options() }).unwrap();
    assert_eq!(emotions.named_labels(), ["neutral", "sad", "fearful", "fearful"]);
    assert!(emotions.audio.is_none() && emotions.skipped.is_empty());
}

#[test]
fn a_truncated_clip_has_audio_and_one_warning_where_that_is_allowed() {
    let folder = made_up();
    let path = folder.path().join("03-01-04-01-01-01-01.wav");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() * 3 / 4]).unwrap();
    let with_audio = CorpusOptions { audio: true, ..options() };
    let error = load(folder.path(), &with_audio).err().unwrap().to_string();
    assert!(
        error.contains("03-01-04-01-01-01-01.wav: bytes of WAV data must be ")
            && error.ends_with("the file is truncated"),
        "{error}"
    );
    let corpus = load(folder.path(), &CorpusOptions { allow_truncated: true, ..with_audio }).unwrap();
    assert_eq!((corpus.clips.len(), corpus.audio.unwrap().len()), (4, 4));
    let [warning] = &corpus.warnings[..] else { panic!("{:?}", corpus.warnings) };
    assert!(
        warning.contains(".wav: the file was read up to the damage: bytes of WAV data must be "),
        "{warning}"
    );
}

#[test]
fn chosen_clips_must_all_be_there() {
    let folder = made_up();
    let ids = ["03-01-06-01-01-01-02", "03-01-01-01-01-01-01"].map(String::from);
    let chosen = |ids: &[String]| {
        let data = [Source::auto(folder.path())];
        Corpus::load_clips(&data, ids, &options(), |_, _| {}, |features| features.vector())
    };
    let corpus = chosen(&ids).unwrap();
    assert_eq!((&corpus.ids()[..], corpus.speakers().unwrap()), (&ids[..], vec!["ravdess/02", "ravdess/01"]));
    let error = chosen(&["03-01-05-01-01-01-01".to_owned()]).unwrap_err().to_string();
    let folder = folder.path().display();
    assert_eq!(error, format!("{folder}: clips must include 03-01-05-01-01-01-01, got none with that id"));
}

#[test]
fn bad_files_are_errors_or_listed() {
    let folder = made_up();
    fs::write(folder.path().join("03-01-05-01-01-01-01.wav"), b"RIFF").unwrap();
    fs::write(folder.path().join("holiday.wav"), tone(7)).unwrap();
    assert!(matches!(load(folder.path(), &options()), Err(CorpusError::Dataset(_))));
    let lenient = CorpusOptions { skip_bad: true, ..options() };
    let corpus = load(folder.path(), &lenient).unwrap();
    assert_eq!(corpus.clips.len(), 4);
    assert!(matches!(corpus.skipped[..], [Skipped::File(_), Skipped::Clip(_)]), "{:?}", corpus.skipped);
    let named = corpus.skipped.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(named[0].contains("holiday.wav") && named[1].contains("03-01-05-01-01-01-01.wav"), "{named:?}");

    let only_bad = tempfile::tempdir().unwrap();
    fs::write(only_bad.path().join("03-01-05-01-01-01-01.wav"), b"RIFF").unwrap();
    let error = load(only_bad.path(), &lenient).unwrap_err();
    assert!(matches!(error, CorpusError::Empty { .. }), "{error}");
    assert!(error.to_string().ends_with(": usable clips must be 1 or more, got 0"), "{error}");
}

#[test]
fn an_error_of_what_is_kept_is_the_first_by_clip() {
    let folder = made_up();
    let keep = |fails: bool| {
        let keep = move |_| if fails { Err("too few frames") } else { Ok(1) };
        Corpus::load(&[Source::auto(folder.path())], &options(), |_, _| {}, keep).unwrap().transpose()
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
    let corpus = Corpus::load(&[Source::auto(folder)], &cheap, |_, _| {}, |_| ()).unwrap();
    assert_eq!(corpus.clips.len(), 1440);
    assert_eq!(corpus.groups.iter().enumerate().filter(|(at, group)| at != *group).count(), 1);
    let mut actors = corpus.speakers().unwrap();
    actors.sort_unstable();
    actors.dedup();
    assert_eq!(actors, (1..=24).map(|actor| format!("ravdess/{actor:02}")).collect::<Vec<_>>());
}

/// RAVDESS's made-up clips, two of EMO-DB (anger, boredom), and folders with a class that the map does not know.
fn three_sources() -> (TempDir, [Source; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, number| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, tone(number)).unwrap();
    };
    write("ravdess/03-01-05-01-01-01-03.wav", 1);
    write("emodb/03a01Wa.WAV", 2);
    write("emodb/03a01La.wav", 3);
    write("home/happy/1.wav", 4);
    write("home/Energetic/1.wav", 5);
    write("home/calm/2.wav", 1);
    let source = |name: &str| Source::auto(folder.path().join(name));
    let sources = [source("ravdess"), source("emodb"), source("home")];
    (folder, sources)
}

#[test]
fn several_corpora_are_one_set() {
    let (folder, sources) = three_sources();
    let load = |options: &CorpusOptions| Corpus::load(&sources, options, |_, _| {}, |_| ());
    let corpus = load(&options()).unwrap();
    assert_eq!(
        corpus.ids(),
        [
            "03-01-05-01-01-01-03",
            "emodb/03a01Wa",
            "home/Energetic/1.wav",
            "home/calm/2.wav",
            "home/happy/1.wav"
        ]
    );
    assert_eq!(corpus.named_labels(), ["Energetic", "Energetic", "Energetic", "Calm", "Happy"]);
    assert_eq!(corpus.groups, [0, 1, 2, 0, 4], "the same sound in two corpora");
    assert_eq!(corpus.clips[1].speaker.as_deref(), Some("emodb/03"));
    let left_out: Vec<String> = corpus.left_out.iter().map(ToString::to_string).collect();
    assert_eq!(left_out, ["1 clips of emodb: boredom is none of the moods"]);
    assert_eq!(corpus.labelled_classes()["home"], [true, true, false, true]);
    let error = corpus.speakers().unwrap_err().to_string();
    assert!(error.contains("Energetic") && error.contains("3 of 5 clips have none"), "{error}");

    let own = LabelMap::parse("own.toml", "emotions.boredom.mood = 'Calm'").unwrap();
    let corpus = load(&CorpusOptions { label_map: own, ..options() }).unwrap();
    assert_eq!((corpus.clips.len(), corpus.left_out.len()), (6, 0));
    let corpus = load(&CorpusOptions { labels: LabelSet::Emotions, ..options() }).unwrap();
    assert_eq!(corpus.named_labels(), ["angry", "angry", "calm", "happy"]);
    assert_eq!(corpus.left_out.len(), 2, "boredom and the mood Energetic are no emotions of models");

    let wanted = ["home/happy/1.wav".to_owned(), "emodb/03a01Wa".to_owned()];
    let chosen = Corpus::load_clips(&sources, &wanted, &options(), |_, _| {}, |_| ()).unwrap();
    assert_eq!(chosen.ids(), wanted);

    let grumpy = folder.path().join("home/grumpy");
    fs::create_dir(&grumpy).unwrap();
    fs::write(grumpy.join("1.wav"), tone(9)).unwrap();
    let error = load(&options()).unwrap_err().to_string();
    assert!(
        error.contains("grumpy/1.wav: label must be known, got \"grumpy\": none of ang, anger"),
        "{error}"
    );
    let lenient = load(&CorpusOptions { skip_bad: true, ..options() }).unwrap();
    assert_eq!((lenient.clips.len(), lenient.skipped.len()), (5, 1));

    let own = load(&CorpusOptions { labels: LabelSet::Own, ..options() }).unwrap();
    assert_eq!(own.label_names, ["Energetic", "angry", "boredom", "calm", "grumpy", "happy"]);
    assert_eq!((own.clips.len(), own.left_out.len()), (7, 0));
    let own_classes = ["happy", "grumpy"].map(String::from).to_vec();
    let two = load(&CorpusOptions { labels: LabelSet::Own, own_classes, ..options() }).unwrap();
    assert_eq!(
        (two.label_names.as_slice(), two.clips.len()),
        (&["happy".to_owned(), "grumpy".to_owned()][..], 2)
    );
    assert!(
        two.left_out.iter().any(|left| left.to_string().ends_with("boredom is none of the model's classes"))
    );
}

#[test]
fn parts_of_one_recording_have_features_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let recording: Vec<i16> =
        (0..16_000).map(|n| if n < 8_000 { n % 50 * 300 } else { n % 80 * 200 }).collect();
    fs::write(folder.path().join("talk.wav"), wav(&recording, 8_000)).unwrap();
    fs::write(folder.path().join("first.wav"), wav(&recording[..8_000], 8_000)).unwrap();
    let table = "path,label,speaker,start,end\ntalk.wav,happy,anna,,1\ntalk.wav,sad,anna,1,2.05\n\
                 talk.wav,sad,anna,1.5,\nfirst.wav,happy,ben,,\n";
    fs::write(folder.path().join("clips.csv"), table).unwrap();
    let cached = CorpusOptions { cache: Some(folder.path().join("cache")), ..options() };
    let data = folder.path().join("clips.csv");
    let corpus = load(&data, &cached).unwrap();
    assert_eq!(
        corpus.ids(),
        ["clips/first.wav", "clips/talk.wav#t=0,1", "clips/talk.wav#t=1,2.05", "clips/talk.wav#t=1.5"]
    );
    assert_eq!(corpus.speakers().unwrap()[..2], ["clips/ben", "clips/anna"]);
    assert_eq!(corpus.features[0], corpus.features[1], "the same samples");
    assert_ne!(corpus.features[1], corpus.features[2]);
    assert_eq!(corpus.groups, [0, 1, 2, 2], "the last two overlap");
    assert_eq!(load(&data, &cached).unwrap().features, corpus.features, "from the cache");

    fs::write(&data, "path,label,start,end\ntalk.wav,happy,1,3\n").unwrap();
    let error = load(&data, &options()).unwrap_err().to_string();
    assert!(
        error.ends_with("talk.wav#t=1,3: part must lie within the recording's 2 s, got 1 s to 3 s"),
        "{error}"
    );
}
