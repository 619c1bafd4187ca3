//! How much memory training takes. One test, because the peak is the process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // a test may panic

mod common;

use common::{FEATURES, clips};
use ser_models::models::{Cnn1dConfig, ConvBlock};
use ser_models::training::{Event, Trainer, TrainingConfig};
use std::sync::atomic::AtomicBool;

const MEGABYTE: u64 = 1 << 20;

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn memory_does_not_grow_from_epoch_to_epoch() {
    // So many weights that one more copy of them each epoch would show.
    let blocks = vec![ConvBlock::new(32, 5, 2, 0.2)];
    let architecture =
        Cnn1dConfig { features: FEATURES, blocks, dense: vec![4096, 256], ..Default::default() };
    let config = TrainingConfig { batch_size: 16, ema_decay: Some(0.9), ..common::config(10) };
    let (training, validation) = (clips(70, 0), clips(30, 100));
    let mut trainer = Trainer::new(config, architecture.into(), &training, Some(&validation), 7).unwrap();
    let weights = 4 * trainer.model().parameters().trainable_count() as u64;
    let folder = tempfile::tempdir().unwrap();
    trainer.keep_state(folder.path().join("state"));

    let mut peaks = Vec::new();
    let each = |event: &Event<'_>| {
        if let Event::Epoch(_) = event {
            peaks.push(peak());
        }
    };
    trainer.run(each, &AtomicBool::new(false)).unwrap();
    println!("peaks in MB: {:?}", peaks.iter().map(|peak| peak / MEGABYTE).collect::<Vec<_>>());
    let (second, last) = (peaks[1], peaks[9]);
    println!("weights: {} MB", weights / MEGABYTE);
    // Eight epochs on, not even two copies of the weights have been added.
    assert!(last < second + 2 * weights, "{second} bytes after 2 epochs, {last} after 10");
}
