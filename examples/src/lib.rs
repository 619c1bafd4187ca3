//! Code shared by the examples: command line, catalogues, exit codes, progress, Ctrl-C, inputs, output files, bundled files, moods in words
//! and the JSON answer.
//!
//! The examples are programs to run and to read; `examples/README.md` shows what each one does. This crate is not published.

#![forbid(unsafe_code)]

pub mod answer;
pub mod assets;
pub mod catalog;
pub mod cli;
pub mod feature_file;
pub mod inputs;
pub mod interrupt;
pub mod listening;
pub mod memory;
pub mod model;
pub mod output;
pub mod palette;
pub mod progress;
pub mod segments;
pub mod shard;
pub mod speech;
pub mod training_set;
pub mod truth;

/// Compiles the snippets of the examples' README as doc tests of this crate, because it depends on all other crates.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
