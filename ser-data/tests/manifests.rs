//! Tables of clips, as people write them.

use std::fs;
use std::path::Path;

use crate::common::tone;
use proptest::prelude::*;
use ser_data::{
    Clips, ClipsOptions, Corpus, CorpusFormat, CorpusOptions, LabelMap, LabelSet, Manifest, Source,
    SourceError,
};
use tempfile::TempDir;

fn parse(text: &str) -> Manifest {
    Manifest::parse("t.csv", text.as_bytes()).unwrap()
}

/// A folder with `a.wav` and `b ü/c.wav`, and a table.
fn folder(table: impl AsRef<[u8]>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("b ü")).unwrap();
    fs::write(folder.path().join("a.wav"), tone(1)).unwrap();
    fs::write(folder.path().join("b ü/c.wav"), tone(2)).unwrap();
    fs::write(folder.path().join("mine.csv"), table).unwrap();
    folder
}

fn open(folder: &TempDir) -> Result<Clips, SourceError> {
    Clips::open(&[Source::auto(folder.path().join("mine.csv"))], &ClipsOptions::default())
}

#[test]
fn tables_come_with_any_separator_order_case_and_mark() {
    let tables: [&[u8]; 6] = [
        b"path,label,speaker\na.wav,happy,anna\nb \xC3\xBC/c.wav,ANGER,ben\n",
        b"\xEF\xBB\xBFSpeaker;Emotion;File\r\nanna; happy ;a.wav\r\n\r\nben;anger;b \xC3\xBC\\c.wav\r\n",
        b"text\tlabel\tpath\tspeaker\n\"a, b\"\thappy\ta.wav\tanna\nx\tanger\tb \xC3\xBC/c.wav\tben",
        b"filename,mood,actor,more\n./a.wav,happy,anna\nb \xC3\xBC/c.wav,anger,ben,x\n",
        b"file,class,actor,corpus\na.wav,happy,anna,mine\nb \xC3\xBC/c.wav,W,ben,emodb\n",
        b"\"path\",\"label\",\"speaker\"\n\"a.wav\",\"happy\",\"anna\"\n\"b \xC3\xBC/c.wav\",\"angry\",\"ben\"\n",
    ];
    for (number, table) in tables.into_iter().enumerate() {
        let folder = folder(table);
        let found = open(&folder).unwrap();
        let mut labels: Vec<&str> = found.clips.iter().map(|clip| clip.label.as_str()).collect();
        labels.sort_unstable();
        assert_eq!(labels, ["angry", "happy"], "table {number}");
        assert_eq!(found.corpora[0].speakers, 2);
        let happy = found.clips.iter().find(|clip| clip.label == "happy").unwrap();
        assert_eq!((&*happy.id, happy.speaker.as_deref()), ("mine/a.wav", Some("mine/anna")));
        happy.read().unwrap();
    }
    let folder = folder(b"\xFF\xFEp\0a\0t\0h\0,\0l\0a\0b\0e\0l\0\n\0a\0.\0w\0a\0v\0,\0s\0a\0d\0\n\0");
    assert_eq!(open(&folder).unwrap().clips[0].label, "sad");
}

#[test]
fn rows_have_the_numbers_of_their_lines_in_every_table() {
    let rows = "path,label\na.wav,happy\n\n\nb.wav,\n\"c.wav\",sad\n";
    for (table, lines) in [
        (rows.to_owned(), [2, 6, 5]),
        (rows.replace('\n', "\r\n"), [2, 6, 5]),
        (format!("\u{feff}{}", rows.replace('\n', "\r\n")), [2, 6, 5]),
        (format!("\n\n{rows}"), [4, 8, 7]),
        (rows.trim_end().to_owned(), [2, 6, 5]),
    ] {
        let manifest = parse(&table);
        assert_eq!([manifest.rows[0].row, manifest.rows[1].row, manifest.bad[0].row], lines, "{table:?}");
    }
}

#[test]
fn an_accent_may_be_a_character_of_its_own() {
    // Archives and file systems of macOS have names with such accents, tables that people write do not.
    let folder = tempfile::tempdir().unwrap();
    for (name, number) in [("fro\u{308}hlich/a.wav", 1), ("fro\u{308}hlich/b.wav", 2), ("c\u{30c}.wav", 3)] {
        let path = folder.path().join("mine").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, tone(number)).unwrap();
    }
    let table = folder.path().join("mine/table.csv");
    fs::write(&table, "path,label,speaker\nč.wav,fröhlich,Zoé\n").unwrap();
    let sources =
        [Source::new(folder.path().join("mine"), Some(CorpusFormat::Folders)), Source::auto(&table)];
    let clips = Clips::open(&sources[1..], &ClipsOptions::default()).unwrap().clips;
    assert_eq!((&*clips[0].id, &*clips[0].label), ("table/č.wav", "fröhlich"));
    let map = LabelMap::parse("own.toml", "[emotions.happy]\nwords = ['fro\u{308}hlich']\n").unwrap();
    assert_eq!(map.emotion_of("", "fröhlich"), Some("happy"));
    assert_eq!(map.emotion_of("", "1 FRO\u{308}HLICH"), Some("happy"));
    fs::remove_file(folder.path().join("mine/c\u{30c}.wav")).unwrap();
    let clips = Clips::open(&sources[..1], &ClipsOptions::default()).unwrap().clips;
    assert_eq!((&*clips[0].id, &*clips[0].label), ("mine/fröhlich/a.wav", "fröhlich"));
}

