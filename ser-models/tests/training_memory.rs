//! How much memory training takes. One test in a program of its own, because the peak is the process's.
//!
//! What is counted is what the allocator handed out, not what the system gave: the latter depends on how threads share the heap.

#![allow(clippy::unwrap_used)] // a test may panic

mod common;

use common::{FEATURES, clips};
use peak_alloc::PeakAlloc;
use ser_models::models::{Cnn1dConfig, ConvBlock};
use ser_models::training::{Event, Trainer, TrainingConfig};
use std::sync::atomic::AtomicBool;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MEGABYTE: usize = 1 << 20;

#[test]
fn memory_does_not_grow_from_epoch_to_epoch() {
    // So many weights that one more copy of them each epoch would show.
    let blocks = vec![ConvBlock::new(32, 5, 2, 0.2)];
    let architecture =
        Cnn1dConfig { features: FEATURES, blocks, dense: vec![4096, 256], ..Default::default() };
    let config = TrainingConfig { batch_size: 16, ema_decay: Some(0.9), ..common::config(10) };
    let (training, validation) = (clips(70, 0), clips(30, 100));
    let mut trainer = Trainer::new(config, architecture.into(), &training, Some(&validation), 7).unwrap();
    let weights = 4 * trainer.model().parameters().trainable_count();
    let folder = tempfile::tempdir().unwrap();
    trainer.keep_state(folder.path().join("state"));

    // What is held at the end of each epoch, and the most that was held in it.
    let (mut held, mut peaks) = (Vec::new(), Vec::new());
    let each = |event: &Event<'_>| {
        if let Event::Epoch(_) = event {
            held.push(MEMORY.current_usage());
            peaks.push(MEMORY.peak_usage());
            MEMORY.reset_peak_usage();
        }
    };
    trainer.run(each, &AtomicBool::new(false)).unwrap();
    let megabytes = |bytes: &[usize]| bytes.iter().map(|bytes| bytes / MEGABYTE).collect::<Vec<_>>();
    println!("MB of weights: {}", weights / MEGABYTE);
    println!("MB held after each epoch: {:?}, peaks: {:?}", megabytes(&held), megabytes(&peaks));
    for (name, bytes) in [("held", &held), ("peak", &peaks)] {
        let (second, last) = (bytes[1], bytes[9]);
        // Eight epochs on, not even a tenth of the weights has been added.
        assert!(last < second + weights / 10, "{name}: {second} bytes after 2 epochs, {last} after 10");
    }
}
