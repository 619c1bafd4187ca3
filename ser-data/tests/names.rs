//! RAVDESS file names, labels and moods.

use proptest::prelude::*;
use ser_data::{
    ClipName, Emotion, Intensity, MOODS, Modality, NameError, Sex, Statement, VocalChannel, mood_of,
};

#[test]
fn every_field_is_read() {
    let name: ClipName = "02-02-08-02-01-02-23.mp4".parse().unwrap();
    assert_eq!(
        name,
        ClipName {
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
        ("00-01-01-01-01-01-01", "modality is 00, expected 01 to 03"),
        ("03-03-01-01-01-01-01", "vocal channel is 03, expected 01 or 02"),
        ("03-01-09-01-01-01-01.wav", "emotion is 09, expected 01 to 08"),
        ("03-01-02-03-01-01-01", "intensity is 03, expected 01 or 02"),
        ("03-01-02-01-00-01-01", "statement is 00, expected 01 or 02"),
        ("03-01-02-01-01-03-01", "repetition is 03, expected 01 or 02"),
        ("03-01-02-01-01-01-25", "actor is 25, expected 01 to 24"),
        ("03-01-02-01-01-01-1", "actor is 1, expected 01 to 24"),
        ("03-01-02-01-01-01-01 (1).wav", "actor is 01 (1), expected 01 to 24"),
        (
            "03-01-01-02-01-01-01",
            "intensity is 02, expected 01, as neutral (emotion 01) has no strong intensity",
        ),
    ] {
        let text = name.parse::<ClipName>().unwrap_err().to_string();
        assert_eq!(text, format!("{name}: {expected}"));
    }
    let error = "speech.wav".parse::<ClipName>().unwrap_err();
    assert!(matches!(&error, NameError::Shape { found: 1, .. }));
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
        "emotion is \"joy\", expected one of neutral, calm, happy, sad, angry, fearful, disgust, surprised"
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
        assert_eq!(mood_of(emotion.parse().unwrap()), mood);
        assert!(MOODS.contains(&mood));
    }
}

proptest! {
    #[test]
    fn names_are_written_as_they_are_read(codes in (1u8..=3, 1u8..=2, 1u8..=8, 1u8..=2, 1u8..=2, 1u8..=2, 1u8..=24)) {
        let (modality, channel, emotion, intensity, statement, repetition, actor) = codes;
        let name = format!(
            "{modality:02}-{channel:02}-{emotion:02}-{intensity:02}-{statement:02}-{repetition:02}-{actor:02}"
        );
        match name.parse::<ClipName>() {
            Ok(parsed) => prop_assert_eq!(parsed.to_string(), name),
            Err(_) => prop_assert_eq!((emotion, intensity), (1, 2)),
        }
    }

    #[test]
    fn no_name_makes_the_parser_panic(name in "(\\PC|[-.0-9]){0,40}") {
        let _ = name.parse::<ClipName>();
    }

    #[test]
    fn changed_names_are_read_or_refused_by_name(at in 0usize..20, with in "\\PC") {
        let mut name = "03-01-06-01-02-01-12".to_string();
        name.replace_range(at..=at, &with);
        if let Err(error) = name.parse::<ClipName>() {
            prop_assert!(error.to_string().starts_with(&name));
        }
    }
}