#[test]
fn rows_say_corpus_and_language() {
    let folder = folder("path,label,speaker,corpus,language\na.wav,F,03,emodb,\nb ü/c.wav,happy,,kids,fr\n");
    let found = open(&folder).unwrap();
    let told: Vec<_> = found
        .clips
        .iter()
        .map(|clip| (&*clip.id, &*clip.label, clip.speaker.as_deref(), clip.language.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("emodb/a.wav", "happy", Some("emodb/03"), Some("de")),
            ("kids/b ü/c.wav", "happy", None, Some("fr"))
        ]
    );
}

#[test]
fn rows_that_cannot_be_used_are_named_by_row_and_column() {
    for (row, expected) in [
        ("a.wav,", "row 3: label must be given, got \"\""),
        (",happy", "row 3: path must be given, got \"\""),
        ("a.wav", "row 3: label must be given, got \"\""),
        (
            "x,y.wav,happy,,,",
            "row 3: row must be of 4 columns (values with the separator need quotes), got \"6\"",
        ),
        ("a.wav,happy,x,", "row 3: start must be seconds of 0 or more, got \"x\""),
        ("a.wav,happy,-1,", "row 3: start must be seconds of 0 or more, got \"-1\""),
        ("a.wav,happy,nan,", "row 3: start must be seconds of 0 or more, got \"nan\""),
        ("a.wav,happy,,1e400", "row 3: end must be seconds of 0 or more, got \"1e400\""),
        ("a.wav,happy,2,1.5", "row 3: end must be later than start, 2 s, got \"1.5\""),
        ("\"a.wav,happy\nb.wav,sad", "row 3: row must be one line (a quote is open), got"),
    ] {
        let manifest = parse(&format!("path,label,start,end\nok.wav,happy,0.5,1\n{row}\n"));
        let text = manifest.bad[0].to_string();
        assert!(text.starts_with(&format!("t.csv: {expected}")), "{text}");
    }
    let missing = folder("path,label\na.wav,sad\nnowhere.wav,sad\n");
    let text = open(&missing).unwrap_err().to_string();
    assert!(
        text.contains("mine.csv: row 3: path must be a file below ") && text.ends_with("got \"nowhere.wav\""),
        "{text}"
    );
    let lenient = ClipsOptions { skip_bad: true, ..Default::default() };
    let source = [Source::auto(missing.path().join("mine.csv"))];
    let found = Clips::open(&source, &lenient).unwrap();
    assert_eq!((found.clips.len(), found.skipped.len()), (1, 1));
}

#[test]
fn a_recording_that_is_named_again_has_one_label_speaker_and_corpus() {
    for again in ["a.wav", "./a.wav", ".\\a.wav", "b ü/../a.wav", "/a.wav"] {
        let row = |rest: &str| {
            let made = folder("");
            let again = again.replacen("/a.wav", &format!("{}/a.wav", made.path().display()), {
                usize::from(again.starts_with('/'))
            });
            let table = format!("path,label,speaker,corpus\na.wav,happy,anna,\n{again},{rest}\n");
            fs::write(made.path().join("mine.csv"), table).unwrap();
            open(&made)
        };
        for (rest, expected) in [
            ("sad,anna,", "label must be \"happy\", as row 2 says of "),
            ("happy,ben,", "speaker must be \"anna\", as row 2 says of "),
            ("happy,,", "speaker must be \"anna\", as row 2 says of "),
            ("happy,anna,kids", "corpus must be \"mine\", as row 2 says of "),
        ] {
            let text = row(rest).unwrap_err().to_string();
            assert!(text.contains(&format!("mine.csv: row 3: {expected}")), "{again}: {text}");
            assert!(text.contains("a.wav, got "), "{again}: {text}");
        }
        // `joy` is another word for happy, and `mine` the table's own name.
        let found = row("joy,anna,mine").unwrap();
        assert_eq!((found.clips.len(), found.corpora[0].copies_left_out), (1, 1), "{again}");
        assert!(found.corpora[0].to_string().ends_with(", 1 copies left out"));
    }
    let parts = folder("path,label,start,end\na.wav,happy,0,0.2\na.wav,sad,0.2,0.4\na.wav,happy,0,0.2\n");
    let found = open(&parts).unwrap();
    assert_eq!((found.clips.len(), found.corpora[0].copies_left_out), (2, 1));
}

