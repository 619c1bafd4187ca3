//! Sources of sound: pieces of samples, each with the time of its arrival.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use ser_data::{AudioWarning, Pcm};

/// Name of standard input in errors.
pub(crate) const STANDARD_INPUT: &str = "standard input";

/// Samples that arrived together.
pub(crate) struct Piece {
    /// Mono, within ±1.
    pub(crate) samples: Vec<f32>,
    /// When they arrived.
    pub(crate) came: Instant,
    /// Time from the recording of the last sample to its arrival, or 0 if unknown.
    pub(crate) delay: Duration,
}

impl Piece {
    /// Returns the time since the last sample was recorded.
    pub(crate) fn age(&self) -> Duration {
        self.came.elapsed() + self.delay
    }
}

/// A stream of pieces.
pub(crate) struct Source {
    /// Name in errors.
    pub(crate) name: &'static str,
    /// Samples per second.
    pub(crate) sample_rate: u32,
    /// The pieces, until the stream ends or fails.
    pub(crate) pieces: Receiver<anyhow::Result<Piece>>,
    /// Warnings about the stream. They are complete when `pieces` has ended.
    pub(crate) warnings: Receiver<AudioWarning>,
    /// Number of pieces that were dropped because the receiver was too slow. `None` for a source that waits for the receiver.
    pub(crate) lost: Option<Arc<AtomicUsize>>,
    /// Keeps the stream open.
    pub(crate) _stream: Option<Box<dyn std::any::Any>>,
}

impl Source {
    /// Reads a stream on its own thread, one piece ahead. A file or a program that is faster than real time waits, so that no piece is
    /// lost.
    pub(crate) fn reading(mut stream: impl Read + Send + 'static, mut pcm: Pcm) -> Self {
        const AHEAD: usize = 1;
        let sample_rate = pcm.sample_rate();
        let (send, pieces) = sync_channel(AHEAD);
        let (warn, warnings) = channel();
        thread::spawn(move || {
            let mut held = Vec::new();
            while let Some(read) = pcm.read(&mut stream, &mut held).transpose() {
                let failed = read.is_err();
                let piece = read
                    .map(|samples| Piece { samples, came: Instant::now(), delay: Duration::ZERO })
                    .map_err(anyhow::Error::from);
                if send.send(piece).is_err() || failed {
                    break;
                }
            }
            // An error means that the receiver was dropped.
            pcm.warnings().iter().for_each(|warning| drop(warn.send(warning.clone())));
        });
        Self { name: STANDARD_INPUT, sample_rate, pieces, warnings, lost: None, _stream: None }
    }
}
