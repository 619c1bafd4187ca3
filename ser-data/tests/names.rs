//! File names of corpora, labels and moods.

use proptest::prelude::*;
use ser_data::{
    CorpusFormat, Emotion, Intensity, LabelMap, MOODS, Modality, NameError, RavdessName, Sex, Statement,
    VocalChannel,
};

#[test]
fn every_field_is_read() {
    let name: RavdessName = "02-02-08-02-01-02-23.mp4".parse().unwrap();
    assert_eq!(
        name,
        RavdessName {
            modality: Modality::VideoOnly,
            vocal_channel: VocalChannel::Song,
            emotion: Emotion::Surprised,
            intensity: Intensity::Strong,
            statement: Statement::Kids,
            repetition: 2,
            actor: 23,
        }
    );
    assert_eq!(name.sex(), Sex::Male);
}

#[test]
fn errors_name_the_field_and_what_was_expected() {
    for (name, expected) in [
        ("00-01-01-01-01-01-01", "modality must be 01 to 03, got 00"),
        ("03-03-01-01-01-01-01", "vocal channel must be 01 or 02, got 03"),
        ("03-01-09-01-01-01-01.wav", "emotion must be 01 to 08, got 09"),
        ("03-01-02-03-01-01-01", "intensity must be 01 or 02, got 03"),
        ("03-01-02-01-00-01-01", "statement must be 01 or 02, got 00"),
        ("03-01-02-01-01-03-01", "repetition must be 01 or 02, got 03"),
        ("03-01-02-01-01-01-25", "actor must be 01 to 24, got 25"),
        ("03-01-02-01-01-01-1", "actor must be 01 to 24, got 1"),
        ("03-01-02-01-01-01-01 (1).wav", "actor must be 01 to 24, got 01 (1)"),
        (
            "03-01-01-02-01-01-01",
            "intensity must be 01, as neutral (emotion 01) has no strong intensity, got 02",
        ),
    ] {
        let text = name.parse::<RavdessName>().unwrap_err().to_string();
        assert_eq!(text, format!("{name}: {expected}"));
    }
    let error = "speech.wav".parse::<RavdessName>().unwrap_err();
    assert!(matches!(&error, NameError::Shape { .. }));
    assert!(error.to_string().contains("such as 03-01-06-01-02-01-12"));
}

