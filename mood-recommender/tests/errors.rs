//! The text of every error: where it is, which parameter, its rule and the value given; and the causes that it holds.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read};

use mood_recommender::{
    Aim, Catalog, Filter, Mood, Options, Playlist, PlaylistFormat, ReadOptions, Reading, Recommender,
    ReleaseDate, Song, SongFeature, Strategy,
};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// An error with the number of its causes. Each text holds that of its cause, so that a program that prints the chain can leave it out.
fn told<T>(result: Fallible<T>) -> (String, usize) {
    let error = result.map(drop).unwrap_err();
    let mut causes = 0;
    let mut last: &dyn Error = &*error;
    while let Some(cause) = last.source() {
        assert!(last.to_string().contains(&cause.to_string()), "{cause} is not in {last}");
        (last, causes) = (cause, causes + 1);
    }
    (error.to_string(), causes)
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("a broken disk"))
    }
}

fn catalog(text: &str) -> Fallible<Catalog> {
    Ok(Catalog::from_bytes(text)?)
}

fn recommend(options: &Options) -> Fallible<usize> {
    Ok(Recommender::new(Catalog::starter())?.recommend(Mood::Sad, options)?.len())
}

fn weights(weights: &[(SongFeature, f64)]) -> Fallible<usize> {
    let aim = Aim { target: Mood::Calm, weights: weights.iter().copied().collect() };
    recommend(&Options {
        strategy: Strategy::Custom(BTreeMap::from([(Mood::Sad, aim)])),
        ..Options::default()
    })
}

#[test]
fn an_error_names_place_parameter_rule_and_value() {
    let unlabelled = "name,artist,energy\nA,B,0.5\n";
    let cases = [
        (
            told(catalog("name,energy\nA,1\n")),
            "header: columns must include \"artist\", got \"name\", \"energy\"",
        ),
        (told(catalog("name,artist,energy,Energy\n")), "header: names must differ, got \"Energy\" twice"),
        (
            told(catalog("name,artist,energy\nA,B\n")),
            "row 1 (line 2): cells must be 3, as many as in the header, got 2",
        ),
        (
            told(catalog("name,artist,energy\nA,B,loud\n")),
            "row 1 (line 2): energy must be a number, got \"loud\"",
        ),
        (
            told(catalog("[{\"name\": \"A\"")),
            "line 1, column 13: JSON must be valid: EOF while parsing an object",
        ),
        (
            told(Catalog::builder().push(Song::default()).map(drop).map_err(Into::into)),
            "row 1: name must be a text, got \"\"",
        ),
        (
            told(catalog(unlabelled).and_then(|mut catalog| Ok(catalog.assign_moods()?))),
            "catalogue: songs with a mood to learn from must be 1 or more, got 0",
        ),
        (
            told(Recommender::new(Catalog::default()).map_err(Into::into)),
            "catalogue: songs must be 1 or more, got 0",
        ),
        (
            told("Angry".parse::<Mood>().map_err(Into::into)),
            "mood: name must be Calm, Happy, Sad or Energetic, got \"Angry\"",
        ),
        (
            told("soon".parse::<ReleaseDate>().map_err(Into::into)),
            "release_date: text must be a date as 1982-10-27, 27-10-1982, 1966-03 or 1993, got \"soon\"",
        ),
        (
            told(Reading::from_probabilities([("Angry", 1.0)]).map_err(Into::into)),
            "mood: name must be Calm, Happy, Sad or Energetic, got \"Angry\"",
        ),
        (
            told(Reading::from_probabilities([("Sad", -1.0)]).map_err(Into::into)),
            "probabilities: Sad must be finite and 0 or more, got -1",
        ),
        (
            told(Reading::from_probabilities([("Sad", 0.0)]).map_err(Into::into)),
            "probabilities: the number of values above 0 must be 1 or more, got 0",
        ),
        (
            told(weights(&[(SongFeature::Energy, f64::NAN)])),
            "weights for Sad: energy must be a finite number, got NaN",
        ),
        (told(weights(&[])), "weights for Sad: the number of values other than 0 must be 1 or more, got 0"),
        (
            told(recommend(&Options { diversity: 2.0, ..Options::default() })),
            "options: diversity must be a number from 0 to 1, got 2",
        ),
        (
            told(recommend(&Options {
                filter: Filter { tempo: Some(f32::NAN..=1.0), ..Filter::default() },
                ..Options::default()
            })),
            "options: filter.tempo must be a range of numbers, got NaN..=1.0",
        ),
        (
            told(PlaylistFormat::of_path("list.pls").map_err(Into::into)),
            "list.pls: extension must be .m3u8, .m3u, .xspf, .jspf, .csv or .txt, got .pls",
        ),
    ];
    for ((text, causes), expected) in cases {
        assert_eq!((text.as_str(), causes), (expected, 0));
    }
    let (unknown, _) = told(ReadOptions::default().column("colour", "x").map_err(Into::into));
    assert!(unknown.starts_with("options: column must be one of name, album, "), "{unknown}");
    assert!(unknown.ends_with(", path, got \"colour\""), "{unknown}");
}

#[test]
fn what_a_file_or_the_system_does_wrong_is_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("songs.csv"), "name,artist,energy\nA,B,loud\n").unwrap();
    let (bad, missing, nowhere) = (path("songs.csv"), path("missing.csv"), path("none/songs.csv"));
    let starter = Catalog::starter();
    for ((text, causes), expected) in [
        (
            told(Catalog::open(&bad).map_err(Into::into)),
            format!("{bad}: row 1 (line 2): energy must be a number, got \"loud\""),
        ),
        (told(Catalog::open(&missing).map_err(Into::into)), format!("{missing}: cannot be read: ")),
        (told(starter.save(&nowhere).map_err(Into::into)), format!("{nowhere}: cannot be written: ")),
        (
            told(Playlist::default().save(&nowhere).map_err(Into::into)),
            format!("{nowhere}: cannot be written: "),
        ),
        (
            told(Catalog::from_reader(Broken, &ReadOptions::default()).map_err(Into::into)),
            "catalogue: cannot be read: a broken disk".to_owned(),
        ),
    ] {
        assert!(text.starts_with(&expected), "{expected:?} does not begin {text:?}");
        assert_eq!(causes, 1, "{text}");
    }
}
