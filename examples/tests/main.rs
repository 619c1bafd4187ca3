//! Runs the examples as users do, and tests their output, files and errors.

#![allow(clippy::unwrap_used)] // a test may panic

mod checklist;
mod corpora;
#[allow(dead_code, unreachable_pub)]
#[path = "../../ser-models/tests/common/encoder.rs"]
mod encoder;
mod extract_features;
#[cfg(unix)]
mod faults;
mod live;
#[cfg(target_os = "linux")]
mod memory;
mod messages;
mod real_speech;
mod real_voices;
mod recognize;
mod recommend_songs;
mod support;
mod train;
mod tuning;
