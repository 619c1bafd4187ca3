//! Tests of requests that the server refuses.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::client::{Answered, post};
use crate::server::Server;
use crate::support::{sample, wav};

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
        assert!(!answer.body["detail"].as_str().unwrap().is_empty(), "{}", answer.body);
    }
}

/// A request that is much too large is refused before all of it is read.
#[test]
fn a_large_question_is_not_read_to_its_end() {
    let server = Server::start(&["--workers", "1"]);
    let body = many_liked(700_000);
    let mut stream = TcpStream::connect(server.address.strip_prefix("http://").unwrap()).unwrap();
    let head =
        format!("POST /api/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    // Only this part is sent, so a server that waits for the rest would never answer.
    stream.write_all(&body.as_bytes()[..600_000]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

fn many_liked(count: usize) -> String {
    json!({ "mood": "Sad", "options": { "liked": vec!["a song"; count] } }).to_string()
}

#[test]
fn mistakes_are_told_in_plain_words_with_their_place() {
    let server = Server::start(&["--workers", "1"]);
    let detail = |path: &str, body: &[u8]| {
        let answer = post(&format!("{}{path}", server.address), body);
        answer.body["detail"].as_str().unwrap().to_owned()
    };
    for (body, expected) in [
        (r#"{"mood": "Sad", "#, "body: content must be JSON, got a part that ends at line 1, column 16"),
        (
            r#"{"mood": "Sad", "options": {"year_from": "old"}}"#,
            "options: year_from must be a whole number, 0 to 65535, got \"old\"",
        ),
        (
            r#"{"mood": "Sad", "options": {"popularity_from": 500}}"#,
            "options: popularity_from must be 0 to 100, got 500",
        ),
        (
            r#"{"mood": "Sad", "options": {"year_from": 2020, "year_to": 1990}}"#,
            "options: year_from must be year_to or before, got 2020 and 1990",
        ),
    ] {
        assert_eq!(detail("/api/recommend", body.as_bytes()), expected);
        assert_eq!(detail("/api/playlist?format=csv", body.as_bytes()), expected);
    }
    assert_eq!(
        detail("/api/recognize?count=many", b"RIFF"),
        "query: count must be a whole number, 0 or more, got many"
    );
}