#[test]
fn copies_in_two_tables_have_one_label_and_speaker() {
    let first = folder("path,label,speaker\na.wav,happy,anna\n");
    for (row, expected) in [
        ("a.wav,sad,anna", "label must be that of its copy "),
        ("a.wav,happy,ben", "speaker must be that of its copy "),
    ] {
        let second = folder(format!("path,label,speaker\n{row}\n"));
        let sources = [&first, &second].map(|folder| Source::auto(folder.path().join("mine.csv")));
        let text = Clips::open(&sources, &ClipsOptions::default()).unwrap_err().to_string();
        assert!(text.contains("mine.csv: row 2: ") && text.contains(expected), "{text}");
    }
}

#[test]
fn names_that_differ_in_case_alone_are_warned_about() {
    let made = folder("path,label,speaker\na.wav,happy,Anna\nb ü/c.wav,happy,anna\n");
    let found = open(&made).unwrap();
    assert_eq!(found.corpora[0].speakers, 2);
    assert_eq!(
        found.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "speaker: names must differ in more than upper and lower case, got mine/Anna and mine/anna: they count as 2"
        ]
    );
    let options = CorpusOptions { labels: LabelSet::Own, ..CorpusOptions::default() };
    let made = folder("path,label,corpus\na.wav,Grumpy,kids\nb ü/c.wav,grumpy,Kids\n");
    let source = Source::auto(made.path().join("mine.csv"));
    let corpus = Corpus::load(&[source], &options, |_, _| (), |_| ()).unwrap();
    let got = ["got Kids and kids", "got Grumpy and grumpy"];
    assert_eq!(corpus.warnings.len(), 2, "{:?}", corpus.warnings);
    assert!(corpus.warnings.iter().zip(got).all(|(warning, got)| warning.contains(got)));
    let once = folder("path,label,speaker\na.wav,happy,anna\nb ü/c.wav,happy,anna\n");
    assert_eq!(open(&once).unwrap().warnings, []);
}

#[test]
fn tables_that_are_none_are_refused() {
    let error = |bytes: &[u8]| Manifest::parse("t.csv", bytes).unwrap_err().to_string();
    assert!(
        error(b"")
            .starts_with("t.csv: row 1: columns must be path (or file) and label (or emotion, mood, class)")
    );
    assert!(error(b"name,feeling\nx,y\n").ends_with("got \"name,feeling\""));
    assert_eq!(
        error(b"path,label\na.wav,sad\n\xE4.wav,sad\n"),
        "t.csv: row 3: text must be UTF-8, got other bytes (save the table as UTF-8)"
    );
    assert!(
        Manifest::read(Path::new("no.csv")).unwrap_err().to_string().starts_with("no.csv: cannot be read")
    );
    let empty = folder("path,label\n");
    let text = open(&empty).unwrap_err().to_string();
    assert!(
        text.contains("mine.csv: source must hold 1 or more clips such as a row `path,label`, got 0"),
        "{text}"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), header: bool) {
        let table = if header { [b"path,label,start,end\n", &bytes[..]].concat() } else { bytes };
        if let Ok(manifest) = Manifest::parse("t.csv", &table) {
            for row in &manifest.rows {
                prop_assert!(!row.path.is_empty() && !row.label.is_empty());
                prop_assert!(row.end.is_none_or(|end| end > row.start.unwrap_or_default()));
            }
            prop_assert!(manifest.bad.iter().all(|bad| bad.to_string().starts_with("t.csv: row ")));
        }
    }

    #[test]
    fn rows_are_read_as_they_were_written(
        rows in prop::collection::vec(("[a-zäß ,;\"'/]{1,12}x\\.wav", "[a-z]{1,8}", 0u32..1000, 1u32..1000), 1..20),
        delimiter in prop::sample::select(vec![b',', b';', b'\t']),
    ) {
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
        writer.write_record(["path", "label", "start", "end"]).unwrap();
        for (number, (path, label, start, length)) in rows.iter().enumerate() {
            let end = f64::from(start + length) / 8.0;
            let path = format!("{number}{path}");
            writer.write_record([&path, label, &(f64::from(*start) / 8.0).to_string(), &end.to_string()]).unwrap();
        }
        let manifest = Manifest::parse("t.csv", &writer.into_inner().unwrap()).unwrap();
        prop_assert_eq!(&manifest.bad, &[]);
        prop_assert_eq!(manifest.rows.len(), rows.len());
        for (number, (row, (path, label, start, length))) in manifest.rows.iter().zip(&rows).enumerate() {
            prop_assert_eq!(&row.path, &format!("{number}{path}"));
            prop_assert_eq!(&row.label, label);
            prop_assert_eq!(row.start.unwrap().as_secs_f64(), f64::from(*start) / 8.0);
            prop_assert_eq!(row.end.unwrap().as_secs_f64(), f64::from(start + length) / 8.0);
        }
    }
}
