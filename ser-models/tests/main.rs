//! The tests of the public interface, in one program, so that it is compiled and linked once.

#![allow(clippy::unwrap_used)] // a test may panic

mod architectures;
mod augmentation;
mod candle_nn;
mod checkpoint;
mod common;
mod encoder;
mod join;
mod layers_golden;
mod models_golden;
mod optimizers_golden;
mod padded_batches;
mod recognizer;
mod resuming;
mod small_networks;
mod timeline;
mod training;
mod tuning;
mod untrusted;
mod whisper_head;
