//! The tests of the public interface, in one program: it is compiled and linked once.

#![allow(clippy::unwrap_used)] // a test may panic

mod caf;
mod cases;
mod codecs;
mod common;
mod conformance;
mod corpora;
mod corpus;
mod dataset;
mod decoding;
mod errors;
mod extraction;
mod ffmpeg;
mod joined;
mod lost_parts;
mod manifests;
mod matroska;
mod names;
mod ogg;
mod reader;
mod refusals;
mod robustness;
mod splits;
mod surrounding_bytes;
mod thousand;
