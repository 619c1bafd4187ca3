//! Playlists in every format.

use std::fs;

use mood_recommender::{
    Catalog, Mood, Options, Playlist, PlaylistError, PlaylistFormat, Recommender, Song, Strategy,
};
use quick_xml::Reader;
use quick_xml::events::Event;

fn playlist() -> Playlist {
    let songs = [
        Song {
            name: "Über <Nacht> & Tag".into(),
            artist: "Zoé".into(),
            album: "Erste Fahrt".into(),
            duration_ms: Some(215_499),
            path: Some("/music/Zoé/01 Über #1.mp3".into()),
            id: "2374M0fQpWi3dLnB54qaLX".into(),
            ..Song::default()
        },
        Song { name: "Two\nlines\u{1b}[31m".into(), artist: "Anna, \"B\"".into(), ..Song::default() },
        Song {
            name: "Near".into(),
            artist: "C".into(),
            path: Some("#here/a b.ogg".into()),
            ..Song::default()
        },
    ];
    let mut list = Playlist::of_songs("Sad → Happy", &songs);
    list.entries[0].reason = "a happy song (valence 0.80)".into();
    list
}

fn written(format: PlaylistFormat) -> String {
    let mut bytes = Vec::new();
    playlist().write_to(&mut bytes, format).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn m3u8_has_seconds_titles_and_places() {
    assert_eq!(
        written(PlaylistFormat::M3u8),
        "#EXTM3U\n#PLAYLIST:Sad → Happy\n\
         #EXTINF:215,Zoé - Über <Nacht> & Tag\n/music/Zoé/01 Über #1.mp3\n\
         #EXTINF:-1,Anna, \"B\" - Two lines [31m\n\
         https://open.spotify.com/search/Anna%2C%20%22B%22%20Two%0Alines%1B%5B31m\n\
         #EXTINF:-1,C - Near\n./#here/a b.ogg\n"
    );
}

#[test]
fn the_longest_length_is_rounded_too() {
    let song = Song { name: "A".into(), artist: "B".into(), duration_ms: Some(u32::MAX), ..Song::default() };
    let mut m3u8 = Vec::new();
    Playlist::of_songs("Long", [&song]).write_to(&mut m3u8, PlaylistFormat::M3u8).unwrap();
    assert!(String::from_utf8(m3u8).unwrap().contains("#EXTINF:4294967,B - A"));
}

#[test]
fn text_has_a_song_a_line() {
    assert_eq!(
        written(PlaylistFormat::Text),
        "Zoé – Über <Nacht> & Tag\nAnna, \"B\" – Two lines [31m\nC – Near\n"
    );
}

#[test]
fn xspf_is_xml_with_addresses() {
    let text = written(PlaylistFormat::Xspf);
    let (mut reader, mut path, mut found) = (Reader::from_str(&text), Vec::new(), Vec::new());
    let mut content = String::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                path.push(start.name().as_ref().to_string());
                content.clear();
            }
            Event::Text(part) => content += &part,
            Event::GeneralRef(name) => {
                content += match &*name {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    other => panic!("{other:?}"),
                }
            }
            Event::End(_) => found.push((path.pop().unwrap(), std::mem::take(&mut content))),
            Event::Eof => break,
            _ => {}
        }
    }
    let of = |name: &str| {
        found.iter().filter(|(it, _)| it == name).map(|(_, text)| text.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("title"), ["Sad → Happy", "Über <Nacht> & Tag", "Two lines [31m", "Near"]);
    assert_eq!(of("creator"), ["Zoé", "Anna, \"B\"", "C"]);
    let locations = of("location");
    assert_eq!(locations[0], "file:///music/Zo%C3%A9/01%20%C3%9Cber%20%231.mp3");
    assert_eq!(locations[2], "%23here/a%20b.ogg");
    assert_eq!((of("duration"), of("annotation")), (vec!["215499"], vec!["a happy song (valence 0.80)"]));
    assert_eq!(of("info")[0], "https://open.spotify.com/track/2374M0fQpWi3dLnB54qaLX");
}

#[test]
fn jspf_and_csv_hold_the_same() {
    let json: serde_json::Value = serde_json::from_str(&written(PlaylistFormat::Jspf)).unwrap();
    let tracks = json["playlist"]["track"].as_array().unwrap();
    assert_eq!((json["playlist"]["title"].as_str(), tracks.len()), (Some("Sad → Happy"), 3));
    assert_eq!(tracks[0]["location"][0], "file:///music/Zo%C3%A9/01%20%C3%9Cber%20%231.mp3");
    assert_eq!((&tracks[0]["duration"], &tracks[1]["duration"]), (&215_499.into(), &serde_json::Value::Null));
    let text = written(PlaylistFormat::Csv);
    assert!(text.starts_with(
        "artist,name,album,duration_ms,path,link,reason\nZoé,Über <Nacht> & Tag,Erste Fahrt,215499,/music/"
    ));
    assert!(text.contains("\n\"Anna, \"\"B\"\"\",Two lines [31m,,,,https://"), "{text}");
}

