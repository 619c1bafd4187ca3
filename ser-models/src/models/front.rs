//! What is taken of a clip for a network, by default.

use super::Architecture;
use crate::input::{Ear, ModelInput};
use ser_features::{Alignment, Feature, FeatureConfig, PreparationConfig};

impl Architecture {
    /// How clips are prepared for the network by default. All but `tim-net` get the report's preparation, the default: 22,050 Hz,
    /// silence trimmed, peak-normalised, three seconds, which are 130 frames. `tim-net` gets that of its authors: 22,050 Hz and
    /// nothing else than 110,000 samples from the clip's centre, or with zeros around it. `whisper-head` gets 16,000 Hz, silence trimmed
    /// 40 dB below the loudest, peak-normalised, of any length.
    pub fn preparation(&self) -> PreparationConfig {
        match self.member() {
            Self::TimNet(_) => PreparationConfig {
                length: Some(110_000),
                alignment: Alignment::Centre,
                ..PreparationConfig::raw(22_050)
            },
            Self::WhisperHead(_) => Ear::preparation(),
            _ => PreparationConfig::default(),
        }
    }

    /// Which features the network reads by default, with librosa's settings: for an image the mel spectrogram, for `cnn-attention` as
    /// many mel bands as it has rows, for a sequence of 193 rows and for vectors all five features, for any other sequence as many MFCC as it has rows, for channels the first
    /// features in the order of [`Feature::ISSA`]. `whisper-head` reads what an [`Ear`] makes of the mel spectrogram that Whisper hears.
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
            ModelInput::Encoded { .. } => Ear::features(),
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
