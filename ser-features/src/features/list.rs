//! The list of features, with the name, rows and source of each, and whether it can be streamed.

use std::fmt;
use std::str::FromStr;

/// How many rows a feature has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rows {
    NMfcc,
    NMels,
    Of(usize),
}

/// The input that a feature is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Samples,
    /// The complex transform.
    Transform,
    Magnitudes,
    /// Mel bands of the powers.
    Mel,
    /// pYIN's track.
    Pitch,
    /// Periods that are found along pYIN's track.
    Periods,
    Formants,
}

/// Defines [`Feature`] from rows `Name: "name", rows, source, streams;`. `whole` instead of `streams` marks features that
/// [`StreamingExtractor`](crate::StreamingExtractor) refuses.
macro_rules! features {
    ($($(#[doc = $doc:literal])* $feature:ident: $name:tt, $rows:ident $(($count:literal))?, $source:ident, $stream:ident;)*) => {
        /// A feature: a matrix with one column a frame.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub enum Feature {
            $($(#[doc = $doc])* #[cfg_attr(feature = "serde", serde(rename = $name))] $feature,)*
        }

        impl Feature {
            /// All features, those of [`Feature::ISSA`] first.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$feature),*];

            /// The name in lower case, as it stands in configuration files: `mfcc`, `zero_crossing_rate`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$feature => $name,)*
                }
            }

            pub(crate) fn rows(self) -> Rows {
                match self {
                    $(Self::$feature => Rows::$rows $(($count))?,)*
                }
            }

            pub(crate) fn source(self) -> Source {
                match self {
                    $(Self::$feature => Source::$source,)*
                }
            }

            /// Whether [`StreamingExtractor`](crate::StreamingExtractor) offers the feature.
            pub(crate) fn streams(self) -> bool {
                match self {
                    $(Self::$feature => features!($stream),)*
                }
            }
        }
    };
    (streams) => { true };
    (whole) => { false };
}

features! {
    /// Mel-frequency cepstral coefficients ([`Mfcc`](crate::Mfcc)), `n_mfcc` rows.
    Mfcc: "mfcc", NMfcc, Mel, streams;
    /// Chroma from magnitudes ([`Chroma`](crate::Chroma)), 12 rows from C to B, each frame's largest is 1.
    Chroma: "chroma", Of(12), Magnitudes, streams;
    /// Mel power spectrogram ([`MelSpectrogram`](crate::MelSpectrogram)), `n_mels` rows.
    Mel: "mel", NMels, Mel, streams;
    /// Spectral contrast from magnitudes ([`SpectralContrast`](crate::SpectralContrast)), 7 rows in dB.
    Contrast: "contrast", Of(7), Magnitudes, streams;
    /// Tonal centroids of the harmonic part's constant-Q chroma, 6 rows.
    Tonnetz: "tonnetz", Of(6), Transform, whole;
    /// Spectral centroid ([`SpectralCentroid`](crate::SpectralCentroid)), a row in Hz.
    Centroid: "centroid", Of(1), Magnitudes, streams;
    /// Spectral bandwidth ([`SpectralBandwidth`](crate::SpectralBandwidth)), a row in Hz.
    Bandwidth: "bandwidth", Of(1), Magnitudes, streams;
    /// Roll-off frequency ([`SpectralRolloff`](crate::SpectralRolloff)), a row in Hz.
    Rolloff: "rolloff", Of(1), Magnitudes, streams;
    /// Spectral flatness ([`SpectralFlatness`](crate::SpectralFlatness)), a row from 0 to 1.
    Flatness: "flatness", Of(1), Magnitudes, streams;
    /// Zero-crossing rate of frames of `n_fft` samples ([`ZeroCrossingRate`](crate::ZeroCrossingRate)), a row from 0 to 1.
    ZeroCrossingRate: "zero_crossing_rate", Of(1), Samples, streams;
    /// Root mean square of frames of `n_fft` samples ([`Rms`](crate::Rms)), a row in the unit of the samples.
    Rms: "rms", Of(1), Samples, streams;
    /// Mel power spectrogram in dB ([`LogMel`](crate::LogMel)), `n_mels` rows; `top_db` as for the MFCC.
    LogMel: "log_mel", NMels, Mel, streams;
    /// Slope of the MFCC over nine frames ([`Delta`](crate::Delta)), `n_mfcc` rows. It needs at least nine frames.
    MfccDelta: "mfcc_delta", NMfcc, Mel, whole;
    /// Curvature of the MFCC over nine frames, `n_mfcc` rows. It needs at least nine frames.
    MfccDelta2: "mfcc_delta2", NMfcc, Mel, whole;
    /// Fundamental frequency from C2 to C7 ([`Pyin`](crate::Pyin)) of frames of `n_fft` samples, a row in Hz; 0 where a frame is not
    /// voiced.
    F0: "f0", Of(1), Pitch, whole;
    /// Probability that a frame of `n_fft` samples is voiced ([`Pyin`](crate::Pyin)), a row from 0 to 1.
    VoicedProbability: "voiced_probability", Of(1), Pitch, whole;
    /// Jitter of the frame's periods ([`VoiceQuality`](crate::VoiceQuality)), a row in parts of a period; 0 where a frame is not voiced.
    Jitter: "jitter", Of(1), Periods, whole;
    /// Shimmer of the frame's periods ([`VoiceQuality`](crate::VoiceQuality)), a row in dB; 0 where a frame is not voiced.
    Shimmer: "shimmer", Of(1), Periods, whole;
    /// Harmonics-to-noise ratio ([`VoiceQuality`](crate::VoiceQuality)), a row in dB; 0 where a frame is not voiced.
    Hnr: "hnr", Of(1), Periods, whole;
    /// Frequency of the first formant ([`Formants`](crate::Formants)), a row in Hz; 0 where there is none.
    F1: "f1", Of(1), Formants, whole;
    /// Frequency of the second formant, a row in Hz.
    F2: "f2", Of(1), Formants, whole;
    /// Frequency of the third formant, a row in Hz.
    F3: "f3", Of(1), Formants, whole;
    /// Bandwidth of the first formant, a row in Hz.
    F1Bandwidth: "f1_bandwidth", Of(1), Formants, whole;
    /// Alpha ratio ([`SpectralBalance`](crate::SpectralBalance)), a row in dB.
    AlphaRatio: "alpha_ratio", Of(1), Magnitudes, streams;
    /// Hammarberg index ([`SpectralBalance`](crate::SpectralBalance)), a row in dB.
    HammarbergIndex: "hammarberg_index", Of(1), Magnitudes, streams;
    /// Spectral slope from 0 to 500 Hz ([`SpectralBalance`](crate::SpectralBalance)), a row in dB per kHz.
    Slope0To500: "slope_0_500", Of(1), Magnitudes, streams;
    /// Spectral slope from 500 to 1,500 Hz ([`SpectralBalance`](crate::SpectralBalance)), a row in dB per kHz.
    Slope500To1500: "slope_500_1500", Of(1), Magnitudes, streams;
}

impl Feature {
    /// The five features of Issa, Demirci and Yazici (*Speech emotion recognition with deep convolutional neural networks*, 2020), in their
    /// order.
    pub const ISSA: [Self; 5] = [Self::Mfcc, Self::Chroma, Self::Mel, Self::Contrast, Self::Tonnetz];
}

/// Error of parsing a [`Feature`]: no feature has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("features: name must be one of {}, got {name:?}", names())]
#[non_exhaustive]
pub struct UnknownFeature {
    /// The name given.
    pub name: String,
}

fn names() -> String {
    Feature::ALL.map(Feature::as_str).join(", ")
}

impl FromStr for Feature {
    type Err = UnknownFeature;

    /// The feature that [`as_str`](Feature::as_str) names so.
    fn from_str(name: &str) -> Result<Self, UnknownFeature> {
        let found = Self::ALL.into_iter().find(|feature| feature.as_str() == name);
        found.ok_or_else(|| UnknownFeature { name: name.into() })
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for feature in Feature::ALL {
            assert_eq!(feature.as_str().parse(), Ok(feature));
        }
        let error = "MFCC".parse::<Feature>().unwrap_err().to_string();
        assert!(
            error.starts_with("features: name must be one of mfcc, chroma,")
                && error.ends_with("got \"MFCC\""),
            "{error}"
        );
    }
}
