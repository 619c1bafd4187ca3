//! A part of a recording.

use std::fmt;
use std::time::Duration;

/// A part of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Start, from the recording's start.
    pub start: Duration,
    /// End, from the recording's start; `None` is the recording's end.
    pub end: Option<Duration>,
}

impl fmt::Display for Span {
    /// As a media fragment of the W3C: `#t=1.5,3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#t={}", self.start.as_secs_f64())?;
        self.end.map_or(Ok(()), |end| write!(f, ",{}", end.as_secs_f64()))
    }
}
