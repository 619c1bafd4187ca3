//! Brings a stream to the channels and the rate of the one before it, piece by piece.

use ser_features::{ConfigError, Resampler};

use super::AudioErrorKind;

/// Converts interleaved samples.
pub(super) struct Converter {
    from: (usize, u32),
    to: (usize, u32),
    /// `None` where the rates are equal.
    resampler: Option<Resampler>,
    /// For each output channel the samples that are still needed: up to one second before the next sample to convert, and all after it.
    held: Vec<Vec<f32>>,
    /// Whether `held` begins with a second that has been given.
    has_context: bool,
}

impl Converter {
    pub(super) fn new(from: (usize, u32), to: (usize, u32)) -> Result<Self, AudioErrorKind> {
        let error = |cause: Option<ConfigError>| AudioErrorKind::Changes { from: to, to: from, cause };
        // Only one channel converts to several, and several to one.
        if from.0 != to.0 && from.0 != 1 && to.0 != 1 {
            return Err(error(None));
        }
        let resampler = if from.1 == to.1 {
            None
        } else {
            Some(Resampler::new(from.1, to.1).map_err(|e| error(Some(e)))?)
        };
        Ok(Self { from, to, resampler, held: vec![Vec::new(); to.0], has_context: false })
    }

    /// Converts the samples whose result does not depend on later samples.
    pub(super) fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), AudioErrorKind> {
        let channels = self.to.0;
        if self.resampler.is_none() {
            let frames = samples.chunks_exact(self.from.0);
            frames.for_each(|frame| {
                (0..channels).for_each(|channel| out.push(mixed(frame, channels, channel)))
            });
            return Ok(());
        }
        for frame in samples.chunks_exact(self.from.0) {
            self.held
                .iter_mut()
                .enumerate()
                .for_each(|(channel, held)| held.push(mixed(frame, channels, channel)));
        }
        // A whole second of one rate is a whole second of the other, and far longer than the filter.
        let second = self.from.1 as usize;
        let due = if self.has_context { second } else { 0 };
        while self.held.first().is_some_and(|held| held.len() >= due.max(second) + 2 * second) {
            self.give(Some(second), out)?;
        }
        Ok(())
    }

    /// Converts the samples that remain at the end.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), AudioErrorKind> {
        if self.held.first().is_some_and(|held| !held.is_empty()) {
            self.give(None, out)?;
        }
        Ok(())
    }

    /// Gives the frames after the context: `count`, or all.
    fn give(&mut self, count: Option<usize>, out: &mut Vec<f32>) -> Result<(), AudioErrorKind> {
        let Some(resampler) = &mut self.resampler else { return Ok(()) };
        let (second, converted_second) = (self.from.1 as usize, self.to.1 as usize);
        let context = if self.has_context { converted_second } else { 0 };
        let mut converted = Vec::new();
        for held in &self.held {
            let whole = resampler.process(held).map_err(|e| AudioErrorKind::malformed(e.to_string()))?;
            let end = if count.is_some() { context + converted_second } else { whole.len() };
            converted.push(whole.get(context..end).unwrap_or_default().to_vec());
        }
        let frames = converted.iter().map(Vec::len).min().unwrap_or(0);
        (0..frames).for_each(|frame| out.extend(converted.iter().map(|channel| channel[frame])));
        // What was given becomes the context of what follows.
        let past = if self.has_context { second } else { 0 };
        self.held.iter_mut().for_each(|held| drop(held.drain(..past.min(held.len()))));
        self.has_context = true;
        if count.is_none() {
            self.held.iter_mut().for_each(Vec::clear);
        }
        Ok(())
    }
}

/// A channel of the result: the mean of all, or the one of the same number.
fn mixed(frame: &[f32], channels: usize, channel: usize) -> f32 {
    match frame {
        [only] => *only,
        frame if channels == 1 => frame.iter().sum::<f32>() / frame.len() as f32,
        frame => frame[channel],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_resample_as_the_whole() {
        let whole: Vec<f32> = (0..32_000 * 5 + 77).map(|n| (n as f32 * 0.05).sin() * 0.5).collect();
        let expected = Resampler::new(32_000, 16_000).unwrap().process(&whole).unwrap();
        let mut converter = Converter::new((1, 32_000), (2, 16_000)).unwrap();
        let mut out = Vec::new();
        whole.chunks(1000).for_each(|piece| converter.push(piece, &mut out).unwrap());
        assert!(out.len() > 2 * 16_000);
        converter.finish(&mut out).unwrap();
        assert_eq!(out.len(), 2 * expected.len());
        for (frame, expected) in out.chunks_exact(2).zip(&expected) {
            assert!(frame[0] == frame[1] && (frame[0] - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn channels_are_mixed_or_doubled_and_other_changes_refused() {
        let mut out = Vec::new();
        Converter::new((2, 8000), (1, 8000)).unwrap().push(&[0.5, 0.0, 1.0, 1.0], &mut out).unwrap();
        assert_eq!(out, [0.25, 1.0]);
        assert!(matches!(Converter::new((2, 8000), (6, 8000)), Err(AudioErrorKind::Changes { .. })));
        assert!(matches!(Converter::new((1, 8), (1, 8000)), Err(AudioErrorKind::Changes { .. })));
    }
}
