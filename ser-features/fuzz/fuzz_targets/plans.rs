//! Any configuration is refused with a rule or makes a plan; any samples are refused with a reason or have features.
//!
//! `cargo fuzz run plans`; `tests/fuzz_corpus.rs` checks the corpus in every test run.

#![no_main]

#[path = "../check/mod.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
