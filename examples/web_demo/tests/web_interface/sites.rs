//! Tests that pages of other sites have no access, and tests of caching.

use crate::client::{agent, get, raw};
use crate::server::Server;

#[test]
fn every_answer_forbids_foreign_content() {
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
    let foreign = raw(&server, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    for answer in [get("/api/health", ""), get("/api/nothing", ""), get("/nothing", ""), foreign] {
        assert_eq!(line(&answer, "cache-control").as_deref(), Some("no-store"), "{answer}");
    }

    let post = |path: &str| {
        raw(&server, &format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    };
    for (path, allowed) in [("/", "GET"), ("/api/recognize", "POST"), ("/api/health", "GET")] {
        let answer = post(path);
        assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
        assert!(line(&answer, "allow").is_some_and(|methods| methods.contains(allowed)), "{answer}");
    }
}
