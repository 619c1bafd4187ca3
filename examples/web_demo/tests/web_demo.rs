//! The web demo as programs use it: answers, refusals, load, and the end.

#![allow(clippy::unwrap_used)] // a test may panic

mod server;
#[path = "../../tests/support.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use server::Server;
use support::{check_example, recommend_songs, sample, wav};

/// A client that takes refusals for answers.
fn agent() -> ureq::Agent {
    let timeout = Some(Duration::from_secs(60));
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(timeout).build().into()
}

struct Answered {
    status: u16,
    kind: String,
    retry_after: Option<String>,
    body: Value,
}

fn post(address: &str, body: &[u8]) -> Answered {
    let mut response = agent().post(address).send(body).unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_string());
    let (kind, retry_after) = (header("content-type").unwrap_or_default(), header("retry-after"));
    let body = response.body_mut().read_to_vec().unwrap();
    Answered {
        status: response.status().as_u16(),
        kind,
        retry_after,
        body: serde_json::from_slice(&body).unwrap(),
    }
}

fn get(address: &str) -> (u16, Vec<u8>) {
    let mut response = agent().get(address).call().unwrap();
    (response.status().as_u16(), response.body_mut().read_to_vec().unwrap())
}

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

    // The songs alone, from the same probabilities.
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
fn the_example_says_what_it_shows_how_it_is_called_and_how_it_ends() {
    check_example("web_demo", "web_demo/main.rs");
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

    // The same as a file that every browser plays.
    let mut response = agent().post(format!("{}/api/wav", server.address)).send(&clip[..]).unwrap();
    assert_eq!(response.headers()["content-type"], "audio/wav");
    let played = response.body_mut().read_to_vec().unwrap();
    let again = post(&format!("{}/api/recognize?count=0", server.address), &played).body;
    assert_eq!((&again["mood"], &again["audio"]["seconds"]), (&answer["mood"], &answer["audio"]["seconds"]));
    assert_eq!(post(&format!("{}/api/wav", server.address), b"Dear Sir").status, 415);
}

/// The sample's speech over and over, at half of its rate.
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

#[test]
fn a_list_is_given_as_a_file_too_and_a_journey_as_a_way() {
    let server = Server::start(&["--workers", "1"]);
    let body = json!({ "mood": "Sad", "options": { "count": 4, "strategy": "journey", "target": "Happy" } })
        .to_string();
    let list = post(&format!("{}/api/recommend", server.address), body.as_bytes()).body;
    let songs = list["songs"].as_array().unwrap();
    assert!(
        songs
            .iter()
            .all(|song| song["year"].is_u64() && song["mood"].is_string() && song["valence"].is_f64()),
        "{list}"
    );
    assert_eq!(list["way"]["from"]["valence"].as_f64().map(|x| (x * 100.0).round()), Some(29.0));
    assert!(list["way"]["to"]["valence"].as_f64() > list["way"]["from"]["valence"].as_f64());
    for (format, kind, begin) in [
        ("m3u8", "audio/mpegurl; charset=utf-8", "#EXTM3U"),
        ("xspf", "application/xspf+xml", "<?xml"),
        ("csv", "text/csv; charset=utf-8", "artist,name,"),
    ] {
        let address = format!("{}/api/playlist?format={format}", server.address);
        let mut response = agent().post(address).send(body.as_bytes()).unwrap();
        assert_eq!(response.headers()["content-type"], kind);
        assert!(
            response.headers()["content-disposition"]
                .to_str()
                .unwrap()
                .ends_with(&format!("songs.{format}\""))
        );
        let file = response.body_mut().read_to_string().unwrap();
        assert!(file.starts_with(begin), "{file}");
        let places = songs.iter().map(|song| {
            file.find(song["link"].as_str().unwrap()).or(file.find(song["name"].as_str().unwrap()))
        });
        let places: Vec<usize> = places.map(|place| place.expect("each song is there")).collect();
        assert!(places.is_sorted(), "in playing order: {places:?}");
    }
    let other = post(&format!("{}/api/playlist?format=doc", server.address), body.as_bytes());
    assert_eq!((other.status, &other.body["code"]), (400, &json!("invalid-request")));
}

