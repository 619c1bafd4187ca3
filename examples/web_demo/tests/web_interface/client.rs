//! HTTP clients of a running server, and one that sends any bytes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::server::Server;

/// Returns a client that does not treat HTTP error statuses as errors.
pub(crate) fn agent() -> ureq::Agent {
    // An unoptimised server takes half a minute for ten minutes of speech with pictures, and longer while other tests run.
    let timeout = Some(Duration::from_secs(150));
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(timeout).build().into()
}

pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

pub(crate) fn post(address: &str, body: &[u8]) -> Answered {
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

pub(crate) fn get(address: &str) -> (u16, Vec<u8>) {
    let mut response = agent().get(address).call().unwrap();
    (response.status().as_u16(), response.body_mut().read_to_vec().unwrap())
}

/// Sends a text as a request, and returns the whole answer.
pub(crate) fn raw(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Returns the memory of a process in kilobytes: the present (`VmRSS:`) or the peak (`VmHWM:`). Only Linux reports it.
pub(crate) fn memory_kilobytes(process: u32, which: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(which))?;
    line.split_whitespace().next()?.parse().ok()
}
