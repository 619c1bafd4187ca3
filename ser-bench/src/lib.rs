#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod answer;
pub mod assets;
pub mod charts;
pub mod cli;
pub mod corpus;
pub mod experiments;
pub mod files;
pub mod live;
pub mod plot;
pub mod recipe;
pub mod shard;
pub mod sound;
pub mod speed;

/// The snippets of the repository's README compile and run as doc tests of this crate, which knows all others.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
