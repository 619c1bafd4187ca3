//! The web demo as programs use it: answers, refusals, load, and the end. Tools that are not installed are skipped.
//!
//! `cargo test --release --test web_interface -- --ignored --test-threads 1` takes a quarter of an hour of all cores: ten thousand requests,
//! `wrk`, and a soak.

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