#[test]
fn addresses_stay_as_they_are_and_relative_paths_begin_with_the_folder() {
    let songs = ["https://example.org/a%20b.mp3?x=1&y=2", "file:///home/me/a.mp3", "abba/w.mp3", "/m/x.mp3"]
        .map(|path| Song { artist: "A".into(), path: Some(path.into()), ..Song::default() });
    let mut list = Playlist::of_songs("Places", &songs);
    list.resolve_paths("/music");
    let of = |format| {
        let mut bytes = Vec::new();
        list.write_to(&mut bytes, format).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let m3u8 = of(PlaylistFormat::M3u8);
    let places: Vec<&str> = m3u8.lines().filter(|line| !line.starts_with('#')).collect();
    let addresses = ["https://example.org/a%20b.mp3?x=1&y=2", "file:///home/me/a.mp3"];
    assert_eq!(places, [addresses[0], addresses[1], "/music/abba/w.mp3", "/m/x.mp3"]);
    let json: serde_json::Value = serde_json::from_str(&of(PlaylistFormat::Jspf)).unwrap();
    let places = [addresses[0], addresses[1], "file:///music/abba/w.mp3", "file:///m/x.mp3"];
    for (track, place) in json["playlist"]["track"].as_array().unwrap().iter().zip(places) {
        assert_eq!(track["location"][0], place);
    }
    let (xspf, csv) = (of(PlaylistFormat::Xspf), of(PlaylistFormat::Csv));
    assert!(xspf.contains("<location>https://example.org/a%20b.mp3?x=1&amp;y=2</location>"), "{xspf}");
    assert!(addresses.iter().all(|address| csv.contains(address)), "{csv}");
}

/// The bytes of a percent-encoded address.
#[cfg(unix)]
fn decoded(address: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(address).collect()
}

#[cfg(unix)]
#[test]
fn files_of_any_name_are_found_again() {
    use mood_recommender::PlaylistEntry;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let names: [&[u8]; 9] = [
        b"#1.mp3",
        b"12: One.mp3",
        b" two.mp3",
        b"two.mp3 ",
        b"a\nb.mp3",
        b"caf\xe9.mp3",
        b"100%.mp3",
        b"a?b&c.mp3",
        b"=1+1.mp3",
    ];
    for name in names {
        let of = |path: &[u8]| Playlist {
            title: "Odd".into(),
            entries: vec![PlaylistEntry {
                location: Some(OsStr::from_bytes(path).into()),
                ..PlaylistEntry::default()
            }],
        };
        let line = |path: &[u8], format| {
            let mut bytes = Vec::new();
            of(path).write_to(&mut bytes, format).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let absolute = [b"/music/", name].concat();
        let m3u8 = line(&absolute, PlaylistFormat::M3u8);
        assert_eq!(m3u8.lines().count(), 4, "{m3u8}");
        let place = m3u8.lines().last().unwrap();
        // Players read a line as an address only if it begins with a scheme.
        match place.strip_prefix("file://") {
            Some(address) => assert_eq!(decoded(address), absolute),
            None => assert_eq!(place.as_bytes(), absolute),
        }
        let json: serde_json::Value = serde_json::from_str(&line(&absolute, PlaylistFormat::Jspf)).unwrap();
        let address = json["playlist"]["track"][0]["location"][0].as_str().unwrap();
        assert_eq!(decoded(address.strip_prefix("file://").unwrap()), absolute);
        let relative = line(name, PlaylistFormat::M3u8);
        let place = relative.lines().last().unwrap();
        let is_address = !place.starts_with('#') && place.split('/').next().unwrap().contains(':');
        assert!(!is_address && !place.starts_with('#') && place == place.trim(), "{place}");
    }
}

#[test]
fn no_cell_of_csv_is_a_formula() {
    let names = [
        "=HYPERLINK(\"https://example.org\")",
        "@SUM(1)",
        "\t=1+1",
        "\r+cmd|' /C calc'!A0",
        "-",
        "+44",
        "A = B",
    ];
    let songs = names.map(|name| Song { name: name.into(), artist: "-A-".into(), ..Song::default() });
    let mut bytes = Vec::new();
    Playlist::of_songs("Odd", &songs).write_to(&mut bytes, PlaylistFormat::Csv).unwrap();
    let mut rows = csv::Reader::from_reader(&bytes[..]);
    let cells: Vec<Vec<String>> =
        rows.records().map(|row| row.unwrap().iter().take(2).map(str::to_owned).collect()).collect();
    let expected = [
        "'=HYPERLINK(\"https://example.org\")",
        "'@SUM(1)",
        "'=1+1",
        "'+cmd|' /C calc'!A0",
        "-",
        "+44",
        "A = B",
    ];
    assert_eq!(cells, expected.map(|name| vec!["'-A-".to_owned(), name.to_owned()]));
}

#[test]
fn lists_and_journeys_are_saved_by_the_ending_of_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let recommender = Recommender::new(crate::common::random_catalog(500, 4)).unwrap();
    let journey = Options { strategy: Strategy::journey_to(Mood::Happy), ..Options::default() };
    for options in [Options::default(), journey] {
        let list = recommender.recommend(Mood::Sad, &options).unwrap();
        let playlist = Playlist::new("Mine", &list);
        assert_eq!(playlist.entries.len(), list.len());
        for extension in ["m3u8", "M3U", "xspf", "jspf", "csv", "txt"] {
            let path = folder.path().join(format!("list.{extension}"));
            playlist.save(&path).unwrap();
            let mut bytes = Vec::new();
            playlist.write_to(&mut bytes, PlaylistFormat::of_path(&path).unwrap()).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }
    let path = folder.path().join("list.pls");
    let error = Playlist::default().save(&path).unwrap_err();
    assert!(matches!(error, PlaylistError::Extension { .. }) && !path.exists());
    let rule = "extension must be .m3u8, .m3u, .xspf, .jspf, .csv or .txt, got";
    assert_eq!(error.to_string(), format!("{}: {rule} .pls", path.display()));
    let error = PlaylistFormat::of_path("list").unwrap_err();
    assert_eq!(error.to_string(), format!("list: {rule} none"));
    assert!(
        Catalog::starter()
            .songs()
            .iter()
            .all(|song| song.link().starts_with("https://open.spotify.com/search/"))
    );
}
