//! Similarity of a song to the songs that a listener judged.

use crate::feature::{AUDIO, SongFeature};
use crate::index::{Scale, similarity};
use crate::profile::{Profile, Sounds};

/// Maximum number of clusters of a listener's songs. More clusters do not find more of a simulated listener's songs and take more time.
pub(crate) const KINDS: usize = 4;
/// Weight of the logarithm of a cluster's share against squared distances. If the clusters are taken for a mixture of normal
/// distributions, it is twice the variance of a cluster along each feature. With it, a song that was liked by chance pulls less than a
/// cluster with many songs. Simulated listeners get 4 % more of their songs than with 0.
const RARITY: f32 = 2.0;
/// Rounds of k-means, which change little after a few.
const ROUNDS: usize = 8;

/// A song's audio features in standard deviations of a catalogue.
type Sound = [f32; AUDIO];

/// A profile, ready to judge the songs of one index.
#[derive(Debug)]
pub(crate) struct Taste {
    pub(crate) liked: Kinds,
    pub(crate) disliked: Kinds,
    /// How much of a score taste makes up, 0 to 1.
    pub(crate) weight: f32,
}

impl Taste {
    /// None where no song was judged.
    pub(crate) fn new(profile: &Profile, scale: &Scale) -> Option<Self> {
        let judged = profile.liked().len() + profile.disliked().len();
        (judged > 0).then(|| Taste {
            liked: Kinds::new(profile.liked(), scale),
            disliked: Kinds::new(profile.disliked(), scale),
            weight: judged as f32 / (judged + 2) as f32,
        })
    }
}

/// Cluster centres of some songs in the space of their audio features.
#[derive(Debug)]
pub(crate) struct Kinds {
    pub(crate) centres: Vec<Centre>,
}

#[derive(Debug)]
pub(crate) struct Centre {
    sound: Sound,
    /// What the values of a song on the scale of 0 to 1 are multiplied by in a squared distance: −2 of the centre's.
    pub(crate) factors: Sound,
    /// Constant term of the distance to this centre: the centre's squared length, plus a penalty that is larger for clusters with
    /// fewer songs.
    pub(crate) offset: f32,
}

impl Kinds {
    fn new(songs: &Sounds, scale: &Scale) -> Self {
        let sounds: Vec<Sound> = songs.values().map(|sound| in_deviations(sound, scale)).collect();
        let kinds = means(&sounds);
        let most = kinds.iter().map(|(_, songs)| *songs).max().unwrap_or_default();
        let centre = |(sound, songs): (Sound, u16)| Centre {
            sound,
            factors: std::array::from_fn(|at| -2.0 * sound[at] / scale.deviations[at]),
            offset: sound.iter().map(|value| value * value).sum::<f32>()
                + RARITY * (f32::from(most) / f32::from(songs.max(1))).ln(),
        };
        Kinds { centres: kinds.into_iter().map(centre).collect() }
    }

    /// Similarity of a song to the nearest centre, 0 to 1; 0 without centres.
    pub(crate) fn similarity(&self, sound: &Sound) -> f32 {
        self.centres.iter().map(|centre| similarity(&centre.sound, sound)).fold(0.0, f32::max)
    }
}

fn in_deviations(sound: &[Option<f32>; AUDIO], scale: &Scale) -> Sound {
    std::array::from_fn(|at| {
        let unit = sound[at].map_or(scale.means[at], |value| SongFeature::AUDIO[at].unit(value));
        unit / scale.deviations[at]
    })
}

/// The means of up to [`KINDS`] groups by k-means (Lloyd 1982), begun with sounds that are far apart (Gonzalez 1985), so that
/// one profile gives one result.
fn means(sounds: &[Sound]) -> Vec<(Sound, u16)> {
    let mut centres: Vec<Sound> = sounds.first().copied().into_iter().collect();
    while centres.len() < KINDS.min(sounds.len()) {
        let away = |sound: &Sound| {
            centres.iter().map(|centre| distance(centre, sound)).fold(f32::INFINITY, f32::min)
        };
        match sounds.iter().max_by(|a, b| away(a).total_cmp(&away(b))) {
            Some(furthest) if away(furthest) > 0.0 => centres.push(*furthest),
            _ => break,
        }
    }
    let mut counts = vec![0; centres.len()];
    for _ in 0..ROUNDS {
        let mut sums = vec![([0.0_f32; AUDIO], 0_u16); centres.len()];
        for sound in sounds {
            let by_distance = |a: &usize, b: &usize| {
                distance(&centres[*a], sound).total_cmp(&distance(&centres[*b], sound))
            };
            if let Some(nearest) = (0..centres.len()).min_by(by_distance) {
                let (sum, count) = &mut sums[nearest];
                sum.iter_mut().zip(sound).for_each(|(sum, value)| *sum += value);
                *count = count.saturating_add(1);
            }
        }
        for ((centre, songs), (sum, count)) in centres.iter_mut().zip(&mut counts).zip(sums) {
            *songs = count;
            if count > 0 {
                *centre = sum.map(|sum| sum / f32::from(count));
            }
        }
    }
    centres.into_iter().zip(counts).collect()
}

fn distance(a: &Sound, b: &Sound) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn songs_of_two_kinds_have_two_centres_and_no_mean_between() {
        let sounds: Vec<Sound> =
            (0..20).map(|at| [if at % 2 == 0 { 0.0 } else { 6.0 } + at as f32 * 0.01; AUDIO]).collect();
        let centres = means(&sounds);
        assert_eq!(centres.len(), KINDS);
        assert!(centres.iter().all(|(centre, _)| !(1.0..5.0).contains(&centre[0])), "{centres:?}");
        assert_eq!(centres.iter().map(|(_, songs)| songs).sum::<u16>(), 20);
        assert_eq!(means(&[[1.0; AUDIO], [1.0; AUDIO]]), [([1.0; AUDIO], 2)]);
        assert!(means(&[]).is_empty());
    }
}
