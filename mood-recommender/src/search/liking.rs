//! The listener's taste in the scores of songs.

use super::BLOCK;
use crate::feature::AUDIO;
use crate::index::{Group, Scale, likeness};
use crate::taste::{Centre, Kinds, Taste};

/// Songs at a time: their sounds stay in the nearest cache.
const PART: usize = 256;

/// The sounds of some songs, column by column.
struct Sounds {
    /// The audio features on their scale of 0 to 1.
    features: [[f32; PART]; AUDIO],
    /// The squared lengths in standard deviations.
    squares: [f32; PART],
}

/// Mixes the listener's taste into the scores of the songs from `start` on: 0.5 says nothing, 1 is like a kind of songs that was
/// liked. The score of a song that cannot be above `bar` may stay too high, but not above `bar`.
pub(super) fn blend(
    group: &Group,
    start: usize,
    taste: &Taste,
    scale: &Scale,
    bar: f32,
    scores: &mut [f32],
) {
    debug_assert!(scores.len() <= BLOCK);
    let mut sounds = Sounds { features: [[0.0; PART]; AUDIO], squares: [0.0; PART] };
    // Not by the difference to 0.5: that of −∞ is no number.
    let mix = |fit: f32, pull: f32| (1.0 - taste.weight) * fit + taste.weight * (0.5 + 0.5 * pull);
    for (part, scores) in scores.chunks_mut(PART).enumerate() {
        sounds.fill(group, start + part * PART, scale);
        let mut pulls = [0.0; PART];
        sounds.pull(&taste.liked, &mut pulls);
        if !taste.disliked.centres.is_empty() {
            // Dislikes only lower a score: they matter to what likes alone lift above the bar, which is little.
            let hopeful = |(fit, pull): (&f32, &f32)| mix(*fit, *pull) > bar;
            let count: usize = scores.iter().zip(&pulls).map(|song| usize::from(hopeful(song))).sum();
            if count * MANY > scores.len() {
                let mut disliked = [0.0; PART];
                sounds.pull(&taste.disliked, &mut disliked);
                pulls.iter_mut().zip(disliked).for_each(|(pull, disliked)| *pull -= disliked);
            } else if count > 0 {
                for (at, fit) in scores.iter().enumerate() {
                    if hopeful((fit, &pulls[at])) {
                        pulls[at] -= sounds.pull_of(at, &taste.disliked);
                    }
                }
            }
        }
        scores.iter_mut().zip(pulls).for_each(|(score, pull)| *score = mix(*score, pull));
    }
}

/// One song after the other takes this many times as long as all of a part together.
const MANY: usize = 8;

impl Sounds {
    /// Takes the songs of a group from `start` on.
    fn fill(&mut self, group: &Group, start: usize, scale: &Scale) {
        for (feature, values) in self.features.iter_mut().enumerate() {
            let column = &group.columns[feature][start..];
            if group.complete[feature] && column.len() >= PART {
                values.copy_from_slice(&column[..PART]);
            } else {
                let known = |(value, given): (&mut f32, &f32)| *value = scale.known(feature, *given);
                values.iter_mut().zip(column).for_each(known);
            }
        }
        self.squares.iter_mut().zip(&group.squares[start..]).for_each(|(square, given)| *square = *given);
    }

    /// How alike the songs are to the nearest of some kinds, 0 to 1; 0 without kinds.
    fn pull(&self, kinds: &Kinds, pulls: &mut [f32; PART]) {
        if kinds.centres.is_empty() {
            return;
        }
        // With all columns side by side, a song's sum stays in a register.
        let mut least = [f32::INFINITY; PART];
        for centre in &kinds.centres {
            for at in 0..PART {
                // `f32::min` would also look for NaN.
                let distance = self.distance(at, centre);
                least[at] = if distance < least[at] { distance } else { least[at] };
            }
        }
        for (pull, least) in pulls.iter_mut().zip(least) {
            *pull = likeness(if least > 0.0 { least } else { 0.0 });
        }
    }

    /// The same for one song, to the last bit.
    fn pull_of(&self, at: usize, kinds: &Kinds) -> f32 {
        let distances = kinds.centres.iter().map(|centre| self.distance(at, centre));
        likeness(distances.fold(f32::INFINITY, f32::min).max(0.0))
    }

    /// The squared distance of a song from a centre: |a − b|² = |a|² − 2 a·b + |b|².
    #[inline(always)]
    fn distance(&self, at: usize, centre: &Centre) -> f32 {
        let mut product = 0.0;
        for feature in 0..AUDIO {
            product += centre.factors[feature] * self.features[feature][at];
        }
        self.squares[at] - 2.0 * product + centre.offset
    }
}
