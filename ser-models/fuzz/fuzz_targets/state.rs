//! Reads any bytes as a training state, or as steps and history of one: rejected in one line, or a run that continues.
//!
//! `cargo +nightly fuzz run state -- -timeout=20 -rss_limit_mb=2048`; `tests/untrusted.rs` checks the corpus in every test run.

#![no_main]

#[path = "../check/mod.rs"]
#[allow(dead_code)]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::state(bytes));
