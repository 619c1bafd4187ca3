//! Reads any bytes as a file of encoded clips, or as the metadata of one: rejected in one line, or clips that can be used.
//!
//! `cargo +nightly fuzz run encoded -- -timeout=20 -rss_limit_mb=2048`; `tests/untrusted.rs` checks the corpus in every test run.

#![no_main]

#[path = "../check/mod.rs"]
#[allow(dead_code)]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::encoded(bytes));
