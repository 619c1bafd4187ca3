//! Silence at the ends of a signal and inside it.

use std::ops::Range;

use crate::decibel::amplitude_to_db_value;
use crate::error::{ConfigError, SignalError};
use crate::rms::{Rms, RmsConfig};

/// Settings of silence detection. The default is librosa's.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct TrimConfig {
    /// A frame is silent when its root mean square lies at least this far below the loudest frame's, in dB, above 0 and finite.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::number::finite"))]
    pub top_db: f32,
    /// Samples of a frame, 1..=1,048,576.
    pub frame_length: usize,
    /// Samples from one frame to the next, at least 1.
    pub hop_length: usize,
}

impl Default for TrimConfig {
    fn default() -> Self {
        Self { top_db: 60.0, frame_length: 2048, hop_length: 512 }
    }
}

/// Finds the parts of a signal that are not silent, as `librosa.effects.trim` and `split`.
///
/// ```
/// use ser_features::{Trim, TrimConfig};
///
/// let mut recording = vec![0.0; 44_100];
/// recording[10_240..30_720].fill(0.5);
/// let trim = Trim::new(TrimConfig { top_db: 30.0, ..Default::default() })?;
/// let kept = trim.trim(&recording)?;
/// assert_eq!(kept, 9_728..31_744); // whole frames
/// let sound = &recording[kept];
/// assert_eq!(sound.len(), 22_016);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Trim {
    config: TrimConfig,
    rms: Rms,
}

impl Trim {
    /// Checks a configuration.
    ///
    /// # Errors
    /// When `top_db` is not above 0 and finite, `frame_length` or `hop_length` is zero, or `frame_length` is above its limit.
    pub fn new(config: TrimConfig) -> Result<Self, ConfigError> {
        let TrimConfig { top_db, frame_length, hop_length } = config;
        ConfigError::require(
            top_db > 0.0 && top_db.is_finite(),
            "top_db",
            "above 0 and finite",
            top_db.into(),
        )?;
        let rms = Rms::new(RmsConfig { frame_length, hop_length, center: true })?;
        Ok(Self { config, rms })
    }

    /// The samples from the first to the last frame that is not silent. Frame `t` stands for the `hop_length` samples from `t · hop_length`
    /// on, as in librosa. In a signal whose frames all lie below 1e-5, all count as equally loud, so nothing is cut from it.
    ///
    /// # Errors
    /// When `samples` is empty or holds a value that is NaN, infinite or beyond ±1e12.
    pub fn trim(&self, samples: &[f32]) -> Result<Range<usize>, SignalError> {
        let parts = self.split(samples)?;
        Ok(match (parts.first(), parts.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        })
    }

    /// The parts between silences, in order.
    ///
    /// # Errors
    /// As [`trim`](Self::trim).
    pub fn split(&self, samples: &[f32]) -> Result<Vec<Range<usize>>, SignalError> {
        let rms = self.rms.process(samples)?;
        let loudest = rms.iter().fold(0.0, |a, &b| f32::max(a, b));
        let mut parts: Vec<Range<usize>> = Vec::new();
        for (t, &level) in rms.iter().enumerate() {
            if amplitude_to_db_value(level, loudest) > -self.config.top_db {
                let start = (t * self.config.hop_length).min(samples.len());
                let end = start.saturating_add(self.config.hop_length).min(samples.len());
                match parts.last_mut() {
                    Some(part) if part.end == start => part.end = end,
                    _ => parts.push(start..end),
                }
            }
        }
        Ok(parts)
    }
}
