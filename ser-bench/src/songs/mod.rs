//! Recommendations measured with simulated listeners: effects of strategies, and taste against baselines.

mod journeys;
mod listeners;
mod strategies;
mod taste;

pub use journeys::{Smoothness, smoothness};
pub use listeners::{Listener, listeners};
pub use strategies::{Effect, effects};
pub use taste::{Recall, recall};

use mood_recommender::{Catalog, Song, SongFeature};

/// Songs on the axes of the nine audio features, in standard deviations of a catalogue.
pub(crate) struct Space {
    means: Vec<f64>,
    deviations: Vec<f64>,
}

const AUDIO: usize = SongFeature::ALL.len() - 1;

impl Space {
    pub(crate) fn new(catalog: &Catalog) -> Self {
        let (mut means, mut deviations) = (Vec::new(), Vec::new());
        for feature in &SongFeature::ALL[..AUDIO] {
            let values: Vec<f64> =
                catalog.songs().iter().filter_map(|song| song.feature(*feature).map(f64::from)).collect();
            let count = values.len().max(1) as f64;
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            means.push(mean);
            deviations.push(if variance > 0.0 { variance.sqrt() } else { 1.0 });
        }
        Space { means, deviations }
    }

    /// Position of a song; a missing feature is at the mean.
    pub(crate) fn place(&self, song: &Song) -> [f64; AUDIO] {
        std::array::from_fn(|at| {
            let value = song.feature(SongFeature::ALL[at]).map_or(self.means[at], f64::from);
            (value - self.means[at]) / self.deviations[at]
        })
    }
}

/// The root mean squared difference of two places.
pub(crate) fn distance(a: &[f64; AUDIO], b: &[f64; AUDIO]) -> f64 {
    (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / AUDIO as f64).sqrt()
}

pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for value in values {
        sum += value;
        count += 1;
    }
    sum / f64::from(count.max(1))
}
