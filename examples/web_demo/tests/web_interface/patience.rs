//! Tests of clients that disconnect or are slow, and of stopping the server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Answered, get, memory_kilobytes, post};
use crate::server::Server;
use crate::size::silent_flac;
use crate::support::sample;

fn at_once(address: &str, clip: &[u8], count: usize) -> Vec<Answered> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(|| post(address, clip))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn clips_wait_briefly_and_are_then_told_when_to_come_again() {
    let clip = std::fs::read(sample()).unwrap();
    // All clients get an answer if the patience is long enough.
    let server = Server::start(&["--workers", "1", "--patience", "60"]);
    let address = format!("{}/api/recognize", server.address);
    assert!(at_once(&address, &clip, 64).iter().all(|answer| answer.status == 200));

    // Without patience, a clip gets a worker at once or is refused.
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

/// Many clients disconnect while they wait or send. Afterwards the workers are free, and the memory is released.
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
    // Thirty uploads that never end hold only the memory of the bytes that they sent, and other clients still get answers.
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

/// Sends a request without its last `but` bytes and returns the connection. The server reads only as many bytes as it has room for.
fn hold(address: &str, kind: &str, body: &[u8], but: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /api/recognize HTTP/1.1\r\nHost: localhost\r\n{kind}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let _ = stream.write_all(&body[..body.len() - but]);
    stream
}

/// Thirty uploads of nineteen megabytes, as bodies and as forms, take limited memory, and other clients wait only for seconds. The limits
/// leave room for a decoder.
#[test]
fn held_uploads_take_bounded_memory_and_are_given_up_soon() {
    let clip = std::fs::read(sample()).unwrap();
    let file = vec![0; 19_000_000];
    let around = b"--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\n";
    let form = [&around[..], &file, b"\r\n--x--\r\n"].concat();
    let kind = "Content-Type: multipart/form-data; boundary=x\r\n";
    // Uploads without the last byte, and complete ones. Some of the complete ones are decoded while others still arrive. Each case has its
    // own server, so that the cases can wait at the same time.
    let cases = [("", &file, 1, 120), (kind, &form, 1, 140), (kind, &form, 0, 210)];
    let is_held = |kind: &str, body: &[u8], but: usize, megabytes: u64| {
        let server = Server::start(&["--workers", "1", "--patience", "12"]);
        let address = server.address.strip_prefix("http://").unwrap();
        let recognize = format!("{}/api/recognize", server.address);
        assert_eq!(post(&recognize, &clip).status, 200);
        let before = memory_kilobytes(server.process.id(), "VmHWM:");
        let held: Vec<TcpStream> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..30).map(|_| scope.spawn(|| hold(address, kind, body, but))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let begin = Instant::now();
        while post(&recognize, &clip).status != 200 && begin.elapsed() < Duration::from_secs(40) {}
        assert!(begin.elapsed() < Duration::from_secs(40), "other clips must be answered within 40 s");
        drop(held);
        if let (Some(before), Some(most)) = (before, memory_kilobytes(server.process.id(), "VmHWM:")) {
            let bounds = before + 10_000..before + megabytes * 1000; // the lower bound is at least one upload in memory
            assert!(bounds.contains(&most), "{kind}{but}: {before} kB before, {most} kB at most");
        }
    };
    std::thread::scope(|scope| {
        for (kind, body, but, megabytes) in cases {
            scope.spawn(move || is_held(kind, body, but, megabytes));
        }
    });
}

fn ask_for_a_large_file(address: &str) -> TcpStream {
    let clip = silent_flac(48_000, 1, 440);
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("POST /api/wav HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", clip.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&clip).unwrap();
    stream
}

/// Files of 58 MB that their clients do not read take limited memory, and other clients still get answers.
#[test]
fn answers_that_are_not_read_take_bounded_memory() {
    let server = Server::start(&["--workers", "2"]);
    let address = server.address.strip_prefix("http://").unwrap();
    let clients: Vec<TcpStream> = (0..10).map(|_| ask_for_a_large_file(address)).collect();
    let begins = clients.iter().map(|mut client| {
        let mut begin = [0; 12];
        client.read_exact(&mut begin).unwrap();
        String::from_utf8_lossy(&begin).into_owned()
    });
    let begins: Vec<String> = begins.collect();
    let count = |status: &str| begins.iter().filter(|begin| begin.ends_with(status)).count();
    assert!(count("200") >= 1 && count("503") >= 7 && count("200") + count("503") == 10, "{begins:?}");
    let clip = std::fs::read(sample()).unwrap();
    assert_eq!(post(&format!("{}/api/recognize", server.address), &clip).status, 200);
    if let Some(kilobytes) = memory_kilobytes(server.process.id(), "VmHWM:") {
        assert!(kilobytes < 330_000, "{kilobytes} kB");
    }
    // Their memory is free again after they disconnect.
    drop(clients);
    let begin = Instant::now();
    loop {
        let mut client = ask_for_a_large_file(address);
        let mut start = [0; 12];
        client.read_exact(&mut start).unwrap();
        if start.ends_with(b"200") {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "no room after the clients left");
    }
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
        // A WAV file of 58 MB that the client does not read.
        let unread = scope.spawn(|| {
            let mut stream = ask_for_a_large_file(&address);
            // Wait for the start of the answer, which may take long on a busy machine.
            stream.set_read_timeout(Some(Duration::from_secs(150))).unwrap();
            let mut start = [0; 12];
            stream.read_exact(&mut start).unwrap();
            assert_eq!(&start, b"HTTP/1.1 200");
            std::thread::sleep(Duration::from_secs(36));
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut read = Vec::new();
            // The answer ends early. Some systems report this as a reset connection.
            let _ = stream.read_to_end(&mut read);
            read.len()
        });
        // A header without an end, and a body without an end.
        let header = scope.spawn(|| answer("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"));
        let body = scope.spawn(|| {
            answer("POST /api/recognize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nRIFF")
        });
        assert!(!header.join().unwrap().contains("200"));
        let body = body.join().unwrap();
        let read = unread.join().unwrap();
        assert!(read < 50_000_000, "{read} bytes of an answer that was not read in time");
        assert!(body.starts_with("HTTP/1.1 408") && body.contains("application/problem+json"), "{body}");
    });
    assert_eq!(get(&format!("{}/api/health", server.address)).0, 200);
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
