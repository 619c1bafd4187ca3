//! Loads a running web demo: requests in a second and latencies at several numbers of connections, then many good and bad
//! requests mixed, with the server's memory before and after.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use ser_bench::{assets, cli};
use ureq::Agent;

/// Loads a web demo that runs on this machine and prints a Markdown table.
#[derive(Parser)]
#[command(
    after_help = "Example:\n  cargo run --release --example web_demo &\n  cargo run --release -p ser-bench --bin load_web_demo -- --pid $!"
)]
struct Arguments {
    /// Where the web demo listens.
    #[arg(long, default_value = "http://127.0.0.1:7860")]
    address: String,
    /// Numbers of connections to try.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64])]
    connections: Vec<usize>,
    /// Seconds for each number of connections.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Good and bad requests, mixed, at the end.
    #[arg(long, default_value_t = 10_000)]
    mixed: usize,
    /// The web demo's process, whose memory is read (Linux).
    #[arg(long)]
    pid: Option<u32>,
}

fn main() -> ExitCode {
    cli::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let health = agent().get(format!("{}/api/health", arguments.address)).call();
    ensure!(health.with_context(|| arguments.address.clone())?.status() == 200, "the web demo is not well");
    cli::print(
        "| connections | recognised in a second | p50 | p99 | turned away |\n| --- | --- | --- | --- | --- |",
    )?;
    for &connections in &arguments.connections {
        cli::print(load(arguments, connections))?;
    }
    if arguments.mixed > 0 {
        mix(arguments)?;
    }
    Ok(())
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into()
}

/// The status that a request is answered with, 0 if it is not answered.
fn send(agent: &Agent, address: &str, body: &[u8]) -> u16 {
    let Ok(mut response) = agent.post(address).send(body) else { return 0 };
    // Read whole, so that the connection is used again.
    let whole = response.body_mut().read_to_vec().is_ok();
    if whole { response.status().as_u16() } else { 0 }
}

/// One row of the table.
fn load(arguments: &Arguments, connections: usize) -> String {
    let address = format!("{}/api/recognize", arguments.address);
    let begin = Instant::now();
    let one = || {
        let agent = agent();
        let (mut times, mut refused) = (Vec::new(), 0);
        while begin.elapsed().as_secs_f64() < arguments.seconds {
            let start = Instant::now();
            match send(&agent, &address, assets::SAMPLE_WAV) {
                200 => times.push(start.elapsed().as_secs_f64() * 1000.0),
                _ => {
                    refused += 1;
                    // A polite caller waits, if not for the whole second that is asked for.
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
        (times, refused)
    };
    let results: Vec<(Vec<f64>, usize)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let elapsed = begin.elapsed().as_secs_f64();
    let refused: usize = results.iter().map(|result| result.1).sum();
    let mut times: Vec<f64> = results.into_iter().flat_map(|result| result.0).collect();
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    let rate = times.len() as f64 / elapsed;
    format!("| {connections} | {rate:.0} | {:.1} ms | {:.1} ms | {refused} |", at(0.5), at(0.99))
}

/// Good and bad requests over eight connections.
fn mix(arguments: &Arguments) -> anyhow::Result<()> {
    let clip = assets::SAMPLE_WAV;
    let mut silence = clip.to_vec();
    silence[44..].fill(0);
    let requests: [(&str, &[u8]); 9] = [
        ("/api/recognize", clip),
        ("/api/recognize", b"Dear Sir or Madam, this is a letter"),
        ("/api/recognize", &clip[..clip.len() / 2]),
        ("/api/recognize", &silence),
        ("/api/recognize?count=many", clip),
        ("/api/recommend", br#"{"mood": "Sad", "options": {"count": 20, "strategy": "journey"}}"#),
        ("/api/recommend", b"{"),
        ("/api/nothing", b""),
        ("/api/recognize?pictures=true", clip),
    ];
    let memory = || arguments.pid.and_then(resident_megabytes);
    let next = AtomicUsize::new(0);
    let one = |_| {
        let (agent, mut statuses) = (agent(), BTreeMap::new());
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= arguments.mixed {
                return statuses;
            }
            let (path, body) = requests[n % requests.len()];
            *statuses.entry(send(&agent, &format!("{}{path}", arguments.address), body)).or_insert(0) += 1;
        }
    };
    // What a first round allocates for good, as thread pools and plans, is no growth.
    let bar = cli::progress_bar(arguments.mixed as u64, "mixed");
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    let mut readings = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || one(n))).collect();
        let tenth = (arguments.mixed / 10).max(1);
        while next.load(Ordering::Relaxed) < arguments.mixed {
            let done = next.load(Ordering::Relaxed);
            bar.set_position(done as u64);
            if done / tenth >= readings.len() {
                readings.extend(memory());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        for counted in threads.into_iter().filter_map(|thread| thread.join().ok()) {
            for (status, count) in counted {
                *statuses.entry(status).or_default() += count;
            }
        }
    });
    bar.finish_and_clear();
    readings.extend(memory());
    let counts: Vec<String> = statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
    cli::print(format!("\n{} mixed requests: {}", arguments.mixed, counts.join(", ")))?;
    if !readings.is_empty() {
        let readings: Vec<String> = readings.iter().map(|megabytes| format!("{megabytes:.0}")).collect();
        cli::print(format!("resident memory meanwhile, in MB: {}", readings.join(", ")))?;
    }
    ensure!(!statuses.contains_key(&0), "requests were left without an answer");
    ensure!(!statuses.contains_key(&500), "the server failed");
    Ok(())
}

/// The resident memory of a process in megabytes.
fn resident_megabytes(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1000.0)
}
