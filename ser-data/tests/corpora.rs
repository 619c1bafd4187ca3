//! Finding the clips of any corpus: by names, by folders, and what is said where neither tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::common::{corpus, ravdess, tone};
use ser_data::{
    BadFile, Clips, ClipsOptions, CorpusFormat, FoundAudio, LabelMap, LabelSet, Source, SourceError,
    SourceWarning, find_audio, groups_of_identical,
};
use tempfile::TempDir;

/// A folder with files of these names, each another tone.
fn tree(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (number, name) in (0..).zip(names) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, tone(number)).unwrap();
    }
    folder
}

fn open(path: &Path) -> Result<Clips, SourceError> {
    Clips::open(&[Source::auto(path)], &ClipsOptions::default())
}

fn summary(clips: &Clips) -> Vec<[&str; 3]> {
    clips
        .clips
        .iter()
        .map(|clip| [clip.id.as_str(), clip.label.as_str(), clip.speaker.as_deref().unwrap_or_default()])
        .collect()
}

#[test]
fn corpora_are_told_by_their_names() {
    for (format, names, expected) in [
        (
            CorpusFormat::CremaD,
            ["AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1002_IEO_HAP_HI.WAV"],
            [
                ["crema-d/1001_DFA_ANG_XX", "angry", "crema-d/1001"],
                ["crema-d/1002_IEO_HAP_HI", "happy", "crema-d/1002"],
            ],
        ),
        (
            CorpusFormat::Tess,
            ["TESS/OAF_angry/OAF_back_angry.wav", "TESS/YAF_pleasant_surprised/YAF_bar_ps.wav"],
            [["tess/OAF_back_angry", "angry", "tess/OAF"], ["tess/YAF_bar_ps", "surprised", "tess/YAF"]],
        ),
        (
            CorpusFormat::Savee,
            ["DC/a01.wav", "KL/su02.wav"],
            [["savee/DC_a01", "angry", "savee/DC"], ["savee/KL_su02", "surprised", "savee/KL"]],
        ),
        (
            CorpusFormat::EmoDb,
            ["wav/03a01Fa.wav", "wav/16b10Lb.wav"],
            [["emodb/03a01Fa", "happy", "emodb/03"], ["emodb/16b10Lb", "boredom", "emodb/16"]],
        ),
        (
            CorpusFormat::Nemo,
            ["samples/WR0_anger_11.flac", "samples/MK0_sadness_2.flac"],
            [["nemo/MK0_sadness_2", "sad", "nemo/MK0"], ["nemo/WR0_anger_11", "angry", "nemo/WR0"]],
        ),
        (
            CorpusFormat::Ased,
            ["05Angry/a5-03-01-02-50.wav", "01Neutral/n1-03-01-02-50.wav"],
            [["ased/a5-03-01-02-50", "angry", "ased/50"], ["ased/n1-03-01-02-50", "neutral", "ased/50"]],
        ),
    ] {
        let folder = tree(&names);
        let found = open(folder.path()).unwrap();
        assert_eq!(summary(&found), expected, "{format}");
        assert_eq!((found.corpora[0].format, found.corpora[0].detected), (format, true));
        let given = Source::new(folder.path(), Some(format));
        let again = Clips::open(&[given], &ClipsOptions::default()).unwrap();
        assert_eq!((again.clips, again.corpora[0].detected), (found.clips, false));
    }
}

#[test]
fn a_folder_for_each_class_may_be_messy() {
    let folder = tree(&[
        "Happy/Anna – 1 (ä, ü).wav",
        "Happy/nested/deeper/2.FLAC",
        "01_sadness/no extension.mp3",
        "train/Energetic/3.wav",
        "sad/1.wav",
        ".trash/happy/4.wav",
        "happy/.hidden.wav",
        "happy/._1.wav",
        "__MACOSX/happy/._1.wav",
        "happy/notes.txt",
        "Thumbs.db",
    ]);
    fs::create_dir(folder.path().join("disgust")).unwrap();
    let found = open(folder.path()).unwrap();
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    let ids: Vec<String> = found.clips.iter().map(|clip| clip.id.replacen(name, "X", 1)).collect();
    assert_eq!(
        ids,
        [
            "X/01_sadness/no extension.mp3",
            "X/Happy/Anna – 1 (ä, ü).wav",
            "X/Happy/nested/deeper/2.FLAC",
            "X/sad/1.wav",
            "X/train/Energetic/3.wav",
        ]
    );
    let labels: Vec<&str> = found.clips.iter().map(|clip| clip.label.as_str()).collect();
    assert_eq!(labels, ["sad", "happy", "happy", "sad", "Energetic"]);
    assert!(found.clips.iter().all(|clip| clip.speaker.is_none() && clip.corpus == name));
    assert!(found.corpora[0].to_string().ends_with(": folders (detected), 5 clips, speakers unknown"));
}

