//! Reads any bytes as a checkpoint, or as the metadata of one whose tensors fit: rejected in one line, or a model that can be used.
//!
//! `cargo +nightly fuzz run checkpoint -- -timeout=20 -rss_limit_mb=2048`; `tests/untrusted.rs` checks the corpus in every test run.

#![no_main]

#[path = "../check/mod.rs"]
#[allow(dead_code)]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::checkpoint(bytes));
