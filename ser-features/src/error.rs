//! Errors of configurations and signals.

use thiserror::Error;

/// Most values of a filter bank or another table, 128 MiB in `f32`: no configuration from a damaged file may ask for all memory.
const MAX_TABLE: usize = 1 << 25;

/// Most cosines of a table, which take about 0.1 s: no configuration from a damaged file may keep a plan busy for long.
const MAX_COSINES: usize = 1 << 22;

/// A configuration that can't work, named by the rule that it breaks.
///
/// The `new` of a plan returns it, and so do functions that take settings, such as [`power_to_db`](crate::power_to_db). Plans don't check
/// their configuration again.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A count or a step is zero.
    #[error("config: {parameter} must be 1 or more, got 0")]
    Zero {
        /// Name of the field, or of what is counted, such as "the number of features".
        parameter: &'static str,
    },
    /// The window does not fit into the Fourier transform.
    #[error("config: win_length must be at most n_fft, {n_fft}, got {win_length}")]
    WindowTooLong {
        /// The window's length in samples.
        win_length: usize,
        /// The transform's length in samples.
        n_fft: usize,
    },
    /// A frequency lies above half of the sample rate.
    #[error("config: {parameter} must be at most half of the sample rate, {nyquist} Hz, got {frequency} Hz")]
    AboveNyquist {
        /// Name of the field, or of what is derived from it.
        parameter: &'static str,
        /// The frequency in Hz.
        frequency: f64,
        /// Half of the sample rate in Hz.
        nyquist: f64,
    },
    /// The lower end of a frequency range does not lie below its upper end, or one of them is NaN.
    #[error("config: fmin must be below fmax, {fmax} Hz, got {fmin} Hz")]
    EmptyRange {
        /// Lower end in Hz.
        fmin: f64,
        /// Upper end in Hz.
        fmax: f64,
    },
    /// A count exceeds another that limits it, for example `n_mfcc` above `n_mels`.
    #[error("config: {parameter} must be at most {limit_name}, {limit}, got {value}")]
    TooMany {
        /// Name of the field.
        parameter: &'static str,
        /// Its value.
        value: usize,
        /// Name of what bounds it.
        limit_name: &'static str,
        /// The bound.
        limit: usize,
    },
    /// A choice is named twice.
    #[error("config: names in {parameter} must differ, got {name} twice")]
    Repeated {
        /// Name of the field.
        parameter: &'static str,
        /// The repeated name.
        name: &'static str,
    },
    /// [`StftConfig::center`](crate::StftConfig::center) is `false`, but the plan needs centred frames, as
    /// [`TimeStretch`](crate::TimeStretch) does.
    #[error("config: center must be true, got false")]
    NotCentered,
    /// A setting depends on the whole signal, so it isn't available for streams.
    #[error("stream: {parameter} must be {rule}, got a setting that needs the whole signal")]
    NeedsWholeSignal {
        /// Name of the field.
        parameter: &'static str,
        /// The rule for the value.
        rule: &'static str,
    },
    /// A feature can't be streamed: [`StreamingExtractor`](crate::StreamingExtractor) does not compute it.
    #[error("stream: features must be ones that have a stream, got {feature}")]
    NotStreamed {
        /// Name of the feature.
        feature: &'static str,
    },
    /// The ratio of two sample rates has a term above `limit` in its lowest terms. A plan for it would take too much memory.
    #[error(
        "config: ratio of sample rates must have numbers of at most {limit} in its lowest terms, got {from} to {to} Hz \
         (Resampler::with_ratio takes any ratio from 1/256 to 256)"
    )]
    RatioTooFine {
        /// The source's rate in Hz.
        from: u32,
        /// The target's rate in Hz.
        to: u32,
        /// The largest value that either term of the reduced ratio may have: 65,536 for [`Resampler`](crate::Resampler), 4,096 for
        /// [`StreamingResampler`](crate::StreamingResampler).
        limit: usize,
    },
    /// Any other rule about the value of one field.
    #[error("config: {parameter} must be {rule}, got {value}")]
    OutOfRange {
        /// Name of the field, or of what is derived from it, such as "the number of window values".
        parameter: &'static str,
        /// The rule for the value.
        rule: &'static str,
        /// The value given.
        value: f64,
    },
}

impl ConfigError {
    /// Refuses a count or step of zero.
    pub(crate) fn refuse_zero(parameter: &'static str, value: usize) -> Result<(), Self> {
        if value == 0 { Err(Self::Zero { parameter }) } else { Ok(()) }
    }