#[test]
fn an_archive_of_classes_is_read_packed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Meine Aufnahmen.zip");
    let mut writer = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for (number, name) in
        (0..).zip(["mine/happy/1.wav", "mine/sad/1.wav", "__MACOSX/mine/happy/._1.wav", "mine/.DS_Store"])
    {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut writer, &tone(number)).unwrap();
    }
    writer.finish().unwrap();
    let found = open(&path).unwrap();
    let ids = ["Meine Aufnahmen/mine/happy/1.wav", "Meine Aufnahmen/mine/sad/1.wav"];
    assert_eq!(found.clips.iter().map(|clip| clip.id.as_str()).collect::<Vec<_>>(), ids);
    found.clips[1].read().unwrap();
}

#[test]
fn files_outside_of_classes_are_named() {
    let folder = tree(&["happy/1.wav", "sad/1.wav", "sad/2.wav", "stray.wav", "happy/sad/3.wav"]);
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("happy/sad/3.wav: path must name the folder of one class")
            && error.contains("got those of two, happy and sad")
            && error.contains("(and 1 more bad files)"),
        "{error}"
    );
    let lenient = ClipsOptions { skip_bad: true, ..Default::default() };
    let found = Clips::open(&[Source::auto(folder.path())], &lenient).unwrap();
    assert_eq!((found.clips.len(), found.skipped.len()), (3, 2));
    assert!(found.skipped.iter().all(|bad| matches!(bad, BadFile::Folder { .. })));
}

#[test]
#[cfg(unix)]
fn folders_and_links_that_cannot_be_read_are_reported() {
    use std::os::unix::fs::symlink;
    let folder = tree(&["a/1.wav", "2.weba", "notes.txt"]);
    symlink("nowhere.wav", folder.path().join("gone.wav")).unwrap();
    symlink("nowhere.txt", folder.path().join("gone.txt")).unwrap();
    symlink("nowhere", folder.path().join("actors")).unwrap();
    symlink("nowhere.csv", folder.path().join("labels.csv")).unwrap();
    symlink(folder.path(), folder.path().join("a/around")).unwrap();
    let error = find_audio(folder.path(), false).unwrap_err().to_string();
    assert!(error.contains("(and 3 more bad files)"), "{error}");
    let FoundAudio { files, bad } = find_audio(folder.path(), true).unwrap();
    assert_eq!(files.iter().map(|(inner, _)| &**inner).collect::<Vec<_>>(), ["2.weba", "a/1.wav"]);
    let bad: Vec<String> = bad.iter().map(ToString::to_string).collect();
    for name in ["gone.wav", "actors", "labels.csv", "around"] {
        assert!(bad.iter().any(|bad| bad.contains(name)), "{name}: {bad:?}");
    }
    assert_eq!(bad.len(), 4, "{bad:?}");
}

