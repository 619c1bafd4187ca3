//! Frames of samples, for what needs no Fourier transform.

use std::ops::Range;

use crate::check::check_samples;
use crate::error::{ConfigError, SignalError};
use crate::stft::MAX_N_FFT;

/// How a signal is cut into frames: frame `t` starts at sample `t · hop_length`, less half a frame where frames are centred.
#[derive(Debug, Clone)]
pub struct Framing {
    pub(crate) frame_length: usize,
    hop_length: usize,
    center: bool,
}

impl Framing {
    pub(crate) fn new(frame_length: usize, hop_length: usize, center: bool) -> Result<Self, ConfigError> {
        ConfigError::refuse_zero("frame_length", frame_length)?;
        ConfigError::refuse_zero("hop_length", hop_length)?;
        let rule = "at most 1048576";
        ConfigError::require(frame_length <= MAX_N_FFT, "frame_length", rule, frame_length as f64)?;
        Ok(Self { frame_length, hop_length, center })
    }

    /// Zeros before the first sample.
    pub(crate) fn padding(&self) -> usize {
        if self.center { self.frame_length / 2 } else { 0 }
    }

    /// Refuses what can't be cut into frames, and counts the frames of what can.
    pub(crate) fn check(&self, samples: &[f32]) -> Result<usize, SignalError> {
        check_samples(samples)?;
        self.frames(samples.len())
    }

    /// Counts the frames of a signal of some samples.
    pub(crate) fn frames(&self, n_samples: usize) -> Result<usize, SignalError> {
        if n_samples == 0 {
            return Err(SignalError::Empty);
        }
        let padded = n_samples + 2 * self.padding();
        if padded < self.frame_length {
            return Err(SignalError::TooShort { minimum: self.frame_length, given: n_samples });
        }
        Ok(1 + (padded - self.frame_length) / self.hop_length)
    }

    /// Place of the first sample of frame `t`, or of the signal where that comes later. No signal reaches a place that is too large for a
    /// number.
    pub(crate) fn start(&self, t: usize) -> usize {
        t.saturating_mul(self.hop_length).saturating_sub(self.padding())
    }

    /// Place behind the last sample of frame `t`.
    pub(crate) fn end(&self, t: usize) -> usize {
        let start = t.saturating_mul(self.hop_length);
        start.saturating_add(self.frame_length).saturating_sub(self.padding())
    }

    /// The samples of the signal that lie in frame `t`.
    pub(crate) fn range(&self, n_samples: usize, t: usize) -> Range<usize> {
        let end = self.end(t).min(n_samples);
        self.start(t).min(end)..end
    }

    /// How many samples of frame `t` come before the signal's first.
    pub(crate) fn lead(&self, t: usize) -> usize {
        self.padding().saturating_sub(t.saturating_mul(self.hop_length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centred_frames_reach_beyond_both_ends() {
        let framing = Framing::new(4, 3, true).unwrap();
        assert_eq!(framing.check(&[0.1; 5]), Ok(2));
        assert_eq!((framing.lead(0), framing.range(5, 0)), (2, 0..2));
        assert_eq!((framing.lead(1), framing.range(5, 1)), (0, 1..5));
    }

    #[test]
    fn a_signal_may_lie_within_its_only_frame() {
        let framing = Framing::new(9, 1, true).unwrap();
        assert_eq!(framing.check(&[1.0]), Ok(1));
        assert_eq!((framing.lead(0), framing.range(1, 0)), (4, 0..1));
    }
}
