//! The web demo as programs use it: answers, refusals, load, and the end. Tools that are not installed are skipped.
//!
//! The ignored tests take half an hour of all cores: ten thousand requests, `wrk`, and a soak. They test the program that was built last:
//! `cargo build --release --example web_demo`, then
//! `cargo test --release -p ser-web-demo-tests --test web_interface -- --ignored --nocapture --test-threads 1`.

#![allow(clippy::unwrap_used)] // a test may panic

mod client;
mod clips;
mod description;
mod load;
mod mistakes;
mod patience;
#[path = "../server.rs"]
mod server;
mod sites;
mod size;
mod songs;
#[path = "../../../tests/support.rs"]
mod support;