#[test]
fn labels_are_read_from_their_words() {
    for &emotion in Emotion::ALL {
        assert_eq!(emotion.as_str().parse(), Ok(emotion));
        assert_eq!(emotion.to_string().to_uppercase().parse(), Ok(emotion));
    }
    assert_eq!(
        "joy".parse::<Emotion>().unwrap_err().to_string(),
        "emotion: word must be one of neutral, calm, happy, sad, angry, fearful, disgust, surprised, got \"joy\""
    );
    assert_eq!(Emotion::ALL.iter().map(|e| e.code()).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
}

#[test]
fn moods_are_those_of_table_2() {
    let table = [
        ("neutral", "Calm"),
        ("calm", "Calm"),
        ("happy", "Happy"),
        ("sad", "Sad"),
        ("fearful", "Sad"),
        ("angry", "Energetic"),
        ("disgust", "Energetic"),
        ("surprised", "Energetic"),
    ];
    assert_eq!(table.len(), Emotion::ALL.len());
    for (emotion, mood) in table {
        assert_eq!(LabelMap::bundled().mood_of(emotion), Some(mood));
        assert!(MOODS.contains(&mood));
    }
}

/// Format, path, and the id, speaker, word and emotion that it says.
const NAMED: [(CorpusFormat, &str, [&str; 4]); 19] = [
    (
        CorpusFormat::Ravdess,
        "Actor_12/03-01-06-01-02-01-12.wav",
        ["03-01-06-01-02-01-12", "12", "fearful", "fearful"],
    ),
    (CorpusFormat::EmoDb, "wav/03a01Fa.wav", ["03a01Fa", "03", "F", "happy"]),
    (CorpusFormat::EmoDb, "16b10Wb.FLAC", ["16b10Wb", "16", "W", "angry"]),
    (CorpusFormat::EmoDb, "08b02Lc.wav", ["08b02Lc", "08", "L", "boredom"]),
    (CorpusFormat::EmoDb, "08a07Tc.wav", ["08a07Tc", "08", "T", "sad"]),
    (CorpusFormat::Nemo, "samples/WR0_anger_11.wav", ["WR0_anger_11", "WR0", "anger", "angry"]),
    (CorpusFormat::Nemo, "MK0_surprised_1.flac", ["MK0_surprised_1", "MK0", "surprised", "surprised"]),
    (CorpusFormat::Ased, "05Angry/a5-03-01-02-50.wav", ["a5-03-01-02-50", "50", "a", "angry"]),
    (CorpusFormat::Ased, "n1-01-01-01-09.flac", ["n1-01-01-01-09", "09", "n", "neutral"]),
    (CorpusFormat::CremaD, "AudioWAV/1001_DFA_ANG_XX.wav", ["1001_DFA_ANG_XX", "1001", "ANG", "angry"]),
    (CorpusFormat::CremaD, "1040_ITH_SAD_X.wav", ["1040_ITH_SAD_X", "1040", "SAD", "sad"]),
    (CorpusFormat::CremaD, "1001_ieo_fea_hi.WAV", ["1001_ieo_fea_hi", "1001", "fea", "fearful"]),
    (CorpusFormat::Tess, "OAF_angry/OAF_back_angry.wav", ["OAF_back_angry", "OAF", "angry", "angry"]),
    (CorpusFormat::Tess, "YAF_pleasant_surprised/YAF_bar_ps.wav", ["YAF_bar_ps", "YAF", "ps", "surprised"]),
    (CorpusFormat::Tess, "OA_bite_neutral.wav", ["OA_bite_neutral", "OAF", "neutral", "neutral"]),
    (CorpusFormat::Savee, "AudioData/DC/sa01.wav", ["DC_sa01", "DC", "sa", "sad"]),
    (CorpusFormat::Savee, "KL_su15.wav", ["KL_su15", "KL", "su", "surprised"]),
    (CorpusFormat::Savee, "dc/a01.wav", ["DC_a01", "DC", "a", "angry"]),
    (CorpusFormat::Savee, "JK_n30.wav", ["JK_n30", "JK", "n", "neutral"]),
];

#[test]
fn published_names_say_who_speaks_and_how() {
    for (format, path, expected) in NAMED {
        let named = format.read_name(path).unwrap().unwrap();
        let emotion = LabelMap::bundled().emotion_of(format.as_str(), &named.word);
        assert_eq!([&*named.id, &*named.speaker, &*named.word, emotion.unwrap()], expected, "{path}");
        let others = CorpusFormat::ALL.into_iter().filter(|other| *other != format);
        let readers = others.filter(|other| matches!(other.read_name(path), Ok(Some(_))));
        assert_eq!(readers.count(), 0, "{path} is read as another corpus too");
    }
}

#[test]
fn other_names_are_refused_with_an_example() {
    for (format, path, example) in [
        (CorpusFormat::EmoDb, "wav/03a01Xa.wav", "03a01Fa.wav"),
        (CorpusFormat::EmoDb, "03a01F.wav", "W anger"),
        (CorpusFormat::EmoDb, "03é1Fa.wav", "W anger"),
        (CorpusFormat::Nemo, "WR0_angry_11.wav", "WR0_anger_11.wav"),
        (CorpusFormat::Ased, "a5-03-01-02.wav", "a5-03-01-02-50.wav"),
        (CorpusFormat::Ased, "é-03-01-02-50.wav", "a5-03-01-02-50.wav"),
        (CorpusFormat::CremaD, "1001_DFA_SUR_XX.wav", "1001_DFA_ANG_XX.wav"),
        (CorpusFormat::Tess, "XAF_back_angry.wav", "OAF_back_angry.wav"),
        (CorpusFormat::Savee, "a01.wav", "DC/a01.wav"),
        (CorpusFormat::Savee, "DC/sad01.wav", "DC/a01.wav"),
        (CorpusFormat::Ravdess, "01-01-06-01-02-01-12.mp4", "modality must be 03"),
    ] {
        let error = format.read_name(path).unwrap_err().to_string();
        let name = path.rsplit('/').next().unwrap();
        assert!(error.starts_with(&format!("{name}: ")) && error.contains(example), "{error}");
    }
    assert_eq!(CorpusFormat::Ravdess.read_name("03-02-06-01-02-01-12.wav"), Ok(None), "a song");
    assert_eq!("EmoDB".parse(), Ok(CorpusFormat::EmoDb));
    assert!(
        "iemocap".parse::<CorpusFormat>().unwrap_err().to_string().contains("crema-d, tess, savee, folders")
    );
}

proptest! {
    #[test]
    fn no_path_makes_a_reader_panic(path in "(\\PC|[-_./0-9A-Z]){0,40}") {
        for format in CorpusFormat::ALL {
            if let Ok(Some(named)) = format.read_name(&path) {
                prop_assert!(!named.id.is_empty() && !named.speaker.is_empty() && !named.word.is_empty());
            }
        }
        let _ = LabelMap::bundled().emotion_of("emodb", &path);
    }

    #[test]
    fn names_with_one_change_are_read_or_refused(number in 0..NAMED.len(), at in 0usize..30, with in "\\PC?") {
        let (format, path, _) = NAMED[number];
        let mut path: Vec<char> = path.chars().collect();
        let at = at % path.len();
        path.splice(at..=at, with.chars());
        let path: String = path.into_iter().collect();
        if let Ok(Some(named)) = format.read_name(&path) {
            prop_assert!(LabelMap::bundled().emotion_of(format.as_str(), &named.word).is_some(), "{path}");
        }
    }

    #[test]
    fn names_are_written_as_they_are_read(codes in (1u8..=3, 1u8..=2, 1u8..=8, 1u8..=2, 1u8..=2, 1u8..=2, 1u8..=24)) {
        let (modality, channel, emotion, intensity, statement, repetition, actor) = codes;
        let name = format!(
            "{modality:02}-{channel:02}-{emotion:02}-{intensity:02}-{statement:02}-{repetition:02}-{actor:02}"
        );
        match name.parse::<RavdessName>() {
            Ok(parsed) => prop_assert_eq!(parsed.to_string(), name),
            Err(_) => prop_assert_eq!((emotion, intensity), (1, 2)),
        }
    }

    #[test]
    fn no_name_makes_the_parser_panic(name in "(\\PC|[-.0-9]){0,40}") {
        let _ = name.parse::<RavdessName>();
    }

    #[test]
    fn changed_names_are_read_or_refused_by_name(at in 0usize..20, with in "\\PC") {
        let mut name = "03-01-06-01-02-01-12".to_string();
        name.replace_range(at..=at, &with);
        if let Err(error) = name.parse::<RavdessName>() {
            prop_assert!(error.to_string().starts_with(&name));
        }
    }
}