#[test]
fn what_cannot_be_answered_is_refused_with_a_reason() {
    let server = Server::start(&[]);
    let at = |path: &str| format!("{}{path}", server.address);
    let clip = std::fs::read(sample()).unwrap();
    let tone = |n: i32| ((f64::from(n) * 0.05).sin() * 9000.0) as i16;
    let quiet = |n: i32| ((f64::from(n) * 0.05).sin() * 30.0) as i16;
    let recognize = at("/api/recognize");
    let cases: Vec<(Answered, u16, &str)> = vec![
        (post(&recognize, b"Dear Sir or Madam, this is a letter"), 415, "not-audio"),
        (post(&recognize, b""), 422, "damaged"),
        (post(&recognize, &clip[..50_000]), 422, "damaged"),
        (post(&recognize, &wav((0..22_050).map(|_| 0), 22_050)), 422, "silence"),
        (post(&recognize, &wav((0..100).map(tone), 22_050)), 422, "too-short"),
        (post(&recognize, &wav((0..61 * 8_000).map(tone), 8_000)), 422, "no-speech"),
        (post(&recognize, &vec![0; 20_000_001]), 413, "too-large"),
        (post(&at("/api/recognize?silence_db=-50"), &wav((0..22_050).map(quiet), 22_050)), 422, "silence"),
        (post(&at("/api/recognize?count=many"), &clip), 400, "invalid-request"),
        (post(&at("/api/recognize?count=101"), &clip), 400, "invalid-request"),
        (post(&at("/api/recognize?colour=red"), &clip), 400, "invalid-request"),
        (post(&at("/api/recognize?width=9"), &clip), 400, "invalid-request"),
        (post(&at("/api/recognize?silence_db=NaN"), &clip), 400, "invalid-request"),
        (post(&at("/api/recommend"), &vec![b' '; 64 * 1024 + 1]), 413, "too-large"),
        (post(&at("/api/recommend"), many_liked(1001).as_bytes()), 400, "invalid-request"),
        (post(&at("/api/recommend"), br#"{"mood": "Sad", "colour": 1}"#), 400, "invalid-request"),
        (post(&at("/api/recommend"), b"{"), 400, "invalid-request"),
        (post(&at("/api/recommend"), b"{}"), 400, "invalid-request"),
        (post(&at("/api/recommend"), br#"{"mood": "Bored"}"#), 400, "invalid-request"),
        (post(&at("/api/recommend"), br#"{"probabilities": {"Sad": -1}}"#), 400, "invalid-request"),
        (
            post(&at("/api/recommend"), br#"{"mood": "Sad", "options": {"diversity": 2}}"#),
            400,
            "invalid-request",
        ),
        (post(&at("/api/health"), b""), 405, "method"),
        (post(&at("/"), b""), 405, "method"),
        (post(&at("/api/nothing"), b""), 404, "not-found"),
    ];
    assert_eq!(post(&at("/api/recommend"), many_liked(1000).as_bytes()).status, 200);
    for (answer, status, code) in cases {
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{}", answer.body);
        assert_eq!(answer.kind, "application/problem+json", "{}", answer.body);
        assert_eq!(answer.body["status"], status);
        assert!(!answer.body["detail"].as_str().unwrap().is_empty() || status == 400, "{}", answer.body);
    }
}

fn many_liked(count: usize) -> String {
    json!({ "mood": "Sad", "options": { "liked": vec!["a song"; count] } }).to_string()
}

#[test]
fn a_few_kilobytes_that_hold_an_hour_or_a_gigabyte_take_little_memory() {
    let server = Server::start(&["--workers", "1"]);
    // An hour of silence: its first ten minutes are heard, block by block.
    let hour = silent_flac(44_100, 1, 2_400);
    let answer = post(&format!("{}/api/recognize", server.address), &hour);
    assert_eq!((answer.status, &answer.body["code"]), (422, &json!("silence")), "{}", answer.body);
    // A minute, but in eight channels at the highest rate that a FLAC file can declare.
    let gigabyte = silent_flac(655_350, 8, 590);
    assert!(gigabyte.len() < 50_000);
    let begin = Instant::now();
    let answer = post(&format!("{}/api/recognize", server.address), &gigabyte);
    assert_eq!((answer.status, &answer.body["code"]), (413, &json!("too-large")), "{}", answer.body);
    assert!(answer.body["detail"].as_str().unwrap().contains("8 channels at 655350 Hz"), "{}", answer.body);
    assert!(begin.elapsed() < Duration::from_secs(1), "refused before it is decoded");
    // A file to play is no longer than ten minutes at 48 kHz, whatever its rate.
    let fast = silent_flac(384_000, 1, 600);
    let mut response = agent().post(format!("{}/api/wav", server.address)).send(&fast[..]).unwrap();
    let played = response.body_mut().with_config().limit(100_000_000).read_to_vec().unwrap();
    assert_eq!(played.len(), 44 + 2 * 600 * 48_000);
    if let Some(kilobytes) = memory_kilobytes(server.process.id(), "VmHWM:") {
        assert!(kilobytes < 200_000, "{kilobytes} kB");
    }
}

/// A FLAC file of so many blocks of 65,535 frames of zeros, 16 bit: a few bytes a block.
fn silent_flac(sample_rate: u64, channels: u8, blocks: u32) -> Vec<u8> {
    let block = |number: u32| {
        // Block size 65,535 (16 bits follow), rate and bits as the file declares; constant subframes of zero.
        let mut frame = vec![0xFF, 0xF8, 0x70, (channels - 1) << 4];
        let number = number.min(0x7FF);
        if number < 0x80 {
            frame.push(number as u8);
        } else {
            frame.extend([0xC0 | (number >> 6) as u8, 0x80 | (number & 0x3F) as u8]);
        }
        frame.extend(65_534u16.to_be_bytes());
        frame.push(crc8(&frame));
        (0..channels).for_each(|_| frame.extend([0x00, 0, 0]));
        frame.extend(crc16(&frame).to_be_bytes());
        frame
    };
    let mut flac = b"fLaC\x80\x00\x00\x22".to_vec();
    flac.extend(65_535u16.to_be_bytes());
    flac.extend(65_535u16.to_be_bytes());
    flac.extend([0; 6]);
    // 20 bits of sample rate, 3 of channels − 1, 5 of bits − 1, 36 of samples (0: not known).
    flac.extend(((sample_rate << 44) | (u64::from(channels - 1) << 41) | (15 << 36)).to_be_bytes());
    flac.extend([0; 16]);
    (0..blocks).for_each(|number| flac.extend(block(number)));
    flac
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 0x80 != 0 { crc << 1 ^ 0x07 } else { crc << 1 })
    })
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let crc = crc ^ u16::from(*byte) << 8;
        (0..8).fold(crc, |crc: u16, _| if crc & 0x8000 != 0 { crc << 1 ^ 0x8005 } else { crc << 1 })
    })
}

#[test]
fn likes_and_dislikes_change_the_list() {
    let server = Server::start(&[]);
    let list = |options: Value| {
        let body = json!({ "mood": "Calm", "options": options }).to_string();
        let answer = post(&format!("{}/api/recommend", server.address), body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
        let songs = answer.body["songs"].as_array().unwrap().clone();
        songs.iter().map(|song| song["key"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    let first = list(json!({ "count": 5 }));
    let without = list(json!({ "count": 5, "disliked": [first[0]] }));
    assert!(!without.contains(&first[0]));
    let scores = |liked: &str| list(json!({ "count": 5, "liked": [liked] }));
    assert_ne!(scores(&first[4]), without);
    assert_eq!(list(json!({ "count": 2, "strategy": "journey", "target": "Happy" })).len(), 2);
    assert!(list(json!({ "count": 9, "year_from": 2000 })).len() < 9);
}

#[test]
fn every_answer_forbids_foreign_content_and_the_interface_is_described() {
    let server = Server::start(&[]);
    for path in ["/", "/app.js", "/nothing", "/api/health"] {
        let response = agent().get(format!("{}{path}", server.address)).call().unwrap();
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }
    let page = String::from_utf8(get(&server.address).1).unwrap();
    assert!(!page.contains("http://") && !page.contains("https://"), "everything comes from here");
    for line in page.lines().filter(|line| line.contains("src=") || line.contains("href=")) {
        let address = line.split('"').find(|part| part.starts_with('/')).unwrap();
        assert_eq!(get(&format!("{}{address}", server.address)).0, 200, "{address}");
    }
    let described: Value =
        serde_json::from_slice(&get(&format!("{}/api/openapi.json", server.address)).1).unwrap();
    for path in ["/api/recognize", "/api/recommend", "/api/health"] {
        assert!(described["paths"][path].is_object(), "{path}");
    }
    for (path, kinds) in [("/api/recognize", 6), ("/api/wav", 1), ("/api/playlist", 1)] {
        let parameters = described["paths"][path]["post"]["parameters"].as_array().unwrap();
        assert_eq!(parameters.len(), kinds, "{path}");
        assert!(parameters.iter().all(|parameter| parameter["in"] == "query"), "{path}: {parameters:?}");
    }
    let recognize = &described["paths"]["/api/recognize"]["post"];
    for kind in ["application/octet-stream", "multipart/form-data"] {
        assert!(recognize["requestBody"]["content"][kind].is_object(), "{kind}: {recognize}");
    }
    for status in ["400", "403", "408", "413", "415", "422", "503"] {
        assert!(recognize["responses"][status].is_object(), "{status}");
    }
    let schemas = &described["components"]["schemas"];
    assert!(schemas["Recognized"].is_object(), "{described}");
    assert_eq!(schemas["Mood"]["enum"], json!(["Calm", "Happy", "Sad", "Energetic"]));
    assert_eq!(schemas["SongOptions"]["properties"]["liked"]["maxItems"], 1000);
    validate(&described);

    // The description of the answer has the fields that the answer has.
    let keys = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<BTreeSet<String>>();
    let answer = recommend_songs(&["--count", "1"]);
    assert_eq!(keys(&schemas["Answer"]["properties"]), keys(&answer));
    assert_eq!(keys(&schemas["SongItem"]["properties"]), keys(&answer["songs"][0]));
}

/// Has `openapi-spec-validator` check a description, where it is installed.
fn validate(description: &Value) {
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    std::fs::write(file.path(), description.to_string()).unwrap();
    match std::process::Command::new("openapi-spec-validator").arg(file.path()).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(_) => println!("skipped: there is no openapi-spec-validator"),
    }
}

/// Good and bad requests over eight connections: each gets its answer, and the server's memory does not grow with their number.
#[test]
fn many_good_and_bad_requests_are_all_answered_in_bounded_memory() {
    const REQUESTS: usize = 900;
    let server = Server::start(&["--workers", "2"]);
    let clip = std::fs::read(sample()).unwrap();
    let mut silence = clip.clone();
    silence[44..].fill(0);
    let requests: [(&str, &[u8], u16); 9] = [
        ("/api/recognize", &clip, 200),
        ("/api/recognize", b"Dear Sir or Madam, this is a letter", 415),
        ("/api/recognize", &clip[..clip.len() / 2], 422),
        ("/api/recognize", &silence, 422),
        ("/api/recognize?count=many", &clip, 400),
        ("/api/recommend", br#"{"mood": "Sad", "options": {"count": 20, "strategy": "journey"}}"#, 200),
        ("/api/recommend", b"{", 400),
        ("/api/nothing", b"", 404),
        ("/api/recognize?pictures=true", &clip, 200),
    ];
    let next = AtomicUsize::new(0);
    let memory = || memory_kilobytes(server.process.id(), "VmRSS:");
    let send_until = |end: usize| {
        let one = || {
            let (agent, mut wrong) = (agent(), BTreeMap::new());
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= end {
                    return wrong;
                }
                let (path, body, expected) = requests[n % requests.len()];
                let mut response = agent.post(format!("{}{path}", server.address)).send(body).unwrap();
                response.body_mut().read_to_vec().unwrap();
                // Too many at once may be turned away.
                let status = response.status().as_u16();
                if status != expected && !(status == 503 && path.starts_with("/api/recognize")) {
                    *wrong.entry((path, expected, status)).or_insert(0) += 1;
                }
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), BTreeMap::new()));
        });
    };
    // What the first requests allocate once, such as threads and plans, is no growth.
    send_until(REQUESTS / 3);
    let before = memory();
    next.store(0, Ordering::Relaxed);
    send_until(REQUESTS);
    if let (Some(before), Some(after)) = (before, memory()) {
        assert!(after < before + 30_000, "{before} kB before, {after} kB after {REQUESTS} requests");
    }
}

/// The memory that a process holds (`VmRSS:`) or held at most (`VmHWM:`), in kilobytes. Only Linux tells it.
fn memory_kilobytes(process: u32, which: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(which))?;
    line.split_whitespace().next()?.parse().ok()
}

fn at_once(address: &str, clip: &[u8], count: usize) -> Vec<Answered> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(|| post(address, clip))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn clips_wait_briefly_and_are_then_told_when_to_come_again() {
    let clip = std::fs::read(sample()).unwrap();
    // All who need not wait long are answered.
    let server = Server::start(&["--workers", "1", "--patience", "60"]);
    let address = format!("{}/api/recognize", server.address);
    assert!(at_once(&address, &clip, 64).iter().all(|answer| answer.status == 200));

    // With no patience a clip is answered at once or not at all.
    let server = Server::start(&["--workers", "1", "--patience", "0"]);
    let address = format!("{}/api/recognize?pictures=true", server.address);
    let answers = at_once(&address, &clip, 24);
    let (answered, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert!(!answered.is_empty() && !refused.is_empty(), "{} were answered", answered.len());
    for answer in refused {
        assert_eq!((answer.status, &answer.body["code"]), (503, &json!("busy")), "{}", answer.body);
        let seconds: u64 = answer.retry_after.as_deref().unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds} s");
    }
    assert_eq!(post(&address, &clip).status, 200, "and it goes on");
}

/// Sends a request as it is, and returns the whole answer.
fn raw(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn other_sites_are_refused_unless_they_are_allowed() {
    let server = Server::start(&["--workers", "1"]);
    let open = Server::start(&["--workers", "1", "--allow-host", "mood.example"]);
    let get = |server: &Server, headers: &str| {
        raw(server, &format!("GET /api/health HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"))
    };
    for headers in ["Host: localhost\r\n", "Host: 127.0.0.1:1\r\nSec-Fetch-Site: same-origin\r\n"] {
        assert!(get(&server, headers).starts_with("HTTP/1.1 200"), "{headers}");
    }
    for headers in [
        "Host: mood.example\r\n",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: localhost\r\nOrigin: https://evil.example\r\n",
    ] {
        let answer = get(&server, headers);
        assert!(
            answer.starts_with("HTTP/1.1 403") && answer.contains("application/problem+json"),
            "{answer}"
        );
    }
    assert!(get(&open, "Host: mood.example\r\nOrigin: https://mood.example\r\n").starts_with("HTTP/1.1 200"));
}

#[test]
fn files_are_kept_by_browsers_and_answers_are_not() {
    let server = Server::start(&["--workers", "1"]);
    let get = |path: &str, headers: &str| {
        raw(&server, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n"))
    };
    let line = |answer: &str, name: &str| {
        let lines = answer.lines().map(|line| line.trim_end());
        lines
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    };
    let page = get("/app.js", "");
    let tag = line(&page, "etag").unwrap();
    assert_eq!(line(&page, "cache-control").as_deref(), Some("no-cache"));
    let again = get("/app.js", &format!("If-None-Match: {tag}\r\n"));
    assert!(again.starts_with("HTTP/1.1 304") && again.ends_with("\r\n\r\n"), "{again}");
    assert!(get("/app.js", "If-None-Match: \"other\"\r\n").starts_with("HTTP/1.1 200"));
    assert_eq!(line(&get("/api/health", ""), "cache-control").as_deref(), Some("no-store"));

    let post = |path: &str| {
        raw(&server, &format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    };
    for (path, allowed) in [("/", "GET"), ("/api/recognize", "POST"), ("/api/health", "GET")] {
        let answer = post(path);
        assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
        assert!(line(&answer, "allow").is_some_and(|methods| methods.contains(allowed)), "{answer}");
    }
}

/// Many hang up while they wait or send: the workers are free afterwards, and the memory is given back.
#[test]
fn whoever_hangs_up_leaves_no_worker_behind() {
    let server = Server::start(&["--workers", "1"]);
    let clip = std::fs::read(sample()).unwrap();
    let address = server.address.strip_prefix("http://").unwrap();
    let head =
        format!("POST /api/recognize HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", clip.len());
    for round in 0..60 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let sent = if round % 2 == 0 { clip.len() } else { clip.len() / 2 };
        stream.write_all(&clip[..sent]).unwrap();
    }
    // Thirty uploads that never end hold no more than they declare, and others are still answered.
    let held: Vec<TcpStream> = (0..30)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let begin = Instant::now();
    assert_eq!(post(&format!("{}/api/recognize", server.address), &clip).status, 200);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    drop(held);
    if let Some(kilobytes) = memory_kilobytes(server.process.id(), "VmHWM:") {
        assert!(kilobytes < 200_000, "{kilobytes} kB");
    }
}

#[cfg(unix)]
#[test]
fn when_asked_to_stop_it_finishes_what_runs() {
    let mut server = Server::start(&["--workers", "1"]);
    let clip = std::fs::read(sample()).unwrap();
    let mut stream = TcpStream::connect(server.address.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST /api/recognize HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        clip.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&clip[..10_000]).unwrap();
    stream.flush().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let id = server.process.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    std::thread::sleep(Duration::from_millis(200));
    stream.write_all(&clip[10_000..]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("\"mood\""));
    assert!(server.process.wait().unwrap().success());
}

#[test]
fn whoever_is_too_slow_is_given_up() {
    let server = Server::start(&[]);
    let address = server.address.strip_prefix("http://").unwrap().to_string();
    let answer = |sent: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(50))).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    std::thread::scope(|scope| {
        // No header's end; a body of which the end is missing.
        let header = scope.spawn(|| answer("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"));
        let body = scope.spawn(|| {
            answer("POST /api/recognize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nRIFF")
        });
        assert!(!header.join().unwrap().contains("200"));
        let body = body.join().unwrap();
        assert!(body.starts_with("HTTP/1.1 408") && body.contains("application/problem+json"), "{body}");
    });
    assert_eq!(get(&format!("{}/api/health", server.address)).0, 200);
}
