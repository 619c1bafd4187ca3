//! The pitch of a voice in a signal that arrives piece by piece, for a picture.

use ser_features::{ConfigError, Pyin, PyinConfig, SignalError};

/// Range of the pitch of voices, in Hz.
const VOICE: (f64, f64) = (65.0, 600.0);
/// Pitch is looked for in this many samples at once, 24 s at 22,050 Hz, and in as many of its neighbours' as steady its ends.
const BLOCK: usize = 1024 * FINE;
const MARGIN: usize = 16 * FINE;
/// Samples from one value to the next: in the first blocks, and in those after them, which a picture shows narrower.
const FINE: usize = 512;
const COARSE: usize = 4 * FINE;
const FINE_BLOCKS: usize = 3;
/// Level below the loudest sample, 60 dB, under which no pitch is drawn.
const QUIET: f32 = 1e-3;

/// Takes samples and keeps the pitch.
#[derive(Debug)]
pub(super) struct PitchLine {
    sample_rate: u32,
    fine: Pyin,
    coarse: Pyin,
    /// Samples in which no pitch was looked for yet, after those that only steady its start.
    pending: Vec<f32>,
    /// Blocks before these.
    blocks: usize,
    peak: f32,
    /// (time in seconds, pitch in Hz), NaN without a voice.
    points: Vec<(f64, f32)>,
}

impl PitchLine {
    pub(super) fn new(sample_rate: u32) -> Result<Self, ConfigError> {
        let plan = |hop_length: usize| {
            let (fmin, fmax) = VOICE;
            let default = PyinConfig::default();
            // The same change in a second, whatever the step.
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

    /// The loudest sample so far.
    pub(super) fn peak(&self) -> f32 {
        self.peak
    }

    /// Takes the next samples.
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

    /// All points.
    pub(super) fn finish(mut self) -> Result<Vec<(f64, f32)>, SignalError> {
        if !self.pending.is_empty() {
            self.find(self.pending.len(), None)?;
        }
        Ok(self.points)
    }

    /// Looks for the pitch in the first of the pending samples; keeps it up to `end`.
    fn find(&mut self, length: usize, end: Option<usize>) -> Result<(), SignalError> {
        let is_fine = self.blocks < FINE_BLOCKS;
        let (pyin, hop) = if is_fine { (&mut self.fine, FINE) } else { (&mut self.coarse, COARSE) };
        let samples = &self.pending[..length];
        let time = |frame: usize| (self.blocks * BLOCK + frame * hop) as f64 / f64::from(self.sample_rate);
        // The block before has given the first frames.
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
        // 100 s, of which 30 to 60 are silent: fine and coarse steps meet within it.
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
