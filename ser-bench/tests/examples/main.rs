//! The examples as their users run them: what they print, what they write, and how they fail.

#![allow(clippy::unwrap_used)] // a test may panic

#[path = "../support/mod.rs"]
mod support;

mod checklist;
mod extract_features;
mod live;
mod plots;
mod recommend_songs;
mod reproduce;
mod run;
mod train;
