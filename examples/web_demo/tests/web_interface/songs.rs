//! Tests of recommending songs, as a list and as a file for players.

use serde_json::{Value, json};

use crate::client::{agent, post};
use crate::server::Server;

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
    // A playlist in another language contains no English reasons.
    let file = |language: &str| {
        let address = format!("{}/api/playlist?format=xspf&language={language}", server.address);
        agent().post(address).send(body.as_bytes()).unwrap().body_mut().read_to_string().unwrap()
    };
    let (english, german) = (file("en"), file("de"));
    assert!(
        english.contains("<title>Songs for your mood</title>") && english.contains("<annotation>"),
        "{english}"
    );
    assert!(german.contains("<title>Lieder für deine Stimmung</title>"), "{german}");
    assert!(!german.contains("<annotation>"), "{german}");
    let other = post(&format!("{}/api/playlist?format=doc", server.address), body.as_bytes());
    assert_eq!((other.status, &other.body["code"]), (400, &json!("invalid-request")));
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
