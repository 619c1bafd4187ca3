//! Finding clips in folders and archives, good and bad.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::common::tone;
use rayon::prelude::*;
use ser_data::{
    Audio, BadFile, Clips, ClipsOptions, CorpusFormat, Emotion, Source, SourceError, groups_of_identical,
};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

/// Three clips of two actors, and their sound.
fn three_clips() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("Actor_01/03-01-03-01-01-01-01.wav", tone(1)),
        ("Actor_01/03-01-05-02-01-01-01.wav", tone(2)),
        ("Actor_02/03-01-01-01-02-02-02.wav", tone(3)),
    ]
}

fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn archive(files: &[(&str, Vec<u8>)]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speech.zip");
    let mut writer = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for (name, bytes) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
    (folder, path)
}

fn open(path: &Path) -> Result<Clips, SourceError> {
    Clips::open(&[Source::auto(path)], &ClipsOptions::default())
}

/// As [`open`], without the bad files.
fn skipping(path: &Path) -> Clips {
    Clips::open(&[Source::auto(path)], &ClipsOptions { skip_bad: true, ..Default::default() }).unwrap()
}

fn ids(dataset: &Clips) -> Vec<&str> {
    dataset.clips.iter().map(|c| c.id.as_str()).collect()
}

const IDS: [&str; 3] = ["03-01-01-01-02-02-02", "03-01-03-01-01-01-01", "03-01-05-02-01-01-01"];

#[test]
fn clips_of_a_tree_are_found_in_order_and_read_when_asked() {
    let folder = folder(&three_clips());
    let dataset = open(folder.path()).unwrap();
    assert_eq!(ids(&dataset), IDS);
    assert_eq!(dataset.clips[1].label, "happy");
    assert_eq!(dataset.clips[1].read().unwrap(), Audio::decode(&tone(1), None, "tone").unwrap());
    fs::remove_file(folder.path().join("Actor_01/03-01-03-01-01-01-01.wav")).unwrap();
    let text = dataset.clips[1].read().unwrap_err().to_string();
    assert!(text.contains("03-01-03-01-01-01-01.wav: cannot be read"), "{text}");
}

#[test]
fn a_doubled_archive_counts_each_clip_once() {
    let mut files = three_clips();
    let doubled: Vec<_> = files
        .iter()
        .map(|(name, bytes)| (format!("audio_speech_actors_01-24/{name}"), bytes.clone()))
        .collect();
    files.extend(doubled.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())));

    let folder = folder(&files);
    let unpacked = open(folder.path()).unwrap();
    let (_keep, zip) = archive(&files);
    let zipped = open(&zip).unwrap();
    for dataset in [&unpacked, &zipped] {
        assert_eq!(ids(dataset), IDS);
        assert!(dataset.clips.iter().all(|c| !c.file.to_string().contains("audio_speech_actors")));
    }
}

#[test]
fn an_archive_is_read_without_unpacking_by_many_threads() {
    let files: Vec<_> = three_clips()
        .into_iter()
        .map(|(name, bytes)| (format!("archive/Audio Speech/{name}"), bytes))
        .collect();
    let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let (_keep, zip) = archive(&files);
    let dataset = open(&zip).unwrap();
    assert_eq!(ids(&dataset), IDS);
    assert!(
        dataset.clips[0]
            .file
            .to_string()
            .ends_with("speech.zip/archive/Audio Speech/Actor_02/03-01-01-01-02-02-02.wav")
    );
    let expected: Vec<_> =
        [3, 1, 2].iter().map(|&n| Audio::decode(&tone(n), None, "tone").unwrap()).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    pool.install(|| {
        (0..60).into_par_iter().for_each(|n| {
            assert_eq!(dataset.clips[n % 3].read().unwrap(), expected[n % 3]);
        });
    });
}

#[test]
fn a_damaged_archive_entry_is_named_when_it_is_read() {
    let (_keep, zip) = archive(&three_clips());
    let mut bytes = fs::read(&zip).unwrap();
    bytes[200] ^= 0xFF;
    fs::write(&zip, bytes).unwrap();
    let dataset = open(&zip).unwrap();
    let text = dataset.clips[1].read().unwrap_err().to_string();
    assert!(text.contains("speech.zip/Actor_01/03-01-03-01-01-01-01.wav: cannot be read"), "{text}");
    dataset.clips[2].read().unwrap();
}

