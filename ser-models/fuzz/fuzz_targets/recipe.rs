//! Reads any text as a file of training settings: rejected in one line, or a recipe.
//!
//! `cargo +nightly fuzz run recipe -- -timeout=20 -rss_limit_mb=2048`; `tests/untrusted.rs` checks the corpus in every test run.

#![no_main]

#[path = "../check/mod.rs"]
#[allow(dead_code)]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::recipe(bytes));
