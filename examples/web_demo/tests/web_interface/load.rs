//! Many requests, good and bad.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::client::{agent, memory_kilobytes, post};
use crate::server::Server;
use crate::support::sample;

/// Sends so many good and bad requests over eight connections: each gets its answer. `next` counts them.
fn mixed(server: &Server, next: &AtomicUsize, end: usize) {
    let clip = std::fs::read(sample()).unwrap();
    let mut silence = clip.clone();
    silence[44..].fill(0);
    let requests: [(&str, &[u8], u16); 12] = [
        ("/api/recognize", &clip, 200),
        ("/api/recognize", b"Dear Sir or Madam, this is a letter", 415),
        ("/api/recognize", &clip[..clip.len() / 2], 422),
        ("/api/recognize", &silence, 422),
        ("/api/recognize?count=many", &clip, 400),
        ("/api/recommend", br#"{"mood": "Sad", "options": {"count": 20, "strategy": "journey"}}"#, 200),
        ("/api/recommend", b"{", 400),
        ("/api/nothing", b"", 404),
        ("/api/recognize?pictures=true", &clip, 200),
        ("/api/wav", &clip, 200),
        ("/api/playlist?format=xspf&language=de", br#"{"mood": "Calm", "options": {"count": 20}}"#, 200),
        ("/api/playlist?format=doc", br#"{"mood": "Calm"}"#, 400),
    ];
    let one = || {
        let (agent, mut wrong, mut heard) = (agent(), BTreeMap::new(), BTreeMap::new());
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= end {
                return (wrong, heard);
            }
            let (path, body, expected) = requests[n % requests.len()];
            let mut response = agent.post(format!("{}{path}", server.address)).send(body).unwrap();
            response.body_mut().read_to_vec().unwrap();
            // Too many at once may be turned away.
            let status = response.status().as_u16();
            let may_wait = path.starts_with("/api/recognize") || path == "/api/wav";
            if status != expected && !(status == 503 && may_wait) {
                *wrong.entry((path, expected, status)).or_insert(0) += 1;
            }
            if status == 200 && may_wait {
                *heard.entry(path).or_insert(0) += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        let mut all = BTreeMap::new();
        for thread in threads {
            let (wrong, heard) = thread.join().unwrap();
            assert_eq!(wrong, BTreeMap::new());
            heard.into_iter().for_each(|(path, count)| *all.entry(path).or_insert(0) += count);
        }
        // A server that refused every clip would pass the checks above.
        let kinds = ["/api/recognize", "/api/recognize?pictures=true", "/api/wav"];
        assert!(kinds.iter().all(|path| all.get(path).is_some_and(|count| *count > 0)), "{all:?}");
    });
}

#[test]
fn many_good_and_bad_requests_are_all_answered_in_bounded_memory() {
    let server = Server::start(&["--workers", "2"]);
    let memory = || memory_kilobytes(server.process.id(), "VmRSS:");
    // What the first requests allocate once, such as threads and plans, is no growth.
    mixed(&server, &AtomicUsize::new(0), 300);
    let before = memory();
    mixed(&server, &AtomicUsize::new(0), 600);
    if let (Some(before), Some(after)) = (before, memory()) {
        assert!(after < before + 30_000, "{before} kB before, {after} kB after 600 requests");
    }
}

/// With each bundled model the memory is flat and below 120 MB.
#[test]
#[ignore = "takes minutes"]
fn ten_thousand_mixed_requests_take_no_more_memory_than_the_first_thousand() {
    for model in ["small", "voices"] {
        let server = Server::start(&["--model", model]);
        let next = AtomicUsize::new(0);
        let begin = Instant::now();
        let mut told = Vec::new();
        for thousand in 1..=10 {
            next.store((thousand - 1) * 1000, Ordering::Relaxed);
            mixed(&server, &next, thousand * 1000);
            told.extend(memory_kilobytes(server.process.id(), "VmRSS:"));
        }
        let most = memory_kilobytes(server.process.id(), "VmHWM:");
        println!("{model}: kB after each thousand {told:?}, at most {most:?}; {:.0?}", begin.elapsed());
        if let (Some(first), Some(last)) = (told.first(), told.last()) {
            assert!(*last < first + 10_000, "{model}: {told:?}");
            assert!(most.is_some_and(|most| most < 120_000), "{model}: {most:?} kB at most");
        }
    }
}

/// What `wrk` tells of ten seconds: (answers, refusals).
fn wrk(server: &Server, clients: usize, script: &str) -> Option<(f64, f64)> {
    let arguments = ["-t2", "-d10s", "--timeout", "30s", "-s", script];
    let address = format!("{}/api/recognize?count=5", server.address);
    let output =
        Command::new("wrk").args(arguments).arg(format!("-c{clients}")).arg(address).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = |line: &str| line.split_whitespace().find_map(|word| word.parse::<f64>().ok());
    let all = text.lines().find(|line| line.contains(" requests in ")).and_then(number);
    let refused = text.lines().find(|line| line.contains("Non-2xx")).and_then(number).unwrap_or(0.0);
    let all = all.unwrap_or_else(|| panic!("{text}"));
    Some((all - refused, refused))
}

/// Sixty-four clients get, together, 95 % and more of what as many clients as there are cores get, and none is turned away.
#[test]
#[ignore = "takes all cores for half a minute"]
fn sixty_four_clients_are_answered_as_fast_as_the_cores_can() {
    let folder = tempfile::TempDir::new().unwrap();
    let script = folder.path().join("clip.lua");
    let clip = sample().canonicalize().unwrap();
    let post = format!("wrk.method = 'POST'; wrk.body = io.open({clip:?}, 'rb'):read('*a')\n");
    std::fs::write(&script, post).unwrap();
    let server = Server::start(&[]);
    let cores = std::thread::available_parallelism().unwrap().get();
    let (Some((alone, _)), Some((together, refused))) =
        (wrk(&server, cores, script.to_str().unwrap()), wrk(&server, 64, script.to_str().unwrap()))
    else {
        println!("skipped: there is no wrk");
        return;
    };
    println!("{cores} clients: {alone} answers in 10 s; 64 clients: {together} answers, {refused} refusals");
    assert!(together >= 0.95 * alone, "{together} of {alone}");
    assert!(refused <= 0.05 * together, "{refused} refusals");
}

/// Open files and threads of a server.
fn held(server: &Server) -> Option<(usize, usize)> {
    let of =
        |what: &str| Some(std::fs::read_dir(format!("/proc/{}/{what}", server.process.id())).ok()?.count());
    Some((of("fd")?, of("task")?))
}

/// For ten minutes clients ask, hang up, stop in the middle and send drop by drop. Then nothing of it is left.
#[test]
#[ignore = "takes ten minutes"]
fn a_soak_leaves_no_worker_and_no_connection_behind() {
    let server = Server::start(&[]);
    let clip = std::fs::read(sample()).unwrap();
    let head =
        format!("POST /api/recognize HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", clip.len());
    let address = server.address.strip_prefix("http://").unwrap();
    let recognize = format!("{}/api/recognize", server.address);
    assert_eq!(post(&recognize, &clip).status, 200);
    let before = held(&server);
    let (is_over, answered, cut, dripped) =
        (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let open = || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let asks = || {
        while !is_over.load(Ordering::Relaxed) {
            let status = post(&recognize, &clip).status;
            assert!([200, 503].contains(&status), "{status}");
            answered.fetch_add(usize::from(status == 200), Ordering::Relaxed);
        }
    };
    let hangs_up = || {
        for n in 0.. {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let mut stream = open();
            // After the head, in the middle, or once all is sent.
            let _ = stream.write_all(&clip[..[0, clip.len() / 2, clip.len()][n % 3]]);
            std::thread::sleep(Duration::from_millis(20));
            cut.fetch_add(1, Ordering::Relaxed);
        }
    };
    let drips = || {
        while !is_over.load(Ordering::Relaxed) {
            let mut stream = open();
            let begin = Instant::now();
            // Until the server has enough of it.
            for piece in clip.chunks(1000) {
                if is_over.load(Ordering::Relaxed) || stream.write_all(piece).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(200));
                if begin.elapsed() > Duration::from_secs(40) {
                    break;
                }
            }
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let _ = stream.read(&mut [0; 100]);
            dripped.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = [scope.spawn(asks), scope.spawn(asks), scope.spawn(hangs_up)]
            .into_iter()
            .chain((0..8).map(|_| scope.spawn(drips)))
            .collect();
        std::thread::sleep(Duration::from_secs(600));
        is_over.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    // Slow clients are given up after half a minute.
    std::thread::sleep(Duration::from_secs(35));
    let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
    let memory = memory_kilobytes(server.process.id(), "VmHWM:");
    println!(
        "{} answered, {} cut, {} dripped; {before:?} before, {:?} after, {memory:?} kB at most",
        count(&answered),
        count(&cut),
        count(&dripped),
        held(&server)
    );
    // All workers are free.
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().unwrap().get();
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(|| post(&recognize, &clip).status)).collect();
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 200));
    });
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    if let (Some((files, tasks)), Some((files_after, tasks_after))) = (before, held(&server)) {
        assert!(files_after <= files + 2, "{files} open files before, {files_after} after");
        // Threads of the last requests may not have ended yet.
        let workers = std::thread::available_parallelism().unwrap().get();
        assert!(tasks_after <= tasks + workers, "{tasks} threads before, {tasks_after} after");
    }
    assert!(count(&answered) > 100 && count(&cut) > 100 && count(&dripped) > 10, "all of them took part");
    assert!(memory.is_none_or(|kilobytes| kilobytes < 120_000), "{memory:?} kB");
}
