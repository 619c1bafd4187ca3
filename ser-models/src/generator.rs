//! The project's seeded random numbers.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution, StandardNormal};

/// A seeded generator (ChaCha8). The same seed and stream give the same numbers on every machine.
///
/// Candle's own CPU generator cannot be seeded, so initial weights, dropout masks, shuffles and augmentation all
/// draw from here.
#[derive(Debug, Clone)]
pub struct Generator(ChaCha8Rng);

impl Generator {
    /// A generator for a seed, on stream 0.
    pub fn new(seed: u64) -> Self {
        Self::with_stream(seed, 0)
    }

    /// A generator for a seed and one of its 2⁶⁴ independent streams.
    ///
    /// Training gives every purpose and every step its own stream, so that a run resumes without a saved generator state.
    pub fn with_stream(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A generator of a run's own, for one use in one epoch or step.
    pub(crate) fn for_run(seed: u64, purpose: Purpose, index: u64) -> Self {
        Self::with_stream(seed, ((purpose as u64) << 56) | index)
    }

    /// 32 random bits.
    pub(crate) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Random bytes.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// A number from the uniform distribution over `low..high`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// A whole number from 0 up, evenly below `limit`, which is 1 or more.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0.random_range(0..limit.max(1) as u64) as usize
    }

    /// Standard normal.
    pub(crate) fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// From Beta(`alpha`, `alpha`), which mixup draws from; `alpha` is positive and finite. Draws nothing otherwise.
    pub(crate) fn beta(&mut self, alpha: f64) -> f64 {
        Beta::new(alpha, alpha).map_or(1.0, |beta| beta.sample(&mut self.0))
    }

    /// Shuffles in place.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        items.shuffle(&mut self.0);
    }
}

/// What a run draws random numbers for; initial weights come from stream 0.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The order of an epoch's examples.
    Shuffle = 1,
    /// A step's augmentation and dropout.
    Step = 2,
    /// What becomes of a clip's sound in an epoch.
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