#[test]
fn songs_are_left_out_and_counted_once() {
    let mut files = three_clips();
    files.push(("Actor_01/03-02-03-01-01-01-01.wav", tone(9)));
    files.push(("again/Actor_01/03-02-03-01-01-01-01.wav", tone(9)));
    let folder = folder(&files);
    let speech = open(folder.path()).unwrap();
    assert_eq!((ids(&speech), speech.corpora[0].songs_left_out), (IDS.to_vec(), 1));
    let said = speech.corpora[0].to_string();
    assert!(said.ends_with(": ravdess (detected), 3 clips of 2 speakers, 1 songs left out"), "{said}");
}

#[test]
fn bad_files_are_refused_by_name_or_skipped_and_reported() {
    let mut files = three_clips();
    files.push(("Actor_01/01-01-03-01-01-01-01.mp4", tone(4)));
    files.push(("Actor_01/03-01-09-01-01-01-01.wav", tone(5)));
    files.push(("Actor_03/speech.wav", tone(6)));
    let folder = folder(&files);
    let (_keep, zip) = archive(&files);
    for path in [folder.path(), &zip] {
        let error = open(path).unwrap_err();
        let text = error.to_string();
        assert!(
            text.ends_with(
                "Actor_01/01-01-03-01-01-01-01.mp4: modality must be 03 (audio only), got 01 (audio-video) \
                 (and 2 more bad files)"
            ),
            "{text}"
        );
        let dataset = skipping(path);
        assert_eq!(ids(&dataset), IDS);
        assert!(matches!(dataset.skipped[0], BadFile::Name(_)));
        let text = dataset.skipped[1].to_string();
        assert!(
            text.contains("Actor_01/03-01-09-01-01-01-01.wav: emotion must be 01 to 08, got 09"),
            "{text}"
        );
        let text = dataset.skipped[2].to_string();
        assert!(text.contains("Actor_03/speech.wav: name must be seven"), "{text}");
        assert_eq!(dataset.skipped.len(), 3);
    }
}

#[test]
fn files_that_are_not_audio_are_passed_over() {
    let mut files = three_clips();
    for name in ["README.txt", ".DS_Store", "Actor_01/._03-01-03-01-01-01-01.wav", "Actor_01/.hidden.wav"] {
        files.push((name, b"not a clip".to_vec()));
    }
    files.push(("__MACOSX/Actor_01/._03-01-03-01-01-01-01.wav", b"not a clip".to_vec()));
    let dataset = open(folder(&files).path()).unwrap();
    assert_eq!((ids(&dataset), dataset.skipped.len()), (IDS.to_vec(), 0));
}

#[test]
fn two_different_files_of_one_name_are_refused() {
    let mut files = three_clips();
    let mut longer = tone(1);
    longer.push(0);
    files.push(("again/Actor_01/03-01-03-01-01-01-01.wav", longer));
    let folder = folder(&files);
    let text = open(folder.path()).unwrap_err().to_string();
    assert!(text.contains("again/Actor_01/03-01-03-01-01-01-01.wav: content must be that of "), "{text}");
    let dataset = skipping(folder.path());
    assert_eq!((ids(&dataset), dataset.skipped.len()), (IDS.to_vec(), 1));
    assert!(!dataset.clips[1].file.to_string().contains("again"));
}

#[test]
fn folders_without_clips_and_other_files_are_refused() {
    let empty = folder(&[("README.txt", vec![])]);
    let text = open(empty.path()).unwrap_err().to_string();
    assert!(text.contains("source must hold 1 or more clips such as "), "{text}");
    let songs = folder(&[("Actor_01/03-02-03-01-01-01-01.wav", tone(9))]);
    let text = open(songs.path()).unwrap_err().to_string();
    assert!(text.contains("got 0 (1 songs left out, 0 bad files)"), "{text}");
    let file = empty.path().join("README.txt");
    let error = open(&file).unwrap_err();
    assert!(error.to_string().ends_with("or a table (.csv, .tsv), got another file"), "{error}");
    assert!(matches!(error, SourceError::Kind { path } if path == file));
    let missing = empty.path().join("nowhere");
    assert!(matches!(open(&missing).unwrap_err(), SourceError::Io { path, .. } if path == missing));
    let zip = empty.path().join("empty.zip");
    fs::write(&zip, b"").unwrap();
    assert!(matches!(open(&zip).unwrap_err(), SourceError::Archive { path, .. } if path == zip));
}

