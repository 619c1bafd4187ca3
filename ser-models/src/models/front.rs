//! Default preparation and features for each architecture.

use super::Architecture;
use crate::input::{ClipEncoder, ModelInput};
use ser_features::{Alignment, Feature, FeatureConfig, PreparationConfig};

impl Architecture {
    /// Returns the default preparation of clips for the network. `tim-net` has that of its authors: 22,050 Hz, 110,000 samples from the
    /// clip's centre or zeros on both sides of a shorter clip, no trimming and no normalisation. `whisper-head` has 16,000 Hz, silence
    /// trimmed 40 dB below the loudest frame, peak normalisation and any length. All others have [`PreparationConfig::default`], as in the
    /// student report that this project reimplements: 22,050 Hz, silence trimmed, peak-normalised, three seconds, which are 130 frames.
    pub fn preparation(&self) -> PreparationConfig {
        match self.member() {
            Self::TimNet(_) => PreparationConfig {
                length: Some(110_000),
                alignment: Alignment::Centre,
                ..PreparationConfig::raw(22_050)
            },
            Self::WhisperHead(_) => ClipEncoder::preparation(),
            _ => PreparationConfig::default(),
        }
    }

    /// The default features of the network, with librosa's settings. An image is the mel spectrogram; `cnn-attention` reads as many mel
    /// bands as it has rows. A vector has all five features (193 numbers), and so has a sequence of 193 rows; any other sequence has as
    /// many MFCC as rows. Channels are the first features in the order of [`Feature::ISSA`]. `whisper-head` reads Whisper's mel spectrogram
    /// of 80 bands through a [`ClipEncoder`].
    pub fn features(&self) -> FeatureConfig {
        let all = FeatureConfig::default();
        if let Self::CnnAttention(config) = self.member() {
            return FeatureConfig { n_mels: config.rows, features: vec![Feature::Mel], ..all };
        }
        match self.input() {
            ModelInput::Sequence { rows, .. } if rows != all.total_rows() => {
                FeatureConfig { n_mfcc: rows, features: vec![Feature::Mfcc], ..all }
            }
            ModelInput::Channels { channels, .. } => {
                let features = Feature::ISSA.into_iter().take(channels).collect();
                FeatureConfig { features, ..all }
            }
            ModelInput::Image { .. } => FeatureConfig { features: vec![Feature::Mel], ..all },
            ModelInput::Encoded { .. } | ModelInput::EncodedFrames { .. } => ClipEncoder::features(80),
            ModelInput::Vector { .. } | ModelInput::Sequence { .. } => all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_features_give_every_architecture_its_input() {
        for name in Architecture::NAMES {
            let architecture = Architecture::named(name).unwrap();
            let features = architecture.features();
            assert_eq!(architecture.input().check(&features), Ok(()), "{name}");
            assert_eq!(architecture.preparation().sample_rate, features.sample_rate, "{name}");
        }
    }
}
