//! Draws the waveform and the features of one clip over time.

use anyhow::Context;
use ndarray::Array2;
use ser_features::{
    Feature, FeatureConfig, FeatureExtractor, Features, Preparation, PreparationConfig, Trim, TrimConfig,
    check_speech, normalize,
};

use crate::overview::{Overview, Overviewed};
use crate::{Figure, Heatmap, Language, Rows};

/// A picture of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Picture {
    /// The samples, with the part that trimming kept in colour.
    Waveform,
    /// The mel spectrogram in dB.
    Mel,
    /// Mel-frequency cepstral coefficients.
    Mfcc,
    /// Energy by pitch class.
    Chroma,
    /// Spectral contrast: the difference of peaks and valleys in each octave.
    Contrast,
    /// Tonal centroids.
    Tonnetz,
    /// Pitch of the voice.
    Pitch,
}

impl Picture {
    /// The pictures that are listed in §7 of the report. The docs of [`Strategy::Balance`](mood_recommender::Strategy::Balance) name the
    /// report.
    pub const ALL: [Self; 6] =
        [Self::Waveform, Self::Mfcc, Self::Mel, Self::Chroma, Self::Contrast, Self::Tonnetz];
}

/// A clip that was analysed for its pictures. The features are those of the trimmed clip, normalised to a peak of 1. A recogniser reads the
/// same, with padding.
#[derive(Debug)]
pub struct Sound {
    overview: Overviewed,
    features: Features,
    /// Start and end of the part that trimming kept, in seconds.
    time: std::ops::Range<f64>,
}

impl Sound {
    /// Analyses mono samples at `sample_rate` Hz.
    ///
    /// # Errors
    /// If the clip holds no speech (see [`check_speech`]), or if its features cannot be computed.
    pub fn new(samples: &[f32], sample_rate: u32) -> anyhow::Result<Self> {
        check_speech(samples, sample_rate)?;
        let mut overview = Overview::new(sample_rate)?;
        overview.push(samples)?;
        let (front, config) = (PreparationConfig::default(), FeatureConfig::default());
        let mut clip =
            Preparation::new(PreparationConfig::raw(front.sample_rate))?.process(samples, sample_rate)?;
        let mut start = 0;
        if let Some(top_db) = front.trim_top_db {
            let part = Trim::new(TrimConfig { top_db, ..TrimConfig::default() })?.trim(&clip)?;
            start = part.start;
            clip = clip[part].to_vec();
        }
        normalize(&mut clip)?;
        let second = |sample: usize| sample as f64 / f64::from(front.sample_rate);
        Ok(Self {
            overview: overview.finish(Language::English)?,
            features: FeatureExtractor::new(config)?.extract(&clip)?,
            time: second(start)..second(start + clip.len()),
        })
    }

    /// Returns one picture of the clip.
    ///
    /// # Errors
    /// If a feature was not extracted, which does not happen: [`Sound::new`] extracts all of them.
    pub fn figure(&self, picture: Picture) -> anyhow::Result<Figure> {
        let heatmap = |title: &str, values: Array2<f32>, rows, unit: &str| {
            let (title, unit) = (title.to_string(), unit.to_string());
            let (time, axis) = (self.time.clone(), 0.0..self.overview.seconds);
            Figure::Heatmap(Heatmap { title, values, time, axis, rows, unit })
        };
        let names = |of: &str, names: &[&str]| {
            Rows::Names(of.to_string(), names.iter().map(ToString::to_string).collect())
        };
        let feature = |feature: Feature| {
            let values = self.features.get(feature).cloned();
            values.with_context(|| format!("picture: {feature} must be extracted, got none"))
        };
        Ok(match picture {
            Picture::Waveform => self.overview.waveform.clone(),
            Picture::Mel => self.overview.mel.clone(),
            Picture::Pitch => self.overview.pitch.clone(),
            Picture::Mfcc => {
                heatmap("MFCC", feature(Feature::Mfcc)?, Rows::Numbered("coefficient".to_string()), "dB")
            }
            Picture::Chroma => {
                let classes = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
                heatmap("Chroma", feature(Feature::Chroma)?, names("pitch class", &classes), "of max")
            }
            Picture::Contrast => {
                let bands =
                    ["0–200", "200–400", "400–800", "800–1600", "1600–3200", "3200–6400", "6400–11025"];
                let rows = names("band in Hz", &bands);
                heatmap("Spectral contrast", feature(Feature::Contrast)?, rows, "dB")
            }
            Picture::Tonnetz => {
                let axes = ["fifth x", "fifth y", "minor x", "minor y", "major x", "major y"];
                heatmap("Tonnetz", feature(Feature::Tonnetz)?, names("tonal centroid", &axes), "")
            }
        })
    }
}
