//! The tests of the public interface, in one program: it is compiled and linked once. Those that measure memory are alone in theirs.

#![allow(clippy::unwrap_used)] // a test may panic

mod batch;
mod descriptor_properties;
mod descriptors;
mod documentation;
mod extractor;
mod front_ends;
mod fuzz_corpus;
mod loudness_properties;
mod plan_sizes;
mod properties;
mod real_recordings;
mod samples;
mod serde;
mod sounds;
mod spectral;
mod streaming;
mod streaming_rows;
mod support;
mod tonal;
mod tonal_properties;
mod voice;
mod voice_quality;
