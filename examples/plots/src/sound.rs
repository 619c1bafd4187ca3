//! Pictures of one clip: its waveform and its features over time.

use std::ops::Range;

use anyhow::Context;
use ndarray::Array2;
use ser_features::{
    DecibelConfig, Feature, FeatureConfig, FeatureExtractor, Features, MelConfig, Preparation,
    PreparationConfig, Pyin, PyinConfig, StftConfig, Trim, TrimConfig, check_speech, mel_filter_bank,
    normalize, power_to_db,
};

use crate::{Figure, Heatmap, Pitch, Rows, Waveform};

/// Where the pitch of voices lies, in Hz.
const VOICE: (f64, f64) = (65.0, 600.0);

/// A picture of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Picture {
    /// The samples, with what trimming kept.
    Waveform,
    /// The mel spectrogram in dB.
    Mel,
    /// Mel-frequency cepstral coefficients.
    Mfcc,
    /// Energy by pitch class.
    Chroma,
    /// Peaks over valleys in each octave.
    Contrast,
    /// Tonal centroids.
    Tonnetz,
    /// The voice's pitch.
    Pitch,
}

impl Picture {
    /// The pictures that the report's §7 lists.
    pub const ALL: [Self; 6] =
        [Self::Waveform, Self::Mfcc, Self::Mel, Self::Chroma, Self::Contrast, Self::Tonnetz];
}

/// A clip, analysed for its pictures: features of what trimming leaves of it, brought to a peak of 1, as the
/// recogniser sees it but for the silence that fills it up.
#[derive(Debug)]
pub struct Sound {
    samples: Vec<f32>,
    sample_rate: u32,
    kept: Range<usize>,
    /// What trimming left, at the sample rate of `config`.
    clip: Vec<f32>,
    features: Features,
    config: FeatureConfig,
}

impl Sound {
    /// Analyses mono samples at `sample_rate` Hz.
    ///
    /// # Errors
    /// If the clip holds no speech; see [`check_speech`].
    pub fn new(samples: Vec<f32>, sample_rate: u32) -> anyhow::Result<Self> {
        check_speech(&samples, sample_rate)?;
        let (front, config) = (PreparationConfig::default(), FeatureConfig::default());
        let mut clip =
            Preparation::new(PreparationConfig::raw(front.sample_rate))?.process(&samples, sample_rate)?;
        let mut kept = 0..samples.len();
        if let Some(top_db) = front.trim_top_db {
            let part = Trim::new(TrimConfig { top_db, ..TrimConfig::default() })?.trim(&clip)?;
            let place = |at: usize| {
                (at as f64 * f64::from(sample_rate) / f64::from(front.sample_rate)).round() as usize
            };
            kept = place(part.start)..place(part.end).min(samples.len());
            clip = clip[part].to_vec();
        }
        normalize(&mut clip)?;
        let features = FeatureExtractor::new(config.clone())?.extract(&clip)?;
        Ok(Self { samples, sample_rate, kept, clip, features, config })
    }

    /// One picture.
    ///
    /// # Errors
    /// None that a clip which was analysed gives.
    pub fn figure(&self, picture: Picture) -> anyhow::Result<Figure> {
        let heatmap = |title: &str, values: Array2<f32>, rows, unit: &str| {
            let (title, unit) = (title.to_string(), unit.to_string());
            let (start, seconds) =
                (self.start(), self.clip.len() as f64 / f64::from(self.config.sample_rate));
            let (time, axis) = (start..start + seconds, 0.0..self.seconds());
            Figure::Heatmap(Heatmap { title, values, time, axis, rows, unit })
        };
        let names = |of: &str, names: &[&str]| {
            Rows::Names(of.to_string(), names.iter().map(ToString::to_string).collect())
        };
        let feature = |feature| self.features.get(feature).cloned().context("was not extracted");
        Ok(match picture {
            Picture::Waveform => Figure::Waveform(Waveform {
                title: "Waveform; coloured: what trimming kept".to_string(),
                samples: self.samples.clone(),
                sample_rate: self.sample_rate,
                kept: Some(self.kept.clone()),
            }),
            Picture::Mel => {
                let mut values = feature(Feature::Mel)?;
                power_to_db(&mut values, &DecibelConfig::default())?;
                heatmap("Mel spectrogram", values, Rows::Hertz(self.mel_centres()?), "dB")
            }
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
            Picture::Pitch => {
                let sample_rate = self.config.sample_rate;
                let config =
                    PyinConfig { sample_rate, fmin: VOICE.0, fmax: VOICE.1, ..PyinConfig::default() };
                let step = config.hop_length as f64 / f64::from(sample_rate);
                let track = Pyin::new(config)?.process(&self.clip)?;
                let start = self.start();
                let points = track.f0.iter().enumerate().map(|(n, hertz)| (start + n as f64 * step, *hertz));
                let title = "Pitch".to_string();
                Figure::Pitch(Pitch { title, points: points.collect(), seconds: self.seconds() })
            }
        })
    }

    /// The recording's length in seconds.
    fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }

    /// Where what trimming left begins, in seconds.
    fn start(&self) -> f64 {
        self.kept.start as f64 / f64::from(self.sample_rate)
    }

    /// The mean frequency of each mel band in Hz.
    fn mel_centres(&self) -> anyhow::Result<Vec<f32>> {
        let FeatureConfig { sample_rate, n_fft, n_mels, .. } = self.config;
        let config = MelConfig {
            sample_rate,
            n_mels,
            stft: StftConfig { n_fft, ..StftConfig::default() },
            ..MelConfig::default()
        };
        let bin = sample_rate as f32 / n_fft as f32;
        let bank = mel_filter_bank(&config)?;
        let centre = |row: ndarray::ArrayView1<'_, f32>| {
            let weighted: f32 = row.iter().enumerate().map(|(k, weight)| k as f32 * bin * weight).sum();
            weighted / row.sum().max(f32::MIN_POSITIVE)
        };
        Ok(bank.outer_iter().map(centre).collect())
    }
}
