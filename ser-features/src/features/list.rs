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
        /// A feature of a signal: a matrix `[rows, frames]`. All features of a [`FeatureConfig`](crate::FeatureConfig) have the same
        /// frames. `n_fft`, `n_mels`, `n_mfcc` and `top_db` below are fields of that configuration.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub enum Feature {
            $($(#[doc = $doc])* #[cfg_attr(feature = "serde", serde(rename = $name))] $feature,)*
        }

        impl Feature {
            /// All features, those of [`Feature::ISSA`] first.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$feature),*];

            /// Returns the name in lower case, as it stands in configuration files: `mfcc`, `zero_crossing_rate`.
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
    /// Chroma from magnitudes ([`Chroma`](crate::Chroma)), 12 rows from C to B, 0..=1. The largest value of each frame is 1; a silent frame
    /// is 0.
    Chroma: "chroma", Of(12), Magnitudes, streams;
    /// Mel power spectrogram ([`MelSpectrogram`](crate::MelSpectrogram)), `n_mels` rows.
    Mel: "mel", NMels, Mel, streams;
    /// Spectral contrast from magnitudes ([`SpectralContrast`](crate::SpectralContrast)), 7 rows in dB. Peaks and valleys are limited to 80
    /// dB below their largest, and not limited in streams; `top_db` does not apply.
    Contrast: "contrast", Of(7), Magnitudes, streams;
    /// Tonal centroids ([`Tonnetz`](crate::Tonnetz)) of the [harmonic part](crate::HarmonicPercussive): 6 rows, four within ±1 and two
    /// within ±0.5. A silent frame is 0.
    Tonnetz: "tonnetz", Of(6), Transform, whole;
    /// Spectral centroid ([`SpectralCentroid`](crate::SpectralCentroid)), a row in Hz.
    Centroid: "centroid", Of(1), Magnitudes, streams;
    /// Spectral bandwidth ([`SpectralBandwidth`](crate::SpectralBandwidth)), a row in Hz.
    Bandwidth: "bandwidth", Of(1), Magnitudes, streams;
    /// Roll-off frequency ([`SpectralRolloff`](crate::SpectralRolloff)), a row in Hz: below it lie 85 % of the frame's magnitudes.
    Rolloff: "rolloff", Of(1), Magnitudes, streams;
    /// Spectral flatness ([`SpectralFlatness`](crate::SpectralFlatness)), a row from 0 (tone) to 1 (noise); silence has 1.
    Flatness: "flatness", Of(1), Magnitudes, streams;
    /// Zero-crossing rate ([`ZeroCrossingRate`](crate::ZeroCrossingRate)) of frames of `n_fft` samples, a row of crossings per sample,
    /// 0..=1.
    ZeroCrossingRate: "zero_crossing_rate", Of(1), Samples, streams;
    /// Root mean square of frames of `n_fft` samples ([`Rms`](crate::Rms)), a row in the unit of the samples.
    Rms: "rms", Of(1), Samples, streams;
    /// Mel power spectrogram in dB ([`LogMel`](crate::LogMel)), `n_mels` rows; `top_db` as for the MFCC.
    LogMel: "log_mel", NMels, Mel, streams;
    /// Slope of the MFCC over nine frames ([`Delta`](crate::Delta)), `n_mfcc` rows, in the MFCC's unit per frame. A signal with fewer than
    /// nine frames is refused.
    MfccDelta: "mfcc_delta", NMfcc, Mel, whole;
    /// Curvature (second derivative) of the MFCC over nine frames, `n_mfcc` rows, in the MFCC's unit per frame squared. A signal with fewer
    /// than nine frames is refused.
    MfccDelta2: "mfcc_delta2", NMfcc, Mel, whole;
    /// Fundamental frequency ([`Pyin`](crate::Pyin)) of frames of `n_fft` samples, a row in Hz, from C2 (65.4 Hz) to C7 (2,093 Hz); 0 where
    /// a frame is not voiced.
    F0: "f0", Of(1), Pitch, whole;
    /// Probability that a frame of `n_fft` samples is voiced ([`Pyin`](crate::Pyin)), a row from 0 to 1.
    VoicedProbability: "voiced_probability", Of(1), Pitch, whole;
    /// Jitter of the frame's periods ([`VoiceQuality`](crate::VoiceQuality)), a row: the mean difference of consecutive periods divided by
    /// their mean, so 0.01 is 1 %. 0 where a frame is not voiced or has no two periods to compare.
    Jitter: "jitter", Of(1), Periods, whole;
    /// Shimmer of the frame's periods ([`VoiceQuality`](crate::VoiceQuality)), a row in dB: the mean difference of consecutive periods'
    /// peaks. 0 where a frame is not voiced or has no two periods to compare.
    Shimmer: "shimmer", Of(1), Periods, whole;
    /// Harmonics-to-noise ratio ([`VoiceQuality`](crate::VoiceQuality)), a row in dB, −60..=60; 0 where a frame is not voiced.
    Hnr: "hnr", Of(1), Periods, whole;
    /// Frequency of the first formant ([`Formants`](crate::Formants)), a row in Hz; 0 where there is none. Formants are meaningful in
    /// voiced frames only.
    F1: "f1", Of(1), Formants, whole;
    /// Frequency of the second formant, a row in Hz; 0 where there is none.
    F2: "f2", Of(1), Formants, whole;
    /// Frequency of the third formant, a row in Hz; 0 where there is none.
    F3: "f3", Of(1), Formants, whole;
    /// Bandwidth (−3 dB) of the first formant, a row in Hz; 0 where there is none.
    F1Bandwidth: "f1_bandwidth", Of(1), Formants, whole;
    /// Alpha ratio ([`SpectralBalance`](crate::SpectralBalance)), a row in dB: energy from 50 to 1,000 Hz against energy from 1,000 to
    /// 5,000 Hz.
    AlphaRatio: "alpha_ratio", Of(1), Magnitudes, streams;
    /// Hammarberg index ([`SpectralBalance`](crate::SpectralBalance)), a row in dB: strongest peak up to 2,000 Hz against strongest peak
    /// from 2,000 to 5,000 Hz.
    HammarbergIndex: "hammarberg_index", Of(1), Magnitudes, streams;
    /// Spectral slope from 0 to 500 Hz ([`SpectralBalance`](crate::SpectralBalance)), a row in dB per kHz.
    Slope0To500: "slope_0_500", Of(1), Magnitudes, streams;
    /// Spectral slope from 500 to 1,500 Hz ([`SpectralBalance`](crate::SpectralBalance)), a row in dB per kHz.
    Slope500To1500: "slope_500_1500", Of(1), Magnitudes, streams;
}

impl Feature {
    /// The five features of Issa, Demirci and Yazici (*Speech emotion recognition with deep convolutional neural networks*, 2020), in their
    /// order: MFCC, chroma, mel, contrast, tonnetz.
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

    /// Finds the feature with this name, as [`as_str`](Feature::as_str) gives it.
    ///
    /// # Errors
    /// When no feature has this name. Case matters: `"MFCC"` is refused.
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
