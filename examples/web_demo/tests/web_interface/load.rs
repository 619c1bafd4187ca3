//! Tests with many valid and invalid requests.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::client::{agent, memory_kilobytes, post};
use crate::server::Server;
use crate::size::silent_flac;
use crate::support::sample;

/// A request and its expected status.
struct Asked {
    /// Body of a `POST`, or `None` for a `GET`.
    body: Option<Vec<u8>>,
    path: &'static str,
    kind: &'static str,
    expected: u16,
}

impl Asked {
    /// Returns whether the request needs a worker. The server may refuse such requests if there are too many at once.
    fn may_wait(&self) -> bool {
        self.body.is_some() && (self.path.starts_with("/api/recognize") || self.path == "/api/wav")
    }
}

fn good_and_bad() -> Vec<Asked> {
    let clip = std::fs::read(sample()).unwrap();
    let mut silence = clip.clone();
    silence[44..].fill(0);
    let head = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"voice.wav\"\r\n\r\n";
    let form = [&head[..], &clip[..], b"\r\n--x--\r\n"].concat();
    let post = |path, body: &[u8], expected| Asked { body: Some(body.to_vec()), path, kind: "", expected };
    let get = |path, expected| Asked { body: None, path, kind: "", expected };
    vec![
        post("/api/recognize", &clip, 200),
        post("/api/recognize", b"Dear Sir or Madam, this is a letter", 415),
        get("/", 200),
        post("/api/recognize", &clip[..clip.len() / 2], 422),
        post("/api/recognize", &silence, 422),
        Asked { kind: "multipart/form-data; boundary=x", ..post("/api/recognize?count=9", &form, 200) },
        post("/api/recognize?count=many", &clip, 400),
        post("/api/recommend", br#"{"mood": "Sad", "options": {"count": 20, "strategy": "journey"}}"#, 200),
        post("/api/recommend", b"{", 400),
        get("/api/openapi.json", 200),
        post("/api/nothing", b"", 404),
        post("/api/recognize?pictures=true", &clip, 200),
        get("/api/recognize", 405),
        post("/api/recognize?model=small", &clip, 200),
        post("/api/recognize?model=large", &clip, 400),
        post("/api/wav", &clip, 200),
        post("/api/playlist?format=xspf&language=de", br#"{"mood": "Calm", "options": {"count": 20}}"#, 200),
        post("/api/playlist?format=doc", br#"{"mood": "Calm"}"#, 400),
    ]
}

/// Sends the valid and invalid requests from `first` to `end` over eight connections, and checks that each gets its expected status.
/// Returns how many were refused because too many came at once.
fn mixed(server: &Server, first: usize, end: usize) -> usize {
    let (requests, next) = (good_and_bad(), AtomicUsize::new(first));
    let one = || {
        let (agent, mut wrong, mut heard, mut refused) = (agent(), BTreeMap::new(), BTreeMap::new(), 0);
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= end {
                return (wrong, heard, refused);
            }
            let asked = &requests[n % requests.len()];
            let address = format!("{}{}", server.address, asked.path);
            let mut response = match &asked.body {
                None => agent.get(address).call().unwrap(),
                Some(body) if asked.kind.is_empty() => agent.post(address).send(&body[..]).unwrap(),
                Some(body) => agent.post(address).content_type(asked.kind).send(&body[..]).unwrap(),
            };
            response.body_mut().read_to_vec().unwrap();
            let status = response.status().as_u16();
            if status == 503 && asked.may_wait() {
                refused += 1;
            } else if status != asked.expected {
                *wrong.entry((asked.path, asked.expected, status)).or_insert(0) += 1;
            } else if status == 200 && asked.may_wait() {
                *heard.entry(asked.path).or_insert(0) += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        let (mut all, mut turned_away) = (BTreeMap::new(), 0);
        for thread in threads {
            let (wrong, heard, refused) = thread.join().unwrap();
            assert_eq!(wrong, BTreeMap::new());
            heard.into_iter().for_each(|(path, count)| *all.entry(path).or_insert(0) += count);
            turned_away += refused;
        }
        // A server that refused every clip would pass the checks above.
        let clips = requests.iter().filter(|asked| asked.may_wait() && asked.expected == 200);
        for path in clips.map(|asked| asked.path) {
            assert!(all.get(path).is_some_and(|count| *count > 0), "{path}: {all:?}");
        }
        turned_away
    })
}

#[test]
fn many_good_and_bad_requests_are_all_answered_in_bounded_memory() {
    let server = Server::start(&["--workers", "2", "--also", "small"]);
    let memory = || memory_kilobytes(server.process.id(), "VmRSS:");
    // The first requests allocate threads and plans once, which is not counted as growth.
    mixed(&server, 0, 300);
    let before = memory();
    mixed(&server, 0, 600);
    if let (Some(before), Some(after)) = (before, memory()) {
        assert!(after < before + 30_000, "{before} kB before, {after} kB after 600 requests");
    }
}

/// With both bundled models, and with the small one alone, the memory stays constant and below 120 MB, and very few requests are refused.
#[test]
#[ignore = "takes minutes"]
fn ten_thousand_mixed_requests_take_no_more_memory_than_the_first_thousand() {
    for models in [["--also", "small"], ["--model", "small"]] {
        let server = Server::start(&models);
        let models = models.join(" ");
        let begin = Instant::now();
        let (mut told, mut refused) = (Vec::new(), 0);
        for thousand in 0..10 {
            refused += mixed(&server, 1000 * thousand, 1000 * (thousand + 1));
            told.extend(memory_kilobytes(server.process.id(), "VmRSS:"));
        }
        let most = memory_kilobytes(server.process.id(), "VmHWM:");
        let took = begin.elapsed();
        println!(
            "{models}: kB after each thousand {told:?}, at most {most:?}; {refused} refusals; {took:.0?}"
        );
        if let (Some(first), Some(last)) = (told.first(), told.last()) {
            assert!(*last < first + 10_000, "{models}: {told:?}");
            assert!(most.is_some_and(|most| most < 120_000), "{models}: {most:?} kB at most");
        }
        assert!(refused <= 100, "{models}: {refused} refusals");
    }
}

/// Results of `wrk` for ten seconds.
#[derive(Debug)]
struct Told {
    answers: f64,
    refusals: f64,
}

/// Runs `wrk` with this number of clients for ten seconds. Each client sends the next request when it gets an answer. Returns `None` if
/// `wrk` is missing.
fn wrk(server: &Server, clients: usize, script: &str) -> Option<Told> {
    let arguments = ["-t2", "-d10s", "--timeout", "30s", "-s", script];
    let address = format!("{}/api/recognize?count=5", server.address);
    let output =
        Command::new("wrk").args(arguments).arg(format!("-c{clients}")).arg(address).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("Socket errors"), "{text}");
    let number = |line: &str| line.split_whitespace().find_map(|word| word.parse::<f64>().ok());
    let all = text.lines().find(|line| line.contains(" requests in ")).and_then(number);
    let refusals = text.lines().find(|line| line.contains("Non-2xx")).and_then(number).unwrap_or(0.0);
    let all = all.unwrap_or_else(|| panic!("{text}"));
    let told = Told { answers: all - refusals, refusals };
    println!("{clients} clients: {told:?} in 10 s");
    Some(told)
}

/// Sixty-four clients together get at least 95 % of the answers that the cores can give, and very few are refused. The number of answers
/// that the cores can give is the larger one of two measurements, with one and with two clients for each core. With two, no core waits for
/// a client.
#[test]
#[ignore = "takes all cores for a minute"]
fn sixty_four_clients_are_answered_as_fast_as_the_cores_can() {
    let folder = tempfile::TempDir::new().unwrap();
    let script = folder.path().join("clip.lua");
    let clip = sample().canonicalize().unwrap();
    let post = format!("wrk.method = 'POST'; wrk.body = io.open({clip:?}, 'rb'):read('*a')\n");
    std::fs::write(&script, post).unwrap();
    let server = Server::start(&[]);
    let cores = std::thread::available_parallelism().unwrap().get();
    let (mut few, mut many) = (0.0_f64, 0.0_f64);
    // The two kinds of runs alternate, because the speed of the machine may change.
    for (clients, most) in [(cores, true), (64, false), (2 * cores, true), (64, false)] {
        let Some(told) = wrk(&server, clients, script.to_str().unwrap()) else {
            println!("skipped: there is no wrk");
            return;
        };
        assert!(told.refusals <= 0.05 * told.answers, "{clients} clients: {told:?}");
        let best = if most { &mut few } else { &mut many };
        *best = best.max(told.answers);
    }
    println!("64 clients get {:.1} % of what the cores can answer", 100.0 * many / few);
    assert!(many >= 0.95 * few, "{many} of {few}");
}

/// Returns the number of open files and of threads of a server.
fn held(server: &Server) -> Option<(usize, usize)> {
    let of =
        |what: &str| Some(std::fs::read_dir(format!("/proc/{}/{what}", server.process.id())).ok()?.count());
    Some((of("fd")?, of("task")?))
}

/// Duration of the soak test in seconds, unless the environment variable `SOAK_SECONDS` is set.
const SOAK: u64 = 600;

fn soak() -> Duration {
    let given = std::env::var("SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(given.unwrap_or(SOAK))
}

/// For ten minutes, clients send requests, disconnect, stop in the middle, send slowly, and read their answers slowly and not to the end.
/// Each client that waits for an answer gets the correct one. Afterwards no files, threads or busy workers of the other clients remain.
#[test]
#[ignore = "takes ten minutes"]
fn a_soak_loses_nothing_and_leaves_no_worker_and_no_connection_behind() {
    let server = Server::start(&["--also", "small"]);
    let clip = std::fs::read(sample()).unwrap();
    // One minute, whose WAV file has 5.8 MB. This is more than the system buffers for a connection.
    let minute = silent_flac(48_000, 1, 44);
    let address = server.address.strip_prefix("http://").unwrap();
    let recognize = format!("{}/api/recognize", server.address);
    let models = ["voices", "small"].map(|model| format!("{recognize}?model={model}"));
    let expected = models.each_ref().map(|address| post(address, &clip));
    assert!(expected.iter().all(|answer| answer.status == 200));
    let before = held(&server);
    let is_over = AtomicBool::new(false);
    let [answered, refused, cut, dripped, sipped] = [const { AtomicUsize::new(0) }; 5];
    let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
    let open = |path: &str, bytes: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    };
    let asks = || {
        for (address, expected) in models.iter().zip(&expected).cycle() {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let answer = post(address, &clip);
            match answer.status {
                200 => {
                    assert_eq!(answer.body["probabilities"], expected.body["probabilities"]);
                    answered.fetch_add(1, Ordering::Relaxed)
                }
                503 => refused.fetch_add(1, Ordering::Relaxed),
                status => panic!("{status}: {}", answer.body),
            };
        }
    };
    let hangs_up = || {
        for n in 0.. {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let mut stream = open("/api/recognize", clip.len());
            // Disconnect after the head, in the middle, or after the last byte.
            let _ = stream.write_all(&clip[..[0, clip.len() / 2, clip.len()][n % 3]]);
            std::thread::sleep(Duration::from_millis(20));
            cut.fetch_add(1, Ordering::Relaxed);
        }
    };
    let drips = || {
        while !is_over.load(Ordering::Relaxed) {
            let mut stream = open("/api/recognize", clip.len());
            // Send slowly until the server closes the connection.
            for piece in clip.chunks(1000) {
                if is_over.load(Ordering::Relaxed) || stream.write_all(piece).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            let _ = stream.read(&mut [0; 100]);
            dripped.fetch_add(1, Ordering::Relaxed);
        }
    };
    let sips = || {
        while !is_over.load(Ordering::Relaxed) {
            let mut stream = open("/api/wav", minute.len());
            let _ = stream.write_all(&minute);
            for _ in 0..50 {
                if is_over.load(Ordering::Relaxed) || stream.read(&mut [0; 10_000]).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            sipped.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = [scope.spawn(asks), scope.spawn(asks), scope.spawn(hangs_up)]
            .into_iter()
            .chain((0..8).map(|_| scope.spawn(drips)))
            .chain((0..2).map(|_| scope.spawn(sips)))
            .collect();
        let begin = Instant::now();
        // Stop early if a client failed.
        while begin.elapsed() < soak() && !threads.iter().any(|thread| thread.is_finished()) {
            std::thread::sleep(Duration::from_secs(1));
        }
        is_over.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    // The server closes connections of slow clients after half a minute.
    std::thread::sleep(Duration::from_secs(35));
    let memory = memory_kilobytes(server.process.id(), "VmHWM:");
    println!(
        "{} answered, {} refused, {} cut, {} dripped, {} sipped; files and threads: {before:?} before, {:?} after; {memory:?} kB at most",
        count(&answered),
        count(&refused),
        count(&cut),
        count(&dripped),
        count(&sipped),
        held(&server)
    );
    // All workers must be free.
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
    let took_part =
        count(&answered) > 100 && count(&cut) > 100 && count(&dripped) > 10 && count(&sipped) > 10;
    assert!(took_part, "all of them took part");
    assert!(count(&refused) <= count(&answered) / 20, "hardly one is turned away");
    assert!(memory.is_none_or(|kilobytes| kilobytes < 120_000), "{memory:?} kB");
}
