//! Estimates the pitch of a voice for a picture, in a signal that arrives piece by piece.

use ser_features::{ConfigError, Pyin, PyinConfig, SignalError};

/// Range of the pitch of voices, in Hz.
const VOICE: (f64, f64) = (65.0, 600.0);
/// Number of samples of a block, 24 s at 22,050 Hz. Pitch is estimated block by block.
const BLOCK: usize = 1024 * FINE;
/// Number of samples before and after a block that are analysed with it, so that the pitch at its ends is stable.
const MARGIN: usize = 16 * FINE;
/// Hop length in samples of the first [`FINE_BLOCKS`] blocks.
const FINE: usize = 512;
/// Hop length in samples of the later blocks. A recording with so many blocks is drawn with less detail.
const COARSE: usize = 4 * FINE;
/// Number of blocks with the fine hop length.
const FINE_BLOCKS: usize = 3;
/// Level relative to the loudest sample, −60 dB. A block whose samples are all below it has no pitch.
const QUIET: f32 = 1e-3;

/// Collects samples and their pitch.
#[derive(Debug)]
pub(super) struct PitchLine {
    sample_rate: u32,
    fine: Pyin,
    coarse: Pyin,
    /// Samples of the margin before the next block, and those that were not analysed yet.
    pending: Vec<f32>,
    /// Number of blocks that were analysed.
    blocks: usize,
    peak: f32,
    /// (time in seconds, pitch in Hz). The pitch is NaN in unvoiced parts.
    points: Vec<(f64, f32)>,
}

impl PitchLine {
    pub(super) fn new(sample_rate: u32) -> Result<Self, ConfigError> {
        let plan = |hop_length: usize| {
            let (fmin, fmax) = VOICE;
            let default = PyinConfig::default();
            // The pitch can change equally fast per second with both hop lengths.
            let steps = hop_length as f64 / FINE as f64;
            let switch_prob = default.switch_prob * steps;
            let max_transition_rate = default.max_transition_rate / steps;
            Pyin::new(PyinConfig {
                sample_rate,
                fmin,
                fmax,
                hop_length,
                switch_prob,
                max_transition_rate,
                ..default
            })
        };
        let (pending, points) = (Vec::new(), Vec::new());
        Ok(Self {
            sample_rate,
            fine: plan(FINE)?,
            coarse: plan(COARSE)?,
            pending,
            blocks: 0,
            peak: 0.0,
            points,
        })
    }

    /// Returns the largest absolute sample so far.
    pub(super) fn peak(&self) -> f32 {
        self.peak
    }

    /// Appends samples.
    pub(super) fn push(&mut self, samples: &[f32]) -> Result<(), SignalError> {
        self.peak = samples.iter().fold(self.peak, |peak, x| peak.max(x.abs()));
        self.pending.extend_from_slice(samples);
        while self.pending.len() >= BLOCK + 2 * MARGIN {
            self.find(BLOCK + 2 * MARGIN, Some(BLOCK + MARGIN))?;
            self.pending.drain(..BLOCK);
            self.blocks += 1;
        }
        Ok(())
    }

    /// Returns all points (time in seconds, pitch in Hz).
    pub(super) fn finish(mut self) -> Result<Vec<(f64, f32)>, SignalError> {
        if !self.pending.is_empty() {
            self.find(self.pending.len(), None)?;
        }
        Ok(self.points)
    }

    /// Estimates the pitch of the first `length` pending samples and keeps the points before the sample `end`.
    fn find(&mut self, length: usize, end: Option<usize>) -> Result<(), SignalError> {
        let is_fine = self.blocks < FINE_BLOCKS;
        let (pyin, hop) = if is_fine { (&mut self.fine, FINE) } else { (&mut self.coarse, COARSE) };
        let samples = &self.pending[..length];
        let time = |frame: usize| (self.blocks * BLOCK + frame * hop) as f64 / f64::from(self.sample_rate);
        // The frames of the margin belong to the block before.
        let from = if self.blocks == 0 { 0 } else { MARGIN / hop };
        let frames = end.map_or(length / hop + 1, |end| end / hop);
        if samples.iter().all(|x| x.abs() <= QUIET * self.peak) {
            self.points.extend((from..frames).map(|frame| (time(frame), f32::NAN)));
            return Ok(());
        }
        let found = pyin.process(samples)?.f0;
        self.points.extend((from..frames.min(found.len())).map(|frame| (time(frame), found[frame])));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_followed_from_block_to_block_and_silence_is_a_gap() {
        let sample_rate = 22_050;
        let mut line = PitchLine::new(sample_rate).unwrap();
        let tone = |n: usize| (n as f32 * 150.0 / 22_050.0).fract() * std::f32::consts::TAU;
        // 100 s with silence from 30 to 60 s. The hop length changes within it.
        let samples: Vec<f32> = (0..100 * 22_050)
            .map(|n| if (30 * 22_050..60 * 22_050).contains(&n) { 0.0 } else { 0.3 * tone(n).sin() })
            .collect();
        samples.chunks(10_000).for_each(|piece| line.push(piece).unwrap());
        assert_eq!(line.peak(), samples.iter().fold(0.0, |peak: f32, x| peak.max(x.abs())));
        let points = line.finish().unwrap();
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order, without repetition");
        let steps: Vec<f64> = points.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        assert!(steps.iter().all(|step| *step <= COARSE as f64 / 22_050.0 + 1e-9), "without a gap");
        for (time, hertz) in &points {
            match time {
                0.2..29.8 | 60.2..99.8 => {
                    assert!((hertz / 150.0 - 1.0).abs() < 0.02, "{hertz} Hz at {time} s")
                }
                30.2..59.8 => assert!(hertz.is_nan(), "{hertz} Hz at {time} s"),
                _ => {}
            }
        }
    }
}
