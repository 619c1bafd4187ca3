//! The tests of the public interface, in one program: it is compiled and linked once.

#![allow(clippy::unwrap_used)] // a test may panic

mod common;
mod corpus;
mod dataset;
mod decoding;
mod extraction;
mod names;
mod robustness;
mod splits;
