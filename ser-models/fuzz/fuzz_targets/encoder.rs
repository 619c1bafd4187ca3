//! Reads any bytes as an encoder's file, or as the header of one: rejected in one line, or an encoder that encodes.
//!
//! `cargo +nightly fuzz run encoder -- -timeout=20 -rss_limit_mb=2048`; `tests/untrusted.rs` checks the corpus in every test run.

#![no_main]

#[path = "../check/mod.rs"]
#[allow(dead_code)]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::encoder(bytes));
