//! Similarity of a song to the songs that a listener judged.

use crate::feature::Feature;
use crate::index::{Scale, likeness, similarity};
use crate::profile::{Profile, Sounds};

const AUDIO: usize = Feature::AUDIO.len();

/// A profile, ready to judge the songs of one index.
#[derive(Debug)]
pub(crate) struct Taste {
    pub(crate) liked: Centre,
    pub(crate) disliked: Centre,
    /// How much of a score taste makes up, 0 to 1.
    pub(crate) weight: f32,
}

impl Taste {
    /// None where no song was judged.
    pub(crate) fn new(profile: &Profile, scale: &Scale) -> Option<Self> {
        let judged = profile.liked().len() + profile.disliked().len();
        (judged > 0).then(|| Taste {
            liked: Centre::new(profile.liked(), scale),
            disliked: Centre::new(profile.disliked(), scale),
            weight: judged as f32 / (2 * judged + 8) as f32,
        })
    }
}

/// The mean sound of some songs.
#[derive(Debug, Default)]
pub(crate) struct Centre {
    /// In standard deviations of the catalogue.
    sound: [f32; AUDIO],
    /// The same for values on the scale of 0 to 1.
    pub(crate) factors: [f32; AUDIO],
    squares: f32,
    /// 1, or 0 where there are no songs.
    strength: f32,
}

impl Centre {
    fn new(songs: &Sounds, scale: &Scale) -> Self {
        if songs.is_empty() {
            return Centre::default();
        }
        let sound: [f32; AUDIO] = std::array::from_fn(|at| {
            let units = songs.values().map(|sound| {
                sound[at]
                    .map_or(f64::from(scale.means[at]), |value| f64::from(Feature::AUDIO[at].unit(value)))
            });
            (units.sum::<f64>() / songs.len() as f64) as f32 / scale.deviations[at]
        });
        let factors = std::array::from_fn(|at| sound[at] / scale.deviations[at]);
        let squares = sound.iter().map(|value| value * value).sum();
        Centre { sound, factors, squares, strength: 1.0 }
    }

    /// How alike a song is, 0 to 1, from its squared length and its product with [`Centre::factors`].
    pub(crate) fn pull(&self, squares: f32, product: f32) -> f32 {
        self.strength * likeness((squares - 2.0 * product + self.squares).max(0.0))
    }

    /// How alike a song is, 0 to 1, from its sound.
    pub(crate) fn similarity(&self, sound: &[f32; AUDIO]) -> f32 {
        self.strength * similarity(&self.sound, sound)
    }
}
