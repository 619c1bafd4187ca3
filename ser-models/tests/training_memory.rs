//! Memory usage of training. This test has its own program, because the peak is that of the process.
//!
//! It measures the bytes that the allocator handed out, not those that the system gave, because the latter depend on how threads share the
//! heap.

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
    // The network has so many weights that another copy of them in each epoch would show.
    let blocks = vec![ConvBlock::new(32, 5, 2, 0.2)];
    let architecture =
        Cnn1dConfig { features: FEATURES, blocks, dense: vec![4096, 256], ..Default::default() };
    let config = TrainingConfig { batch_size: 16, ema_decay: Some(0.9), ..common::config(10) };
    let (training, validation) = (clips(70, 0), clips(30, 100));
    let mut trainer = Trainer::new(config, architecture.into(), &training, Some(&validation), 7).unwrap();
    let weights = 4 * trainer.model().parameters().trainable_count();
    let folder = tempfile::tempdir().unwrap();
    trainer.keep_state(folder.path().join("state"));

    // The bytes held at the end of each epoch, and the largest number held during it.
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
        // Eight epochs later, the increase is less than a tenth of the weights.
        assert!(last < second + weights / 10, "{name}: {second} bytes after 2 epochs, {last} after 10");
    }
}
