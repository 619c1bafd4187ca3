//! Boost of high frequencies of a signal that arrives in pieces.

use crate::check::check_finite;
use crate::error::{ConfigError, SignalError};
use crate::preemphasis::{Preemphasis, PreemphasisConfig};

/// Filters a stream as [`Preemphasis::process`] filters the whole signal, bit for bit: each sample comes out with the push that brings it,
/// but the first one comes out with the second.
///
/// ```
/// use ser_features::{PreemphasisConfig, StreamingPreemphasis};
///
/// let mut filter = StreamingPreemphasis::new(PreemphasisConfig { coef: 0.5 })?;
/// assert_eq!(filter.push(&[1.0])?, []);
/// assert_eq!(filter.push(&[2.0, 3.0])?, [1.0, 1.5, 2.0]);
/// filter.finish()?; // ready for the next stream
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamingPreemphasis {
    filter: Preemphasis,
    /// Samples pushed: none, one or more.
    pushed: usize,
    last: f32,
    out: Vec<f32>,
}

impl StreamingPreemphasis {
    /// Checks a configuration.
    ///
    /// # Errors
    /// When `coef` does not lie from 0 to 1.
    pub fn new(config: PreemphasisConfig) -> Result<Self, ConfigError> {
        Ok(Self { filter: Preemphasis::new(config)?, pushed: 0, last: 0.0, out: Vec::new() })
    }

    /// Takes the next samples and gives them filtered. An empty piece is fine.
    ///
    /// # Errors
    /// When a sample is NaN or infinite; the index counts from the piece's start. The stream ignores such a piece.
    pub fn push(&mut self, samples: &[f32]) -> Result<&[f32], SignalError> {
        if !samples.is_empty() {
            check_finite(samples)?;
        }
        self.out.clear();
        for &x in samples {
            match self.pushed {
                0 => {}
                1 => self.out.extend([self.filter.first(self.last, x), self.filter.next(self.last, x)]),
                _ => self.out.push(self.filter.next(self.last, x)),
            }
            self.last = x;
            self.pushed = self.pushed.saturating_add(1);
        }
        Ok(&self.out)
    }

    /// Ends the stream. Nothing is left to give; the plan is then ready for the next stream.
    ///
    /// # Errors
    /// When fewer than two samples were pushed. The plan is ready for the next stream then, too.
    pub fn finish(&mut self) -> Result<(), SignalError> {
        match std::mem::take(&mut self.pushed) {
            0 => Err(SignalError::Empty),
            1 => Err(SignalError::TooShort { minimum: 2, given: 1 }),
            _ => Ok(()),
        }
    }

    /// Forgets the stream so far, for the next one.
    pub fn reset(&mut self) {
        self.pushed = 0;
    }
}