#[test]
fn what_names_do_not_tell_is_refused_with_what_was_looked_for() {
    let folder = tree(&["a/1.wav", "a/2.wav", "b/3.wav"]);
    let text = open(folder.path()).unwrap_err().to_string();
    assert!(
        text.contains("file names must be those of a known corpus, ")
            && text.ends_with(", got 3 audio files such as a/1.wav"),
        "{text}"
    );
    assert!(text.contains("OAF_back_angry.wav (tess)") && text.contains("happy, sad and angry"), "{text}");
    assert!(!text.contains("give that file"), "{text}");
    fs::write(folder.path().join("labels.csv"), "path,label\n").unwrap();
    let text = open(folder.path()).unwrap_err().to_string();
    assert!(text.ends_with("(if labels.csv names the clips, give that file)"), "{text}");

    let as_folders = Source::new(folder.path(), Some(CorpusFormat::Folders));
    let found = Clips::open(&[as_folders], &ClipsOptions::default()).unwrap();
    assert_eq!(found.clips.iter().map(|clip| clip.label.as_str()).collect::<Vec<_>>(), ["a", "a", "b"]);

    let mixed = tree(&["emodb/03a01Fa.wav", "nemo/WR0_anger_11.wav", "nemo/WR0_anger_12.wav"]);
    let text = open(mixed.path()).unwrap_err().to_string();
    assert!(
        text.ends_with("source must be one corpus, got 2 of nemo, 1 of emodb (give the folder of each)"),
        "{text}"
    );
    let wrong = Source::new(mixed.path().join("nemo"), Some(CorpusFormat::EmoDb));
    let text = Clips::open(&[wrong], &ClipsOptions::default()).unwrap_err().to_string();
    assert!(text.contains("WR0_anger_11.wav: name must be speaker, sentence, a letter"), "{text}");
    assert!(text.contains(", got WR0_anger_11.wav"), "{text}");
}

#[test]
fn the_same_source_twice_is_read_once_and_another_file_of_the_same_name_is_refused() {
    let one = tree(&["emodb/03a01Fa.wav", "emodb/03a01Wa.wav"]);
    let source = Source::auto(one.path());
    let found = Clips::open(&[source.clone(), source.clone()], &ClipsOptions::default()).unwrap();
    assert_eq!((found.clips.len(), found.corpora[1].clips, found.corpora[1].copies_left_out), (2, 0, 2));
    assert!(found.corpora[1].to_string().ends_with(", 2 copies left out"), "{}", found.corpora[1]);
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("03a01Fa.wav"), &tone(7)[..900]).unwrap();
    let text = Clips::open(&[source, Source::auto(other.path())], &ClipsOptions::default());
    let text = text.unwrap_err().to_string();
    assert!(text.contains("03a01Fa.wav: content must be that of "), "{text}");
}

/// Folders of one name, each with one clip of this content.
fn recordings(of: [Vec<u8>; 2]) -> (TempDir, [Source; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let sources = ["anna", "ben"].map(|name| Source::auto(folder.path().join(name).join("recordings")));
    for (source, bytes) in sources.iter().zip(of) {
        fs::create_dir_all(source.path.join("happy")).unwrap();
        fs::write(source.path.join("happy/1.wav"), bytes).unwrap();
    }
    (folder, sources)
}

#[test]
fn different_files_of_one_id_and_one_size_are_no_copies() {
    let mut nearly = tone(1);
    *nearly.last_mut().unwrap() ^= 1;
    for other in [tone(2), nearly] {
        let (_keep, sources) = recordings([tone(1), other]);
        let text = Clips::open(&sources, &ClipsOptions::default()).unwrap_err().to_string();
        assert!(
            text.contains("ben/recordings/happy/1.wav: content must be that of ")
                && text
                    .contains("anna/recordings/happy/1.wav, which has the same id, recordings/happy/1.wav"),
            "{text}"
        );
        let lenient = ClipsOptions { skip_bad: true, ..Default::default() };
        let result = Clips::open(&sources, &lenient);
        // Nothing is left of the second source.
        assert!(result.unwrap_err().to_string().contains("got 0 (0 songs left out, 1 bad files)"));
    }
    let (_keep, sources) = recordings([tone(1), tone(1)]);
    let found = Clips::open(&sources, &ClipsOptions::default()).unwrap();
    assert_eq!((found.clips.len(), found.corpora[1].left_out()), (1, 1));
    // A copy says nothing of a second corpus.
    assert_eq!(found.warnings, []);
}

#[test]
fn an_archive_and_its_unpacked_files_are_copies() {
    let folder = tree(&["03a01Fa.wav", "03a01Wa.wav"]);
    let path = folder.path().join("emodb.zip");
    let mut writer = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for (number, name) in (0..).zip(["03a01Fa.wav", "03a01Wa.wav"]) {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut writer, &tone(number)).unwrap();
    }
    writer.finish().unwrap();
    let sources = [Source::auto(&path), Source::auto(folder.path())];
    let found = Clips::open(&sources, &ClipsOptions::default()).unwrap();
    assert_eq!((found.clips.len(), found.corpora[1].copies_left_out), (2, 2));
    fs::write(folder.path().join("03a01Wa.wav"), tone(5)).unwrap();
    let text = Clips::open(&sources, &ClipsOptions::default()).unwrap_err().to_string();
    assert!(text.contains("03a01Wa.wav: content must be that of "), "{text}");
}