#[test]
fn identical_clips_are_grouped() {
    let mut files = three_clips();
    files.push(("Actor_01/03-01-03-01-02-01-01.wav", tone(1)));
    // As long as the others, and different only in its last sample.
    let mut nearly = tone(1);
    *nearly.last_mut().unwrap() ^= 1;
    files.push(("Actor_01/03-01-04-01-02-01-01.wav", nearly));
    let folder = folder(&files);
    let (_keep, zip) = archive(&files);
    for path in [folder.path(), &zip] {
        let dataset = open(path).unwrap();
        assert_eq!(groups_of_identical(&dataset.clips).unwrap(), [0, 1, 1, 3, 4]);
    }
}

#[test]
fn all_of_ravdess_is_found() {
    let Some(path) = crate::common::ravdess() else { return };
    let dataset = open(&path).unwrap();
    assert_eq!((dataset.clips.len(), dataset.skipped.len()), (CorpusFormat::RAVDESS_SPEECH, 0));
    assert_eq!((dataset.corpora[0].songs_left_out, dataset.corpora[0].speakers), (0, 24));
    let (mut actors, mut emotions) = (BTreeMap::new(), BTreeMap::new());
    for clip in &dataset.clips {
        *actors.entry(clip.speaker.clone().unwrap()).or_insert(0) += 1;
        *emotions.entry(clip.label.clone()).or_insert(0) += 1;
    }
    assert_eq!(actors, (1..=24).map(|actor| (format!("ravdess/{actor:02}"), 60)).collect());
    let expected =
        Emotion::ALL.iter().map(|&e| (e.to_string(), if e == Emotion::Neutral { 96 } else { 192 }));
    assert_eq!(emotions, expected.collect());

    let groups = groups_of_identical(&dataset.clips).unwrap();
    let repeated: Vec<_> = (0..1440).filter(|&i| groups[i] != i).collect();
    assert_eq!(repeated.len(), 1);
    assert_eq!(dataset.clips[groups[repeated[0]]].id, "03-01-03-01-02-01-07");
    assert_eq!(dataset.clips[repeated[0]].id, "03-01-03-01-02-02-07");

    let stereo = ["02-01-01-02-01", "08-01-02-02-01", "02-01-02-02-05", "03-01-02-01-20", "06-01-01-02-20"];
    for end in stereo {
        let clip = dataset.clips.iter().find(|c| c.id == format!("03-01-{end}")).unwrap();
        assert_eq!(clip.read().unwrap().channels, 2, "{}", clip.id);
    }
    let mono = dataset.clips.iter().filter(|c| !stereo.iter().any(|end| c.id.ends_with(end)));
    for clip in mono.step_by(60) {
        let audio = clip.read().unwrap();
        assert_eq!((audio.channels, audio.sample_rate), (1, 48_000), "{}", clip.id);
        let seconds = audio.duration().as_secs_f64();
        assert!((2.93..=5.28).contains(&seconds), "{}: {seconds} s", clip.id);
    }
}

#[test]
fn wav_files_as_downloaded_are_grouped_by_content() {
    let Some(originals) = crate::common::ravdess_originals() else { return };
    let bytes = fs::read(originals.join("03-01-01-01-01-01-01.wav")).unwrap();
    let folder = folder(&[
        ("Actor_07/03-01-03-01-02-01-07.wav", bytes.clone()),
        ("Actor_07/03-01-03-01-02-02-07.wav", bytes),
        ("Actor_01/03-01-02-01-01-02-01.wav", fs::read(originals.join("03-01-02-01-01-02-01.wav")).unwrap()),
    ]);
    let dataset = open(folder.path()).unwrap();
    assert_eq!(groups_of_identical(&dataset.clips).unwrap(), [0, 1, 1]);
    assert_eq!(dataset.clips[0].read().unwrap().channels, 2);
}