    /// Refuses a table so large that only a damaged configuration asks for it.
    pub(crate) fn bound_table(parameter: &'static str, rows: usize, columns: usize) -> Result<(), Self> {
        let rule = "so small that its table has at most 33554432 values";
        Self::require(fits(rows, columns, MAX_TABLE), parameter, rule, rows as f64)
    }

    /// Refuses a table of cosines so large that only a damaged configuration asks for it.
    pub(crate) fn bound_cosines(parameter: &'static str, rows: usize, columns: usize) -> Result<(), Self> {
        let rule = "so small that its table has at most 4194304 cosines";
        Self::require(fits(rows, columns, MAX_COSINES), parameter, rule, rows as f64)
    }

    /// Refuses a value for which `holds` is false.
    pub(crate) fn require(
        holds: bool,
        parameter: &'static str,
        rule: &'static str,
        value: f64,
    ) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self::OutOfRange { parameter, rule, value }) }
    }
}

/// Whether a table has at most `limit` values.
fn fits(rows: usize, columns: usize, limit: usize) -> bool {
    rows.checked_mul(columns).is_some_and(|values| values <= limit)
}

/// A configuration or a signal that can't be used. Functions that take both settings and samples or matrices return it, such as
/// [`phase_vocoder`](crate::phase_vocoder). Convert a [`ConfigError`] or a [`SignalError`] into it with `?`.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration that can't work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A signal that can't be processed.
    #[error(transparent)]
    Signal(#[from] SignalError),
}

/// A signal, or a matrix made from one, that can't be processed.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SignalError {
    /// There is no sample at all.
    #[error("signal: samples must be 1 or more, got 0")]
    Empty,
    /// A sample, or a value of a matrix, is NaN or infinite.
    #[error("signal: sample {index} must be finite, got {value}")]
    NotFinite {
        /// Position of the first such value, counted from 0. In a stream, it counts from the start of the piece. The values of a matrix are
        /// counted row by row.
        index: usize,
        /// The value: NaN or an infinity. Two errors with NaN are never equal, because NaN is not equal to itself.
        value: f32,
    },
    /// A sample lies beyond ±1e12, where full scale is ±1. Powers of its spectrum could overflow.
    #[error("signal: sample {index} must be within ±1e12, where full scale is ±1, got {value:e}")]
    TooLoud {
        /// Position of the first such sample, counted from 0.
        index: usize,
        /// The sample.
        value: f32,
    },
    /// A matrix of magnitudes, powers or mel bands has a negative value.
    #[error("matrix: value {index}, counted row by row, must be 0 or more, got {value}")]
    Negative {
        /// Position of the first such value, counted row by row from 0.
        index: usize,
        /// The value.
        value: f32,
    },
    /// The signal has fewer samples than the task needs.
    #[error("signal: samples must be {minimum} or more, got {given}")]
    TooShort {
        /// The fewest samples that work.
        minimum: usize,
        /// The samples given.
        given: usize,
    },
    /// A matrix has fewer frames (columns) than the task needs.
    #[error("matrix: frames must be {minimum} or more, got {given}")]
    TooFewFrames {
        /// The fewest frames that work.
        minimum: usize,
        /// The frames given.
        given: usize,
    },
    /// The signal is silent, or so faint that only noise is left in it: its peak around its mean lies below
    /// [`MIN_SPEECH_PEAK`](crate::MIN_SPEECH_PEAK).
    #[error("signal: sound must not be silent, got {}", loudness(*peak))]
    Silent {
        /// Largest absolute difference of a sample from the mean of all samples.
        peak: f32,
    },
    /// A matrix has another number of rows than expected: than the plan was made for or than the stream's first matrix has, or none at all.
    #[error("matrix: rows must be {expected}, got {given}")]
    Rows {
        /// Rows expected. It is 1 where any number above 0 is allowed.
        expected: usize,
        /// Rows given.
        given: usize,
    },
    /// The number of channels is zero, or does not divide the number of interleaved samples.
    #[error("signal: interleaved samples must be a multiple of the channels, {channels}, got {samples}")]
    Channels {
        /// Samples given.
        samples: usize,
        /// Channels given.
        channels: usize,
    },
    /// A resampler of [`Resampler::with_ratio`](crate::Resampler::with_ratio) failed.
    #[error("signal: ratio must be one that rubato resamples by, got {ratio}: {reason}")]
    NotResampled {
        /// Ratio of the target's rate to the source's.
        ratio: f64,
        /// The error of rubato.
        reason: String,
    },
    /// A recording's sample rate lies outside of the range that [`Preparation`](crate::Preparation) resamples: 1,000 to 384,000 Hz. For
    /// uncommon ratios it must also lie within a factor of 256 of the target's rate.
    #[error("signal: sample_rate must be {minimum} to {maximum} Hz, got {given} Hz")]
    SampleRate {
        /// Lowest rate in Hz.
        minimum: u32,
        /// Highest rate in Hz.
        maximum: u32,
        /// The rate given in Hz.
        given: u32,
    },
}

