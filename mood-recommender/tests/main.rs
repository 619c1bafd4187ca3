//! The tests of the public interface, in one program: it is compiled and linked once.

#![allow(clippy::unwrap_used)] // a test may panic

mod catalog;
mod common;
mod errors;
mod layouts;
mod playlists;
mod properties;
mod real_file;
mod recommend;