#[test]
fn sources_of_one_corpus_name_are_warned_about() {
    let (_keep, sources) = recordings([tone(1), tone(1)]);
    fs::rename(sources[1].path.join("happy/1.wav"), sources[1].path.join("happy/2.wav")).unwrap();
    let found = Clips::open(&sources, &ClipsOptions::default()).unwrap();
    let [SourceWarning::Corpus { path, other, corpus }] = &found.warnings[..] else {
        panic!("{:?}", found.warnings)
    };
    assert_eq!((path, other, &**corpus), (&sources[1].path, &sources[0].path, "recordings"));
    // The parts of a published corpus are one corpus.
    let parts = [tree(&["03a01Fa.wav"]), tree(&["08a01Fa.wav"])];
    let sources = parts.each_ref().map(|part| Source::auto(part.path()));
    assert_eq!(Clips::open(&sources, &ClipsOptions::default()).unwrap().warnings, []);
}

/// What is known of a published corpus: its clips by emotion must be complete for each speaker that there is.
fn published(name: &str, format: CorpusFormat, language: &str, emotions: &[&str]) {
    let Some(path) = corpus(name) else { return };
    let found = open(&path).unwrap();
    assert_eq!((found.corpora[0].format, found.skipped.len()), (format, 0));
    let files = walkdir::WalkDir::new(&path).into_iter().filter(|entry| {
        entry
            .as_ref()
            .is_ok_and(|entry| entry.path().extension().is_some_and(|extension| extension == "flac"))
    });
    assert_eq!(found.clips.len(), files.count(), "every recording is a clip");
    let labels: BTreeSet<&str> = found.clips.iter().map(|clip| clip.label.as_str()).collect();
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), emotions);
    assert!(found.clips.iter().all(|clip| clip.language.as_deref() == Some(language)));
    assert!(found.clips.iter().all(|clip| clip.id.starts_with(&format!("{format}/"))));
    assert!(found.corpora[0].speakers > 1, "{}", found.corpora[0]);
    let audio = found.clips[0].read().unwrap();
    assert_eq!((audio.channels, audio.sample_rate), (1, 16_000));
}

#[test]
fn emodb_is_read() {
    let emotions = ["angry", "boredom", "disgust", "fearful", "happy", "neutral", "sad"];
    published("emodb", CorpusFormat::EmoDb, "de", &emotions);
}

#[test]
fn nemo_is_read() {
    let emotions = ["angry", "fearful", "happy", "neutral", "sad", "surprised"];
    published("nemo", CorpusFormat::Nemo, "pl", &emotions);
}

#[test]
fn ased_is_read() {
    published("ased", CorpusFormat::Ased, "am", &["angry", "fearful", "happy", "neutral", "sad"]);
}

#[test]
fn all_real_corpora_are_one_list() {
    let folders = [ravdess(), corpus("emodb"), corpus("nemo"), corpus("ased")];
    let Some(folders) = folders.into_iter().collect::<Option<Vec<_>>>() else { return };
    let sources: Vec<Source> = folders.into_iter().map(Source::auto).collect();
    let found = Clips::open(&sources, &ClipsOptions::default()).unwrap();
    let mut of_corpus = BTreeMap::new();
    for clip in &found.clips {
        *of_corpus.entry(clip.corpus.as_str()).or_insert(0) += 1;
        let class = LabelMap::bundled().class_of(LabelSet::Moods, &clip.label);
        assert_eq!(class.is_none(), clip.label == "boredom", "{}", clip.id);
    }
    assert_eq!(of_corpus.len(), 4);
    assert_eq!(found.corpora.iter().map(|corpus| corpus.clips).sum::<usize>(), found.clips.len());
    let groups = groups_of_identical(&found.clips).unwrap();
    for (at, &group) in groups.iter().enumerate() {
        let (clip, other) = (&found.clips[at], &found.clips[group]);
        assert_eq!(clip.speaker, other.speaker, "{} and {} are identical", clip.id, other.id);
    }
}
