//! The listener's taste in the scores of songs.
//!
//! Comparing a song with all kinds of songs that were judged takes nine numbers of four bytes from memory. So each song is
//! compared by a sketch first, which has one byte a number: only songs whose score may beat the worst of the best so far are
//! compared again, exactly.

use pulp::{Arch, Simd, WithSimd};

use super::top::TopK;
use crate::feature::AUDIO;
use crate::index::{Group, Scale, likeness};
use crate::taste::{Centre, Kinds, Taste};

/// Songs at a time: their sketches as numbers stay in the nearest cache.
const PART: usize = 256;
/// Comparing the sketches of a part takes about as long as comparing this many songs exactly, which lie elsewhere in memory.
const FEW: usize = 4;

/// A taste, ready to be mixed into the scores of a group's songs.
pub(super) struct Liking<'a> {
    group: &'a Group,
    scale: &'a Scale,
    taste: &'a Taste,
    /// A sketch's step in standard deviations.
    steps: [f32; AUDIO],
    /// How far apart the likenesses by sketch and by sound may be.
    slack: f32,
}

/// Numbers of songs of one part.
type Column = [f32; PART];

/// The sketches of one part.
struct Sketches {
    columns: [Column; AUDIO],
    /// The squared lengths in standard deviations.
    squares: Column,
}

impl<'a> Liking<'a> {
    pub(super) fn new(group: &'a Group, taste: &'a Taste, scale: &'a Scale) -> Self {
        // The largest slope of 1 / (1 + d² / 9) is that at d = √3.
        const SLOPE: f32 = 0.2166;
        // Of a sum of nine products and some differences, against the largest of them.
        const ROUNDING: f32 = 4e-6;
        let steps = scale.deviations.map(|deviation| 1.0 / (Group::SKETCH_STEPS * deviation));
        let half_steps = steps.iter().map(|step| (0.5 * step).powi(2)).sum::<f32>().sqrt();
        let largest: f32 = scale.deviations.iter().map(|deviation| 2.0 / (deviation * deviation)).sum();
        let slack = 1.001 * SLOPE * half_steps + ROUNDING * (1.0 + largest);
        Liking { group, scale, taste, steps, slack }
    }

    /// Mixes the taste into the scores of the songs from `start` on, and shows those to `top` that pass.
    pub(super) fn take_best(
        &self,
        start: usize,
        scores: &[f32],
        top: &mut TopK,
        passes: impl Fn(usize) -> bool,
    ) {
        let has_dislikes = !self.taste.disliked.centres.is_empty();
        let slack = self.taste.weight * 0.5 * self.slack + 1e-6;
        let arch = Arch::new();
        let (mut liked, mut disliked, mut bounds) = ([0.0; PART], [0.0; PART], [0.0; PART]);
        let mut sketches = Sketches { columns: [[0.0; PART]; AUDIO], squares: [0.0; PART] };
        for (part, fits) in scores.chunks(PART).enumerate() {
            let start = start + part * PART;
            let bar = top.bar();
            sketches.fill(self.group, start, &self.steps);
            arch.dispatch(Compare { sketches: &sketches, kinds: &self.taste.liked, pulls: &mut liked });
            let mut hopeful = self.bound(fits, &liked, slack, bar, &mut bounds);
            // Dislikes only lower a score: they matter to songs that likes lift above the bar.
            if has_dislikes && hopeful > FEW {
                let kinds = &self.taste.disliked;
                arch.dispatch(Compare { sketches: &sketches, kinds, pulls: &mut disliked });
                liked.iter_mut().zip(&disliked).for_each(|(pull, disliked)| *pull -= disliked);
                hopeful = self.bound(fits, &liked, 2.0 * slack, bar, &mut bounds);
            }
            if hopeful == 0 {
                continue;
            }
            for (at, fit) in (start..).zip(fits) {
                if top.would_take(bounds[at - start]) {
                    let score = self.score(at, *fit);
                    if top.would_take(score) && passes(at) {
                        top.push(score, at);
                    }
                }
            }
        }
    }

    /// The highest scores that songs may have. Returns how many are above `bar`.
    fn bound(&self, fits: &[f32], pulls: &Column, slack: f32, bar: f32, bounds: &mut Column) -> usize {
        let mut above = 0_u32;
        for ((bound, fit), pull) in bounds.iter_mut().zip(fits).zip(pulls) {
            *bound = mix(self.taste.weight, *fit, *pull) + slack;
            above += u32::from(*bound > bar);
        }
        above as usize
    }

    /// The score of one song, by its sound.
    fn score(&self, at: usize, fit: f32) -> f32 {
        let sound: [f32; AUDIO] =
            std::array::from_fn(|feature| self.scale.known(feature, self.group.columns[feature][at]));
        let pull = |kinds: &Kinds| {
            let distance = |centre: &Centre| {
                let product = sound.iter().zip(&centre.factors).fold(0.0, |sum, (a, b)| sum + b * a);
                self.group.squares[at] - 2.0 * product + centre.offset
            };
            let nearest = kinds.centres.iter().map(distance).reduce(f32::min);
            nearest.map_or(0.0, |distance| likeness(distance.max(0.0)))
        };
        mix(self.taste.weight, fit, pull(&self.taste.liked) - pull(&self.taste.disliked))
    }
}

/// A score with taste: a pull of 0 says nothing, 1 is that of a song that was liked.
fn mix(weight: f32, fit: f32, pull: f32) -> f32 {
    // Not by the difference of both: that of −∞, for a song that does not pass, is no number.
    (1.0 - weight) * fit + weight * (0.5 + 0.5 * pull)
}

impl Sketches {
    /// Takes the songs of a group from `start` on.
    fn fill(&mut self, group: &Group, start: usize, steps: &[f32; AUDIO]) {
        self.squares = [0.0; PART];
        for ((column, sketch), step) in self.columns.iter_mut().zip(&group.sketches).zip(steps) {
            let sketch = &sketch[start..sketch.len().min(start + PART)];
            for ((value, square), steps) in column.iter_mut().zip(&mut self.squares).zip(sketch) {
                *value = f32::from(*steps);
                *square += (step * *value) * (step * *value);
            }
        }
    }
}

/// Compares songs with the nearest of some kinds: likeness from 0 to 1, and 0 without kinds. Compiled for each instruction set.
struct Compare<'a> {
    sketches: &'a Sketches,
    kinds: &'a Kinds,
    pulls: &'a mut Column,
}

impl WithSimd for Compare<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "with one index for all columns the loop is vectorised")]
    fn with_simd<S: Simd>(self, _: S) {
        let Compare { sketches, kinds, pulls } = self;
        if kinds.centres.is_empty() {
            *pulls = [0.0; PART];
            return;
        }
        let mut least = [f32::INFINITY; PART];
        for centre in &kinds.centres {
            // |a − b|² = |a|² − 2 a·b + |b|².
            let mut factors = centre.factors;
            factors.iter_mut().for_each(|factor| *factor /= Group::SKETCH_STEPS);
            for at in 0..PART {
                let mut product = 0.0;
                for feature in 0..AUDIO {
                    product += factors[feature] * sketches.columns[feature][at];
                }
                let distance = sketches.squares[at] - 2.0 * product + centre.offset;
                // `f32::min` would also look for NaN.
                least[at] = if distance < least[at] { distance } else { least[at] };
            }
        }
        for at in 0..PART {
            pulls[at] = likeness(if least[at] > 0.0 { least[at] } else { 0.0 });
        }
    }
}
