//! Samples of a stream, cut into frames.

use crate::check::check_samples;
use crate::error::SignalError;
use crate::framing::Framing;

/// The samples of a stream that frames still need. Frames come out as [`Framing`] cuts them from the whole signal: without the zeros
/// around it.
#[derive(Debug, Clone)]
pub(super) struct FrameQueue {
    framing: Framing,
    memory: Vec<f32>,
    /// Place in the stream of the memory's first sample.
    origin: usize,
    /// Samples pushed.
    pushed: usize,
    /// Frames given.
    given: usize,
    ended: bool,
}

impl FrameQueue {
    pub(super) fn new(framing: Framing) -> Self {
        Self { framing, memory: Vec::new(), origin: 0, pushed: 0, given: 0, ended: false }
    }

    /// Samples from a frame's time to its last sample.
    pub(super) fn latency(&self) -> usize {
        self.framing.frame_length - self.framing.padding()
    }

    /// Frames given so far.
    pub(super) fn given(&self) -> usize {
        self.given
    }

    /// Takes the next samples, all or none.
    pub(super) fn push(&mut self, samples: &[f32]) -> Result<(), SignalError> {
        if !samples.is_empty() {
            check_samples(samples)?;
        }
        self.drop_passed();
        // Where frames lie further apart than they are long, samples in between are not kept.
        let skipped = self.next_start().saturating_sub(self.pushed.max(self.origin)).min(samples.len());
        if self.memory.is_empty() {
            self.origin = self.pushed + skipped;
            self.memory.extend_from_slice(&samples[skipped..]);
        } else {
            self.memory.extend_from_slice(samples);
        }
        self.pushed += samples.len();
        Ok(())
    }

    /// Ends the stream: its last frames, which reach beyond the end, can be taken.
    pub(super) fn end(&mut self) -> Result<(), SignalError> {
        self.framing.frames(self.pushed)?;
        self.ended = true;
        Ok(())
    }

    /// Forgets the stream so far.
    pub(super) fn reset(&mut self) {
        self.memory.clear();
        (self.origin, self.pushed, self.given, self.ended) = (0, 0, 0, false);
    }

    /// The next frame, if it is complete: how many of its samples come before the stream's first, and those that lie in the stream.
    pub(super) fn next_frame(&mut self) -> Option<(usize, &[f32])> {
        let t = self.given;
        let complete = if self.ended {
            self.framing.frames(self.pushed).is_ok_and(|frames| t < frames)
        } else {
            self.framing.end(t) <= self.pushed
        };
        if !complete {
            return None;
        }
        self.given += 1;
        let range = self.framing.range(self.pushed, t);
        Some((self.framing.lead(t), &self.memory[range.start - self.origin..range.end - self.origin]))
    }

    /// Place of the next frame's first sample in the stream.
    fn next_start(&self) -> usize {
        self.framing.start(self.given)
    }

    /// Forgets what no frame needs any more.
    fn drop_passed(&mut self) {
        let passed = self.next_start().saturating_sub(self.origin).min(self.memory.len());
        self.memory.drain(..passed);
        self.origin += passed;
    }
}
