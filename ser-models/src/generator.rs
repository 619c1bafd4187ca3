//! The project's seeded random number generator.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution, StandardNormal};

/// A seeded generator (ChaCha8). The same seed and stream give the same numbers on every machine.
///
/// Candle's own CPU generator cannot be seeded, so initial weights, dropout masks, shuffles and augmentation all use this one.
#[derive(Debug, Clone)]
pub struct Generator(ChaCha8Rng);

impl Generator {
    /// Makes a generator for a seed, on stream 0.
    pub fn new(seed: u64) -> Self {
        Self::with_stream(seed, 0)
    }

    /// Makes a generator for a seed, on one of its 2⁶⁴ independent streams.
    ///
    /// Training uses a separate stream for every purpose and every step, so that a run resumes without a saved generator state.
    pub fn with_stream(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Makes the generator of a run for one purpose in one epoch or step.
    pub(crate) fn for_run(seed: u64, purpose: Purpose, index: u64) -> Self {
        Self::with_stream(seed, ((purpose as u64) << 56) | index)
    }

    /// Returns 32 random bits.
    pub(crate) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Random bytes.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Draws a number from the uniform distribution over `low..high`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// Draws an integer uniformly from `0..limit`; `limit` is 1 or more.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0.random_range(0..limit.max(1) as u64) as usize
    }

    /// Draws a number from the standard normal distribution.
    pub(crate) fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Draws a share for mixup from Beta(`alpha`, `alpha`). Returns 1 without a draw if `alpha` is no valid parameter.
    pub(crate) fn beta(&mut self, alpha: f64) -> f64 {
        Beta::new(alpha, alpha).map_or(1.0, |beta| beta.sample(&mut self.0))
    }

    /// Shuffles items in place.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        items.shuffle(&mut self.0);
    }
}

/// The purposes of a run's random numbers. Initial weights come from stream 0.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The order of an epoch's examples.
    Shuffle = 1,
    /// A step's augmentation and dropout.
    Step = 2,
    /// The audio augmentation of a clip in an epoch.
    Audio = 3,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_streams_are_independent_and_repeat() {
        let draw = |seed, stream| {
            let mut generator = Generator::with_stream(seed, stream);
            (0..4).map(|_| generator.bits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }
}
