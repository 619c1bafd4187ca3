//! Tests of recognising clips and converting them to WAV.

use serde_json::{Value, json};

use crate::client::{agent, get, memory_kilobytes, post};
use crate::server::Server;
use crate::support::{check_example, recommend_songs, sample, wav};

#[test]
fn a_clip_gives_what_recommend_songs_prints() {
    let server = Server::start(&[]);
    let expected = recommend_songs(&["--count", "4"]);
    let clip = std::fs::read(sample()).unwrap();
    let raw = post(&format!("{}/api/recognize?count=4", server.address), &clip);
    assert_eq!(raw.status, 200, "{}", raw.body);

    let mut form =
        b"--frontier\r\nContent-Disposition: form-data; name=\"file\"; filename=\"voice.wav\"\r\n\r\n"
            .to_vec();
    form.extend_from_slice(&clip);
    form.extend_from_slice(b"\r\n--frontier--\r\n");
    let request = agent()
        .post(format!("{}/api/recognize?count=4", server.address))
        .content_type("multipart/form-data; boundary=frontier");
    let formed: Value = request.send(&form[..]).unwrap().body_mut().read_json().unwrap();

    for answer in [&raw.body, &formed] {
        for key in ["mood", "probabilities", "songs"] {
            assert_eq!(answer[key], expected[key], "{key}");
        }
        assert_eq!(answer["audio"]["sample_rate"], 22_050);
        let stages: Vec<&String> = answer["timing_ms"].as_object().unwrap().keys().collect();
        assert_eq!(stages, ["decode", "pictures", "recognize", "recommend", "wait"]);
        for stage in ["decode", "recognize", "recommend"] {
            assert!(answer["timing_ms"][stage].as_f64().unwrap() > 0.0, "{stage} takes time");
        }
    }

    // The same probabilities give the same songs without the clip.
    let body = json!({ "probabilities": expected["probabilities"], "options": { "count": 4 } }).to_string();
    let songs = post(&format!("{}/api/recommend", server.address), body.as_bytes());
    for (song, expected) in
        songs.body["songs"].as_array().unwrap().iter().zip(expected["songs"].as_array().unwrap())
    {
        assert_eq!(song["key"], expected["key"]);
    }
    assert!(songs.body["timing_ms"]["recommend"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_request_may_ask_for_another_model_of_the_server() {
    let server = Server::start(&["--also", "small"]);
    let health: Value = serde_json::from_slice(&get(&format!("{}/api/health", server.address)).1).unwrap();
    assert_eq!(health["models"], json!(["voices", "small"]));
    let clip = std::fs::read(sample()).unwrap();
    let of = |query: &str| post(&format!("{}/api/recognize?count=0{query}", server.address), &clip);
    for (query, model) in [("", "voices"), ("&model=voices", "voices"), ("&model=small", "small")] {
        let expected = recommend_songs(&["--model", model]);
        assert_eq!(of(query).body["probabilities"], expected["probabilities"], "{query}");
    }
    let refused = of("&model=large");
    let detail = "query: model must be one of voices, small, got large";
    assert_eq!((refused.status, &refused.body["detail"]), (400, &json!(detail)));
}

#[test]
fn the_example_says_what_it_shows_how_it_is_called_and_how_it_ends() {
    check_example("web_demo", "web_demo/main.rs");
}

#[test]
fn a_clip_is_told_from_start_to_end() {
    let server = Server::start(&["--workers", "1"]);
    let clip = std::fs::read(sample()).unwrap();
    let answer = post(&format!("{}/api/recognize?count=0", server.address), &clip).body;
    let timeline = answer["timeline"].as_array().unwrap();
    let seconds = answer["audio"]["seconds"].as_f64().unwrap();
    assert_eq!(
        (timeline[0]["start"].as_f64(), timeline.last().unwrap()["end"].as_f64()),
        (Some(0.0), Some(seconds))
    );
    for pair in timeline.windows(2) {
        assert_eq!(pair[0]["end"], pair[1]["start"], "no gap");
        assert_ne!(pair[0]["mood"], pair[1]["mood"], "one stretch a mood");
    }
    assert!(
        timeline.iter().any(|stretch| stretch["mood"] == answer["mood"] && stretch["confident"].is_boolean())
    );
    assert!(timeline.iter().any(|stretch| stretch["mood"].is_null()), "the sample begins with silence");
    let peaks = answer["audio"]["peaks"].as_array().unwrap();
    let loudest = peaks.iter().filter_map(Value::as_f64).fold(0.0, f64::max);
    assert!(
        (50..=600).contains(&peaks.len()) && loudest > 0.1 && loudest <= 1.0,
        "{} peaks, {loudest}",
        peaks.len()
    );
    assert_eq!(answer["notices"], json!([]));

    // The converted file has the same mood and length.
    let mut response = agent().post(format!("{}/api/wav", server.address)).send(&clip[..]).unwrap();
    assert_eq!(response.headers()["content-type"], "audio/wav");
    let played = response.body_mut().read_to_vec().unwrap();
    let again = post(&format!("{}/api/recognize?count=0", server.address), &played).body;
    assert_eq!((&again["mood"], &again["audio"]["seconds"]), (&answer["mood"], &answer["audio"]["seconds"]));
    assert_eq!(post(&format!("{}/api/wav", server.address), b"Dear Sir").status, 415);
}

#[test]
fn pictures_are_drawn_when_they_are_asked_for() {
    let server = Server::start(&["--workers", "1"]);
    let clip = std::fs::read(sample()).unwrap();
    let pictures = |query: &str| {
        let answer = post(&format!("{}/api/recognize?{query}", server.address), &clip);
        answer.body["pictures"].as_array().unwrap().clone()
    };
    assert!(pictures("count=0").is_empty());
    let (light, dark) = (pictures("pictures=true&width=500"), pictures("pictures=true&dark=true&width=500"));
    let codes =
        |pictures: &[Value]| pictures.iter().map(|picture| picture["code"].clone()).collect::<Vec<_>>();
    assert_eq!(codes(&light), ["waveform", "mel", "pitch"]);
    assert_eq!(codes(&dark), codes(&light));
    for (light, dark) in light.iter().zip(&dark) {
        assert!(light["src"].as_str().unwrap().starts_with("data:image/png;base64,iVBORw0KGgo"));
        assert!(light["alt"].as_str().unwrap().len() > 20);
        assert_eq!(light["width"], 500);
        assert_ne!(light["src"], dark["src"]);
    }
    // Titles and axes are in the requested language.
    let german = pictures("pictures=true&language=de&width=500");
    for (english, german) in light.iter().zip(&german) {
        assert_eq!((&english["code"], &english["width"]), (&german["code"], &german["width"]));
        assert_ne!(english["src"], german["src"]);
        assert_ne!(english["alt"], german["alt"]);
    }
}

/// Returns the sample's speech, repeated for `seconds`, at half of its sample rate.
fn long_speech(seconds: usize) -> Vec<u8> {
    let clip = std::fs::read(sample()).unwrap();
    let speech: Vec<i16> =
        clip[44..].chunks_exact(4).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    wav(speech.iter().copied().cycle().take(seconds * 11_025), 11_025)
}

#[test]
fn the_first_ten_minutes_of_a_long_clip_are_heard_and_what_was_cut_is_heard_up_to_there() {
    let server = Server::start(&["--workers", "1"]);
    let long = long_speech(11 * 60);
    let answer = post(&format!("{}/api/recognize?count=1", server.address), &long);
    assert_eq!(
        (answer.status, answer.body["audio"]["seconds"].as_f64()),
        (200, Some(600.0)),
        "{}",
        answer.body
    );
    assert_eq!(answer.body["notices"][0]["code"], "too-long");
    assert_eq!(answer.body["timeline"].as_array().unwrap().last().unwrap()["end"], 600.0);

    let half = &long[..500_000];
    let recognize = |query: &str| post(&format!("{}/api/recognize?count=0{query}", server.address), half);
    assert_eq!((recognize("").status, recognize("&cut=true").status), (422, 200));
    assert_eq!(recognize("&cut=true").body["notices"][0]["code"], "file");
}

/// Pictures show the whole recognised part, and take little more memory than those of a short clip. The file itself has 13 MB.
#[test]
fn pictures_of_ten_minutes_take_little_memory() {
    let server = Server::start(&["--workers", "1"]);
    let pictures = |clip: &[u8]| {
        let answer = post(&format!("{}/api/recognize?count=0&pictures=true", server.address), clip);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.body["pictures"].as_array().unwrap().len(), 3);
        memory_kilobytes(server.process.id(), "VmHWM:")
    };
    let (short, long) = (pictures(&std::fs::read(sample()).unwrap()), pictures(&long_speech(10 * 60)));
    if let (Some(short), Some(long)) = (short, long) {
        assert!(long < short + 50_000, "{short} kB of a short clip, {long} kB of ten minutes");
    }
}
