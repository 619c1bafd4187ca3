//! Streams of features that are computed from a frame's samples without a transform, or with one of their own.

use super::private::Sealed;
use super::queue::FrameQueue;
use crate::error::{ConfigError, SignalError};
use crate::framing::Framing;
use crate::rms::{Rms, RmsConfig};
use crate::yin::{Yin, YinConfig, YinFrame};
use crate::zero_crossing::{ZeroCrossingConfig, ZeroCrossingRate};

/// Root mean square of a stream's frames.
pub type StreamingRms = StreamingRow<Rms>;

/// Zero-crossing rate of a stream's frames.
pub type StreamingZeroCrossingRate = StreamingRow<ZeroCrossingRate>;

/// Fundamental frequency and aperiodicity of a stream's frames.
pub type StreamingYin = StreamingRow<Yin>;

/// A plan that gives one value a frame, from nothing but the frame's samples.
pub trait RowByFrame: Sized + Sealed {
    /// The plan's configuration.
    type Config: Clone;

    /// The value of a frame: an `f32`, or a [`YinFrame`] for [`Yin`].
    type Value: Copy;

    #[doc(hidden)]
    fn plan(config: Self::Config) -> Result<Self, ConfigError>;

    #[doc(hidden)]
    fn framing(&self) -> &Framing;

    /// The value of a frame, of which `lead` samples come before the signal's first.
    #[doc(hidden)]
    fn value(&mut self, lead: usize, frame: &[f32]) -> Self::Value;
}

/// Computes one value a frame of a stream: pieces of any length go in, each frame's value comes out as soon as its last sample is
/// there.
///
/// The values equal those of the plan's `process` (for [`Yin`], `analyze`) for the whole signal, bit for bit. Memory does not depend on the
/// stream's length. A push allocates nothing if an earlier one was as long.
///
/// ```
/// use ser_features::{RmsConfig, StreamingRms};
///
/// let mut rms = StreamingRms::new(RmsConfig::default())?;
/// assert_eq!(rms.latency(), 1024);
/// let mut levels = Vec::new();
/// for piece in [0.5; 22_050].chunks(512) {
///     levels.extend_from_slice(rms.push(piece)?);
/// }
/// levels.extend_from_slice(rms.finish()?);
/// assert_eq!((levels.len(), levels[20]), (44, 0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamingRow<P: RowByFrame> {
    plan: P,
    config: P::Config,
    queue: FrameQueue,
    out: Vec<P::Value>,
}

impl<P: RowByFrame> StreamingRow<P> {
    /// Plans the feature.
    ///
    /// # Errors
    /// As the plan's own `new`.
    pub fn new(config: P::Config) -> Result<Self, ConfigError> {
        let plan = P::plan(config.clone())?;
        Ok(Self { queue: FrameQueue::new(plan.framing().clone()), plan, config, out: Vec::new() })
    }

    /// The configuration that the plan was made from.
    pub fn config(&self) -> &P::Config {
        &self.config
    }

    /// Latency in samples after a frame's time, `t · hop_length`: half of a frame where frames are centred, else a whole one.
    pub fn latency(&self) -> usize {
        self.queue.latency()
    }

    /// Takes the next samples and gives the values of the frames that they complete, often none. An empty piece is fine.
    ///
    /// # Errors
    /// When a sample is NaN, infinite or beyond ±1e12; the index counts from the piece's start. The stream ignores such a piece.
    pub fn push(&mut self, samples: &[f32]) -> Result<&[P::Value], SignalError> {
        self.queue.push(samples)?;
        Ok(self.give())
    }

    /// Ends the stream and gives the values of its last frames, those that reach beyond its end. The plan is then ready for the next
    /// stream.
    ///
    /// # Errors
    /// When no sample was pushed, or (only without `center`) fewer than a frame has. The plan is ready for the next stream then, too.
    pub fn finish(&mut self) -> Result<&[P::Value], SignalError> {
        let ended = self.queue.end();
        if ended.is_ok() {
            self.give();
        }
        self.queue.reset();
        ended.map(|()| &self.out[..])
    }

    /// Forgets the stream so far, for the next one.
    pub fn reset(&mut self) {
        self.queue.reset();
    }

    fn give(&mut self) -> &[P::Value] {
        self.out.clear();
        while let Some((lead, frame)) = self.queue.next_frame() {
            self.out.push(self.plan.value(lead, frame));
        }
        &self.out
    }
}

macro_rules! row_by_frame {
    ($($plan:ty, $config:ty => $value:ty;)*) => {$(
        impl Sealed for $plan {}
        impl RowByFrame for $plan {
            type Config = $config;
            type Value = $value;

            fn plan(config: $config) -> Result<Self, ConfigError> {
                Self::new(config)
            }

            fn framing(&self) -> &Framing {
                self.framing()
            }

            fn value(&mut self, lead: usize, frame: &[f32]) -> $value {
                self.of_frame(lead, frame)
            }
        }
    )*};
}

row_by_frame! {
    Rms, RmsConfig => f32;
    ZeroCrossingRate, ZeroCrossingConfig => f32;
    Yin, YinConfig => YinFrame;
}