/// What the peak of a silent signal is, in words.
fn loudness(peak: f32) -> String {
    if peak > 0.0 {
        return format!("a peak {:.0} dB below full scale", -20.0 * peak.log10());
    }
    "zeros alone".into()
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn errors_tell_place_parameter_rule_and_value_and_hold_no_others() {
        let config = |error: ConfigError| Error::from(error);
        let signal = |error: SignalError| Error::from(error);
        for (error, text) in [
            (config(ConfigError::Zero { parameter: "n_fft" }), "config: n_fft must be 1 or more, got 0"),
            (
                config(ConfigError::WindowTooLong { win_length: 9, n_fft: 8 }),
                "config: win_length must be at most n_fft, 8, got 9",
            ),
            (
                config(ConfigError::AboveNyquist { parameter: "fmax", frequency: 9e3, nyquist: 8e3 }),
                "config: fmax must be at most half of the sample rate, 8000 Hz, got 9000 Hz",
            ),
            (
                config(ConfigError::EmptyRange { fmin: 500.0, fmax: 400.0 }),
                "config: fmin must be below fmax, 400 Hz, got 500 Hz",
            ),
            (
                config(ConfigError::TooMany {
                    parameter: "n_mfcc",
                    value: 9,
                    limit_name: "n_mels",
                    limit: 8,
                }),
                "config: n_mfcc must be at most n_mels, 8, got 9",
            ),
            (
                config(ConfigError::Repeated { parameter: "features", name: "mel" }),
                "config: names in features must differ, got mel twice",
            ),
            (config(ConfigError::NotCentered), "config: center must be true, got false"),
            (
                config(ConfigError::NeedsWholeSignal { parameter: "top_db", rule: "None" }),
                "stream: top_db must be None, got a setting that needs the whole signal",
            ),
            (
                config(ConfigError::NotStreamed { feature: "tempogram" }),
                "stream: features must be ones that have a stream, got tempogram",
            ),
            (
                config(ConfigError::RatioTooFine { from: 44_101, to: 22_050, limit: 4_096 }),
                "config: ratio of sample rates must have numbers of at most 4096 in its lowest terms, got 44101 to 22050 Hz \
                 (Resampler::with_ratio takes any ratio from 1/256 to 256)",
            ),
            (
                config(ConfigError::OutOfRange { parameter: "coef", rule: "0 to 1", value: 1.5 }),
                "config: coef must be 0 to 1, got 1.5",
            ),
            (signal(SignalError::Empty), "signal: samples must be 1 or more, got 0"),
            (
                signal(SignalError::NotFinite { index: 3, value: f32::NAN }),
                "signal: sample 3 must be finite, got NaN",
            ),
            (
                signal(SignalError::TooLoud { index: 3, value: -1e30 }),
                "signal: sample 3 must be within ±1e12, where full scale is ±1, got -1e30",
            ),
            (
                signal(SignalError::Negative { index: 3, value: -0.5 }),
                "matrix: value 3, counted row by row, must be 0 or more, got -0.5",
            ),
            (
                signal(SignalError::TooShort { minimum: 9, given: 8 }),
                "signal: samples must be 9 or more, got 8",
            ),
            (
                signal(SignalError::TooFewFrames { minimum: 9, given: 8 }),
                "matrix: frames must be 9 or more, got 8",
            ),
            (
                signal(SignalError::Silent { peak: 1e-4 }),
                "signal: sound must not be silent, got a peak 80 dB below full scale",
            ),
            (signal(SignalError::Silent { peak: 0.0 }), "signal: sound must not be silent, got zeros alone"),
            (signal(SignalError::Rows { expected: 9, given: 8 }), "matrix: rows must be 9, got 8"),
            (
                signal(SignalError::Channels { samples: 9, channels: 2 }),
                "signal: interleaved samples must be a multiple of the channels, 2, got 9",
            ),
            (
                signal(SignalError::NotResampled { ratio: 0.5, reason: "too few samples".into() }),
                "signal: ratio must be one that rubato resamples by, got 0.5: too few samples",
            ),
            (
                signal(SignalError::SampleRate { minimum: 1_000, maximum: 384_000, given: 9 }),
                "signal: sample_rate must be 1000 to 384000 Hz, got 9 Hz",
            ),
        ] {
            assert_eq!(error.to_string(), text);
            assert!(error.source().is_none(), "{error}");
        }
    }
}
