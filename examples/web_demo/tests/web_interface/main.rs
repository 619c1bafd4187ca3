//! Tests the HTTP interface of the web demo: answers, errors, load and shutdown. Tests that need missing tools are skipped.
//!
//! The ignored tests use all cores for half an hour: ten thousand requests, `wrk`, and a soak test. They test the program that was built
//! last: run `cargo build --release --example web_demo`, then
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
